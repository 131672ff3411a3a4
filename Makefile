# HipChat integration as four CGI programs.  The README has the whole story.
#
#	make demo	install what is missing, build, show it at work
#	make run	the same, and leave it running until Ctrl-C
#	make test	install what is missing, build, run every test
#	make install	into prefix, CGIDIR, DATADIR, STATEDIR below DESTDIR
#	make asan lint fuzz soak bench uninstall clean

prefix	 = /usr/local
CGIDIR	 = $(prefix)/lib/hipchat-cgi
DATADIR	 = $(prefix)/share/hipchat-cgi
STATEDIR = /var/lib/hipchat-cgi
SYSCONFDIR = /etc

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

all: $(PROGRAMS:%=$B/cgi-bin/%)

# Each program names what it links.
CORE	= -ljson-c -lunistring -lnettle
$B/cgi-bin/capabilities: LIBS = $(STATIC) $(CORE)
$B/cgi-bin/installed:	LIBS = -lcurl -ldb $(CORE)
$B/cgi-bin/uninstalled:	LIBS = -lcurl -ldb $(CORE)
$B/cgi-bin/echo:	LIBS = $(STATIC) -ldb $(CORE)
$B/cgi-bin/courier:	LIBS = -lcurl -ldb $(CORE)

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
	@echo '$(STATEDIR) $(DATADIR) $(SYSCONFDIR)' | cmp -s - $@ || \
	    echo '$(STATEDIR) $(DATADIR) $(SYSCONFDIR)' >$@
$B/obj/common/config.o: DEFINES = -DDATA_DIR='"$(STATEDIR)"' \
	-DTEMPLATE_DIR='"$(DATADIR)/templates"' \
	-DCONFIG_FILE='"$(SYSCONFDIR)/hipchat-cgi.conf"'

# ---- what a newcomer types --------------------------------------------------

deps:
	@t/deps.sh build

test-deps:
	@t/deps.sh build test

built: test-deps
	@$(MAKE) -s --no-print-directory -j2 all tests

demo run: built
	@B=$B t/demo.sh $@

test: built
	@B=$B prove -j6 -e t/run t/*.t t/hipchatd/*.t \
	    $(filter-out %/soak,$(TESTS))

include t/check.mk

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
	rm -f $(PROGRAMS:%="$(DESTDIR)$(CGIDIR)/%") \
	    "$(DESTDIR)$(DATADIR)/templates/capabilities.json" \
	    "$(DESTDIR)$(DATADIR)/httpd.conf"
	for dir in "$(DATADIR)/templates" "$(DATADIR)" "$(CGIDIR)"; do \
	    rmdir "$(DESTDIR)$$dir" 2>/dev/null || :; done

clean:
	rm -rf $B

.PHONY: FORCE all deps test-deps built demo run test install uninstall clean
.SECONDARY:
-include $(shell find $B/obj -name '*.d' 2>/dev/null)
