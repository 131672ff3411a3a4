#!/bin/sh
# The whole flow through a real Apache with httpd.conf.sample, and the
# stand-in HipChat at the other end: once under event with mod_cgid, once under
# prefork with mod_cgi.
. t/lib/lib.sh

json_type='Content-Type: application/json'

# ---- helpers ----------------------------------------------------------------

# remove ID FORM: HipChat removes it in this form
remove() {
	control POST remove "{\"oauth_id\":\"$1\",\"form\":\"$2\"}" >"$tmp/answer"
}

# last_out METHOD FILTER: a part of the last such request that HipChat made
last_out() {
	control GET log | jq -r --arg method "$1" "
		[.[] | select(.direction == \"out\" and .method == \$method)]
		| last | $2"
}

# say ROOM TEXT: as a person would; prints the webhooks' statuses
say() {
	jq -n --arg text "$2" '{from: "Ada", message: $text}' >"$tmp/say.json"
	control POST "rooms/$1/say" "$(cat "$tmp/say.json")" |
		jq -r '[.webhooks[].status] | join(" ")'
}

# newest FILTER: a part of the newest notification in $room, and how many there
# are
newest() {
	control GET "rooms/$room" | jq -c "
		[.messages[] | select(.type == \"notification\")]
		| [length, (last | $1)]"
}
is_newest() { case $(newest .id) in "[$answers,"*) ;; *) false ;; esac; }

# one_more NAME: waits for it
one_more() {
	answers=$((answers + 1))
	ok "$1: it is answered" wait_for is_newest
}

# echoes TEXT EXPECTED NAME: both are compared as JSON, so that no line break is
# lost.
echoes() {
	is "$(say "$room" "$1")" 204 "$mpm: $3: the webhook"
	one_more "$mpm: $3"
	is "$(newest .message)" \
		"$(jq -nc --arg n "$answers" --arg text "$2" '[($n | tonumber), $text]')" \
		"$mpm: $3: the answer"
}

# ---- the descriptor ---------------------------------------------------------

descriptor() {
	http GET "$ADDON/capabilities"
	is "$status" 200 "$mpm: descriptor"
	is "$(header Content-Type)" application/json "$mpm: its type"
	is "$(header Cache-Control) $(header Vary)" 'private, max-age=60 Host' \
		"$mpm: its life"
	json .links.self "$ADDON/capabilities" "$mpm: links.self"
	json .capabilities.installable.callbackUrl "$ADDON/installed" \
		"$mpm: callbackUrl"
	json .capabilities.installable.uninstalledUrl "$ADDON/uninstalled" \
		"$mpm: uninstalledUrl"
	json '.capabilities.webhook[0].url' "$ADDON/echo" "$mpm: the webhook"
	json .capabilities.installable.allowGlobal false "$mpm: rooms only"
	etag=$(header ETag)

	http HEAD "$ADDON/capabilities"
	is "$status" 200 "$mpm: HEAD"
	is "$(header ETag)" "$etag" "$mpm: HEAD: ETag"
	is "$(header Content-Type)" application/json "$mpm: HEAD: type"

	http GET "$ADDON/capabilities" -H "If-None-Match: $etag"
	is "$status" 304 "$mpm: not modified"
	is "$(header ETag)" "$etag" "$mpm: 304: ETag"
	ok "$mpm: 304: no body" [ ! -s "$tmp/body" ]
	http GET "$ADDON/capabilities" -H 'If-None-Match: "other"'
	is "$status" 200 "$mpm: another tag is modified"
}

# refuses METHOD PATH STATUS [ALLOW]: with HipChat's envelope
refuses() {
	http "$1" "$ADDON$2"
	is "$status" "$3" "$mpm: $1 $2"
	[ -z "${4:-}" ] || is "$(header Allow)" "$4" "$mpm: $1 $2: Allow"
	json .error.code "$3" "$mpm: $1 $2: error"
}

# what httpd.conf.sample lets in, and what it does not
surface() {
	refuses POST /capabilities 405 'GET, HEAD'
	refuses GET /installed 405 'POST, DELETE'
	refuses PUT /uninstalled 405 'GET, POST'
	refuses GET /echo 405 'POST'
	http TRACE "$ADDON/echo" -H 'Authorization: JWT secret'
	is "$status $(grep -c secret "$tmp/body")" '405 0' \
		"$mpm: TRACE shows no header"
	refuses GET /capabilities/more 404
	for path in / /courier /echo/../courier /echo/..%2fcourier /echofoo \
		/cgi-bin/echo /unknown; do
		http GET "$ADDON$path"
		is "$status" 404 "$mpm: GET $path"
	done

	head -c 270000 /dev/zero >"$tmp/zeros"
	http POST "$ADDON/echo" --data-binary "@$tmp/zeros"
	is "$status" 413 "$mpm: 270 kB"
	json .error.code 413 "$mpm: 270 kB: the add-on's own refusal"
	http POST "$ADDON/echo" --data-binary "@$tmp/zeros" \
		-H 'Transfer-Encoding: chunked'
	is "$status" 411 "$mpm: a body of unknown length"
	json .error.code 411 "$mpm: a body of unknown length: why"
	http DELETE "$ADDON/installed/nobody" --data-binary "@$tmp/zeros"
	is "$status" 204 "$mpm: a body that nobody reads"
	head -c 1100000 /dev/zero >"$tmp/zeros"
	http POST "$ADDON/echo" --data-binary "@$tmp/zeros"
	is "$status" 413 "$mpm: 1.1 MB"
}

# ---- in a room --------------------------------------------------------------

conversation() {
	room=$(new_room "Den $mpm")
	answers=0
	id=$(install "$room") || exit
	like "$id" '^[0-9a-f-]{36}$' "$mpm: installed in a room"
	is "$(last_out POST .status)" 200 "$mpm: POST /installed"
	is "$(last_out POST .response_body)" '' "$mpm: with an empty answer"
	last_out POST .request_body >"$tmp/credentials"

	echoes '/echo hello world' 'hello world' 'a text'
	is "$(newest '(.color, .format, .notify)')" '[1,"green","text",false]' \
		"$mpm: color, format, notify"
	echoes '/EcHo upper and lower' 'upper and lower' 'case'
	echoes '/echo' 'Usage: /echo message' 'nothing'
	echoes '/echo  	 ' 'Usage: /echo message' 'white space'
	echoes '/echo   in the middle	 ' 'in the middle' 'white space around'
	is "$(say "$room" '/echoes foo')" 204 "$mpm: another command, not answered"
	echoes '/echo one
  two

three' 'one
  two

three' 'line breaks'
	echoes '/echo "\ </b> &amp; {{ name }} %s' '"\ </b> &amp; {{ name }} %s' \
		'special characters'
	echoes '/echo Grüße 😀 日本語' 'Grüße 😀 日本語' 'other scripts'
	zeros=$(printf '%09998d' 0)
	long_text "${zeros}éé" éé '10,000 characters'
	long_text "${zeros}ééé" é… '10,001 characters'
	is "$(say "$room" 'no command')" '' "$mpm: other messages stay unheard"
	is "$(say "$room" 'not /echo')" '' "$mpm: nor in the middle of one"
}

# webhook MESSAGE_ID TEXT: post one as HipChat would, for the installation $id,
# with the secret that it had at first.
webhook() {
	jq -n --arg message_id "$1" --arg text "$2" --arg id "$id" \
		--argjson room "$room" '{
			event: "room_message", oauth_client_id: $id, webhook_id: 1,
			item: {
				message: {id: $message_id, message: $text, type: "message"},
				room: {id: $room}
			}
		}' >"$tmp/webhook"
	http POST "$ADDON/echo" -H "$json_type" -d "@$tmp/webhook" \
		-H "Authorization: JWT $(t/sign-webhook.sh "$id" \
			"$(jq -r .oauthSecret "$tmp/credentials")")"
}

# long_text TEXT END NAME: nobody can say that much in HipChat, so we post the
# webhook; the answer has 10,000 characters and ends with END.
long_text() {
	webhook "$3" "/echo $1"
	is "$status" 204 "$mpm: $3: the webhook"
	one_more "$mpm: $3"
	is "$(newest '(.message | length, .[-2:])')" "[$answers,10000,\"$2\"]" \
		"$mpm: $3: the answer"
}

reinstall() {
	http POST "$ADDON/installed" -H "$json_type" -d "@$tmp/credentials"
	is "$status" 200 "$mpm: the same credentials again"
	jq 'del(.roomId)' "$tmp/credentials" >"$tmp/global"
	http POST "$ADDON/installed" -H "$json_type" -d "@$tmp/global"
	is "$status" 200 "$mpm: without a room: a global installation"
	echoes '/echo hello everywhere' 'hello everywhere' 'global'
	jq '.oauthSecret = "x"' "$tmp/credentials" >"$tmp/forged"
	http POST "$ADDON/installed" -H "$json_type" -d "@$tmp/forged"
	is "$status" 403 "$mpm: with another secret"
	echoes '/echo still here' 'still here' 'changed nothing'
}

# ---- removal ----------------------------------------------------------------

is_gone() {
	webhook "after $1" '/echo boo'
	is "$status" 401 "$mpm: form $1: a webhook afterwards"
	ok "$mpm: form $1: is not answered" is_newest
	http DELETE "$ADDON/installed/$id"
	is "$status" 204 "$mpm: form $1: removed twice"
}

removal() {
	http DELETE "$ADDON/installed/$id"
	is "$status" 409 "$mpm: HipChat knows it still: DELETE"
	http POST "$ADDON/uninstalled" -d "oauthId=$id"
	is "$status" 409 "$mpm: HipChat knows it still: POST"
	http GET "$ADDON/uninstalled?redirect_url=http://example.com/"
	is "$status" 400 "$mpm: a redirect to somewhere else"
	echoes '/echo and here' 'and here' 'nothing was removed'

	remove "$id" A
	is "$(last_out DELETE '"\(.url) \(.status)"')" \
		"$ADDON/installed/$id 204" "$mpm: form A"
	is_gone A

	id=$(install "$room") || exit
	echoes '/echo b' b 'installed again'
	remove "$id" B
	is "$(last_out GET .status)" 302 "$mpm: form B"
	like "$(last_out GET .url)" "^$ADDON/uninstalled\?" "$mpm: form B: URL"
	is_gone B

	id=$(install "$room") || exit
	echoes '/echo c' c 'and again'
	remove "$id" C
	is "$(last_out POST '"\(.url) \(.status)"')" \
		"$ADDON/uninstalled 204" "$mpm: form C"
	is_gone C
}

# The document holds no secret, and HipChat revokes only when the browser is
# back: the courier asks, after ten seconds.
proved_later() {
	id=$(install "$room") || exit
	echoes '/echo d' d 'installed once more'
	control POST faults "$(jq -n --arg id "$id" '{route: "installable",
		fault: "body", status: 200, body: "{\"oauthId\": \"\($id)\"}"}')" \
		>"$tmp/answer"
	remove "$id" B
	is "$(last_out GET .status)" 302 "$mpm: form B, without a secret"
	ok "$mpm: the courier has it removed" wait_for \
		grep -q "$id of .*: removed: HipChat refuses" \
		"$tmp/data/courier.log"
	is_gone 'B, proved later'
}

