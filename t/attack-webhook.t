#!/bin/sh
# Webhooks that HipChat has not signed: each one gets a 401 that does not say
# why, leaves one line in the log, and nothing in the outbox.  What HipChat has
# signed gets through, however the token is sent.
. t/lib/lib.sh
. t/lib/courier.sh

start_hipchatd
start_apache HIPCHAT_WEBHOOK_AUTH=jwt
room1=$(new_room 'Victim') room2=$(new_room 'Attacker')
a=$(install "$room1") b=$(install "$room2") || exit
secret_a=$(credentials "$a" | jq -r .oauthSecret)
secret_b=$(credentials "$b" | jq -r .oauthSecret)
keep "$a" "$b"
fresh box

# ---- tokens -----------------------------------------------------------------

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# sign SECRET HEADER CLAIMS [DIGEST]: prints a token
sign() {
	sign_text=$(printf %s "$2" | base64url).$(printf %s "$3" | base64url)
	printf '%s.%s\n' "$sign_text" "$(printf %s "$sign_text" |
		openssl dgst "-${4:-sha256}" -hmac "$1" -binary | base64url)"
}

hs256='{"alg":"HS256","typ":"JWT"}'

# claims [JQ]: those that HipChat would make for $a, changed by the filter
claims() {
	jq -nc --arg iss "$a" --argjson now "$now" --argjson room "$room1" \
		'{iss: $iss, iat: $now, exp: ($now + 3600), sub: "1",
		context: {room_id: $room, roomId: $room}} | '"${1:-.}"
}

# token [JQ]: signed with $a's secret
token() { sign "$secret_a" "$hs256" "$(claims "$@")"; }

# ---- expectations -----------------------------------------------------------

n=0

# post [NAME=VALUE…]: a webhook of $a's room, with these variables
post() {
	n=$((n + 1))
	webhook "$a" "$room1" "message-$n" "text $n" HIPCHAT_WEBHOOK_AUTH=jwt \
		"$@"
}

# outcome: the whole answer, how many lines were logged, and what is queued
outcome() {
	cat "$tmp/headers" "$tmp/body"
	grep -c . "$tmp/stderr"
	messages queue
}

