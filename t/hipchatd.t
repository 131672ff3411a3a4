#!/bin/sh
# The stand-in HipChat.  The add-on at the other end is played by a second
# stand-in, which faults make answer what an add-on would, and whose log shows
# what reached it.
. t/lib/lib.sh

json_type='Content-Type: application/json'
other_pid=
trap 'trap_status=$?
	[ -z "$other_pid" ] || end "$other_pid"
	(exit "$trap_status")
	clean_up' EXIT

# ---- helpers ----------------------------------------------------------------

# One HipChat more, $OTHER.
start_other() {
	"$B/t/hipchatd" >"$tmp/other.url" 2>"$tmp/other.log" </dev/null &
	other_pid=$!
	wait_for said_or_gone "$tmp/other.url" "$other_pid"
	read -r OTHER <"$tmp/other.url" || die 'no second hipchatd'
}

# api METHOD PATH [CURL-ARGUMENT…]: of the first HipChat
api() {
	api_method=$1 api_path=$2
	shift 2
	http "$api_method" "$HIPCHAT$api_path" "$@"
}

# tell PATH JSON: a control route of the first HipChat, by POST
tell() {
	api POST "/control/$1" -H "$json_type" -d "$2"
}

# other METHOD PATH: a control route of the other one
other() {
	curl -sS -f -X "$1" "$OTHER/control/$2"
}
# play ROUTE MEMBERS: what the add-on's side does from now on
play() {
	curl -sS -f -o /dev/null -d "{\"route\":\"$1\",\"count\":-1,$2}" \
		"$OTHER/control/faults"
}

# serve_descriptor [FILTER]: a good one, changed by the jq filter; the add-on's
# side knows nothing else then.
serve_descriptor() {
	other DELETE faults
	jq -n --arg b "$OTHER/v2" "$template | ${1:-.} |"'
		{route: "capabilities", count: -1, fault: "body", body: tojson}
		' >"$tmp/descriptor"
	curl -sS -f -o /dev/null -d "@$tmp/descriptor" "$OTHER/control/faults"
}
template='{
		name: "Test", description: "A test", key: "test",
		links: {self: ($b + "/capabilities")},
		capabilities: {
			installable: {
				callbackUrl: ($b + "/oauth/token"),
				uninstalledUrl: ($b + "/room?x=1")
			},
			hipchatApiConsumer: {
				fromName: "Tester",
				scopes: ["send_notification", "view_messages",
					"view_room"]
			},
			webhook: [{
				url: ($b + "/room/1/notification"),
				event: "room_message", pattern: "^/[eE]cho",
				authentication: "jwt"
			}]
		}
	}'

# serve_addon [FILTER]: it takes credentials and webhooks as well
ok_204='"fault":"body","status":204,"body":""'
serve_addon() {
	serve_descriptor "$@"
	play token "$ok_204"
	play session "$ok_204"
	play notification "$ok_204"
}

# install [MEMBERS]: what is served, in $room; sets $id and $secret
install() {
	tell install "{\"url\":\"$OTHER/v2/capabilities\",
		\"room_id\":$room${1:+,$1}}"
	credentials '.' <"$tmp/body"
}
# credentials FILTER: of the installation that the filter finds
credentials() {
	read -r id secret <<-END
		$(jq -r "$1 | \"\(.oauth_id) \(.oauth_secret)\"")
	END
}

# new_token [ARGUMENT…]: sets $token
new_token() {
	api POST /v2/oauth/token -u "$id:$secret" \
		-d grant_type=client_credentials "$@"
	token=$(jq -r '.access_token // empty' "$tmp/body")
}

# notify JSON [ARGUMENT…]
notify() {
	notify_body=$1
	shift
	api POST "/v2/room/$room/notification" -H "$json_type" \
		-H "Authorization: Bearer $token" -d "$notify_body" "$@"
}

# conversation FILTER: of what is in the room
conversation() {
	control GET "rooms/$room" | jq -r "$1"
}

