#!/bin/sh
# Outbox and courier: what is acknowledged is delivered, once and in order,
# whatever HipChat answers; what it refuses for good is kept, with the reason.
# Echo and courier are the real ones; the stand-in HipChat fails on demand and
# counts.
. t/lib/lib.sh
. t/lib/courier.sh
six_rooms

# ---- HipChat does not answer, or answers badly ------------------------------

down() {
	fresh down
	fault '"route": "notification", "room": '"$room1"',
		"fault": "refuse", "count": 2'
	queue "$a" "$room1" down1 down2 down3
	queue "$b" "$room2" down4
	queue "$a" "$room1" down5
	is "$(queued)" 5 'down: five messages are queued'
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
	queue "$a" "$room1" pass1 pass-1
	queue "$b" "$room2" pass2 pass-2
	queue "$c" "$room3" pass3 pass-3
	queue "$d" "$room4" pass4 pass-4
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

# HipChat may have said it although no answer came: at least once.
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

# HipChat hangs in one room; in the meantime, the others go on.
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
	webhook "$c" "$room3" m-h6 hang6
	ok 'hanging: as are messages that come now' \
		wait_for has_said "$room3" hang 'hang5 hang6'
	control POST release
	ok 'hanging: the courier comes to an end' wait_for gone "$courier_pid"
	wait "$courier_pid"
	is "$? $(said "$room1" hang)" '0 hang1 hang2' \
		'hanging: all is delivered in the end'
}

# ---- rate limits ------------------------------------------------------------

# A limit of 5 s: when does the courier go on?  The times before and after hold
# whatever the speed of the machine.
limit() {
	fresh "limit-$1-$2"
	fault '"route": "notification", "room": '"$room1"', "fault": "status",
		"status": 429, "header": "'"$1"'", "seconds": 5, "absolute": '"$2"
	queue "$a" "$room1" limit1 limit2
	before=$(date +%s)
	courier --once
	after=$(date +%s)
	is "$rc $(calls "$room1") $(queued)" '0 1 2' \
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

# A room that is limited delays no other, neither of another installation nor of
# the same one.
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
	webhook "$b" "$room2" m-s8 side8
	queue "$all" "$room6" side9
	ok 'a courier that waits hears of new messages' \
		wait_for has_said "$room2" side 'side4 side7 side8'
	ok '... for the other room, too' \
		wait_for has_said "$room6" side 'side5 side6 side9'
	is "$(calls "$room1") $(calls "$room5") $(queued)" '1 1 3' \
		'the limited rooms were called once each'
	stop_courier
}

# The most that 64 bits hold: it waits a limited time.
endless_limit() {
	fresh endless
	fault '"route": "notification", "fault": "status", "status": 429,
		"header": "Retry-After", "seconds": 9223372036854776'
	queue "$a" "$room1" endless1
	courier --once
	is "$(calls "$room1") $(queued)" '1 1' 'a limit without end: it waits'
	like "$(state ".[\"$a\"].deferredUntil")" '^[0-9]+$' \
		'a limit without end: until some time'
}

# The limit is the room's: it does not end when messages grow too old, and what
# was never tried does not fail.
lasting_limit() {
	fresh lasting
	fault '"route": "notification", "fault": "status", "status": 429,
		"header": "Retry-After", "seconds": 600, "count": -1'
	queue "$a" "$room1" lasting1 lasting2
	settings=HIPCHAT_MESSAGE_TTL=2
	start_courier
	settings=
	ok 'a limit that outlasts a message: it fails' \
		wait_for has_failed 1
	is "$(reason lasting1)" 'rate limit' \
		'a limit that outlasts a message: which is why'
	is "$(calls "$room1") $(queued)" '1 1' \
		'a limit that outlasts a message: the next one is not tried'
	stop_courier
	courier --once
	is "$(calls "$room1") $(queued)" '1 1' \
		'a limit that outlasts a message: nor by the next courier'
}
has_failed() { [ "$(failed)" = "$1" ]; }

