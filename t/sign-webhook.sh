#!/bin/sh
# t/sign-webhook.sh OAUTH_ID SECRET [ROOM_ID] - prints a token such as HipChat
# sends with a webhook, accepted for 15 minutes.  It needs only openssl:
#
#	curl -H "Authorization: JWT $(t/sign-webhook.sh "$id" "$secret")" \
#	    -H 'Content-Type: application/json' -d @webhook.json "$base/echo"
#
# openssl takes the key as an argument, which ps(1) shows to everybody on the
# machine, so use this only to try things out.
set -eu

usage() {
	echo "usage: $0 OAUTH_ID SECRET [ROOM_ID]" >&2
	exit 2
}

case $# in 2 | 3) ;; *) usage ;; esac
id=$1 secret=$2 room=${3:-}
[ -n "$secret" ] || usage
# they go into JSON as they are
case $id in '' | *[!A-Za-z0-9._~-]*) usage ;; esac
case $room in *[!0-9]* | 0*) usage ;; esac

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

now=$(date +%s)
header='{"alg":"HS256","typ":"JWT"}'
claims='{"iss":"'$id'","iat":'$now',"exp":'$((now + 3600))',
	"sub":"1","prn":"1","jti":"'$(openssl rand -hex 10)'",
	"context":{'${room:+'"room_id":'$room',"roomId":'$room','}'
	"user_tz":"UTC"}}'

text=$(printf %s "$header" | base64url).$(printf %s "$claims" | base64url)
signature=$(printf %s "$text" |
	openssl dgst -sha256 -hmac "$secret" -binary | base64url)
echo "$text.$signature"
