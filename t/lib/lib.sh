# t/lib/lib.sh - what the shell tests, the demo and the benchmark share.
#
# POSIX sh.  Run from the repository's root, as root or as anybody else:
#
#	#!/bin/sh
#	. t/lib/lib.sh
#	cgi capabilities GET
#	is "$status" 200 'the descriptor is served'
#	done_testing
#
# B is the build directory (default "build").  $tmp is a directory for this test
# alone.  On exit it is removed, and every process that was started here ends.
# With KEEP=1, the directory stays, and its name is printed.
#
# The servers are in servers.sh: start_hipchatd, start_apache; a conversation
# as a test is in dialogue.sh.

B=${B:-build}
umask 022
unset http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY

# In /tmp whatever TMPDIR says: Apache's unprivileged user must have access, and
# the path of mod_cgid's socket has to fit into 108 bytes.
tmp=$(mktemp -d /tmp/hipchat-cgi.XXXXXX) || exit 1
chmod 755 "$tmp"
mkdir -m 700 "$tmp/data"
no_settings=$tmp/empty.conf # except those in the environment
: >"$no_settings"
HIPCHAT='' ADDON='' hipchatd_pid='' apache_pid=''

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

clean_up() {
	clean_up_status=$?
	trap - EXIT
	stop_apache
	stop_hipchatd
	if [ -n "${KEEP:-}" ]; then
		echo "# kept $tmp"
	else
		rm -rf "$tmp"
	fi
	exit "$clean_up_status"
}

# ---- TAP --------------------------------------------------------------------

tap_run=0 tap_failed=0

# ok NAME COMMAND [ARGUMENT…]: passes when the command succeeds.
ok() {
	ok_name=$1
	shift
	tap_run=$((tap_run + 1))
	if "$@"; then
		echo "ok $tap_run - $ok_name"
	else
		echo "not ok $tap_run - $ok_name"
		tap_failed=$((tap_failed + 1))
		return 1
	fi
}

# diag TEXT: a comment in the TAP stream, long lines cut
diag() {
	printf '%s\n' "$*" | sed 's/^/# /; s/^\(.\{400\}\).*/\1.../'
}

# is GOT EXPECTED NAME
is() {
	ok "$3" [ "$1" = "$2" ] || diag "got:      $1
expected: $2"
}

# like GOT ERE NAME, unlike GOT ERE NAME: some line matches, none does
like() {
	ok "$3" matches "$1" "$2" || diag "got:   $1
no match for: $2"
}
unlike() {
	ok "$3" no matches "$1" "$2" || diag "got:   $1
unwanted: $2"
}
matches() { printf '%s\n' "$1" | grep -Eq -e "$2"; }
no() { ! "$@"; }

# json FILTER EXPECTED NAME: the last body, through jq -r
json() {
	is "$(jq -r "$1" "$tmp/body" 2>&1)" "$2" "$3"
}

# quiet FILE NAME [ERE]: the file holds only lines that match the ERE, Apache's
# notices, and lines about queued messages.  A sanitizer's report fails whatever
# the ERE says.
#
# $installs is an ERE for the line about an installation.
installs='installed: [0-9a-f-]{36} of [^ ]*, (room|group) [0-9]+: installed$'
quiet() {
	quiet_notice='^\[[^]]*\] \[[a-z_]*:notice\] |: [0-9]+-[0-9]+-[0-9]+: queued, '
	quiet_got=$( # grep's own complaint, should the file be missing, counts
		grep -E 'Sanitizer|runtime error:' "$1" 2>&1
		grep -Ev -e "$quiet_notice" -e "${3:-^\$}" "$1" 2>&1
	)
	is "$quiet_got" '' "$2"
}

# End of a test.  The plan comes last, so a script that dies early fails, too.
done_testing() {
	echo "1..$tap_run"
	[ "$tap_failed" = 0 ] && exit 0
	if [ -s "$tmp/apache/error_log" ]; then
		diag "end of Apache's error log:"
		diag "$(tail -n 20 "$tmp/apache/error_log")"
	fi
	exit 1
}

# The test can't go on.  prove reports that, because there is no plan.
die() {
	echo "$0: $*" >&2
	exit 1
}

# ---- requests ---------------------------------------------------------------

