#!/bin/sh
# Power cuts: whatever a program has acknowledged is there after one, at any
# moment.
#
# A disk of 64 MiB (xfs: 320) is a file that QEMU exports by FUSE, and it logs
# every write and flush.  On a file system there, the programs run: installed,
# uninstalled, echo, the courier and its operator's commands, each time in a
# fresh data directory.  What they acknowledged is noted with how long the log
# was.  Then judge builds what the disk holds after a power cut, at each place
# of the log, mounts it, and looks.
#
# The programs are built so that each call of fsync(2) can be taken out by its
# place.  Those that libraries make are always out: nobody has promised them.
# That the test can fail is shown by taking each call out in turn.
#
#	FILE_SYSTEMS	of ext4, weak (ext4 with options that sync less), xfs
#	ROUNDS		data directories: fresh, an older version's, large, and so on
#	STATES		power cuts for each file system
#	MUTATIONS	places to take out, as FILE:FUNCTION; or "all"
#
# Root and /dev/fuse are needed; no kernel module is.
: "${FILE_SYSTEMS:=ext4 weak xfs btrfs}" "${ROUNDS:=3}" "${STATES:=1000}"
: "${MUTATIONS:=all}"

[ "$(id -u)" = 0 ] || {
	echo "$0: must be root, to mount file systems" >&2
	exit 1
}

# Among mounts of our own: nobody else keeps one of them busy, and none is left
# behind, whatever happens.
[ -n "${POWERCUT_MOUNTS:-}" ] ||
	POWERCUT_MOUNTS=private exec unshare --mount --propagation private "$0"
. t/lib/lib.sh
. t/lib/courier.sh

PATH=$PATH:/usr/sbin:/sbin
judge=$PWD/$B/t/powercut/judge cut=$B/powercut
qemu_pid='' loops='' pids=''
shm=$(mktemp -d /dev/shm/hipchat-cgi.XXXXXX) || exit 1

trap 'trap_status=$?
	for pid in $pids; do
		end "$pid"
	done
	power_off
	[ -n "${KEEP:-}" ] || rm -rf "$shm"
	(exit "$trap_status")
	clean_up' EXIT

# ---- the disk ---------------------------------------------------------------

# loop FILE: sets $loop
loop() {
	loop=$(losetup --find --show "$1") || die 'no loop device'
	loops="$loop $loops"
}

# unplug: all of them; the kernel lets go of the files a little later
unplug() {
	for loop in $loops; do
		losetup -d "$loop"
		wait_for [ ! -e "/sys/block/${loop#/dev/}/loop/backing_file" ]
	done
	loops=
}

# kind NAME: what the disk is like
kind() {
	options='' again=''
	case $1 in
	ext4) type=ext4 size=64M make='mkfs.ext4 -q -E nodiscard' ;;
	weak)
		type=ext4 size=64M make='mkfs.ext4 -q -E nodiscard'
		options=commit=600,data=writeback,noauto_da_alloc
		again=$options
		;;
	xfs) type=xfs size=320M make='mkfs.xfs -q -K' again=nouuid ;;
	btrfs) type=btrfs size=128M make='mkfs.btrfs -q -K -m single' ;;
	*) die "no file system $1" ;;
	esac
}

# power_on: mounts it at $tmp/disk
power_on() {
	rm -f "$shm/raw" "$shm/log"
	truncate -s "$size" "$shm/raw"
	truncate -s 4G "$shm/log"
	: >"$tmp/export"
	setsid qemu-storage-daemon \
		--blockdev driver=file,node-name=raw,filename="$shm/raw" \
		--blockdev driver=file,node-name=log,filename="$shm/log" \
		--blockdev driver=blklogwrites,node-name=disk,file=raw,log=log \
		--export type=fuse,id=disk,node-name=disk,writable=on,mountpoint="$tmp/export" \
		>"$tmp/qemu.log" 2>&1 </dev/null &
	qemu_pid=$!
	wait_for exported && [ -s "$tmp/export" ] ||
		die "no disk: $(cat "$tmp/qemu.log")"
	loop "$tmp/export"
	$make "$loop" >"$tmp/mkfs.log" 2>&1 || die "$make: $(cat "$tmp/mkfs.log")"
	mkdir -p "$tmp/disk"
	mount -t "$type" -o "noatime${options:+,$options}" "$loop" "$tmp/disk" || die 'mount'
}
exported() { [ -s "$tmp/export" ] || ! alive "$qemu_pid"; }

power_off() {
	for mounted in "$tmp"/disk "$tmp"/scratch*; do
		umount "$mounted" 2>/dev/null || umount -l "$mounted" 2>/dev/null
	done
	unplug
	[ -z "$qemu_pid" ] || end "$qemu_pid"
	qemu_pid=
	umount "$tmp/export" 2>/dev/null
	:
}

# now: sets $now, how many entries its log has
now() { now=$("$judge" end "$shm/log") || die 'no log'; }

# ---- what is done -----------------------------------------------------------

# promise BEGIN END KIND KEY VALUE, as judge reads it
promise() { echo "$1 $2 ${box##*/} $3 $4 $5" >>"$tmp/promises"; }

