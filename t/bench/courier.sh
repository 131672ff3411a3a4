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
# first arrival on.  No number makes this fail; a message that does not arrive
# does, or one that arrives twice.
#
#	SECONDS_EACH=4 BACKLOG=100000 ROOMS=20000 t/bench/courier.sh
. t/lib/lib.sh
. t/lib/courier.sh
. t/bench/tools.sh
seconds=${SECONDS_EACH:-4} backlog=${BACKLOG:-100000} rooms=${ROOMS:-20000}

# Webhooks a second
pace=20

# ---- HipChats ---------------------------------------------------------------

sinks=''
# start_sink NAME [PORT]: it logs to $tmp/NAME.log; sets $sink_url and $sink_pid
start_sink() {
	: >"$tmp/sink.url"
	setsid "$B/t/bench/sink" "${2:-0}" "$tmp/$1.log" \
		>"$tmp/sink.url" 2>>"$tmp/sink.err" </dev/null &
	sink_pid=$!
	sinks="$sinks $sink_pid"
	wait_for said_or_gone "$tmp/sink.url" "$sink_pid"
	read -r sink_url <"$tmp/sink.url" ||
		die "sink did not start: $(cat "$tmp/sink.err")"
}

stop_all() {
	[ -z "${courier_pid:-}" ] || end "$courier_pid"
	for stop_sink in $sinks; do
		kill -CONT "$stop_sink" 2>/dev/null || continue
		end "$stop_sink"
	done
}
trap 'stop_all; clean_up' EXIT

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
	[ ! -s "$tmp/missing" ] && [ "$(wc -l <"$tmp/ids")" = "$expected" ] ||
		die "missing: $(head -n 3 "$tmp/missing")"
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

# keep PREFIX COUNT ROOMS ID…: have a courier deliver, while so many are kept in
# the queue, and webhooks come; sets $kept, the number of the former
keep() {
	keep_prefix=$1 keep_count=$2 keep_rooms=$3
	shift 3
	: >"$tmp/up.log"
	start_courier --resident
	hooks
	feed "$keep_prefix" "$keep_count" "$keep_rooms" \
		-k "$tmp/up.log" "$seconds" "$@"
	wait "$hooks_pid" || die "a webhook failed: $(cat "$tmp/hooks.log")"
	kept=$fed expected=$((expected + fed))
}

# ---- set up -----------------------------------------------------------------

mkdir "$tmp/cgi-bin" "$tmp/hooks"
mkdir -m 700 "$tmp/installed"
cp "$B"/cgi-bin/* "$tmp/cgi-bin/"
start_sink up
up_url=$sink_url
start_sink other
other_url=$sink_url other_pid=$sink_pid
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

# shellcheck disable=SC2086
queued_row() {
	progress "$1 queued"
	begin
	feed fill "$1" 1 $eight
	queued_start=$(uptime)
	courier --status
	queued_status=$(calculate 'a[2] - a[1]' "$queued_start" "$(uptime)")
	keep fill "$1" 1 $eight
	all_arrived fill="$kept"
	queued_rate=$(rate fill) queued_p50=$(latency 50)
	queued_p99=$(latency 99) queued_peak=$(peak)
	queued_ms=$(calculate 'sprintf("%.3f", a[1] / a[2] / 1000)' \
		"$(spent)" "$expected")
	stop
}

# rooms_row N: one message in each, or all in one
rooms_row() {
	progress "$1 rooms"
	begin
	feed fill "$rooms" "$1" up1
	expected=$rooms
	start_courier --resident
	all_arrived fill="$rooms"
	rooms_rate=$(rate fill)
	stop
}

# beside_row MESSAGES: so many wait for the other HipChat, in 1,024 rooms
# shellcheck disable=SC2086
beside_row() {
	progress 'two HipChats'
	begin
	[ "$1" = 0 ] || feed other "$1" 32 $many
	expected=$1
	feed fill 1000 1 $eight
	keep fill 1000 1 $eight
	beside_rate=$(rate fill)
}

# rest_row MESSAGES: the other HipChat is well again
rest_row() {
	courier --retry all
	all_arrived fill="$kept" ${1:+"other=$1"}
	stop
}

queued_row 100
few=$queued_rate few_ms=$queued_ms few_p50=$queued_p50 few_p99=$queued_p99
queued_row 10000
more=$queued_rate more_p50=$queued_p50 more_p99=$queued_p99
queued_row "$backlog"
rooms_row 1
one_room=$rooms_rate
rooms_row "$rooms"
beside_row 0
alone=$beside_rate
rest_row
end "$other_pid"
beside_row 10240
refused=$beside_rate
start_sink other "${other_url##*:}"
other_pid=$sink_pid
rest_row 10240
kill -STOP "$other_pid"
beside_row 10240
mute=$beside_rate
kill -CONT "$other_pid"
rest_row 10240
progress

# ---- report -----------------------------------------------------------------

# against TITLE VALUE BASE [TARGET]
against() {
	line "$1" "$2" "$(calculate 'sprintf("%.3f", a[1] / a[2])' "$2" "$3")" \
		"${4:-}"
}

echo
line "the courier, $pace webhooks a second" 'per second' 'ratio' target
against '100 queued' "$few" "$few"
against '10000 queued' "$more" "$few"
against "$backlog queued" "$queued_rate" "$few" 0.7
against '1 room' "$one_room" "$one_room"
against "$rooms rooms" "$rooms_rate" "$one_room" 0.7
against 'a HipChat alone' "$alone" "$alone"
against '  beside one that refuses' "$refused" "$alone" 0.9
against '  beside one that does not answer' "$mute" "$alone" 0.9
echo
line 'webhook to an idle room, ms' p50 p99 target
line '  beside 100 queued' "$few_p50" "$few_p99"
line '  beside 10000 queued' "$more_p50" "$more_p99"
line "  beside $backlog queued" "$queued_p50" "$queued_p99" 1000
echo
line 'CPU time of a message, ms' "$queued_ms" '' 0.12
line '  of few' "$few_ms"
line "--status of $backlog, s" "$queued_status" '' 1
line 'peak memory, KiB' "$queued_peak" '' 61440
