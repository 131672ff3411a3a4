#!/bin/sh
# FastCGI processes killed with SIGKILL at random moments while webhooks come:
# fastcgi-kill.c says what must come of it.
#
# KILLS sets the size; "make soak" takes more.
: "${KILLS:=40}"
. t/lib/lib.sh
. t/lib/courier.sh

six_rooms
for id in "$a" "$b" "$c" "$d"; do
	credentials "$id" | jq -c .
done >"$tmp/tenants"
cp -Rp "$tmp/installed" "$tmp/box"

export HIPCHAT
rc=0
KILL_ECHO=$tmp/cgi-bin/echo KILL_CONFIG=$no_settings KILL_DATA=$tmp/box \
	KILL_TENANTS=$tmp/tenants "$B/t/unit/fastcgi-kill" "$KILLS" \
	>"$tmp/out" || rc=$?
sed 's/^/    /' "$tmp/out"
is "$rc" 0 'the kills' || diag "$(grep -v '^ok' "$tmp/out")"
quiet "$tmp/hipchatd.log" "the stand-in's log"
done_testing
