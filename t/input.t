#!/bin/sh
# Bad and hostile input, without a server: the programs get it as from a web
# server, in the environment and on standard input.  Whatever comes, the answer
# is as documented, in HipChat's envelope, the log has one line about it, and
# nothing changes on disk.
. t/lib/lib.sh
. t/lib/verdict.sh

# The outbox is made by the first webhook; from then on nothing may change.
put '{}'
post echo
refused 400 'the first webhook'
before=$(disk)

# ---- methods ----------------------------------------------------------------

# methods PROGRAM ALLOW METHOD…
methods() {
	methods_program=$1 allow=$2
	shift 2
	for method; do
		cgi "$methods_program" "$method" <"$in"
		refused 405 "$methods_program: method $method"
	done
}
methods capabilities 'GET, HEAD' POST PUT DELETE PATCH OPTIONS TRACE get GETS
methods installed 'POST, DELETE' GET PUT PATCH OPTIONS post
methods uninstalled 'GET, POST' PUT DELETE OPTIONS
methods echo POST GET PUT DELETE OPTIONS
cgi echo "$(printf 'A\nB\033[2J\r\377')"
refused 405 'a method with control characters'
cgi echo "$(printf '%09000d' 0)"
refused 405 'a method of 9,000 bytes'
cgi echo HEAD
is "$status $(header Allow)" '405 POST' 'echo: method HEAD: 405'
is "$(cat "$tmp/body")" '' '... without a body'
allow=
cgi capabilities '' -u REQUEST_METHOD
refused 500 'no method at all'

# ---- paths ------------------------------------------------------------------

for program in capabilities uninstalled; do
	cgi "$program" GET PATH_INFO=/x
	refused 404 "$program: GET below it"
done
for program in installed uninstalled echo; do
	post "$program" PATH_INFO=/x
	refused 404 "$program: POST below it"
done
cgi installed DELETE
refused 404 'DELETE without an id'
cgi installed DELETE PATH_INFO=/
refused 404 'DELETE with an empty id'
for id in unknown - "$(printf '%0255d' 0)"; do
	cgi installed DELETE PATH_INFO="/$id"
	fine '204 No Content' 0 "DELETE of an unknown id, ${#id} bytes long"
done
for id in f3100c47/ / /f3100c47 a/b ../../installations.db '%00' "'; --" \
	"$(printf '\303\251\377')" "$(printf 'a\nb')" "$(printf '%0256d' 0)" \
	"$(printf '%09000d' 0)"; do
	cgi installed DELETE PATH_INFO="/$id"
	refused 404 "DELETE of no id, ${#id} bytes long"
done
unchanged 'methods and paths'

# ---- lengths ----------------------------------------------------------------

put '{"a":1}'
for program in installed uninstalled echo; do
	limit=65536
	[ $program != echo ] || limit=262144
	post "$program" -u CONTENT_LENGTH
	refused 411 "$program: no CONTENT_LENGTH"
	post "$program" CONTENT_LENGTH=
	refused 411 "$program: an empty one"
	for length in -1 -0 +7 ' 7' '7 ' 7, 7,7 7.0 7e0 0x7 0x10 seven ٧ \
		-18446744073709551609; do
		post "$program" CONTENT_LENGTH="$length"
		refused 400 "$program: CONTENT_LENGTH '$length'"
	done
	for length in $((limit + 1)) 4294967303 9223372036854775808 \
		18446744073709551615 18446744073709551616 18446744073709551623 \
		99999999999999999999999999999999999999; do
		post "$program" CONTENT_LENGTH="$length"
		refused 413 "$program: CONTENT_LENGTH $length"
	done
	post "$program" CONTENT_LENGTH=8
	refused 400 "$program: a body shorter than announced"
	post "$program" CONTENT_LENGTH="$limit"
	refused 400 "$program: much shorter"
	post "$program" CONTENT_LENGTH=6
	refused 400 "$program: a body longer than announced"
	post "$program" CONTENT_LENGTH=0
	refused 400 "$program: much longer"
done

for program in installed uninstalled echo; do
	limit=65536
	[ $program != echo ] || limit=262144
	blanks=$(printf "%0$((limit - 7))d" 0 | tr 0 ' ')
	put '{"a":1%s}' "$blanks"
	post "$program"
	refused 400 "$program: $limit bytes are read"
	unlike "$body" 'larger|announced' '... and looked at'
	put '{"a":1%s}\n' "$blanks"
	post "$program"
	refused 413 "$program: one more is not"
