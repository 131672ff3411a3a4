# shellcheck shell=sh
# t/lib/courier.sh - for tests of outbox and courier.  Source it after lib.sh.
#
# fresh() makes a data directory, $box, with the installations in it and an
# empty outbox.  webhook() runs echo on it and courier() the courier, as a web
# server or an operator would.

# ---- at HipChat -------------------------------------------------------------

# credentials ID: what HipChat posted to /installed
credentials() {
	control GET log | jq --arg id "$1" '[.[]
		| select(.direction == "out" and .method == "POST")
		| .request_body | fromjson | select(.oauthId == $id)] | last'
}

# fault MEMBERS: order one, '"route": "notification", "fault": "refuse"' say
fault() { control POST faults "{$1}" >"$tmp/answer"; }
no_faults() { control DELETE faults && control POST release; }

# said ROOM TEXT: the notifications that start with the text, in order
said() {
	control GET "rooms/$1" | jq -r --arg text "$2" '[.messages[]
		| select(.type == "notification") | .message
		| select(startswith($text))] | join(" ")'
}
has_said() { [ "$(said "$1" "$2")" = "$3" ]; }

# calls ROOM [JQ]: how many notifications were posted, since fresh()
calls() {
	control GET log | jq "[.[] | select(.direction == \"in\" and
		(.url | endswith(\"/room/$1/notification\"))) | ${2:-.}] | length"
}
has_calls() { [ "$(calls "$1")" = "$2" ]; }
under_way() { [ "$(calls "$1" 'select(.status == null)')" != 0 ]; }

# when ROOM N: Unix time of the n-th of them (from 0), with its fraction
when() {
	control GET log | jq "[.[] | select(.direction == \"in\" and
		(.url | endswith(\"/room/$1/notification\")))][$2].time
		| (.[:19] + \"Z\" | fromdate) + (\"0\" + .[19:26] | tonumber)"
}

# tokens: how many tokens were asked for, since fresh()
tokens() {
	control GET log | jq '[.[] | select(.direction == "in" and
		(.url | endswith("/oauth/token")))] | length'
}

# ---- here -------------------------------------------------------------------

# It delivers nothing: for webhooks that should only be queued.
no_courier=/bin/true
the_courier=$tmp/cgi-bin/courier

# The settings in $settings, one per word, are added to those of keep() and
# courier().
settings=

# keep ID…: these are the installations that fresh() puts into a directory
keep() {
	mkdir -m 700 "$tmp/installed"
	for keep_id; do
		credentials "$keep_id" >"$tmp/credentials"
		# shellcheck disable=SC2086 # one word a setting
		cgi installed POST HIPCHAT_DATA_DIR="$tmp/installed" \
			$settings <"$tmp/credentials"
		[ "$status" = 200 ] || die "not installed: $(cat "$tmp/stderr")"
	done
}

# six_rooms: start the servers and make what fresh() will have: four rooms with
# an installation each ($room1 with $a to $room4 with $d), and two rooms, $room5
# and $room6, of one installation for all rooms, $all.
six_rooms() {
	start_hipchatd
	start_apache
	sed 's/"allowGlobal": false/"allowGlobal": true/' \
		templates/capabilities.json >"$tmp/templates/capabilities.json"
	for n in 1 2 3 4 5 6; do
		eval "room$n=\$(new_room 'Room $n')"
	done
	a=$(install "$room1") && b=$(install "$room2") &&
		c=$(install "$room3") && d=$(install "$room4") &&
		all=$(install) || exit
	stop_apache
	keep "$a" "$b" "$c" "$d" "$all"
}

# fresh NAME: a new $box; the stand-in's log and faults are empty, too
fresh() {
	box=$tmp/$1
	cp -Rp "$tmp/installed" "$box"
	no_faults
	control DELETE log
}

# webhook ID ROOM MESSAGE_ID TEXT [NAME=VALUE…]: post one as HipChat would; sets
# $status.  It starts no courier unless HIPCHAT_COURIER is given.
webhook() {
	webhook_json='{"event":"room_message","oauth_client_id":"%s","item":{
		"room":{"id":%s},"message":{"id":"%s","message":"/echo %s"}}}'
	# shellcheck disable=SC2059 # the format is a constant
	printf "$webhook_json" "$1" "$2" "$3" "$4" >"$tmp/webhook"
	shift 4
	cgi echo POST HIPCHAT_DATA_DIR="$box" HIPCHAT_COURIER="$no_courier" \
		"$@" <"$tmp/webhook"
}

# queue ID ROOM TEXT…: one webhook for each text, and nobody delivers it yet
queue() {
	queue_id=$1 queue_room=$2
	shift 2
	for queue_text; do
		# an id without the text, which must not be in a log
		webhook "$queue_id" "$queue_room" \
			"m-$(printf %s "$queue_text" | cksum)" "$queue_text"
		[ "$status" = 204 ] || die "echo: $(cat "$tmp/stderr")"
	done
}

# exec_courier NAME=VALUE… ARGUMENT…: with the settings, replacing this shell
exec_courier() {
	exec env -i PATH="$PATH" \
		${ASAN_OPTIONS:+"ASAN_OPTIONS=$ASAN_OPTIONS"} \
		${UBSAN_OPTIONS:+"UBSAN_OPTIONS=$UBSAN_OPTIONS"} \
		HIPCHAT_CONFIG="$no_settings" \
		HIPCHAT_DATA_DIR="$box" HIPCHAT_ALLOWED_HOSTS="$HIPCHAT" \
		HIPCHAT_COURIER="$the_courier" HIPCHAT_COURIER_IDLE=1 \
		HIPCHAT_WEBHOOK_AUTH=none "$@"
}

# courier [ARGUMENT…]: run it to the end; sets $rc, fills $tmp/out, $tmp/stderr
courier() {
	rc=0
	# shellcheck disable=SC2086 # one word a setting
	(exec_courier $settings timeout 300 "$the_courier" "$@") \
		>"$tmp/out" 2>"$tmp/stderr" </dev/null || rc=$?
	untimed "$tmp/stderr"
}

# start_courier [ARGUMENT…]: in the background, as $courier_pid
start_courier() {
	# shellcheck disable=SC2086 # one word a setting
	(exec_courier $settings "$the_courier" "$@") \
		>"$tmp/courier.out" 2>&1 </dev/null &
	courier_pid=$!
}
stop_courier() {
	kill -KILL "$courier_pid" 2>/dev/null
	wait "$courier_pid" 2>/dev/null
	:
}

# messages LIST: the lines of messages that are not settled; LIST is queue or
# failed
messages() {
	cat "$box/outbox/$1" "$box/outbox/$1".[0-9]* 2>/dev/null |
		grep -aE '^[qc] m '
}
queued() { messages queue | wc -l | tr -d ' '; }
failed() { messages failed | wc -l | tr -d ' '; }
nothing_queued() { [ "$(queued)" = 0 ]; }

# documents LIST: what they hold, one JSON object a line
documents() { messages "$1" | sed 's/^[^{]*//'; }

# state JQ: a part of the report of --status --json
state() {
	courier --status --json
	jq -c "$1" "$tmp/out" 2>&1
}

# reason TEXT: why the message with this text failed
reason() {
	documents failed | jq -rs --arg text "$1" '.[]
		| select(.notification.message == $text).reason'
}

# nothing_left NAME: all is delivered and removed, and standard error is empty
nothing_left() {
	is "$rc" 0 "$1: exit status"
	is "$(cat "$tmp/out" "$tmp/stderr")" '' "$1: says nothing"
	is "$(queued) $(failed)" '0 0' \
		"$1: nothing is left in the outbox"
}

# no_secrets TEXT…: the couriers have logged none of these messages, no secret
# and no token
no_secrets() {
	control POST "installations/$a/revoke-tokens"
	fresh secrets
	queue "$a" "$room1" secret1
	courier
	printf '%s\n' secret1 "$@" >"$tmp/marks"
	control GET installations | jq -r '.[].oauth_secret' >>"$tmp/marks"
	control GET log | jq -r '.[] | select(.url | endswith("/oauth/token"))
		| .response_body | fromjson.access_token' >>"$tmp/marks"
	cat "$tmp"/*/courier.log* >"$tmp/logs"
	no_secrets_marks=$(($# + 2 + $(control GET installations | jq length)))
	is "$(wc -l <"$tmp/marks" | tr -d ' ')" "$no_secrets_marks" \
		'secrets: texts, secrets and a token are looked for'
	ok 'secrets: in many lines' [ "$(wc -l <"$tmp/logs")" -gt 20 ]
	is "$(grep -cFf "$tmp/marks" "$tmp/logs")" 0 'secrets: none is there'
}

# skip NAME REASON: this can't be checked here
skip() {
	tap_run=$((tap_run + 1))
	echo "ok $tap_run - $1 # SKIP $2"
}