# log FILTER, other_log FILTER: of the log, as raw output
log() { control GET log | jq -r "$1"; }
other_log() { other GET log | jq -r "$1"; }

# refused STATUS ERE NAME: the last answer is that error
refused() {
	refused=$(jq -r '"\(.error.code)|\(.error.message)"' "$tmp/body" 2>&1)
	is "$status ${refused%%|*}" "$1 $1" "$3: $1"
	like "${refused#*|}" "$2" "$3: the reason"
}

room() {
	tell rooms "{\"name\":\"$1\"}"
	jq -r .id "$tmp/body"
}

# ---- sections ---------------------------------------------------------------

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
	install
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
	install
	refused 400 allowGlobal 'a global installation that is not allowed'
	room=1
	install
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
	install
	refused 400 'JSON object' 'a descriptor that is HTML'
	json '.error | keys | join(" ")' 'code message type' 'the envelope'
}

# The add-on can use its credentials before it answers.
installation() {
	serve_descriptor '.version = "1" | .icon = {} | .capabilities.more = 1'
	play token '"fault":"body","status":201,"body":"","hold":true'
	(install && cp "$tmp/body" "$tmp/installed") &
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
	install
	is "$status" 200 'global installation'
	is "$(other_log '[.[] | select(.method == "POST")] | last
		| .request_body | fromjson | has("roomId")')" false \
		'callback: no roomId'
	tell remove "{\"oauth_id\":\"$id\"}"
	room=$room_saved

	serve_descriptor
	play token '"fault":"body","status":403,"body":"go away"'
	install
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
	install "\"oauth_id\":\"$first\""
	is "$id" "$first" 'updateCallbackUrl: the id stays'
	json .name Second 'updateCallbackUrl: the new descriptor counts'
	old=$secret
	install "\"oauth_id\":\"$first\",\"new_secret\":true"
	is "$id" "$first" 'new secret: the id stays'
	ok 'new secret' [ "$secret" != "$old" ]
	good=$secret
	serve_descriptor '.capabilities.installable.updateCallbackUrl =
		.capabilities.installable.callbackUrl'
	play token '"fault":"status","status":500'
	install "\"oauth_id\":\"$first\",\"new_secret\":true"
	refused 502 'updateCallbackUrl' 'an update that fails'
	is "$(control GET installations | jq -r '.[0].oauth_secret')" \
		"$good" 'leaves the old secret'

	serve_addon
	install "\"oauth_id\":\"$first\""
	is "$status" 200 'without updateCallbackUrl'
	ok 'the id changes' [ "$id" != "$first" ]
	is "$(control GET installations | jq length)" 1 'the old one is gone'
	install '"oauth_id":"nobody"'
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

# wrong BODY FIELD ERE: such a notification is refused because of that field
wrong() {
	notify "$1"
	refused 400 "$3" "notification $(printf %.60s "$1")"
	json .error.field "$2" 'names the field'
}

notifications() {
	notify '{"message":"<b>Hi</b>"}'
	is "$status" 204 'notification'
	is "$(wc -c <"$tmp/body")" 0 'no body'
	is "$(header X-FloodControl-Limit)" 30 'flood control header'
	is "$(conversation '.messages[-1] | [.type, .from, .message, .color,
		.format, .notify] | tojson')" \
		'["notification","Tester","<b>Hi</b>","yellow","html",false]' \
		'and its defaults'
	notify '{"message":"a","message_format":"text","color":"gray",
		"notify":true,"from":"Me","unknown":1,"card":{"style":"link",
		"title":"T","id":"1",
		"description":{"value":"d","format":"text"},
		"attributes":[{"label":"l","value":{"label":"v",
		"style":"lozenge-moved"}}]}}'
	is "$status" 204 'everything at once'
	is "$(conversation '.messages[-1] | [.from, .color, .format, .notify,
		.card.title] | tojson')" '["Me","gray","text",true,"T"]' 'kept'
	notify '{"message":"a","color":"random"}'
	like "$(conversation '.messages[-1].color')" \
		'^(yellow|green|red|purple|gray)$' 'random is some colour'
	notify "{\"message\":\"b\",\"attach_to\":\"$(conversation \
		'.messages[-1].id')\"}"
	is "$status" 204 'attached to a message'
	notify '{"message":"b","attach_to":"nothing"}'
	refused 400 attach_to 'attached to nothing'

	notify '{"message":"a","notify":"true"}'
	is "$(jq -c .error "$tmp/body" | jq -S -c .)" "$(jq -S -c . <<-'END'
		{"code":400,"expected_type":"boolean","field":"notify",
		"message":
		"Value u'true' for field 'notify' is not of type 'boolean'",
		"type":"Bad Request","validation":"type","value":"true"}
	END
	)" 'the error as it was captured'
	wrong '{}' message "'message' is missing"
	wrong '{"message":""}' message 'greater than or equal to 1'
	wrong '{"message":7}' message "'string'"
	wrong '{"message":null}' message "None .*'string'"
	wrong '{"message":"a","color":"blue"}' color 'not one of'
	wrong '{"message":"a","message_format":"md"}' message_format \
		'not one of'
	wrong "{\"message\":\"a\",\"from\":\"$(printf %065d 0)\"}" from \
		'or equal to 64'
	wrong "{\"message\":\"a\",\"attach_to\":\"$(printf %037d 0)\"}" \
		attach_to 'or equal to 36'
	wrong '{"message":"a","card":[]}' card "'object'"
	wrong '{"message":"a","card":{"style":"link","id":"1"}}' card.title \
		missing
	wrong '{"message":"a","card":{"style":"x","title":"t","id":"1"}}' \
		card.style 'not one of'
	wrong '{"message":"a","card":{"style":"link","title":"t","id":"1",
		"attributes":[{"label":"l"}]}}' 'card.attributes[0].value' \
		missing

	ten=$(printf '%010000d' 0 | sed 's/0/ä/g')
	printf '{"message":"%s"}' "$ten" >"$tmp/long"
	notify "@$tmp/long"
	is "$status" 204 '10,000 characters, however many bytes'
	printf '{"message":"%sx"}' "$ten" >"$tmp/long"
	notify "@$tmp/long"
	refused 400 'or equal to 10000' 'one more'
	notify '{"message":"a"'
	refused 400 'JSON object' 'bad JSON'
	notify "$(printf '{"message":"\377"}')"
	refused 400 'JSON object' 'bad UTF-8'
	notify '{"message":"a"}{}'
	refused 400 'JSON object' 'two documents'
	api POST "/v2/room/$room/notification" -d '{"message":"a"}' \
		-H "Authorization: Bearer $token" -H 'Content-Type: text/plain'
	refused 400 '^Invalid content type: text/plain$' 'another type'
	api POST "/v2/room/$room/notification" -H 'Content-Type:' -d '{}' \
		-H "Authorization: Bearer $token"
	refused 400 '^Invalid content type: None$' 'no type'
	head -c 1100000 /dev/zero | tr '\0' ' ' >"$tmp/long"
	notify "@$tmp/long"
	is "$status" 413 'a body over 1 MiB'
	notify "@$tmp/long" -H 'Transfer-Encoding: chunked'
	is "$status" 413 'the same in chunks'

	before=$(conversation '.messages | length')
	notify '{"message":"a"}' --url-query auth_test=true
	is "$status" 202 'auth_test'
	is "$(conversation '.messages | length')" "$before" 'sends nothing'
	here=$room room=$elsewhere
	notify '{"message":"a"}'
	refused 403 'another room' 'a room that it is not installed in'
	room=1
	notify '{"message":"a"}'
	refused 404 '^Room not found$' 'no such room'
	room=Den%20%26%20S%C3%B6hne%2F1
	notify '{"message":"by name"}'
	is "$status" 204 'a room by its name'
	room=$here
	token=unknown
	notify '{"message":"a"}'
	refused 401 '^Invalid OAuth session$' 'an unknown token'
	new_token -d scope=view_room
	notify '{"message":"a"}'
	refused 403 "^This action requires one of the following scopes: \
\[u'send_notification'\]$" 'a token without the scope'
	new_token
}

