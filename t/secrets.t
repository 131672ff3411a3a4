#!/bin/sh
# Secrets stay where they belong: each installation's secret in
# installations/, each token in tokens/, and no part of them, or of a signed
# JWT, in a log, an answer, the outbox, an argument list, an environment or a
# core file, whether things go well or badly.  Whatever the umask, only the
# owner has access to the files, and there are none outside the data directory.
. t/lib/lib.sh
. t/lib/courier.sh

case $B in /*) ;; *) B=$PWD/$B ;; esac

# Apache and all programs run with this umask and may write core files.
umask 0
ulimit -c unlimited 2>/dev/null || diag 'core files are limited already'
mkdir "$tmp/elsewhere"		# not theirs, but writable by anybody
courier_name=c-${tmp##*.}
cp "$B/cgi-bin/courier" "$tmp/$courier_name"
start_hipchatd
start_apache HIPCHAT_WEBHOOK_AUTH=jwt HIPCHAT_DEBUG=1 \
	HIPCHAT_COURIER="$tmp/$courier_name" \
	TMPDIR="$tmp/elsewhere" HOME="$tmp/elsewhere"
umask 022
outside=$(cd "$tmp" && find cgi-bin templates elsewhere apache/htdocs -ls)
room=$(new_room Den) room2=$(new_room Lair)

# ---- helpers ----------------------------------------------------------------

# ask METHOD PATH [CURL-ARGUMENT…]: http(), and keep the answer
ask() {
	ask_method=$1 ask_path=$2
	shift 2
	http "$ask_method" "$ADDON$ask_path" "$@"
	cat "$tmp/headers" "$tmp/body" >>"$tmp/answers"
}

# post_install JQ: somebody's credentials, changed by the filter
post_install() {
	jq -c "$1" "$tmp/credentials" >"$tmp/post"
	ask POST /installed -d "@$tmp/post"
}

# say ROOM TEXT: as a person would; HipChat signs the webhooks
say() {
	control POST "rooms/$1/say" "{\"message\":\"$2\"}" |
		jq -r '[.webhooks[].status] | join(" ")'
}

# secrets: all that the stand-in has given out or was shown, and what we have
# made up, one per line
secrets() {
	{
		control GET log | jq -r '.[] |
			(.request_headers, .response_headers | .Authorization?,
			.authorization?),
			((.request_body, .response_body) | fromjson? |
			.oauthSecret?, .access_token?) | strings' |
			sed 's/^[A-Za-z]* //'
		control GET installations | jq -r '.[].oauth_secret'
		cat "$tmp/made-up"
	} | sed 'p; s/.*\.//' | awk 'length >= 16' | sort -u
}
: >"$tmp/made-up"

# made_up: a new one, which must not turn up anywhere
made_up() {
	made_up=marker$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
	echo "$made_up" >>"$tmp/made-up"
}

# holds FILE…: which of them hold one of the secrets
holds() {
	grep -alrF -f "$tmp/secrets" "$@" 2>/dev/null | sed "s|^$tmp/||" | sort
}

# pids PROGRAM: of those that Apache is running.  Anybody can read
# /proc/PID/stat, but not /proc/PID/exe once the program is in its sandbox.
pids() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v name="($1)" \
		-v apache="$apache_pid" '{ parent[$1] = $4; comm[$1] = $2 }
		END { for (pid in comm) if (comm[pid] == name &&
			parent[parent[pid]] == apache) print pid }'
}
# A courier is nobody's child: we recognize ours by its name.  It is two
# processes, a parent and the worker, which does all.
couriers_by_name() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v name="($courier_name)" \
		'$2 == name && $3 != "Z" { print $1, $4 }'
}
courier_pid() {
	couriers_by_name | awk '{ parent[$1] = $2 } END { for (pid in parent)
		if (parent[pid] in parent) print pid }'
}
runs() { [ -n "$(pids "$1")" ]; }
courier_runs() { [ -n "$(courier_pid)" ]; }
is_over() { [ -z "$(couriers_by_name)" ]; }

# confined PID NAME: no core file, and nothing secret for ps(1) to show
confined() {
	is "$(sed -n 's/^Max core file size *//p' "/proc/$1/limits" |
		tr -s ' ')" '0 0 bytes ' "$2: no core file"
	tr '\0' ' ' <"/proc/$1/cmdline" >"$tmp/cmdline"
	like "$(cat "$tmp/cmdline")" \
		'^([^ ]*/)?(installed|uninstalled|courier --linger) *$' \
		"$2: its arguments"
}

# ---- a whole life -----------------------------------------------------------

a=$(install "$room") b=$(install "$room2") || exit
credentials "$a" >"$tmp/credentials"
secret=$(jq -r .oauthSecret "$tmp/credentials")

