#!/bin/sh
# Somebody who is not HipChat installs and removes: other people's secrets and
# ids, URLs and names that lead inward, redirects, and races.  Nothing of it
# changes the store, and no connection is made to where the add-on must not
# go: all calls go through a network made to order (shim/network.c), which
# notes them down.
. t/lib.sh
. t/courier.sh

${CC:-cc} -std=c11 -shared -fPIC -O1 -o "$tmp/network.so" t/shim/network.c ||
	die 'the shim does not compile'
journal=$tmp/journal
start_hipchatd
port=${HIPCHAT##*:}
start_apache HIPCHAT_WEBHOOK_AUTH=jwt
room=$(new_room Den) room2=$(new_room Lair)
a=$(install "$room") b=$(install "$room2") || die 'not installed'
credentials "$a" >"$tmp/a.json"
credentials "$b" >"$tmp/b.json"
keep "$a" "$b"
fresh box

# ---- helpers ----------------------------------------------------------------

# The allowed hosts are the default and the stand-in; $names, if set, are what
# the name service knows, and $route is where a connection may go instead.
allowed="*.hipchat.com $HIPCHAT"
names='' route=''

# attack PROGRAM METHOD [NAME=VALUE…] [<body]: cgi() in our network
attack() {
	attack_program=$1 attack_method=$2
	shift 2
	: >"$journal"
	cgi "$attack_program" "$attack_method" HIPCHAT_DATA_DIR="$box" \
		HIPCHAT_ALLOWED_HOSTS="$allowed" HIPCHAT_CA_FILE="${ca:-}" \
		LD_PRELOAD="$tmp/network.so" SHIM_LOG="$journal" \
		SHIM_NAMES="$names" SHIM_ROUTE="$route" \
		ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0" \
		"$@"
}

# install_as JQ: POST /installed with $a's credentials, changed by the filter
install_as() {
	jq "$1" "$tmp/a.json" >"$tmp/post.json" || die "jq: $1"
	attack installed POST <"$tmp/post.json"
}

# With a URL instead; backslashes stay as they are.
install_from() {
	jq --arg url "$1" '.capabilitiesUrl = $url' "$tmp/a.json" \
		>"$tmp/post.json"
	attack installed POST <"$tmp/post.json"
}

# browse REDIRECT INSTALLABLE: GET /uninstalled with these
browse() {
	attack uninstalled GET QUERY_STRING="$(jq -nr --arg r "$1" \
		--arg i "$2" '"redirect_url=\($r | @uri)&installable_url=\($i | @uri)"')"
}

# All of the store and the outbox, byte for byte.
state_of() { (cd "$box" && find . -type f -exec cksum {} + | sort); }
before=$(state_of)

# refused STATUS NAME: with this status and nothing else changed; one line is
# in the log
refused() {
	is "$status, $(grep -c . "$tmp/stderr") line" "$1, 1 line" "$2" ||
		diag "$(cat "$tmp/stderr")"
	is "$(state_of)" "$before" "$2: nothing is changed"
}

# called WHAT NAME: these and no other lines are in the journal
called() { is "$(cat "$journal")" "$1" "$2"; }

# No look-up, no connection.
alone() { called '' "$1: nobody is called"; }

# ---- secrets ----------------------------------------------------------------

forged() {
	to_hipchat="connect 127.0.0.1 $port"
	install_as .
	is "$status" 200 'the right secret: installed'
	called "$to_hipchat
$to_hipchat" 'the right secret: two calls to HipChat'
	before=$(state_of)

	install_as '.oauthSecret = "forged"'
	refused 403 'a forged secret for a known id'
	install_as ".oauthSecret = $(jq .oauthSecret "$tmp/b.json")"
	refused 403 "another installation's secret for a known id"
	install_as '.oauthSecret = "forged" | .groupId = 1 | .roomId = 1'
	refused 403 'another room for a known id'
	install_as '.oauthId = "00000000-0000-4000-8000-000000000000"'
	refused 403 'an id of one\x27s own making'
	for id in '' . / ../x 'a b' 'a:b' 'a\u0000b' 'a\nb' '%00' 'ü'; do
		install_as ".oauthId = \"$id\""
		refused 400 "id '$id'"
		alone "id '$id'"
	done
}

# ---- URLs -------------------------------------------------------------------

# odd URL…: refused, and nobody is asked
odd() {
	for url; do
		install_from "$url"
		[ "$status" = 400 ] || status="${status#403}4xx"
		[ "$status" != 400 ] || status=4xx
		refused 4xx "capabilitiesUrl $url"
		alone "capabilitiesUrl $url"
	done
}

hosts() {
	path=/v2/capabilities
	# somebody before the @
	odd "https://api.hipchat.com@127.0.0.1$path" \
		"https://api.hipchat.com:443@127.0.0.1:$port$path" \
		"https://user:word@api.hipchat.com$path" \
		"https://@api.hipchat.com$path" \
		"http://127.0.0.1:$port@example.com$path" \
		"http://x@127.0.0.1:$port$path" \
		"https://api.hipchat.com%40127.0.0.1$path"
	# addresses, in each way to write them
	odd "https://127.0.0.1$path" "https://127.1$path" \
		"https://2130706433$path" "https://0x7f000001$path" \
		"https://0x7f.0.0.1$path" "https://0177.0.0.1$path" \
		"https://017700000001$path" "https://127.0.0.1.$path" \
		"https://0$path" "https://169.254.169.254/latest/meta-data" \
		"https://[::1]$path" "https://[::]$path" \
		"https://[::ffff:127.0.0.1]$path" \
		"https://[::ffff:7f00:1]:$port$path" \
		"http://[::1]:$port$path" "https://[fe80::1%25lo]$path" \
		"https://[::1%25api.hipchat.com]$path" \
		"http://127.0.0.1$path" "http://127.0.0.1:$((port + 1))$path" \
		"https://127.0.0.1:$port$path" "http://localhost:$port$path" \
		"http://127.0.0.2:$port$path"
	# names that look like one
	odd "https://api.hipchat.com.$path" "https://hipchat.com$path" \
		"https://.hipchat.com$path" "https://..hipchat.com$path" \
		"https://hipchat.com.$path" \
		"https://api.hipchat.com.example.com$path" \
		"https://apihipchat.com$path" "https://localhost$path" \
		"https://metadata.google.internal$path" \
		"https://*.hipchat.com$path"
	# other alphabets
	odd "https://api.hipch$(printf '\320\260')t.com$path" \
		"https://api$(printf '\343\200\202')hipchat.com$path" \
		"https://$(printf '\357\275\201')pi.hipchat.com$path" \
		"https://api.xn--hipcht-5nf.com$path" \
		"https://api.hipchat.com$(printf '\342\200\213')$path"
}

delimiters() {
	tab=$(printf '\t') newline='
'
	odd "https://api.hipchat.com%00.example.com$path" \
		"https://example.com%00.hipchat.com$path" \
		"https://example.com%2f.hipchat.com$path" \
		"https://example.com%23.hipchat.com$path" \
		"https://example.com%5c.hipchat.com$path" \
		"https://example.com%0d%0a.hipchat.com$path" \
		"https://example.com\\.hipchat.com$path" \
		"https://api.hipchat.com\\@127.0.0.1$path" \
		"https:\\\\api.hipchat.com$path" \
		"https://example.com#.hipchat.com$path" \
		"https://example.com?.hipchat.com$path" \
		"https://example.com/.hipchat.com$path" \
		"https://example.com;.hipchat.com$path" \
		"https://example.com,.hipchat.com$path" \
		"https://api.hip${tab}chat.com$path" \
		"${tab}https://api.hipchat.com$path" \
		" https://api.hipchat.com$path" \
		"https://api.hipchat.com $path" \
		"https://api.hipchat.com$path$newline" \
		"https://api.hipchat.com$newline.example.com$path"
	for at in 0 00443x 80 8443 65536 65979 -1 +443 443x 4:43 '' ' 443'; do
		[ -n "$at" ] || continue	# "host:" is the scheme's port
		odd "https://api.hipchat.com:$at$path"
	done
	odd "http://api.hipchat.com$path" "HTTP://API.HIPCHAT.COM$path" \
		file:///etc/passwd "ftp://api.hipchat.com$path" \
		"gopher://api.hipchat.com:443/1" "dict://api.hipchat.com/x" \
		"//api.hipchat.com$path" "api.hipchat.com$path" \
		"https+unix://api.hipchat.com$path" 'https:' 'https://' \
		"javascript:alert(1)" "data:,{}"
	install_as '.capabilitiesUrl = "https://api.hipchat.com\u0000.example.com/"'
	refused 400 'a NUL in capabilitiesUrl'
	alone 'a NUL in capabilitiesUrl'
}

# The stand-in's own origin, otherwise spelt: it is not named so in its
# document, so it installs nothing.
respelt() {
	for url in "http://2130706433:$port" "http://0x7f.1:$port" \
		"http://127.1:$port" "HTTP://127.0.0.1:$port" \
		"http://127.0.0.1:0$port" "$HIPCHAT/x/.." "$HIPCHAT/"; do
		install_from "$url$path"
		case $status in 403 | 502) status=refused ;; esac
		refused refused "the stand-in as $url"
		unlike "$(cat "$journal")" "^(resolve|connect .* $port.)" \
			"the stand-in as $url: nobody else is called"
	done
	install_from "$HIPCHAT$path?x=1"
	refused 502 'the stand-in with a query'
}

