#!/bin/sh
# Bad and hostile input, without a server: the programs get it as a web server
# would hand it over, by environment and standard input.  Whatever comes, the
# answer is the one of the contract in HipChat's envelope, the log has one line
# about it, and nothing changes on disk.
. t/lib.sh

in=$tmp/in
phrase() {
	case $1 in
	400) echo 'Bad Request' ;;
	401) echo 'Unauthorized' ;;
	403) echo 'Forbidden' ;;
	404) echo 'Not Found' ;;
	405) echo 'Method Not Allowed' ;;
	411) echo 'Length Required' ;;
	413) echo 'Payload Too Large' ;;
	500) echo 'Internal Server Error' ;;
	esac
}

# what the data directory holds: names, and the contents of files
disk() {
	(
		cd "$tmp/data" || exit
		find . | sort
		find . -type f -exec cksum {} + | sort
	)
}

# one line per property of the last answer: to be compared as a whole
answer() {
	echo "status $status, exit $rc, $(grep -c '' "$tmp/stderr") log line(s)"
	[ "$(disk)" = "$before" ] && echo 'disk as before' || echo 'disk CHANGED'
	if [ ! -s "$tmp/body" ]; then
		echo "no body"
	elif [ "$(header Content-Length)" != "$(($(wc -c <"$tmp/body")))" ]; then
		echo "Content-Length: $(header Content-Length)"
	else
		echo "$(header Content-Type) $(header Cache-Control)" \
			"$(jq -r 'if keys == ["error"] and
			(.error | keys) == ["code", "message", "type"] and
			(.error.message | length) > 0
			then "\(.error.code) \(.error.type)"
			else "no envelope" end' "$tmp/body" 2>&1)"
	fi
}

judge() {
	judge_got=$(answer)
	[ "$judge_got" = "$1" ] || {
		ok "$2" false
		diag "got:
$judge_got
expected:
$1
$(cat "$tmp/stderr" "$tmp/body")"
		return
	}
	ok "$2" true
}

# refused STATUS NAME: so was the last request
refused() {
	judge "status $1, exit 0, 1 log line(s)
disk as before
application/json no-store $1 $(phrase "$1")" "$2: $1"
}

# fine STATUS LOG-LINES NAME: an answer without a body
fine() {
	judge "status $1, exit 0, $2 log line(s)
disk as before
no body" "$3: $1"
}

# put FORMAT [ARGUMENT…]: the next request's body, by printf
put() { printf "$@" >"$in"; }

# The outbox is made by the first webhook; from then on nothing may change.
put '{}'
cgi echo POST <"$in"
before=$(disk)
refused 400 'the first webhook'

# ---- methods ----------------------------------------------------------------

methods() {
	methods_program=$1 methods_allow=$2
	shift 2
	for method; do
		cgi "$methods_program" "$method" <"$in"
		refused 405 "$methods_program: method $method"
		is "$(header Allow)" "$methods_allow" '... and Allow'
	done
}
methods capabilities 'GET, HEAD' POST PUT DELETE PATCH OPTIONS TRACE get GETS
methods installed 'POST, DELETE' GET PUT PATCH OPTIONS post
methods uninstalled 'GET, POST' PUT DELETE OPTIONS
methods echo POST GET PUT DELETE OPTIONS
for program in installed uninstalled echo; do
	cgi "$program" HEAD
	fine 405 1 "$program: HEAD"
done
cgi echo "$(printf 'A\nB\033[2J\r\377')"
refused 405 'a method with control characters'
cgi echo "$(printf '%09000d' 0)"
refused 405 'a method of 9,000 bytes'
cgi capabilities '' -u REQUEST_METHOD
refused 500 'no method at all'

# ---- paths ------------------------------------------------------------------

put '{}'
for program in capabilities uninstalled; do
	cgi "$program" GET PATH_INFO=/x
	refused 404 "$program: GET below it"
done
for program in installed uninstalled echo; do
	cgi "$program" POST PATH_INFO=/x <"$in"
	refused 404 "$program: POST below it"
done
cgi installed DELETE
refused 404 'DELETE without an id'
cgi installed DELETE PATH_INFO=/
refused 404 'DELETE with an empty id'
for id in unknown a/b ../../installations.db '%00' "'; --" \
	"$(printf '\303\251\377')" "$(printf 'a\nb')" "$(printf '%09000d' 0)"; do
	cgi installed DELETE PATH_INFO="/$id"
	fine 204 0 "DELETE of the unknown id $(printf %.20s "$id" | tr '\n\377' '??')"
