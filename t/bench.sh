#!/bin/sh
# t/bench.sh - what a request costs, under each web server and way of running
# the programs, as a ratio to the least that a CGI program could cost
#
# One private Apache (event) serves a static file, the floor (the smallest
# possible CGI program, linked statically, by mod_cgid), and the add-on several
# times: as CGI programs, by mod_fcgid, by mod_proxy_fcgi, and the descriptor
# out of its cache.  A lighttpd serves the add-on by its own FastCGI.  wrk loads
# them in turn, in short rounds, and the median of the rounds counts, since a
# machine has other things to do.  Absolute numbers depend on the machine;
# compare the ratios.
#
# CPU time is that of the web server and of all that it starts, the courier's
# included, until what was acknowledged is delivered; neither wrk's nor
# HipChat's.
#
# Webhooks are signed, and every client has an installation of its own, because
# the courier has one request in flight for each.  Installations and removals
# are proved by a sink (t/bench/sink.c).  No number makes this fail; a message
# that is acknowledged and does not arrive does.
#
#	ROUNDS=5 DURATION=1 CLIENTS=8 STORED=40000 t/bench.sh
. t/lib/lib.sh
. t/lib/courier.sh
. t/bench/tools.sh
rounds=${ROUNDS:-5} seconds=${DURATION:-1} clients=${CLIENTS:-8}
stored=${STORED:-40000} # removals take away from these

# The outbox of the servers' programs, for queued()
box=$tmp/data

# ---- servers ----------------------------------------------------------------

programs='capabilities echo installed uninstalled'
each='(capabilities|echo|installed|uninstalled)'

# For start_apache: the add-on once more, below /cached/, /fcgid/ and /proxy/
fastcgi_apache() {
	find_apache
	for module in cache cache_disk fcgid proxy proxy_fcgi; do
		echo "LoadModule ${module}_module $apache_modules/mod_$module.so"
	done
	cat <<-END
		ScriptAlias /floor "$tmp/bench/floor"
		<Directory "$tmp/bench">
			Require all granted
		</Directory>

		CacheEnable disk "/cached/"
		CacheRoot "$tmp/cache"
		ScriptAliasMatch "^/cached/$each" "$tmp/cgi-bin/\$1"
		<Location "/cached/">
			SetEnv HIPCHAT_BASE_URL http://127.0.0.1
		</Location>

		FcgidIPCDir "$tmp/apache/fcgid"
		FcgidProcessTableFile "$tmp/apache/fcgid_shm"
		FcgidMaxProcessesPerClass 16
		FcgidMaxProcesses 64
		FcgidSpawnScoreUpLimit 1000
		FcgidMaxRequestLen 1048576
		FcgidIOTimeout 120
		AliasMatch "^/fcgid/$each" "$tmp/cgi-bin/\$1"
		<Location "/fcgid/">
			SetHandler fcgid-script
			Options ExecCGI
		</Location>
	END
	for program in $programs; do
		cat <<-END
			Alias "/proxy/$program" "$tmp/cgi-bin/$program"
			<Location "/proxy/$program">
				SetHandler "proxy:unix:$tmp/$program.socket|fcgi://localhost"
			</Location>
		END
	done
}

# start_lighttpd: sets $lighttpd_url
start_lighttpd() {
	lighttpd_port=$(free_port)
	{
		cat <<-END
			server.modules = ( "mod_fastcgi" )
			server.document-root = "$tmp/apache/htdocs"
			server.bind = "127.0.0.1"
			server.port = $lighttpd_port
			server.errorlog = "$tmp/lighttpd.log"
			server.max-keep-alive-requests = 1000000
		END
		[ -z "${apache_user:-}" ] ||
			echo "server.username = \"$apache_user\""
		for program in $programs; do
			cat <<-END
				fastcgi.server += ( "/$program" => ((
					"socket" => "$tmp/lighttpd.$program",
					"bin-path" => "$tmp/cgi-bin/$program",
					"bin-environment" => (
						"HIPCHAT_CONFIG" => "$no_settings",
						"HIPCHAT_DATA_DIR" => "$tmp/data",
						"HIPCHAT_TEMPLATE_DIR" => "$tmp/templates",
						"HIPCHAT_ALLOWED_HOSTS" => "$HIPCHAT"
					),
					"check-local" => "disable",
					"max-procs" => 4
				)))
			END
		done
	} >"$tmp/lighttpd.conf"
	touch "$tmp/lighttpd.log"
	[ -z "${apache_user:-}" ] || chown "$apache_user" "$tmp/lighttpd.log"
	setsid lighttpd -D -f "$tmp/lighttpd.conf" \
		>>"$tmp/lighttpd.log" 2>&1 </dev/null &
	lighttpd_pid=$!
	server_pids="$server_pids $lighttpd_pid"
	lighttpd_url=http://127.0.0.1:$lighttpd_port
	wait_for curl -s -o "$tmp/out" "$lighttpd_url/" ||
		die "lighttpd did not start: $(cat "$tmp/lighttpd.log")"
}
# ---- one round of each ------------------------------------------------------

