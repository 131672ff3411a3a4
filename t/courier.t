#!/bin/sh
# Outbox and courier: what is acknowledged is delivered, once and in order,
# whatever HipChat answers, and what it refuses for good is kept with the
# reason.  The real echo and the real courier, and the stand-in HipChat, which
# fails on demand and counts.
. t/lib/lib.sh
. t/lib/courier.sh

# Four rooms with an installation each, and two rooms of one installation that
# is for all.
start_hipchatd
start_apache
sed 's/"allowGlobal": false/"allowGlobal": true/' templates/capabilities.json \
	>"$tmp/templates/capabilities.json"
for n in 1 2 3 4 5 6; do
	eval "room$n=\$(new_room 'Room $n')"
done
a=$(install "$room1") b=$(install "$room2") c=$(install "$room3")
d=$(install "$room4") all=$(install) || die 'not installed'
stop_apache
keep "$a" "$b" "$c" "$d" "$all"

# nothing_left NAME: delivered, removed, and nothing said on standard error
nothing_left() {
	is "$rc" 0 "$1: exit status"
	is "$(cat "$tmp/out" "$tmp/stderr")" '' "$1: says nothing"
	is "$(files new) $(files tmp) $(files failed)" '0 0 0' \
		"$1: nothing is left in the outbox"
}

# ---- HipChat does not answer, or not well -----------------------------------

down() {
	fresh down
	fault '"route": "notification", "room": '"$room1"',
		"fault": "refuse", "count": 2'
	queue "$a" "$room1" down1 down2 down3
	queue "$b" "$room2" down4
	queue "$a" "$room1" down5
	is "$(files new)" 5 'down: five messages are queued'
	is "$(calls "$room1")" 0 'down: and echo itself has called nobody'
	courier
	nothing_left down
	is "$(said "$room1" down)" 'down1 down2 down3 down5' \
		'down: once up, every message comes once, in order'
	is "$(said "$room2" down)" down4 'down: as in the other room'
	is "$(calls "$room1") $(calls "$room2")" '6 1' \
		'down: two calls were in vain'
	like "$(cat "$box/courier.log")" ': deferred for .*: no answer: ' \
		'down: which the log tells'
}

# Each kind of failure that may pass: one more call, and it is delivered.
failures() {
	fresh failures
	fault '"route": "notification", "room": '"$room1"', "fault": "reset_before"'
	fault '"route": "notification", "room": '"$room2"', "fault": "status",
		"status": 500'
	fault '"route": "notification", "room": '"$room3"', "fault": "status",
		"status": 503'
	fault '"route": "notification", "room": '"$room4"', "fault": "status",
		"status": 408'
	for n in 1 2 3 4; do
		eval "id=\$$(echo 'a b c d' | cut -d ' ' -f "$n") room=\$room$n"
		queue "$id" "$room" "pass$n" "pass-$n"
	done
	courier
	nothing_left 'passing failures'
	for n in 1 2 3 4; do
		eval "room=\$room$n"
		is "$(said "$room" pass)" "pass$n pass-$n" \
			"passing failures: room $n"
		is "$(calls "$room")" 3 "passing failures: calls for room $n"
	done
	like "$(cat "$box/courier.log")" 'deferred .*: HipChat answers 503' \
		'passing failures: the log says which'
}

# It may have happened although no answer came: at least once.
twice() {
	fresh twice
	fault '"route": "notification", "room": '"$room1"', "fault": "reset_after"'
	fault '"route": "notification", "room": '"$room2"', "fault": "half"'
	queue "$a" "$room1" reset1 reset2
	queue "$b" "$room2" half1 half2
	courier
	nothing_left 'no answer after the effect'
	is "$(said "$room1" reset)" 'reset1 reset1 reset2' \
		'a reset after the effect: at least once'
	is "$(said "$room2" half)" 'half1 half1 half2' \
		'half an answer: at least once'
}

