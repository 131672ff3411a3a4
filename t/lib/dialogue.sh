# shellcheck shell=sh
# t/lib/dialogue.sh - a conversation in a room of the stand-in HipChat, as a
# test.  lib.sh sources it.

# dialogue <SCRIPT: installs the add-on in a new room, and then, line by line,
#	< TEXT		somebody says it; the webhooks answer 2xx
#	> TEXT		the add-on's next words
#	* EVENT NAME	it happens, as in "* room_enter Ada"
#	# TEXT		a comment
# and the add-on says nothing else.  Starts the servers if they do not run yet.
dialogue() {
	[ -n "$hipchatd_pid" ] || start_hipchatd
	[ -n "$apache_pid" ] || start_apache
	dialogue_room=$(new_room "Dialogue $tap_run") && dialogue_heard=0 &&
		install "$dialogue_room" >/dev/null || exit
	while read -r dialogue_line; do
		dialogue_text=${dialogue_line#? }
		case $dialogue_line in
		'<'*) happens say message "$dialogue_text" ;;
		'*'*) happens event event "${dialogue_text%% *}" \
			from "${dialogue_text#* }" ;;
		'>'*)
			wait_for has_heard $((dialogue_heard + 1)) ||
				diag "the webhooks: $(cat "$tmp/happened")"
			is "$(heard "$dialogue_heard")" "$dialogue_text" \
				"$dialogue_line"
			dialogue_heard=$((dialogue_heard + 1))
			;;
		'' | '#'*) ;;
		*) die "dialogue: $dialogue_line" ;;
		esac
	done
	wait_for all_sent
	is "$(heard "$dialogue_heard")" '' 'and no more'
}

# happens ROUTE MEMBER VALUE…: through a control route; the webhooks answer 2xx
happens() {
	happens_route=$1
	shift
	control POST "rooms/$dialogue_room/$happens_route" "$(jq -n '$ARGS.positional
		| [recurse(.[2:]; length > 1) | {(.[0]): .[1]}] | add' \
		--args "$@")" >"$tmp/happened"
	ok "$dialogue_line" all_content || diag "$(cat "$tmp/happened")"
}
all_content() {
	jq -e '.webhooks | all(.status >= 200 and .status < 300)' \
		"$tmp/happened" >"$tmp/out"
}

# heard N: what the add-on said as number N, from 0; nothing if it said less
heard() {
	control GET "rooms/$dialogue_room" | jq -r --argjson n "$1" '[.messages[]
		| select(.type == "notification")] | .[$n].message // empty'
}
has_heard() { [ -n "$(heard $(($1 - 1)))" ]; }
all_sent() { ! grep -qs '^[qc] ' "$tmp/data/outbox/queue"; }
