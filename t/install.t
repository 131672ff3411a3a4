#!/bin/sh
# make install and uninstall: what they install, and that it works.
. t/lib/lib.sh

# A copy of what is built, because other paths will be built into it.
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
programs=$({ (cd cgi-bin && ls *.c | sed 's/\.c$//'); echo courier; } | sort)
unit=$share/hipchat-courier.service
is "$(installed)" "$(echo "$programs" | sed "s|^|./$lib/|")
./$unit
./$share/hipchat@.service
./$share/hipchat@.socket
./$share/httpd.conf
./$share/templates/capabilities.json" 'what is installed'
is "$(mode $lib/echo) $(mode $share/httpd.conf) $(mode $unit) \
$(mode srv/hipchat)" '755 644 644 700' 'its modes'
names=$(echo "$programs" | grep -vx courier | tr '\n' '|')
is "$(grep -v '^[[:space:]]*#' "$tmp/host/$share/httpd.conf" |
	grep -E '@|/opt|/usr|echo')" \
	"ScriptAliasMatch \"^\${HIPCHAT_URL}(${names%|})(/.*)?\$\" \"/$lib/\$1\$2\"
<Directory \"/$lib\">
	<FilesMatch \"^(${names%|})\$\">
		<FilesMatch \"^(?<program>${names%|})\$\">" 'its paths and names in the configuration'
is "$(grep -E '^[^#].*/' "$tmp/host/$unit")" "ExecStart=/$lib/courier --resident
ReadWritePaths=/srv/hipchat" '... in the unit'
is "$(grep -E '@[A-Z]+@' "$tmp/host/$share"/*.service)" '' '... all of them'
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

# While the system is in use: what is called then works, old or new.
ask() {
	while [ ! -e "$tmp/enough" ]; do
		"$tmp/host/$lib/echo" >"$tmp/asked" 2>&1 &&
			grep -q '^Status: [1-4]' "$tmp/asked" ||
			echo "status $?" >>"$tmp/unanswered"
	done
}
: >"$tmp/unanswered"
env -i PATH="$PATH" ${ASAN_OPTIONS:+"ASAN_OPTIONS=$ASAN_OPTIONS"} \
	REQUEST_METHOD=GET "$tmp/host/$lib/echo" >"$tmp/out" 2>&1
like "$(cat "$tmp/out")" '^Status: 405' 'a program that runs'
REQUEST_METHOD=GET ask &
asker=$!
again=0
for round in 1 2 3 4 5 6 7 8 9 10; do
	to_host install || again=$((again + 1))
done
: >"$tmp/enough"
wait "$asker"
is "$again $(cat "$tmp/unanswered")" '0 ' 'installed ten times, and never missing'

# Characters that are special to a shell, sed or Apache's configuration are
# refused.
for odd in '/opt/hip chat' '/opt/a&b' '/opt/a|b' opt/hipchat '/opt/a"b'; do
	ok "prefix=$odd is refused" \
		no run_make install DESTDIR="$tmp/odd" prefix="$odd"
	like "$(cat "$tmp/make")" '^make: prefix, .* not an absolute path' \
		"prefix=$odd: why"
done
ok '... and nothing is installed' [ ! -e "$tmp/odd" ]

echo other >"$tmp/host/$lib/other"
ok 'make uninstall' to_host uninstall || diag "$(cat "$tmp/make")"
is "$(installed)" "./$lib/other" 'removes what it has installed, and that only'
ok 'make uninstall where little is left' to_host uninstall
rm "$tmp/host/$lib/other"
ok 'and once more' to_host uninstall || diag "$(cat "$tmp/make")"
is "$(cd "$tmp/host" && find . -path '*hipchat-cgi*'; ls "$tmp/host/srv")" \
	hipchat 'STATEDIR stays, and no other directory'

# A build in another directory gives the same bytes.
for place in "$tmp/here" "$tmp/over there"; do
	mkdir "$place"
	cp -R Makefile cgi-bin common t "$place"
	ok "it builds in ${place##*/}" make -s --no-print-directory \
		-C "$place" B=build all
	(cd "$place/build/cgi-bin" && sha256sum *) >"$tmp/sums.${place##*/}"
done
is "$(cat "$tmp/sums.over there")" "$(cat "$tmp/sums.here")" \
	'the same programs'
done_testing