# HipChat hangs in one room; the others go on meanwhile.
hanging() {
	fresh hanging
	fault '"route": "notification", "room": '"$room1"', "fault": "status",
		"status": 503, "hold": true'
	queue "$a" "$room1" hang1 hang2
	queue "$b" "$room2" hang3 hang4
	start_courier
	ok 'hanging: the other room is served' \
		wait_for has_said "$room2" hang 'hang3 hang4'
	ok 'hanging: meanwhile the call hangs' under_way "$room1"
	is "$(said "$room1" hang)" '' 'hanging: and nothing was said'
	queue "$c" "$room3" hang5
	webhook "$c" "$room3" m-hang6 hang6
	ok 'hanging: as are messages that come now' \
		wait_for has_said "$room3" hang 'hang5 hang6'
	control POST release
	ok 'hanging: the courier comes to an end' wait_for gone "$courier_pid"
	wait "$courier_pid"
	is "$? $(said "$room1" hang)" '0 hang1 hang2' \
		'hanging: all is delivered in the end'
}

# ---- rate limits ------------------------------------------------------------

# A limit of 5 s: when does the courier go on?  From before and after are
# times that hold whatever the machine's speed.
limit() {
	fresh "limit-$1-$2"
	fault '"route": "notification", "room": '"$room1"', "fault": "status",
		"status": 429, "header": "'"$1"'", "seconds": 5, "absolute": '"$2"
	queue "$a" "$room1" limit1 limit2
	before=$(date +%s)
	courier --once
	after=$(date +%s)
	is "$rc $(calls "$room1") $(files new)" '0 1 2' \
		"429, $3: one call, and the messages wait"
	ok "429, $3: as long as HipChat asks" eval "$(state \
		".[\"$a\"] | \"[ \(.deferredUntil) -ge $((before + 5)) ] &&
		[ \(.deferredUntil) -le $((after + 7)) ]\"" | jq -r .)" ||
		diag "$(state .) at $before"
	courier --once
	is "$rc $(calls "$room1")" '0 1' "429, $3: the next courier waits on"
}

