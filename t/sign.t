#!/bin/sh
# common/jwt accepts what t/sign-webhook.sh signs with openssl, and nothing
# else.
. t/lib/lib.sh

secret='x{}"$` /+=&%'
now=$(date +%s)

# verify TOKEN [SECRET [NOW]]
verify() { "$B/t/unit/test-jwt" "$1" "${2:-$secret}" "${3:-$now}"; }

token=$(t/sign-webhook.sh an-id "$secret" 42)
like "$token" '^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$' \
	'a token is one line of three parts'
is "$(verify "$token")" 'good iss=an-id room_id=42' 'it is good'
is "$(verify "$token" "${secret}x")" 'bad: its signature is wrong' \
	'with another secret it is not'
is "$(verify "$token" "$secret" $((now + 900)))" \
	'good iss=an-id room_id=42' 'it is good for a quarter of an hour'
like "$(verify "$token" "$secret" $((now + 1000)))" \
	'^bad: it is too old, by [0-9]+ s$' 'and not for longer'
like "$(verify "$token" "$secret" $((now + 4000)))" \
	'^bad: it has expired, by [0-9]+ s$' 'least of all for more than an hour'
like "$(verify "$token" "$secret" $((now - 100)))" \
	'^bad: it is from the future, by [0-9]+ s$' 'nor earlier'

# claims of every length modulo 3, so with and without padding to remove
for id in a ab abc abcd; do
	token=$(t/sign-webhook.sh "$id" "$secret")
	is "$(verify "$token")" "good iss=$id room_id=0" \
		"the id $id, without a room"
done

unlike "$(t/sign-webhook.sh an-id "$secret")" "^$token\$" 'each has its jti'

# usage NAME ARGUMENT…: refused, with nothing on standard output
usage() {
	usage_name=$1 rc=0
	shift
	got=$(t/sign-webhook.sh "$@" 2>"$tmp/stderr") || rc=$?
	is "$rc $got" '2 ' "refused: $usage_name"
	like "$(cat "$tmp/stderr")" '^usage: ' 'and told how'
}
usage 'no secret' an-id
usage 'an empty secret' an-id ''
usage 'an id with a quote' 'a"b' s
usage 'a room that is no number' an-id s lobby
usage 'one too many' an-id s 1 2

done_testing
