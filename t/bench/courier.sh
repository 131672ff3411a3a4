#!/bin/sh
# t/bench/courier.sh - what a backlog, many rooms, and a HipChat that is down do
# to the courier, as ratios to what it does without them
#
# The HipChats are sinks (sink.c), which take whatever they get, and log when.
# No web server is needed.  A backlog is put into the outbox by feed.c, which
# also keeps it at its size while that is measured: one message comes for each
# that has arrived.  Webhooks meanwhile, 20 a second, are echo's, as a web
# server would run it, to rooms of their own; the time that they start at is in
# their text, and so in the sink's log.
#
# A rate is the median of what arrived in each quarter of a second, from the
# first arrival on; all is measured in turn, and the median of the rounds
# counts.  No number makes this fail; a message that does not arrive does, or
# one that arrives twice.
#
#	COURIER_ROUNDS=3 COURIER_S=2 BACKLOG=100000 ROOMS=20000 \
#		t/bench/courier.sh
. t/lib/lib.sh
. t/lib/courier.sh
. t/bench/tools.sh
rounds=${COURIER_ROUNDS:-3} seconds=${COURIER_S:-2}
backlog=${BACKLOG:-100000} rooms=${ROOMS:-20000}

# Webhooks a second
pace=20

# ---- HipChats ---------------------------------------------------------------

up_pid='' other_pid='' courier_pid=''

# at the end, in the place of lib.sh's
stop_hipchatd() {
	[ -z "$courier_pid" ] || end "$courier_pid"
	for stop_sink in $up_pid $other_pid; do
		kill -CONT "$stop_sink" 2>/dev/null || continue
		end "$stop_sink"
	done
}

# join URL ID…: these are installed for all rooms of a HipChat
join() {
	join_url=$1
	shift
	for join_id; do
		printf '{"oauthId":"%s","oauthSecret":"secret","groupId":1,
			"capabilitiesUrl":"%s/capabilities"}' \
			"$join_id" "$join_url" >"$tmp/join"
		cgi installed POST HIPCHAT_DATA_DIR="$tmp/installed" \
			<"$tmp/join"
		[ "$status" = 200 ] || die "not installed: $(cat "$tmp/stderr")"
	done
}

# hook ID: the request of a webhook in a room of its own, as spend.c reads it
hook() {
	echo none
	cat <<-WEBHOOK
		{"event":"room_message","item":{"message":{
		"date":"2016-05-26T15:32:43.700609+00:00","from":{
		"id":351107,"mention_name":"Ada","name":"Ada"},
		"id":"bench-0000000000000000","mentions":[],
		"message":"/echo hook-0000000000000000","type":"message"},
		"room":{"id":1000000,"name":"Idle","privacy":"public"}},
		"oauth_client_id":"$1","webhook_id":4965523}
	WEBHOOK
}

# ---- one measurement --------------------------------------------------------

# begin: an empty outbox, and nothing in the sinks' logs
begin() {
	rm -rf "$tmp/box"
	cp -Rp "$tmp/installed" "$tmp/box"
	box=$tmp/box expected=0
	for begin_log in up other; do
		[ ! -e "$tmp/$begin_log.log" ] || : >"$tmp/$begin_log.log"
	done
}

# feed PREFIX COUNT ROOMS ARGUMENT…: as feed.c says
feed() {
	"$B/t/bench/feed" "$box" "$@" >"$tmp/fed" || die 'the feed failed'
	read -r fed <"$tmp/fed"
}

