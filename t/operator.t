#!/bin/sh
# What an operator does about installations: see which there are, and forget
# one whose HipChat does not come back for it.
. t/lib/lib.sh
. t/lib/courier.sh

start_hipchatd
start_apache
sed 's/"allowGlobal": false/"allowGlobal": true/' templates/capabilities.json \
	>"$tmp/templates/capabilities.json"
room1=$(new_room One) room2=$(new_room Two)
a=$(install "$room1") b=$(install "$room2") all=$(install) ||
	die 'not installed'
credentials "$a" >"$tmp/a.json"
stop_apache
keep "$a" "$b" "$all"
host=${HIPCHAT#http://}

# stored ID: is something of it in one of the databases?
stored() { grep -arq -e "$1" "$box/installations" "$box/tokens"; }

list() {
	fresh list
	courier --list
	is "$rc $(cat "$tmp/stderr")" '0 ' '--list'
	since='20[0-9-]{8} [0-9:]{8}'
	like "$(cat "$tmp/out")" "^$a +$host +$room1 +$since\$" '--list: a room'
	like "$(cat "$tmp/out")" "^$all +$host +group +$since\$" \
		'--list: a group'
	is "$(wc -l <"$tmp/out")" 4 '--list: one line each, and a head'
	unlike "$(cat "$tmp/out")" "$(jq -r .oauthSecret "$tmp/a.json")" \
		'--list: no secret'
	is "$(ls "$box")" "$(ls "$tmp/installed")" '--list makes nothing'
	mkdir -m 700 "$tmp/empty"
	box=$tmp/empty
	courier --list
	is "$rc $(cat "$tmp/stderr")" '0 ' '--list: nothing is installed'
	box=$tmp/nowhere
	courier --list
	is "$rc" 1 '--list: no data directory'
	like "$(cat "$tmp/stderr")" "^courier: $box: " '... which is named'
}

forget() {
	fresh forget
	fault '"route": "notification", "fault": "status", "status": 403'
	queue "$a" "$room1" gone1
	courier
	queue "$a" "$room1" gone2
	queue "$b" "$room2" kept1
	is "$(queued) $(failed)" '2 1' '--forget: before'
	control DELETE log
	# its HipChat need not be allowed any more, nor be there
	settings=HIPCHAT_ALLOWED_HOSTS=chat.example.com
	courier --forget "$a"
	settings=
	is "$rc $(cat "$tmp/out" "$tmp/stderr")" \
		"0 courier: $a of $host, room $room1: forgotten" '--forget'
	ok '--forget: no record and no token is left' no stored "$a"
	ok '--forget: that of others is' stored "$b"
	is "$(queued) $(failed)" '1 0' '--forget: its messages go'
	is "$(control GET log | jq length)" 0 '--forget: HipChat is not asked'
	courier --forget "$a"
	is "$rc $(cat "$tmp/out" "$tmp/stderr")" '1 no such installation' \
		'--forget what there is not'
	courier --forget ../x
	is "$rc $(cat "$tmp/out" "$tmp/stderr")" '1 no such installation' \
		'--forget what can not be'
	courier
	is "$rc $(said "$room2" kept)" '0 kept1' "... and others' are delivered"
	cgi installed POST HIPCHAT_DATA_DIR="$box" <"$tmp/a.json"
	is "$status" 200 'what was forgotten may be installed again'
}

# A courier has its message in flight, and one behind it.
running() {
	fresh running
	fault '"route": "notification", "room": '"$room1"', "fault": "delay",
		"hold": true'
	queue "$a" "$room1" run1 run2
	start_courier
	ok 'a courier is at work' wait_for under_way "$room1"
	courier --forget "$a"
	is "$rc" 0 '... when its installation is forgotten'
	queue "$b" "$room2" run3
	ok '... others are served' wait_for has_said "$room2" run run3
	control POST release
	ok '... and it leaves' wait_for gone "$courier_pid"
	is "$(calls "$room1") $(queued) $(failed)" '1 0 0' \
		'... without another call for it'
	cgi installed POST HIPCHAT_DATA_DIR="$box" <"$tmp/a.json"
	is "$status" 200 '... installed again'
	queue "$a" "$room1" run4
	courier
	is "$rc $(said "$room1" run4)" '0 run4' '... it is served again'
}

list
forget
running
quiet "$tmp/hipchatd.log" "the stand-in's log"
done_testing
