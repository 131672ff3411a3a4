# HipChat integration as four CGI programs.  The README has the whole story.
#
#	make demo	install what is missing, build, show it at work
#	make run	the same, and leave it running until Ctrl-C
#	make test	install what is missing, build, run every test
#	make install	into prefix, CGIDIR, DATADIR, STATEDIR below DESTDIR
#	make asan lint fuzz bench uninstall clean

prefix	 = /usr/local
CGIDIR	 = $(prefix)/lib/hipchat-cgi
DATADIR	 = $(prefix)/share/hipchat-cgi
STATEDIR = /var/lib/hipchat-cgi

# CC, CFLAGS, CPPFLAGS and LDFLAGS are yours; B is where everything is built.
CC	= cc
CFLAGS	= -O2 -g
B	= build

STD	= -std=c11 -D_GNU_SOURCE -Icommon
WARN	= -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion \
	  -Wstrict-prototypes -Wmissing-prototypes
HARD	= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
COMPILE	= $(CC) $(STD) $(WARN) $(HARD) $(CPPFLAGS) $(CFLAGS) -MMD -MP
LINK	= $(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now,--as-needed $(LDFLAGS)

# Apache execs a program for every request, so what runs most often is linked
# statically, where there are archives to do so: it starts in half the time.
# (Berkeley DB's archive mentions getaddrinfo, which nothing here calls; a
# linker that can is told not to warn of it.)
STATIC	:= $(shell for flags in '-static-pie -Wl,--no-warnings' -static-pie; do \
	   echo 'int main(void){return 0;}' | $(CC) $$flags -x c -o /dev/null - \
	   -ldb -ljson-c -lunistring -lnettle 2>/dev/null && \
	   echo $$flags && break; done)

PROGRAMS = capabilities installed uninstalled echo courier
COMMON	:= $(patsubst %.c,$B/obj/%.o,$(filter-out common/courier.c,\
	   $(wildcard common/*.c)))
STAND_IN := $(patsubst %.c,$B/obj/%.o,$(wildcard t/hipchatd/*.c))
TESTS	:= $(patsubst t/%.c,$B/t/%,$(wildcard t/*.c))
BENCHES	:= $(patsubst t/%.c,$B/t/%,$(wildcard t/bench/*.c))

all: $(PROGRAMS:%=$B/cgi-bin/%)

# Each program names what it links.
CORE	= -ljson-c -lunistring -lnettle
$B/cgi-bin/capabilities: LIBS = $(STATIC) $(CORE)
$B/cgi-bin/installed:	LIBS = -lcurl -ldb $(CORE)
$B/cgi-bin/uninstalled:	LIBS = -lcurl -ldb $(CORE)
$B/cgi-bin/echo:	LIBS = $(STATIC) -ldb $(CORE)
$B/cgi-bin/courier:	LIBS = -lcurl -ldb $(CORE)
$B/t/hipchatd:		LIBS = -lmicrohttpd -lcurl -ljson-c -lpcre2-8 -lnettle \
			       -lpthread
$(TESTS):		LIBS = -lcurl -ldb $(CORE)
$(BENCHES):		LIBS = -static
$B/t/bench/echo-direct:	LIBS = -lcurl -ldb $(CORE)

$B/cgi-bin/%: $B/obj/cgi-bin/%.o $B/libhipchat.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)

$B/cgi-bin/courier: $B/obj/common/courier.o $B/libhipchat.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)

$B/libhipchat.a: $(COMMON)
	rm -f $@; ar rcs $@ $^

$B/obj/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) $(DEFINES) -c -o $@ $<

# built anew when the installed paths change
$B/obj/common/config.o: $B/paths
$B/paths: FORCE
	@mkdir -p $(@D)
	@echo '$(STATEDIR) $(DATADIR)' | cmp -s - $@ || \
	    echo '$(STATEDIR) $(DATADIR)' >$@
FORCE:

$B/obj/common/config.o: DEFINES = -DDATA_DIR='"$(STATEDIR)"' \
	-DTEMPLATE_DIR='"$(DATADIR)/templates"'

$B/t/hipchatd: $(STAND_IN)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)

$B/t/%: $B/obj/t/%.o $B/libhipchat.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)

$B/t/bench/%: $B/obj/t/bench/%.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

$B/t/bench/echo-direct: $B/obj/t/bench/echo-direct.o $B/libhipchat.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)

# ---- what a newcomer types --------------------------------------------------

deps:
	@t/deps.sh build

test-deps:
	@t/deps.sh build test

built: test-deps
	@$(MAKE) -s --no-print-directory -j2 all tests
tests: $B/t/hipchatd $(TESTS)

demo run: built
	@B=$B t/demo.sh $@

test: built
	@B=$B prove -j4 -e t/run t/*.t $(TESTS)

# ---- what its developers type -----------------------------------------------

SAN	= -fsanitize=address,undefined -fno-sanitize-recover=undefined
asan:
	@t/deps.sh build test asan
	@$(MAKE) --no-print-directory B=$B/asan STATIC= HARD=-fPIE \
	    CFLAGS="-O1 -g -fno-omit-frame-pointer $(SAN)" test

lint:
	@t/deps.sh build test lint
	@B=$B t/lint.sh

FUZZERS	:= $(patsubst t/fuzz/%.c,$B/fuzz/%,$(wildcard t/fuzz/*.c))
FUZZ_S	= 60
fuzz:
	@t/deps.sh build fuzz
	@$(MAKE) -s --no-print-directory -j2 fuzzers B=$B/fuzz CC=clang STATIC= HARD= \
	    CFLAGS="-O1 -g -fno-omit-frame-pointer $(SAN) \
	    -fsanitize=fuzzer-no-link"
	@B=$B/fuzz t/fuzz/run.sh $(FUZZ_S)
fuzzers: $(FUZZERS)
$B/fuzz/%: t/fuzz/%.c $B/libhipchat.a
	@mkdir -p $(@D)
	$(COMPILE) -fsanitize=fuzzer -o $@ $^ -lcurl -ldb $(CORE)

bench: built
	@t/deps.sh bench
	@$(MAKE) -s --no-print-directory $(BENCHES)
	@B=$B t/bench.sh

# ---- installation -----------------------------------------------------------

install: all
	install -d "$(DESTDIR)$(CGIDIR)" "$(DESTDIR)$(DATADIR)/templates"
	install -d -m 700 "$(DESTDIR)$(STATEDIR)"
	install $(PROGRAMS:%=$B/cgi-bin/%) "$(DESTDIR)$(CGIDIR)"
	install -m 644 templates/capabilities.json \
	    "$(DESTDIR)$(DATADIR)/templates"
	sed -e '/^Define HIPCHAT_CGIDIR/s|/.*|$(CGIDIR)|' \
	    -e '/^Define HIPCHAT_TEMPLATE_DIR/s|/.*|$(DATADIR)/templates|' \
	    -e '/^Define HIPCHAT_DATA_DIR/s|/.*|$(STATEDIR)|' \
	    httpd.conf.sample >"$(DESTDIR)$(DATADIR)/httpd.conf"

uninstall:
	cd "$(DESTDIR)$(CGIDIR)" && rm -f $(PROGRAMS)
	rm -f "$(DESTDIR)$(DATADIR)/templates/capabilities.json" \
	    "$(DESTDIR)$(DATADIR)/httpd.conf"

clean:
	rm -rf $B

.PHONY: all deps test-deps built tests demo run test asan lint fuzz \
	fuzzers bench install \
	uninstall clean
.SECONDARY:
-include $(shell find $B/obj -name '*.d' 2>/dev/null)