reading() {
	set -- -H "Authorization: Bearer $token"
	api GET "/v2/room/$room" "$@"
	is "$status" 200 'room'
	json .name 'Den & Söhne/1' 'its name'
	json .links.self "$HIPCHAT/v2/room/$room" 'its link'
	api GET /v2/room "$@"
	json '[.items[].id] | tojson' "[$room]" 'list of rooms'
	json .maxResults 100 'maxResults'
	api GET "/v2/room/$room/history?max-results=2" "$@"
	json '.items | length' 2 'history, a page of it'
	json '.items[-1].message' 'by name' 'the newest come last'
	json '.items[-1].type' notification 'its type'
	api GET "/v2/room/$room/history/latest" "$@"
	is "$status" 200 'latest history'
	api POST "/v2/room/$room/message" "$@" -H "$json_type" \
		-d '{"message":"me"}'
	refused 403 send_message 'message without the scope'
}

webhooks() {
	seen=$(other_log 'last | .n')
	tell "rooms/$room/say" '{"message":"/echo hello","from":"Ward W",
		"mention_name":"ww","extra":{"mentions":[{"id":1}]}}'
	is "$status" 200 'somebody says something'
	json '[.webhooks[].status] | tojson' '[204]' 'the webhook was called'
	said=$(jq -r .message_id "$tmp/body")
	other GET "log?since=$seen" | jq '.[0]' >"$tmp/hook"
	is "$(jq -r '.request_headers["content-type"]' "$tmp/hook")" \
		application/json 'its type'
	is "$(jq -r '.request_headers["user-agent"]' "$tmp/hook")" \
		HipChat.com 'its agent'
	jq -r .request_body "$tmp/hook" >"$tmp/body"
	json .event room_message 'event'
	json .oauth_client_id "$id" 'oauth_client_id'
	json '.webhook_id | type' number 'webhook_id'
	json .item.message.id "$said" 'message id'
	json .item.message.message '/echo hello' 'message'
	json .item.message.type message 'its type'
	json .item.message.from.name 'Ward W' 'speaker'
	json .item.message.from.mention_name ww 'mention name'
	json '.item.message.mentions | tojson' '[{"id":1}]' 'extra members'
	json .item.room.id "$room" 'room'
	like "$(jq -r .item.message.date "$tmp/body")" \
		'^....-..-..T..:..:..\.[0-9]{6}\+00:00$' 'date'
	json '[keys, (.item | keys), (.item.message | keys), (.item.room
		| keys)] | tojson' '[["event","item","oauth_client_id",'\
'"webhook_id"],["message","room"],["date","from","id","mentions","message",'\
'"type"],["id","is_archived","links","name","privacy","version"]]' \
		'no member is missing, none too many'
	signature

	tell "rooms/$room/say" "{\"message\":\"/echo hello\",
		\"message_id\":\"$said\"}"
	json .message_id "$said" 'the same message again'
	json '.webhooks | length' 1 'is delivered again'
	is "$(conversation "[.messages[].id] | map(select(. == \"$said\"))
		| length")" 1 'but was said only once'
	tell "rooms/$room/say" '{"message":"/ECHO x"}'
	json '.webhooks | length' 0 'patterns know upper and lower case'
	tell "rooms/$room/say" '{"message":"well, /echo"}'
	json '.webhooks | length' 0 'and what ^ means'
	tell "rooms/$elsewhere/say" '{"message":"/echo x"}'
	json '.webhooks | length' 0 'another room'
	tell "rooms/$room/say" '{}'
	refused 400 "'message'" 'nothing said'
	seen=$(other_log 'last | .n')
	notify '{"message":"/echo","message_format":"text"}'
	is "$(other GET "log?since=$seen" | jq length)" 0 \
		'a notification calls no room_message hook'
}

# The hook's Authorization header, checked by somebody else's hand.
signature() {
	jwt=$(jq -r .request_headers.authorization "$tmp/hook")
	like "$jwt" '^JWT [A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$' JWT
	jwt=${jwt#JWT }
	is "${jwt##*.}" "$(printf %s "${jwt%.*}" |
		openssl dgst -sha256 -hmac "$secret" -binary |
		openssl base64 -A | tr '+/' '-_' | tr -d =)" 'its signature'
	printf '{"head":%s,"claims":%s}' "$(part 1)" "$(part 2)" >"$tmp/jwt"
	is "$(jq -r .head.alg "$tmp/jwt")" HS256 'its algorithm'
	is "$(jq -r .claims.iss "$tmp/jwt")" "$id" 'its issuer'
	is "$(jq -r '.claims.exp - .claims.iat' "$tmp/jwt")" 3600 'an hour'
	is "$(jq -r '.claims.context | "\(.room_id) \(.roomId)"' \
		"$tmp/jwt")" "$room $room" 'its room, twice'
	speaker=$(jq -r .item.message.from.id "$tmp/body")
	is "$(jq -c '.claims | [.sub, .prn]' "$tmp/jwt")" \
		"[\"$speaker\",\"$speaker\"]" 'its subject, twice, as text'
	like "$(jq -r .claims.jti "$tmp/jwt")" '^[A-Za-z0-9]{20}$' 'its jti'
}
part() {
	part=$(printf %s "$jwt" | cut -d. -f"$1" | tr '_-' '/+')
	case $((${#part} % 4)) in
	2) part=$part== ;;
	3) part=$part= ;;
	esac
	printf %s "$part" | openssl base64 -d -A
}

more_webhooks() {
	tell remove "{\"oauth_id\":\"$id\"}"
	serve_addon '.capabilities.webhook += [
		{url: (.capabilities.webhook[0].url + "?two"),
			event: "room_message", pattern: "cho\\b"},
		{url: (.capabilities.webhook[0].url + "?enter"),
			event: "room_enter"},
		{url: (.capabilities.webhook[0].url + "?topic"),
			event: "room_topic_change"},
		{url: (.capabilities.webhook[0].url + "?note"),
			event: "room_notification"}]'
	install
	new_token
	tell settings '{"signed_request":true}'
	seen=$(other_log 'last | .n')
	tell "rooms/$room/say" '{"message":"/echo"}'
	json '.webhooks | length' 2 'two patterns match, two hooks fire'
	other GET "log?since=$seen" >"$tmp/body"
	like "$(jq -r '.[].url' "$tmp/body")" 'signed_request=[^&]+\.' \
		'signed_request in the query'
	json '[.[] | select(.url | test("two")) | .request_headers
		| has("authorization")] | tojson' '[false]' \
		'authentication none: nothing attached'
	tell settings '{"signed_request":false}'

	tell "rooms/$room/event" '{"event":"room_enter","from":"Zoe"}'
	json '.webhooks | length' 1 'room_enter'
	is "$(other_log 'last | .request_body | fromjson
		| .item.sender.name')" Zoe 'who enters'
	tell "rooms/$room/event" '{"event":"room_topic_change","topic":"T"}'
	is "$(other_log 'last | .request_body | fromjson | .item.topic')" T \
		'room_topic_change'
	tell "rooms/$room/event" '{"event":"room_message"}'
	refused 400 "'event'" 'an event that comes by itself'
	notify '{"message":"n","message_format":"text"}'
	is "$(other_log 'last | .request_body | fromjson
		| [.event, .item.message.from, .item.message.type] | tojson')" \
		'["room_notification","Tester","notification"]' \
		'room_notification'

	other DELETE faults
	play notification '"fault":"body",
		"body":"{\"message\":\"reply\",\"color\":\"red\"}"'
	tell "rooms/$room/say" '{"message":"cho"}'
	is "$(conversation '.messages[-1] | [.message, .color] | tojson')" \
		'["reply","red"]' 'an answer that is a notification is posted'
	other DELETE faults
	play notification '"fault":"body","body":"{\"message\":\"\"}"'
	tell "rooms/$room/say" '{"message":"cho"}'
	like "$(jq -r '.webhooks[0].refused' "$tmp/body")" "'message'" \
		'a bad one is not'
	other DELETE faults
	play notification '"fault":"reset_before"'
	tell "rooms/$room/say" '{"message":"cho"}'
	json '.webhooks[0].status' 0 'an add-on that does not answer'
	ok 'says why' [ "$(jq -r '.webhooks[0].error' "$tmp/body")" ]
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
	install
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
	install
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
	install
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

# fault ROUTE MEMBERS [CURL-ARGUMENT…]: plays it once on GET /v2/capabilities
fault() {
	tell faults "{\"route\":\"capabilities\",$1}"
	shift
	api GET /v2/capabilities "$@"
}
effect() { log 'last | [.status, .fault, .effect] | tojson'; }

faults() {
	api DELETE /control/log
	fault '"fault":"refuse"'
	is "$status $rc" '000 52' 'refuse'
	is "$(effect)" '[0,"refuse",false]' 'refuse in the log'
	fault '"fault":"reset_before"'
	is "$status $rc" '000 56' 'reset before'
	is "$(effect)" '[0,"reset_before",false]' 'reset before in the log'
	fault '"fault":"reset_after"'
	is "$status $rc" '000 56' 'reset after'
	is "$(effect)" '[0,"reset_after",true]' 'reset after in the log'
	fault '"fault":"delay","ms":1'
	is "$status" 200 'delay'
	fault '"fault":"status","status":503'
	refused 503 'Service Unavailable' 'status 503'
	is "$(effect)" '[503,"status",false]' 'status in the log'
	fault '"fault":"status","status":401'
	refused 401 '^Invalid OAuth session$' 'status 401'
	fault '"fault":"status","status":429,"header":"Retry-After","seconds":7'
	refused 429 Many 'status 429'
	is "$(header Retry-After)" 7 'Retry-After in seconds'
	fault '"fault":"status","status":429,"header":"Retry-After",
		"seconds":7,"absolute":true'
	like "$(header Retry-After)" \
		'^[A-Z][a-z]{2}, .. [A-Z][a-z]{2} 20.. ..:..:.. GMT$' \
		'Retry-After as a date'
	fault '"fault":"status","status":429,"header":"X-Ratelimit-Reset",
		"seconds":9,"absolute":false'
	is "$(header X-Ratelimit-Reset) $(header X-Ratelimit-Remaining)" '9 0' \
		'X-Ratelimit-Reset in seconds'
	fault '"fault":"status","status":429,"header":"X-FloodControl-Reset"'
	like "$(header X-FloodControl-Reset)" '^[0-9]{10}$' \
		'X-FloodControl-Reset as a time'
	fault '"fault":"half"'
	is "$rc" 18 'half a response'
	ok 'some of it came' [ -s "$tmp/body" ]
	fault '"fault":"redirect","location":"http://example.com/x"'
	is "$status $(header Location)" '302 http://example.com/x' redirect
	fault '"fault":"html"'
	is "$status $(header Content-Type)" '200 text/html; charset=utf-8' html
	fault '"fault":"truncated"'
	is "$status $rc" '200 0' 'truncated, yet as long as announced'
	ok 'no JSON' no jq -e . "$tmp/body" 2>"$tmp/jq"
	tell faults '{"route":"capabilities","fault":"endless"}'
	is "$(curl -s "$HIPCHAT/v2/capabilities" | head -c 999999 | wc -c)" \
		999999 'a body without an end'
	fault '"fault":"slow"' --max-time 2
	is "$rc" 28 'a slow body'
	fault '"fault":"huge"'
	is "$status $(jq -r .links.api "$tmp/body")" "200 $HIPCHAT/v2" huge
	ok 'over 256 KiB' [ "$(wc -c <"$tmp/body")" -gt 262144 ]
	fault '"fault":"body","status":418,"body":"tea","type":"text/tea"'
	is "$status $(header Content-Type) $(cat "$tmp/body")" \
		'418 text/tea tea' body
	tell faults '{"route":"token","fault":"half"}'
	api POST /v2/oauth/token
	ok 'half of another' [ "$rc" != 0 ]

	# order, counts, rooms
	tell faults '{"route":"capabilities","fault":"status","status":500,
		"count":2}'
	is "$status" 201 'a fault is taken'
	tell faults '{"route":"capabilities","fault":"html","count":-1}'
	api GET /control/faults
	json 'map([.route, .fault, .count]) | tojson' \
		'[["capabilities","status",2],["capabilities","html",-1]]' left
	for expected in 500 500 200 200; do
		api GET /v2/capabilities
		is "$status" $expected 'faults in their order'
	done
	is "$(header Content-Type)" 'text/html; charset=utf-8' 'until cleared'
	api DELETE /control/faults
	api GET /v2/capabilities
	is "$(header Content-Type)" application/json 'cleared'
	tell faults "{\"route\":\"room\",\"fault\":\"status\",
		\"room\":$elsewhere}"
	api GET "/v2/room/$room"
	is "$status" 401 'the fault is for another room'
	api GET /v2/room/Elsewhere
	is "$status" 503 'for this one'
	tell faults '{"route":"capabilities","fault":"nonsense"}'
	refused 400 'unknown' 'no such fault'
	tell faults '{"fault":"html"}'
	refused 400 route 'a fault without a route'
	tell faults '{"route":"x","fault":"status","status":429,"header":"X"}'
	refused 400 header 'a header of that name'
}

