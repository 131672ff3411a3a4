#!/bin/sh
# t/bench/direct.sh - what a message costs, as a ratio to what it would cost
# without the outbox
#
# /echo-direct is an /echo that calls HipChat before it answers.  A private
# Apache serves both as CGI programs, while HipChat is quick and while it is
# slow, and wrk loads them in turn.  Then spend.c runs them without Apache, and
# accounts for the CPU time and memory that they take, the courier's included.
#
#	DIRECT_ROUNDS=3 DURATION=1 CLIENTS=8 MESSAGES=400 t/bench/direct.sh
. t/lib/lib.sh
. t/lib/courier.sh
. t/bench/tools.sh
rounds=${DIRECT_ROUNDS:-3} seconds=${DURATION:-1} clients=${CLIENTS:-8}
messages=${MESSAGES:-400}

# What a slow HipChat takes to answer, in ms
delay=50

# The outbox of Apache's programs, for queued()
box=$tmp/data

slow_hipchat() {
	control POST faults "{\"route\":\"notification\",\"fault\":\"delay\",
		\"ms\":$delay,\"count\":-1}" >"$tmp/out"
}
quick_hipchat() { control DELETE faults; }

# rate NAME PATH: webhooks a second
rate() {
	load "$ADDON/$2" -s t/bench/echo.lua -- "$tmp"/webhooks/*
	[ "$(refused) $(unanswered)" = '0 0' ] || die "$2: requests failed"
	note "$1" "$(per_second)"
}

# round SUFFIX: one of each
round() {
	rate "echo$1" echo
	quick_hipchat
	wait_for nothing_queued || die "still queued: $(queued)"
	[ -z "$1" ] || slow_hipchat
	rate "direct$1" echo-direct
	quick_hipchat
}

# spend NAME PROGRAM: CPU time per message, in µs, and peak memory, in KiB
spend() {
	env -i PATH="$PATH" GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD=POST \
		SERVER_PROTOCOL=HTTP/1.1 SCRIPT_NAME=/echo QUERY_STRING= \
		CONTENT_TYPE=application/json HIPCHAT_DATA_DIR="$apart/own" \
		HIPCHAT_ALLOWED_HOSTS="$HIPCHAT" HIPCHAT_COURIER_IDLE=1 \
		"$B/t/bench/spend" "$messages" "$clients" "$2" \
		"$tmp"/webhooks/* >"$tmp/out" 2>"$tmp/spend.log" ||
		die "$2 failed: $(tail -n 3 "$tmp/spend.log")"
	read -r spend_us spend_left spend_kib spend_left_kib <"$tmp/out"
	note "$1.program" "$(calculate 'a[1] / a[2]' "$spend_us" "$messages")"
	note "$1.left" "$(calculate 'a[1] / a[2]' "$spend_left" "$messages")"
	note "$1.us" "$(calculate '(a[1] + a[2]) / a[3]' "$spend_us" \
		"$spend_left" "$messages")"
	note "$1.kib" "$spend_kib"
	note "$1.left_kib" "$spend_left_kib"
}

# ---- set up -----------------------------------------------------------------

mkdir "$tmp/bench"
cp "$B/t/bench/echo-direct" "$tmp/bench/"
data_apart
cat >"$tmp/extra.conf" <<-END
	ScriptAlias /echo-direct "$tmp/bench/echo-direct"
	<Directory "$tmp/bench">
		Require all granted
		CGIPassAuth On
	</Directory>
	END
start_hipchatd
start_apache event
clients "$clients"
# and without Apache, whose user may be another one
cp -R "$apart/data" "$apart/own"
chown -R "$(id -un)" "$apart/own"
rm -rf "$apart/own/outbox"

# ---- measure ----------------------------------------------------------------

for n in $(seq "$rounds"); do
	progress "with and without the outbox, round $n of $rounds"
	round ''
	slow_hipchat
	round .slow
	spend echo "$tmp/cgi-bin/echo"
	spend direct "$tmp/bench/echo-direct"
	slow_hipchat
	spend echo.slow "$tmp/cgi-bin/echo"
	spend direct.slow "$tmp/bench/echo-direct"
	quick_hipchat
done
progress

# ---- report -----------------------------------------------------------------

# rate_row TITLE NAME BASE: messages acknowledged a second
rate_row() {
	line "$1" "$(calculate 'sprintf("%.0f", a[1])' "$(median "$2")")" \
		"$(ratio "$2" "$3")"
}

# cost_row TITLE NAME BASE [TARGET]: CPU time of a message
cost_row() {
	line "$1" "$(calculate 'sprintf("%.2f", a[1] / 1000)' \
		"$(median "$2")")" "$(ratio "$2" "$3")" "${4:-}"
}

echo
line 'CGI programs' 'per second' 'to direct'
rate_row 'POST /echo' echo direct
rate_row 'POST /echo-direct' direct direct
echo "while HipChat takes $delay ms:"
rate_row '  POST /echo' echo.slow direct.slow
rate_row '  POST /echo-direct' direct.slow direct.slow
echo
line 'CPU time of a message' ms 'to direct' target
cost_row 'echo and courier' echo.us direct.us 0.25
cost_row '  echo' echo.program direct.us
cost_row '  courier' echo.left direct.us
cost_row 'echo-direct' direct.us direct.us
echo "while HipChat takes $delay ms:"
cost_row '  echo and courier' echo.slow.us direct.slow.us 0.25
cost_row '  echo-direct' direct.slow.us direct.slow.us
echo
line 'peak memory' KiB
line 'echo' "$(median echo.kib)"
line 'courier' "$(median echo.slow.left_kib)"
line 'echo-direct' "$(median direct.kib)"
