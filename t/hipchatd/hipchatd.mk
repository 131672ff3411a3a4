# t/hipchatd/hipchatd.mk - the stand-in HipChat

STAND_IN := $(patsubst %.c,$B/obj/%.o,$(wildcard t/hipchatd/*.c))

$B/t/hipchatd:		LIBS = -lmicrohttpd -lcurl -ljson-c -lpcre2-8 -lnettle \
			       -lunistring -lpthread
$B/t/hipchatd: $(STAND_IN)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)
