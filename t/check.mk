# t/check.mk - the part of the Makefile for tests and measurements

include t/hipchatd/hipchatd.mk

TESTS	:= $(patsubst t/%.c,$B/t/%,$(wildcard t/unit/*.c))
BENCHES	:= $(patsubst t/%.c,$B/t/%,$(wildcard t/bench/*.c))
EXAMPLES := $(patsubst t/%.c,$B/t/%,$(wildcard t/examples/*.c))
FUZZERS	:= $(patsubst t/fuzz/%.c,$B/fuzz/%,$(wildcard t/fuzz/*.c))

$(TESTS):		LIBS = -lcurl -ldb $(CORE)
$(EXAMPLES):		LIBS = -lcurl -ldb $(CORE)
$(BENCHES):		LIBS = -static
LINKED	= $(patsubst %,$B/t/bench/%,echo-direct feed fill)
$(LINKED): LIBS = -lcurl -ldb $(CORE)

$B/t/%: $B/obj/t/%.o $B/libdaemons.a $B/libhipchat.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)

$B/t/unit/soak: $(patsubst %.c,$B/obj/%.o,t/unit/soak.c \
	    $(wildcard t/unit/soak/*.c))
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)

$B/t/unit/stress: $(patsubst %.c,$B/obj/%.o,t/unit/stress.c \
	    $(wildcard t/unit/soak/*.c t/unit/stress/*.c)) $B/libhipchat.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)

$B/t/unit/test-fastcgi: $(patsubst %.c,$B/obj/%.o,t/unit/test-fastcgi.c \
	    t/unit/fcgi/bytes.c t/unit/fcgi/run.c) $B/libhipchat.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)

$B/t/unit/fastcgi-soak $B/t/unit/fastcgi-kill: $B/t/%: $B/obj/t/%.o \
    $(patsubst %.c,$B/obj/%.o,$(wildcard t/unit/fcgi/*.c) \
    t/unit/soak/http.c t/unit/soak/good.c) $B/libhipchat.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)

# echo, so that a shim can be put before its library
$B/t/dynamic/echo: $B/obj/cgi-bin/echo.o $B/libhipchat.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ -ldb $(CORE)

$B/t/bench/%: $B/obj/t/bench/%.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

$(LINKED): $B/t/bench/%: $B/obj/t/bench/%.o $B/libhipchat.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)

tests: $B/t/hipchatd $(TESTS) $(EXAMPLES) $B/t/dynamic/echo

SAN	= -fsanitize=address,undefined -fno-sanitize-recover=undefined
asan:
	@t/deps.sh build test asan
	@SOAK_REQUESTS=$${SOAK_REQUESTS:-10000} \
	    $(MAKE) --no-print-directory B=$B/asan STATIC= HARD=-fPIE \
	    CFLAGS="-O1 -g -fno-omit-frame-pointer $(SAN)" test

# load and faults for minutes, and all deaths of couriers
soak: built
	@B=$B SOAK_S=60 KILLS=200 WEBHOOKS=2000 STRESS_S=$${STRESS_S:-120} \
	    SOAK_REQUESTS=50000 prove -v -e t/run t/soak.t t/kill-courier.t \
	    t/fastcgi-soak.t t/fastcgi-kill.t t/stress.t

# the stand-in's page, used in Chromium, which takes 300 MB to install
browser: built
	@t/deps.sh browser
	@B=$B prove -e t/run t/browser/page.t

lint:
	@t/deps.sh build test lint
	@B=$B t/lint.sh

FUZZ_S	= 60
fuzz:
	@t/deps.sh build fuzz
	@$(MAKE) -s --no-print-directory -j2 fuzzers B=$B/fuzz CC=clang \
	    STATIC= HARD= CFLAGS="-O1 -g -fno-omit-frame-pointer $(SAN) \
	    -fsanitize=fuzzer-no-link"
	@B=$B/fuzz t/fuzz/run.sh $(FUZZ_S)
fuzzers: $(FUZZERS)
$B/fuzz/%: t/fuzz/%.c $B/libhipchat.a | $B/hard
	@mkdir -p $(@D)
	$(COMPILE) -fsanitize=fuzzer -o $@ $^ -lcurl -ldb $(CORE)

# power cuts at every write to a disk; root and /dev/fuse are needed
CUT	= $B/powercut
$B/t/powercut/judge: LIBS = -lcurl -ldb $(CORE)
$B/t/powercut/judge: $B/obj/t/powercut/judge.o $B/obj/t/powercut/disk.o \
    $B/libhipchat.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)

powercut:
	@t/deps.sh build test powercut
	@$(MAKE) -s --no-print-directory -j2 all $B/t/hipchatd \
	    $B/t/powercut/judge $(CUT)/obj/t/powercut/sync.o
	@$(MAKE) -s --no-print-directory -j2 all B=$(CUT) \
	    CFLAGS='$(CFLAGS) -include t/powercut/sync.h' \
	    LDFLAGS='$(LDFLAGS) $(CUT)/obj/t/powercut/sync.o'
	@B=$B prove -v -e t/run t/powercut/powercut.t
$(CUT)/obj/%.o: %.c | $B/hard
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

bench: built
	@t/deps.sh bench
	@$(MAKE) -s --no-print-directory $(BENCHES)
	@B=$B t/bench.sh
	@B=$B t/bench/growth.sh
	@B=$B t/bench/direct.sh
	@B=$B t/bench/courier.sh

.PHONY: tests asan soak browser lint fuzz fuzzers powercut bench
