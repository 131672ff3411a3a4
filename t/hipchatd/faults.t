#!/bin/sh
# The stand-in HipChat: faults, limits, the log, its page, and TLS.
. t/hipchatd/lib.sh

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
	tell faults '{"route":"token","fault":"status","text":"bad","count":-1}'
	for expected in bad:503 good:400 worse+bad:503; do
		api POST /v2/oauth/token -d "${expected%:*}"
		is "$status" "${expected#*:}" "the fault is for bad ones: $expected"
	done
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
	install_served
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
	room=$(new_room 'Flood')
	install_served
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
	room=$(new_room 'Rate')
	install_served
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
	# 77: nor has the host any to trust
	like "$rc" '^(60|77)$' 'its certificate is its own'
	set -- --cacert "$tmp/cert.pem" -d
	api POST /control/faults "$@" \
		'{"route":"capabilities","fault":"reset_after"}'
	api GET /v2/capabilities --cacert "$tmp/cert.pem"
	is "$rc" 56 'a reset under TLS'
	api POST /control/install "$@" "{\"url\":\"$HIPCHAT/v2/capabilities\"}"
	refused 400 Descriptor 'its own calls trust the authorities given'
}

# A request that is held must not keep it from stopping.
stop_while_holding() {
	curl -sS -o "$tmp/x" "$OTHER/control/faults" \
		-d '{"route":"rooms","fault":"delay","hold":true}'
	curl -s -o "$tmp/x" "$OTHER/v2/room" &
	curl_pid=$!
	wait_for held
	kill "$other_pid"
	wait "$other_pid"
	is $? 0 'it stops while it holds a request'
	other_pid=
	wait "$curl_pid"
}
held() { [ "$(other_log 'last | .status')" = null ]; }

room=$(new_room 'Den & Söhne/1')
elsewhere=$(new_room 'Elsewhere')
faults
lost_answers
limits
the_log
page
tls
stop_while_holding
end_both
done_testing