done

# ---- lengths ----------------------------------------------------------------

put '{"a":1}'
for program in installed uninstalled echo; do
	cgi "$program" POST -u CONTENT_LENGTH <"$in"
	refused 411 "$program: no CONTENT_LENGTH"
	cgi "$program" POST CONTENT_LENGTH= <"$in"
	refused 411 "$program: an empty one"
	for length in -1 -0 +7 ' 7' '7 ' 7, 7,7 7.0 7e0 0x7 0x10 seven ٧ \
		"$(printf '7\n')x" -18446744073709551609; do
		cgi "$program" POST CONTENT_LENGTH="$length" <"$in"
		refused 400 "$program: CONTENT_LENGTH '$(printf %s "$length" |
			tr '\n' '?')'"
	done
	for length in 65537 4294967303 9223372036854775808 \
		18446744073709551615 18446744073709551616 18446744073709551623 \
		99999999999999999999999999999999999999; do
		cgi "$program" POST CONTENT_LENGTH="$length" <"$in"
		refused 413 "$program: CONTENT_LENGTH $length"
	done
	cgi "$program" POST CONTENT_LENGTH=8 <"$in"
	refused 400 "$program: a body shorter than announced"
	cgi "$program" POST CONTENT_LENGTH=65536 <"$in"
	refused 400 "$program: much shorter"
	cgi "$program" POST CONTENT_LENGTH=6 <"$in"
	refused 400 "$program: a body longer than announced"
	cgi "$program" POST CONTENT_LENGTH=0 <"$in"
	refused 400 "$program: much longer"
	cgi "$program" POST CONTENT_LENGTH=0 </dev/null
	refused 400 "$program: no body"
done

{ printf '{"a":1'; printf '%065529d' 0 | tr 0 ' '; printf '}'; } >"$tmp/64k"
for program in installed uninstalled echo; do
	cgi "$program" POST <"$tmp/64k"
	refused 400 "$program: 65,536 bytes are read"
	unlike "$(cat "$tmp/body")" 'larger|announced' '... and looked at'
	{ cat "$tmp/64k"; echo; } >"$in"
	cgi "$program" POST <"$in"
	refused 413 "$program: 65,537 are not"
done

# ---- JSON -------------------------------------------------------------------

good='{"oauthId":"f3100c47","oauthSecret":"s","capabilitiesUrl":"https://evil.example/","groupId":1,"roomId":2}'
hook='{"event":"room_message","item":{"message":{"id":"m","message":"/echo hi"},"room":{"id":1}},"oauth_client_id":"f3100c47","webhook_id":1}'
gone='{"oauthId":"f3100c47"}'

