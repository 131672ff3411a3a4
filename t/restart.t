#!/bin/sh
# No request is dropped, and none answered with an error, while web servers
# restart gracefully, FastCGI processes are told to end, and others retire,
# after so many requests or because the settings have changed.
#
# Each request has a connection of its own: one that is kept may end when a web
# server restarts, whatever it serves.
. t/lib/lib.sh
. t/lib/courier.sh
. t/lib/webservers.sh

# load: descriptors and webhooks, eight at a time, until $tmp/enough is there
load() {
	while [ ! -e "$tmp/enough" ]; do
		curl -m 60 --no-progress-meter -Z --parallel-max 8 -H 'Connection: close' \
			-o /dev/null -w '%{http_code}\n' \
			"$ADDON/capabilities?[1-100]" \
			--next -m 60 --no-progress-meter -H 'Connection: close' \
			-o /dev/null -w '%{http_code}\n' \
			-H "Authorization: JWT $token" -d "@$tmp/webhook" \
			"$ADDON/echo?[1-50]" >>"$tmp/statuses" 2>&1
	done
}

answered() { wc -l <"$tmp/statuses"; }
more_answered() { [ "$(answered)" -ge "$enough" ]; }

# some_more N: until so many more requests were answered
some_more() {
	enough=$(($(answered) + $1))
	wait_for more_answered || die 'no answers'
}

# under_load NAME N COMMAND: nothing goes wrong, N times
under_load() {
	: >"$tmp/statuses"
	rm -f "$tmp/enough"
	load &
	load_pid=$!
	some_more 20
	for n in $(seq "$2"); do
		"$3"
		some_more 100
	done
	: >"$tmp/enough"
	wait "$load_pid"
	is "$(sort "$tmp/statuses" | uniq -c | awk '{ print $2 }' | xargs)" \
		'200 204' "$1: $(answered) requests" ||
		diag "$(sort "$tmp/statuses" | uniq -c) $(tail -n 5 "$log")"
}

# ---- what happens to a server -----------------------------------------------

reload_nginx() {
	workers=$(pgrep -P "$server" | xargs)
	kill -HUP "$server"
	wait_for other_workers
}
other_workers() {
	[ -n "$(pgrep -P "$server")" ] && for worker in $workers; do
		! alive "$worker" || return
	done
}

reload_lighttpd() {
	starts=$(grep -c 'server started' "$log")
	kill -USR1 "$server"
	wait_for started_again
}
started_again() { [ "$(grep -c 'server started' "$log")" -gt "$starts" ]; }

# the processes in the loops of spawn_processes
end_processes() {
	for group in $groups; do
		pkill -TERM -P "$group"
	done
}

# Each process says so before it ends.
change_settings() {
	endings=$(grep -c 'this process ends' "$log")
	echo "# $n" >>"$tmp/settings.conf"
	wait_for ending
}
ending() { [ "$(grep -c 'this process ends' "$log")" -gt "$endings" ]; }

# ---- the tests --------------------------------------------------------------

# prepare SERVER [NAME=VALUE…]: an installation, and a webhook for it
prepare() {
	prepare_server=$1
	shift
	settings "$@"
	"start_$prepare_server"
	rooms=$((${rooms:-0} + 1))
	room=$(new_room "Room $rooms")
	id=$(install "$room") || exit
	token=$(t/sign-webhook.sh "$id" "$(control GET installations |
		jq -r ".[] | select(.oauth_id == \"$id\").oauth_secret")" "$room")
	control POST "rooms/$room/say" '{"message":"/echo hello"}' \
		>"$tmp/answer"
	control GET log | jq -r '[.[] | select(.direction == "out" and
		.method == "POST")] | last.request_body' >"$tmp/webhook"
}

# restart SERVER COMMAND RELOAD: what a server and its processes go through
restart() {
	command -v "$2" >"$tmp/out" || {
		skip "$1" "no $2 here"
		return
	}
	prepare "$1"
	under_load "$1: it reloads" 3 "$3"
	[ -z "$groups" ] ||
		under_load "$1: processes are told to end" 3 end_processes
	under_load "$1: the settings change" 1 change_settings
	stop_server
	prepare "$1" HIPCHAT_MAX_REQUESTS=100
	under_load "$1: processes retire" 8 :
	stop_server
}

start_hipchatd
find_apache
if [ -e "$apache_modules/mod_fcgid.so" ]; then
	restart fcgid true graceful
else
	skip fcgid 'no mod_fcgid here'
fi
restart proxy spawn-fcgi graceful
restart nginx nginx reload_nginx
restart lighttpd lighttpd reload_lighttpd
done_testing
