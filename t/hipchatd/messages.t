#!/bin/sh
# The stand-in HipChat: notifications, what can be read, and webhooks.
. t/hipchatd/lib.sh

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
	topic '{"topic":"x"}'
	refused 403 admin_room 'topic without the scope'
}

# topic BODY: sets the room's
topic() {
	api PUT "/v2/room/$room/topic" -H "Authorization: Bearer $token" \
		-H "$json_type" -d "$1"
}

topics() {
	serve_addon '.capabilities.hipchatApiConsumer.scopes += ["admin_room"]'
	install_served
	new_token
	topic "{\"topic\":\"$(printf %0250d 0 | sed 's/0/é/g')\"}"
	is "$status $(wc -c <"$tmp/body")" '204 0' 'topic of 250 characters'
	is "$(conversation '.topic | length')" 250 'and so it is'
	topic "{\"topic\":\"$(printf %0251d 0)\"}"
	refused 400 "^Field 'topic'" 'one more'
	topic '{}'
	refused 400 "^Field 'topic'" 'none'
	topic '{"topic":""}'
	is "$status $(conversation .topic)" '204 ' 'an empty one'
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
	install_served
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

room=$(new_room 'Den & Söhne/1')
elsewhere=$(new_room 'Elsewhere')
serve_addon
install_served
new_token
notifications
reading
webhooks
more_webhooks
topics
end_both
done_testing