# bad NAME FORMAT [ARGUMENT…]: a body that no program takes
bad() {
	bad_name=$1
	shift
	put "$@"
	for program in installed uninstalled echo; do
		cgi "$program" POST <"$in"
		refused 400 "$program: $bad_name"
	done
}
bad 'nothing but blanks' ' \n '
bad 'half an object' '{"oauthId":"f3'
bad 'an array' '[]'
bad 'null' 'null'
bad 'a string' '"oauthId"'
bad 'a number' '7'
bad 'HTML' '<!DOCTYPE html><title>x</title>'
bad 'an empty object' '{}'
for document in "$good" "$gone" "$hook"; do
	half=$(printf %.20s "$document")
	bad 'a document that is cut' '%s' "$half"
	bad 'two documents' '%s%s' "$document" "$document"
	bad 'two documents in two lines' '%s\n%s\n' "$document" "$document"
	bad 'something behind it' '%s;' "$document"
	bad 'a NUL behind it' '%s\000' "$document"
	bad 'a byte order mark' '\357\273\277%s' "$document"
	bad 'a comment' '%s/**/' "$document"
	bad 'a comma too many' '%s,}' "${document%?}"
	bad 'Latin-1' '%s,"x":"\351"}' "${document%?}"
	bad 'an overlong encoding' '%s,"x":"\300\257"}' "${document%?}"
	bad 'a surrogate in UTF-8' '%s,"x":"\355\240\200"}' "${document%?}"
	bad 'a lone surrogate' '%s,"x":"\\ud800"}' "${document%?}"
	bad 'a raw line break in a string' '%s,"x":"a\nb"}' "${document%?}"
	bad 'a raw NUL in a string' '%s,"x":"a\000b"}' "${document%?}"
	bad 'NaN' '%s,"x":NaN}' "${document%?}"
	bad 'Infinity' '%s,"x":-Infinity}' "${document%?}"
	bad 'a leading zero' '%s,"x":01}' "${document%?}"
	bad 'single quotes' "%s,'x':1}" "${document%?}"
	bad 'a member twice' '%s,"x":1,"x":1}' "${document%?}"
	bad 'a member twice, in another spelling' '%s,"x":1,"\\u0078":1}' \
		"${document%?}"
	printf '%s' "$document" | sed 's/./&@/g' | tr '@' '\000' >"$tmp/utf16"
	for program in installed uninstalled echo; do
		cgi "$program" POST <"$tmp/utf16"
		refused 400 "$program: UTF-16"
		{ printf '\377\376'; cat "$tmp/utf16"; } >"$in"
		cgi "$program" POST <"$in"
		refused 400 "$program: UTF-16 with its mark"
	done
	brackets=$(printf '%02000d' 0)
	bad '2,000 brackets' '%s,"x":%s%s}' "${document%?}" \
		"$(printf %s "$brackets" | tr 0 '[')" \
		"$(printf %s "$brackets" | tr 0 ']')"
done

# ---- members ----------------------------------------------------------------

# unfit PROGRAM DOCUMENT MEMBER VALUE…: each value of the member is refused
unfit() {
	unfit_program=$1 unfit_document=$2 unfit_member=$3
	shift 3
	for value; do
		printf '%s' "$unfit_document" |
			jq -c "$unfit_member = $value" >"$in"
		cgi "$unfit_program" POST <"$in"
		refused 400 "$unfit_program: $unfit_member $(printf %.20s "$value")"
	done
}
# absent PROGRAM DOCUMENT MEMBER…: each is needed
absent() {
	absent_program=$1 absent_document=$2
	shift 2
	for member; do
		printf '%s' "$absent_document" | jq -c "del($member)" >"$in"
		cgi "$absent_program" POST <"$in"
		refused 400 "$absent_program: no $member"
	done
}
long=$(printf '%0256d' 0)
longer=$(printf '%02048d' 0)
absent installed "$good" .oauthId .oauthSecret .capabilitiesUrl .groupId
for member in .oauthId .oauthSecret .capabilitiesUrl; do
	unfit installed "$good" "$member" null 7 true '[]' '{}' '""' '" "' \
		'"a b"' '"a\nb"' '"a\u0000b"' '"\u00e9"' "\"$longer\""
done
unfit installed "$good" .oauthId "\"$long\"" '"a/b"' '"a:b"' '"a%41"'
unfit installed "$good" .oauthSecret "\"$long\""
for member in .groupId .roomId; do
	unfit installed "$good" "$member" null 0 -1 1.5 true '[]' '{}' '""' '"0"' \
		'"-1"' '"+1"' '" 1"' '"1 "' '"0x10"' '"1e3"' '"x"' \
		'"9999999999999999999"' 9223372036854775807 1e19
done
absent echo "$hook" .oauth_client_id .event .item .item.room .item.room.id \
	.item.message .item.message.message
unfit echo "$hook" .oauth_client_id null 7 '[]' '{}' '""' '"a\u0000b"' \
	"\"$long\""
unfit echo "$hook" .event null 7 '[]' '{}' '""' "\"$long\""
unfit echo "$hook" .item null 7 '[]' '{}' '""'
unfit echo "$hook" .item.room null 7 '[]' '{}' '""'
unfit echo "$hook" .item.room.id null 0 -1 1.5 '"x"' '[]' '{}'
unfit echo "$hook" .item.message null 7 '[]' '{}' '""'
unfit echo "$hook" .item.message.message null 7 '[]' '{}' '""' '"a\u0000b"'
unfit echo "$hook" .item.message.id 7 null '""' "\"$long\""
unfit uninstalled "$gone" .oauthId null 7 '[]' '{}' '""' '"a\u0000b"' \
	"\"$longer\""
