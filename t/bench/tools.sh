# shellcheck shell=sh
# t/bench/tools.sh - what the parts of the benchmark share.  Source it after
# lib.sh.

# progress [TEXT]: on a terminal only
progress() { [ ! -t 2 ] || printf '\r%-40s\r' "$*" >&2; }

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
		awk '{ printf "%.3f\n", $1 / $2 }' | middle
}

# line TITLE VALUE RATIO [TARGET]
line() { printf '%-36s %10s %10s   %s\n' "$1" "$2" "$3" "${4:-}"; }