# ---- names that lead inward -------------------------------------------------

private='log: the host.s address is private'

# A host of the list, whose name has these addresses: is it never called?
inward() {
	names=$2
	install_from "https://$1$path"
	status_of_refusal=$status
	is "$status" 502 "$3"
	is "$(state_of)" "$before" "$3: nothing is changed"
	like "$(cat "$tmp/stderr")" 'address is private: not connected' \
		"$3: the log says why"
	called "resolve $1" "$3: no connection"
	names=
}

addresses() {
	inward api.hipchat.com api.hipchat.com=127.0.0.1 'a name for loopback'
	inward API.HipChat.COM api.hipchat.com=127.0.0.1 'in capitals'
	list=
	for address in 0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 \
		100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255 \
		169.254.0.0 169.254.169.254 172.16.0.0 172.31.255.255 \
		192.0.0.1 192.0.2.1 192.168.0.0 192.168.255.255 198.18.0.0 \
		198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 \
		255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 \
		::ffff:8.8.8.8 64:ff9b::7f00:1 100::1 fc00::1 fdff::1 \
		fe80::1 fec0::1 ff02::1 2001::1 2001:db8::1 2002:7f00:1::1; do
		list=$list${list:+,}$address
	done
	inward api.hipchat.com "api.hipchat.com=$list" 'all private ranges'

	# and what lies next to them is called
	list='' expected=
	for address in 1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 \
		100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 \
		169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 \
		192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 \
		223.255.255.255; do
		list=$list${list:+,}$address
		expected="$expected
connect $address 443"
	done
	names=api.hipchat.com=$list
	install_from "https://api.hipchat.com$path"
	refused 502 'public addresses'
	called "resolve api.hipchat.com$expected" \
		'public addresses are called, one by one'

	names=api.hipchat.com=93.184.216.34,127.0.0.1
	install_from "https://api.hipchat.com$path"
	is "$status" 502 'a public address and loopback'
	called 'resolve api.hipchat.com
connect 93.184.216.34 443' 'a public address and loopback: the first alone'
	names=

	# libcurl itself knows this name; an address may be on the list as a host
	for allowed in localhost 127.0.0.1; do
		install_from "https://$allowed$path"
		is "$status" 502 "$allowed on the list, but not as an origin"
		called '' "$allowed on the list: no connection"
	done
	allowed="*.hipchat.com $HIPCHAT"
}