# hooks: webhooks for so many seconds, in the background
hooks() {
	env -i PATH="$PATH" GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD=POST \
		SERVER_PROTOCOL=HTTP/1.1 SCRIPT_NAME=/echo QUERY_STRING= \
		CONTENT_TYPE=application/json HIPCHAT_CONFIG="$no_settings" \
		HIPCHAT_DATA_DIR="$box" HIPCHAT_ALLOWED_HOSTS="$HIPCHAT" \
		HIPCHAT_WEBHOOK_AUTH=none HIPCHAT_COURIER="$no_courier" \
		"$B/t/bench/spend" -r "$pace" $((pace * seconds)) 8 \
		"$tmp/cgi-bin/echo" "$tmp"/hooks/* \
		>"$tmp/out" 2>"$tmp/hooks.log" &
	hooks_pid=$!
	expected=$((expected + pace * seconds))
}

# arrived: how many are in the logs
arrived() {
	cat "$tmp/up.log" "$tmp/other.log" 2>/dev/null | wc -l | tr -d ' '
}

# all_arrived PREFIX=COUNT…: wait for that, as long as there is progress; each
# id is there, once
all_arrived() {
	all_last=-1 all_now=0
	while [ "$all_now" != "$expected" ]; do
		[ "$all_now" != "$all_last" ] ||
			die "of $expected messages, $all_now arrived"
		all_last=$all_now all_tries=0
		while [ "$all_now" = "$all_last" ] && [ $all_tries -lt 100 ]; do
			sleep 0.2
			all_now=$(arrived) all_tries=$((all_tries + 1))
		done
	done
	cat "$tmp/up.log" "$tmp/other.log" 2>/dev/null | awk '{ print $2 }' |
		sort -u >"$tmp/ids"
	for all_one; do
		seq -f "${all_one%=*}-%.0f" 0 $((${all_one#*=} - 1))
	done | sort | comm -13 "$tmp/ids" - >"$tmp/missing"
	[ ! -s "$tmp/missing" ] || die "missing: $(head -n 3 "$tmp/missing")"
	[ "$(wc -l <"$tmp/ids")" = "$expected" ] || die 'some arrived twice'
}

# rate PREFIX: a second, while that was measured
rate() {
	awk -v prefix="$1-" -v quarters="$((4 * seconds))" '
		index($2, prefix) == 1 {
			if (first == "")
				first = $1
			last = int(($1 - first) / 250000)
			count[last]++
		}
		END {
			for (i = 0; i < last && i < quarters; i++)
				print 4 * count[i]
		}' "$tmp/up.log" | middle
}

# latency PERCENT: of the webhooks, in ms
latency() {
	awk '{ split($2, part, "-") }
		part[1] == "hook" { printf "%.1f\n", ($1 - part[2]) / 1000 }' \
		"$tmp/up.log" | sort -n |
		awk -v part="$1" '{ v[NR] = $1 }
			END { print v[int((NR * part + 99) / 100)] }'
}

# both: the pids of the courier's two processes
both() { echo "$courier_pid $(cat "/proc/$courier_pid/task"/*/children)"; }

# spent: CPU time of both, in µs
spent() {
	for spent_pid in $(both); do
		sed 's/.*) //' "/proc/$spent_pid/stat"
	done | awk -v hz="$(getconf CLK_TCK)" '{ ticks += $12 + $13 }
		END { print ticks * 1000000 / hz }'
}

# peak: memory of both, in KiB
peak() {
	for peak_pid in $(both); do
		cat "/proc/$peak_pid/status"
	done | awk '/^VmHWM/ { kib += $2 } END { print kib }'
}

stop() {
	end "$courier_pid"
	courier_pid=''
}

# keep NAME COUNT: have a courier deliver, while so many are kept in the queue,
# and webhooks come; sets $kept, the number of the former
# shellcheck disable=SC2086 # one word an id
keep() {
	feed fill "$2" 1 $eight
	start_courier --resident
	hooks
	feed fill "$2" 1 -k "$tmp/up.log" "$seconds" $eight
	note "$1.ms" "$(calculate 'sprintf("%.3f", a[1] / a[2] / 1000)' \
		"$(spent)" "$(wc -l <"$tmp/up.log")")"
	wait "$hooks_pid" || die "a webhook failed: $(cat "$tmp/hooks.log")"
	kept=$fed expected=$((expected + fed))
	note "$1" "$(rate fill)"
}

# ---- set up -----------------------------------------------------------------

