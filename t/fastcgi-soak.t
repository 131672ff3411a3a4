#!/bin/sh
# Each program as a FastCGI process, for many requests of all kinds, beside
# itself as a CGI program: fastcgi-soak.c says what must be the same.
#
# SOAK_REQUESTS is how many echo gets; the others get less, for more of theirs
# costs an exec, or several calls of HipChat.  SOAK_SEED makes them the same
# again.  "make asan" and "make soak" take more.
: "${SOAK_REQUESTS:=1500}"
. t/lib/lib.sh
. t/lib/courier.sh

six_rooms
for id in "$a" "$b" "$c" "$d" "$all"; do
	credentials "$id" | jq -c .
done >"$tmp/tenants"

export B HIPCHAT
for share in echo:1 capabilities:5 installed:15 uninstalled:15; do
	program=${share%:*}
	cp -Rp "$tmp/installed" "$tmp/$program.fcgi"
	cp -Rp "$tmp/installed" "$tmp/$program.cgi"
	rc=0
	SOAK_REQUESTS=$((SOAK_REQUESTS / ${share#*:})) \
		SOAK_DIR=$tmp SOAK_TENANTS=$tmp/tenants SOAK_CONFIG=$no_settings \
		"$B/t/unit/fastcgi-soak" "$program" >"$tmp/out" || rc=$?
	sed 's/^/    /' "$tmp/out"
	is "$rc" 0 "$program" || diag "$(grep -v '^ok' "$tmp/out")"
done
quiet "$tmp/hipchatd.log" "the stand-in's log"
done_testing
