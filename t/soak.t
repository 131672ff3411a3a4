#!/bin/sh
# Load and faults, through a real Apache: soak.c says what is done, and what
# must come of it.  SOAK_S is the length of each of its three parts in seconds
# (2; "make soak" takes more), SOAK_CLIENTS the number of clients.
#
# To fill a disk, we need one of our own, so this test enters a mount namespace
# of its own if it can, as root or in a user namespace.

# own_mounts HOW…: can unshare(1) give us a place to mount something?
own_mounts() {
	unshare "$@" sh -c 'mount --make-rprivate / 2>/dev/null
		mount -t tmpfs none /tmp' >/dev/null 2>&1
}
if [ -z "${SOAK_DISK:-}" ]; then
	export SOAK_DISK=1
	! own_mounts -m || exec unshare -m "$0"
	user_namespace='--map-current-user --keep-caps -m'
	# shellcheck disable=SC2086 # three words
	! own_mounts $user_namespace || exec unshare $user_namespace "$0"
	SOAK_DISK=0
fi

. t/lib/lib.sh

# Unmount before the directory is removed.
trap leave EXIT
leave() {
	leave_status=$?
	[ "$SOAK_DISK" != 1 ] || umount -l "$tmp/data"
	(exit "$leave_status")
	clean_up
}
if [ "$SOAK_DISK" = 1 ]; then
	mount --make-rprivate / 2>/dev/null
	mount -t tmpfs -o mode=700 none "$tmp/data" ||
		die 'no file system for the data directory'
fi

# A courier is nobody's child: we recognize ours by their name, which anybody
# can see, and Apache and its children by their session.
courier_name=c-${tmp##*.}
cp "$B/cgi-bin/courier" "$tmp/$courier_name"
start_hipchatd
start_apache HIPCHAT_WEBHOOK_AUTH=jwt HIPCHAT_COURIER="$tmp/$courier_name"
main_pid=$apache_pid

ours() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v name="($courier_name)" \
		-v session="$main_pid" '$3 != "Z" &&
		($6 == session || $2 == name) { print $1, $2 }'
}
nobody() { [ -z "$(ours)" ]; }
# instead of the one in servers.sh, which looks at what a lazy unmount hides
couriers() { ours | sed -n "s/^\([0-9]*\) ($courier_name)/\1/p"; }
descriptors() { ls "/proc/$1/fd" | wc -l; }

http GET "$ADDON/capabilities"
is "$status" 200 'the add-on serves'
before=$(descriptors "$main_pid")

ADDON=$ADDON HIPCHAT=$HIPCHAT SOAK_APACHE=$main_pid SOAK_DATA=$tmp/data \
	SOAK_COURIER=$tmp/$courier_name SOAK_S=${SOAK_S:-2} \
	"$B/t/unit/soak" >"$tmp/soak.out"
rc=$?
sed 's/^ok \([0-9]*\) - /    ok \1 - /; s/^not ok /    not ok /
	s/^1\.\./    1../; s/^#/    #/' "$tmp/soak.out"
grep '^#' "$tmp/soak.out"
is "$rc" 0 'the soak' || diag "$(grep '^not ok' "$tmp/soak.out")"

# Who is left, and with what?  The last message has started a courier.
is "$(descriptors "$main_pid")" "$before" 'Apache has as many descriptors'
room=$(control POST rooms '{"name":"last"}' | jq .id)
control POST install "{\"url\":\"$ADDON/capabilities\",\"room_id\":$room}" \
	>"$tmp/answer"
control POST "rooms/$room/say" '{"message":"/echo last"}' >"$tmp/answer"
# held: what the courier's worker, the younger of two processes, has open; only
# root may look
held() {
	ls -l "/proc/$(couriers | tail -n 1)/fd" 2>"$tmp/held.error" |
		sed -n 's/.* -> //p' >"$tmp/held"
	grep -q '/outbox/trigger$' "$tmp/held" ||
		grep -q 'Permission denied' "$tmp/held.error"
}
ok 'a courier runs' wait_for held
if [ -s "$tmp/held" ]; then
	is "$(grep -vE "^($tmp/data(/.*)?|/dev/null|anon_inode:.*|socket:.*)$" \
		"$tmp/held")" '' 'it has nothing of what Apache had open'
else
	tap_run=$((tap_run + 1))
	echo "ok $tap_run # SKIP descriptors of others can't be seen here"
fi
end "$main_pid"
apache_pid=
ok 'no process is left' wait_for nobody || diag "$(ours)"

reports='Sanitizer|runtime error:|signal (Segmentation|Abort|Bus|Illegal|Trap)'
reports="$reports|stack smashing|double free|corrupted"
is "$(grep -hE "$reports" "$tmp/apache/error_log" "$tmp"/data/courier.log*)" \
	'' 'nobody crashed'
quiet "$tmp/hipchatd.log" "the stand-in's log"
is "$(cd "$tmp/data" && ls -A | grep -Ev \
	'^(installations|tokens|lock|outbox|waits\.json|courier\.log(\.1)?)$')" '' \
	'no other file in the data directory'
done_testing
