# t/lib/attack.sh - for tests in which somebody who is not HipChat installs and
# removes.  Source it after lib.sh and courier.sh.
#
# All calls that the add-on makes go through a simulated network
# (shim/network.c), which writes them to $journal.
#
# It starts both servers and makes two installations, $a and $b.  Their
# credentials are in $tmp/a.json and b.json; $box is a data directory that holds
# them.

journal=$tmp/journal
# in $tmp, so that it is removed at the end
${CC:-cc} -std=c11 -shared -fPIC -O1 -o "$tmp/network.so" t/shim/network.c ||
	die 'the shim does not compile'
start_hipchatd
port=${HIPCHAT##*:}
to_hipchat="connect 127.0.0.1 $port"
start_apache HIPCHAT_WEBHOOK_AUTH=jwt
room=$(new_room Den) room2=$(new_room Lair)
a=$(install "$room") b=$(install "$room2") || exit
credentials "$a" >"$tmp/a.json"
credentials "$b" >"$tmp/b.json"
stop_apache
keep "$a" "$b"
fresh box

# The allowed hosts are *.hipchat.com and the stand-in.  If set, $names are what
# the name service knows, $route is where a connection goes instead, and $ca is
# what is trusted.
allowed="*.hipchat.com $HIPCHAT"
names='' route='' ca=''

# attack PROGRAM METHOD [NAME=VALUE…] [<body]: cgi() in our network
attack() {
	attack_program=$1 attack_method=$2
	shift 2
	: >"$journal"
	cgi "$attack_program" "$attack_method" HIPCHAT_DATA_DIR="$box" \
		HIPCHAT_ALLOWED_HOSTS="$allowed" HIPCHAT_CA_FILE="$ca" \
		HIPCHAT_COURIER="$no_courier" \
		LD_PRELOAD="$tmp/network.so" SHIM_LOG="$journal" \
		SHIM_NAMES="$names" SHIM_ROUTE="$route" \
		ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}$link_order" "$@"
}
link_order=verify_asan_link_order=0 # the shim comes before the sanitizer

# install_as JQ: POST /installed with $a's credentials, changed by the filter
install_as() {
	jq "$1" "$tmp/a.json" >"$tmp/post.json" || die "jq: $1"
	attack installed POST <"$tmp/post.json"
}

# install_from URL: a new id, and this capabilitiesUrl; backslashes stay as they
# are
nobody=00000000-0000-4000-8000-000000000000
install_from() {
	jq --arg id "$nobody" --arg url "$1" \
		'.oauthId = $id | .capabilitiesUrl = $url' "$tmp/a.json" \
		>"$tmp/post.json"
	attack installed POST <"$tmp/post.json"
}

# The store, byte for byte, and all messages.
state_of() {
	find "$box" -name '*.db' -exec cksum {} + | sort
	messages queue
	messages failed
}
before=$(state_of)

one_line() {
	line='' more=''
	{
		read -r line
		read -r more
	} <"$tmp/stderr"
	[ -n "$line" ] && [ -z "$more" ]
}

# changes_nothing NAME
changes_nothing() {
	[ "$(state_of)" = "$before" ] && return
	ok "$1: nothing is changed" false
	before=$(state_of)
}

# refused STATUS NAME: the last request, with this status (4xx is 400 or 403)
# and one line in the log; nothing is changed
refused() {
	refused_status=$status
	case $1,$status in 4xx,400 | 4xx,403) refused_status=4xx ;; esac
	one_line || refused_status="$refused_status, $(cat "$tmp/stderr")"
	is "$refused_status" "$1" "$2"
	changes_nothing "$2"
}

# called WHAT NAME: these lines and no others are in the journal
called() { is "$(cat "$journal")" "$1" "$2"; }

# alone NAME: no look-up, no connection
alone() {
	[ ! -s "$journal" ] || ok "$1: nobody is called" false ||
		diag "$(cat "$journal")"
}

# shown TEXT: in a form for a test's name
shown() { printf %s "$1" | tr '\\' '|' | tr -c '[:graph:]' ' ' | cut -c -70; }