mkdir "$tmp/cgi-bin" "$tmp/hooks"
mkdir -m 700 "$tmp/installed"
cp "$B"/cgi-bin/* "$tmp/cgi-bin/"
start_sink up
up_url=$sink_url
start_sink other
other_url=$sink_url
HIPCHAT="$up_url $other_url"
eight=$(seq -f up%.0f 8) many=$(seq -f other%.0f 32)
# shellcheck disable=SC2086 # one word an id
{
	join "$up_url" $eight
	join "$other_url" $many
}
for id in $eight; do
	hook "$id" >"$tmp/hooks/$id"
done

# ---- measure ----------------------------------------------------------------

# queued_round COUNT
queued_round() {
	progress "round $round of $rounds: $1 queued"
	begin
	keep "queued$1" "$1"
	all_arrived fill="$kept"
	note "p50.$1" "$(latency 50)"
	note "p99.$1" "$(latency 99)"
	note "peak.$1" "$(peak)"
	stop
}

# rooms_round ROOMS: one message in each, or all in one
rooms_round() {
	progress "round $round of $rounds: $1 rooms"
	begin
	feed fill "$rooms" "$1" up1
	expected=$rooms
	start_courier --resident
	all_arrived fill="$rooms"
	note "rooms$1" "$(rate fill)"
	stop
}

# beside_round NAME: 10,240 messages wait for the other HipChat, in 1,024 rooms
# shellcheck disable=SC2086
beside_round() {
	progress "round $round of $rounds: a HipChat $1"
	begin
	feed other 10240 32 $many
	expected=10240
	keep "$1" 1000
}

# recover: the other HipChat is well again
recover() {
	courier --retry all
	all_arrived fill="$kept" other=10240
	stop
}

# status_row: how long it takes to say what is queued
# shellcheck disable=SC2086
status_row() {
	begin
	feed fill "$backlog" 1 $eight
	status_start=$(uptime)
	courier --status
	status_s=$(calculate 'a[2] - a[1]' "$status_start" "$(uptime)")
}

for round in $(seq "$rounds"); do
	queued_round 100
	queued_round 10000
	queued_round "$backlog"
	rooms_round 1
	rooms_round "$rooms"
	begin
	keep alone 1000
	all_arrived fill="$kept"
	stop
	end "$other_pid"
	other_pid=''
	beside_round refused
	start_sink other "${other_url##*:}"
	recover
	kill -STOP "$other_pid"
	beside_round mute
	kill -CONT "$other_pid"
	recover
done
status_row
progress

# ---- report -----------------------------------------------------------------

# against TITLE NAME BASE [TARGET]
against() { line "$1" "$(median "$2")" "$(ratio "$2" "$3")" "${4:-}"; }

echo
echo "the courier, median of $rounds rounds of $seconds s, $pace webhooks a second"
echo
line 'delivered' 'per second' 'ratio' target
against '100 queued' queued100 queued100
against '10000 queued' queued10000 queued100
against "$backlog queued" "queued$backlog" queued100 0.7
against '1 room' rooms1 rooms1
against "$rooms rooms" "rooms$rooms" rooms1 0.7
against 'a HipChat alone' alone alone
against '  beside one that refuses' refused alone 0.9
against '  beside one that does not answer' mute alone 0.9
echo
line 'CPU time of a message' ms 'ratio' target
against '100 queued' queued100.ms queued100.ms '0.12 ms'
against "$backlog queued" "queued$backlog.ms" queued100.ms
against 'a HipChat alone' alone.ms alone.ms
against '  beside one that refuses' refused.ms alone.ms
against '  beside one that does not answer' mute.ms alone.ms
echo
line 'webhook to an idle room, ms' p50 p99 target
for count in 100 10000 "$backlog"; do
	line "  beside $count queued" "$(median "p50.$count")" \
		"$(median "p99.$count")" "$([ "$count" = 100 ] || echo 1000)"
done
echo
line "with $backlog queued" '' '' target
line '  --status, s' "$status_s" '' 1
line '  peak memory, KiB' "$(median "peak.$backlog")" '' 61440
