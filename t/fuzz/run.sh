#!/bin/sh
# t/fuzz/run.sh SECONDS [NAME…] - runs the harnesses that are in $B/fuzz, or just
# those named, each for that long; 0 runs the seeds and nothing else.
#
# The seeds stay as they are: what is found on the way is thrown away, but for
# an input that fails, which is kept in $B/fuzz/found/ and named.  To see it
# fail again:	$B/fuzz/NAME $B/fuzz/found/NAME-...
# Run from the top directory.  Ends with "N passed, N failed".
set -u

B=${B:-build}
seconds=${1:?seconds}
shift
[ $# -gt 0 ] || for harness in t/fuzz/*.c; do
	harness=${harness##*/}
	set -- "$@" "${harness%.c}"
done

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# the endpoints' data directories go there too
export TMPDIR="$tmp"
mkdir -p "$B/fuzz/found"
cat t/fuzz/*.dict >"$tmp/dict"

passed=0 failed=0
limit="-max_total_time=$seconds"
[ "$seconds" != 0 ] || limit=-runs=0

for name; do
	cp -R "t/fuzz/seeds/$name" "$tmp/$name" || exit 1
	if "$B/fuzz/$name" "$limit" -dict="$tmp/dict" -max_len=8192 \
		-timeout=60 -close_fd_mask=2 -print_funcs=0 -print_final_stats=1 \
		-artifact_prefix="$B/fuzz/found/$name-" "$tmp/$name" \
		>"$tmp/log" 2>&1; then
		passed=$((passed + 1))
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' \
			"$tmp/log")
		echo "ok - $name: $runs inputs"
	else
		failed=$((failed + 1))
		grep -v -e '^#' -e '^stat::' "$tmp/log" | tail -n 60
		echo "not ok - $name"
	fi
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
