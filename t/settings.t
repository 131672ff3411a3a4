#!/bin/sh
# The settings file: all programs read the same one, and the environment wins.
. t/lib/lib.sh

conf=$tmp/hipchat-cgi.conf

# from_file PROGRAM METHOD [ARGUMENT…]: cgi() with the file, and none of cgi()'s settings
from_file() {
	from_program=$1 from_method=$2
	shift 2
	cgi "$from_program" "$from_method" -u HIPCHAT_DATA_DIR \
		-u HIPCHAT_TEMPLATE_DIR -u HIPCHAT_ALLOWED_HOSTS \
		-u HIPCHAT_WEBHOOK_AUTH -u HIPCHAT_COURIER_IDLE \
		HIPCHAT_CONFIG="$conf" "$@"
}
# courier [NAME=VALUE…] PROGRAM [ARGUMENT…]: the same for it; sets $rc
courier() {
	rc=0
	env -i PATH="$PATH" ${ASAN_OPTIONS:+"ASAN_OPTIONS=$ASAN_OPTIONS"} \
		${UBSAN_OPTIONS:+"UBSAN_OPTIONS=$UBSAN_OPTIONS"} \
		HIPCHAT_CONFIG="$conf" env "$@" >"$tmp/out" 2>"$tmp/stderr" \
		</dev/null || rc=$?
}
# logged: what the program said, without the times
logged() { sed 's/^[0-9-]*T[0-9:]*Z //' "$tmp/stderr"; }
is_at_work() { [ -n "$(couriers)" ]; }
queued() { grep -c '^[qc] ' "$tmp/data/outbox/queue"; }

start_hipchatd
cat >"$conf" <<END
# What all of them need, and the courier that echo starts.
HIPCHAT_BASE_URL=https://file.example.com
HIPCHAT_ADDON_NAME="Ann's add-on"
HIPCHAT_DATA_DIR=$tmp/data
HIPCHAT_TEMPLATE_DIR='$PWD/templates'
HIPCHAT_ALLOWED_HOSTS="chat.example.com $HIPCHAT"
HIPCHAT_WEBHOOK_AUTH=none
HIPCHAT_COURIER=/bin/true
HIPCHAT_COURIER_IDLE=0
END

from_file capabilities GET
is "$status $(logged)" '200 ' 'capabilities'
json '.name + " " + .links.self' \
	"Ann's add-on https://file.example.com/capabilities" '... has the file'
from_file capabilities GET HIPCHAT_ADDON_NAME=other HIPCHAT_BASE_URL=
json '.name + " " + .links.self' \
	'other https://file.example.com/capabilities' \
	'... and the environment first, where it is not empty'

# ---- the path of a message --------------------------------------------------

room=$(control POST rooms '{"name":"Den"}' | jq -er .id)
start_apache HIPCHAT_WEBHOOK_AUTH=none
control POST install "{\"url\":\"$ADDON/capabilities\",\"room_id\":$room}" \
	>"$tmp/answer"
id=$(jq -er .oauth_id "$tmp/answer") || die 'not installed'
control GET log | jq -e '[.[] | select(.direction == "out" and
	.method == "POST") | .request_body | fromjson] | last' >"$tmp/credentials"
stop_apache
rm -rf "$tmp/data"
mkdir -m 700 "$tmp/data"

from_file installed POST <"$tmp/credentials"
is "$status" 200 'installed: an allowed host'
from_file installed POST HIPCHAT_ALLOWED_HOSTS=chat.example.com \
	<"$tmp/credentials"
is "$status" 403 'installed: the environment wins'
sed '/^HIPCHAT_ALLOWED_HOSTS/d' "$conf" >"$tmp/no-hosts.conf"
from_file installed POST HIPCHAT_CONFIG="$tmp/no-hosts.conf" \
	<"$tmp/credentials"
is "$status" 403 'installed: without the setting no host is allowed'
like "$(logged)" 'HIPCHAT_ALLOWED_HOSTS' '... and the log names it'

# say TEXT [NAME=VALUE…]: a webhook
say() {
	printf '{"event":"room_message","oauth_client_id":"%s","item":{
		"room":{"id":%s},"message":{"id":"%s","message":"/echo %s"}}}' \
		"$id" "$room" "$1" "$1" >"$tmp/webhook"
	shift
	from_file echo POST "$@" <"$tmp/webhook"
}
has_said() {
	control GET "rooms/$room" | jq -e --arg text "$1" 'any(.messages[];
		.type == "notification" and .message == $text)' >"$tmp/answer"
}
say one
is "$status" 204 'echo'
is "$(queued)" 1 '... and the message is queued'
courier "$B/cgi-bin/courier" --status --json
is "$rc $(logged)" '0 ' 'courier --status'
is "$(jq -c '[.. | objects | select(has("queued")) | .queued] | max' \
	"$tmp/out")" 1 '... of the same data directory'
courier HIPCHAT_DATA_DIR="$tmp/nowhere" "$B/cgi-bin/courier" --status
is "$rc" 1 'courier: the environment wins'
say two HIPCHAT_COURIER="$PWD/$B/cgi-bin/courier"
is "$status" 204 'a webhook that starts the courier'
ok '... which has the file: it delivers both' wait_for has_said two
ok '... the earlier one first' has_said one
ok '... and leaves' wait_for no is_at_work

# ---- an invalid file --------------------------------------------------------

# refused REASON: by all programs, with one line each
refused() {
	for program in capabilities installed uninstalled echo; do
		method=POST
		[ "$program" != capabilities ] || method=GET
		from_file "$program" "$method" <"$tmp/webhook"
		is "$status" 500 "$program: $1"
		is "$(logged)" "$program: $conf$1" '... in the log'
		json '.error.message | test("misconfigured")' true \
			'... and to the client no detail'
	done
	courier "$B/cgi-bin/courier" --status
	is "$rc $(logged)" "1 courier: $conf$1" "courier: $1"
}
cp "$conf" "$tmp/good.conf"
echo HIPCHAT_ALOWED_HOSTS=a >>"$conf"
refused ':10: HIPCHAT_ALOWED_HOSTS: no setting has this name'
cp "$tmp/good.conf" "$conf"
chmod 666 "$conf"
refused ': others than its owner may write it'
rm "$conf"
refused ': No such file or directory'

# ---- the file that make install looks for -----------------------------------

cp -R -p "$B" "$tmp/built"
ok 'built for another SYSCONFDIR' make -s --no-print-directory B="$tmp/built" \
	SYSCONFDIR="$tmp/etc" STATEDIR="$tmp/state" "$tmp/built/cgi-bin/courier"
# unnamed PATTERN NAME: what the courier says if no file is named
unnamed() {
	courier -u HIPCHAT_CONFIG "$tmp/built/cgi-bin/courier" --status
	like "$(cat "$tmp/stderr")" "$1" "$2"
}
unnamed " courier: $tmp/state: " 'without the file: the defaults'
mkdir "$tmp/etc"
echo "HIPCHAT_DATA_DIR=$tmp/other" >"$tmp/etc/hipchat-cgi.conf"
unnamed " courier: $tmp/other: " 'the file'
echo HIPCHAT >>"$tmp/etc/hipchat-cgi.conf"
unnamed " courier: $tmp/etc/hipchat-cgi.conf:2: neither" 'a bad line of it'
done_testing
