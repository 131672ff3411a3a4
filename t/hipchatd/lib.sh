# shellcheck shell=sh
# t/hipchatd/lib.sh - what the tests of the stand-in share: two of them, of
# which the second plays the add-on at the other end.  Faults make it answer
# what an add-on would, and its log shows what reached it.
. t/lib/lib.sh

json_type='Content-Type: application/json'
other_pid=
trap 'trap_status=$?
	[ -z "$other_pid" ] || end "$other_pid"
	(exit "$trap_status")
	clean_up' EXIT

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

# install_served [MEMBERS]: what is served, in $room; sets $id and $secret
install_served() {
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

# end_both: neither must have said anything
end_both() {
	[ -z "$other_pid" ] || end "$other_pid"
	other_pid=
	stop_hipchatd
	quiet "$tmp/hipchatd.log" 'nothing on stderr'
	quiet "$tmp/other.log" 'nothing on the other one'
}

start_hipchatd
start_other