# measure NAME URL [WRK-ARGUMENT…]
measure() {
	measure_name=$1 measure_cpu=$(spent)
	shift
	load "$@"
	note "$measure_name" "$(per_second)"
	note "$measure_name.p50" "$(percentile 50)"
	note "$measure_name.p99" "$(percentile 99)"
	note "$measure_name.refused" "$(refused)"
	note "$measure_name.unanswered" "$(unanswered)"
	[ "${measure_waits:-}" = '' ] || "$measure_waits"
	note "$measure_name.cpu" "$(calculate '(a[1] - a[2]) / 1000 / a[3]' \
		"$(spent)" "$measure_cpu" "$(requests)")"
}

# delivered: see how much of the webhooks is delivered now, and wait for the
# rest
delivered() {
	delivered_now=$(reached)
	note "$measure_name.delivered" \
		"$(calculate '(a[2] - a[1]) / (a[4] - a[3])' "$echo_before" \
			"$delivered_now" "$echo_start" "$(uptime)")"
	wait_for nothing_queued || die "still queued: $(queued)"
	delivered_now=$(reached)
	[ $((delivered_now - echo_before)) -ge \
		$(($(requests) - $(refused) - $(unanswered))) ] ||
		die "of $(requests) messages, $((delivered_now - echo_before)) arrived"
}

