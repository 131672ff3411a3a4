#!/bin/sh
# Apache neither waits for a courier that its CGI program started nor kills it,
# under event with mod_cgid and under prefork with mod_cgi, across a graceful
# restart, a restart, and the end of Apache itself.
. t/lib/lib.sh
. t/lib/courier.sh

# apaches: the pids of Apache and its children
apaches() {
	echo "$apache_pid"
	awk -v parent="$apache_pid" '$4 == parent { print $1 }' \
		/proc/[0-9]*/stat 2>/dev/null
}

# ends PID…: the pipes and sockets that these processes hold, sorted
ends() {
	for ends_pid; do
		ls -l "/proc/$ends_pid/fd" 2>/dev/null
	done | sed -n 's/.* -> \(pipe\|socket\)/\1/p' | sort -u
}

stat_field() { cut -d ' ' -f "$2" "/proc/$1/stat"; }

# says TEXT: a person says it, the webhook is answered and the connection
# closed, which is what a client has to wait for
says() {
	is "$(control POST "rooms/$room/say" "{\"message\":\"/echo $1\"}" |
		jq -r '[.webhooks[].status] | join(" ")')" 204 \
		"$mpm: the webhook is answered: $1"
}

# still NAME: it is the same courier, and its call is still under way
still() {
	is "$(couriers)" "$pid" "$mpm: $1: one courier, and the same"
	is "$(calls "$room" 'select(.status != null)')" 0 \
		"$mpm: $1: its call is still held"
}

descent() {
	like "$(apaches)" "^$apache_pid\$" "$mpm: Apache runs"
	unlike "$(apaches)" "^$(stat_field "$pid" 4)\$" \
		"$mpm: the courier is no child of Apache"
	ok "$mpm: the courier is in another session" \
		[ "$(stat_field "$pid" 6)" != "$(stat_field "$apache_pid" 6)" ]
	is "$(stat_field "$pid" 7)" 0 "$mpm: the courier has no terminal"
	[ -r "/proc/$pid/environ" ] || {
		skip "$mpm: what the courier has inherited" \
			'for root alone can look into a sandboxed process'
		return
	}
	# shellcheck disable=SC2046 # one pid a word
	ends $(apaches) >"$tmp/ends.apache"
	ends "$pid" >"$tmp/ends.courier"
	ok "$mpm: Apache's pipes and sockets are seen" [ -s "$tmp/ends.apache" ]
	is "$(comm -12 "$tmp/ends.apache" "$tmp/ends.courier")" '' \
		"$mpm: the courier holds none of Apache's pipes and sockets"
	is "$(ls -l "/proc/$pid/fd" | grep -F "$tmp/apache")" '' \
		"$mpm: nor any file of Apache's"
	unlike "$(tr '\0' '\n' <"/proc/$pid/environ")" \
		'^(REQUEST_|HTTP_|GATEWAY_|SERVER_|CONTENT_|SCRIPT_|REMOTE_)' \
		"$mpm: nor anything of the request in its environment"
	like "$(tr '\0' '\n' <"/proc/$pid/environ")" '^HIPCHAT_DATA_DIR=' \
		"$mpm: but the settings"
}

survival() {
	fault '"route": "notification", "fault": "status", "status": 503,
		"hold": true, "count": -1'
	says held1
	ok "$mpm: the courier calls, and is held" wait_for under_way "$room"
	pid=$(couriers)
	like "$pid" '^[0-9]+$' "$mpm: it is one courier"
	descent
	says held2
	still 'meanwhile'

	graceful
	still 'after a graceful restart'
	says held3
	still 'with a webhook to the new generation'

	graceful_count=$(resumed)
	kill -HUP "$apache_pid"
	wait_for more_resumed
	still 'after a restart'
	says held4

	end "$apache_pid"
	apache_pid=
	still 'after the end of Apache'
	is "$(said "$room" held)" '' "$mpm: nothing was delivered so far"
	no_faults
	ok "$mpm: then all is delivered, once and in order" \
		wait_for has_said "$room" held 'held1 held2 held3 held4'
	ok "$mpm: and the courier leaves" wait_for gone "$pid"
	quiet "$tmp/apache/error_log" "$mpm: Apache's error log" "$installs"
}

start_hipchatd
for mpm in event prefork; do
	start_apache "$mpm"
	room=$(new_room "Room $mpm")
	install "$room" >"$tmp/id"
	survival
	stop_apache
done
quiet "$tmp/hipchatd.log" "the stand-in's log"
done_testing
