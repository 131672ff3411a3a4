#!/bin/sh
# The same programs under each web server of the README's chapter FASTCGI, as
# configured there, at the top and below a prefix.
. t/lib/lib.sh
. t/lib/courier.sh
. t/lib/webservers.sh

# refuses METHOD PATH STATUS [CURL-ARGUMENT…]: with HipChat's envelope
refuses() {
	refuses_method=$1 refuses_path=$2 refuses_status=$3
	shift 3
	http "$refuses_method" "$ADDON$refuses_path" "$@"
	is "$status" "$refuses_status" "$about: $refuses_method $refuses_path"
	json .error.code "$refuses_status" '... says why'
}

# last_out METHOD FILTER: a part of the last such request that HipChat made
last_out() {
	control GET log | jq -r --arg method "$1" "
		[.[] | select(.direction == \"out\" and .method == \$method)]
		| last | $2"
}

# remove FORM METHOD STATUS: HipChat removes it in this form
remove() {
	control POST remove "{\"oauth_id\":\"$id\",\"form\":\"$1\"}" \
		>"$tmp/answer"
	is "$(last_out "$2" .status)" "$3" "$about: removed in form $1"
}

descriptor() {
	http GET "$ADDON/capabilities"
	is "$status $(header Content-Type)" '200 application/json' \
		"$about: the descriptor"
	json '[.links.self, .capabilities.installable.callbackUrl,
		.capabilities.webhook[0].url] | join(" ")' \
		"$ADDON/capabilities $ADDON/installed $ADDON/echo" \
		'... knows where it is'
	etag=$(header ETag)
	http HEAD "$ADDON/capabilities"
	is "$status $(header ETag)" "200 $etag" '... HEAD'
	http GET "$ADDON/capabilities" -H "If-None-Match: $etag"
	is "$status $(header ETag) $(wc -c <"$tmp/body")" "304 $etag 0" \
		'... not modified'
	refuses POST /capabilities 405 -d ''
	is "$(header Allow)" 'GET, HEAD' '... and what is allowed'
}

# From an installation to its removal, in HipChat's three forms
life() {
	room=$(new_room "$about")
	id=$(install "$room") || exit
	is "$(control POST "rooms/$room/say" '{"message":"/echo hello"}' |
		jq -r '.webhooks[].status')" 204 "$about: a signed webhook"
	ok '... is answered in the room' wait_for has_said "$room" hello hello
	last_out POST .request_body >"$tmp/webhook"
	refuses POST /echo 401 -d "@$tmp/webhook" -H 'Authorization: JWT a.b.c'

	refuses DELETE "/installed/$id" 409
	remove A DELETE 204
	id=$(install "$room") || exit
	remove B GET 302
	id=$(install "$room") || exit
	remove C POST 204
	is "$(last_out POST .url)" "$ADDON/uninstalled" '... at its URL'
}

# Long bodies; $chunked is what becomes of one of unknown length.
bodies() {
	head -c 270000 /dev/zero >"$tmp/zeros"
	refuses POST /echo 413 --data-binary "@$tmp/zeros"
	refuses POST /echo "$chunked" --data-binary "@$tmp/zeros" \
		-H 'Transfer-Encoding: chunked'
	head -c 1100000 /dev/zero >"$tmp/zeros"
	http POST "$ADDON/echo" --data-binary "@$tmp/zeros"
	is "$status" 413 "$about: 1.1 MB"
}

outside() {
	for path in /courier /echoes /nothing; do
		http GET "$ADDON$path"
		is "$status" 404 "$about: $path"
	done
}

# What the programs have to say about all that, which fcgiwrap quotes
lines=': (installed|removed)("|$)|Z [a-z]*: 4[01][0-9]: |stays for now: HipChat'

# serve SERVER COMMAND CHUNKED [ERE]: with what the server itself may log
serve() {
	command -v "$2" >"$tmp/out" || {
		skip "$1" "no $2 here"
		return
	}
	chunked=$3
	for prefix in '' /hipchat; do
		about="$1${prefix:+ below $prefix}"
		"start_$1"
		descriptor
		life
		bodies
		outside
		stop_server
		quiet "$log" "$about: the log" "$lines${4:+|$4}"
	done
}

start_hipchatd
settings
find_apache
if [ -e "$apache_modules/mod_fcgid.so" ]; then
	serve fcgid true 413
else
	skip fcgid 'no mod_fcgid here'
fi
serve proxy spawn-fcgi 411
nginx='\[error\] .*(too large body|failed \(2:)'
serve nginx nginx 413 "$nginx"
serve fcgiwrap fcgiwrap 413 "$nginx"
serve lighttpd lighttpd 413 '\((server\.c|response\.c.*-> 413)'
done_testing