good_ways() {
	is "$(say "$room" '/echo one privatetext')" 204 'a webhook'
	ok 'a webhook: answered' wait_for has_said "$room" one 'one privatetext'
	control POST install "{\"url\":\"$ADDON/capabilities\",
		\"oauth_id\":\"$b\",\"new_secret\":true}" >"$tmp/answer"
	is "$(jq .callback_status "$tmp/answer")" 200 'a new secret'
	control POST "installations/$a/revoke-tokens"
	is "$(say "$room" '/echo two privatetext')" 204 'a revoked token'
	ok 'a revoked token: answered all the same' \
		wait_for has_said "$room" two 'two privatetext'
}

# While the programs wait for HipChat.
under_way() {
	fault '"route": "token", "fault": "delay", "ms": 0, "hold": true'
	curl -sS -m 120 -o "$tmp/held.body" -d "@$tmp/credentials" \
		"$ADDON/installed" &
	held=$!
	wait_for runs installed || die 'installed does not run'
	wait_for confined_yet "$(pids installed)"
	confined "$(pids installed)" installed
	control POST release
	wait "$held"

	fault '"route": "token", "fault": "delay", "ms": 0, "hold": true'
	curl -sS -m 120 -o "$tmp/held.body" -d "oauthId=$a" \
		"$ADDON/uninstalled" &
	held=$!
	wait_for runs uninstalled || die 'uninstalled does not run'
	wait_for confined_yet "$(pids uninstalled)"
	confined "$(pids uninstalled)" uninstalled
	control POST release
	wait "$held"

	fault '"route": "notification", "fault": "delay", "ms": 0, "hold": true'
	is "$(say "$room" '/echo three privatetext')" 204 'a slow HipChat'
	wait_for courier_runs || die 'no courier runs'
	wait_for confined_yet "$(courier_pid)"
	confined "$(courier_pid)" courier
	# readable for root only, or with the sanitizers, which need it
	is "$(cat "/proc/$(courier_pid)/environ" 2>/dev/null | tr '\0' '\n' |
		grep -E '^(HTTP_|QUERY_|CONTENT_|REMOTE_|AUTH)')" '' \
		"courier: its environment has nothing of the request's"
	# in case it crashes in the middle of it
	worker=$(courier_pid)
	kill -ABRT "$worker"
	ok 'courier: one that crashes has a successor' \
		wait_for has_successor "$worker"
	for pid in $(couriers_by_name | cut -d ' ' -f 1); do
		kill -KILL "$pid"
	done 2>/dev/null
	wait_for is_over
	control POST release
}
has_successor() { courier_runs && [ "$(courier_pid)" != "$1" ]; }
confined_yet() { grep -q '^Max core file size *0 ' "/proc/$1/limits"; }

# ---- when things go wrong ---------------------------------------------------

bad_installs() {
	made_up
	for filter in ".oauthSecret = \"$made_up\"" \
		".oauthSecret = \"$made_up $made_up\"" \
		".oauthSecret = \"$made_up\u0000\"" \
		".oauthSecret = ([range(20)] | map(\"$made_up\") | add)" \
		".oauthSecret = [\"$made_up\"]" \
		".oauthSecret = {\"$made_up\": 1}" \
		".oauthId = \"\(.oauthSecret) \"" ".oauthId = [.oauthSecret]" \
		".roomId = .oauthSecret" ".groupId = .oauthSecret" \
		".capabilitiesUrl = \"https://example.com/?\(.oauthSecret)\"" \
		".capabilitiesUrl = \"https://example.com/#\(.oauthSecret)\"" \
		".capabilitiesUrl = \"https://x:\(.oauthSecret)@example.com/\"" \
		".capabilitiesUrl = \"https://\(.oauthSecret)@example.com/\"" \
		".capabilitiesUrl += \"?\(.oauthSecret)\"" \
		'del(.oauthId)' 'del(.groupId)' 'del(.capabilitiesUrl)'; do
		post_install "$filter"
		like "$status" '^(40[0-9]|502)$' "install: $(printf %s \
			"$filter" | tr '\\' '|' | sed 's/marker[0-9a-f]*/x/g')"
	done
	printf '{"oauthSecret": "%s", "%s"' "$secret" "$secret" >"$tmp/post"
	ask POST /installed -d "@$tmp/post"
	is "$status" 400 'install: broken JSON'

	made_up
	for body in '{\"access_token\": \"'"$made_up"' x\"}' \
		'{\"access_token\": [\"'"$made_up"'\"]}' \
		'{\"access_token\": \"'"$made_up"'\"' "$made_up"; do
		fault '"route": "token", "fault": "body", "status": 200,
			"body": "'"$body"'"'
		post_install .
		is "$status" 502 'install: an odd token'
	done
	for how in html half truncated reset_after endless; do
		fault "\"route\": \"token\", \"fault\": \"$how\""
		post_install .
		is "$status" 502 "install: the token: $how"
	done
}