# CGIPassAuth: replace /echo with a program that shows what reaches it.
authorization() {
	rm "$tmp/cgi-bin/echo"
	cat >"$tmp/cgi-bin/echo" <<-'END'
		#!/bin/sh
		cat >/dev/null
		printf 'Content-Type: text/plain\n\n%s' "$HTTP_AUTHORIZATION"
	END
	chmod 755 "$tmp/cgi-bin/echo"
	http POST "$ADDON/echo" -H 'Authorization: JWT a.b.c' -d x
	is "$(cat "$tmp/body")" 'JWT a.b.c' "$mpm: Authorization gets through"
	rm "$tmp/cgi-bin/echo"
	cp "$B/cgi-bin/echo" "$tmp/cgi-bin/"
}

start_hipchatd
for mpm in event prefork; do
	start_apache "$mpm"
	descriptor
	surface
	conversation
	reinstall
	removal
	[ "$mpm" != event ] || proved_later
	authorization
	stop_apache
done
# The error log says what was installed, removed or refused above, and nothing
# else.
refusals='(capabilities|installed|uninstalled|echo): (4[0-9][0-9]: '
refusals="$refusals|[0-9a-f-]{36}: HipChat refuses this secret"
refusals="$refusals|[0-9a-f-]{36} stays for now"
refusals="$refusals|[0-9a-f-]{36} of [^ ]*, (room|group) [0-9]+: (installed|removed)\$"
refusals="$refusals|webhook of [0-9a-f-]{36}, which is not installed)"
too_large='AH01270|AH01225' # LimitRequestBody
quiet "$tmp/apache/error_log" 'the error log' "$refusals|$too_large"
quiet "$tmp/hipchatd.log" "the stand-in's"
done_testing