# A HipChat, at a public address and with a certificate, whose name leads
# inward when it is asked for again.
rebinding() {
	mkdir -p "$tmp/rebound/v2"
	(
		cd "$tmp/rebound" || exit
		openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key \
			-out ca -subj /CN=api.hipchat.com \
			-addext subjectAltName=DNS:api.hipchat.com 2>/dev/null
		jq -n '{links: {self: "https://api.hipchat.com/v2/capabilities",
			api: "https://api.hipchat.com/v2"},
			capabilities: {oauth2Provider:
			{tokenUrl: "https://api.hipchat.com/v2/token"}}}' \
			>v2/capabilities
	) || die 'no certificate'
	tls_port=$(free_port)
	(cd "$tmp/rebound" && exec openssl s_server -quiet -WWW -cert ca \
		-key key -accept "127.0.0.1:$tls_port" >/dev/null 2>&1) &
	tls_pid=$!
	wait_for curl -s -o /dev/null --cacert "$tmp/rebound/ca" \
		--connect-to "api.hipchat.com:443:127.0.0.1:$tls_port" \
		https://api.hipchat.com/v2/capabilities ||
		die 'openssl s_server does not answer'

	ca=$tmp/rebound/ca route=93.184.216.34=$tls_port
	names=api.hipchat.com=93.184.216.34/127.0.0.1
	install_from https://api.hipchat.com/v2/capabilities
	is "$status" 502 'rebinding: refused'
	called 'resolve api.hipchat.com
