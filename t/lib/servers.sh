# t/lib/servers.sh - the two servers that a test may start: the stand-in HipChat
# and a private Apache.  lib.sh sources it, and calls stop_apache and
# stop_hipchatd at the end of each test.

# ---- the stand-in HipChat ---------------------------------------------------

# start_hipchatd [ARGUMENT…]: sets $HIPCHAT, its base URL.  It gets a session of
# its own (setsid), so a terminal's Ctrl-C does not reach it: clean_up ends it.
start_hipchatd() {
	setsid "$B/t/hipchatd" --port 0 "$@" \
		>"$tmp/hipchatd.url" 2>"$tmp/hipchatd.log" </dev/null &
	hipchatd_pid=$!
	wait_for said_or_gone "$tmp/hipchatd.url" "$hipchatd_pid"
	read -r HIPCHAT <"$tmp/hipchatd.url" ||
		die "hipchatd did not start: $(cat "$tmp/hipchatd.log")"
	HIPCHAT=${HIPCHAT%/}
}
stop_hipchatd() {
	[ -z "$hipchatd_pid" ] || end "$hipchatd_pid"
	hipchatd_pid=
}

# control METHOD PATH [JSON]: a control route of the stand-in; prints its answer.
control() {
	if [ $# -gt 2 ]; then
		set -- "$1" "$2" -H 'Content-Type: application/json' -d "$3"
	fi
	control_method=$1 control_path=$2
	shift 2
	curl -sS -m 120 -X "$control_method" "$@" "$HIPCHAT/control/$control_path"
}

# new_room NAME: prints its id
new_room() { control POST rooms "{\"name\":\"$1\"}" | jq -er .id; }

# install [ROOM]: prints the installation's id; without a room it is for all.
# A failure is reported, but ends only the subshell: add "|| exit".
install() {
	control POST install \
		"{\"url\":\"$ADDON/capabilities\"${1:+,\"room_id\":$1}}" \
		>"$tmp/answer"
	jq -er .oauth_id "$tmp/answer" ||
		die "not installed: $(cat "$tmp/answer" "$tmp/apache/error_log")"
}

# ---- a private Apache -------------------------------------------------------

# start_apache [event|prefork] [NAME=VALUE…]
#
# Apache on a free loopback port with httpd.conf.sample itself, filled in as
# "make install" does; sets $ADDON, the add-on's base URL.  event comes with
# mod_cgid (the default), prefork with mod_cgi.  Programs and templates are
# copied, so that a checkout in a private home directory works, too.  For more
# configuration, write $tmp/extra.conf first, or $tmp/before.conf if it has to
# come before the sample.
start_apache() {
	apache_mpm=event apache_cgi=cgid
	case ${1:-} in
	event) shift ;;
	prefork) apache_mpm=prefork apache_cgi=cgi; shift ;;
	esac
	apache_dir=$tmp/apache
	if [ ! -d "$apache_dir" ]; then
		mkdir -p "$apache_dir/htdocs" "$tmp/cgi-bin"
		cp -R templates "$tmp/"
		cp "$B"/cgi-bin/* "$tmp/cgi-bin/"
	fi
	find_apache
	apache_names=$(ls "$tmp/cgi-bin" | grep -vx courier | tr '\n' '|')
	sed -e "s|@CGIDIR@|$tmp/cgi-bin|" \
		-e "s/@ENDPOINTS@/${apache_names%|}/" \
		-e "s|/run/hipchat-cgi|$tmp/run|" \
		httpd.conf.sample >"$apache_dir/addon.conf"
	apache_settings "$@" >"$apache_dir/settings.conf"

	# Nobody can reserve a port, so try some until one was free.
	for apache_try in 1 2 3 4 5 6 7 8 9 10; do
		apache_port=$(free_port)
		apache_conf >"$apache_dir/httpd.conf"
		rm -f "$apache_dir/httpd.pid"
		setsid "$apache_bin" -D FOREGROUND -d "$apache_dir" \
			-f "$apache_dir/httpd.conf" \
			>"$apache_dir/start.log" 2>&1 </dev/null &
		apache_pid=$!
		wait_for said_or_gone "$apache_dir/httpd.pid" "$apache_pid"
		if [ -s "$apache_dir/httpd.pid" ]; then
			ADDON=http://127.0.0.1:$apache_port
			return
		fi
		grep -q 'in use' "$apache_dir/start.log" || break
	done
	die "Apache did not start: $(cat "$apache_dir"/*.log)"
}

# The programs that Apache started, above all the courier, end with it.  They
# are recognized by their executable, which is in our directory.
stop_apache() {
	[ -z "$apache_pid" ] || end "$apache_pid"
	apache_pid=
	for stop_pid in $(couriers) $(ls -l /proc/[0-9]*/exe 2>/dev/null |
		sed -n "s|.* /proc/\([0-9]*\)/exe -> $tmp/.*|\1|p"); do
		end "$stop_pid"
	done
}