bad_removals() {
	browser="/uninstalled?redirect_url=$HIPCHAT/&installable_url=$HIPCHAT"
	ask DELETE "/installed/$a"
	is "$status" 409 'DELETE of what is installed'
	made_up
	fault '"route": "installable", "fault": "body", "status": 200, "body":
		"{\"oauthId\": \"'"$a"'\", \"oauthSecret\": \"'"$made_up"'\"}"'
	ask GET "$browser/v2/installable/1"
	is "$status" 403 'a document with another secret'
	fault '"route": "installable", "fault": "body", "status": 200, "body":
		"{\"oauthId\": \"'"$a"'\", \"oauthSecret\": \"'"$secret"'\""'
	ask GET "$browser/v2/installable/1"
	is "$status" 502 'a document that is cut'
	fault '"route": "token", "fault": "status", "status": 500'
	ask POST /uninstalled -d "oauthId=$a"
	is "$status" 503 'HipChat is ill'
}

bad_webhooks() {
	printf '{"event":"room_message","oauth_client_id":"%s","item":{
		"room":{"id":%s},"message":{"id":"x",
		"message":"/echo forged privatetext"}}}' \
		"$a" "$room2" >"$tmp/webhook"
	jwt=$(t/sign-webhook.sh "$a" "$secret" "$room")
	echo "$jwt" >>"$tmp/made-up"
	for header in "Authorization: JWT $jwt" "Authorization: JWT ${jwt}x" \
		"Authorization: $jwt" "Authorization: Basic $jwt" \
		"Authorization: JWT token=$jwt,$jwt" "Cookie: $jwt"; do
		ask POST /echo -H "$header" -d "@$tmp/webhook"
		is "$status" 401 "webhook: $(echo "$header" | cut -c -20)..."
	done
	echo "{\"oauth_client_id\": \"$secret\", \"event\": \"$jwt\"" |
		ask POST /echo -H "Authorization: JWT $jwt" -d @-
	jq -c ".oauth_client_id = \"$(printf %.200s "$jwt")\"" \
		"$tmp/webhook" >"$tmp/post"
	ask POST /echo -H "Authorization: JWT $jwt" -d '{"a": "privatetext'
	is "$status" 400 'webhook: broken JSON'
}

# HipChat's refusals, which end up in failed/ and in the courier's log.
bad_deliveries() {
	for status in 401 401 403 404 400 500 503 429; do
		fault '"route": "notification", "fault": "status", "status": '$status
	done
	for how in reset_before reset_after half; do
		fault "\"route\": \"notification\", \"fault\": \"$how\""
	done
	for n in 1 2 3 4 5; do
		is "$(say "$room" "/echo failing $n privatetext")" 204 \
			"a delivery that fails: $n"
	done
	wait_for some_have_failed || die 'nothing has failed'
	wait_for has_deferred || die 'nothing is deferred'
}
some_have_failed() { [ "$(grep -c '^q ' "$tmp/data/outbox/failed")" -ge 3 ]; }
has_deferred() { grep -q ': deferred for ' "$tmp/data/courier.log"; }

# A data directory that is damaged.
bad_store() {
	chmod 777 "$tmp/data"
	post_install .
	is "$status" 500 'a data directory for everybody'
	is "$(say "$room" '/echo unseen privatetext')" 500 \
		'a data directory for everybody: a webhook'
	chmod 700 "$tmp/data"
	cp -Rp "$tmp/data/installations" "$tmp/saved"
	# a damaged record, whose text might get into a complaint
	for file in "$tmp"/saved/*.db; do
		sed 's/"oauthSecret"/"oauthSecreT"/' "$file" \
			>"$tmp/data/installations/${file##*/}"
	done
	is "$(say "$room" '/echo unseen privatetext')" 500 'a damaged store'
	post_install .
	is "$status" 500 'a damaged store: an install'
	for file in "$tmp"/saved/*.db; do
		cat "$file" >"$tmp/data/installations/${file##*/}"
	done
	rm -r "$tmp/saved"
}

# ---- what is left -----------------------------------------------------------

nothing_leaked() {
	secrets >"$tmp/secrets"
	is "$(grep -c -e "$secret" -e "${jwt##*.}" "$tmp/secrets")" 3 \
		"$1: what to look for"
	control GET log | jq -r '.[] | select(.direction == "out" and
		(.url | endswith("/capabilities") | not)) |
		.response_body, (.response_headers | tojson)' >>"$tmp/answers"

	is "$(holds "$tmp/data" | sed 's|/...\.db$||' | sort -u)" \
		"$(printf 'data/%s\n' installations tokens)" \
		"$1: the data directory: in the two books only"
	is "$(holds "$tmp/apache" "$tmp/cgi-bin" "$tmp/templates" \
		"$tmp/elsewhere" "$tmp/hipchatd.log")" "${2:-}" \
		"$1: logs, and other files"
	ok "$1: there are answers" [ -s "$tmp/answers" ]
	is "$(holds "$tmp/answers" "$tmp/held.body")" '' "$1: answers"
	is "$(grep -lr privatetext "$tmp/apache" "$tmp/answers" \
		"$tmp/data"/courier.log*)" '' "$1: what was said was not logged"
	is "$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' |
		grep -cF -f "$tmp/secrets")" 0 "$1: argument lists"
}