limits() {
	for header in X-Ratelimit-Reset X-FloodControl-Reset Retry-After; do
		limit $header true "$header with a time"
		limit $header false "$header with seconds"
	done
	fresh until
	fault '"route": "notification", "room": '"$room1"', "fault": "status",
		"status": 429, "header": "Retry-After", "seconds": 3'
	queue "$a" "$room1" until1 until2 until3
	courier
	nothing_left '429'
	is "$(said "$room1" until)" 'until1 until2 until3' \
		'429: every message comes once, in order'
	is "$(calls "$room1")" 4 '429: one call was in vain'
	waited=$(echo "$(when "$room1" 1) - $(when "$room1" 0)" | jq -nR '
		input | split(" - ") | map(tonumber) | .[0] - .[1] >= 2.9')
	is "$waited" true '429: and the next one three seconds later'
}

# A clock that is behind ours, or a limit that has just ended: HipChat says to
# wait until a moment that is past, and still answers 429.
past() {
	fresh past
	fault '"route": "notification", "room": '"$room1"', "fault": "status",
		"status": 429, "header": "X-Ratelimit-Reset", "seconds": -30'
	queue "$a" "$room1" past1
	courier --once
	is "$rc $(calls "$room1")" '0 1' 'a 429 until a time that is past: one call'
	like "$(cat "$box/courier.log")" \
		': deferred for (0\.[1-9]|1\.[0-9]) s, .*: rate limit$' \
		'a 429 until a time that is past: not hammered, nor put off'
	courier
	nothing_left 'a 429 until a time that is past'
	is "$(said "$room1" past)" past1 'a 429 until a time that is past: said'
}

# A room that is limited does not delay another one: not that of another
# installation, nor another of the same.
beside() {
	fresh beside
	for n in 1 5; do
		eval "room=\$room$n"
		fault '"route": "notification", "room": '"$room"', "fault":
			"status", "status": 429, "header": "Retry-After",
			"seconds": 600, "count": -1'
	done
	queue "$a" "$room1" side1
	queue "$all" "$room5" side2 side3
	queue "$b" "$room2" side4
	queue "$all" "$room6" side5 side6
	start_courier
	ok 'a limited room does not delay another installation' \
		wait_for has_said "$room2" side side4
	ok 'nor another room of the same' \
		wait_for has_said "$room6" side 'side5 side6'
	queue "$b" "$room2" side7
	webhook "$b" "$room2" m-side8 side8
	queue "$all" "$room6" side9
	ok 'a courier that waits hears of new messages' \
		wait_for has_said "$room2" side 'side4 side7 side8'
	ok '... for the other room, too' \
		wait_for has_said "$room6" side 'side5 side6 side9'
	is "$(calls "$room1") $(calls "$room5") $(files new)" '1 1 3' \
		'the limited rooms were called once each'
	stop_courier
}

# ---- refusals ---------------------------------------------------------------

unauthorized() {
	fresh unauthorized
	fault '"route": "notification", "room": '"$room1"', "fault": "status",
		"status": 401'
	queue "$a" "$room1" token1 token2
	courier
	nothing_left '401'
	is "$(said "$room1" token)" 'token1 token2' '401: said with a fresh token'
	is "$(tokens) $(calls "$room1")" '1 3' '401: one fresh token'

	fresh revoked
	control POST "installations/$a/revoke-tokens"
	queue "$a" "$room1" revoked1 revoked2
	courier
	nothing_left 'revoked tokens'
	is "$(said "$room1" revoked) $(tokens)" 'revoked1 revoked2 1' \
		'revoked tokens: one fresh one will do'
	courier
	queue "$a" "$room1" revoked3
	courier
	is "$(said "$room1" revoked3) $(tokens)" 'revoked3 1' \
		'revoked tokens: the next courier has it, too'
	cp -p "$box/tokens.db" "$tmp/installed/" # for those to come

	fresh unauthorized-twice
	fault '"route": "notification", "room": '"$room1"', "fault": "status",
		"status": 401, "count": 2'
	queue "$a" "$room1" again1 again2
	courier
	is "$rc $(said "$room1" again)" '0 again2' \
		'401 twice: the queue goes on'
	like "$(reason again1)" '^HipChat answers 401' '401 twice: it has failed'
	is "$(tokens)" 1 '401 twice: one fresh token'
}

# No token is to be had: for now, or for good.
tokenless() {
	fresh tokenless
	rm "$box/tokens.db"
	fault '"route": "token", "fault": "status", "status": 503'
	queue "$a" "$room1" less1
	courier
	nothing_left 'no token for now'
	is "$(said "$room1" less) $(tokens)" 'less1 2' 'no token for now: later'

	fresh tokenless-limited
	rm "$box/tokens.db"
	fault '"route": "token", "fault": "status", "status": 429,
		"header": "Retry-After", "seconds": 600, "count": -1'
	queue "$a" "$room1" less2
	courier --once
	is "$(tokens) $(files new)" '1 1' 'a limit on tokens: it waits'
	like "$(state ".[\"$a\"].deferredUntil")" '^[0-9]+$' \
		'a limit on tokens: until then'

	fresh tokenless-refused
	rm "$box/tokens.db"
	fault '"route": "token", "fault": "status", "status": 401'
	queue "$a" "$room1" less3 less4
	courier
	like "$(reason less3)" "refuses the installation's secret" \
		'a secret that is refused: it has failed'
	is "$(said "$room1" less4)" less4 'a secret that is refused: once'
}

# As much as 64 bits hold: a day will do.
endless_limit() {
	fresh endless
	fault '"route": "notification", "fault": "status", "status": 429,
		"header": "Retry-After", "seconds": 9223372036854776'
	queue "$a" "$room1" endless1
	courier --once
	is "$(calls "$room1") $(files new)" '1 1' 'a limit without end: it waits'
	like "$(state ".[\"$a\"].deferredUntil")" '^[0-9]+$' \
		'a limit without end: until some time'
}

# The limit is the room's; that its messages grow too old does not end it.
lasting_limit() {
	fresh lasting
	fault '"route": "notification", "fault": "status", "status": 429,
		"header": "Retry-After", "seconds": 600, "count": -1'
	queue "$a" "$room1" lasting1 lasting2
	settings=HIPCHAT_MESSAGE_TTL=2
	courier
	settings=
	is "$(calls "$room1") $(files failed)" '1 2' \
		'a limit that outlasts the messages: is not tried again'
	is "$(reason lasting2)" 'rate limit' \
		'a limit that outlasts the messages: is why'
	queue "$a" "$room1" lasting3
	courier --once
	is "$(calls "$room1") $(files new)" '1 1' \
		'a limit that outlasts the messages: nor by the next courier'
}

# What an operator, or another program, may have done to the directory.
disorder() {
	fresh disorder
	queue "$a" "$room1" disorder1
	courier
	touch -d '3 days ago' "$box"/outbox/seen/*
	queue "$a" "$room1" disorder2
	courier
	is "$(files seen)" 1 'old keys go, though a message is queued'

	rm -r "$box/outbox/seen" "$box/outbox/failed"
	queue "$a" "$room1" disorder3
	mkfifo "$box/outbox/new/1600000000000000000-1-0"
	courier
	courier
	is "$(said "$room1" disorder)" 'disorder1 disorder2 disorder3' \
		'directories that are gone come back; what is no message is no bar'
	is "$(files new) $(files failed)" '0 1' '... and is set aside'

	rm "$box/courier.log"
	mkdir "$box/courier.log"
	queue "$a" "$room1" disorder4
	courier
	is "$rc $(said "$room1" disorder4)" '0 disorder4' \
		'a log that can not be written to keeps nobody from delivering'
	rmdir "$box/courier.log"
}

refusals() {
	fresh refusals
	for n in 1 2 3; do
		eval "room=\$room$n"
		fault '"route": "notification", "room": '"$room"', "fault":
			"status", "status": '"$((399 + n + (n > 1)))"
	done
	# 400 in the first room, 402 and 403 elsewhere
	queue "$a" "$room1" no1 no2
	queue "$b" "$room2" no3 no4
	queue "$c" "$room3" no5 no6
	fault '"route": "notification", "room": '"$room4"', "fault": "status",
		"status": 404'
	queue "$d" "$room4" no7 no8
	fault '"route": "notification", "room": '"$room5"', "fault":
		"redirect", "location": "'"$HIPCHAT"'/"'
	queue "$all" "$room5" no9
	courier
	is "$rc $(files new) $(files failed)" '0 0 5' 'refusals: five have failed'
	is "$(said "$room1" no),$(said "$room2" no),$(said "$room3" no),$(
		said "$room4" no)" no2,no4,no6,no8 'refusals: the queues go on'
	like "$(reason no1)" '^HipChat answers 400: ' 'refusals: 400'
	like "$(reason no3)" '^HipChat answers 402: ' 'refusals: 402'
	like "$(reason no5)" '^HipChat answers 403: ' 'refusals: 403'
	is "$(reason no7)" 'HipChat answers 404: Room not found' 'refusals: 404'
	like "$(reason no9)" '^HipChat answers 302' 'refusals: a redirect'
	is "$(calls "$room1") $(calls "$room5")" '2 1' \
		'refusals: each is tried once'
	is "$(state ".[\"$d\"]")" '{"queued":0,"failed":1,"lastError":"HipChat answers 404: Room not found"}' \
		'refusals: the status tells'
	is "$(find "$box" ! -perm 600 -type f)" '' 'refusals: files are 0600'
	is "$(find "$box" ! -perm 700 -type d)" '' 'refusals: directories 0700'
}

# HipChat's server is no longer on the list.
forbidden() {
	fresh forbidden
	queue "$a" "$room1" forbidden1
	settings=HIPCHAT_ALLOWED_HOSTS=hipchat.example.com
	courier --once
	settings=
	is "$(calls "$room1") $(files new)" '0 1' \
		'a host that is not allowed: the message waits'
	is "$(state ".[\"$a\"].lastError")" \
		'"not on a host of HIPCHAT_ALLOWED_HOSTS"' \
		'a host that is not allowed: why'
	courier
	is "$(said "$room1" forbidden)" forbidden1 \
		'a host that is not allowed: until it is'
}

# ---- time -------------------------------------------------------------------

# arrived TEXT TIME: as if the message had arrived at that Unix time, with which
# its file's name begins
arrived() {
	file=$(grep -l "\"$1\"" "$box"/outbox/new/*)
	name=${file##*/}
	mv "$file" "$box/outbox/new/$2${name#??????????}"
}