unauthorized='{"error":{"code":401,"message":"Authenticated requests only",'
unauthorized="$unauthorized\"type\":\"Unauthorized\"}}"
silently_refused="Status: 401 Unauthorized
Content-Type: application/json
Content-Length: $((${#unauthorized} + 1))
Cache-Control: no-store

$unauthorized
1"

# No reason in the answer, one line in the log, nothing in the outbox.
refused() { is "$(outcome)" "$silently_refused" "$1: refused"; }

accepted() {
	is "$status $(cat "$tmp/body")" '204 ' "$1: accepted"
	like "$(cat "$tmp/stderr")" "^echo: [0-9-]+: queued, .*, webhook message-" \
		"$1: one line, with both ids"
	is "$(documents queue | jq -r .notification.message)" "text $n" \
		"$1: and queued"
	rm "$box/outbox/queue"
}

# with NAME TOKEN: is this token refused?
with() {
	post HTTP_AUTHORIZATION="JWT $2"
	refused "$1"
}

# ---- how a good one may be sent ---------------------------------------------

spellings() {
	now=$(date +%s)
	good=$(token)
	for scheme in 'JWT ' 'jwt ' 'Jwt ' 'JWT token=' 'jwt token=' \
		'Bearer ' 'bearer ' 'BEARER '; do
		post HTTP_AUTHORIZATION="$scheme$good"
		accepted "'$scheme'"
	done
	post QUERY_STRING="signed_request=$good"
	accepted 'in the query'
	post QUERY_STRING="x=1&signed_request=$good&y="
	accepted 'in the query, among others'

	post HTTP_AUTHORIZATION="JWT $(token 'del(.context)')"
	accepted 'a token for no room'
	printf '{"event":"room_archived","oauth_client_id":"%s","item":{}}' \
		"$a" >"$tmp/roomless"
	cgi echo POST HIPCHAT_DATA_DIR="$box" HIPCHAT_WEBHOOK_AUTH=jwt \
		HTTP_AUTHORIZATION="JWT $good" <"$tmp/roomless"
	is "$status" 204 'an event that names no room'
	cgi echo POST HIPCHAT_DATA_DIR="$box" HIPCHAT_WEBHOOK_AUTH=jwt \
		HTTP_AUTHORIZATION="JWT $(token ".context.room_id = $room2")" \
		<"$tmp/roomless"
	is "$status" 401 '... with a token for another than the installation'
	post HTTP_AUTHORIZATION="JWT $(token ".exp = $now - 20")"
	accepted 'a clock that is a little ahead'
	post HTTP_AUTHORIZATION="JWT $(token ".iat = $now + 20")"
	accepted 'a clock that is a little behind'
}

misspelt() {
	post
	refused 'unsigned'
	for value in '' JWT 'JWT ' 'JWT token=' Bearer "Basic $good" \
		"Token $good" "$good" "JWT$good" "JWT  $good" "JWT $good x" \
		"JWT $good,JWT $good" "JWT \"$good\"" "JWT token=\"$good\"" \
		"Bearer token=$good" " JWT $good"; do
		post HTTP_AUTHORIZATION="$value"
		refused "Authorization: $(echo "$value" | cut -c -20)"
	done
	for value in signed_request= signed_request "signed_request=%00$good" \
		"signed_request=$good&signed_request=$good" \
		"SIGNED_REQUEST=$good" "signed_request=$good%0a" \
		"signed_request=$good%20" "signed_request[]=$good"; do
		post QUERY_STRING="$value"
		refused "query: $(echo "$value" | cut -c -30)"
	done
	post HTTP_COOKIE="signed_request=$good" HTTP_X_AUTHORIZATION="JWT $good"
	refused 'in headers that are for something else'
}

# ---- forged ones ------------------------------------------------------------

signatures() {
	with 'a guessed secret' "$(sign secret "$hs256" "$(claims)")"
	with 'an empty secret' "$(sign '' "$hs256" "$(claims)")"
	with "the victim's id as secret" "$(sign "$a" "$hs256" "$(claims)")"
	with "another installation's secret" \
		"$(sign "$secret_b" "$hs256" "$(claims)")"
	with "another installation's token" \
		"$(sign "$secret_b" "$hs256" "$(claims ".iss = \"$b\"")")"
	with "the right secret, another installation's name" \
		"$(token ".iss = \"$b\"")"

	body=${good%.*} signature=${good##*.}
	with 'no signature' "$body."
	with 'two parts' "$body"
	with 'a dot too many' "$good."
	with 'half a signature' "$body.$(echo "$signature" | cut -c -20)"
	with 'the signature in capitals' \
		"$body.$(echo "$signature" | tr '[:lower:]' '[:upper:]')"
	with 'padding' "$good="
	with 'claims that were changed' \
		"$(echo "$good" | cut -d. -f1).$(claims '.sub = "2"' |
			tr -d '\n' | base64url).$signature"
	with 'something very long' "$(head -c 60000 /dev/zero | tr '\0' A)"
	with 'bytes that are no text' "$(printf '\377\376.\200.\001')"
}

algorithms() {
	for alg in none None nOnE NONE ''; do
		with "alg '$alg', unsigned" \
			"$(printf '{"alg":"%s"}' "$alg" | base64url).$(claims |
				tr -d '\n' | base64url)."
		with "alg '$alg', signed" "$(sign "$secret_a" \
			"{\"alg\":\"$alg\",\"typ\":\"JWT\"}" "$(claims)")"
	done
	for bits in 384 512; do
		with "HS$bits" "$(sign "$secret_a" \
			"{\"alg\":\"HS$bits\"}" "$(claims)" "sha$bits")"
	done
	with RS256 "$(sign "$secret_a" '{"alg":"RS256"}' "$(claims)")"
	with 'no alg' "$(sign "$secret_a" '{"typ":"JWT"}' "$(claims)")"
	with 'two algs' "$(sign "$secret_a" \
		'{"alg":"HS256","alg":"none"}' "$(claims)")"
	with 'a critical extension' "$(sign "$secret_a" \
		'{"alg":"HS256","crit":["exp"]}' "$(claims)")"
}

claimed() {
	with expired "$(token ".exp = $now - 3600")"
	with 'expired a while ago' "$(token ".exp = $now - 65")"
	with 'good for ever' "$(token 'del(.exp)')"
	with 'exp as a text' "$(token ".exp = \"$((now + 60))\"")"
	with 'exp beyond all time' "$(token '.exp = 1e300')"
	with 'from the future' "$(token ".iat = $now + 3600")"
	with 'not yet good' "$(token ".nbf = $now + 3600")"
	with 'nobody' "$(token 'del(.iss)')"
	with 'two issuers' "$(sign "$secret_a" "$hs256" \
		"{\"iss\":\"$a\",$(claims | cut -c 2-)")"
	with 'another room' "$(token ".context.room_id = $room2")"
	with 'a room that is none' "$(token '.context.room_id = "x"')"
	with 'no claims' "$(sign "$secret_a" "$hs256" '{}')"
	with 'claims that are no JSON' "$(sign "$secret_a" "$hs256" 'iss')"
}

