#!/bin/sh
# Installations that come twice, late, or at the same time as others of the same
# id, through a real Apache.  What HipChat said last counts.
. t/lib/lib.sh
. t/lib/courier.sh

start_hipchatd
start_apache HIPCHAT_WEBHOOK_AUTH=jwt
room=$(new_room Den)

# ---- helpers ----------------------------------------------------------------

# give FILE: POST /installed with these credentials; sets $status
give() { http POST "$ADDON/installed" -d "@$1"; }

# give_behind NAME FILE: the same in the background; the status will be in
# $tmp/NAME.status; $given is the process.
give_behind() {
	: >"$tmp/$1.status"
	curl -sS -m 120 -o /dev/null -w '%{http_code}\n' -d "@$2" \
		"$ADDON/installed" >"$tmp/$1.status" 2>/dev/null &
	given=$!
}

# works ID SECRET: how /echo answers a webhook that is signed with it
works() {
	printf '{"event":"room_message","oauth_client_id":"%s","item":{
		"room":{"id":%s},"message":{"id":"x","message":"/echo x"}}}' \
		"$1" "$room" >"$tmp/webhook"
	http POST "$ADDON/echo" -d "@$tmp/webhook" \
		-H "Authorization: JWT $(t/sign-webhook.sh "$1" "$2")"
	echo "$status"
}

# secret_of FILE
secret_of() { jq -r .oauthSecret "$1"; }

# Install again: sets $id, and fills $tmp/first.json with the credentials.
begin() {
	id=$(install "$room") || exit
	credentials "$id" >"$tmp/first.json"
	first=$(secret_of "$tmp/first.json")
}

# renew: HipChat changes the secret and tells the add-on; sets $status.
renew() {
	control POST install "{\"url\":\"$ADDON/capabilities\",
		\"oauth_id\":\"$id\",\"new_secret\":true}" >"$tmp/answer"
	status=$(jq -r '.callback_status // .error.message' "$tmp/answer")
	credentials "$id" >"$tmp/second.json"
	second=$(secret_of "$tmp/second.json")
}

# at_hipchat PATH: how many requests of this sort it has seen
at_hipchat() {
	control GET log | jq "[.[] | select(.direction == \"in\" and
		(.url | endswith(\"$1\")))] | length"
}
more_at_hipchat() { [ "$(at_hipchat "$1")" -gt "$2" ]; }

# cgi_pid PROGRAM: of the one that Apache is running.  Anybody can read
# /proc/PID/stat, but not /proc/PID/exe once the program is in its sandbox.
cgi_pid() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v name="($1)" \
		-v apache="$apache_pid" '{ parent[$1] = $4; comm[$1] = $2 }
		END { for (pid in comm) if (comm[pid] == name &&
			parent[parent[pid]] == apache) print pid }'
}
has_cgi() { [ -n "$(cgi_pid "$1")" ]; }

# stopped_before_the_store NAME FILE: give_behind(), but the program is stopped
# after HipChat has granted the token and before it has written anything: it
# waits for the store's lock, which we hold until it is stopped.
stopped_before_the_store() {
	rm -f "$tmp/let-go" "$tmp/held"
	flock "$tmp/data/lock" sh -c '
		: >"$1/held"
		until [ -e "$1/let-go" ]; do sleep 0.02; done' sh "$tmp" &
	holder=$!
	wait_for [ -e "$tmp/held" ]
	tokens=$(at_hipchat /oauth/token)
	give_behind "$1" "$2"
	wait_for more_at_hipchat /oauth/token "$tokens"
	wait_for granted
	stopped=$(cgi_pid installed)
	wait_for at_the_lock || die "$1: nobody is waiting for the lock"
	kill -STOP "$stopped"
	: >"$tmp/let-go"
	wait "$holder"
}
granted() {
	[ "$(control GET log | jq '[.[] | select(.direction == "in" and
		(.url | endswith("/oauth/token")))] | last | .status')" = 200 ]
}
# In the kernel's list, an arrow marks those who wait for a lock.
at_the_lock() { grep -q -e "-> FLOCK .* $stopped " /proc/locks; }