expiry() {
	fresh expiry
	fault '"route": "notification", "room": '"$room1"', "fault": "status",
		"status": 503, "count": -1'
	queue "$a" "$room1" old1
	settings=HIPCHAT_MESSAGE_TTL=2
	courier
	settings=
	is "$rc $(files new)" '0 0' 'expiry: it is given up'
	like "$(reason old1)" '^HipChat answers 503' 'expiry: with what kept it'

	queue "$b" "$room2" old2 old3
	arrived old2 $(($(date +%s) - 4000))
	courier
	is "$(said "$room2" old) $(calls "$room2")" 'old3 1' \
		'expiry: what nobody delivered in time is not sent at all'
	is "$(reason old2)" 'too old' 'expiry: and says so'
}

duplicates() {
	fresh duplicates
	webhook "$a" "$room1" m1 twin1
	webhook "$a" "$room1" m1 twin1
	webhook "$b" "$room2" m1 twin2
	webhook "$a" "$room1" m2 twin3
	courier
	nothing_left duplicates
	is "$(said "$room1" twin)" 'twin1 twin3' \
		'duplicates: the same webhook twice is said once'
	is "$(said "$room2" twin)" twin2 'duplicates: another installation is not'
	webhook "$a" "$room1" m1 twin1
	is "$status" 204 'duplicates: it is acknowledged'
	courier
	nothing_left 'duplicates once more'
	is "$(said "$room1" twin)" 'twin1 twin3' \
		'duplicates: nor is it said by the next courier'
	webhook "$a" "$room1" m1 twin1
	key=$(jq -r .key "$box"/outbox/new/*)
	said_at=$(stat -c %Y "$box/outbox/seen/$key")
	arrived twin1 $((said_at + 600))
	courier
	is "$(said "$room1" twin)" 'twin1 twin3' \
		'duplicates: nor ten minutes later'
	webhook "$a" "$room1" m1 twin1
	arrived twin1 $((said_at + 601))
	courier
	is "$(said "$room1" twin)" 'twin1 twin3 twin1' \
		'duplicates: but after more than that'
	# One that has waited for long, behind a HipChat that was down, and that
	# a courier finds when it starts.
	webhook "$a" "$room1" m2 twin3
	arrived twin3 $(($(date +%s) - 600))
	key=$(jq -r .key "$box"/outbox/new/*)
	touch -d "@$(($(date +%s) - 900))" "$box/outbox/seen/$key"
	courier
	is "$(said "$room1" twin)" 'twin1 twin3 twin1' \
		'duplicates: nor because it was queued for long'
	courier
	ok 'duplicates: then the old key goes' \
		[ ! -e "$box/outbox/seen/$key" ]
	like "$(cat "$box/courier.log")" ': dropped, a duplicate$' \
		'duplicates: in the log'
}

# ---- couriers that come and go ----------------------------------------------

killed() {
	fresh killed
	fault '"route": "notification", "room": '"$room1"', "fault": "delay",
		"hold": true'
	queue "$a" "$room1" kill1
	start_courier
	ok 'killed: a message is in flight' wait_for under_way "$room1"
	stop_courier
	is "$(files new)" 1 'killed: it is still queued'
	webhook "$a" "$room1" m-kill2 kill2 HIPCHAT_COURIER="$the_courier"
	ok 'killed: the next webhook starts a courier, which delivers both' \
		wait_for has_said "$room1" kill 'kill1 kill2'
	webhook "$a" "$room1" m-kill3 kill3 HIPCHAT_COURIER="$the_courier"
	ok 'killed: and one more' \
		wait_for has_said "$room1" kill 'kill1 kill2 kill3'
	control POST release
	ok 'killed: what was in flight, and that alone, comes twice' \
		wait_for has_said "$room1" kill 'kill1 kill2 kill3 kill1'
	ok 'killed: nothing is left' wait_for empty new
}

# One at a time: the second leaves at once.
second() {
	fresh second
	fault '"route": "notification", "room": '"$room1"', "fault": "delay",
		"hold": true'
	queue "$a" "$room1" one1
	start_courier
	wait_for under_way "$room1"
	queue "$b" "$room2" one2
	courier
	is "$rc $(cat "$tmp/out" "$tmp/stderr")" '0 ' \
		'a second courier leaves at once'
	ok '... and the first one delivers' wait_for has_said "$room2" one one2
	is "$(calls "$room1")" 1 '... and nothing is sent twice'
	control POST release
	ok '... until it is done' wait_for gone "$courier_pid"
	is "$(said "$room1" one)" one1 '... with all'
}

# Each directory has a courier of its own.
side_by_side() {
	fresh left
	fault '"route": "notification", "room": '"$room1"', "fault": "delay",
		"hold": true'
	queue "$a" "$room1" dir1
	start_courier
	wait_for under_way "$room1"
	cp -Rp "$tmp/installed" "$tmp/right"
	box=$tmp/right
	webhook "$b" "$room2" m1 dir2 HIPCHAT_COURIER="$the_courier"
	ok 'side by side: another directory is served at the same time' \
		wait_for has_said "$room2" dir dir2
	wait_for empty new
	is "$(files new) $(files failed)" '0 0' 'side by side: one is empty'
	box=$tmp/left
	is "$(files new) $(files failed)" '1 0' 'side by side: the other is not'
	is "$(cat "$box/courier.log")" '' 'side by side: nor does it know of it'
	control POST release
	ok 'side by side: each gets its own' wait_for has_said "$room1" dir dir1
	wait_for gone "$courier_pid"
}

lingering() {
	fresh lingering
	settings=HIPCHAT_COURIER_IDLE=600
	start_courier --linger
	settings=
	queue "$a" "$room1" linger1
	ok 'it lingers for the first' wait_for has_said "$room1" linger linger1
	queue "$a" "$room1" linger2
	ok '... and for the second' \
		wait_for has_said "$room1" linger 'linger1 linger2'
	ok '... and on' alive "$courier_pid"
	stop_courier
}

# ---- what is in the way -----------------------------------------------------

damaged() {
	fresh damaged
	queue "$a" "$room1" good1
	: >"$box/outbox/new/1000000000000000000-1-0"
	echo '{"oauthId": "x", "roomId"' >"$box/outbox/new/1000000000000000000-1-1"
	echo '[]' >"$box/outbox/new/1000000000000000000-1-2"
	head -c 600000 /dev/zero >"$box/outbox/new/1000000000000000000-1-3"
	echo 'hello' >"$box/outbox/new/mail"
	: >"$box/outbox/tmp/1000000000000000000-$(sh -c 'echo $$')-0"
	queue "$a" "$room1" good2
	courier
	is "$rc $(said "$room1" good) $(files new)" '0 good1 good2 0' \
		'damaged files do not stop the queue'
	is "$(files failed)" 5 '... but are set aside'
	is "$(files tmp)" 0 '... and what a dead writer left is swept away'
	is "$(wc -c <"$box/outbox/failed/1000000000000000000-1-3" |
		tr -d ' ')" 600000 '... as they are'
	is "$(grep -c ' courier: outbox/new/' "$box/courier.log")" 5 \
		'... with a line in the log each'
	courier --status
	is "$rc" 0 '... and the status can still be told'
	courier --drop mail
	is "$rc $(files failed)" '0 4' '... and they can be dropped'
	echo '{]' >"$box/outbox/status.json"
	queue "$a" "$room1" good3
	courier
	is "$rc $(said "$room1" good3)" '0 good3' \
		'a damaged status.json does no harm'
}

# The disk is full when the message is to be put: a file system of our own.
full_disk() {
	if [ "$(id -u)" = 0 ]; then
		apart='unshare -m'
	else
		apart='unshare -rm'
	fi
	if ! $apart mount -t tmpfs none "$tmp/data" 2>"$tmp/stderr"; then
		skip 'full disk' "no mount: $(cat "$tmp/stderr")"
		return
	fi
	fresh full
	mkdir -p "$tmp/full-disk/cgi-bin"
	cat >"$tmp/full-disk/cgi-bin/echo" <<-END
		#!/bin/sh
		cp -Rp "$box" "$tmp/full-disk/box"
		mount -t tmpfs -o size=256k,mode=700 none "$box" || exit
		cp -Rp "$tmp/full-disk/box/." "$box/"
		echo 'before' >"$tmp/full-disk/log"
		if [ -n "\$FULL" ]; then
		    mkdir -m 700 "$box/outbox" "$box/outbox/new" \\
			"$box/outbox/tmp" "$box/outbox/failed" "$box/outbox/seen"
		    mkfifo -m 600 "$box/outbox/trigger"
		fi
		[ "\$FULL" = no ] || cat /dev/zero >"$box/fill" 2>/dev/null
		"$PWD/$B/cgi-bin/echo"
		(cd "$box/outbox" && find new tmp -type f) >"$tmp/full-disk/log"
		rm -rf "$tmp/full-disk/box"
	END
	case $B in
	/*) sed -i "s|$PWD/$B|$B|" "$tmp/full-disk/cgi-bin/echo" ;;
	esac
	sed -i "1s|.*|#!/usr/bin/env -S $apart sh|" "$tmp/full-disk/cgi-bin/echo"
	chmod 755 "$tmp/full-disk/cgi-bin/echo"
	full_B=$B
	B=$tmp/full-disk
	webhook "$a" "$room1" m1 full1 FULL=no
	is "$status" 204 'full disk: there is room yet'
	like "$(cat "$tmp/full-disk/log")" '^new/' 'full disk: it is queued'
	webhook "$a" "$room1" m1 full1 FULL=yes
	is "$status $(jq .error.code "$tmp/body")" '503 503' 'full disk: 503'
	is "$(cat "$tmp/full-disk/log")" '' 'full disk: nothing is queued'
	like "$(cat "$tmp/stderr")" '^echo: .*No space left' 'full disk: logged'
	webhook "$a" "$room1" m1 full1
	like "$status" '^50[03]$' 'full disk: not even an outbox can be made'
	B=$full_B
}

# ---- a removed installation -------------------------------------------------

# An installation of its own, which is gone afterwards.
removal() {
	fresh removal
	cp -p "$tmp/extra.db" "$box/installations.db"
	fault '"route": "notification", "room": '"$room6"', "fault": "status",
		"status": 403'
	queue "$gone" "$room6" rem1
	courier
	fault '"route": "notification", "room": '"$room6"', "fault": "status",
		"status": 403, "hold": true'
	fault '"route": "notification", "room": '"$room1"', "fault": "status",
		"status": 404'
	queue "$a" "$room1" rem2
	queue "$gone" "$room6" rem3 rem4
	is "$(state ".[\"$gone\"] | [.queued, .failed]")" '[2,1]' \
		'removal: messages are queued, and one has failed'
	start_courier
	ok 'removal: one is in flight' wait_for under_way "$room6"
	wait_for empty_for "$a"
	queue "$a" "$room1" rem5
	control POST "installations/$gone/revoke"
	cgi installed DELETE HIPCHAT_DATA_DIR="$box" PATH_INFO="/$gone"
	is "$status" 204 'removal: it is removed'
	is "$(grep -rl "$gone" "$box/outbox/new" "$box/outbox/failed")" '' \
		'removal: and so are its messages'
	# as if that removal had been killed before it came to the messages
	for dir in new failed; do
		jq -nc --arg id "$gone" '{oauthId: $id, roomId: 1,
			notification: {message: "left"}}' \
			>"$box/outbox/$dir/1600000000000000000-1-0"
	done
	cgi installed DELETE HIPCHAT_DATA_DIR="$box" PATH_INFO="/$gone"
	is "$status $(grep -rl "$gone" "$box/outbox/new" "$box/outbox/failed")" \
		'204 ' 'removal: what one left halfway, the next completes'
	control POST release
	ok 'removal: the courier goes on' wait_for has_said "$room1" rem rem5
	ok 'removal: and comes to an end' wait_for gone "$courier_pid"
	is "$(said "$room6" rem)" '' 'removal: nothing was said there'
	is "$(grep -rl "$gone" "$box/outbox/new" "$box/outbox/failed")" '' \
		'removal: nor has what was in flight left anything'
	courier
	is "$(state "has(\"$gone\")")" false 'removal: the status knows it no more'
	is "$(state ".[\"$a\"].failed")" 1 'removal: the others keep theirs'
}
empty_for() { ! grep -rq "$1" "$box/outbox/new"; }

# A webhook that came while it was being removed: nobody to send it for.
orphan() {
	fresh orphan
	cp -p "$tmp/extra.db" "$box/installations.db"
	queue "$gone" "$room6" orphan1
	cp -p "$tmp/installed/installations.db" "$box/"
	courier
	nothing_left orphan
	is "$(calls "$room6") $(tokens)" '0 0' 'orphan: HipChat is not asked'
	like "$(cat "$box/courier.log")" ": dropped, $gone is not installed\$" \
		'orphan: the log says so'
}

# ---- operators --------------------------------------------------------------

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
		"status": 429, "header": "Retry-After", "seconds": 600'
	queue "$c" "$room3" op4 op5
	courier --once
	is "$rc" 0 '--once leaves in spite of a limit'
	courier --status
	report=$(cat "$tmp/out")
	cp -p "$box/outbox/status.json" "$tmp/saved.json"
	for odd in '{"lanes":1}' '{"lanes":[1]}' '[]' ''; do
		printf %s "$odd" >"$box/outbox/status.json"
		courier --status
		is "$rc" 0 "--status with odd notes of the courier's: $odd"
	done
	cp -p "$tmp/saved.json" "$box/outbox/status.json"
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
	is "$rc $(cat "$tmp/out") $(files failed)" \
		'0 1 message queued again 2' '--retry an installation'
	name=$(ls "$box/outbox/failed" | head -n 1)
	courier --retry "$name"
	is "$rc $(files failed)" '0 1' '--retry a message'
	settings=
	courier --retry all
	is "$rc $(cat "$tmp/out") $(files failed)" \
		'0 1 message queued again 0' '--retry all'
	ok '--retry: a courier is started, and they are delivered' \
		wait_for has_said "$room1" op 'op1 op2'
	ok '--retry: all of them' wait_for has_said "$room2" op op3
	courier --retry all
	is "$rc" 1 '--retry all when nothing has failed'

	name=$(grep -l op4 "$box"/outbox/new/*)
	courier --drop "${name##*/}"
	is "$rc $(cat "$tmp/out") $(files new)" '0 1 message dropped 1' \
		'--drop a message'
	courier --drop "$c"
	is "$rc $(files new)" '0 0' '--drop an installation'
	courier --drop "$c"
	is "$rc $(cat "$tmp/stderr")" '1 no such message' \
		'--drop what there is not'
}

