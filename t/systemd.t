#!/bin/sh
# hipchat-courier.service, hipchat@.socket and hipchat@.service: systemd finds no
# fault with them and, where a system can be booted (root, and a kernel that lets
# root), they are at work there, as the README says, beside an Apache and an
# nginx outside.
. t/lib/lib.sh
. t/lib/courier.sh
. t/lib/webservers.sh

command -v systemd-analyze >/dev/null || {
	skip 'the units' 'no systemd-analyze here'
	done_testing
}

unit=hipchat-courier.service
root=$tmp/root machine=${tmp##*.} groups='' boot_pid='' leader=''
trap 'trap_status=$?
	halt
	stop_server
	(exit "$trap_status")
	clean_up' EXIT

# ---- a system ---------------------------------------------------------------

# own_groups: sets $groups, a control group of its own for the system, in each
# hierarchy that systemd-nspawn uses
own_groups() {
	while read -r _ on type options _; do
		case $type,$options in
		cgroup2,*) line=0:: ;;
		cgroup,*name=systemd*) line=name=systemd: ;;
		*) continue ;;
		esac
		at=$(sed -n "s/^\([0-9]*:\)\{0,1\}$line//p" /proc/self/cgroup)
		groups="$groups $on$at/hipchat-cgi.$machine"
	done </proc/mounts
	# shellcheck disable=SC2086 # one directory a word
	[ -n "$groups" ] && mkdir -p $groups
}

# A system with our programs, this machine's /usr, an empty /etc and, below /,
# nothing else.
make_root() {
	mkdir -p "$root/etc" "$root/run" "$root/tmp" "$root/proc" "$root/sys" \
		"$root/dev" "$root/root" "$root/var"
	for dir in bin sbin lib lib32 lib64 libx32; do
		[ ! -L "/$dir" ] || cp -P "/$dir" "$root/"
	done
	cp /etc/ld.so.cache /etc/os-release "$root/etc/"
	echo 'passwd: files' >"$root/etc/nsswitch.conf"
	tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
	echo "root:x:0:0::/root:/bin/sh
www-data:x:$(id -u "$apache_user"):$(id -g "$apache_user")::/:/bin/sh" \
		>"$root/etc/passwd"
	echo "root:x:0:
www-data:x:$(id -g "$apache_user"):" >"$root/etc/group"
}

# boot: sets $leader, the pid of its init.  All of it is in a PID namespace, so
# that it ends with unshare, which ends with this test, even if that is killed.
boot() {
	echo 'it takes root, and systemd-nspawn' >"$tmp/nspawn.log"
	[ "$(id -u)" = 0 ] && command -v systemd-nspawn >/dev/null || return
	make_root
	own_groups >"$tmp/nspawn.log" 2>&1 || return
	# systemd-nspawn must not withhold what the courier confines itself by
	calls='landlock_create_ruleset landlock_add_rule landlock_restrict_self'
	# shellcheck disable=SC2016 # $$ is the inner shell's
	SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 setsid sh -c '
		for group in $1; do echo $$ >"$group/cgroup.procs" || exit; done
		shift; exec setpriv --pdeathsig KILL \
		unshare --pid --mount-proc --fork --kill-child \
		systemd-nspawn "$@"' sh "$groups" \
		--keep-unit --register=no --quiet --console=pipe \
		--link-journal=no --machine="hipchat-$machine" \
		--directory="$root" --overlay-ro="/usr:$root/usr:/usr" \
		--bind="$tmp/data:/var/lib/hipchat-cgi" \
		--bind="$tmp/run:/run/hipchat-cgi" \
		--system-call-filter="$calls" \
		--boot systemd.unit=multi-user.target \
		</dev/null >>"$tmp/nspawn.log" 2>&1 &
	boot_pid=$!
	wait_for is_up && alive "$boot_pid"
}
is_up() {
	alive "$boot_pid" || return 0
	leader=$(child "$(child "$boot_pid")") # or, at first, nspawn's half
	grep -qs '^NSpid:.*[[:space:]]1$' "/proc/$leader/status" &&
		inside systemctl is-system-running 2>/dev/null |
		grep -Eq '^(running|degraded)$'
}
child() { cut -d ' ' -f 1 "/proc/$1/task/$1/children" 2>/dev/null; }
halt() {
	[ -z "$boot_pid" ] || {
		kill -KILL "$boot_pid"
		wait "$boot_pid"
		# it leaves this where /run is no tmpfs
		rmdir "/run/systemd/nspawn/propagate/hipchat-$machine"
	} 2>/dev/null
	for group in $groups; do
		wait_for removed "$group" || echo "$0: left: $group" >&2
	done
}
removed() {
	[ ! -d "$1" ] || find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
	[ ! -d "$1" ]
}
inside() { nsenter --all --target "$leader" "$@"; }

