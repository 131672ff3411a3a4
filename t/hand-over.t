#!/bin/sh
# One courier leaves and the next one goes on: other settings, other files, a
# kill, a resident one; whatever happens, all messages arrive.
. t/lib/lib.sh
. t/lib/courier.sh
six_rooms

# holder N: the N-th word about the courier at work, see wake.h
holder() { cut -d' ' -f"$1" "$box/outbox/lock"; }
is_held() { [ "$(holder "$1" 2>&1)" = "$2" ]; }
is_held_by_another() { ! is_held 1 "$worker" && [ "$(holder 1)" != '' ]; }
is_at_work() { [ -n "$(couriers)" ]; }
nobody_at_work() { ! is_at_work; }
is_logged() { grep -Eqs "$1" "$box/courier.log"; }

# sent TEXT NAME=VALUE…: a webhook of a program with its own settings
sent() {
	sent_text=$1
	shift
	webhook "$a" "$room1" "m-$sent_text" "$sent_text" \
		HIPCHAT_COURIER="$the_courier" "$@"
	[ "$status" = 204 ] || die "echo: $(cat "$tmp/stderr")"
}

# resident NAME=VALUE…: start one, as $courier_pid, whose worker is $worker
resident() {
	settings=$*
	start_courier --resident
	settings=
	wait_for is_held 2 resident || die "$(cat "$tmp/courier.out")"
	worker=$(holder 1)
}
end_resident() {
	end "$courier_pid"
	ok "$1: no courier is left" wait_for nobody_at_work
}

# ---- senders ----------------------------------------------------------------

# A courier whose settings let nothing through.
wrong=HIPCHAT_ALLOWED_HOSTS=chat.example.com

other_settings() {
	fresh other
	sent other0 "$wrong"
	ok 'a courier has wrong settings' wait_for is_logged HIPCHAT_ALLOWED_HOSTS
	worker=$(holder 1)
	sent other1
	ok 'it hands over to one with those of the next sender' \
		wait_for has_said "$room1" other 'other0 other1'
	ok '... to another one' is_held_by_another
	expected='other0 other1'
	for n in 2 3 4 5 6 7 8 9; do
		sent "other$n" HIPCHAT_MESSAGE_TTL="360$n"
		expected="$expected other$n"
	done
	ok 'as often as that is necessary' \
		wait_for has_said "$room1" other "$expected"
	ok '... and in the end nobody is left' wait_for nobody_at_work
	is "$(queued) $(failed)" '0 0' '... nor any message'
}

# The courier at work has one set of settings, and senders come with two.
disagreement() {
	fresh disagreement
	sent dis0 HIPCHAT_COURIER_IDLE=20
	wait_for has_said "$room1" dis dis0
	sent dis1 HIPCHAT_COURIER_IDLE=21
	sent dis2 HIPCHAT_COURIER_IDLE=20
	for n in 3 4 5 6; do
		sent "dis$n" HIPCHAT_COURIER_IDLE=$((20 + n % 2))
	done
	ok 'two settings: all is said' wait_for has_said "$room1" dis \
		'dis0 dis1 dis2 dis3 dis4 dis5 dis6'
	# dis1 may have come while dis0's courier was waited for
	sent dis7 HIPCHAT_COURIER_IDLE=21
	sent dis8 HIPCHAT_COURIER_IDLE=20
	wait_for has_said "$room1" dis8 dis8
	ok '... and the log says so' wait_for is_logged 'different settings'
	worker=$(holder 1)
	sent dis9 HIPCHAT_COURIER_IDLE=21
	sent dis10 HIPCHAT_COURIER_IDLE=20
	wait_for has_said "$room1" dis10 dis10
	ok '... and the courier stays' is_held 1 "$worker"
	is "$(grep -c 'different settings' "$box/courier.log")" 1 \
		'... and says so once'
	end "$worker"
}

# ---- one that stays ---------------------------------------------------------

files() {
	fresh files
	cp -p "$the_courier" "$tmp/a-courier"
	echo 'HIPCHAT_MESSAGE_TTL=1800' >"$tmp/files.conf"
	files_courier=$the_courier
	the_courier=$tmp/a-courier
	resident HIPCHAT_CONFIG="$tmp/files.conf"
	digest=$(holder 3)

	echo 'HIPCHAT_MESSAGE_TTL=1801' >"$tmp/files.conf.new"
	mv "$tmp/files.conf.new" "$tmp/files.conf"
	ok 'a settings file that is replaced: it starts anew' \
		wait_for is_held_by_another
	ok '... with other settings' no is_held 3 "$digest"
	ok '... and says why' is_logged 'files.conf has changed'
	worker=$(holder 1)

	cp -p "$the_courier" "$tmp/a-courier.new"
	mv "$tmp/a-courier.new" "$tmp/a-courier"
	ok 'so does a program that is replaced' wait_for is_held_by_another
	ok '... with the same PID' alive "$courier_pid"
	is "$(readlink "/proc/$courier_pid/exe")" "$tmp/a-courier" \
		'... which is the new one'
	worker=$(holder 1)

	kill -KILL "$worker"
	ok 'a worker that is killed has a successor' wait_for is_held_by_another
	ok '... and the log knows' wait_for is_logged "process $worker was killed"
	sent files1
	ok '... which is at work' wait_for has_said "$room1" files1 files1
	worker=$(holder 1)

	the_courier=$files_courier
	courier
	ok 'a second courier says who is at work' \
		wait_for is_logged "PID $worker is at work"
	ok '... and does not disturb' is_held 1 "$worker"

	echo 'HIPCHAT_MESSAGE_TTL=no' >"$tmp/files.conf"
	ok 'with an error in the settings it ends' wait_for gone "$courier_pid"
	rc=0
	wait "$courier_pid" || rc=$?
	is "$rc" 1 '... with status 1'
	like "$(cat "$tmp/courier.out")" 'files.conf:1: HIPCHAT_MESSAGE_TTL: ' \
		'... and says which'
	ok '... and nobody is at work' wait_for nobody_at_work
}

roles() {
	fresh roles
	sent roles1 HIPCHAT_COURIER_IDLE=60
	wait_for has_said "$room1" roles roles1
	is "$(holder 2)" sender 'a courier of a sender lingers'
	resident
	ok 'a resident one takes over' alive "$courier_pid"
	sent roles2 "$wrong"
	ok '... and keeps its settings, whoever sends' \
		wait_for has_said "$room1" roles 'roles1 roles2'
	ok '... and its place' is_held 1 "$worker"
	rm "$box/outbox/trigger"
	ok 'one that lost its trigger starts anew' wait_for is_held_by_another
	sent roles3
	ok '... and hears' wait_for has_said "$room1" roles 'roles1 roles2 roles3'
	end_resident 'TERM'
	rm "$box/outbox/trigger"
	echo 'no FIFO' >"$box/outbox/trigger"
	sent roles4
	ok 'a file in the place of the trigger is replaced' \
		wait_for has_said "$room1" roles4 roles4
	ok '... and the end comes' wait_for nobody_at_work
}

other_settings
disagreement
files
roles
done_testing
