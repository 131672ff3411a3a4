#!/bin/sh
# Somebody who is not HipChat removes other people's installations, with
# documents of their own, and sends browsers elsewhere.  None of it changes the
# store, and the add-on connects to no place where it must not go.
. t/lib/lib.sh
. t/lib/courier.sh
. t/lib/attack.sh

# browse REDIRECT INSTALLABLE: GET /uninstalled with these
browse() {
	attack uninstalled GET QUERY_STRING="$(jq -nr --arg r "$1" \
		--arg i "$2" '"redirect_url=\($r | @uri)&installable_url=\($i | @uri)"')"
}

# ends NAME: the answer sends nobody anywhere, and has only the usual headers
ends() {
	! grep -Eqv '^((Status|Content-Type|Content-Length|Cache-Control): .*)?$' \
		"$tmp/headers" || ok "$1: no header of it" false ||
		diag "$(cat "$tmp/headers")"
}

# put_up DOCUMENT: the stand-in's answer to the next GET of an installable
put_up() {
	fault '"route": "installable", "fault": "body", "status": 200,
		"body": '"$(printf %s "$1" | jq -Rs .)"
}

redirect_urls() {
	installable=$HIPCHAT/v2/installable/1
	for url in https://example.com/ http://127.0.0.1:9/ //example.com/ / \
		/addons addons '' "https:$HIPCHAT" javascript:alert\(1\) \
		'data:text/html,x' "${HIPCHAT#http:}" "${HIPCHAT#http://}" \
		"$HIPCHAT@example.com/" "$HIPCHAT.example.com/" \
		"http:/${HIPCHAT#http://}/" "http:///${HIPCHAT#http://}/" \
		"$HIPCHAT\\@example.com/" "$HIPCHAT\\.example.com/" \
		'https:\\api.hipchat.com\' '/\example.com' \
		"https://example.com\\.hipchat.com/" \
		"https://api.hipchat.com%0d%0aX-Forged:%20yes@example.com/" \
		"$HIPCHAT/
X-Forged: yes" "$HIPCHAT/$(printf '\r')" "$HIPCHAT/ x" \
		"$HIPCHAT/$(printf '\t')" "$HIPCHAT/<script>" "$HIPCHAT/\"" \
		"http://localhost:$port/" "http://[::1]:$port/" \
		"https://hipchat.com/" "http://api.hipchat.com/" \
		"$HIPCHAT/$(head -c 3000 /dev/zero | tr '\0' x)"; do
		browse "$url" "$installable"
		refused 400 "redirect_url $(shown "$url")"
		alone "redirect_url $(shown "$url")"
		ends "redirect_url $(shown "$url")"
	done
	for query in "redirect_url=$HIPCHAT/%00x" "redirect_url=$HIPCHAT/%" \
		"redirect_url=$HIPCHAT/&redirect_url=http://example.com/" \
		"redirect_url=$HIPCHAT/%0d%0aSet-Cookie:%20a=b" \
		"redirect_url=%ff%fe"; do
		attack uninstalled GET \
			QUERY_STRING="$query&installable_url=$installable"
		refused 400 "query $query"
		ends "query $query"
	done
}

installable_urls() {
	back=$HIPCHAT/addons
	for url in https://example.com/x http://127.0.0.1:9/ \
		"http://localhost:$port/x" "http://x@127.0.0.1:$port/x" \
		'https://[::1]/x' file:///etc/passwd "$HIPCHAT\\@example.com/" \
		http://api.hipchat.com/x; do
		browse "$back" "$url"
		refused 403 "installable_url $url"
		alone "installable_url $url"
		ends "installable_url $url"
	done
	names=api.hipchat.com=127.0.0.1
	browse "$back" https://api.hipchat.com/x
	is "$status" 502 'installable_url on a host inside'
	called 'resolve api.hipchat.com' 'which is not called'
	names=

	installable=$HIPCHAT/v2/installable/1
	for how in huge endless html truncated half \
		'redirect", "location": "http://127.0.0.1:9/' \
		"redirect\", \"location\": \"$installable"; do
		fault "\"route\": \"installable\", \"fault\": \"$how\""
		browse "$back" "$installable"
		refused 502 "installable: $how"
		called "$to_hipchat" "installable: $how: one call"
	done
	browse "$back" "$installable"
	refused 502 'an installable that is not there'
}

# The installation belongs to somebody else.
documents() {
	put_up "{\"oauthId\": \"$a\", \"oauthSecret\": \"forged\"}"
	browse "$back" "$installable"
	refused 403 "a document with the victim's id and a forged secret"
	put_up "$(jq -c --arg id "$a" '.oauthId = $id' "$tmp/b.json")"
	browse "$back" "$installable"
	refused 403 "a document with the victim's id and one's own secret"
	ends "a document with the victim's id and one's own secret"
	put_up "$(jq -c '.oauthSecret = ""' "$tmp/a.json")"
	browse "$back" "$installable"
	refused 502 "a document with an empty secret"
	put_up "$(jq -c '.oauthSecret = null' "$tmp/a.json")"
	browse "$back" "$installable"
	refused 502 "a document with null for a secret"
	put_up "{\"oauthId\": \"$b\", $(jq -c . "$tmp/a.json" | cut -c 2-)"
	browse "$back" "$installable"
	refused 502 'a document with two ids'
}

# to_prove: how many removals of $a the courier is to prove
to_prove() { grep -c "^q r [^ ]* $a 0 - {}\$" "$box/outbox/queue"; }

# stays NAME N: the browser is sent on, its own HipChat says that $a is
# installed, and the courier will ask again; this is the N-th time
stays() {
	is "$status $(header Location)" "302 $back" "$1: the browser is sent on"
	ok "$1: one line" one_line || diag "$(cat "$tmp/stderr")"
	like "$line" "$a stays for now" "$1: it stays"
	changes_nothing "$1"
	is "$(to_prove)" "$2" "$1: the courier is to ask again"
}

# A document that says nothing but an id can be written by anybody who has
# a file on an allowed host: on our HipChat, or on another that is allowed.
without_secret() {
	put_up "{\"oauthId\": \"$a\"}"
	browse "$back" "$installable"
	stays 'a document without a secret' 1
	called "$to_hipchat
$to_hipchat" 'a document without a secret: HipChat is asked'

	setsid "$B/t/hipchatd" --port 0 >"$tmp/other.url" \
		2>"$tmp/other.log" </dev/null &
	other_pid=$!
	wait_for said_or_gone "$tmp/other.url" "$other_pid"
	read -r other <"$tmp/other.url" || die 'no other HipChat'
	other=${other%/}
	curl -sS -o "$tmp/answer" -H 'Content-Type: application/json' -d "$(jq -n \
		--arg a "$a" '{route: "installable", fault: "body", status: 200,
		count: -1, body: "{\"oauthId\": \"\($a)\"}"}')" \
		"$other/control/faults"
	allowed="$HIPCHAT $other"
	browse "$back" "$other/v2/installable/1"
	stays "another HipChat's document" 2
	called "connect 127.0.0.1 ${other##*:}
$to_hipchat" "another HipChat's document: its own HipChat is asked"
	attack uninstalled POST QUERY_STRING="installable_url=$other/v2/installable/1" \
		</dev/null
	refused 409 "another HipChat's document, from a program"
	is "$(to_prove)" 2 '... which is told, so nobody asks again'
	allowed=$other
	browse "$other/addons" "$other/v2/installable/1"
	refused 503 "another HipChat's document, where the own is not allowed"
	allowed="*.hipchat.com $HIPCHAT"
	end "$other_pid"
}

removals() {
	for id in "$a" "$b"; do
		attack installed DELETE PATH_INFO="/$id"
		refused 409 "DELETE of somebody's id"
		attack uninstalled POST CONTENT_TYPE=application/json <<-END
			{"oauthId": "$id"}
		END
		refused 409 "POST of somebody's id"
		attack uninstalled POST QUERY_STRING="oauthId=$id" </dev/null
		refused 409 "POST of somebody's id in the query"
	done
	# if HipChat is not there, that proves nothing
	fault '"route": "token", "fault": "reset_before"'
	attack installed DELETE PATH_INFO="/$a"
	refused 503 'DELETE while HipChat is away'
	fault '"route": "token", "fault": "status", "status": 500'
	attack installed DELETE PATH_INFO="/$a"
	refused 503 'DELETE while HipChat is ill'
	fault '"route": "token", "fault": "status", "status": 404'
	attack installed DELETE PATH_INFO="/$a"
	refused 503 'DELETE while HipChat has no tokens'
	fault '"route": "token", "fault": "status", "status": 429'
	attack installed DELETE PATH_INFO="/$a"
	refused 503 'DELETE while HipChat limits the rate'
	fault '"route": "token", "fault": "html"'
	attack installed DELETE PATH_INFO="/$a"
	refused 503 'DELETE while HipChat shows a web page'
	# nor does it if we do not even ask, because our own list forbids it
	for list in chat.example.com https://127.0.0.1:1; do
		attack installed DELETE PATH_INFO="/$a" \
			HIPCHAT_ALLOWED_HOSTS="$list"
		refused 503 'DELETE when its HipChat is not on the list'
		attack uninstalled POST QUERY_STRING="oauthId=$a" \
			HIPCHAT_ALLOWED_HOSTS="$list" </dev/null
		refused 503 'POST when its HipChat is not on the list'
	done
	printf 'oauthId=nobody\000&oauthId=%s' "$a" >"$tmp/nul"
	attack uninstalled POST <"$tmp/nul"
	refused 400 'NUL in a form'
	for id in ../installations.db "$a/" "/$a" "$a%00" ''; do
		attack installed DELETE PATH_INFO="/$id"
		refused 404 "DELETE of '$id'"
		alone "DELETE of '$id'"
	done
}

redirect_urls
installable_urls
documents
without_secret
removals
done_testing