# The body is about another room or installation than the token.
bodies() {
	webhook "$a" "$room2" m-other text HIPCHAT_WEBHOOK_AUTH=jwt \
		HTTP_AUTHORIZATION="JWT $good"
	refused "the victim's token with another room's message"
	webhook "$b" "$room2" m-other text HIPCHAT_WEBHOOK_AUTH=jwt \
		HTTP_AUTHORIZATION="JWT $good"
	refused "the victim's token with another installation's message"
	for id in 00000000-0000-4000-8000-000000000000 "$a\u0020" "$a." \
		"../$a" '*' '%s%n'; do
		webhook "$id" "$room1" m-other text HIPCHAT_WEBHOOK_AUTH=jwt \
			HTTP_AUTHORIZATION="JWT $good"
		refused "installation '$id'"
		like "$(cat "$tmp/stderr")" 'not installed' \
			"installation '$id': the log knows"
	done
	# a line break in an id does not start a second line
	webhook 'x\necho: all is well' "$room1" m-other text \
		HIPCHAT_WEBHOOK_AUTH=jwt HTTP_AUTHORIZATION="JWT $good"
	refused 'an id with a line break'
}

# The same through Apache, which has to pass the header on.
through_apache() {
	for_room='{"event":"room_message","oauth_client_id":"%s","item":{
		"room":{"id":%s},"message":{"id":"%s","message":"/echo %s"}}}'
	number=0
	for header in "Authorization: JWT $good" "authorization: jwt $good" \
		"Authorization: JWT token=$good" "Authorization: Bearer $good"; do
		number=$((number + 1))
		# shellcheck disable=SC2059 # the format is a constant
		printf "$for_room" "$a" "$room1" "apache-$number" \
			"good-$number" >"$tmp/webhook"
		http POST "$ADDON/echo" -H "$header" -d "@$tmp/webhook"
		is "$status" 204 "Apache: $(echo "$header" | cut -c -27)"
	done
	# shellcheck disable=SC2059
	printf "$for_room" "$a" "$room1" apache-query good-5 >"$tmp/webhook"
	http POST "$ADDON/echo?signed_request=$good" -d "@$tmp/webhook"
	is "$status" 204 'Apache: in the query'

	lines=$(grep -c ' 401: webhook of ' "$tmp/apache/error_log")
	# shellcheck disable=SC2059
	printf "$for_room" "$a" "$room1" apache-bad forged >"$tmp/webhook"
	http POST "$ADDON/echo" -d "@$tmp/webhook"
	is "$status" 401 'Apache: unsigned'
	is "$(cat "$tmp/body")" "$unauthorized" \
		'Apache: unsigned: without a reason'
	http POST "$ADDON/echo" -d "@$tmp/webhook" \
		-H "Authorization: JWT $(sign guess "$hs256" "$(claims)")"
	is "$status" 401 'Apache: a guessed secret'
	is "$(grep -c ' 401: webhook of ' "$tmp/apache/error_log")" \
		$((lines + 2)) 'Apache: one line each in the error log'
	ok 'Apache: the good ones arrive' \
		wait_for has_said "$room1" good- 'good-1 good-2 good-3 good-4 good-5'
	is "$(said "$room1" forged)" '' 'Apache: the others do not'
}

spellings
misspelt
signatures
algorithms
claimed
bodies
through_apache
is "$(grep -rlF -e "$secret_a" -e "${good##*.}" "$tmp/apache/error_log" \
	"$tmp/data/courier.log")" '' 'no secret and no signature was logged'
done_testing