# 20 rooms do not each meet a limit that belongs to the add-on.
shared_limit() {
	fresh shared
	fault '"route": "notification", "fault": "status", "status": 429,
		"header": "X-Ratelimit-Reset", "seconds": 600, "count": -1'
	queue "$all" "$room5" shared1 shared2
	queue "$all" "$room6" shared3
	courier --once
	is "$(calls "$room5") $(calls "$room6") $(queued)" '1 0 3' \
		"the add-on's limit: one room meets it for all"
	like "$(state ".[\"$all\"]")" '"deferredUntil":[0-9]+.*"rate limit"' \
		"the add-on's limit: the status tells"
	no_faults
	courier --retry all
	is "$rc $(cat "$tmp/out")" \
		'0 none has failed; those that wait are tried now' \
		'--retry all ends all waiting'
	ok '... so all are said' wait_for has_said "$room6" shared shared3
	ok '... in both rooms' wait_for has_said "$room5" shared 'shared1 shared2'
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
	cp -Rp "$box/tokens" "$tmp/installed/" # for later boxes

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

# retried N: let none wait; were N tokens asked for by now?
retried() {
	courier --retry all
	[ "$(tokens)" -ge "$1" ]
}

# HipChat grants no token, for now or for good.
tokenless() {
	fresh tokenless
	rm -r "$box/tokens"
	fault '"route": "token", "fault": "status", "status": 503'
	queue "$a" "$room1" less1
	courier
	nothing_left 'no token for now'
	is "$(said "$room1" less) $(tokens)" 'less1 2' 'no token for now: later'

	fresh tokenless-html
	rm -r "$box/tokens"
	fault '"route": "token", "fault": "html"'
	queue "$a" "$room1" html1
	courier --once
	like "$(cat "$box/courier.log")" \
		': deferred for (0\.[1-9]|1\.[0-9]) s, .* holds no token$' \
		'an answer without a token: it waits, at first not long'

	fresh tokenless-limited
	rm -r "$box/tokens"
	fault '"route": "token", "fault": "status", "status": 429,
		"header": "Retry-After", "seconds": 600, "count": -1'
	queue "$a" "$room1" less2
	courier --once
	is "$(tokens) $(queued)" '1 1' 'a limit on tokens: it waits'
	like "$(state ".[\"$a\"].deferredUntil")" '^[0-9]+$' \
		'a limit on tokens: until then'

	fresh tokenless-order
	rm -r "$box/tokens"
	fault '"route": "token", "fault": "status", "status": 503, "count": 5'
	queue "$a" "$room1" order1 order2
	start_courier
	ok 'no token, five times' wait_for retried 6
	ok '... is nothing against the message: the order stays' \
		wait_for has_said "$room1" order 'order1 order2'
	stop_courier

	# HipChat has removed it, without a word: so do we
	fresh tokenless-refused
	rm -r "$box/tokens"
	fault '"route": "token", "fault": "status", "status": 401, "count": 2'
	queue "$a" "$room1" none1 none2
	courier
	nothing_left 'a secret that is refused'
	is "$(said "$room1" none) $(tokens)" ' 2' \
		'a secret that is refused: is tried once more'
	like "$(cat "$box/courier.log")" ": dropped, room $room1 of $a, webhook m-[0-9 ]+: HipChat has removed the installation" \
		'a secret that is refused: the log says why'
	is "$(state "has(\"$a\")")" false \
		'a secret that is refused: the installation is gone'
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
	is "$rc $(queued) $(failed)" '0 0 5' 'refusals: five have failed'
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
	courier
	is "$rc" 1 'no host is allowed: a courier does not start'
	like "$(cat "$box/courier.log")" ': no installation is on a host of HIPCHAT_ALLOWED_HOSTS, which is "hipchat.example.com": ' \
		'no host is allowed: it says why'
	start_courier --linger # as a sender starts it
	settings=
	ok 'no host is allowed: a message waits' wait_for has_state \
		".[\"$a\"].lastError" '"not on a host of HIPCHAT_ALLOWED_HOSTS"'
	is "$(calls "$room1") $(queued)" '0 1' 'no host is allowed: nobody is asked'
	stop_courier
	courier --retry all
	ok 'no host is allowed: until it is' \
		wait_for has_said "$room1" forbidden forbidden1
}
has_state() { [ "$(state "$1")" = "$2" ]; }

# While HipChat refuses a token to its old secret, an installation comes with a
# new one, and a message of another of its rooms is given up.
renewed() {
	start_apache
	control POST install "{\"url\":\"$ADDON/capabilities\",
		\"oauth_id\":\"$all\",\"new_secret\":true}" >"$tmp/answer"
	stop_apache
	credentials "$all" >"$tmp/credentials"
	fresh renewed-store
	cgi installed POST HIPCHAT_DATA_DIR="$box" <"$tmp/credentials"
	is "$status" 200 'renewed: it has a new secret'

	fresh renewed
	fault '"route": "notification", "room": '"$room6"', "fault": "status",
		"status": 429, "header": "Retry-After", "seconds": 600'
	fault '"route": "notification", "room": '"$room5"', "fault": "status",
		"status": 401'
	fault '"route": "token", "fault": "status", "status": 401, "hold": true'
	queue "$all" "$room6" renewed1
	settings=HIPCHAT_MESSAGE_TTL=4
	start_courier
	settings=
	wait_for has_calls "$room6" 1
	queue "$all" "$room5" renewed2
	ok 'renewed: a token is asked for' wait_for has_asked
	mv "$tmp"/renewed-store/installations/*.db "$box/installations/"
	ok 'renewed: a message is given up' wait_for has_failed 1
	control POST release
	ok 'renewed: the other one is said, with the new secret' \
		wait_for has_said "$room5" renewed renewed2
	is "$(state "has(\"$all\")")" true 'renewed: and the installation stays'
	stop_courier
}
has_asked() { [ "$(tokens)" = 1 ]; }
has_failed() { [ "$(failed)" = "$1" ]; }

down
failures
twice
hanging
limits
past
beside
endless_limit
lasting_limit
shared_limit
unauthorized
tokenless
refusals
forbidden
renewed
no_secrets down1 limit1 no1 side1
quiet "$tmp/hipchatd.log" "the stand-in's log"
done_testing