done
unchanged lengths

# ---- JSON -------------------------------------------------------------------

good='{"oauthId":"f3100c47","oauthSecret":"s","capabilitiesUrl":"https://evil.example/","groupId":1,"roomId":2}'
hook='{"event":"room_message","item":{"message":{"id":"m","message":"/echo hi"},"room":{"id":1}},"oauth_client_id":"f3100c47","webhook_id":1}'
gone='{"oauthId":"f3100c47"}'
brackets=$(printf '%02000d' 0 | tr 0 '[')
tekcarbs=$(printf '%02000d' 0 | tr 0 ']')

# bad NAME FORMAT [ARGUMENT…]: a body that $program does not accept
bad() {
	bad_name=$1
	shift
	put "$@"
	post "$program"
	refused 400 "$program: $bad_name"
}
for program in installed uninstalled echo; do
	case $program in
	installed) document=$good ;;
	uninstalled) document=$gone ;;
	echo) document=$hook ;;
	esac
	open=${document%?}	# without its last brace
	bad 'no body' ''
	bad 'nothing but blanks' ' \n '
	bad 'an array' '[]'
	bad 'an array of one' '[%s]' "$document"
	bad 'null' 'null'
	bad 'a string' '"oauthId"'
	bad 'a number' '7'
	bad 'HTML' '<!DOCTYPE html><title>x</title>'
	bad 'an empty object' '{}'
	bad 'a document that is cut' '%s' "$open"
	bad 'a document that is cut within a string' '%.5s' "$document"
	bad 'two documents' '%s%s' "$document" "$document"
	bad 'two documents in two lines' '%s\n%s\n' "$document" "$document"
	bad 'something behind it' '%s;' "$document"
	bad 'a NUL behind it' '%s\000' "$document"
	bad 'a byte order mark' '\357\273\277%s' "$document"
	bad 'a comment' '%s,/**/"x":1}' "$open"
	bad 'a comma too many' '%s,}' "$open"
	bad 'Latin-1' '%s,"x":"\351"}' "$open"
	bad 'an overlong encoding' '%s,"x":"\300\257"}' "$open"
	bad 'a surrogate in UTF-8' '%s,"x":"\355\240\200"}' "$open"
	bad 'a lone surrogate' '%s,"x":"\\ud800"}' "$open"
	bad 'a pair the wrong way round' '%s,"x":"\\udc00\\ud800"}' "$open"
	bad 'a raw line break in a string' '%s,"x":"a\nb"}' "$open"
	bad 'a raw NUL in a string' '%s,"x":"a\000b"}' "$open"
	bad 'NaN' '%s,"x":NaN}' "$open"
	bad 'Infinity' '%s,"x":-Infinity}' "$open"
	bad 'a leading zero' '%s,"x":01}' "$open"
	bad 'single quotes' "%s,'x':1}" "$open"
	bad 'a member twice' '%s,"x":1,"x":1}' "$open"
	bad 'a member twice, in another spelling' '%s,"x":1,"\\u0078":1}' "$open"
	bad '2,000 brackets' '%s,"x":%s%s}' "$open" "$brackets" "$tekcarbs"
	bad '2,000 brackets, none closed' '%s,"x":%s' "$open" "$brackets"
	printf %s "$document" | sed 's/./&@/g' | tr '@' '\000' >"$in"
	post "$program"
	refused 400 "$program: UTF-16"
	{ printf '\377\376'; cat "$in"; } >"$tmp/marked"
	cgi "$program" POST <"$tmp/marked"
	refused 400 "$program: UTF-16 with its mark"
done
unchanged JSON

# ---- members ----------------------------------------------------------------