connect 93.184.216.34 443
resolve api.hipchat.com' 'rebinding: loopback is not called'
	like "$(cat "$tmp/stderr")" 'address is private: not connected' \
		'rebinding: the log says why'
	is "$(state_of)" "$before" 'rebinding: nothing is changed'

	# and the certificate must be one that is trusted, for that name
	ca=
	install_from https://api.hipchat.com/v2/capabilities
	refused 502 'a certificate of nobody'
	ca=$tmp/rebound/ca names=other.hipchat.com=93.184.216.34
	install_from https://other.hipchat.com/v2/capabilities
	refused 502 'a certificate for another name'
	ca='' route='' names=
	kill "$tls_pid"
	wait "$tls_pid" 2>/dev/null
}

# ---- HipChat's document -----------------------------------------------------

# document JQ: what the stand-in will answer to the next GET of it
document() {
	curl -sS "$HIPCHAT/v2/capabilities" | jq -c "$1" >"$tmp/document"
	fault '"route": "capabilities", "fault": "body", "status": 200,
		"body": '"$(jq -Rs . "$tmp/document")"
}

capabilities() {
	token=.capabilities.oauth2Provider.tokenUrl
	api=.capabilities.hipchatApiProvider.url
	for url in http://127.0.0.1:9/token "http://localhost:$port/v2" \
		https://127.0.0.1/ 'https://[::1]/' https://169.254.169.254/ \
		https://example.com/v2/ https://api.hipchat.com@127.0.0.1/ \
		http://api.hipchat.com/ file:///etc/passwd '' /v2/oauth/token; do
		for what in "$token" "$api"; do
			document "$what = \"$url\""
			install_as .
			refused 502 "${what##*.}: $url"
			called "$to_hipchat" "${what##*.}: $url: not called"
		done
	done
	for value in null 1 '[]' '{}' true; do
		document "$token = $value"
		install_as .
		refused 502 "tokenUrl: $value"
	done
	document "del($token)"
	install_as .
	refused 502 'no tokenUrl'
	document '.links.self = "https://api.hipchat.com/v2/capabilities"'
	install_as .
	refused 502 'a document of somebody else'

	# an allowed host which is somewhere else, inside: by name it may be
	names=internal.hipchat.com=10.1.2.3
	document "$token = \"https://internal.hipchat.com/token\""
	install_as .
	is "$status" 502 'tokenUrl on an allowed host with a private address'
	called "$to_hipchat
resolve internal.hipchat.com" 'which is not called'
	is "$(state_of)" "$before" 'and nothing is changed'
	names=
}

redirects() {
	for target in "$HIPCHAT/v2/capabilities" http://127.0.0.1:9/ \
		https://api.hipchat.com/ file:///etc/passwd; do
		fault "\"route\": \"capabilities\", \"fault\": \"redirect\",
			\"location\": \"$target\""
		install_as .
		refused 502 "capabilities redirect to $target"
		called "$to_hipchat" "capabilities redirect to $target: one call"
		fault "\"route\": \"token\", \"fault\": \"redirect\",
			\"location\": \"$target\""
		install_as .
		refused 502 "the token redirects to $target"
		called "$to_hipchat
$to_hipchat" "the token redirects to $target: two calls"
	done
}