# What 204 means when the answer is lost: the log knows, the room does.
lost_answers() {
	serve_addon
	install
	new_token
	before=$(conversation '.messages | length')
	tell faults '{"route":"notification","fault":"reset_after"}'
	notify '{"message":"after"}'
	is "$status" 000 'notification, reset after'
	tell faults '{"route":"notification","fault":"reset_before"}'
	notify '{"message":"before"}'
	is "$status" 000 'notification, reset before'
	tell faults '{"route":"notification","fault":"half"}'
	notify '{"message":"half"}'
	ok 'notification, half an answer' [ "$rc" != 0 ]
	tell faults '{"route":"notification","fault":"refuse"}'
	notify '{"message":"refuse"}'
	is "$status" 000 'notification, refused'
	is "$(conversation "[.messages[$before:][].message] | tojson")" \
		'["after","half"]' 'what took effect'
}

limits() {
	tell settings '{"flood_limit":2,"flood_window":1000}'
	room=$(room 'Flood')
	install
	new_token
	notify '{"message":"1"}'
	is "$(header X-FloodControl-Limit) $(header X-FloodControl-Remaining)" \
		'2 1' 'flood control counts'
	notify '{"message":"2"}'
	is "$status" 204 'up to its limit'
	notify '{"message":"3"}'
	is "$status $(header X-FloodControl-Remaining)" '429 0' 'not beyond'
	is "$(conversation '.messages | length')" 2 'which sent nothing'
	api GET "/v2/room/$room" -H "Authorization: Bearer $token"
	is "$status" 200 'other requests go on'
	tell settings '{"flood_limit":0,"rate_limit":3,"rate_window":1000}'
	room=$(room 'Rate')
	install
	new_token
	set -- -H "Authorization: Bearer $token"
	api GET "/v2/room/$room" "$@"
	is "$(header X-Ratelimit-Limit) $(header X-Ratelimit-Remaining)" \
		'3 1' 'rate limit counts the token, too'
	api GET "/v2/room/$room" "$@"
	api GET "/v2/room/$room" "$@"
	is "$status $(header X-Ratelimit-Remaining)" '429 0' 'over the limit'
	ok 'until a time to come' \
		[ "$(header X-Ratelimit-Reset)" -gt "$(date +%s)" ]
	tell settings '{"rate_limit":0}'
	api GET "/v2/room/$room" "$@"
	is "$status" 200 'not enforced any more'
}