# couriers: the pids of those that hold the lock of an outbox in our directory.
# Only root can read a sandboxed program's exe; anybody can read /proc/locks.
couriers() {
	for couriers_lock in $(find "$tmp" -path '*/outbox/lock' 2>/dev/null); do
		couriers_inode=$(stat -c %i "$couriers_lock") || continue
		for couriers_pid in $(sed -n \
			"s/.* FLOCK .* WRITE \([0-9]*\) [^ ]*:$couriers_inode .*/\1/p" \
			/proc/locks); do
			# a file on another disk may have the same number
			! grep -qs courier "/proc/$couriers_pid/comm" ||
				echo "$couriers_pid"
		done
	done | sort -u # /proc/locks may list one twice, read while it changes
}

# graceful: a graceful restart; returns when the new generation serves.
graceful() {
	graceful_count=$(resumed)
	kill -USR1 "$apache_pid"
	wait_for more_resumed
}
resumed() { grep -c 'resuming normal operations' "$tmp/apache/error_log"; }
more_resumed() { [ "$(resumed)" -gt "$graceful_count" ]; }

apache_settings() {
	echo '<Location "/">'
	for apache_setting in HIPCHAT_CONFIG="$no_settings" \
		HIPCHAT_DATA_DIR="$tmp/data" HIPCHAT_TEMPLATE_DIR="$tmp/templates" \
		HIPCHAT_ALLOWED_HOSTS="${HIPCHAT:-*.hipchat.com}" \
		HIPCHAT_COURIER_IDLE=1 \
		${ASAN_OPTIONS:+"ASAN_OPTIONS=$ASAN_OPTIONS"} \
		${UBSAN_OPTIONS:+"UBSAN_OPTIONS=$UBSAN_OPTIONS"} "$@"; do
		printf 'SetEnv %s "%s"\n' \
			"${apache_setting%%=*}" "${apache_setting#*=}"
	done
	echo '</Location>'
}

apache_conf() {
	# As few modules as possible, unless they are compiled in.
	for apache_module in "mpm_$apache_mpm" unixd log_config authz_core \
		alias env "$apache_cgi"; do
		cat <<-END
			<IfModule !${apache_module}_module>
			LoadModule ${apache_module}_module "$apache_modules/mod_$apache_module.so"
			</IfModule>
		END
	done
	[ "$(id -u)" != 0 ] || cat <<-END
		User $apache_user
		Group $(id -gn "$apache_user")
	END
	[ "$apache_cgi" != cgid ] || echo "ScriptSock \"$apache_dir/cgid\""
	cat <<-END
		Listen 127.0.0.1:$apache_port
		ServerName 127.0.0.1
		DefaultRuntimeDir "$apache_dir"
		PidFile "$apache_dir/httpd.pid"
		ErrorLog "$apache_dir/error_log"
		LogLevel warn
		LogFormat "%h %t \"%r\" %>s %b" common
		CustomLog "$apache_dir/access_log" common
		DocumentRoot "$apache_dir/htdocs"
		IncludeOptional "$tmp/before.conf"
		Include "$apache_dir/addon.conf"
		Include "$apache_dir/settings.conf"
		IncludeOptional "$tmp/extra.conf"
	END
}

# Its name and the place of its modules depend on the distribution.
find_apache() {
	apache_bin=$(PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
		command -v apache2 || command -v httpd) || die 'no Apache found'
	for apache_modules in /usr/lib/apache2/modules /usr/lib64/httpd/modules \
		/usr/lib/httpd/modules /usr/lib/apache2 \
		/usr/local/apache2/modules /usr/libexec/apache2; do
		[ ! -e "$apache_modules/mod_alias.so" ] || break
	done
	[ "$(id -u)" = 0 ] || return 0
	# Apache refuses to serve as root: take any unprivileged user.
	for apache_user in www-data apache http nobody; do
		! id -u "$apache_user" >/dev/null 2>&1 || break
	done
	chown "$apache_user" "$tmp/data"
}

# A port where nobody listens at the moment (curl: 7 = connection refused).
free_port() {
	while :; do
		free_port=$(od -An -N2 -tu2 /dev/urandom)
		free_port=$((20000 + free_port % 12000))
		free_rc=0
		curl -s -m 2 -o /dev/null "http://127.0.0.1:$free_port/" || free_rc=$?
		[ "$free_rc" != 7 ] || break
	done
	echo "$free_port"
}
