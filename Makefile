# HipChat integration as CGI programs.  See the README.
#
#	make demo	install what is missing, build, show it at work
#	make run	the same, and leave it running until Ctrl-C
#	make test	install what is missing, build, run every test
#	make new-endpoint NAME=dice	a webhook of your own, to begin with
#	make install	into prefix, CGIDIR, DATADIR, STATEDIR below DESTDIR
#	make asan lint fuzz soak powercut browser bench uninstall clean
#
# With DEPS=no, the first three install nothing.

prefix	 = /usr/local
CGIDIR	 = $(prefix)/lib/hipchat-cgi
DATADIR	 = $(prefix)/share/hipchat-cgi
STATEDIR = /var/lib/hipchat-cgi
SYSCONFDIR = /etc

# Set CC, CFLAGS, CPPFLAGS and LDFLAGS in the environment or on the command
# line.  Everything is built in B.
CFLAGS	?= -O2 -g
B	= build

STD	= -std=c11 -D_GNU_SOURCE -Icommon -ffile-prefix-map='$(CURDIR)'=.
WARN	= -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion \
	  -Wstrict-prototypes -Wmissing-prototypes
HARD	= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE \
	  $(shell cat $B/hard)
COMPILE	= $(CC) $(STD) $(WARN) $(CPPFLAGS) $(HARD) $(CFLAGS) -MMD -MP
LINK	= $(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now,--as-needed $(LDFLAGS)
CORE	= -lfcgi -ljson-c -lunistring -lnettle
STATIC	= $(shell cat $B/static)

ENDPOINTS := $(patsubst cgi-bin/%.c,%,$(wildcard cgi-bin/*.c))
NAMES	= $(shell echo $(ENDPOINTS) | tr ' ' '|')
PROGRAMS = $(ENDPOINTS) courier
UNITS	= hipchat-courier.service hipchat@.service hipchat@.socket
COMMON	:= $(patsubst %.c,$B/obj/%.o,$(wildcard common/*.c))
DAEMONS	:= $(patsubst %.c,$B/obj/%.o,$(filter-out common/daemons/courier.c,\
	   $(wildcard common/daemons/*.c)))

all: $(PROGRAMS:%=$B/cgi-bin/%)

# Ask compiler and linker only once what they support.
$B/hard:
	@mkdir -p $(@D)
	@for flags in -fstack-clash-protection -fcf-protection \
	    -mbranch-protection=standard \
	    '-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3'; do \
	    echo '#include <stdio.h>' | $(CC) -O2 -Werror $$flags -x c -c \
	    -o /dev/null - 2>/dev/null && echo $$flags; done >$@ || :

$B/static:
	@mkdir -p $(@D)
	@echo 'int main(void){return 0;}' | $(CC) -static-pie -x c -o /dev/null - \
	    -ldb $(CORE) 2>/dev/null && echo -static-pie >$@ || : >$@

# Apache execs a program for every request, so what runs most often is linked
# statically, if there are archives: it starts in half the time.  libcurl has
# none: a program that doesn't link without it calls HipChat.  (2>/dev/null also
# drops a warning about getaddrinfo, which only Berkeley DB's archive uses.)
$B/cgi-bin/%: $B/obj/cgi-bin/%.o $B/libhipchat.a | $B/static
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(STATIC) -ldb $(CORE) 2>/dev/null || \
	    $(LINK) -o $@ $^ -lcurl -ldb $(CORE)

$B/cgi-bin/courier: $B/obj/common/daemons/courier.o $B/libdaemons.a \
    $B/libhipchat.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ -lcurl -ldb $(CORE)

$B/libhipchat.a: $(COMMON)
$B/libdaemons.a: $(DAEMONS)
$B/%.a:
	rm -f $@; ar rcs $@ $^

$B/obj/%.o: %.c | $B/hard
	@mkdir -p $(@D)
	$(COMPILE) $(DEFINES) -c -o $@ $<

# Built again when the installed paths change.  These go into C, a shell, sed
# and Apache's configuration, so what is special in one of them is refused.
$B/obj/common/config.o: $B/paths
$B/paths: FORCE
	@mkdir -p $(@D)
	@case :$$PATHS in *:[!/]* | *[!A-Za-z0-9/._+,@:~-]*) echo 'make: prefix,' \
	    'CGIDIR, DATADIR, STATEDIR, SYSCONFDIR: not an absolute path of' \
	    'letters, digits and . _ + , @ ~ - only' >&2; exit 1;; esac
	@echo '$(STATEDIR) $(DATADIR) $(SYSCONFDIR)' | cmp -s - $@ || \
	    echo '$(STATEDIR) $(DATADIR) $(SYSCONFDIR)' >$@
$B/paths: export PATHS = $(CGIDIR):$(DATADIR):$(STATEDIR):$(SYSCONFDIR)
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

new-endpoint: test-deps
	@t/new-endpoint.sh "$(NAME)"

demo run: built
	@B=$B t/demo.sh $@

test: built
	@B=$B prove -j6 -e t/run t/*.t t/endpoints/*.t t/hipchatd/*.t \
	    $(filter-out %soak %/stress %/fastcgi-kill,$(TESTS))

include t/check.mk

# ---- installation -----------------------------------------------------------

install: all
	install -d "$(DESTDIR)$(CGIDIR)" "$(DESTDIR)$(DATADIR)/templates"
	install -d -m 700 "$(DESTDIR)$(STATEDIR)"
	@# New files are renamed over the old ones, which may be running.
	set -e; put() { install -m $$1 "$$2" "$$3.new"; mv -f "$$3.new" "$$3"; }; \
	for program in $(PROGRAMS); do \
	    put 755 $B/cgi-bin/$$program "$(DESTDIR)$(CGIDIR)/$$program"; done; \
	put 644 templates/capabilities.json \
	    "$(DESTDIR)$(DATADIR)/templates/capabilities.json"; \
	sed -e 's|@CGIDIR@|$(CGIDIR)|' -e 's/@ENDPOINTS@/$(NAMES)/' \
	    httpd.conf.sample | \
	put 644 /dev/stdin "$(DESTDIR)$(DATADIR)/httpd.conf"; \
	for unit in $(UNITS); do \
	    sed -e 's|@CGIDIR@|$(CGIDIR)|' -e 's|@STATEDIR@|$(STATEDIR)|' \
	        -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|' common/daemons/$$unit | \
	    put 644 /dev/stdin "$(DESTDIR)$(DATADIR)/$$unit"; done

uninstall:
	rm -f $(PROGRAMS:%="$(DESTDIR)$(CGIDIR)/%") \
	    "$(DESTDIR)$(DATADIR)/templates/capabilities.json" \
	    "$(DESTDIR)$(DATADIR)/httpd.conf" \
	    $(UNITS:%="$(DESTDIR)$(DATADIR)/%")
	for dir in "$(DATADIR)/templates" "$(DATADIR)" "$(CGIDIR)"; do \
	    rmdir "$(DESTDIR)$$dir" 2>/dev/null || :; done

clean:
	rm -rf $B

.PHONY: FORCE all deps test-deps built demo run test new-endpoint install \
	uninstall clean
.SECONDARY:
-include $(shell find $B/obj -name '*.d' 2>/dev/null)