# cgi PROGRAM METHOD [-u NAME…] [NAME=VALUE…] [<body]
#
# Runs a CGI program as a web server would, without one.  Standard input is
# the body of a POST or PUT, and is not read otherwise; CONTENT_LENGTH is its
# length.  The arguments after the method are env(1)'s: they add to the
# environment or replace what is in it; -u removes a variable.
#
# Sets $status (200 if the program named none) and $rc, its exit status, and
# fills $tmp/headers, $tmp/body and $tmp/stderr, without its times.
cgi() {
	cgi_program=$B/cgi-bin/$1 cgi_method=$2 cgi_length=''
	cgi_script=/$1
	shift 2
	: >"$tmp/request"
	case $cgi_method in
	POST | PUT)
		cat >"$tmp/request"
		cgi_length=$(($(wc -c <"$tmp/request")))
		;;
	esac
	rc=0
	env -i PATH="$PATH" \
		${ASAN_OPTIONS:+"ASAN_OPTIONS=$ASAN_OPTIONS"} \
		${UBSAN_OPTIONS:+"UBSAN_OPTIONS=$UBSAN_OPTIONS"} \
		GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 \
		SERVER_NAME=addon.example.com SERVER_PORT=443 HTTPS=on \
		REQUEST_SCHEME=https HTTP_HOST=addon.example.com \
		REQUEST_METHOD="$cgi_method" SCRIPT_NAME="$cgi_script" \
		QUERY_STRING= REMOTE_ADDR=127.0.0.1 \
		${cgi_length:+"CONTENT_LENGTH=$cgi_length"} \
		${cgi_length:+"CONTENT_TYPE=application/json"} \
		HIPCHAT_CONFIG="$no_settings" \
		HIPCHAT_DATA_DIR="$tmp/data" HIPCHAT_TEMPLATE_DIR="$PWD/templates" \
		HIPCHAT_ALLOWED_HOSTS="${HIPCHAT:-*.hipchat.com}" \
		HIPCHAT_WEBHOOK_AUTH=none HIPCHAT_COURIER_IDLE=1 \
		env "$@" timeout 120 "$cgi_program" \
		<"$tmp/request" >"$tmp/response" 2>"$tmp/stderr" || rc=$?
	untimed "$tmp/stderr"

	cgi_cr=$(printf '\r')
	sed "/^$cgi_cr\{0,1\}\$/q" "$tmp/response" >"$tmp/headers.raw"
	tail -c "+$(($(wc -c <"$tmp/headers.raw") + 1))" "$tmp/response" \
		>"$tmp/body"
	tr -d '\r' <"$tmp/headers.raw" >"$tmp/headers"
	status=$(header Status)
	status=${status%% *}
	status=${status:-200}
}

# http METHOD URL [CURL-ARGUMENT…]: the same over HTTP, with the same results
# ($status is 000 if no complete answer came; $rc is curl's).
http() {
	http_method=$1 http_url=$2 rc=0
	shift 2
	case $http_method in
	HEAD) set -- --head "$@" ;;
	*) set -- --request "$http_method" "$@" ;;
	esac
	: >"$tmp/headers"
	: >"$tmp/body"
	status=$(curl -sS -m 120 --path-as-is -D "$tmp/headers.raw" \
		-o "$tmp/body" -w '%{http_code}' "$@" "$http_url" \
		2>"$tmp/stderr") || rc=$? status=000
	tr -d '\r' <"$tmp/headers.raw" >"$tmp/headers"
	[ "$http_method" != HEAD ] || : >"$tmp/body"
}

# untimed FILE: takes the time off each line of a log
untimed() {
	sed -i 's/^[0-9]\{4\}\(-[0-9][0-9]\)\{2\}T[0-9:]\{8\}Z //' "$1"
}

# header NAME: its value in the last response; nothing if it is not there
header() {
	sed -n "/^[^ ]*:/s/^$1: *//Ip" "$tmp/headers"
}

# wait_for COMMAND [ARGUMENT…]: until it succeeds; fails after 30 s.
wait_for() {
	wait_left=300
	until "$@"; do
		wait_left=$((wait_left - 1))
		[ "$wait_left" -gt 0 ] || return 1
		sleep 0.1
	done
}

# ---- processes --------------------------------------------------------------

# A zombie has ended.
alive() { grep -q '^State:.[^XZ]' "/proc/$1/status" 2>/dev/null; }
said_or_gone() { [ -s "$1" ] || ! alive "$2"; }
gone() { ! alive "$1"; }

# end PID: TERM, and KILL if that did not help within 30 s.
end() {
	kill "$1" 2>/dev/null || return 0
	wait_for gone "$1" || kill -KILL "$1"
	wait "$1" 2>/dev/null || :
}

. t/lib/servers.sh
. t/lib/dialogue.sh