# A Proxy header must not become a proxy (CGI calls it HTTP_PROXY).
proxies() {
	attack installed POST HTTP_PROXY=http://127.0.0.1:9 \
		http_proxy=http://127.0.0.1:9 ALL_PROXY=http://127.0.0.1:9 \
		<"$tmp/a.json"
	is "$status" 200 'proxies in the environment: installed'
	called "$to_hipchat
$to_hipchat" 'proxies in the environment are not used'
	before=$(state_of)
}

# ---- removal ----------------------------------------------------------------

# put_up DOCUMENT: what the stand-in will answer to the next GET of an
# installable
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
		short=$(echo "$url" | tr '\n\r\t' '   ' | cut -c -60)
		refused 400 "redirect_url $short"
		alone "redirect_url $short"
		is "$(header Location)$(header X-Forged)" '' \
			"redirect_url $short: no header of it"
	done
	for query in "redirect_url=$HIPCHAT/%00x" "redirect_url=$HIPCHAT/%" \
		"redirect_url=$HIPCHAT/&redirect_url=http://example.com/" \
		"redirect_url=$HIPCHAT/%0d%0aSet-Cookie:%20a=b" \
		"redirect_url=%ff%fe"; do
		attack uninstalled GET \
			QUERY_STRING="$query&installable_url=$installable"
		refused 400 "query $query"
		is "$(header Location)$(header Set-Cookie)" '' \
			"query $query: no header of it"
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
		is "$(header Location)" '' "installable_url $url: no way back"
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

# What there is belongs to somebody else.
documents() {
	put_up "{\"oauthId\": \"$a\", \"oauthSecret\": \"forged\"}"
	browse "$back" "$installable"
	refused 403 "a document with the victim's id and a forged secret"
	put_up "$(jq -c --arg id "$a" '.oauthId = $id' "$tmp/b.json")"
	browse "$back" "$installable"
	refused 403 "a document with the victim's id and one's own secret"
	is "$(header Location)" '' 'and no way back'
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
	# HipChat is not there: that is no proof of anything
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
	for id in ../installations.db "$a/" "/$a" "$a%00" ''; do
		attack installed DELETE PATH_INFO="/$id"
		case $status in 204 | 404) status=none ;; esac
		is "$status" none "DELETE of '$id'"
		is "$(state_of)" "$before" "DELETE of '$id': nothing is changed"
		alone "DELETE of '$id'"
	done
}

# Two allowed HipChats: what one has installed is not the other's to replace.
other_hipchat() {
	setsid "$B/t/hipchatd" --port 0 >"$tmp/other.url" \
		2>"$tmp/other.log" </dev/null &
	other_pid=$!
	wait_for said_or_gone "$tmp/other.url" "$other_pid"
	read -r other <"$tmp/other.url" || die 'no other HipChat'
	allowed="$HIPCHAT ${other%/}"
	curl -sS "${other%/}/v2/capabilities" >"$tmp/document"
	curl -sS -o "$tmp/answer" -H 'Content-Type: application/json' -d "$(jq -n \
		'{route: "token", fault: "body", status: 200, count: -1, body:
		"{\"access_token\": \"granted\", \"expires_in\": 3600}"}')" \
		"${other%/}/control/faults"
	install_from "${other%/}/v2/capabilities"
	like "$status" '^40[39]$' "another HipChat's word for a known id"
	is "$(state_of)" "$before" \
		"another HipChat's word for a known id: nothing is changed"
	install_as ".oauthId = \"00000000-0000-4000-8000-000000000000\" |
		.capabilitiesUrl = \"${other%/}/v2/capabilities\""
	is "$status" 200 'for an id of its own it is good enough'
	allowed="*.hipchat.com $HIPCHAT"
	end "$other_pid"
}

forged
hosts
delimiters
respelt
addresses
rebinding
capabilities
redirects
proxies
redirect_urls
installable_urls
documents
removals
other_hipchat
done_testing