the_log() {
	api DELETE /control/log
	is "$status" 204 'log cleared'
	is "$(control GET log | jq length)" 0 'it is empty'
	api POST /v2/oauth/token -d "$(printf 'x=\377')" -H 'X-Test: 1'
	control GET log >"$tmp/body"
	json '.[0] | [.direction, .method, .url, .status, .effect] | tojson' \
		'["in","POST","/v2/oauth/token",400,true]' 'an entry'
	json '.[0].request_headers["x-test"]' 1 'its headers'
	json '.[0].request_body' 'x=�' 'its body, made printable'
	json '.[0].response_body | fromjson | .error.code' 400 'its answer'
	n=$(jq '.[0].n' "$tmp/body")
	is "$(control GET "log?since=$n" | jq length)" 0 'since'
	api GET '/control/log?since=x'
	refused 400 since 'since what?'
}

page() {
	api GET /
	is "$status $(header Content-Type)" '200 text/html; charset=utf-8' page
	for element in room-name create-room descriptor-url install message \
		send conversation addons; do
		like "$(cat "$tmp/body")" "id='$element'" "#$element"
	done
	unlike "$(cat "$tmp/body")" '(src|href)=.https?:' 'needs nobody else'
	unlike "$(cat "$tmp/body")" innerHTML 'and escapes what it shows'
}