# goes_on NAME: let it go on; sets $status to its answer.
goes_on() {
	kill -CONT "$stopped"
	wait "$given"
	read -r status <"$tmp/$1.status"
}

# ---- again ------------------------------------------------------------------

replay() {
	begin
	give "$tmp/first.json"
	is "$status" 200 'the same installation again'
	is "$(works "$id" "$first")" 204 'the same installation again: it works'

	renew
	is "$status" 200 'a new secret'
	is "$(works "$id" "$second")" 204 'a new secret: it works'
	is "$(works "$id" "$first")" 401 'a new secret: the old one does not'
	give "$tmp/first.json"
	is "$status" 403 'the first installation replayed'
	is "$(works "$id" "$second")" 204 'replayed: the new secret works'
	is "$(works "$id" "$first")" 401 'replayed: the old one does not'

	control POST remove "{\"oauth_id\":\"$id\",\"form\":\"A\"}" >/dev/null
	is "$(works "$id" "$second")" 401 'removed'
	for secret in first second; do
		give "$tmp/$secret.json"
		is "$status" 403 "replayed after the removal: $secret"
		is "$(works "$id" "$second")" 401 \
			"replayed after the removal: $secret: it stays removed"
	done
}

# ---- at the same time -------------------------------------------------------

crowd() {
	begin
	jq '.oauthSecret = "forged"' "$tmp/first.json" >"$tmp/forged.json"
	pids=
	for n in 1 2 3 4 5 6; do
		give_behind "good-$n" "$tmp/first.json"
		pids="$pids $given"
		give_behind "bad-$n" "$tmp/forged.json"
		pids="$pids $given"
	done
	for pid in $pids; do
		wait "$pid"
	done
	is "$(cat "$tmp"/good-*.status | sort | uniq -c | tr -s ' ')" ' 6 200' \
		'six good ones at the same time as'
	is "$(cat "$tmp"/bad-*.status | sort | uniq -c | tr -s ' ')" ' 6 403' \
		'six forged ones'
	is "$(works "$id" "$first")" 204 'the good one holds'
	is "$(works "$id" forged)" 401 'the forged one does not'
}

# An installation that was proved first but is written last.
overtaken() {
	begin
	stopped_before_the_store late "$tmp/first.json"
	renew
	is "$status" 200 'overtaking: a new secret while the old is being stored'
	goes_on late
	like "$status" '^(403|409|503)$' 'overtaking: the late one is refused'
	is "$(works "$id" "$second")" 204 'overtaking: the new secret works'
	is "$(works "$id" "$first")" 401 'overtaking: the old one does not'
}

removed_meanwhile() {
	begin
	stopped_before_the_store late "$tmp/first.json"
	control POST remove "{\"oauth_id\":\"$id\",\"form\":\"A\"}" |
		jq -r .status >"$tmp/answer"
	is "$(cat "$tmp/answer")" 204 'a removal while it is installed again'
	goes_on late
	like "$status" '^(403|409|503)$' 'the late installation is refused'
	is "$(works "$id" "$first")" 401 'it stays removed'
}

# A removal that has asked HipChat, but in the meantime there is a new secret.
renewed_meanwhile() {
	begin
	fault '"route": "token", "fault": "status", "status": 401, "hold": true'
	tokens=$(at_hipchat /oauth/token)
	curl -sS -m 120 -X DELETE -o /dev/null -w '%{http_code}\n' \
		"$ADDON/installed/$id" >"$tmp/removal.status" &
	removal=$!
	wait_for more_at_hipchat /oauth/token "$tokens"
	renew
	is "$status" 200 'a new secret while a removal is under way'
	control POST release
	wait "$removal"
	is "$(cat "$tmp/removal.status")" 409 'the removal is refused'
	is "$(works "$id" "$second")" 204 'the new secret works'
}

replay
crowd
overtaken
removed_meanwhile
renewed_meanwhile
done_testing
