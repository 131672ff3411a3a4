#!/bin/sh
# t/bench.sh - what a request costs, as a ratio to what it can't cost less
#
# One private Apache (event, mod_cgid) serves a static file, the floor (the
# smallest possible CGI program, linked statically) and the add-on.  wrk loads
# them in turn, in short rounds, and the median counts, since a machine has
# other things to do.  Absolute numbers are this machine's; the ratios travel.
#
#	ROUNDS=5 DURATION=2 CLIENTS=8 t/bench.sh
. t/lib.sh
rounds=${ROUNDS:-5} seconds=${DURATION:-2} clients=${CLIENTS:-8}

# load NAME: one round; prints requests per second.
load() {
	case $1 in
	static) set -- "$ADDON/static.json" ;;
	floor) set -- "$ADDON/floor" ;;
	capabilities) set -- "$ADDON/capabilities" ;;
	echo) set -- -s t/bench/echo.lua "$ADDON/echo" -- "$oauth_id" "$room" ;;
	esac
	wrk -t 2 -c "$clients" -d "${seconds}s" "$@" >"$tmp/wrk" 2>&1 ||
		die "wrk: $(cat "$tmp/wrk")"
	! grep -E 'Non-2xx|Socket errors' "$tmp/wrk" >&2 ||
		die "requests failed; Apache's error log ends:
$(tail -n 5 "$tmp/apache/error_log")"
	awk '/^Requests\/sec/ { print $2 }' "$tmp/wrk"
}

# median NAME: of its rounds
median() {
	sort -n "$tmp/$1.rps" | sed -n "$(((rounds + 1) / 2))p"
}

# row NAME TITLE
row() {
	awk -v title="$2" -v rps="$(median "$1")" -v floor="$(median floor)" \
		'BEGIN { printf "%-18s %10.1f %8.2f\n", title, rps, rps / floor }'
}

# progress [TEXT]: on a terminal only
progress() { [ ! -t 2 ] || printf '\r%-40s\r' "$*" >&2; }

# ---- set up -----------------------------------------------------------------

mkdir "$tmp/bench"
cp "$B/t/bench/floor" "$tmp/bench/"
cat >"$tmp/extra.conf" <<-END
	ScriptAlias /floor "$tmp/bench/floor"
	<Directory "$tmp/bench">
		Require all granted
	</Directory>
END
start_hipchatd
start_apache event
control POST settings '{"rate_limit":0,"flood_limit":0}' >"$tmp/out"
curl -sS -o "$tmp/apache/htdocs/static.json" "$ADDON/capabilities"
room=$(control POST rooms '{"name":"Bench"}' | jq -er .id) || die 'no room'
oauth_id=$(control POST install \
	"{\"url\":\"$ADDON/capabilities\",\"room_id\":$room}" |
	jq -er .oauth_id) || die 'the add-on was not installed'

# ---- measure ----------------------------------------------------------------

targets='static floor capabilities echo'
for round in $(seq "$rounds"); do
	for target in $targets; do
		progress "round $round of $rounds: $target"
		load "$target" >>"$tmp/$target.rps"
	done
done
progress

echo "$clients clients, median of $rounds rounds of $seconds s"
printf '%-18s %10s %8s\n' '' requests/s ratio
row static 'static file'
row floor 'the floor'
row capabilities 'GET /capabilities'
row echo 'POST /echo'