usage() {
	fresh usage
	queue "$a" "$room1" usage1
	for args in --what '--once --once' '--status --xml' \
		'--status --json --json' --json --retry --drop \
		'--retry a b' '--drop a b' once; do
		# shellcheck disable=SC2086 # the words are arguments
		courier $args
		is "$rc" 2 "courier $args: bad usage"
		like "$(cat "$tmp/stderr")" '^usage: courier ' \
			"courier $args: help on standard error"
	done
	courier --drop ''
	is "$rc" 1 "courier --drop '': no such message"
	is "$(files new) $(calls "$room1")" '1 0' 'bad usage changes nothing'
	settings=HIPCHAT_COURIER_IDLE=soon
	courier
	settings=
	is "$rc" 1 'a bad setting: exit status'
	like "$(cat "$tmp/stderr")" \
		'^courier: environment: HIPCHAT_COURIER_IDLE: ' \
		'a bad setting is named'
	is "$(files new)" 1 'a bad setting changes nothing'
}

# It lies among the CGI programs, and is none.
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
	is "$(files new) $(calls "$room1")" '1 0' 'as a CGI program: it does nothing'
}

logging() {
	fresh logging
	queue "$a" "$room1" log1
	courier
	like "$(cat "$box/courier.log")" "^20[0-9-]{8} [0-9:]{8} courier: [0-9]+-[0-9]+-[0-9]+: delivered to room $room1 of $a\$" \
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

# All that the couriers above have logged, against what they must not.
secrets() {
	control POST "installations/$a/revoke-tokens"
	fresh secrets
	queue "$a" "$room1" secret1
	courier
	for n in secret1 down1 limit1 no1 old1 kill1 side1; do
		echo "$n"
	done >"$tmp/marks"
	control GET installations | jq -r '.[].oauth_secret' >>"$tmp/marks"
	control GET log | jq -r '.[] | select(.url | endswith("/oauth/token"))
		| .response_body | fromjson.access_token' >>"$tmp/marks"
	cat "$tmp"/*/courier.log* >"$tmp/logs"
	is "$(wc -l <"$tmp/marks" | tr -d ' ')" 14 \
		'secrets: seven texts, six secrets and a token are looked for'
	ok 'secrets: in many lines' [ "$(wc -l <"$tmp/logs")" -gt 100 ]
	is "$(grep -cFf "$tmp/marks" "$tmp/logs")" 0 'secrets: none is there'
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

# one more installation, in a database of its own
start_apache
gone=$(install "$room6") || die 'not installed'
stop_apache
cp -Rp "$tmp/installed" "$tmp/kept"
rm -r "$tmp/installed"
keep "$gone"
credentials "$a" >"$tmp/credentials"
cgi installed POST HIPCHAT_DATA_DIR="$tmp/installed" <"$tmp/credentials"
mv "$tmp/installed/installations.db" "$tmp/extra.db"
rm -r "$tmp/installed"
mv "$tmp/kept" "$tmp/installed"

down
failures
twice
hanging
limits
past
beside
unauthorized
tokenless
endless_limit
lasting_limit
disorder
refusals
forbidden
expiry
duplicates
killed
second
side_by_side
lingering
damaged
full_disk
removal
orphan
operators
usage
as_cgi
logging
secrets
libraries
quiet "$tmp/hipchatd.log" "the stand-in's log"
done_testing
