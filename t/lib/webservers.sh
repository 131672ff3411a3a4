# shellcheck shell=sh
# t/lib/webservers.sh - the other ways to serve the add-on, each started with
# the README's own configuration: mod_fcgid, mod_proxy_fcgi, nginx with FastCGI
# or fcgiwrap, lighttpd.  Source it after lib.sh.
#
# A start_ function sets $ADDON and, but for Apache, $server, its pid.  What it
# and the programs say goes to $log.  With $prefix, such as /hipchat, the add-on
# is below that.

prefix='' server='' spawned=''

# Debian's servers are there, which is not in an ordinary user's PATH.
PATH=$PATH:/usr/sbin:/sbin

# readme LINE: the README's indented lines after this one, up to the next text,
# with the paths of this test
readme() {
	awk -v line="$1" '
		on && /^[^ ]/ { exit }
		on && NF { sub(/^    /, ""); print }
		$0 == line { on = 1 }
		' README |
		sed -e "s|/usr/local/lib/hipchat-cgi|$tmp/cgi-bin|" \
			-e "s|/run/hipchat-cgi|$tmp/run|" \
			-e "s|/run/fcgiwrap.socket|$tmp/run/fcgiwrap|" \
			-e "s|/var/log/hipchat-cgi.log|$log|"
}

# settings [NAME=VALUE…]: what would be in /etc/hipchat-cgi.conf.  The
# environment, or each request, names it.
settings() {
	printf "%s='%s'\n" HIPCHAT_DATA_DIR "$tmp/data" \
		HIPCHAT_TEMPLATE_DIR "$tmp/templates" \
		HIPCHAT_ALLOWED_HOSTS "$HIPCHAT" HIPCHAT_COURIER_IDLE 1 \
		>"$tmp/settings.conf"
	for setting; do
		echo "$setting"
	done >>"$tmp/settings.conf"
}
HIPCHAT_CONFIG=$tmp/settings.conf
export HIPCHAT_CONFIG

