#!/bin/sh
# Outbox and courier: what an operator sees and does, with commands and in the
# log, and what the programs link.
. t/lib/lib.sh
. t/lib/courier.sh
six_rooms

operators() {
	fresh operators
	courier --status
	is "$rc $(cat "$tmp/stderr")" '0 ' '--status: nothing has happened yet'
	like "$(cat "$tmp/out")" "^$a +0 +0 +- +-\$" '--status: nothing to tell'
	fault '"route": "notification", "fault": "status", "status": 403,
		"count": 3'
	queue "$a" "$room1" op1 op2
	queue "$b" "$room2" op3
	courier
	fault '"route": "notification", "room": '"$room3"', "fault": "status",
		"status": 429, "header": "Retry-After", "seconds": 600,
		"count": -1'
	queue "$c" "$room3" op4 op5
	courier --once
	is "$rc" 0 '--once leaves in spite of a limit'
	courier --status
	report=$(cat "$tmp/out")
	cp -p "$box/waits.json" "$tmp/saved.json"
	for odd in '{"waits":1}' '{"waits":[1]}' '[]' ''; do
		printf %s "$odd" >"$box/waits.json"
		courier --status
		is "$rc" 0 "--status with odd notes of the courier's: $odd"
	done
	printf '{"waits":[{"host":"%s","until":9223372036854775806,
		"error":"refused"},{"host":"b","until":9223372036854775806,
		"error":"other"}]}' "${HIPCHAT#*://}" >"$box/waits.json"
	is "$(state "[.[\"$a\", \"$c\"].lastError]")" \
		'["HipChat answers 403: Forbidden","refused"]' \
		'--status: a host that is down, and who has messages for it'
	courier --once
	is "$rc $(calls "$room3")" '0 1' \
		'a courier takes such a wait over, however long it is'
	cp -p "$tmp/saved.json" "$box/waits.json"
	like "$report" "^$a +0 +2 +- +HipChat answers 403: " \
		'--status: two have failed'
	like "$report" "^$c +2 +0 +20[0-9-]{8} [0-9:]{8} +rate limit\$" \
		'--status: two wait'
	is "$(state "[.[\"$b\"], .[\"$d\"]]")" '[{"queued":0,"failed":1,"lastError":"HipChat answers 403: Forbidden"},{"queued":0,"failed":0}]' \
		'--status --json'

	courier --retry op1
	is "$rc $(cat "$tmp/out"),$(cat "$tmp/stderr")" '1 ,no such message' \
		'--retry of what there is not'
	settings=HIPCHAT_COURIER=$no_courier
	courier --retry "$b"
	is "$rc $(cat "$tmp/out") $(failed)" \
		'0 1 message queued again 2' '--retry an installation'
	name=$(messages failed | head -n 1 | cut -d ' ' -f 3)
	courier --retry "$name"
	is "$rc $(failed)" '0 1' '--retry a message'
	settings=
	courier --retry all
	is "$rc $(cat "$tmp/out") $(failed)" \
		'0 1 message queued again 0' '--retry all'
	ok '--retry: a courier is started, and they are delivered' \
		wait_for has_said "$room1" op 'op1 op2'
	ok '--retry: all of them' wait_for has_said "$room2" op op3
	courier --retry all
	is "$rc $(cat "$tmp/out")" \
		'0 none has failed; those that wait are tried now' \
		'--retry all when nothing has failed'

	name=$(messages queue | grep op4 | cut -d ' ' -f 3)
	courier --drop "$name"
	is "$rc $(cat "$tmp/out") $(queued)" '0 1 message dropped 1' \
		'--drop a message'
	courier --drop "$c"
	is "$rc $(queued)" '0 0' '--drop an installation'
	courier --drop "$c"
	is "$rc $(cat "$tmp/stderr")" '1 no such message' \
		'--drop what there is not'
}

usage() {
	fresh usage
	queue "$a" "$room1" usage1
	for args in --what '--once --once' '--status --xml' \
		'--status --json --json' --json --retry --drop \
		--forget '--forget a b' '--list a' \
		'--retry a b' '--drop a b' once; do
		# shellcheck disable=SC2086 # the words are arguments
		courier $args
		is "$rc" 2 "courier $args: bad usage"
		like "$(cat "$tmp/stderr")" '^usage: courier ' \
			"courier $args: help on standard error"
	done
	courier --drop ''
	is "$rc" 1 "courier --drop '': no such message"
	is "$(queued) $(calls "$room1")" '1 0' 'bad usage changes nothing'
	settings=HIPCHAT_COURIER_IDLE=soon
	courier
	settings=
	is "$rc" 1 'a bad setting: exit status'
	like "$(cat "$tmp/stderr")" '^courier: environment: HIPCHAT_COURIER_IDLE: ' \
		'a bad setting is named'
	is "$(queued)" 1 'a bad setting changes nothing'
}

# It is beside the CGI programs, but is not one.
as_cgi() {
	fresh as-cgi
	queue "$a" "$room1" cgi1
	for method in GET HEAD; do
		cgi courier $method HIPCHAT_DATA_DIR="$box"
		is "$status" 404 "as a CGI program: $method"
	done
	for method in POST DELETE; do
		echo '{}' | cgi courier $method HIPCHAT_DATA_DIR="$box"
		is "$status" 404 "as a CGI program: $method"
	done
	cgi courier GET HIPCHAT_DATA_DIR="$box" QUERY_STRING=--status
	json .error.code 404 'as a CGI program: an error envelope'
	is "$(queued) $(calls "$room1")" '1 0' 'as a CGI program: it does nothing'
}

logging() {
	fresh logging
	queue "$a" "$room1" log1
	courier
	like "$(cat "$box/courier.log")" "^20[0-9-]{8}T[0-9:]{8}Z courier: [0-9]+-[0-9]+-[0-9]+: delivered, room $room1 of $a, webhook m-" \
		'courier.log: one line an event'
	is "$(wc -l <"$box/courier.log" | tr -d ' ')" 1 'courier.log: and no more'
	yes 'a line of an old log, which is long enough by now' |
		head -c 1048577 >"$box/courier.log"
	queue "$a" "$room1" log2
	courier
	queue "$a" "$room1" log3
	courier
	is "$(wc -c <"$box/courier.log.1" | awk '{ print ($1 > 1048576) }')" 1 \
		'courier.log: the old one is courier.log.1'
	is "$(grep -c delivered "$box/courier.log")" \
		"$(wc -l <"$box/courier.log" | tr -d ' ')" \
		'courier.log: the new one starts afresh'
	is "$(find "$box" -name 'courier.log*' ! -perm 600)" '' \
		'courier.log: 0600, both'
}

# echo is exec'ed for every message: libcurl would cost it 6 ms each time.
libraries() {
	for program in echo capabilities; do
		readelf -d "$B/cgi-bin/$program" >"$tmp/dynamic" 2>&1 ||
			die "$(cat "$tmp/dynamic")"
		unlike "$(cat "$tmp/dynamic")" 'NEEDED.*libcurl' \
			"$program links no libcurl"
	done
	readelf -d "$B/cgi-bin/courier" >"$tmp/dynamic"
	like "$(cat "$tmp/dynamic")" 'NEEDED.*libcurl' 'the courier does'
}

operators
usage
as_cgi
logging
libraries
no_secrets op1 usage1
quiet "$tmp/hipchatd.log" "the stand-in's log"
done_testing
