#!/bin/sh
# t/bench.sh - what a request costs, as a ratio to the least that it could cost,
# and what a message costs, as a ratio to what it would cost without the outbox
#
# One private Apache (event, mod_cgid) serves a static file, the floor (the
# smallest possible CGI program, linked statically), the add-on, and
# /echo-direct, an /echo that calls HipChat before it answers.  wrk loads them
# in turn, in short rounds, and the median of the rounds counts, since a
# machine has other things to do.  Absolute numbers depend on the machine;
# compare the ratios.
#
# Then spend.c runs echo and echo-direct without Apache, and accounts for the
# CPU time and memory that they take, the courier's included.
#
# Webhooks are signed, and every client has an installation of its own, because
# the courier has one request in flight for each.  No number makes it fail; a
# message that is acknowledged and does not arrive does.
#
#	ROUNDS=9 DURATION=1 CLIENTS=8 MESSAGES=400 t/bench.sh
. t/lib/lib.sh
. t/lib/courier.sh
. t/bench/tools.sh
rounds=${ROUNDS:-9} seconds=${DURATION:-1} clients=${CLIENTS:-8}
messages=${MESSAGES:-400}

# What a slow HipChat takes to answer, in ms
delay=50

# ---- tools ------------------------------------------------------------------

# How many messages have reached HipChat
reached() { control GET rooms | jq '[.[].messages] | add'; }

# The outbox of Apache's programs, for queued()
box=$tmp/data

slow_hipchat() {
	control POST faults "{\"route\":\"notification\",\"fault\":\"delay\",
		\"ms\":$delay,\"count\":-1}" >"$tmp/out"
}
quick_hipchat() { control DELETE faults; }

