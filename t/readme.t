#!/bin/sh
# The README's chapter "A webhook of your own", followed to the letter in a copy
# of the tree: what it says to write is taken from its text.
. t/lib/lib.sh

# between START END: the README's indented lines between two others
between() {
	sed -n "/$1/,/$2/p" README | sed -n 's/^        //p'
}

mkdir "$tmp/tree"
cp -R Makefile README httpd.conf.sample cgi-bin common templates t "$tmp/tree"
cp -Rp "$B" "$tmp/tree/build"
B=build
cd "$tmp/tree" || die 'no copy of the tree'

# 1. The descriptor: one more webhook behind the last one.
between 'add to "webhook"' 'The pattern is searched' >hook
jq --slurpfile hook hook '.capabilities.webhook += $hook' \
	templates/capabilities.json >with_hook
mv with_hook templates/capabilities.json

# 2. The program: echo.c with another answer() and another name.
answer=$(between '"echo" to "shout":' 'hook->inst is')
export answer
perl -0pe 's/static int\nanswer\(.*?\n\}\n/$ENV{answer}\n/s; s/"echo"/"shout"/' \
	cgi-bin/echo.c >cgi-bin/shout.c

# 3. and 4. are done: Makefile and Apache's configuration pick it up.
ok 'it compiles' make -s --no-print-directory B=build all

# 5. Say it in the room.
start_hipchatd
start_apache
room=$(control POST rooms '{"name":"Den"}' | jq -er .id)
control POST install "{\"url\":\"$ADDON/capabilities\",\"room_id\":$room}" \
	>"$tmp/answer.json"
answered() {
	control GET "rooms/$room" | jq -e 'any(.messages[];
		.type == "notification" and .message == "HELLO")' >"$tmp/out"
}
control POST "rooms/$room/say" '{"message":"/shout hello"}' >"$tmp/said"
is "$(jq -c '[.webhooks[].status]' "$tmp/said")" '[204]' 'the webhook'
ok 'the answer' wait_for answered
quiet "$tmp/apache/error_log" 'the error log' "$installs"
done_testing
