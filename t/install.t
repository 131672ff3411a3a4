#!/bin/sh
# make install and uninstall: what a host gets, and that it works there.
. t/lib/lib.sh

# A copy of what is built, as other paths will be built into it.
cp -R -p "$B" "$tmp/built"
run_make() { make -s --no-print-directory B="$tmp/built" "$@" >"$tmp/make" 2>&1; }
to_host() {
	run_make "$1" DESTDIR="$tmp/host" prefix=/opt/hipchat \
		STATEDIR=/srv/hipchat
}
installed() { (cd "$tmp/host" 2>/dev/null && find . ! -type d | sort); }
mode() { stat -c %a "$tmp/host/$1"; }

lib=opt/hipchat/lib/hipchat-cgi share=opt/hipchat/share/hipchat-cgi
ok 'make install' to_host install || diag "$(cat "$tmp/make")"
is "$(installed)" "./$lib/capabilities
./$lib/courier
./$lib/echo
./$lib/installed
./$lib/uninstalled
./$share/httpd.conf
./$share/templates/capabilities.json" 'what is installed'
is "$(mode $lib/echo) $(mode $share/httpd.conf) $(mode srv/hipchat)" \
	'755 644 700' 'its modes'
is "$(sed -n 's/^Define //p' "$tmp/host/$share/httpd.conf")" \
	'HIPCHAT_CGIDIR /opt/hipchat/lib/hipchat-cgi
HIPCHAT_TEMPLATE_DIR /opt/hipchat/share/hipchat-cgi/templates
HIPCHAT_DATA_DIR /srv/hipchat' 'its paths in the configuration'
env -i ${ASAN_OPTIONS:+"ASAN_OPTIONS=$ASAN_OPTIONS"} \
	"$tmp/host/$lib/courier" --status >"$tmp/out" 2>&1
like "$(cat "$tmp/out")" '/srv/hipchat' 'and in the programs'
cgi_was=$B B=$tmp/cgi
mkdir "$B" && ln -s "$tmp/host/$lib" "$B/cgi-bin"
cgi capabilities GET -u HIPCHAT_TEMPLATE_DIR
is "$status" 500 'a template that is not there'
like "$(cat "$tmp/stderr")" '/opt/hipchat/share/hipchat-cgi/templates' \
	'... is looked for where it was installed'
B=$cgi_was

echo other >"$tmp/host/$lib/other"
ok 'make uninstall' to_host uninstall || diag "$(cat "$tmp/make")"
is "$(installed)" "./$lib/other" 'removes what it has installed, and that only'
ok 'make uninstall where little is left' to_host uninstall
rm "$tmp/host/$lib/other"
ok 'and once more' to_host uninstall || diag "$(cat "$tmp/make")"
is "$(cd "$tmp/host" && find . -path '*hipchat-cgi*'; ls "$tmp/host/srv")" \
	hipchat 'STATEDIR stays, and no other directory'
done_testing