# load URL-PATH [FILE…]: one round, of webhooks if there are files; wrk's output
# goes to $tmp/wrk.
load() {
	load_url=$ADDON/$1
	shift
	[ $# = 0 ] || set -- -s t/bench/echo.lua -- "$@"
	wrk -t 2 -c "$clients" -d "${seconds}s" "$load_url" "$@" \
		>"$tmp/wrk" 2>&1 || die "wrk: $(cat "$tmp/wrk")"
	! grep -E 'Non-2xx|Socket errors' "$tmp/wrk" >&2 ||
		die "requests failed; Apache's error log ends:
$(tail -n 5 "$tmp/apache/error_log")"
}
per_second() { awk '/^Requests\/sec/ { print $2 }' "$tmp/wrk"; }
requests() { awk '/requests in/ { print $1 }' "$tmp/wrk"; }

# ---- one round of each ------------------------------------------------------

# plain NAME PATH
plain() {
	load "$2"
	note "$1" "$(per_second)"
}

# echo_round SUFFIX: acknowledged, and delivered during the round and after it
echo_round() {
	round_before=$(reached) round_start=$(uptime)
	load echo "$tmp"/webhooks/*
	round_end=$(uptime) round_queued=$(queued) round_now=$(reached)
	note "echo$1" "$(per_second)"
	note "queued$1" "$round_queued"
	note "delivered$1" "$(calculate '(a[2] - a[1]) / (a[4] - a[3])' \
		"$round_before" "$round_now" "$round_start" "$(uptime)")"
	[ -z "$1" ] || quick_hipchat
	wait_for nothing_queued || die "still queued: $(queued)"
	note "drain$1" "$(calculate 'a[2] - a[1]' "$round_end" "$(uptime)")"
	round_now=$(reached)
	[ $((round_now - round_before)) -ge "$(requests)" ] ||
		die "of $(requests) messages, $((round_now - round_before)) arrived"
}

# direct_round SUFFIX: acknowledged is delivered
direct_round() {
	load echo-direct "$tmp"/webhooks/*
	note "direct$1" "$(per_second)"
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

# install N: into a room of its own; its webhook becomes $tmp/webhooks/N, the
# Authorization header on the first line, zeros where a number is to go
install() {
	install_room=$(control POST rooms "{\"name\":\"Bench $1\"}" |
		jq -er .id) || die 'no room'
	control POST install "{\"url\":\"$ADDON/capabilities\",
		\"room_id\":$install_room}" >"$tmp/answer"
	install_id=$(jq -er .oauth_id "$tmp/answer") ||
		die "not installed: $(cat "$tmp/answer")"
	install_secret=$(jq -r .oauth_secret "$tmp/answer")
	{
		echo "JWT $(t/sign-webhook.sh "$install_id" \
			"$install_secret" "$install_room")"
		cat <<-WEBHOOK
			{"event":"room_message","item":{"message":{
			"date":"2016-05-26T15:32:43.700609+00:00","from":{
			"id":351107,"mention_name":"Ada","name":"Ada"},
			"id":"bench-0000000000000000","mentions":[],
			"message":"/echo hello world","type":"message"},
			"room":{"id":$install_room,"name":"Bench $1",
			"privacy":"public"}},"oauth_client_id":"$install_id",
			"webhook_id":4965523}
		WEBHOOK
	} >"$tmp/webhooks/$1"
}

mkdir "$tmp/bench" "$tmp/webhooks"
# Before ext4 without a journal makes a file, it looks through all inodes that
# were recently deleted in the block group.  So find another group, with a
# directory of a new name in one that is marked as the top of a hierarchy.
apart=$tmp/${tmp##*.}
chattr +T "$tmp" 2>/dev/null || :
mkdir "$apart"
mkdir -m 700 "$apart/data" "$apart/own"
rmdir "$tmp/data"
ln -s "$apart/data" "$tmp/data"
cp "$B/t/bench/floor" "$B/t/bench/echo-direct" "$tmp/bench/"
cat >"$tmp/extra.conf" <<-END
	ScriptAlias /floor "$tmp/bench/floor"
	ScriptAlias /echo-direct "$tmp/bench/echo-direct"
	<Directory "$tmp/bench">
		Require all granted
		CGIPassAuth On
		SetEnv HIPCHAT_DATA_DIR "$tmp/data"
	</Directory>
	END
start_hipchatd
start_apache event
control POST settings '{"rate_limit":0,"flood_limit":0}' >"$tmp/out"
curl -sS -o "$tmp/apache/htdocs/static.json" "$ADDON/capabilities"
for client in $(seq "$clients"); do
	install "$client"
done
# and without Apache, whose user may be another one
cp -R "$tmp/data/installations" "$tmp/data/tokens" "$apart/own/"

# ---- measure ----------------------------------------------------------------

for round in $(seq "$rounds"); do
	progress "round $round of $rounds"
	plain static static.json
	plain floor floor
	plain capabilities capabilities
	echo_round ''
	direct_round ''
	slow_hipchat
	echo_round .slow
	slow_hipchat
	direct_round .slow
	quick_hipchat
done
for round in 1 2 3; do
	progress "CPU time, round $round of 3"
	spend echo "$tmp/cgi-bin/echo"
	spend direct "$tmp/bench/echo-direct"
	slow_hipchat
	spend echo.slow "$tmp/cgi-bin/echo"
	spend direct.slow "$tmp/bench/echo-direct"
	quick_hipchat
done
progress

# ---- report -----------------------------------------------------------------

# row TITLE NAME [TARGET]: requests per second
row() {
	line "$1" "$(calculate 'sprintf("%.1f", a[1])' "$(median "$2")")" \
		"$(ratio "$2" floor)" "${3:-}"
}

# cost TITLE NAME BASELINE [TARGET]: CPU time of a message
cost() {
	line "$1" "$(calculate 'sprintf("%.2f", a[1] / 1000)' \
		"$(median "$2")")" "$(ratio "$2" "$3")" "${4:-}"
}

echo "$clients clients, median of $rounds rounds of $seconds s"
echo
line '' 'per second' 'to floor' target
row 'a static file' static
row 'the floor: a CGI program in C' floor
row 'GET /capabilities' capabilities 0.85
row 'POST /echo: acknowledged' echo 0.55
row '  meanwhile delivered' delivered 'as many'
line '  queued at the end of the round' "$(median queued)"
line '  until these are delivered, s' "$(median drain)"
row 'POST /echo-direct' direct
echo "while HipChat takes $delay ms:"
row '  POST /echo: acknowledged' echo.slow
row '    meanwhile delivered' delivered.slow
row '  POST /echo-direct' direct.slow
echo
line 'CPU time of a message' ms 'to direct' target
cost 'echo and courier' echo.us direct.us 0.25
cost '  echo' echo.program direct.us
cost '  courier' echo.left direct.us
cost 'echo-direct' direct.us direct.us
echo "while HipChat takes $delay ms:"
cost '  echo and courier' echo.slow.us direct.slow.us 0.25
cost '  echo-direct' direct.slow.us direct.slow.us
echo
line 'peak memory' KiB
line 'echo' "$(median echo.kib)"
line 'courier' "$(median echo.slow.left_kib)"
line 'echo-direct' "$(median direct.kib)"
