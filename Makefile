# HipChat integration as four CGI programs: see README.
#
#	make demo	install what is missing, build, show it at work
#	make test	install what is missing, build, test

prefix	= /usr/local
CGIDIR	= $(prefix)/lib/hipchat-cgi
DATADIR	= $(prefix)/share/hipchat-cgi
STATEDIR = /var/lib/hipchat-cgi

# CFLAGS, CPPFLAGS and LDFLAGS are the user's
CC	= cc
CFLAGS	= -O2 -g
B	= build

STD	= -std=c11 -D_GNU_SOURCE -Icommon
WARN	= -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion \
	  -Wstrict-prototypes -Wmissing-prototypes
HARD	= -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
HARDLD	= -pie -Wl,-z,relro,-z,now,--as-needed
PATHS	= -DDATA_DIR='"$(STATEDIR)"' -DTEMPLATE_DIR='"$(DATADIR)/templates"'
COMPILE	= $(CC) $(STD) $(WARN) $(HARD) $(CPPFLAGS) $(CFLAGS) -MMD -MP
LINK	= $(CC) $(CFLAGS) $(HARDLD) $(LDFLAGS)

PROGRAMS = $B/cgi-bin/capabilities $B/cgi-bin/installed \
	  $B/cgi-bin/uninstalled $B/cgi-bin/echo
OBJECTS	= $(patsubst %.c,$B/%.o,$(wildcard common/*.c cgi-bin/*.c))

all: $(PROGRAMS)

$B/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

$B/common/config.o: COMPILE += $(PATHS)

$B/common/libhipchat.a: $(patsubst %.c,$B/%.o,$(wildcard common/*.c))
	rm -f $@; ar rcs $@ $^

# what each program needs besides json-c, libunistring and nettle
$B/cgi-bin/installed $B/cgi-bin/uninstalled $B/cgi-bin/echo: LIBS = -lcurl -ldb

$B/cgi-bin/%: $B/cgi-bin/%.o $B/common/libhipchat.a
	$(LINK) -o $@ $^ $(LIBS) -ljson-c -lunistring -lnettle

clean:
	rm -rf $B

-include $(OBJECTS:.o=.d)

.PHONY: all clean
.SECONDARY:
