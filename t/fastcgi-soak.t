#!/bin/sh
# Each program as a FastCGI process, for many requests of all kinds, beside
# itself as a CGI program: fastcgi-soak.c says what must be the same.
#
# SOAK_REQUESTS is how many each program gets, SOAK_SEED makes them the same
# again; "make soak" takes more.
: "${SOAK_REQUESTS:=500}"
. t/lib/lib.sh
. t/lib/courier.sh

six_rooms
for id in "$a" "$b" "$c" "$d" "$all"; do
	credentials "$id" | jq -c .
done >"$tmp/tenants"

export B HIPCHAT SOAK_REQUESTS
for program in capabilities echo installed uninstalled; do
	cp -Rp "$tmp/installed" "$tmp/$program.fcgi"
	cp -Rp "$tmp/installed" "$tmp/$program.cgi"
	rc=0
	SOAK_DIR=$tmp SOAK_TENANTS=$tmp/tenants SOAK_CONFIG=$no_settings \
		"$B/t/unit/fastcgi-soak" "$program" >"$tmp/out" || rc=$?
	sed 's/^/    /' "$tmp/out"
	is "$rc" 0 "$program" || diag "$(grep -A 40 '^not ok' "$tmp/out")"
done
quiet "$tmp/hipchatd.log" "the stand-in's log"
done_testing
