#!/bin/sh
# The stand-in HipChat: its capabilities and rooms, and an add-on's life there,
# from its descriptor to its removal.
. t/hipchatd/lib.sh

start_and_stop() {
	is "$(wc -l <"$tmp/hipchatd.url")" 1 'one line says where it listens'
	like "$HIPCHAT" '^http://127\.0\.0\.1:[1-9][0-9]*$' 'its base URL'

	"$B/t/hipchatd" --port x >"$tmp/out" 2>&1
	is $? 2 'a bad argument'
	"$B/t/hipchatd" --port "${HIPCHAT##*:}" >"$tmp/out" 2>&1
	is $? 1 'a port in use'
	like "$("$B/t/hipchatd" --help)" /control/faults 'help names the routes'

	"$B/t/hipchatd" >"$tmp/third.url" 2>"$tmp/third.log" </dev/null &
	third_pid=$!
	wait_for said_or_gone "$tmp/third.url" "$third_pid"
	kill "$third_pid"
	wait "$third_pid"
	is $? 0 'SIGTERM ends it well'
	quiet "$tmp/third.log" 'and in silence'
}

capabilities() {
	api GET /v2/capabilities
	is "$status" 200 'capabilities'
	json .links.self "$HIPCHAT/v2/capabilities" 'links.self'
	json .links.api "$HIPCHAT/v2" 'links.api has no slash'
	json .capabilities.hipchatApiProvider.url "$HIPCHAT/v2/" 'url has one'
	json .capabilities.oauth2Provider.tokenUrl "$HIPCHAT/v2/oauth/token" \
		'tokenUrl'
	json '.capabilities.hipchatApiProvider.availableScopes | length' 9 \
		'nine scopes'
	is "$(header X-Ratelimit-Limit)" 500 'rate limit header'
	like "$(header X-Ratelimit-Reset)" '^[0-9]{10}$' 'reset is a time'

	api GET ///v2//capabilities/
	is "$status" 200 'repeated slashes are one'
	api HEAD /v2/capabilities
	is "$status" 200 'HEAD'
	api DELETE /v2/capabilities
	refused 405 allowed 'other methods'
	is "$(header Allow)" 'GET, HEAD' 'Allow'
	api GET /v2/nowhere
	refused 404 'Not found' 'unknown path'
	ok 'with rate limit header' [ "$(header X-Ratelimit-Remaining)" ]
	api GET '/v2/room/%zz'
	refused 404 'Not found' 'undecodable path'
}

rooms() {
	tell rooms '{"name":"Den & Söhne/1"}'
	is "$status" 201 'room made'
	room=$(jq .id "$tmp/body")
	like "$room" '^[0-9]{7}$' 'its id'
	tell rooms '{"name":"Den & Söhne/1"}'
	refused 409 exists 'the same room again'
	tell rooms '{"name":""}'
	refused 400 "'name'" 'a room without a name'
	tell rooms '[]'
	refused 400 "'name'" 'no object'
	api GET /control/rooms
	json '.[0].name' 'Den & Söhne/1' 'list of rooms'
	api GET /control/rooms/1
	refused 404 'Room not found' 'no such room'
	tell rooms '{"name":"Elsewhere"}' -H 'Origin: http://evil.example'
	elsewhere=$(jq .id "$tmp/body")
	api POST /control/rooms -d '{"name":"x"}' \
		-H 'Origin: http://evil.example'
	refused 403 'another site' "another site's page"
	api POST /control/rooms -d '{"name":"Ours"}' -H "Origin: $HIPCHAT"
	is "$status" 201 'our own page'
}

# bad FILTER ERE: a descriptor thus changed is refused for that reason
bad() {
	serve_descriptor "$1"
	install_served
	refused 400 "$2" "descriptor: $1"
}

