# shellcheck shell=sh
# t/bench/tools.sh - what the parts of the benchmark share.  Source it after
# lib.sh.

# ---- numbers ----------------------------------------------------------------

# progress [TEXT]: on a terminal only
progress() { [ ! -t 2 ] || printf '\r%-50s\r' "$*" >&2; }

# Seconds since the machine started, with two decimals
uptime() { cut -d ' ' -f 1 /proc/uptime; }

# calculate EXPRESSION [ARGUMENT…]: in awk, as the array a
calculate() {
	calculate_what=$1
	shift
	awk "BEGIN { for (i = 1; i < ARGC; i++) a[i] = ARGV[i]
		print $calculate_what }" "$@"
}

# note NAME VALUE: record a value of this round
note() { echo "$2" >>"$tmp/$1.rounds"; }

# middle: the median of the numbers on standard input
middle() {
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# median NAME: of what was recorded
median() { middle <"$tmp/$1.rounds"; }

# ratio NAME BASE: the median of the rounds' ratios, because what else the
# machine does in a round affects both
ratio() {
	paste "$tmp/$1.rounds" "$tmp/$2.rounds" |
		awk 'NF == 2 { printf "%.3f\n", $1 / $2 }' | middle
}

# line TITLE VALUE RATIO [TARGET]
line() { printf '%-36s %10s %10s   %s\n' "$1" "$2" "$3" "${4:-}"; }

# ---- servers ----------------------------------------------------------------

# start_sink NAME [PORT]: it logs to $tmp/NAME.log; sets $sink_url and $NAME_pid
start_sink() {
	: >"$tmp/sink.url"
	setsid "$B/t/bench/sink" "${2:-0}" "$tmp/$1.log" \
		>"$tmp/sink.url" 2>>"$tmp/sink.err" </dev/null &
	eval "$1_pid=$!"
	wait_for said_or_gone "$tmp/sink.url" $!
	read -r sink_url <"$tmp/sink.url" ||
		die "sink did not start: $(cat "$tmp/sink.err")"
}

# What a part of the benchmark has started, but for the HipChats
server_pids='' sink_pid=''

# start_fastcgi PROGRAM SOCKET N: that many processes
start_fastcgi() {
	spawn-fcgi -s "$2" -M 666 -F "$3" -P "$tmp/spawned" \
		${apache_user:+-u "$apache_user"} -- "$tmp/cgi-bin/$1" \
		>"$tmp/out" 2>&1 || die "$(cat "$tmp/out")"
	server_pids="$server_pids $(cat "$tmp/spawned")"
}

# lib.sh calls it last
stop_hipchatd() {
	for stop_server in $server_pids $hipchatd_pid $sink_pid; do
		end "$stop_server"
	done
	[ -z "$cpu_group" ] || wait_for rmdir "$cpu_group" 2>/dev/null
}

# How many messages have reached the stand-in
reached() { control GET rooms | jq '[.[].messages] | add'; }

# client N: install the add-on in a room of its own; its webhook becomes
# $tmp/webhooks/N, the Authorization header on the first line, zeros where a
# number is to go
client() {
	client_room=$(new_room "Bench $1") || die 'no room'
	client_id=$(install "$client_room") || exit
	client_secret=$(jq -r .oauth_secret "$tmp/answer")
	{
		echo "JWT $(t/sign-webhook.sh "$client_id" \
			"$client_secret" "$client_room")"
		cat <<-WEBHOOK
			{"event":"room_message","item":{"message":{
			"date":"2016-05-26T15:32:43.700609+00:00","from":{
			"id":351107,"mention_name":"Ada","name":"Ada"},
			"id":"bench-0000000000000000","mentions":[],
			"message":"/echo hello world","type":"message"},
			"room":{"id":$client_room,"name":"Bench $1",
			"privacy":"public"}},"oauth_client_id":"$client_id",
			"webhook_id":4965523}
		WEBHOOK
	} >"$tmp/webhooks/$1"
}

# clients N: the stand-in, without its limits, and so many clients
clients() {
	mkdir "$tmp/webhooks"
	control POST settings '{"rate_limit":0,"flood_limit":0}' >"$tmp/out"
	for clients_n in $(seq "$1"); do
		client "$clients_n"
	done
}

# ---- a data directory -------------------------------------------------------

# Before ext4 without a journal makes a file, it looks through all inodes that
# were recently deleted in the block group.  So find another group, with a
# directory of a new name in one that is marked as the top of a hierarchy.
#
# data_apart: puts $tmp/data there, below $apart
data_apart() {
	apart=$tmp/${tmp##*.}
	chattr +T "$tmp" 2>/dev/null || :
	mkdir "$apart"
	mkdir -m 700 "$apart/data"
	rmdir "$tmp/data"
	ln -s "$apart/data" "$tmp/data"
}

# ---- load -------------------------------------------------------------------

# load URL [WRK-ARGUMENT…]: for $seconds, by $clients at a time; wrk's output
# goes to $tmp/wrk.
load() {
	wrk -t 2 -c "$clients" -d "${seconds}s" --latency "$@" \
		>"$tmp/wrk" 2>&1 || die "wrk: $(cat "$tmp/wrk")"
}
per_second() { awk '/^Requests\/sec/ { print $2 }' "$tmp/wrk"; }
requests() { awk '/requests in/ { print $1 }' "$tmp/wrk"; }

# percentile N: of the latency, in ms
percentile() {
	awk -v name="$1%" '$1 == name { ms = $2 + 0 }
		$1 == name && $2 ~ /us$/ { ms /= 1000 }
		$1 == name && $2 ~ /[0-9]s$/ { ms *= 1000 }
		END { printf "%.2f\n", ms }' "$tmp/wrk"
}

# refused, unanswered: requests with an answer that is an error, or with none
refused() { awk '/Non-2xx/ { n = $NF } END { print n + 0 }' "$tmp/wrk"; }
unanswered() {
	awk '/Socket errors/ { gsub(",", ""); n = $4 + $6 + $8 + $10 }
		END { print n + 0 }' "$tmp/wrk"
}

# ---- CPU time and memory ----------------------------------------------------

# accounts: have a control group, if we may make one, for accounted()
cpu_group=''
accounts() {
	cpu_home=/sys/fs/cgroup/cpuacct$(
		sed -n 's/^[0-9]*:[^:]*cpuacct[^:]*://p' /proc/self/cgroup)
	[ -e "$cpu_home/cpuacct.usage" ] ||
		cpu_home=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
	cpu_group=$cpu_home/${tmp##*/}
	mkdir "$cpu_group" 2>/dev/null || cpu_group=''
}

# accounted COMMAND [ARGUMENT…]: what it starts is in the group
accounted() {
	[ -z "$cpu_group" ] || echo $$ >"$cpu_group/cgroup.procs"
	"$@"
	[ -z "$cpu_group" ] || echo $$ >"$cpu_home/cgroup.procs"
}

# spent: CPU time that the group has taken, in µs.  Without one: that all of the
# machine has taken but this shell's children, such as wrk, and the HipChats.
spent() {
	if [ -e "$cpu_group/cpuacct.usage" ]; then
		awk '{ printf "%.0f\n", $1 / 1000 }' "$cpu_group/cpuacct.usage"
	elif [ -n "$cpu_group" ]; then
		sed -n 's/^usage_usec //p' "$cpu_group/cpu.stat"
	else
		for spent_pid in $$ $hipchatd_pid $sink_pid; do
			sed 's/.*) //' "/proc/$spent_pid/stat"
		done | awk -v hz="$(getconf CLK_TCK)" '
			{ ticks -= NR == 1 ? $14 + $15 : $12 + $13 }
			END {
				getline <"/proc/stat"
				ticks += $2 + $3 + $4 + $7 + $8
				printf "%.0f\n", ticks * 1000000 / hz
			}'
	fi
}