for member in .redirect_url .installable_url; do
	unfit uninstalled "$gone" "$member" null 7 '[]' '{}' '""' "\"$longer\""
done

# What is not asked for may be anything.
put '%s,"x":[null,{"oauthId":7}],"event":7}' "${good%?}"
cgi installed POST <"$in"
refused 403 'installed: unknown members, before a host that is not allowed'
put '%s,"x":[null,{"oauthId":7}]}' "${gone%?}"
cgi uninstalled POST <"$in"
fine 204 0 'uninstalled: unknown members'
put '%s,"oauthId":7,"x":[null]}' "${hook%?}"
cgi echo POST <"$in"
fine 204 1 'echo: unknown members, of an unknown installation'
cgi echo POST HIPCHAT_WEBHOOK_AUTH=jwt <"$in"
refused 401 'echo: the same where webhooks are signed'
cgi echo POST HIPCHAT_WEBHOOK_AUTH=jwt HTTP_AUTHORIZATION='JWT a.b.c' <"$in"
refused 401 'echo: ... with some signature'
printf '%s' "$hook" | jq -c '.event = "room_enter" | del(.item.message)' >"$in"
cgi echo POST <"$in"
fine 204 1 'echo: another event, of an unknown installation'

# ---- hosts ------------------------------------------------------------------

for url in https://evil.example/v2/capabilities http://api.hipchat.com/ \
	https://hipchat.com/ https://api.hipchat.com.evil.example/ \
	https://api.hipchat.com@evil.example/ https://u:p@api.hipchat.com/ \
	https://api.hipchat.com:8443/ https://api.hipchat.com./ \
	https://127.0.0.1/ https://localhost/ 'https://[::1]/' \
	http://169.254.169.254/latest/meta-data file:///etc/passwd \
	gopher://api.hipchat.com/ ldap://api.hipchat.com/ //api.hipchat.com/ \
	api.hipchat.com x 'https://evil.example\@api.hipchat.com/'; do
	jq -cn --argjson good "$good" --arg url "$url" \
		'$good | .capabilitiesUrl = $url' >"$in"
	cgi installed POST <"$in"
	refused 403 "installed: from $url"
	jq -cn --arg url "$url" '{installable_url: $url}' >"$in"
	cgi uninstalled POST <"$in"
	refused 403 "uninstalled: by $url"
	jq -cn --arg url "$url" '{oauthId: "i", redirect_url: $url}' >"$in"
	cgi uninstalled POST <"$in"
	refused 400 "uninstalled: on to $url"
done

# ---- parameters -------------------------------------------------------------

here=https://www.hipchat.com/sign_in
# query NAME QUERY: refused with 400 in the query, in a form, in both methods
query() {
	cgi uninstalled GET QUERY_STRING="$2" </dev/null
	refused 400 "GET, $1"
	is "$(header Location)" '' '... and no Location'
	cgi uninstalled POST QUERY_STRING="$2" </dev/null
	refused 400 "POST, in the query, $1"
	put '%s' "$2"
	cgi uninstalled POST CONTENT_TYPE=application/x-www-form-urlencoded \
		<"$in"
	refused 400 "POST, as a form, $1"
}
query 'nothing' ''
query 'nothing much' '&&==&'
query 'redirect_url alone' "redirect_url=$here"
query 'an unknown parameter' 'x=y'
query 'oauthId twice' 'oauthId=a&oauthId=a'
query 'oauthId empty' 'oauthId='
query 'oauthId with a bad escape' 'oauthId=%4'
query 'oauthId with a NUL' 'oauthId=a%00b'
query 'oauthId of 2,048 bytes' "oauthId=$longer"
query 'redirect_url twice' \
	"oauthId=a&redirect_url=$here&redirect_url=$here"
query 'installable_url twice' \
	"redirect_url=$here&installable_url=$here&installable_url=$here"
for end in %0d%0aSet-Cookie:%20a=b %0aX:%20y %00 %20 %09 %7f %ff %c3%a9 '%' \
	%5c %22 %3cscript%3e; do
	query "redirect_url with $end" \
		"oauthId=a&redirect_url=$here$end&installable_url=$here"
	no grep -q -i -e '^set-cookie' -e '^x:' "$tmp/headers" ||
		ok '... a header was forged' false