descriptors() {
	bad 'del(.name)' "'name' is missing"
	bad '.name = " "' "'name'"
	bad 'del(.description)' "'description' is missing"
	bad 'del(.key)' "'key' is missing"
	bad '.key = 7' "7 for field 'key' is not of type 'string'"
	bad 'del(.links)' "'links' is missing"
	bad 'del(.links.self)' "'links\.self' is missing"
	bad '.vendor = {name: "x"}' "'vendor\.url' is missing"
	bad '.apiVersion = "2:1"' 'apiVersion'
	bad 'del(.capabilities)' "'capabilities' is missing"
	bad '.capabilities.installable.callbackUrl = "ftp://x"' \
		"'capabilities\.installable\.callbackUrl'"
	bad 'del(.capabilities.installable.callbackUrl)' callbackUrl
	bad '.capabilities.installable.allowRoom = "yes"' "type 'boolean'"
	bad '.capabilities.installable.allowRoom = false' 'allowRoom'
	bad 'del(.capabilities.hipchatApiConsumer.scopes)' 'scopes.* is missing'
	bad '.capabilities.hipchatApiConsumer.scopes = ["all"]' \
		"'capabilities\.hipchatApiConsumer\.scopes\[0\]' is not one of"
	bad '.capabilities.webhook = {}' "'capabilities\.webhook'.*'array'"
	bad '.capabilities.webhook[0].event = "rain"' \
		"'capabilities\.webhook\[0\]\.event' is not one of"
	bad '.capabilities.webhook[0] |= del(.url)' \
		"'capabilities\.webhook\[0\]\.url' is missing"
	bad '.capabilities.webhook[0].authentication = "basic"' authentication
	bad '.capabilities.webhook[0].pattern = "("' \
		'not a regular expression: .* at offset 1'
	bad '.capabilities.webhook[0].key = "x" * 41' 'less than or equal to 40'
	bad '.capabilities.glance = [{key: "g", name: {value: "G"}}]' \
		"'capabilities\.glance\[0\]\.icon' is missing"
	bad '.capabilities.webPanel = [{key: "p", name: {value: "P"},
		url: "u", location: "left"}]' "location' is not one of"
	bad '.capabilities.dialog = [{key: "d", title: {value: "D"}, url: "u",
		options: {size: {height: "9em", width: "9px"}}}]' \
		'options\.size\.height'
	bad '.capabilities.action = [{key: "a", name: {value: "A"},
		location: "hipchat.input.action"}]' "target' is missing"
	bad '.capabilities.externalPage = [{key: "e"}]' "url' is missing"
	bad '.capabilities.configurable = {url: "u",
		allowAccessToRoomAdmins: 1}' allowAccessToRoomAdmins
	is "$(log '[.[] | select(.direction == "out" and .method == "POST")]
		| length')" 0 'no add-on with a bad descriptor was called'

	serve_addon '.capabilities.installable.allowGlobal = false'
	room_saved=$room room=0
	install_served
	refused 400 allowGlobal 'a global installation that is not allowed'
	room=1
	install_served
	refused 404 'Room not found' 'installation in no room'
	room=$room_saved
	tell install '{}'
	refused 400 "'url'" 'no descriptor URL'
	tell install "{\"url\":\"$OTHER/nowhere\",\"room_id\":$room}"
	refused 502 404 'no descriptor there'
	tell install '{"url":"http://127.0.0.1:1/"}'
	refused 502 'fetched: ' 'no server there'
	tell install '{"url":"file:///etc/passwd"}'
	refused 502 'fetched: ' 'no web URL'
	other DELETE faults
	play capabilities '"fault":"html"'
	install_served
	refused 400 'JSON object' 'a descriptor that is HTML'
	json '.error | keys | join(" ")' 'code message type' 'the envelope'
}

