#!/bin/sh
# No request is dropped, and none answered with an error, while web servers
# restart gracefully, FastCGI processes are told to end, and others retire,
# after so many requests or because the settings have changed.
. t/lib/lib.sh
. t/lib/courier.sh
. t/lib/webservers.sh

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
	for group in $spawned; do
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
	a_webhook
}

# restart SERVER COMMAND [RELOAD]: what a server and its processes go through
restart() {
	command -v "$2" >"$tmp/out" || {
		skip "$1" "no $2 here"
		return
	}
	prepare "$1"
	[ -z "${3:-}" ] || under_load "$1: it reloads" 3 "$3"
	[ -z "$spawned" ] ||
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
	# A worker of the old generation that needs a new process when mod_fcgid
	# has ended its own waits for it in vain, whatever the program is.
	restart fcgid true
else
	skip fcgid 'no mod_fcgid here'
fi
restart proxy spawn-fcgi graceful
restart nginx nginx reload_nginx
restart lighttpd lighttpd reload_lighttpd
done_testing
