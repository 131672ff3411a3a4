#!/bin/sh
# A HipChat that misbehaves: whatever it answers, or does not, when the add-on
# asks for its capabilities, for a token or for an installation's document, the
# add-on's answer is as documented, the log has one line about it, and nothing
# changes on disk.
. t/lib/lib.sh
. t/lib/verdict.sh
echo HIPCHAT_COURIER=/bin/true >"$no_settings" # it would ask HipChat, too

# Subshells that wait for a slow HipChat, each with a stand-in of its own, which
# they end themselves.
slow_pids=
trap 'trap_status=$?
	for pid in $slow_pids; do end "$pid"; done
	(exit "$trap_status")
	clean_up' EXIT

# ---- helpers ----------------------------------------------------------------

# fault ROUTE FAULT [MEMBERS]: what the stand-in does next on that route
fault() {
	control POST faults \
		"{\"route\":\"$1\",\"fault\":\"$2\"${3:+,$3}}" >/dev/null
}

# serve ROUTE JSON: its next answer on that route
serve() { fault "$1" body "\"body\":$(printf %s "$2" | jq -Rs .)"; }

# new_client: an OAuth client at HipChat, $id and $secret, of which the add-on
# knows nothing yet; HipChat takes its own document for the add-on's
new_client() {
	serve capabilities "$(jq -n --arg base "$HIPCHAT" '{
		name: "Test", description: "A test", key: "test",
		links: {self: "\($base)/x", homepage: $base},
		capabilities: {
			installable: {callbackUrl: "\($base)/v2/oauth/token"},
			hipchatApiConsumer: {scopes: ["send_notification"]}
		}}')"
	fault token body '"status":204,"body":""'
	control POST install "{\"url\":\"$HIPCHAT/v2/capabilities\"}" \
		>"$tmp/answer"
	id=$(jq -er .oauth_id "$tmp/answer") || die "$(cat "$tmp/answer")"
	secret=$(jq -er .oauth_secret "$tmp/answer")
}

# install [FILTER]: HipChat's POST to /installed for this client, changed
install() {
	jq -cn --arg id "$id" --arg secret "$secret" --arg base "$HIPCHAT" '{
		oauthId: $id, oauthSecret: $secret,
		capabilitiesUrl: "\($base)/v2/capabilities",
		groupId: 46617, roomId: 2589171}'"${1:+ | $1}" >"$in"
	post installed
}

# installed NAME: it was, and nothing else is said
installed() {
	fine '200 OK' 1 "$1"
	like "$(cat "$tmp/stderr")" \
		"^installed: $id of ${HIPCHAT#http://}, room [0-9]*: installed\$" \
		'... which is logged'
	before=$(disk)
}

# no_faults NAME: the stand-in was asked as often as faults were ordered
no_faults() {
	is "$(control GET faults | jq -c .)" '[]' "$1: HipChat was asked each time"
}