done
query 'a query of 100,000 bytes' "oauthId=$(printf '%0100000d' 0)"
cgi uninstalled GET QUERY_STRING='oauthId=a'
refused 400 'GET, oauthId alone'
cgi uninstalled GET QUERY_STRING="oauthId=a&redirect_url=$here"
refused 400 'GET, no installable_url'
cgi uninstalled GET QUERY_STRING="installable_url=$here"
refused 400 'GET, no redirect_url'
put '{"oauthId":"a"}'
cgi uninstalled POST QUERY_STRING='redirect_url=https://evil.example/' <"$in"
refused 400 'POST, redirect_url in the query, oauthId in the body'

# what is right
put 'oauthId=unknown'
cgi uninstalled POST CONTENT_TYPE=application/x-www-form-urlencoded <"$in"
fine 204 0 'a form with an unknown oauthId'
cgi uninstalled POST QUERY_STRING="oauthId=a&redirect_url=$here%3fa%3db%26c" \
	</dev/null
fine 302 0 'an unknown oauthId and redirect_url'
is "$(header Location)" "$here?a=b&c" '... and Location'

# ---- the Host header --------------------------------------------------------

cgi capabilities GET
is "$status $(jq -r .links.self "$tmp/body")" \
	'200 https://addon.example.com/capabilities' 'the descriptor'
quiet "$tmp/stderr" '... and nothing logged'
cgi capabilities GET -u HTTP_HOST
refused 400 'no Host'
for host in '' / a/b 'a b' 'a"b' '<script>' '"><x' 'u@h' 'a?b' 'a#b' 'a\b' \
	'a,b' 'a%2f' '[::1' '[]' ':80' a:b a:1:2 "$(printf 'a\tb')" \
	"$(printf 'a\r\nX: y')" "$(printf '\303\251')" \
	"$(printf '%0600d' 0)"; do
	cgi capabilities GET HTTP_HOST="$host"
	refused 400 "Host $(printf %.20s "$host" | tr '\t\r\n#' '????')"
done
cgi capabilities GET HTTP_HOST='<script>' HIPCHAT_BASE_URL=https://a.example/x
is "$status $(jq -r .links.self "$tmp/body")" \
	'200 https://a.example/x/capabilities' 'a base URL that is set: any Host'
for tag in '"x"' x '' 'W/' "$(printf '%09000d' 0)" "$(printf '"\377\n"')"; do
	cgi capabilities GET HTTP_IF_NONE_MATCH="$tag"
	is "$status" 200 'an If-None-Match that is none of ours'
done
cgi capabilities GET QUERY_STRING='a=%zz&%00' CONTENT_LENGTH=x \
	CONTENT_TYPE='x/y; z' HTTP_AUTHORIZATION='JWT x' \
	HTTP_COOKIE="$(printf '%030000d' 0)"
is "$status" 200 'what /capabilities does not look at'
quiet "$tmp/stderr" '... and nothing logged'

# ---- settings ---------------------------------------------------------------

# misconfigured SETTING VALUE: all programs say so, to the log only
misconfigured() {
	put '%s' "$hook"
	for program in capabilities installed uninstalled echo; do
		method=POST
		[ "$program" != capabilities ] || method=GET
		cgi "$program" "$method" "$1=$2" <"$in"
		refused 500 "$program: $1=$(printf %.20s "$2")"
		ok '... the log names the setting' \
			[ "$(grep -c "^$program: $1: " "$tmp/stderr")" = 1 ]
		is "$(jq -r .error.message "$tmp/body")" \
			'The add-on is misconfigured' '... the client learns no more'
	done
}
misconfigured HIPCHAT_BASE_URL addon.example.com
misconfigured HIPCHAT_ADDON_KEY "$(printf '%0512d' 0)"
misconfigured HIPCHAT_DATA_DIR data
misconfigured HIPCHAT_TEMPLATE_DIR templates
misconfigured HIPCHAT_ALLOWED_HOSTS '*'
misconfigured HIPCHAT_CA_FILE ca.pem
misconfigured HIPCHAT_WEBHOOK_AUTH basic
misconfigured HIPCHAT_MESSAGE_TTL 1h
misconfigured HIPCHAT_COURIER courier
misconfigured HIPCHAT_COURIER_IDLE -1

# ---- the data directory -----------------------------------------------------

