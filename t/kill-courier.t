#!/bin/sh
# Couriers that leave, and couriers killed with SIGKILL at random moments, while
# webhooks arrive from eight clients.  Whatever was acknowledged is delivered,
# in order; only kills make duplicates.
#
# KILLS and WEBHOOKS set the size.  For the full one, which takes a minute or
# two:
#
#	KILLS=200 WEBHOOKS=2000 prove -v t/kill-courier.t
: "${KILLS:=20}" "${WEBHOOKS:=300}"
. t/lib/lib.sh
. t/lib/courier.sh

clients='1 2 3 4 5 6 7 8'
batch=10

# ---- webhooks ---------------------------------------------------------------

# client N COUNT: posts that many webhooks for one of the rooms, and goes on
# until $tmp/enough exists.  The answers go to $tmp/answers.N, one "204 TEXT"
# per line.  Two clients share a room.
client() {
	client_room=$(sed -n "$((($1 - 1) % 4 + 1))p" "$tmp/rooms")
	client_from=1
	while [ "$client_from" -le "$2" ] || [ ! -e "$tmp/enough" ]; do
		awk -v from="$client_from" -v n="$batch" -v client="$1" \
			-v phase="$phase" -v url="$ADDON/echo" \
			-v room="${client_room#* }" -v id="${client_room% *}" '
			function webhook(text) {
				return "{\\\"event\\\":\\\"room_message\\\"," \
				    "\\\"oauth_client_id\\\":\\\"" id "\\\"," \
				    "\\\"item\\\":{\\\"room\\\":{\\\"id\\\":" room "}," \
				    "\\\"message\\\":{\\\"id\\\":\\\"" text "\\\"," \
				    "\\\"message\\\":\\\"/echo " text "\\\"}}}"
			}
			BEGIN {
				for (i = from; i < from + n; i++) {
					text = phase "-" client "-" i
					if (i > from)
						print "next"
					print "url = \"" url "\"\nsilent"
					print "max-time = 120"
					print "data = \"" webhook(text) "\""
					print "write-out = \"%{http_code} " text "\\n\""
				}
			}' >"$tmp/requests.$1"
		curl -K "$tmp/requests.$1" >>"$tmp/answers.$1"
		client_from=$((client_from + batch))
		[ "$client_from" -le "$2" ] || sleep 0.2
	done
}

# clients: all eight at once
start_clients() {
	rm -f "$tmp"/answers.* "$tmp/clients"
	for n in $clients; do
		client "$n" "$(((WEBHOOKS + 7) / 8))" &
		echo $! >>"$tmp/clients"
	done
}
await_clients() {
	while read -r pid; do
		wait "$pid"
	done <"$tmp/clients"
	sort "$tmp"/answers.* >"$tmp/answers"
	grep '^204 ' "$tmp/answers" | cut -d ' ' -f 2 | sort >"$tmp/acknowledged"
	diag "$phase: $(wc -l <"$tmp/acknowledged") webhooks acknowledged"
}

# ---- couriers ---------------------------------------------------------------

# courier_runs: sets $pid; like couriers(), but faster
courier_runs() {
	pid=$(awk -v end=":$inode\$" \
		'$2 == "FLOCK" && $6 ~ end { print $5 }' /proc/locks)
	[ -n "$pid" ]
}

# kill_couriers: kills $KILLS of them, each a random time after the last
kill_couriers() {
	inode=$(ls -i "$box/outbox/lock")
	inode=${inode%% *}
	killed=0
	for pause in $(awk -v n="$KILLS" -v seed="$$" 'BEGIN {
		srand(seed)
		while (n-- > 0)
			printf "%.3f\n", rand() * 0.08
	}'); do
		sleep "$pause"
		tries=3000
		until courier_runs && kill -KILL "$pid" 2>/dev/null; do
			[ "$((tries -= 1))" -gt 0 ] || return
			sleep 0.01
		done
		killed=$((killed + 1))
	done
}

# ---- what became of it ------------------------------------------------------

check() {
	is "$(grep -vc '^204 ' "$tmp/answers")" 0 \
		"$phase: every webhook is acknowledged" ||
		diag "$(grep -v '^204 ' "$tmp/answers" | head -n 3)"
	ok "$phase: there are $WEBHOOKS or more" \
		[ "$(wc -l <"$tmp/acknowledged")" -ge "$WEBHOOKS" ]
	ok "$phase: the outbox is emptied" wait_for nothing_queued ||
		diag "$(queued) are left"
	is "$(failed)" 0 \
		"$phase: none has failed"

	: >"$tmp/said"
	while read -r _ room; do
		said "$room" "$phase-" | tr ' ' '\n' >>"$tmp/said"
	done <"$tmp/rooms"
	sort -u "$tmp/said" >"$tmp/once"
	is "$(comm -23 "$tmp/acknowledged" "$tmp/once" | head -n 3)" '' \
		"$phase: all that was acknowledged is said"
	is "$(comm -13 "$tmp/acknowledged" "$tmp/once" | head -n 3)" '' \
		"$phase: and nothing else"
	# Each client's messages in order; of a repeated one, the first counts.
	is "$(awk -F - '!seen[$0]++ && $3 != ++last[$2]' "$tmp/said" |
		head -n 3)" '' "$phase: in order"
	duplicates=$(($(wc -l <"$tmp/said") - $(wc -l <"$tmp/once")))
}

leaving() {
	phase=leaving
	start_apache event HIPCHAT_COURIER_IDLE=0 HIPCHAT_WEBHOOK_AUTH=none
	for n in 1 2 3 4; do
		room=$(new_room "Room $n")
		echo "$(install "$room") $room"
	done >"$tmp/rooms"
	box=$tmp/data
	: >"$tmp/enough"
	start_clients
	await_clients
	check
	is "$duplicates" 0 'leaving: no message is said twice'
	stop_apache
	quiet "$tmp/apache/error_log" "leaving: Apache's error log" "$installs"
}

killing() {
	phase=kills
	start_apache event HIPCHAT_COURIER_IDLE=1 HIPCHAT_WEBHOOK_AUTH=none
	rm "$tmp/enough"
	start_clients
	kill_couriers
	: >"$tmp/enough"
	await_clients
	is "$killed" "$KILLS" 'kills: so many couriers were killed meanwhile'
	# A courier that is killed last leaves its messages to the next one,
	# which the next webhook starts.
	rm "$tmp/enough"
	while read -r id room; do
		webhook_json='{"event":"room_message","oauth_client_id":"%s","item":{"room":{"id":%s},"message":{"id":"last","message":"/echo last"}}}'
		# shellcheck disable=SC2059 # the format is a constant
		http POST "$ADDON/echo" -d "$(printf "$webhook_json" "$id" "$room")"
		is "$status" 204 "kills: one more webhook in room $room"
	done <"$tmp/rooms"
	check
	# Each of the four installations has at most one call in flight.
	ok "kills: duplicates come from kills only: $duplicates" \
		[ "$duplicates" -le "$((killed * 4))" ]
	stop_apache
	# the courier was killed before it could be woken
	quiet "$tmp/apache/error_log" "kills: Apache's error log" \
		"$installs|"'echo: outbox/trigger: Broken pipe$'
}

start_hipchatd
leaving
killing
quiet "$tmp/hipchatd.log" "the stand-in's log"
done_testing