kept_to_itself() {
	is "$(find "$tmp/data" \( -type d ! -perm 700 \) -o \
		\( ! -type d ! -perm 600 \) -exec ls -ld {} +)" '' \
		"$1: all files are the owner's alone"
	ok "$1: the queue's too" [ -p "$tmp/data/outbox/trigger" ]
	is "$(cd "$tmp" && find cgi-bin templates elsewhere apache/htdocs -ls)" \
		"$outside" "$1: there are none elsewhere"
	is "$(find "$tmp" -name 'core*' ! -path '*/data/*'
		find /tmp /var/tmp -maxdepth 1 -name 'BDB*' -newer "$tmp/made-up" \
			2>/dev/null)" '' "$1: no core file"
}

good_ways
under_way
bad_installs
bad_removals
bad_webhooks
bad_deliveries
bad_store
no_faults
ok 'the rest is delivered' wait_for is_over
nothing_leaked 'header'
kept_to_itself 'umask 0'

# A token in the query gets into Apache's access log, as the README warns, and
# nowhere else.
control POST settings '{"signed_request":true}' >"$tmp/answer"
is "$(say "$room" '/echo four privatetext')" 204 'a token in the query'
ok 'a token in the query: answered' wait_for has_said "$room" four \
	'four privatetext'
nothing_leaked 'query' 'apache/access_log'

for form in A B; do
	id=$b
	[ $form = A ] || id=$a
	control POST remove "{\"oauth_id\":\"$id\",\"form\":\"$form\"}" |
		jq -r .removed >"$tmp/answer"
	is "$(cat "$tmp/answer")" true "removed by form $form"
done
wait_for is_over
is "$(holds "$tmp/data")" '' 'removed: none is left in the data directory'
kept_to_itself 'removed'
stop_apache

# ---- every program, under other masks ---------------------------------------

# in env(1)'s arguments: with another mask, in a directory that is nobody's
masked='umask "$1"; shift; cd "$1" || exit; shift; exec "$@"'

# A program in between writes down what echo gives to the courier.
cat >"$tmp/witness" <<-END
	#!/bin/sh
	{ env; printf '%s\n' "\$0" "\$@"; } >"$tmp/witnessed"
	exec "$tmp/$courier_name" "\$@"
END
chmod 755 "$tmp/witness"
start_apache HIPCHAT_WEBHOOK_AUTH=jwt
a=$(install "$room") || exit
credentials "$a" >"$tmp/credentials"
secret=$(jq -r .oauthSecret "$tmp/credentials")
stop_apache
for mask in 0 0077 0777; do
	rm -rf "$tmp/data"
	mkdir -m 700 "$tmp/data"
	cgi installed POST sh -c "$masked" sh $mask "$tmp/elsewhere" \
		<"$tmp/credentials"
	is "$status" 200 "umask $mask: installed"
	quiet "$tmp/stderr" "umask $mask: installed, and no more is said" \
		"$installs"
	jwt=$(t/sign-webhook.sh "$a" "$secret" "$room")
	box=$tmp/data no_courier=$tmp/witness
	webhook "$a" "$room" "mask-$mask" "mask $mask" HIPCHAT_WEBHOOK_AUTH=jwt \
		HTTP_AUTHORIZATION="JWT $jwt" QUERY_STRING="signed_request=$jwt" \
		HTTP_COOKIE="$secret" \
		sh -c "$masked" sh $mask "$tmp/elsewhere"
	is "$status" 204 "umask $mask: echo"
	quiet "$tmp/stderr" "umask $mask: echo: its log"
	ok "umask $mask: delivered" wait_for has_said "$room" "mask $mask" \
		"mask $mask"
	wait_for is_over
	cgi uninstalled POST QUERY_STRING="oauthId=$a" \
		sh -c "$masked" sh $mask "$tmp/elsewhere" </dev/null
	is "$status" 409 "umask $mask: uninstalled"
	kept_to_itself "umask $mask"
	ok "umask $mask: the courier was started" grep -q linger "$tmp/witnessed"
	is "$(grep -cF -e "$jwt" -e "$secret" "$tmp/witnessed")" 0 \
		"umask $mask: without anything secret"
done
done_testing
