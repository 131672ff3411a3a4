#!/bin/sh
# Everything that can go wrong for a courier, at the same time: stress.c says
# what is done, and what must come of it.  STRESS_S is how long that goes on, in
# seconds ("make soak" takes more); STRESS_SEED does the same again.
#
# Couriers and CGI programs see clocks and connections of our own making
# (shim/world.c).  To replace files in /etc, we need one of our own, so this test
# enters a mount namespace if it can, as root or in a user namespace.

# own_mounts HOW…: can unshare(1) give us a place to mount something?
own_mounts() {
	unshare "$@" sh -c 'mount --make-rprivate / 2>/dev/null
		mount -t tmpfs none /tmp' >/dev/null 2>&1
}
if [ -z "${STRESS_ETC:-}" ]; then
	export STRESS_ETC=1
	! own_mounts -m || exec unshare -m "$0"
	user_namespace='--map-current-user --keep-caps -m'
	# shellcheck disable=SC2086 # three words
	! own_mounts $user_namespace || exec unshare $user_namespace "$0"
	STRESS_ETC=0
fi

. t/lib/lib.sh

# ---- two HipChats -----------------------------------------------------------

trap leave EXIT
leave() {
	leave_status=$?
	[ -z "${other_pid:-}" ] || end "$other_pid"
	[ "$STRESS_ETC" != 1 ] || umount -l /etc
	(exit "$leave_status")
	clean_up
}

other_url='' alias=''
if [ "$STRESS_ETC" = 1 ]; then
	mount --make-rprivate / 2>/dev/null
	mkdir "$tmp/etc"
	cp -a /etc/. "$tmp/etc" 2>"$tmp/unreadable"
	alias=hipchat-a.test
	other_url='--url http://hipchat-b.test:0'
	rm -f "$tmp/etc/hosts"
	echo "127.0.0.1 localhost $alias hipchat-b.test" >"$tmp/etc/hosts"
	mount --bind "$tmp/etc" /etc || die 'no /etc of our own'
fi

start_hipchatd --token-ttl 5
port=${HIPCHAT##*:}
# shellcheck disable=SC2086 # two words or none
setsid "$B/t/hipchatd" --token-ttl 5 --port 0 $other_url \
	>"$tmp/other.url" 2>"$tmp/other.log" </dev/null &
other_pid=$!
wait_for said_or_gone "$tmp/other.url" "$other_pid"
read -r other <"$tmp/other.url" || die 'no second hipchatd'
other_port=${other##*:} other_port=${other_port%/}
case $STRESS_ETC in
1) other=http://hipchat-b.test:$other_port ;;
0) other=http://127.0.0.1:$other_port ;;
esac

# ---- Apache, and couriers in another world ----------------------------------

${CC:-cc} -std=c11 -D_GNU_SOURCE -shared -fPIC -O1 -o "$tmp/world.so" \
	t/shim/world.c || die 'the shim does not compile'
head -c 4096 /dev/zero >"$tmp/world"
chmod 666 "$tmp/world"
link_order=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0
mkdir "$tmp/conf"

# A courier is nobody's child: we recognize ours by their name.
courier_name=c-${tmp##*.}
cp "$B/cgi-bin/courier" "$tmp/$courier_name"
cat >"$tmp/start-courier" <<-END
	#!/bin/sh
	export LD_PRELOAD="$tmp/world.so" WORLD="$tmp/world" WORLD_SPEED=8
	export ASAN_OPTIONS="$link_order"
	exec "$tmp/$courier_name" "\$@"
END
chmod 755 "$tmp/start-courier"
cat >"$tmp/extra.conf" <<-END
	<Location "/">
	UnsetEnv HIPCHAT_ALLOWED_HOSTS HIPCHAT_COURIER_IDLE
	SetEnv HIPCHAT_CONFIG "$tmp/conf/hipchat.conf"
	SetEnv LD_PRELOAD "$tmp/world.so"
	SetEnv WORLD "$tmp/world"
	SetEnv ASAN_OPTIONS "$link_order"
	</Location>
	ScriptAliasMatch "^/other/(echo)$" "$tmp/cgi-bin/\$1"
	<Location "/other">
	SetEnv HIPCHAT_MESSAGE_TTL 86401
	</Location>
END
start_apache HIPCHAT_WEBHOOK_AUTH=jwt
sed 's/"allowGlobal": false/"allowGlobal": true/' templates/capabilities.json \
	>"$tmp/templates/capabilities.json"
cp "$B/t/dynamic/echo" "$tmp/cgi-bin/echo"

ours() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v name="($courier_name)" \
		'$3 != "Z" && $2 == name { print $1 }'
}
nobody() { [ -z "$(ours)" ]; }
# instead of the one in servers.sh, which knows another name
couriers() { ours; }

ADDON=$ADDON SOAK_APACHE=$apache_pid SOAK_DATA=$tmp/data \
	SOAK_COURIER=$tmp/$courier_name \
	HIPCHAT=$HIPCHAT HIPCHAT_PORT=$port HIPCHAT_ALIAS=$alias \
	HIPCHAT2=$other HIPCHAT2_PORT=$other_port \
	STRESS_CONF=$tmp/conf/hipchat.conf STRESS_STARTER=$tmp/start-courier \
	WORLD=$tmp/world WORLD_SHIM=$tmp/world.so ASAN_OPTIONS=$link_order \
	STRESS_S=${STRESS_S:-8} \
	"$B/t/unit/stress" >"$tmp/stress.out"
rc=$?
sed 's/^ok \([0-9]*\) - /    ok \1 - /; s/^not ok /    not ok /
	s/^1\.\./    1../; s/^#/    #/' "$tmp/stress.out"
grep '^#' "$tmp/stress.out"
is "$rc" 0 'the stress' || diag "$(grep '^not ok' "$tmp/stress.out")"

ok 'couriers leave' wait_for nobody || diag "$(ours)"
reports='Sanitizer|runtime error:|signal (Segmentation|Abort|Bus|Illegal|Trap)'
reports="$reports|stack smashing|double free|corrupted|[Aa]ssert|was killed: [^K]"
is "$(grep -hE "$reports" "$tmp/apache/error_log" "$tmp"/data/courier.log*)" \
	'' 'nobody crashed'
quiet "$tmp/hipchatd.log" "the stand-in's log"
quiet "$tmp/other.log" "the other one's log"
done_testing