# no_store NAME [ARGUMENT…]: the store is needed, and can't be had
no_store() {
	no_store_name=$1
	shift
	put '%s' "$good"
	cgi installed POST "$@" <"$in"
	refused 500 "installed: $no_store_name"
	put '%s' "$gone"
	cgi uninstalled POST "$@" <"$in"
	refused 500 "uninstalled: $no_store_name"
	put '%s' "$hook"
	cgi echo POST "$@" <"$in"
	refused 500 "echo: $no_store_name"
	cgi installed DELETE PATH_INFO=/f3100c47 "$@"
	refused 500 "DELETE: $no_store_name"
}
no_store 'no data directory' HIPCHAT_DATA_DIR="$tmp/data/none"
no_store 'a file' HIPCHAT_DATA_DIR="$in"
no_store 'below a file' HIPCHAT_DATA_DIR="$in/data"
mkdir -m 777 "$tmp/open"
no_store 'a directory open to all' HIPCHAT_DATA_DIR="$tmp/open"
chmod 770 "$tmp/open"
no_store 'a directory open to the group' HIPCHAT_DATA_DIR="$tmp/open"
is "$(ls -A "$tmp/open")" '' '... and nothing was put there'
chmod 700 "$tmp/open"
[ "$(id -u)" != 0 ] || chown 65534 "$tmp/open"
no_store "somebody else's directory" \
	HIPCHAT_DATA_DIR="$([ "$(id -u)" = 0 ] && echo "$tmp/open" || echo /)"

# An installations.db that is none stays as it is.
echo 'not a database' >"$tmp/data/installations.db"
before=$(disk)
put '%s' "$gone"
cgi uninstalled POST <"$in"
refused 500 'uninstalled: a damaged installations.db'
put '%s' "$hook"
cgi echo POST <"$in"
refused 500 'echo: a damaged installations.db'
cgi installed DELETE PATH_INFO=/f3100c47
refused 500 'DELETE: a damaged installations.db'
rm "$tmp/data/installations.db"
before=$(disk)

# An unwritable directory takes no webhook.  Root may write anywhere, and so
# is nobody for once, with programs that nobody can get at.
mkdir "$tmp/data/shut"
chmod 500 "$tmp/data/shut"
before=$(disk)
put '%s' "$hook"
if [ "$(id -u)" = 0 ]; then
	chown 65534 "$tmp/data/shut"
	chmod 711 "$tmp/data"
	mkdir -p "$tmp/build"
	cp -R "$B/cgi-bin" "$tmp/build/"
	B=$tmp/build
	set -- setpriv --reuid=65534 --regid=65534 --clear-groups
fi
cgi echo POST HIPCHAT_DATA_DIR="$tmp/data/shut" "$@" <"$in"
refused 500 'echo: an unwritable data directory'
like "$(cat "$tmp/stderr")" 'Permission denied' '... and the log says why'

# ---- the template -----------------------------------------------------------

# template NAME FORMAT [ARGUMENT…]
mkdir "$tmp/templates"
template() {
	template_name=$1
	shift
	printf "$@" >"$tmp/templates/capabilities.json"
	cgi capabilities GET HIPCHAT_TEMPLATE_DIR="$tmp/templates"
	refused 500 "a template with $template_name"
	like "$(cat "$tmp/stderr")" "^capabilities: $tmp/templates/capab" \
		'... which the log names'
	unlike "$(cat "$tmp/body")" "$tmp|capab|nobody" '... to the log alone'
}
template 'an unknown name' '{"name":"{{ nobody }}"}'
template 'an unclosed placeholder' '{"name":"{{ name"}'
template 'a placeholder outside a string' '{"name":{{ name }}}'
template 'broken JSON' '{"name":}'
template 'an array' '[]'
template 'nothing in it' ''
template 'a NUL' '{"name":"\000"}'
template 'Latin-1' '{"name":"\351"}'
template 'a member twice' '{"name":1,"name":2}'
template '65,537 bytes' '{}%065535d' 0
rm "$tmp/templates/capabilities.json"
cgi capabilities GET HIPCHAT_TEMPLATE_DIR="$tmp/templates"
refused 500 'no template'
cgi capabilities GET HIPCHAT_TEMPLATE_DIR="$tmp/none"
refused 500 'no template directory'

done_testing
