#!/bin/sh
# Outbox and courier: messages that wait, couriers that die and their
# successors, and what may be in their way.
. t/lib/lib.sh
. t/lib/courier.sh
six_rooms

# ---- time -------------------------------------------------------------------

# arrived TEXT TIME: as if the message had arrived at that Unix time, with which
# its id begins
arrived() {
	sed -i "/\"$1\"/s/^\([qc] m \)[0-9]\{10\}/\1$2/" "$box/outbox/queue"
}

expiry() {
	fresh expiry
	fault '"route": "notification", "room": '"$room1"', "fault": "status",
		"status": 503, "count": -1'
	queue "$a" "$room1" old1
	settings=HIPCHAT_MESSAGE_TTL=2
	courier
	settings=
	is "$rc $(queued)" '0 0' 'expiry: it is given up'
	like "$(reason old1)" '^HipChat answers 503' 'expiry: with what kept it'

	queue "$a" "$room1" old2
	queue "$b" "$room2" old3 old4
	arrived old2 $(($(date +%s) - 4000))
	arrived old3 $(($(date +%s) - 4000))
	courier
	is "$(calls "$room1" .) $(reason old2)" \
		"$(calls "$room1" .) $(reason old1)" \
		'expiry: what is too old is tried once'
	is "$(said "$room2" old)" 'old3 old4' 'expiry: which may be enough'
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
	now=$(date +%s)
	webhook "$a" "$room1" m1 twin1
	arrived twin1 $((now + 590))
	courier
	is "$(said "$room1" twin)" 'twin1 twin3' \
		'duplicates: nor ten minutes later'
	webhook "$a" "$room1" m1 twin1
	arrived twin1 $((now + 660))
	courier
	is "$(said "$room1" twin)" 'twin1 twin3 twin1' \
		'duplicates: but after more than that'
	like "$(cat "$box/courier.log")" ': dropped, room [0-9]+ of [^ ]+, webhook m1: a duplicate$' \
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
	is "$(queued)" 1 'killed: it is still queued'
	webhook "$a" "$room1" m-k2 kill2 HIPCHAT_COURIER="$the_courier"
	ok 'killed: the next webhook starts a courier, which delivers both' \
		wait_for has_said "$room1" kill 'kill1 kill2'
	webhook "$a" "$room1" m-k3 kill3 HIPCHAT_COURIER="$the_courier"
	ok 'killed: and one more' \
		wait_for has_said "$room1" kill 'kill1 kill2 kill3'
	control POST release
	ok 'killed: what was in flight, and that alone, comes twice' \
		wait_for has_said "$room1" kill 'kill1 kill2 kill3 kill1'
	ok 'killed: nothing is left' wait_for nothing_queued
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
	like "$(cat "$box/courier.log")" ": PID $(couriers) is at work\$" \
		'... and names the first'
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
	wait_for nothing_queued
	is "$(queued) $(failed)" '0 0' 'side by side: one is empty'
	box=$tmp/left
	is "$(queued) $(failed)" '1 0' 'side by side: the other is not'
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

# A new installation of the same id is used from the next call on.
moved() {
	fresh moved
	settings=HIPCHAT_COURIER_IDLE=600
	start_courier --linger
	settings=
	queue "$a" "$room1" moved1
	ok 'moved: a courier has delivered' wait_for has_said "$room1" moved moved1
	curl -sS "$HIPCHAT/v2/capabilities" | jq -c '.capabilities
		.hipchatApiProvider.url |= sub("/v2/"; "/v9/")' >"$tmp/moved.json"
	fault '"route": "capabilities", "fault": "body", "status": 200,
		"body": '"$(jq -Rs . "$tmp/moved.json")"
	cgi installed POST HIPCHAT_DATA_DIR="$box" <"$tmp/credentials"
	is "$status" 200 'moved: HipChat installs it again, with another API'
	queue "$a" "$room1" moved2
	ok 'moved: the same courier uses that at once' wait_for called_at /v9/
	stop_courier
}
called_at() {
	control GET log | jq -e --arg at "$1" 'any(.[]; .direction == "in" and
		(.url | contains($at + "room/")))' >"$tmp/called"
}

# A HipChat that takes its time is not asked twice.
slow() {
	fresh slow
	fault '"route": "notification", "room": '"$room1"', "fault": "delay",
		"ms": 11000'
	queue "$a" "$room1" slow1 slow2
	courier
	nothing_left slow
	is "$(said "$room1" slow) $(calls "$room1")" 'slow1 slow2 2' \
		'slow: each is said once'
}

# ---- what is in the way -----------------------------------------------------

