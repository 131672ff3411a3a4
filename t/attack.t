#!/bin/sh
# Somebody who is not HipChat installs: with other people's secrets and ids,
# with URLs and names that lead inside, with redirects.  None of it changes the
# store, and the add-on connects to no place where it must not go.
. t/lib/lib.sh
. t/lib/courier.sh
. t/lib/attack.sh

# ---- secrets ----------------------------------------------------------------

forged() {
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
	install_as ".oauthId = \"$nobody\""
	refused 403 "an id of one's own making"
	for id in '' / ../x 'a b' 'a:b' 'a\u0000b' 'a\nb' '%00' 'ü'; do
		install_as ".oauthId = \"$id\""
		refused 400 "id '$(shown "$id")'"
		alone "id '$(shown "$id")'"
	done
}

# ---- URLs -------------------------------------------------------------------

# odd URL…: refused, and nobody is asked
odd() {
	for url; do
		install_from "$url"
		refused 4xx "capabilitiesUrl $(shown "$url")"
		alone "capabilitiesUrl $(shown "$url")"
	done
}

hosts() {
	path=/v2/capabilities
	# with a user before the @
	odd "https://api.hipchat.com@127.0.0.1$path" \
		"https://api.hipchat.com:443@127.0.0.1:$port$path" \
		"https://user:word@api.hipchat.com$path" \
		"https://@api.hipchat.com$path" \
		"http://127.0.0.1:$port@example.com$path" \
		"http://x@127.0.0.1:$port$path" \
		"https://api.hipchat.com%40127.0.0.1$path"
	# addresses, in every notation
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
	for at in 0 00443x 80 8443 65536 65979 -1 +443 443x 4:43 ' 443'; do
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

# The stand-in's own origin, spelled differently: its document does not call
# itself that, so nothing is installed.
respelt() {
	for url in "http://2130706433:$port" "http://0x7f.1:$port" \
		"http://127.1:$port" "HTTP://127.0.0.1:$port" \
		"http://127.0.0.1:0$port" "$HIPCHAT/x/.." "$HIPCHAT/"; do
		install_from "$url$path"
		case $status in 403 | 502) status=403 ;; esac
		refused 403 "the stand-in as $url"
		unlike "$(cat "$journal")" "^(resolve|connect .* $port.)" \
			"the stand-in as $url: nobody else is called"
	done
	install_from "$HIPCHAT$path?x=1"
	refused 502 'the stand-in with a query'
}

# ---- names that lead inside -------------------------------------------------

# A host on the list whose name has these addresses is never called.
inward() {
	names=$2
	install_from "https://$1$path"
	is "$status" 502 "$3"
	changes_nothing "$3"
	like "$(cat "$tmp/stderr")" 'address is private: not connected' \
		"$3: the log says why"
	called "resolve $1" "$3: no connection"
	names=
}

addresses() {
	inward api.hipchat.com api.hipchat.com=127.0.0.1 'a name for loopback'
	inward API.HipChat.COM api.hipchat.com=127.0.0.1 'in capitals'
	for address in 0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 \
		100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255 \
		169.254.0.0 169.254.169.254 172.16.0.0 172.31.255.255 \
		192.0.0.1 192.0.2.1 192.168.0.0 192.168.255.255 198.18.0.0 \
		198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 \
		255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 \
		::ffff:8.8.8.8 64:ff9b::7f00:1 100::1 fc00::1 fdff::1 \
		fe80::1 fec0::1 ff02::1 2001::1 2001:db8::1 2002:7f00:1::1; do
		inward api.hipchat.com "api.hipchat.com=$address" "$address"
	done
	# the addresses next to them are called
	for address in 1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 \
		100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 \
		169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 \
		192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 \
		223.255.255.255; do
		names=api.hipchat.com=$address
		install_from "https://api.hipchat.com$path"
		refused 502 "$address"
		called "resolve api.hipchat.com
connect $address 443" "$address is public: called"
	done

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

# A HipChat, at a public address and with a certificate, whose name leads inside
# when it is looked up again.
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
	changes_nothing rebinding

	# and the certificate must be trusted, and for that name
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

# document JQ: the stand-in's answer to the next GET of its document
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

	# an allowed host that is elsewhere, inside: the name alone allows it
	names=internal.hipchat.com=10.1.2.3
	document "$token = \"https://internal.hipchat.com/token\""
	install_as .
	is "$status" 502 'tokenUrl on an allowed host with a private address'
	called "$to_hipchat
resolve internal.hipchat.com" 'which is not called'
	changes_nothing 'tokenUrl on an allowed host with a private address'
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

# Two allowed HipChats: one can't replace what the other has installed.
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
	install_as ".capabilitiesUrl = \"${other%/}/v2/capabilities\""
	refused 403 "another HipChat's word for a known id"
	like "$line" "$a.*courier --forget $a.* $HIPCHAT/v2/capabilities" \
		'... the log has the URL, and what would help'
	alone "another HipChat's word for a known id"
	install_from "${other%/}/v2/capabilities"
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
other_hipchat
done_testing