# ---- the unit ---------------------------------------------------------------

show() { inside systemctl show --value --property "$1" "$unit"; }

# The unit's processes, by their pids outside.
processes() {
	find /sys/fs/cgroup -path "*$machine*/$unit/cgroup.procs" \
		-exec cat {} + | sort -u
}

# Is the courier that has the lock the unit's?
at_work() {
	at_work_pid=$(couriers)
	[ -n "$at_work_pid" ] && processes | grep -qx "$at_work_pid"
}

# say TEXT FROM TO [PAUSE]: a person says this many things; prints how they were
# answered
say() {
	for n in $(seq "$2" "$3"); do
		control POST "rooms/$room/say" "{\"message\":\"/echo $1$n\"}" |
			jq -r '.webhooks[].status'
		sleep "${4:-0}"
	done | sort | uniq -c | tr -s ' '
}

# arrive TEXT N NAME: all N arrive, once and in order
arrive() {
	ok "$3" wait_for has_said "$room" "$1" "$(seq -s ' ' -f "$1%.0f" "$2")" ||
		diag "$(said "$room" "$1") $(tail -n 5 "$tmp/data/courier.log")"
}

# well N NAME: it runs, and was restarted N times
well() {
	ok "$2: the one courier is the unit's" wait_for at_work
	is "$(show ActiveState) $(show NRestarts)" "active $1" \
		"$2: systemd has restarted it $1 times"
}

enabled() {
	echo "HIPCHAT_ALLOWED_HOSTS='$HIPCHAT'" >"$root/etc/hipchat-cgi.conf"
	echo 'HIPCHAT_DEBUG=yes' >>"$root/etc/hipchat-cgi.conf"
	# in "make asan", looking for leaks would take ptrace(2)
	inside systemctl set-environment ASAN_OPTIONS=detect_leaks=0
	ok 'systemctl enable --now' inside systemctl --quiet enable --now \
		"/usr/local/share/hipchat-cgi/$unit"
	is "$(inside systemctl is-enabled "$unit")" enabled '... enables it'
	well 0 '... and starts it'
}

at_rest() {
	is "$(say one 1 10 1)" ' 10 204' 'ten webhooks, one a second'
	arrive one 10 '... arrive'
	is "$(say burst 1 60)" ' 60 204' 'sixty in a burst'
	arrive burst 60 '... arrive'
	well 0 'then'
}

# What a courier outside can't give up, for want of a newer kernel, the unit's
# can't either; but it gives up all else.
confined() {
	box=$tmp/box settings=HIPCHAT_DEBUG=yes
	mkdir -m 700 "$box"
	courier
	is "$(grep -o 'sandbox: .*' "$tmp/data/courier.log")" \
		"$(grep -o 'sandbox: .*' "$box/courier.log")" \
		'it confines itself as it does outside'
}

restarted() {
	fault '"route": "notification", "fault": "status", "status": 503,
		"count": -1'
	is "$(say queued 1 5)" ' 5 204' 'webhooks while HipChat is down'
	ok 'systemctl restart' inside systemctl restart "$unit"
	is "$(say queued 6 9)" ' 4 204' '... and more of them'
	no_faults
	arrive queued 9 '... arrive'
	well 0 '... and'
	is "$(inside journalctl -q -o cat -p warning -u "$unit")" '' \
		'... and the journal has nothing against it'
}

