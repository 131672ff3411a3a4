#!/bin/sh
# t/demo.sh demo - installs the add-on into a room of the stand-in HipChat,
#	says "/echo hello world" there, shows the answer and every HTTP request
#	on the way, and removes the add-on again.
# t/demo.sh run - installs it and keeps everything running until Ctrl-C, to play
#	with.
#
# Called by "make demo" and "make run", which build the programs first.
. t/lib/lib.sh

json_type='Content-Type: application/json'

# What happened since the last call: requests that the stand-in saw ("in") and
# made ("out").
seen=0
steps() {
	control GET "log?since=$seen" >"$tmp/log"
	seen=$(jq "(last | .n) // $seen" "$tmp/log")
	jq -r '
		def pad(n): (. + " " * n)[:n];
		.[] | select(.url | test("/control/") | not)
		| (if .direction == "in" then "add-on → HipChat"
		   else "HipChat → add-on" end) + "   "
		+ (.method | pad(7))
		+ (.url | sub("^[a-z]+://[^/]*"; "")
			| if length > 50 then .[:47] + "..." else . end
			| pad(51))
		+ ((.error // .status) | tostring)' "$tmp/log" |
		sed 's/^/    /'
}

# It did not work: show what happened.
fail() {
	steps >&2
	tail -n 5 "$tmp/apache/error_log" "$tmp/hipchatd.log" >&2
	die "$*"
}

install_addon() {
	room=$(control POST rooms '{"name":"Den"}' | jq -er .id) ||
		die 'the stand-in made no room'
	control POST install \
		"{\"url\":\"$ADDON/capabilities\",\"room_id\":$room}" \
		>"$tmp/answer"
	oauth_id=$(jq -er .oauth_id "$tmp/answer") ||
		fail "the add-on was not installed: $(cat "$tmp/answer")"
}

conversation() {
	control GET "rooms/$room"
}

answered() {
	conversation | jq -e 'any(.messages[];
		.type == "notification" and .message == "hello world")' \
		>/dev/null
}

demo() {
	echo "HipChat (a stand-in for it) is $HIPCHAT, the add-on $ADDON."
	echo
	echo '1. HipChat installs the add-on in a room, from its descriptor URL'
	install_addon
	steps

	echo
	echo '2. Ada says "/echo hello world" in that room'
	control POST "rooms/$room/say" \
		'{"from":"Ada","message":"/echo hello world"}' >"$tmp/answer"
	wait_for answered ||
		fail "nobody answered: $(cat "$tmp/answer")"
	steps
	echo
	conversation | jq -r '.messages[] | "        \(.from): \(.message)"'

	echo
	echo '3. HipChat removes the add-on'
	control POST remove "{\"oauth_id\":\"$oauth_id\",\"form\":\"A\"}" \
		>"$tmp/answer"
	steps
	jq -e 'any(.[]; .method == "DELETE" and .status == 204)' "$tmp/log" \
		>/dev/null ||
		fail "the add-on was not removed: $(cat "$tmp/answer")"
	echo
	echo 'All went well.'
}

# The real credentials of this installation, as HipChat posted them.
credentials() {
	control GET log | jq -r '.[] | select(.direction == "out" and
		.method == "POST" and (.url | endswith("/installed")))
		| .request_body'
}

run() {
	install_addon
	cat <<-END
		The room        $HIPCHAT/ (open it in a browser; the add-on is installed)
		The add-on      $ADDON/capabilities is its descriptor URL
		Its data        $tmp/data
		Logs            $tmp/apache/error_log
		                $tmp/apache/access_log
		                $tmp/data/courier.log
		                $tmp/hipchatd.log

		The endpoints, as HipChat calls them; paste what you like, in this order.

		The descriptor: 200
		  curl -i $ADDON/capabilities

		The same credentials again, as at a re-installation: 200
		  curl -i -H '$json_type' -d '$(credentials)' $ADDON/installed

		A message in the room: 204, and the answer appears there
		  curl -i -H "Authorization: JWT \$(t/sign-webhook.sh $oauth_id $(credentials | jq -r .oauthSecret))" -H '$json_type' -d '{"event":"room_message","item":{"message":{"id":"'\$(date +%s%N)'","message":"/echo hello curl"},"room":{"id":$room}},"oauth_client_id":"$oauth_id"}' $ADDON/echo

		What was said in the room
		  curl $HIPCHAT/control/rooms/$room

		Removal, by anybody: 409, for HipChat says that it is still installed
		  curl -i -X DELETE $ADDON/installed/$oauth_id

		Removal, by HipChat: it sends a browser to GET /uninstalled
		  curl -i -H '$json_type' -d '{"oauth_id":"$oauth_id","form":"B"}' $HIPCHAT/control/remove

		The other two forms of removal, which now find nothing to remove: 204
		  curl -i -X DELETE $ADDON/installed/$oauth_id
		  curl -i -H '$json_type' -d '{"oauthId":"$oauth_id"}' $ADDON/uninstalled

		Ctrl-C ends it all.
	END
	trap 'echo; exit 0' INT
	while alive "$apache_pid" && alive "$hipchatd_pid"; do
		sleep 1
	done
	fail 'a server ended by itself'
}

case ${1:-} in
demo | run) ;;
*) die 'usage: t/demo.sh demo|run' ;;
esac
start_hipchatd
start_apache
"$1"