tls() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
		-keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>"$tmp/openssl" ||
		die "$(cat "$tmp/openssl")"
	stop_hipchatd
	rm "$tmp/hipchatd.url"
	start_hipchatd --tls-cert "$tmp/cert.pem" --tls-key "$tmp/key.pem" \
		--ca "$tmp/cert.pem" --url https://localhost:0/
	like "$HIPCHAT" '^https://127\.0\.0\.1:' 'https'
	api GET /v2/capabilities --cacert "$tmp/cert.pem"
	json .links.self "https://localhost:${HIPCHAT##*:}/v2/capabilities" \
		'it calls itself what it is told to'
	tell faults '{}'
	is "$rc" 60 'its certificate is its own'
	set -- --cacert "$tmp/cert.pem" -d
	api POST /control/faults "$@" \
		'{"route":"capabilities","fault":"reset_after"}'
	api GET /v2/capabilities --cacert "$tmp/cert.pem"
	is "$rc" 56 'a reset under TLS'
	api POST /control/install "$@" "{\"url\":\"$HIPCHAT/v2/capabilities\"}"
	refused 400 Descriptor 'its own calls trust the authorities given'
}

start_hipchatd
start_other
start_and_stop
capabilities
rooms
descriptors
installation
reinstallation
tokens
notifications
reading
webhooks
more_webhooks
removals
faults
lost_answers
limits
the_log
page
tls

# A request that is held must not keep it from stopping.
curl -sS -o "$tmp/x" -d '{"route":"rooms","fault":"delay","hold":true}' \
	"$OTHER/control/faults"
curl -s -o "$tmp/x" "$OTHER/v2/room" &
curl_pid=$!
held() { [ "$(other_log 'last | .status')" = null ]; }
wait_for held
kill "$other_pid"
wait "$other_pid"
is $? 0 'it stops while it holds a request'
other_pid=
wait "$curl_pid"
stop_hipchatd
quiet "$tmp/hipchatd.log" 'nothing on stderr'
quiet "$tmp/other.log" 'nothing on the other one'
done_testing
