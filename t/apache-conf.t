#!/bin/sh
# httpd.conf.sample within a site: which URLs it takes and which it leaves
# alone, at the top and below a prefix, and what it does without a module for
# CGI.
. t/lib/lib.sh

# is_at URL: the add-on is there, and nothing else
is_at() {
	http GET "$1capabilities"
	is "$status" 200 "$mpm: ${1#"$ADDON"}: the descriptor"
	json .links.self "$1capabilities" "$mpm: ... knows where it is"
	http DELETE "$1installed/nobody"
	is "$status" 204 "$mpm: ... path info"
	for name in courier echoes nothing; do
		http GET "$1$name"
		is "$status" 404 "$mpm: ... $name"
	done
	http GET "$1page"
	is "$(cat "$tmp/body")" ours "$mpm: ... a page of the site's own"
}

cat >"$tmp/extra.conf" <<-END
	ScriptAlias /raw/ "$tmp/cgi-bin/"
	END
for mpm in event prefork; do
	rm -f "$tmp/before.conf"
	start_apache "$mpm"
	mkdir -p "$tmp/apache/htdocs/hipchat"
	echo ours >"$tmp/apache/htdocs/page"
	echo ours >"$tmp/apache/htdocs/hipchat/page"
	is_at "$ADDON/"
	http GET "$ADDON/hipchat/capabilities"
	is "$status" 404 "$mpm: no prefix by itself"
	http GET "$ADDON/raw/echo"
	is "$status" 405 "$mpm: an endpoint at another URL"
	http GET "$ADDON/raw/courier"
	is "$status" 403 "$mpm: the courier at another URL"
	stop_apache

	echo 'Define HIPCHAT_URL /hipchat/' >"$tmp/before.conf"
	start_apache "$mpm"
	is_at "$ADDON/hipchat/"
	http GET "$ADDON/capabilities"
	is "$status" 404 "$mpm: the top is the site's own"
	stop_apache
done

sed '/mod_cgi/d' "$tmp/apache/httpd.conf" >"$tmp/apache/no-cgi.conf"
ok 'without a module for CGI Apache does not start' no "$apache_bin" -t \
	-d "$tmp/apache" -f "$tmp/apache/no-cgi.conf" 2>"$tmp/out"
like "$(cat "$tmp/out")" 'needs mod_cgid or mod_cgi: a2enmod cgid' \
	'... and says why'

# What the README has people write stays harmless after make uninstall.
echo "IncludeOptional \"$tmp/gone/httpd.conf\"" >>"$tmp/apache/httpd.conf"
ok 'with its file gone Apache starts' "$apache_bin" -t -d "$tmp/apache" \
	-f "$tmp/apache/httpd.conf" 2>"$tmp/out" || diag "$(cat "$tmp/out")"
done_testing
