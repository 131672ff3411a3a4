# t/lib/verdict.sh - what a request without a server led to: the answer, the log
# and the disk.  For tests that send hundreds of bad ones, so each is checked
# without other programs.  Source it after lib.sh.

in=$tmp/in	# the next request's body
allow=		# the Allow header of a refusal

# What the data directory holds: names, and the contents of files; but for the
# trigger of the courier, which whoever may wake one makes.
disk() {
	(
		cd "$tmp/data" || exit
		find . ! -path './outbox' ! -name trigger | sort
		find . -type f -exec cksum {} + | sort
	)
}

# unchanged NAME: since $before, no request of a section changed anything
unchanged() {
	is "$(disk)" "$before" "$1: nothing has changed on disk"
}

# Sets $headers, as one line and without the length, which has to be correct;
# $body; and $lines, the number of lines in the log.
read_answer() {
	headers='' length=0 body='' lines=0
	while read -r header_name header_value; do
		case $header_name in
		'') ;;
		Content-Length:) length=$header_value ;;
		*) headers="$headers$header_name $header_value; " ;;
		esac
	done <"$tmp/headers"
	while IFS= read -r body_line; do
		body="$body$body_line
"
	done <"$tmp/body"
	while read -r log_line; do
		lines=$((lines + 1))
	done <"$tmp/stderr"
	[ "$length" = ${#body} ] || headers="${headers}Length: $length; "
}

# judge HEADERS BODY-PATTERN LOG-LINES NAME: the last answer
judge() {
	read_answer
	case "$rc $lines $headers$body" in
	"0 $3 $1"$2) ok "$4" true ;;
	*)
		ok "$4" false || diag "exit $rc, $lines log line(s)
$(cat "$tmp/headers" "$tmp/body" "$tmp/stderr")
expected: $1$2, $3 log line(s)"
		;;
	esac
}

# refused STATUS NAME: the last request was, and the reason is logged once
refused() {
	case $1 in
	400) phrase='Bad Request' ;;
	401) phrase=Unauthorized ;;
	403) phrase=Forbidden ;;
	404) phrase='Not Found' ;;
	405) phrase='Method Not Allowed' ;;
	409) phrase=Conflict ;;
	411) phrase='Length Required' ;;
	413) phrase='Payload Too Large' ;;
	500) phrase='Internal Server Error' ;;
	502) phrase='Bad Gateway' ;;
	503) phrase='Service Unavailable' ;;
	esac
	judge "Status: $1 $phrase; Content-Type: application/json; Cache-Control: no-store; ${allow:+Allow: $allow; }" \
		"{\"error\":{\"code\":$1,\"message\":\"?*\",\"type\":\"$phrase\"}}
" 1 "$2: $1"
	printf %s "$body" >>"$tmp/envelopes"
}

# fine STATUS LOG-LINES NAME: the answer has no body
fine() {
	judge "Status: $1; Cache-Control: no-store; " '' "$2" "$3: $1"
}

# shown TEXT: as much of it as fits into the name of a test
shown() { printf %.40s "$1" | tr '\t\r\n#\\' '?????'; }

# put FORMAT [ARGUMENT…]: make the next request's body, with printf
put() { printf "$@" >"$in"; }

# post PROGRAM [ARGUMENT…]: send that body
post() {
	post_program=$1
	shift
	cgi "$post_program" POST "$@" <"$in"
}

# generic NAME: the client learns only that
generic() {
	case $body in
	*'"message":"The add-on is misconfigured"'*) ok "$1" true ;;
	*) ok "$1" false || diag "$body" ;;
	esac
}

# envelopes: check those of all refusals so far
envelopes() {
	is "$(jq -r '[keys[], (.error | keys[])] | join(" ")' \
		"$tmp/envelopes" 2>&1 | sort -u)" 'error code message type' \
		'every envelope is JSON, with these members and no others'
}