# ready: copies what a web server's user has to read
ready() {
	find_apache
	mkdir -p "$tmp/cgi-bin" "$tmp/run" "$tmp/apache/htdocs"
	echo ours >"$tmp/apache/htdocs/index.html"
	[ -d "$tmp/templates" ] || cp -R templates "$tmp/"
	[ -e "$tmp/cgi-bin/echo" ] || cp "$B"/cgi-bin/* "$tmp/cgi-bin/"
	log=$tmp/apache/error_log
	: >"$log"
	[ "$(id -u)" != 0 ] || chown "$apache_user" "$log" "$tmp/run"
}

# as_user: "-u USER" where root has to name one
as_user() { [ "$(id -u)" != 0 ] || echo "$1 $apache_user"; }

# ---- processes without a web server -----------------------------------------

# spawn_processes: by the README's lines, for nginx and mod_proxy_fcgi
spawn_processes() {
	readme 'uninstall".  Without systemd, say as root:' |
		sed -e '/^install/d' -e "s|www-data|${apache_user:-}|g" \
			-e "s|-- |-P $tmp/run/\$program.pid -- |" \
			>"$tmp/spawn.sh"
	[ "$(id -u)" = 0 ] || sed -i 's/-[uU] //g' "$tmp/spawn.sh"
	sh -e "$tmp/spawn.sh" >"$tmp/spawn.log" 2>&1 ||
		die "spawn-fcgi: $(cat "$tmp/spawn.log")"
	# awk ends each file's last line
	spawned=$(awk 1 "$tmp"/run/*.pid)
}

# end_group PID: a loop of the shell, and the process in it
end_group() {
	kill -TERM -- "-$1" 2>/dev/null || return 0
	wait_for no pgrep -g "$1" >"$tmp/out" || kill -KILL -- "-$1"
}

# stop_server: and all that it has started
stop_server() {
	[ -z "$server" ] || end "$server"
	for group in $spawned; do
		end_group "$group"
	done
	server='' spawned=''
	rm -rf "$tmp/run"
	stop_apache
}
trap 'server_status=$?
	stop_server
	(exit "$server_status")
	clean_up' EXIT

# listen COMMAND [ARGUMENT…]: starts a server, whose configuration is what
# write_conf writes for $port
listen() {
	for listen_try in 1 2 3 4 5 6 7 8 9 10; do
		port=$(free_port)
		write_conf >"$tmp/server.conf"
		setsid "$@" </dev/null >>"$log" 2>&1 &
		server=$!
		ADDON=http://127.0.0.1:$port$prefix
		wait_for answers_or_gone
		! alive "$server" || return 0
		grep -qi 'in use' "$log" || break
	done
	die "$1 did not start: $(cat "$log")"
}
answers_or_gone() {
	curl -s -m 5 -o "$tmp/out" "http://127.0.0.1:$port/" || ! alive "$server"
}

# ---- Apache -----------------------------------------------------------------

# start_fcgid, start_proxy [NAME=VALUE…]: httpd.conf.sample with the README's
# line
start_fcgid() {
	ready
	{
		load_modules fcgid
		echo "FcgidIPCDir $tmp/apache/fcgid"
		echo "FcgidProcessTableFile $tmp/apache/fcgid_shm"
		readme 'this line before the IncludeOptional, too:'
	} >"$tmp/before.conf"
	serve_by_apache "$@"
}
start_proxy() {
	ready
	{
		load_modules proxy proxy_fcgi
		readme \
			'For mod_proxy_fcgi ("sudo a2enmod proxy_fcgi"), before the IncludeOptional:'
	} >"$tmp/before.conf"
	spawn_processes
	serve_by_apache "$@"
}
serve_by_apache() {
	[ -z "$prefix" ] ||
		echo "Define HIPCHAT_URL $prefix/" >>"$tmp/before.conf"
	start_apache HIPCHAT_CONFIG="$HIPCHAT_CONFIG" "$@"
	ADDON=$ADDON$prefix
}
load_modules() {
	for module; do
		echo "LoadModule ${module}_module $apache_modules/mod_$module.so"
	done
}

# ---- nginx ------------------------------------------------------------------

# start_nginx, start_fcgiwrap
start_nginx() {
	ready
	spawn_processes
	readme 'For nginx, in its server { }:' >"$tmp/location"
	run_nginx
}
start_fcgiwrap() {
	ready
	# shellcheck disable=SC2046 # two words
	spawn-fcgi -s "$tmp/run/fcgiwrap" -F 2 $(as_user -u) $(as_user -U) \
		-P "$tmp/run/fcgiwrap.pid" -- "$(command -v fcgiwrap)" -f \
		>"$tmp/spawn.log" 2>&1 || die "$(cat "$tmp/spawn.log")"
	spawned=$(cat "$tmp/run/fcgiwrap.pid")
	readme 'to keep; instead of the second line, write:' >"$tmp/wrap"
	readme 'For nginx, in its server { }:' |
		sed -e "2r $tmp/wrap" -e 2d >"$tmp/location"
	sed -i "2i fastcgi_param HIPCHAT_CONFIG $tmp/settings.conf;" \
		"$tmp/location"
	run_nginx
}
run_nginx() {
	sed -i "s|\^(/(|^($prefix/(|" "$tmp/location"
	write_conf() { nginx_conf; }
	listen nginx -e "$log" -p "$tmp" -c "$tmp/server.conf"
}
nginx_conf() {
	[ "$(id -u)" != 0 ] || echo "user $apache_user;"
	cat <<-END
		daemon off;
		worker_processes 2;
		pid $tmp/nginx.pid;
		error_log $log;
		events { }
		http {
			access_log off;
			client_body_temp_path $tmp/nginx-body;
			fastcgi_temp_path $tmp/nginx-fastcgi;
			proxy_temp_path $tmp/nginx-proxy;
			scgi_temp_path $tmp/nginx-scgi;
			uwsgi_temp_path $tmp/nginx-uwsgi;
			server {
				listen 127.0.0.1:$port;
				root $tmp/apache/htdocs;
	END
	cat "$tmp/location"
	echo '} }'
}

# ---- lighttpd ---------------------------------------------------------------

start_lighttpd() {
	ready
	spawn_processes
	readme 'For lighttpd:' |
		sed -e "s|\"^/(|\"^$prefix/(|" \
			-e "s|\"/\([a-z]*\)\" =>|\"$prefix/\1\" =>|" \
			>"$tmp/location"
	write_conf() { lighttpd_conf; }
	listen lighttpd -D -f "$tmp/server.conf"
}
lighttpd_conf() {
	[ "$(id -u)" != 0 ] || cat <<-END
		server.username = "$apache_user"
		server.groupname = "$(id -gn "$apache_user")"
	END
	cat <<-END
		server.bind = "127.0.0.1"
		server.port = $port
		server.document-root = "$tmp/apache/htdocs"
		server.upload-dirs = ( "$tmp/run" )
		server.errorlog = "$log"
	END
	cat "$tmp/location"
}

# ---- load -------------------------------------------------------------------

# a_webhook: an installation in a new room, and $token and $tmp/webhook for it
a_webhook() {
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

# load: descriptors and webhooks, eight at a time, until $tmp/enough is there.
# Each request has a connection of its own: one that is kept may end when a web
# server restarts, whatever it serves.
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
	wait_for more_answered && return
	: >"$tmp/enough"
	wait "$load_pid"
	die "of $enough requests, $(answered) are answered; the log ends:
$(tail -n 12 "$log")"
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
