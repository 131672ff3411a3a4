#!/bin/sh
# Outbox and courier: messages that wait, couriers that die and their
# successors, and what may be in their way.
. t/lib/lib.sh
. t/lib/courier.sh
six_rooms

# ---- time -------------------------------------------------------------------

# arrived TEXT TIME: as if the message had arrived at that Unix time, with which
# the name of its file begins
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
	# One that has waited for a long time for a HipChat that was down, and
	# that a courier finds when it starts.
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
	like "$(cat "$box/courier.log")" ': dropped, a duplicate, webhook m[12]$' \
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
	webhook "$a" "$room1" m-k2 kill2 HIPCHAT_COURIER="$the_courier"
	ok 'killed: the next webhook starts a courier, which delivers both' \
		wait_for has_said "$room1" kill 'kill1 kill2'
	webhook "$a" "$room1" m-k3 kill3 HIPCHAT_COURIER="$the_courier"
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
	echo '{]' >"$box/outbox/lanes.json"
	queue "$a" "$room1" good3
	courier
	is "$rc $(said "$room1" good3)" '0 good3' \
		'a damaged lanes.json does no harm'
}

# What an operator or another program may have done to the directory.
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

# An installation for this test alone, which is gone afterwards.
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
	# as if that removal had been killed before it got to the messages
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

# A webhook that came while its installation was being removed is not sent.
orphan() {
	fresh orphan
	cp -p "$tmp/extra.db" "$box/installations.db"
	queue "$gone" "$room6" orphan1
	cp -p "$tmp/installed/installations.db" "$box/"
	courier
	nothing_left orphan
	is "$(calls "$room6") $(tokens)" '0 0' 'orphan: HipChat is not asked'
	like "$(cat "$box/courier.log")" ": dropped, $gone is not installed, webhook m-" \
		'orphan: the log says so'
}

# one more installation, in a database of its own
start_apache
gone=$(install "$room6") || exit
stop_apache
cp -Rp "$tmp/installed" "$tmp/kept"
rm -r "$tmp/installed"
keep "$gone"
credentials "$a" >"$tmp/credentials"
cgi installed POST HIPCHAT_DATA_DIR="$tmp/installed" <"$tmp/credentials"
mv "$tmp/installed/installations.db" "$tmp/extra.db"
rm -r "$tmp/installed"
mv "$tmp/kept" "$tmp/installed"


expiry
duplicates
killed
second
side_by_side
lingering
damaged
disorder
full_disk
removal
orphan
no_secrets old1 kill1
quiet "$tmp/hipchatd.log" "the stand-in's log"
done_testing