# installs ID: acknowledged
installs() {
	now && begin=$now
	# shellcheck disable=SC2086 # one word a setting
	cgi installed POST HIPCHAT_DATA_DIR="$box" $settings <"$tmp/credentials.$1"
	[ "$status" = 200 ] || die "installed: $(cat "$tmp/stderr")"
	now
	promise "$begin" "$now" install "$1" \
		"$(jq -r .oauthSecret "$tmp/credentials.$1")"
}

# says ID ROOM TEXT: a message is acknowledged
says() {
	now && begin=$now
	# shellcheck disable=SC2086 # one word a setting
	webhook "$1" "$2" "$box-$3" "$3" $settings
	[ "$status" = 204 ] || die "echo: $(cat "$tmp/stderr")"
	now
	promise "$begin" "$now" message "$3" there
}

# removes ID TEXT…: HipChat refuses it, as if revoked; its messages go
removes() {
	removes=$1
	shift
	fault '"route": "token", "fault": "status", "status": 401'
	now && begin=$now
	# shellcheck disable=SC2086 # one word a setting
	case $removes in
	*[0-7])
		cgi installed DELETE PATH_INFO="/$removes" \
			HIPCHAT_DATA_DIR="$box" $settings
		;;
	*) cgi uninstalled POST HIPCHAT_DATA_DIR="$box" $settings <<-END
		{"oauthId":"$removes"}
		END
		;;
	esac
	[ "$status" = 204 ] || die "removal: $status $(cat "$tmp/stderr")"
	now
	promise "$begin" "$now" install "$removes" -
	for text; do
		promise "$begin" "$now" message "$text" gone
	done
}

# hold ROOM: the next notification there is not answered until delivers() lets
# it be
hold() {
	fault "\"route\": \"notification\", \"room\": $1, \"hold\": true,
		\"fault\": \"delay\", \"ms\": 0"
}

# delivers TEXT…: the courier runs once, and these may go, without a promise, but
# not before HipChat has answered
delivers() {
	start_courier --once
	wait_for under_way "$room1" || die "courier: $(cat "$tmp/courier.out")"
	now
	for text; do
		promise "$now" - message "$text" gone
	done
	control POST release
	wait "$courier_pid" || die "courier: $(cat "$tmp/courier.out")"
}

# older WHERE ID ROOM TEXT: an older version's message, one file
older() {
	older_name=$(date +%s%N)-1-1
	jq -n --arg id "$2" --argjson room "$3" --arg text "$4" '{oauthId: $id,
		roomId: $room, webhook: $text, reason: "old",
		notification: {color: "green", message: $text,
			message_format: "text", notify: false}}' \
		>"$box/outbox/$1/$older_name"
}

# prepare N: a data directory, on disk
prepare() {
	box=$tmp/disk/data$1
	mkdir -m 700 "$box"
	case $(($1 % 3)) in
	0) # segments that are so large that there must be new ones
		mkdir -m 700 "$box/outbox"
		for journal in queue failed; do
			{
				echo '# 1'
				head -c 4400000 /dev/zero | tr '\0' '\n'
			} >"$box/outbox/$journal"
		done
		;;
	2) # an older version's store and outbox
		mkdir -m 700 "$box/outbox"
		for dir in new failed seen tmp; do
			mkdir -m 700 "$box/outbox/$dir"
		done
		;;
	esac
	sync -f "$box"
	[ "$(($1 % 3))" = 2 ] || return 0
	now && begin=$now
	older new "$a" "$room1" "old1.$1"
	older new "$b" "$room2" "old2.$1"
	older failed "$b" "$room2" "old3.$1"
	# the older version wrote it durably, under another name at first
	"$judge" older "$tmp/older" "$box/planted" || die 'judge older'
	sync -f "$box"
	mv "$box/planted" "$box/installations.db"
	sync -f "$box"
	now
	for text in "old1.$1" "old2.$1" "old3.$1"; do
		promise "$begin" "$now" message "$text" there
	done
	for id in "$a" "$b" $(cut -d ' ' -f 1 "$tmp/passing"); do
		promise "$begin" "$now" install "$id" \
			"$(jq -r .oauthSecret "$tmp/credentials.$id")"
	done
}

