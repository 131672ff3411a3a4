#!/bin/sh
# The order of events that all endpoints share: confined before the first byte
# of a body is read; no fork for a request that will be refused; nothing held
# while a client sends its body slowly.
. t/lib/lib.sh
. t/lib/courier.sh

endpoints=$(cd cgi-bin && ls ./*.c | sed 's|^\./||; s|\.c$||')
# a sanitizer looks for leaks with ptrace, of which strace has made use already
leaks=ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

# traced PROGRAM METHOD [NAME=VALUE…] <body: its system calls are in $tmp/trace
traced() {
	traced_program=$1 traced_method=$2
	shift 2
	cgi "$traced_program" "$traced_method" "$leaks" "$@" \
		strace -f -qq -o "$tmp/trace" \
		-e trace='read,/landlock,/clone|fork'
}
# forks: how many there were, but for that of timeout(1)
forks() {
	echo $(($(grep -Ec '^[0-9]+ +(clone|clone3|fork|vfork)\(' \
		"$tmp/trace") - 1))
}

# ---- confined before the body -----------------------------------------------

for name in $endpoints; do
	echo '{"oauthId": "x"}' >"$tmp/in"
	traced "$name" POST <"$tmp/in"
	is "$(grep -oE 'landlock_restrict_self\(|read\(0, "\{' "$tmp/trace" |
		tr '\n' ' ')" 'landlock_restrict_self( read(0, "{ ' \
		"$name: confined, and then reads"
done

# A body that never comes.
: "${HIPCHAT:=http://127.0.0.1:9}"
fresh_data() { rm -rf "$tmp/data" && mkdir -m 700 "$tmp/data"; }
mkfifo "$tmp/fifo"
# dribble [NAME=VALUE…]: echo waits for its body, as $echo_pid; the body goes to
# descriptor 9
dribble() {
	exec 9<>"$tmp/fifo"
	# shellcheck disable=SC2094 # it is a FIFO
	(exec env -i PATH="$PATH" ${ASAN_OPTIONS:+"ASAN_OPTIONS=$ASAN_OPTIONS"} \
		REQUEST_METHOD=POST CONTENT_LENGTH="$length" SCRIPT_NAME=/echo \
		HTTP_HOST=addon.example.com HIPCHAT_CONFIG="$no_settings" \
		HIPCHAT_DATA_DIR="$box" HIPCHAT_WEBHOOK_AUTH=none \
		HIPCHAT_COURIER="$no_courier" \
		"$@" "$B/cgi-bin/echo" <"$tmp/fifo" >"$tmp/slow.out" \
		2>"$tmp/slow.err" 9<&-) &
	echo_pid=$!
	wait_for waiting "$echo_pid" || die "echo: $(cat "$tmp/slow.err")"
}
# in poll(2), with the name that it has itself
waiting() {
	[ "$(cat "/proc/$1/comm" 2>/dev/null)" = echo ] &&
		grep -q poll "/proc/$1/wchan" 2>/dev/null
}
hang_up() {
	exec 9<&-
	wait "$echo_pid" || :
}

box=$tmp/data length=100
dribble
limit() { sed -n "s/^$1  *\([^ ]*\).*/\1/p" "/proc/$echo_pid/limits"; }
is "$(limit 'Max core file size') $(limit 'Max cpu time')" '0 10' \
	'a body that never comes: its limits hold already'
like "$(cat "/proc/$echo_pid/status")" '^NoNewPrivs:.*1$' \
	'... and it has no way to more'
case ${ASAN_OPTIONS:-$B} in
*asan*) ;;
*) is "$(limit 'Max processes')" 0 '... nor to another process' ;;
esac
# No file of the outbox is locked, nor is the outbox itself.
locks() {
	for locks_inode in $(stat -c %i "$box/outbox" "$box"/outbox/*); do
		grep -E "FLOCK .* $echo_pid [^ ]*:$locks_inode " /proc/locks
	done
}
is "$(locks)" '' '... and holds no lock'
hang_up

# ---- no fork for a request that will be refused -----------------------------

fresh_data
no_forks() {
	traced echo "$@" <"$tmp/in"
	is "$status $(forks)" "$expected 0" \
		"refused with $expected: no fork"
}
expected=405 && no_forks GET
expected=411 && no_forks POST CONTENT_LENGTH=
expected=400 && no_forks POST CONTENT_LENGTH=x
expected=413 && no_forks POST CONTENT_LENGTH=262145
traced echo POST HIPCHAT_COURIER="$tmp/no-courier" <"$tmp/in"
is "$(forks)" 2 'a good head, and no courier runs: a child for it'

# ---- nothing held while a client dribbles -----------------------------------

fresh_data # what is there may be another user's
start_hipchatd
room=$(new_room Den)
start_apache HIPCHAT_WEBHOOK_AUTH=none
a=$(install "$room") || die 'not installed'
credentials "$a" >"$tmp/a.json"
stop_apache
keep "$a"
fresh slow

printf '{"event":"room_message","oauth_client_id":"%s","item":{"room":{"id":%s},"message":{"id":"slow-1","message":"/echo at last"}}}' \
	"$a" "$room" >"$tmp/webhook"
length=$(($(wc -c <"$tmp/webhook")))
has_courier() { [ -n "$(couriers)" ]; }
# A courier that has nothing to do stands still until a client dribbles.
dribble_beside_courier() {
	settings=HIPCHAT_COURIER_IDLE=2
	start_courier --linger
	settings=
	wait_for has_courier
	kill -STOP "$courier_pid"
	dribble
	kill -CONT "$courier_pid"
}
dribble_beside_courier
is "$(locks)" '' 'a courier runs, and a client dribbles: no lock is held'
sleep 4 # in which a courier with nothing to do would have left
cat "$tmp/webhook" >&9
wait "$echo_pid"
like "$(cat "$tmp/slow.out")" '^Status: 204' 'the webhook comes in the end'
ok '... and the courier that the sender counted on is there' \
	wait_for has_said "$room" at 'at last'
exec 9<&-
ok 'then it leaves' wait_for gone "$courier_pid"

dribble_beside_courier
hang_up
ok 'it leaves, too, when the client goes without a word' \
	wait_for gone "$courier_pid"

# ---- one grep ---------------------------------------------------------------

fresh grep
webhook "$a" "$room" slow-2 followed
cp "$tmp/stderr" "$tmp/echo.log"
courier
like "$(grep -h slow-2 "$tmp/echo.log")" '^echo: [0-9-]+: queued' \
	'one grep follows a webhook: in the log of the web server'
like "$(grep -h slow-2 "$box/courier.log")" \
	" courier: [0-9-]+: delivered, room $room of $a" \
	'... and in the log of the courier'
done_testing