# The add-on can use its credentials before it answers.
installation() {
	serve_descriptor '.version = "1" | .icon = {} | .capabilities.more = 1'
	play token '"fault":"body","status":201,"body":"","hold":true'
	(install_served && cp "$tmp/body" "$tmp/installed") &
	install_pid=$!
	wait_for callback_under_way
	control GET installations >"$tmp/list"
	credentials '.[0]' <"$tmp/list"
	new_token
	is "$status" 200 'credentials are good during the callback'
	is "$(log '.[] | select(.direction == "out" and .method == "POST")
		| .status')" null 'which is not over'
	other POST release
	wait "$install_pid"
	is "$(jq .callback_status "$tmp/installed")" 201 'any 2xx is success'
	other GET log | jq '[.[] | select(.method == "POST")] | last' \
		>"$tmp/callback"
	is "$(jq -r '.request_headers["content-type"]' "$tmp/callback")" \
		application/json 'callback: its type'
	jq -r .request_body "$tmp/callback" >"$tmp/body"
	json .oauthId "$id" 'callback: oauthId'
	like "$id" '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' \
		'which is a UUID'
	json .oauthSecret "$secret" 'callback: oauthSecret'
	like "$secret" '^[A-Za-z0-9]{40}$' 'which is 40 alphanumerics'
	json .capabilitiesUrl "$HIPCHAT/v2/capabilities" 'callback: where'
	json .roomId "$room" 'callback: roomId'
	json '.groupId | type' number 'callback: groupId'

	serve_addon
	room_saved=$room room=0
	install_served
	is "$status" 200 'global installation'
	is "$(other_log '[.[] | select(.method == "POST")] | last
		| .request_body | fromjson | has("roomId")')" false \
		'callback: no roomId'
	tell remove "{\"oauth_id\":\"$id\"}"
	room=$room_saved

	serve_descriptor
	play token '"fault":"body","status":403,"body":"go away"'
	install_served
	refused 502 'callbackUrl.*403: go away' 'an add-on that refuses'
	control GET installations >"$tmp/body"
	json length 1 'its installation is dropped'
	json '.[0].confirmed' true 'the other one is not'
	credentials '.[0]' <"$tmp/body"
}
callback_under_way() {
	[ "$(other_log '[.[] | select(.method == "POST" and .status == null)]
		| length')" = 1 ]
}

reinstallation() {
	first=$id
	serve_addon '.name = "Second"
		| .capabilities.installable.updateCallbackUrl =
			.capabilities.installable.callbackUrl'
	install_served "\"oauth_id\":\"$first\""
	is "$id" "$first" 'updateCallbackUrl: the id stays'
	json .name Second 'updateCallbackUrl: the new descriptor counts'
	old=$secret
	install_served "\"oauth_id\":\"$first\",\"new_secret\":true"
	is "$id" "$first" 'new secret: the id stays'
	ok 'new secret' [ "$secret" != "$old" ]
	good=$secret
	serve_descriptor '.capabilities.installable.updateCallbackUrl =
		.capabilities.installable.callbackUrl'
	play token '"fault":"status","status":500'
	install_served "\"oauth_id\":\"$first\",\"new_secret\":true"
	refused 502 'updateCallbackUrl' 'an update that fails'
	is "$(control GET installations | jq -r '.[0].oauth_secret')" \
		"$good" 'leaves the old secret'

	serve_addon
	install_served "\"oauth_id\":\"$first\""
	is "$status" 200 'without updateCallbackUrl'
	ok 'the id changes' [ "$id" != "$first" ]
	is "$(control GET installations | jq length)" 1 'the old one is gone'
	install_served '"oauth_id":"nobody"'
	refused 404 'not found' 're-installation of nothing'
	control GET installations >"$tmp/list"
	credentials '.[0]' <"$tmp/list"
}

tokens() {
	grant=grant_type=client_credentials
	new_token
	is "$status" 200 'token by form'
	like "$token" '^[A-Za-z0-9]{40}$' 'the token'
	json .expires_in 3600 'expires_in'
	json .token_type bearer 'token_type'
	json '.group_id | type' number 'group_id'
	json '.group_name | type' string 'group_name'
	json .scope 'send_notification view_messages view_room' 'all scopes'
	new_token -d scope=view_room+send_notification
	json .scope 'send_notification view_room' 'scopes asked for'
	api POST "/v2/oauth/token?$grant" -u "$id:$secret" -d ''
	is "$status" 200 'token by query'
	api POST /v2/oauth/token -u "$id:$secret" \
		-H "$json_type; charset=utf-8" \
		-d '{"grant_type":"client_credentials","scope":"view_room"}'
	is "$status" 200 'token by JSON'
	json .scope view_room 'its scope'

	api POST /v2/oauth/token -u "$id:wrong" -d $grant
	refused 401 '^Authenticated requests only' 'wrong secret'
	json .error.type Unauthorized 'its type'
	api POST /v2/oauth/token -d $grant
	refused 401 '^Authenticated requests only' 'no client'
	api POST /v2/oauth/token -u "nobody:$secret" -d $grant
	refused 401 '^Authenticated requests only' 'unknown client'
	api POST /v2/oauth/token -u "$id:$secret" -d ''
	refused 400 grant_type 'no grant type'
	api POST /v2/oauth/token -u "$id:$secret" -d grant_type=password
	refused 400 'grant type' 'another grant type'
	new_token -d scope=admin_group
	refused 400 [Ss]cope 'more scopes than declared'
	new_token -d scope=all
	refused 400 [Ss]cope 'unknown scope'
	api POST /v2/oauth/token -u "$id:$secret" -H "$json_type" -d '{'
	refused 400 JSON 'bad JSON'

	tell settings '{"token_ttl":431999999000}'
	is "$status" 200 'long-lived tokens'
	new_token
	json .expires_in 431999999000 'expires_in beyond 32 bits'
	api GET "/v2/oauth/token/$token"
	is "$status" 200 'session'
	json .client.room.id "$room" 'its room'
	tell settings '{"token_ttl":0}'
	new_token
	api GET "/v2/room/$room" -H "Authorization: Bearer $token"
	refused 401 '^Invalid OAuth session$' 'an expired token'
	tell settings '{"token_ttl":-1}'
	refused 400 range 'a bad setting'
	tell settings '{"token_ttl":3600}'

	new_token
	api DELETE "/v2/oauth/token/$token"
	is "$status" 204 'token deleted'
	api GET "/v2/room/$room?auth_token=$token"
	refused 401 '^Invalid OAuth session$' 'a deleted token'
	new_token
	api GET "/v2/room/$room?auth_token=$token"
	is "$status" 200 'auth_token in the query'
	api POST "/control/installations/$id/revoke-tokens"
	is "$status" 204 'tokens revoked'
	api GET "/v2/room/$room" -H "Authorization: Bearer $token"
	refused 401 '^Invalid OAuth session$' 'a revoked token'
	api GET "/v2/room/$room"
	refused 401 '^Authenticated requests only' 'no token'
	new_token
}

removals() {
	# A
	serve_addon
	tell remove "{\"oauth_id\":\"$id\",\"form\":\"A\",\"revoke\":false}"
	json .removed false 'A, pretended'
	new_token
	is "$status" 200 'the client is as good as before'
	seen=$(other_log 'last | .n')
	tell remove "{\"oauth_id\":\"$id\",\"form\":\"A\"}"
	json '[.status, .removed] | tojson' '[204,true]' 'A'
	is "$(other GET "log?since=$seen" | jq -r '.[] | .method + .url')" \
		"DELETE/v2/oauth/token/$id" 'A: the request'
	new_token
	refused 401 '^Authenticated' 'A: the client is revoked'
	tell remove "{\"oauth_id\":\"$id\",\"form\":\"A\"}"
	refused 404 'not found' 'removed already'

	# B: the add-on sends the browser back
	install_served
	browser "$HIPCHAT/after?a=1&b=%20"
	json '[.status, .removed, .fetched] | tojson' '[302,true,true]' 'B'
	json .location "$HIPCHAT/after?a=1&b=%20" 'B: location'
	json .delete_status 204 'B: with a DELETE in the end'
	is "$(jq -r .oauthId "$tmp/document")" "$id" 'B: the installable'
	is "$(jq -r 'keys | join(" ")' "$tmp/document")" \
		'capabilitiesUrl groupId oauthId oauthSecret roomId' 'all of it'
	is "$(cat "$tmp/document2")" 404 'B: which can be read only once'
	new_token
	refused 401 '^Authenticated' 'B: the client is revoked'

	# B: it does not
	serve_addon
	install_served
	play rooms '"fault":"redirect","location":"http://elsewhere.example/"'
	tell remove "{\"oauth_id\":\"$id\",\"form\":\"B\"}"
	json '[.status, .removed, .fetched] | tojson' '[302,false,false]' \
		'B: sent elsewhere'
	new_token
	is "$status" 200 'B: nothing is removed'

	# C
	tell remove "{\"oauth_id\":\"$id\",\"form\":\"C\"}"
	json .removed true 'C'
	other GET log | jq last >"$tmp/body"
	json '.method + .url' 'POST/v2/room?x=1' 'C: the request'
	json .request_body "{\"oauthId\":\"$id\"}" 'C: its body'

	serve_addon 'del(.capabilities.installable.uninstalledUrl)'
	install_served
	tell remove "{\"oauth_id\":\"$id\",\"form\":\"B\"}"
	refused 400 uninstalledUrl 'B without uninstalledUrl'
	tell remove "{\"oauth_id\":\"$id\",\"form\":\"D\"}"
	refused 400 "'form'" 'no such form'
	api POST "/control/installations/$id/revoke"
	is "$status" 204 'revoked by hand'
	new_token
	refused 401 '^Authenticated' 'revoked client'
	tell remove "{\"oauth_id\":\"$id\"}"
}

# browser REDIRECT: a removal B to that address; meanwhile the installable is
# fetched, twice.
browser() {
	play rooms "\"fault\":\"redirect\",\"location\":\"$1\",\"hold\":true"
	jq -n --arg to "$1" --arg id "$id" '{oauth_id: $id, form: "B",
		redirect_url: $to, also_delete: true}' >"$tmp/remove"
	curl -sS -o "$tmp/removed" -d "@$tmp/remove" \
		"$HIPCHAT/control/remove" &
	browser_pid=$!
	wait_for browser_came
	url=$(jq -rn --arg u "$(other_log 'last | .url')" '
		$u | capture("installable_url=(?<u>[^&]*)").u
		| gsub("%3A"; ":") | gsub("%2F"; "/")')
	curl -sS -o "$tmp/document" "$url"
	curl -sS -o "$tmp/twice" -w '%{http_code}' "$url" >"$tmp/document2"
	other POST release
	wait "$browser_pid"
	cp "$tmp/removed" "$tmp/body"
}
browser_came() {
	other_log 'last | .url' |
		grep -q '^/v2/room?x=1&redirect_url=http%3A%2F'
}

start_and_stop
capabilities
rooms
descriptors
installation
reinstallation
tokens
removals
end_both
done_testing