# echo_round NAME URL
echo_round() {
	echo_before=$(reached) echo_start=$(uptime) measure_waits=delivered
	measure "$1" "$2" -s t/bench/echo.lua -- "$tmp"/webhooks/*
	measure_waits=''
}

install_round() {
	measure "$1" "$2" -s t/bench/installs.lua -- install "$sink_url" \
		"$1-$round"
}

removed=0
remove_round() {
	measure "$1" "$2" -s t/bench/installs.lua -- remove "$sink_url" "$removed"
	removed=$((removed + $(awk '/^used/ { print $2 }' "$tmp/wrk")))
	[ "$removed" -le "$stored" ] || die 'STORED is not enough'
}

# reload_round NAME URL: Apache is restarted gracefully in the middle
reload_round() {
	(
		sleep "$seconds"
		graceful
	) &
	reload_pid=$!
	seconds=$((2 * seconds)) measure "$1" "$2"
	wait "$reload_pid"
}

# warm URL [WRK-ARGUMENT…]: mod_fcgid starts a process when a request has waited
# for a second, so it takes more clients to get enough of them for these.
warm() {
	for warm_try in 1 2 3; do
		clients=$((3 * clients)) load "$@"
	done
}

# resident: the memory of lighttpd's FastCGI processes together, in MB, what
# they share with others divided; and how many they are
resident() {
	for resident_pid in $(pgrep -P "$lighttpd_pid"); do
		for resident_pid in "$resident_pid" $(pgrep -P "$resident_pid"); do
			cat "/proc/$resident_pid/smaps_rollup"
		done
	done | awk '/^Pss:/ { kib += $2; n++ }
		END { printf "%.1f %d\n", kib / 1024, n }'
}

# ---- set up -----------------------------------------------------------------

mkdir -m 777 "$tmp/cache"
mkdir "$tmp/bench"
cp "$B/t/bench/floor" "$tmp/bench/"
data_apart
start_hipchatd
start_sink sink
HIPCHAT="$HIPCHAT $sink_url"
"$B/t/bench/fill" "$tmp/data" "$stored" "$sink_url"
fastcgi_apache >"$tmp/extra.conf"
[ -z "${apache_user:-}" ] || chown -R "$apache_user" "$apart/data"
[ -z "${apache_user:-}" ] || chmod 777 "$tmp"
accounts
accounted start_apache event
for program in $programs; do
	accounted start_fastcgi "$program" "$tmp/$program.socket" 4
done
accounted start_lighttpd
HIPCHAT=${HIPCHAT% *}
curl -sS -o "$tmp/apache/htdocs/static.json" "$ADDON/capabilities"
clients "$clients"

# ---- measure ----------------------------------------------------------------

progress 'warming up'
warm "$ADDON/fcgid/capabilities"
warm "$ADDON/fcgid/echo" -s t/bench/echo.lua -- "$tmp"/webhooks/*
warm "$ADDON/fcgid/installed" -s t/bench/installs.lua -- install "$sink_url" warm
warm "$ADDON/fcgid/uninstalled" -s t/bench/installs.lua -- \
	remove "$sink_url" "$stored"
for round in $(seq "$rounds"); do
	progress "round $round of $rounds"
	measure static "$ADDON/static.json"
	measure floor "$ADDON/floor"
	measure capabilities.cgi "$ADDON/capabilities"
	measure capabilities.fcgid "$ADDON/fcgid/capabilities"
	measure capabilities.proxy "$ADDON/proxy/capabilities"
	measure capabilities.lighttpd "$lighttpd_url/capabilities"
	measure capabilities.cached "$ADDON/cached/capabilities"
	echo_round echo.cgi "$ADDON/echo"
	echo_round echo.fcgid "$ADDON/fcgid/echo"
	echo_round echo.proxy "$ADDON/proxy/echo"
	echo_round echo.lighttpd "$lighttpd_url/echo"
	install_round installed.cgi "$ADDON/installed"
	install_round installed.fcgid "$ADDON/fcgid/installed"
	install_round installed.lighttpd "$lighttpd_url/installed"
	remove_round uninstalled.cgi "$ADDON/uninstalled"
	remove_round uninstalled.fcgid "$ADDON/fcgid/uninstalled"
	remove_round uninstalled.lighttpd "$lighttpd_url/uninstalled"
done
for round in 1 2; do
	progress "graceful restart $round of 2"
	reload_round reload.proxy "$ADDON/proxy/capabilities"
	reload_round reload.fcgid "$ADDON/fcgid/capabilities"
done
resident >"$tmp/resident"
progress

# ---- report -----------------------------------------------------------------

total() { awk '{ n += $1 } END { print n + 0 }' "$tmp/$1.rounds"; }

# row TITLE NAME [TARGET]: the ratio to the floor should be that
row() {
	row_ratio=$(ratio "$2" floor)
	printf '%-26s%7.0f%7.2f  %-6s%7.3f%7.2f%7.1f%6s%6s\n' "$1" "$(median "$2")" \
		"$row_ratio" "$(target "$row_ratio" "${3:-}")" \
		"$(median "$2.cpu")" "$(median "$2.p50")" "$(median "$2.p99")" \
		"$(total "$2.refused")" "$(total "$2.unanswered")"
}

# target VALUE [TARGET]: with a mark if that is missed
target() {
	[ -z "${2:-}" ] ||
		awk -v value="$1" -v target="$2" \
			'BEGIN { print target (value < target ? " !" : "") }'
}

# delivered_row NAME: as many as were acknowledged
delivered_row() {
	delivered_ratio=$(ratio "$1.delivered" "$1")
	printf '%-26s%7.0f  %s\n' '    meanwhile delivered' \
		"$(median "$1.delivered")" \
		"$delivered_ratio $(calculate 'a[1] < 0.9 ? "of these  !" : "of these"' "$delivered_ratio")"
}

cat <<END
$clients clients, median of $rounds rounds of $seconds s

                          per s     to target    CPU    p50    p99  not    no
                                 floor            ms     ms     ms  2xx answer
END
row 'a static file' static
row 'the floor: CGI in C' floor
echo 'GET /capabilities'
row '  CGI' capabilities.cgi 0.85
row '  mod_fcgid' capabilities.fcgid 6
row '    graceful restarts' reload.fcgid
row '  mod_proxy_fcgi' capabilities.proxy 6
row '    graceful restarts' reload.proxy
row '  lighttpd FastCGI' capabilities.lighttpd 10
row "  Apache's cache" capabilities.cached \
	"$(calculate 'sprintf("%.1f", 0.8 * a[1])' "$(ratio static floor)")"
echo 'POST /echo, durable'
row '  CGI' echo.cgi 0.60
delivered_row echo.cgi
row '  mod_fcgid' echo.fcgid 2.4
delivered_row echo.fcgid
row '  mod_proxy_fcgi' echo.proxy 2.4
delivered_row echo.proxy
row '  lighttpd FastCGI' echo.lighttpd 3
delivered_row echo.lighttpd
for program in installed uninstalled; do
	echo "/$program"
	row '  CGI' "$program.cgi"
	row '  mod_fcgid' "$program.fcgid"
	row '  lighttpd FastCGI' "$program.lighttpd"
done
echo
read -r resident_mb resident_n <"$tmp/resident"
printf '%s  %s\n' "16 FastCGI processes, 4 of each program, $resident_n in all:" \
	"$resident_mb MB"
