#!/bin/sh
# The examples, t/examples/*.c, under Apache and with the stand-in HipChat.
. t/lib/lib.sh

start_hipchatd
mkdir -p "$tmp/built/cgi-bin"
cp "$B"/cgi-bin/* "$B"/t/examples/* "$tmp/built/cgi-bin"
B=$tmp/built
start_apache
jq 'def hook(name): {url: "{{ base_url }}/\(name)", event: "room_message",
		authentication: "jwt"};
	.capabilities.hipchatApiConsumer.scopes += ["admin_room"]
	| .capabilities.webhook = [
		hook("card") + {pattern: "^/ticket"},
		hook("greet") + {event: "room_enter"},
		hook("reply") + {pattern: "^/ping"},
		hook("topic") + {pattern: "^/topic"},
		hook("history") + {pattern: "^/again"},
		hook("motto") + {pattern: "^/motto"}
	]' templates/capabilities.json >"$tmp/templates/capabilities.json"

# of_room FILTER: a part of the dialogue's room, as the stand-in shows it
of_room() { control GET "rooms/$dialogue_room" | jq -r "$1"; }
# revoke WHAT: tokens of the dialogue's installation are refused from now on
revoke_tokens() {
	control GET installations | jq -r --argjson room "$dialogue_room" \
		'.[] | select(.room_id == $room).oauth_id' >"$tmp/id"
	control POST "installations/$(cat "$tmp/id")/revoke-tokens" '{}' \
		>"$tmp/answer"
}
# token_calls: how many tokens were asked for
token_calls() {
	control GET log | jq '[.[] | select(.direction == "in" and .method == "POST"
		and (.url | endswith("/oauth/token")))] | length'
}

# A card, and HTML.
dialogue <<'END'
< /ticket <b> & "b"
> <b>Ticket:</b> &lt;b&gt; &amp; &quot;b&quot;
END
is "$(of_room '.messages[-1] | [.format, .card.style, .card.title] | tojson')" \
	'["html","application","<b> & \"b\""]' 'its format and card'

# Another event.
dialogue <<'END'
* room_enter Ada Lovelace
> Hello, Ada Lovelace!
* room_exit Ada Lovelace
END

# An answer in the response, which nobody may cache.
dialogue <<'END'
< /ping
> pong
END
control GET log | jq -r 'map(select(.direction == "out"
	and (.url | endswith("/reply")))) | last.response_headers
	| "\(."cache-control") \(.etag)"' >"$tmp/out"
is "$(cat "$tmp/out")" 'no-store null' 'and it is kept by nobody'

# HipChat's REST API: PUT, with a stored token, or else with a fresh one.
dialogue <<'END'
< /topic Café & more
END
is "$(of_room .topic)" 'Café & more' 'the topic'
before=$(token_calls)
say_topic() {
	control POST "rooms/$dialogue_room/say" "{\"message\":\"/topic $1\"}" |
		jq -r '.webhooks[].status'
}
is "$(say_topic second) $(of_room .topic)" '204 second' 'another topic'
is "$(token_calls)" "$before" 'with the token that is stored'
revoke_tokens
is "$(say_topic third) $(of_room .topic)" '204 third' 'its token is refused'
is "$(token_calls)" $((before + 1)) 'a fresh one will do'
is "$(say_topic fourth) $(token_calls)" "204 $((before + 1))" 'which is kept'
is "$(say_topic "$(printf '%0251d' 0)")" 400 "HipChat's refusal is the status"
like "$(cat "$tmp/apache/error_log")" \
	"topic: room/$dialogue_room/topic: HipChat answers 400: Field 'topic'" \
	'... and in the log'

# GET has an answer.
dialogue <<'END'
< so it goes
< /again
> so it goes
END

# A setting, for one room only.
dialogue <<'END'
< /motto
> There is none yet.
< /motto Festina lente
< /motto
> Festina lente
END
dialogue <<'END'
< /motto
> There is none yet.
END

# The examples are short: lines of their own, between the braces of answer().
for example in t/examples/*.c; do
	ok "${example##*/}: at most 15 lines of its own" \
		[ "$(sed -n '/^answer(/,/^}/p' "$example" | sed '1,2d; $d' |
			grep -c .)" -le 15 ]
done
quiet "$tmp/apache/error_log" 'the error log' "$installs|answers 400"
done_testing