# round N: in such a data directory
round() {
	prepare "$1"
	c=$(sed -n "$1p" "$tmp/passing")
	roomc=${c#* } c=${c% *}

	installs "$a"
	says "$a" "$room1" "a1.$1"
	says "$a" "$room1" "a2.$1"
	installs "$b"
	says "$b" "$room2" "b1.$1"
	installs "$c"
	says "$c" "$roomc" "c1.$1"
	says "$c" "$roomc" "c2.$1"
	hold "$room1"
	fault "\"route\": \"notification\", \"room\": $room2, \"count\": -1,
		\"fault\": \"status\", \"status\": 400" # its messages fail
	fault "\"route\": \"notification\", \"room\": $roomc, \"count\": -1,
		\"fault\": \"refuse\"" # and these wait
	delivers "a1.$1" "a2.$1" "old1.$1"
	no_faults
	says "$b" "$room2" "b2.$1"
	says "$c" "$roomc" "c3.$1"
	says "$a" "$room1" "a3.$1"
	removes "$c" "c1.$1" "c2.$1" "c3.$1"
	says "$b" "$room2" "b3.$1"
	installs "$b"
	courier --retry all
	says "$b" "$room2" "b4.$1"
	hold "$room1"
	hold "$room2"
	delivers "a3.$1" "b1.$1" "b2.$1" "b3.$1" "b4.$1" "old2.$1" "old3.$1"
	says "$a" "$room1" "a4.$1"
}

# play: all of it, on a new disk; sets $first
play() {
	: >"$tmp/promises"
	no_faults
	control DELETE log
	power_on
	sync -f "$tmp/disk" # the file system itself is no promise of ours
	now && first=$now
	for n in $(seq "$ROUNDS"); do
		round "$n"
	done
	power_off
}

# ---- what is left of it -----------------------------------------------------

# judged: prints how that ended.  One judge per processor; but btrfs would take
# all their disks for the same one.
judged() {
	judges=$(nproc)
	[ "$type" != btrfs ] || judges=1
	pids=''
	rm -f "$tmp"/judged* "$tmp/bad"
	for n in $(seq 0 $((judges - 1))); do
		rm -f "$shm/image$n"
		truncate -s "$size" "$shm/image$n"
		mkdir -p "$tmp/scratch$n"
		loop "$shm/image$n"
		env -i PATH="$PATH" PROGRAMS="$PWD/$B/cgi-bin" \
			HIPCHAT_CONFIG="$no_settings" \
			HIPCHAT_ALLOWED_HOSTS="$HIPCHAT" \
			unshare --net "$judge" "$shm/log" \
			"$shm/image$n" "$loop" "$tmp/scratch$n" "$type" "$again" \
			"$tmp/promises" "$first" "$STATES" "$n" "$judges" \
			"$tmp/bad" >"$tmp/judged$n" 2>&1 &
		pids="$pids $!"
	done
	judged_rc=0
	for pid in $pids; do
		wait "$pid"
		case $? in
		0) ;;
		1) judged_rc=1 ;;
		*) die "judge: $(cat "$tmp"/judged*)" ;;
		esac
	done
	pids=''
	unplug
	return "$judged_rc"
}

[ -e /dev/fuse ] || mknod /dev/fuse c 10 229 || exit
: <>/dev/fuse || die '/dev/fuse is needed'

start_hipchatd
start_apache
room1=$(new_room One) room2=$(new_room Two)
a=$(install "$room1") && b=$(install "$room2") || exit
for n in $(seq "$ROUNDS"); do
	room=$(new_room "Passing $n")
	echo "$(install "$room") $room"
done >"$tmp/passing"
for id in "$a" "$b" $(cut -d ' ' -f 1 "$tmp/passing"); do
	credentials "$id" >"$tmp/credentials.$id"
done
stop_apache
mkdir -m 700 "$tmp/older" # which is ours
cp -R "$tmp/data/installations" "$tmp/older/"
B_was=$B

# recorded FILE_SYSTEM PLACE…: play it there, with the calls at these places out
recorded() {
	kind "$1"
	shift
	settings="HIPCHAT_COURIER=$no_courier POWERCUT_SKIP=library"
	for place; do
		settings=$settings,$place
	done
	B=$cut the_courier=$PWD/$cut/cgi-bin/courier
	play
	B=$B_was
}

# shown PLACE: some file system shows that this call is needed
shown() {
	for fs in $FILE_SYSTEMS; do
		recorded "$fs" "$1"
		judged || {
			diag "$fs: $(cat "$tmp"/judged*)"
			return
		}
	done
	return 1
}

for fs in $FILE_SYSTEMS; do
	recorded "$fs"
	ok "$fs: all promises are kept" judged
	now
	diag "$fs: $((now - first)) entries
$(cat "$tmp"/judged*)"
done

# No file system shows that these are needed: all of them sync the name of a new
# file, and its folder's, with the file itself.  POSIX does not promise that.
covered='journal.c:journal_sync_folder journal.c:make shelf.c:shelf_make'

# inside FILE LINE: which one that line is in
inside() {
	awk -v line="$2" '/^[a-z_]+\(/ { name = $1 } NR == line { exit }
		END { sub(/\(.*/, "", name); print name }' "$1"
}

# The places, as sync.h puts them into the programs.
grep -aoh 'powercut:[^:]*\.c:[0-9]*\.[0-9]*' "$cut"/cgi-bin/* |
	sed 's/powercut://' | sort -u >"$tmp/places"
while read -r place; do
	line=${place#*:}
	line=${line%.*}
	file=${place%%:*}
	name=${file##*/}:$(inside "$file" "$line")
	case " $covered " in *" $name "*) continue ;; esac
	case $MUTATIONS in all | *"$name"*) ;; *) continue ;; esac
	ok "fsync in $name(), line $line, is needed" shown "$place"
done <"$tmp/places"
done_testing