damaged() {
	fresh damaged
	queue "$a" "$room1" good1
	cat >>"$box/outbox/queue" <<-END
		hello
		q m
		q m 1764030000123456789-1-0 x 7 - {"notification":
		q m 1764030000123456789-1-1 x 7 - {"notification":7}
		q ? 1764030000123456789-1-2 x 7 - {"notification":{}}
	END
	head -c 600000 /dev/zero >>"$box/outbox/queue"
	printf 'q m 17640300001234' >>"$box/outbox/queue" # torn
	queue "$a" "$room1" good2
	courier
	is "$rc $(said "$room1" good) $(queued)" '0 good1 good2 0' \
		'damaged lines do not stop the queue'
	is "$(grep -c ' courier: outbox/queue: byte [0-9]*: ' \
		"$box/courier.log")" 4 '... and have a line in the log each'
	courier --status
	is "$rc" 0 '... and the status can still be told'
	courier --drop x
	is "$rc $(failed)" '0 0' '... and what has failed can be dropped'
	echo '{]' >"$box/waits.json"
	queue "$a" "$room1" good3
	courier
	is "$rc $(said "$room1" good3)" '0 good3' \
		'a damaged waits.json does no harm'
}

# What an operator or another program may have done to the directory.
disorder() {
	fresh disorder
	queue "$a" "$room1" disorder1
	courier
	rm -r "$box/outbox"
	queue "$a" "$room1" disorder2
	courier
	rm "$box/outbox/queue"
	mkfifo "$box/outbox/queue.7"
	queue "$a" "$room1" disorder3
	courier
	is "$(said "$room1" disorder)" 'disorder1 disorder2 disorder3' \
		'what is gone comes back; what is no file is no bar'

	rm "$box/courier.log"
	mkdir "$box/courier.log"
	queue "$a" "$room1" disorder4
	courier
	is "$rc $(said "$room1" disorder4)" '0 disorder4' \
		'a log that can not be written to keeps nobody from delivering'
	rmdir "$box/courier.log"
}

# The disk is full when a message is put: in a file system of our own.
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
		rm -rf "$box/outbox"
		if [ -n "\$FULL" ]; then
		    mkdir -pm 700 "$box/outbox"
		    echo '# 1' >"$box/outbox/queue"
		fi
		[ "\$FULL" = no ] || cat /dev/zero >"$box/fill" 2>/dev/null
		"$PWD/$B/cgi-bin/echo"
		grep -c '^q m.*}\$' "$box/outbox/queue" >"$tmp/full-disk/log"
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
	is "$(cat "$tmp/full-disk/log")" 1 'full disk: it is queued'
	# what is left of a page of its file is no disk that is full
	long=$(printf '%9000s' full1 | tr ' ' x)
	webhook "$a" "$room1" m1 "$long" FULL=yes
	is "$status $(jq .error.code "$tmp/body")" '503 503' 'full disk: 503'
	is "$(cat "$tmp/full-disk/log")" 0 'full disk: nothing is queued'
	like "$(cat "$tmp/stderr")" '^echo: .*No space left' 'full disk: logged'
	webhook "$a" "$room1" m1 full1
	like "$status" '^50[03]$' 'full disk: not even an outbox can be made'
	B=$full_B
}

# ---- a removed installation -------------------------------------------------

# An installation for this test alone, which is gone afterwards.
removal() {
	fresh removal
	cp -Rp "$tmp/extra/." "$box/installations"
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
	is "$(messages queue | grep "^q .*$gone")$(messages failed |
		grep "$gone")" '' 'removal: and so are its messages'
	# as if that removal had been killed before it got to the messages
	left="q m 1764030000123456789-1-0 $gone 1 - {\"notification\":{}}"
	echo "$left" >>"$box/outbox/queue"
	echo "$left" >>"$box/outbox/failed"
	cgi installed DELETE HIPCHAT_DATA_DIR="$box" PATH_INFO="/$gone"
	is "$status $(messages queue | grep "^q .*$gone")$(messages failed |
		grep "$gone")" '204 ' \
		'removal: what one left halfway, the next completes'
	control POST release
	ok 'removal: the courier goes on' wait_for has_said "$room1" rem rem5
	ok 'removal: and comes to an end' wait_for gone "$courier_pid"
	is "$(said "$room6" rem)" '' 'removal: nothing was said there'
	is "$(messages queue | grep "$gone")$(messages failed |
		grep "$gone")" '' 'removal: nor has what was in flight left anything'
	courier
	is "$(state "has(\"$gone\")")" false 'removal: the status knows it no more'
	is "$(state ".[\"$a\"].failed")" 1 'removal: the others keep theirs'
}
empty_for() { ! messages queue | grep -q "$1"; }

# Of an installation that is not there: HipChat is not asked.
orphan() {
	fresh orphan
	cp -Rp "$tmp/extra/." "$box/installations"
	queue "$gone" "$room6" orphan1
	rm -r "$box/installations"
	cp -Rp "$tmp/installed/installations" "$box/"
	# one that a courier had claimed when it was removed, and was killed
	echo "c m 1764030000123456789-1-0 $gone 1 - {\"notification\":{}}" \
		>>"$box/outbox/queue"
	courier
	is "$rc $(queued) $(reason orphan1)" '0 0 not installed' 'orphan: it fails'
	is "$(failed)" 1 'orphan: nothing is kept of one that was removed'
	is "$(calls "$room6") $(tokens)" '0 0' 'orphan: HipChat is not asked'

	# no installation at all: that is no removal
	queue "$a" "$room1" orphan2
	mv "$box/installations" "$tmp/away"
	courier --once
	is "$rc $(queued) $(failed)" '0 1 1' 'no store: messages wait'
	mv "$tmp/away" "$box/installations"
	courier --retry all
	ok 'no store: until it is back' wait_for has_said "$room1" orphan orphan2
}

# one more installation, in a store of its own
start_apache
gone=$(install "$room6") || exit
stop_apache
cp -Rp "$tmp/installed" "$tmp/kept"
rm -r "$tmp/installed"
keep "$gone"
credentials "$a" >"$tmp/credentials"
cgi installed POST HIPCHAT_DATA_DIR="$tmp/installed" <"$tmp/credentials"
mv "$tmp/installed/installations" "$tmp/extra"
rm -r "$tmp/installed"
mv "$tmp/kept" "$tmp/installed"

expiry
duplicates
killed
second
side_by_side
lingering
moved
slow
damaged
disorder
full_disk
removal
orphan
no_secrets old1 kill1
quiet "$tmp/hipchatd.log" "the stand-in's log"
done_testing
