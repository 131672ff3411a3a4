#!/bin/sh
# The descriptor in Apache's cache, by httpd.conf.sample: it is the same for
# everybody, or not kept at all.
. t/lib/lib.sh

find_apache
for module in cache cache_disk; do
	echo "LoadModule ${module}_module \"$apache_modules/mod_$module.so\""
done >"$tmp/before.conf"
cat >>"$tmp/before.conf" <<-END
	Define HIPCHAT_CACHE
	CacheRoot "$tmp/cache"
	END

# start [NAME=VALUE…]: with an empty cache
start() {
	rm -rf "$tmp/cache"
	mkdir "$tmp/cache"
	[ "$(id -u)" != 0 ] || chown "$apache_user" "$tmp/cache"
	start_apache "$@"
	url=$ADDON/capabilities
}

# get [CURL-OPTION…]: the descriptor; sets $status, with the body's length, and
# fills head and body
get() {
	status=$(curl -sS -m 20 -D "$tmp/head" -o "$tmp/body" \
		-w '%{http_code} %{size_download}' "$@" "$url")
	length=${status#* } status=${status% *}
}
url_in_it() { jq -r .links.self "$tmp/body"; }
header() { sed -n "s/^$1: \(.*\)\r$/\1/Ip" "$tmp/head"; }

# rename_addon NAME: what the program itself would now serve
rename_addon() {
	sed "s/{{ name }}/$1/" templates/capabilities.json \
		>"$tmp/templates/capabilities.json"
}
name_in_it() { jq -r .name "$tmp/body"; }

base=https://addon.example.com
self=$base/capabilities
for canonical in On Off; do
	echo "UseCanonicalName $canonical" >"$tmp/extra.conf"
	start HIPCHAT_BASE_URL=$base
	about="UseCanonicalName $canonical"
	rename_addon First
	get -H 'Host: evil.example'
	is "$status $(url_in_it)" "200 $self" "$about: a foreign Host comes first"
	get
	is "$status $(url_in_it)" "200 $self" '... then we'
	is "$(header Cache-Control)" 'public, max-age=60' '... for a minute'
	etag=$(header ETag)
	rename_addon Second
	get
	is "$(name_in_it)" First '... and meanwhile it is kept'
	get -H 'Cache-Control: no-cache' -H 'Pragma: no-cache'
	is "$(name_in_it)" First '... whatever a client says'
	url="$ADDON/capabilities?a=$$"
	get
	is "$(name_in_it)" First '... or adds'
	is "$(header ETag)" "$etag" '... with its entity tag'
	url=$ADDON/capabilities
	get -H "If-None-Match: $etag"
	is "$status $length" '304 0' '... so the client may have it'
	get -I
	is "$status $length" '200 0' '... HEAD: no body'
	is "$(header ETag)" "$etag" '... but the tag'
	get -H 'Host: ADDON.Example.COM.'
	is "$(url_in_it)" "$self" '... another Host in another case'
	get -X POST -d x=y
	is "$status" 405 '... POST goes to the program'
	http DELETE "$ADDON/installed/nobody"
	is "$status" 204 '... and so does all else'
	stop_apache
done

# ---- it expires -------------------------------------------------------------

# After a minute, Apache asks the program if the tag is still good.  So it does
# at once, if a client may say so.
echo 'CacheIgnoreCacheControl Off' >"$tmp/extra.conf"
rename_addon Third
start HIPCHAT_BASE_URL=$base
get
etag=$(header ETag)
get -H 'Cache-Control: max-age=0'
is "$status $(name_in_it) $(header ETag)" "200 Third $etag" \
	'expired and unchanged: what is kept is good'
rename_addon Fourth
get
is "$(name_in_it)" Third '... for another minute'
get -H 'Cache-Control: max-age=0'
is "$(name_in_it)" Fourth 'expired and changed: the new one'
get
is "$(name_in_it)" Fourth '... is kept from now on'
stop_apache

# ---- the base URL of the request --------------------------------------------

: >"$tmp/extra.conf"
rename_addon Fifth
start
get -H 'Host: evil.example'
is "$(url_in_it)" http://evil.example/capabilities 'derived: for that client'
get
is "$(url_in_it)" "$url" '... and for us'
like "$(header Cache-Control)" '^private' '... private'
rename_addon Sixth
get
is "$(name_in_it)" Sixth '... and not kept'
stop_apache

# ---- below a prefix ---------------------------------------------------------

echo 'Define HIPCHAT_URL /hipchat/' >>"$tmp/before.conf"
rename_addon Seventh
start HIPCHAT_BASE_URL=$base/hipchat
url=$ADDON/hipchat/capabilities
get
rename_addon Eighth
get
is "$(name_in_it)" Seventh 'below a prefix: kept, too'
is "$(grep -v -e notice -e '405: method POST' "$tmp/apache/error_log")" '' \
	'nothing else in the error log'
done_testing