# unfit PROGRAM DOCUMENT MEMBER VALUE…: each value, in JSON, is invalid
unfit() {
	unfit_program=$1
	printf '%s' "$2" >"$tmp/document"
	unfit_member=$3
	shift 3
	for value; do
		jq -c "$unfit_member = $value" "$tmp/document" >"$in"
		post "$unfit_program"
		refused 400 "$unfit_program: $unfit_member = $(shown "$value")"
	done
}
# absent PROGRAM DOCUMENT MEMBER…: each is required
absent() {
	absent_program=$1
	printf '%s' "$2" >"$tmp/document"
	shift 2
	for member; do
		jq -c "del($member)" "$tmp/document" >"$in"
		post "$absent_program"
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
unfit installed "$good" .groupId null
for member in .groupId .roomId; do
	unfit installed "$good" "$member" 0 -1 1.5 true '[]' '{}' '""' '"0"' \
		'"-1"' '"+1"' '" 1"' '"1 "' '"0x10"' '"1e3"' '"x"' \
		'"9999999999999999999"' 1e19
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
unfit echo "$hook" .item.message.message null 7 '[]' '{}' '"a\u0000b"'
unfit echo "$hook" .item.message.id 7 null '""' "\"$long\""
unfit uninstalled "$gone" .oauthId null 7 '[]' '{}' '""' '"a\u0000b"' '"a/b"' \
	"\"$longer\""
for member in .redirect_url .installable_url; do
	unfit uninstalled "$gone" "$member" null 7 '[]' '{}' '""' "\"$longer\""
done
put '%s,"groupId":9223372036854775808}' \
	'{"oauthId":"i","oauthSecret":"s","capabilitiesUrl":"u"'
post installed
refused 400 'installed: .groupId = 2^63'

# needed MEMBER VALUE ERE: the reason says what is needed
needed() {
	unfit installed "$good" "$1" "$2"
	like "$(cat "$tmp/stderr")" "JSON body: ${1#.}: $3" "... in the log: $3"
}
needed .oauthId "\"$long\"" '1 to 255 of A-Z '
needed .oauthSecret "\"$long\"" '1 to 255 ASCII characters'
needed .oauthSecret '"a b"' '.*, no blanks'
needed .capabilitiesUrl "\"$longer\"" '1 to 2047 ASCII characters'

# A null room is no room.
printf %s "$good" | jq -c '.roomId = null' >"$in"
post installed
refused 403 'installed: .roomId = null, from a host that is not allowed'

# Other members may be anything.
put '%s,"x":[null,{"oauthId":7}],"event":7}' "${good%?}"
post installed
refused 403 'installed: unknown members, from a host that is not allowed'
put '%s,"x":[null,{"oauthId":7}]}' "${gone%?}"
post uninstalled
fine '204 No Content' 0 'uninstalled: unknown members'
put '%s,"oauthId":7,"x":[null]}' "${hook%?}"
post echo
fine '204 No Content' 1 'echo: unknown members, of an unknown installation'
post echo HIPCHAT_WEBHOOK_AUTH=jwt
refused 401 'echo: the same where webhooks are signed'
post echo HIPCHAT_WEBHOOK_AUTH=jwt HTTP_AUTHORIZATION='JWT a.b.c'
refused 401 'echo: ... with some signature'
put '{"event":"room_enter","item":{"room":{"id":1}},"oauth_client_id":"x"}'
post echo
fine '204 No Content' 1 'echo: another event, of an unknown installation'
unchanged members

# ---- hosts ------------------------------------------------------------------

for url in https://evil.example/v2/capabilities http://api.hipchat.com/ \
	https://hipchat.com/ https://api.hipchat.com.evil.example/ \
	https://api.hipchat.com@evil.example/ https://u:p@api.hipchat.com/ \
	https://api.hipchat.com:8443/ https://api.hipchat.com./ \
	https://127.0.0.1/ https://localhost/ 'https://[::1]/' \
	http://169.254.169.254/latest/meta-data file:///etc/passwd \
	gopher://api.hipchat.com/ ldap://api.hipchat.com/ //api.hipchat.com/ \
	api.hipchat.com x 'https://evil.example\\@api.hipchat.com/'; do
	put '{"oauthId":"i","oauthSecret":"s","capabilitiesUrl":"%s","groupId":1}' \
		"$url"
	post installed
	refused 403 "installed: from $url"
	put '{"installable_url":"%s"}' "$url"
	post uninstalled
	refused 403 "uninstalled: by $url"
	put '{"oauthId":"i","redirect_url":"%s"}' "$url"
	post uninstalled
	refused 400 "uninstalled: on to $url"
done
unchanged hosts

# ---- parameters -------------------------------------------------------------

here=https://www.hipchat.com/sign_in
form=CONTENT_TYPE=application/x-www-form-urlencoded

# query NAME QUERY: refused in a GET, in the query of a POST, and as a form
query() {
	cgi uninstalled GET QUERY_STRING="$2"
	refused 400 "GET: $1"
	cgi uninstalled POST QUERY_STRING="$2" </dev/null
	refused 400 "POST, in the query: $1"
	put %s "$2"
	post uninstalled "$form"
	refused 400 "POST, as a form: $1"
}
query 'nothing' ''
query 'nothing much' '&&==&'
query 'an unknown parameter' 'x=y'
query 'redirect_url alone' "redirect_url=$here"
query 'oauthId twice' 'oauthId=a&oauthId=a'
query 'oauthId empty' 'oauthId='
query 'oauthId with a bad escape' 'oauthId=%4'
query 'oauthId with a NUL' 'oauthId=a%00b'
query 'oauthId of 2,048 bytes' "oauthId=$longer"
query 'oauthId of 60,000 bytes' "oauthId=$(printf '%060000d' 0)"
query 'redirect_url twice' \
	"oauthId=a&redirect_url=$here&redirect_url=$here"
query 'installable_url twice' \
	"redirect_url=$here&installable_url=$here&installable_url=$here"
for end in %0d%0aSet-Cookie:%20a=b %0aX:%20y %00 %20 %09 %7f %ff %c3%a9 % \
	%5c %22 %3cscript%3e; do
	query "redirect_url that ends with $end" \
		"oauthId=a&redirect_url=$here$end&installable_url=$here"
done
cgi uninstalled GET QUERY_STRING='oauthId=a'
refused 400 'GET: oauthId alone'
cgi uninstalled GET QUERY_STRING="oauthId=a&redirect_url=$here"
refused 400 'GET: no installable_url'
cgi uninstalled GET QUERY_STRING="installable_url=$here"
refused 400 'GET: no redirect_url'
put '{"oauthId":"a"}'
post uninstalled QUERY_STRING='redirect_url=https://evil.example/'
refused 400 'POST: a bad redirect_url in the query, oauthId in the body'

# what is right
put 'oauthId=unknown'
post uninstalled "$form"
fine '204 No Content' 0 'POST: an unknown oauthId'
cgi uninstalled POST QUERY_STRING="oauthId=a&redirect_url=$here%3fa%3db%26c" \
	</dev/null
judge "Status: 302 Found; Cache-Control: no-store; Location: $here?a=b&c; " \
	'' 0 'POST: an unknown oauthId and redirect_url: 302 and Location'
unchanged parameters

# ---- the Host header --------------------------------------------------------

cgi capabilities GET
is "$status $(jq -r .links.self "$tmp/body")" \
	'200 https://addon.example.com/capabilities' 'the descriptor'
quiet "$tmp/stderr" '... and nothing logged'
cgi capabilities GET -u HTTP_HOST
refused 400 'no Host'
for host in '' / a/b 'a b' 'a"b' '<script>' '"><x' u@h 'a?b' 'a#b' 'a\b' \
	a,b a%2f '[::1' '[]' :80 a:b a:1:2 "$(printf 'a\tb')" \
	"$(printf 'a\r\nX: y')" "$(printf '\303\251')" "$(printf '%0600d' 0)"; do
	cgi capabilities GET HTTP_HOST="$host"
	refused 400 "Host $(shown "$host")"
done
cgi capabilities GET HTTP_HOST='<script>' HIPCHAT_BASE_URL=https://a.example/x
is "$status $(jq -r .links.self "$tmp/body")" \
	'200 https://a.example/x/capabilities' 'a base URL that is set: any Host'
for tag in '"x"' x '' W/ "$(printf '%09000d' 0)" "$(printf '"\377\n"')"; do
	cgi capabilities GET HTTP_IF_NONE_MATCH="$tag"
	is "$status" 200 'an If-None-Match that is none of ours'
done
cgi capabilities GET QUERY_STRING='a=%zz&%00' CONTENT_LENGTH=x \
	CONTENT_TYPE='x/y; z' HTTP_AUTHORIZATION='JWT x' \
	HTTP_COOKIE="$(printf '%030000d' 0)"
is "$status" 200 'what /capabilities does not look at'
quiet "$tmp/stderr" '... and nothing logged'

# ---- settings ---------------------------------------------------------------

# misconfigured SETTING VALUE: all programs say so
misconfigured() {
	put %s "$hook"
	for program in capabilities installed uninstalled echo; do
		method=POST
		[ "$program" != capabilities ] || method=GET
		cgi "$program" "$method" "$1=$2" <"$in"
		refused 500 "$program: $1=$(shown "$2")"
		like "$(cat "$tmp/stderr")" "^$program: environment: $1: " \
			'... in the log'
		generic '... and there only'
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
unchanged 'Host and settings'

# ---- the data directory -----------------------------------------------------

# no_store NAME [ARGUMENT…]: the store is needed but not available
no_store() {
	no_store_name=$1
	shift
	put %s "$good"
	post installed "$@"
	refused 500 "installed: $no_store_name"
	generic '... which the client is not told'
	put %s "$gone"
	post uninstalled "$@"
	refused 500 "uninstalled: $no_store_name"
	put %s "$hook"
	post echo "$@"
	refused 500 "echo: $no_store_name"
	generic '... which the client is not told'
	cgi installed DELETE PATH_INFO=/f3100c47 "$@"
	refused 500 "DELETE: $no_store_name"
}
no_store 'no data directory' HIPCHAT_DATA_DIR="$tmp/data/none"
no_store 'a file' HIPCHAT_DATA_DIR="$in"
no_store 'below a file' HIPCHAT_DATA_DIR="$in/data"
mkdir -m 777 "$tmp/open"
chmod 777 "$tmp/open"
no_store 'a directory open to all' HIPCHAT_DATA_DIR="$tmp/open"
chmod 770 "$tmp/open"
no_store 'a directory open to the group' HIPCHAT_DATA_DIR="$tmp/open"
chmod 700 "$tmp/open"
theirs=/usr
[ "$(id -u)" != 0 ] || {
	theirs=$tmp/open
	chown 65534 "$theirs"
}
no_store "somebody else's directory" HIPCHAT_DATA_DIR="$theirs"
is "$(ls -A "$tmp/open")" '' '... and nothing was put there'
unchanged 'no data directory'

# If a file of the store is not a database, it stays as it is; nor does an older
# version's, which is then not taken over.
mkdir -p -m 700 "$tmp/data/installations"
for file in installations.db \
	"installations/$(printf f3100c47 | sha256sum | cut -c 1-3).db"; do
	echo 'not a database' >"$tmp/data/$file"
	before=$(disk)
	put %s "$gone"
	post uninstalled
	refused 500 "uninstalled: a damaged $file"
	put %s "$hook"
	post echo
	refused 500 "echo: a damaged $file"
	cgi installed DELETE PATH_INFO=/f3100c47
	refused 500 "DELETE: a damaged $file"
	unchanged "a damaged $file"
	rm "$tmp/data/$file"
done
rmdir "$tmp/data/installations"

# No webhook is accepted if the directory is not writable.  Root can write
# anywhere, so this runs as the user nobody, with a copy of the programs to
# which that user has access.
mkdir -m 500 "$tmp/shut"
set --
if [ "$(id -u)" = 0 ]; then
	chown 65534 "$tmp/shut"
	mkdir "$tmp/build"
	cp -R "$B/cgi-bin" "$tmp/build/"
	built=$B
	B=$tmp/build
	set -- setpriv --reuid=65534 --regid=65534 --clear-groups
fi
put %s "$hook"
post echo HIPCHAT_DATA_DIR="$tmp/shut" "$@"
B=${built:-$B}
refused 500 'echo: an unwritable data directory'
like "$(cat "$tmp/stderr")" 'Permission denied' '... and the log says why'

# ---- the template -----------------------------------------------------------

mkdir "$tmp/templates"
# template NAME FORMAT [ARGUMENT…]: it is refused
template() {
	template_name=$1
	shift
	printf "$@" >"$tmp/templates/capabilities.json"
	cgi capabilities GET HIPCHAT_TEMPLATE_DIR="$tmp/templates"
	refused 500 "a template with $template_name"
	like "$(cat "$tmp/stderr")" \
		"^capabilities: $tmp/templates/capabilities.json:" '... in the log'
	generic '... and there only'
}
template 'an unknown name' '{"name":"{{ nobody }}"}'
template 'an unclosed placeholder' '{"name":"{{ name"}'
template 'a placeholder outside a string' '{"name":{{ name }}}'
template 'broken JSON' '{"name":}'
printf '{\n"name": "x",\n}\n' >"$tmp/templates/capabilities.json"
cgi capabilities GET HIPCHAT_TEMPLATE_DIR="$tmp/templates"
like "$(cat "$tmp/stderr")" 'capabilities.json:3: not JSON: ' \
	'a comma too many: in which line'
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

# Under mod_cgid, standard error is the server's log itself.
truncate -s 1025M "$tmp/large.log"
echo '{}' >"$tmp/empty"
cgi echo POST sh -c 'exec "$@" 2>>"$0"' "$tmp/large.log" <"$tmp/empty"
is "$status" 400 'a log of more than 1 GiB'
like "$(tail -c 120 "$tmp/large.log" | tr -d '\0')" 'Z echo: 400: ' \
	'... is written to all the same'
rm "$tmp/large.log"

envelopes
done_testing