# look: sets $calls to the requests that HipChat has seen since the last look
seen=0
look() {
	control GET "log?since=$seen" >"$tmp/log"
	{
		read -r seen
		read -r calls
	} <<-END
		$(jq -r --argjson seen "$seen" '([.[].n] | max // $seen),
			([.[] | select(.direction == "in")
			| "\(.method) \(.url | sub("^https?://[^/]*"; "")
				| sub("[?].*"; "")) \(.status)"] | join(", "))' "$tmp/log")
	END
}

remove() { cgi installed DELETE PATH_INFO="/$id"; }

# browse [QUERY]: a browser comes with a document's URL
browse() {
	cgi uninstalled GET QUERY_STRING="redirect_url=$HIPCHAT/back&installable_url=${1:-$HIPCHAT/v2/installable/1}"
}

# went_back NAME [ERE]: the browser is sent where it belongs, and the line in
# the log is so
went_back() {
	judge "Status: 302 Found; Cache-Control: no-store; Location: $HIPCHAT/back; " \
		'' $((${2:+1} + 0)) "$1: 302"
	[ -z "${2:-}" ] || like "$(cat "$tmp/stderr")" "^uninstalled: $2" \
		'... which is logged'
	before=$(disk)
}

# stored: the ids in the store, which holds JSON
stored() {
	grep -arho '"oauthId":"[^"]*"' "$tmp/data/installations" | sort -u |
		sed 's/.*:"\(.*\)"/\1/'
}

# ---- slow ones, in the background -------------------------------------------

# slowly NAME STATUS SETUP REQUEST: with a directory and a HipChat of its own;
# the request follows the setup.
slow_names=
slowly() {
	slow_names="$slow_names $1"
	mkdir "$tmp/$1" "$tmp/$1/data"
	chmod 700 "$tmp/$1/data"
	(
		tmp=$tmp/$1 hipchatd_pid='' HIPCHAT=''
		in=$tmp/in
		tap_run=0 tap_failed=0
		trap stop_hipchatd EXIT
		trap 'exit 143' TERM
		start_hipchatd
		new_client
		eval "$3"
		before=$(disk)
		eval "$4"
		refused "$2" "$1"
		unchanged "$1"
	) >"$tmp/$1.tap" 2>&1 </dev/null &
	slow_pids="$slow_pids $!"
}
slowly slow-capabilities 502 'fault capabilities slow' install
slowly late-capabilities 502 'fault capabilities delay "\"ms\":60000"' install
slowly slow-token 502 'fault token slow' install
slowly held-token 502 'fault token status "\"status\":401,\"ms\":60000"' install
slowly late-proof 503 'install; fault token delay "\"ms\":60000"' remove
slowly late-document 502 'fault installable delay "\"ms\":60000"' browse

# ---- capabilities -----------------------------------------------------------

start_hipchatd
new_client
install
installed 'a HipChat as it should be'
new_client
look

# wrong NAME STATUS CALLS: an installation with the ordered faults ends like
# this
wrong() {
	install
	refused "$2" "$1"
	look
	is "$calls" "$3" "$1: what HipChat was asked for"
}
get='GET /v2/capabilities'
token='POST /v2/oauth/token'

for code in 204 301 400 401 403 404 429 500 503; do
	fault capabilities status "\"status\":$code"
	wrong "capabilities: $code" 502 "$get $code"
done
for kind in refuse reset_before; do
	fault capabilities "$kind"
	wrong "capabilities: $kind" 502 "$get 0"
done
for kind in reset_after half html truncated endless huge; do
	fault capabilities "$kind"
	install
	refused 502 "capabilities: $kind"
done
look
fault capabilities redirect "\"location\":\"$HIPCHAT/v2/capabilities\""
wrong 'capabilities: a redirect to the right place' 502 "$get 302"

no_faults capabilities
curl -sS "$HIPCHAT/v2/capabilities" >"$tmp/capabilities"
look
# changed NAME STATUS FILTER: the document, changed by the filter
changed() {
	serve capabilities "$(jq "$3" "$tmp/capabilities")"
	wrong "capabilities: $1" "$2" "$get 200"
}
changed 'nothing in it' 502 '{}'
changed 'an array' 502 '[.]'
changed 'no links' 502 'del(.links)'
changed 'links.self missing' 502 'del(.links.self)'
changed 'links.self null' 502 '.links.self = null'
changed 'links.self elsewhere' 502 '.links.self = "https://evil.example/"'
changed 'links.self with a slash more' 502 '.links.self += "/"'
changed 'links.self in capitals' 502 '.links.self |= ascii_upcase'
p=.capabilities.oauth2Provider
changed 'no oauth2Provider' 502 "del($p)"
changed 'tokenUrl missing' 502 "del($p.tokenUrl)"
p=$p.tokenUrl
a=.capabilities.hipchatApiProvider.url
for part in "$p" "$a"; do
	name=${part##*Provider.}
	changed "$name null" 502 "$part = null"
	changed "$name a number" 502 "$part = 7"
	changed "$name empty" 502 "$part = \"\""
	changed "$name relative" 502 "$part = \"/v2/\""
	changed "$name on another host" 502 "$part = \"https://evil.example/\""
	changed "$name on another port" 502 "$part = \"http://127.0.0.1:9/\""
	changed "$name by https" 502 "$part |= sub(\"http\"; \"https\")"
	changed "$name with a user" 502 "$part |= sub(\"//\"; \"//u:p@\")"
	changed "$name with a line break" 502 "$part += \"\\r\\nX: y\""
	changed "$name of 3,000 bytes" 502 "$part += (\"x\" * 3000)"
done
changed 'no API at all' 502 "del($a) | del(.links.api)"
changed 'the API elsewhere, in links' 502 \
	"del($a) | .links.api = \"https://evil.example/\""
unchanged capabilities

serve capabilities "$(jq "del($a)" "$tmp/capabilities")"
install
installed 'the API in links alone'
serve capabilities "$(jq '.x = [null] | .links.y = 7' "$tmp/capabilities")"
install
installed 'unknown members'

# ---- tokens -----------------------------------------------------------------

new_client
look
for code in 401 403; do
	fault token status "\"status\":$code"
	wrong "token: $code" 403 "$get 200, $token $code"
done
for code in 201 204 302 400 404 429 500 503; do
	fault token status "\"status\":$code"
	wrong "token: $code" 502 "$get 200, $token $code"
done
for kind in refuse reset_before reset_after half html truncated endless huge; do
	fault token "$kind"
	install
	refused 502 "token: $kind"
done
look
fault token redirect "\"location\":\"$HIPCHAT/v2/oauth/token\""
wrong 'token: a redirect' 502 "$get 200, $token 302"
for answer in '{}' '[]' null '""' '{"access_token":null}' \
	'{"access_token":7}' '{"access_token":""}' '{"access_token":"a b"}' \
	'{"access_token":"a\r\nX: y"}' '{"access_token":"a\u0000"}' \
	'{"access_token":"é"}' '{"access_token":"a","access_token":"b"}' \
	"{\"access_token\":\"$(printf '%02048d' 0)\"}"; do
	serve token "$answer"
	wrong "token: $(shown "$answer")" 502 "$get 200, $token 200"
done
no_faults tokens
unchanged tokens

# lifetime EXPIRES_IN SECONDS: as HipChat says it, and as it is stored
lifetime() {
	serve token "{\"access_token\":\"t-$2\"${1:+,\"expires_in\":$1}}"
	low=$(($(date +%s) + $2))
	install
	installed "token: expires_in ${1:-missing}"
	high=$(($(date +%s) + $2))
	kept=$(grep -arho "\"t-$2\",\"expires\":[0-9]*" "$tmp/data/tokens")
	kept=${kept##*:}
	ok "... is kept until then, less a minute" \
		[ "${kept:-0}" -ge "$low" -a "${kept:-0}" -le "$high" ] ||
		diag "kept until ${kept:-never}, expected $low to $high"
}
lifetime 3600 3540
lifetime 431999999 431999939
lifetime 2147483648 2147483588
lifetime 4294967297 4294967237
lifetime 9223372036854775806 1099511627716
lifetime '' 0
lifetime null 0
lifetime '"x"' 0
lifetime 0 0
lifetime -7 0
lifetime 1.5 0
look

# ---- replacement ------------------------------------------------------------

right=$secret
secret=forged
install
refused 403 'a known id with another secret'
look
is "$calls" "$get 200, $token 401" '... of which HipChat was asked'
install '.groupId = 7 | .roomId = 7'
refused 403 '... and for another room'
unchanged replacement
secret=$right
install '.roomId = 7'
installed 'a known id with the right secret'

# ---- removal by id ----------------------------------------------------------

look
# kept NAME STATUS [FAULT…]: neither form removes it
kept() {
	kept_name=$1 kept_status=$2
	shift 2
	[ $# = 0 ] || fault token "$@"
	remove
	refused "$kept_status" "DELETE: $kept_name"
	[ $# = 0 ] || fault token "$@"
	put '{"oauthId":"%s"}' "$id"
	post uninstalled
	refused "$kept_status" "POST: $kept_name"
}
kept 'the token is still granted' 409
look
is "$calls" "$token 200, $token 200" '... each asked once'
for code in 204 302 400 404 429 500 503; do
	kept "the token is answered with $code" 503 status "\"status\":$code"
done
for kind in refuse reset_before reset_after half html truncated endless huge; do
	kept "the token: $kind" 503 "$kind"
done
no_faults 'removal without proof'
unchanged 'removal without proof'

first=$id
for code in 401 403; do
	fault token status "\"status\":$code"
	remove
	fine '204 No Content' 1 "DELETE: the token is refused with $code"
	like "$(cat "$tmp/stderr")" \
		"^installed: $id of ${HIPCHAT#http://}, room [0-9]*: removed\$" \
		'... which is logged'
	ok "... and it is gone" no matches "$(stored)" "$id"
	remove
	fine '204 No Content' 0 '... as it stays'
	install
	installed '... until it is installed again'
done
control POST "installations/$first/revoke"
put 'oauthId=%s' "$first"
post uninstalled CONTENT_TYPE=application/x-www-form-urlencoded
fine '204 No Content' 1 'POST: HipChat has removed it'
ok '... and it is gone' no matches "$(stored)" "$first"

# ---- removal by document ----------------------------------------------------

new_client
install
installed 'one to be removed'
# document NAME: with the ordered fault, it is not a document
document() {
	browse
	refused 502 "$1"
}
for code in 204 401 403 404 500; do
	fault installable status "\"status\":$code"
	document "a document that is answered with $code"
done
for kind in refuse reset_before reset_after half html truncated endless huge; do
	fault installable "$kind"
	document "a document: $kind"
done
look
fault installable redirect "\"location\":\"$HIPCHAT/v2/installable/2\""
document 'a document that is elsewhere'
look
is "$calls" 'GET /v2/installable/1 302' '... is not looked for there'
for answer in '{}' '[]' '{"oauthId":null}' '{"oauthId":7}' '{"oauthId":""}' \
	"{\"oauthId\":\"$(printf '%0256d' 0)\"}" \
	"{\"oauthId\":\"$id\",\"oauthSecret\":null}" \
	"{\"oauthId\":\"$id\",\"oauthSecret\":7}" \
	"{\"oauthId\":\"$id\",\"oauthSecret\":\"\"}" \
	"{\"oauthId\":\"$id\",\"oauthId\":\"$id\"}"; do
	serve installable "$answer"
	document "a document: $(shown "$answer")"
done
serve installable "{\"oauthId\":\"$id\",\"oauthSecret\":\"forged\"}"
browse
refused 403 'a document with another secret'
serve installable "{\"oauthId\":\"$id\"}"
browse http://127.0.0.1:9/v2/installable/1
refused 403 'a document on a port that is not allowed'
unchanged 'bad documents'
control DELETE faults

look
serve installable '{"oauthId":"unknown","oauthSecret":"x"}'
browse
went_back 'a document of an unknown installation'
serve installable "{\"oauthId\":\"$id\",\"oauthSecret\":\"$secret\"}"
browse
went_back 'the right document' "$id of .*: removed"
look
is "$calls" 'GET /v2/installable/1 200, GET /v2/installable/1 200' \
	'... is fetched once'
ok '... and the installation is gone' no matches "$(stored)" "$id"
browse
refused 502 '... and the document, too'
install
installed 'it is installed again'

# A document without a secret names it and proves nothing.
nameless() { serve installable "{\"oauthId\":\"$id\"}"; }
look
nameless
browse
went_back 'a document without a secret' "$id stays for now: "
look
is "$calls" "GET /v2/installable/1 200, $token 200" '... HipChat is asked'
nameless
post_both() {
	put '{"redirect_url":"%s/back","installable_url":"%s/v2/installable/1"}' \
		"$HIPCHAT" "$HIPCHAT"
	post uninstalled
}
post_both
refused 409 '... by a program, who has no browser to send on'
for kind in refuse html; do
	nameless
	fault token "$kind"
	browse
	refused 503 "a document without a secret, and the token: $kind"
done
ok '... and the installation is still there' matches "$(stored)" "$id"
nameless
fault token status '"status":401'
browse
went_back 'a document without a secret, and HipChat has removed it' \
	"$id of .*: removed"
ok '... and the installation is gone' no matches "$(stored)" "$id"
nameless
browse
went_back '... of an unknown installation'

# ---- the slow ones ----------------------------------------------------------

wait $slow_pids
slow_pids=
for name in $slow_names; do
	is "$(sed 's/^ok .*/ok/' "$tmp/$name.tap")" 'ok
ok' "HipChat is slow: $(sed -n 's/^ok 1 - //p' "$tmp/$name.tap")"
done
quiet "$tmp/hipchatd.log" 'the stand-in has nothing to say'

envelopes
done_testing