# The courier is a parent, which systemd knows, and a worker, which has the
# lock.  The parent starts another worker.
replaced() {
	main=$(show MainPID)
	was=$(couriers)
	kill -KILL "$was"
	is "$(say worker 1 3)" ' 3 204' 'webhooks when its worker was killed'
	arrive worker 3 '... arrive'
	well 0 '... and'
	ok '... with another worker' [ "$(couriers)" != "$was" ]

	was=$(couriers)
	echo '# changed' >>"$root/etc/hipchat-cgi.conf"
	ok 'when the settings change, it hands over' wait_for handed_over
	is "$(say settings 1 3)" ' 3 204' '... and webhooks'
	arrive settings 3 '... arrive'
	well 0 '... and'
	is "$(show MainPID)" "$main" '... and to systemd it is the same'
}
handed_over() { at_work && [ "$at_work_pid" != "$was" ]; }

# Before systemd starts it again, a webhook starts a courier outside.
killed() {
	inside sh -c "kill -KILL $(show MainPID)"
	is "$(say killed 1 3)" ' 3 204' 'webhooks when it was killed'
	arrive killed 3 '... arrive'
	well 1 '... and'
}

stopped() {
	ok 'systemctl stop' inside systemctl stop "$unit"
	is "$(show ActiveState) $(show Result)" 'inactive success' '... does'
	is "$(processes)" '' '... and leaves no process'
	is "$(say stopped 1 1)" ' 1 204' '... and a webhook'
	arrive stopped 1 '... arrives all the same'
	ok 'systemctl disable' inside systemctl --quiet disable "$unit"
	is "$(find "$root/etc/systemd" -name "$unit")" '' '... and it is gone'
}

# ---- FastCGI ----------------------------------------------------------------

# follow LINE: what the README says after this line, without sudo
follow() {
	inside sh -ec "$(readme "$1" | sed 's/sudo //')" >"$tmp/out" 2>&1
}

echo_is() { inside systemctl show --value --property "$1" hipchat@echo; }
restart_echo() { inside systemctl restart hipchat@echo; }

sockets() {
	command -v nginx >"$tmp/out" || {
		skip 'hipchat@.socket' 'no nginx here'
		return
	}
	stop_apache
	readme 'For nginx, in its server { }:' >"$tmp/location"
	run_nginx
	ok 'systemctl link, enable --now' follow \
		'the first request, four of each program (see hipchat@.service):'
	http GET "$ADDON/capabilities"
	is "$status" 200 '... the descriptor'
	a_webhook
	ok '... a webhook is answered' wait_for has_said "$room" hello hello
	is "$(inside pgrep -c -P "$(echo_is MainPID)")" 4 \
		'... by one of four processes'
	under_load 'systemctl restart' 3 restart_echo
	is "$(echo_is Result) $(inside journalctl -q -o cat -p warning \
		-u 'hipchat@*')" 'success ' '... and all is well'
}

ready
start_hipchatd
start_apache
room=$(new_room Units)
install "$room" >"$tmp/id" || exit
ok 'make install' make -s --no-print-directory install \
	B="$B" DESTDIR="$root"
sed "s|^ExecStart=/|ExecStart=$root/|" \
	"$root/usr/local/share/hipchat-cgi/$unit" >"$tmp/$unit"
cp "$root"/usr/local/share/hipchat-cgi/hipchat@.s* "$tmp/"
is "$(systemd-analyze verify "$tmp/$unit" "$tmp"/hipchat@.s* 2>&1)" '' \
	'systemd-analyze verify'
if boot; then
	enabled
	[ "$tap_failed" = 0 ] || {
		diag "$(inside journalctl -q -u "$unit")"
		done_testing
	}
	at_rest
	confined
	restarted
	replaced
	killed
	stopped
	sockets
else
	diag "no system can be booted here: $(cat "$tmp/nspawn.log")"
fi
quiet "$tmp/apache/error_log" "Apache's error log" "$installs"
quiet "$tmp/hipchatd.log" "the stand-in's log"
done_testing
