#!/bin/sh
# The README's chapter "A webhook of your own", followed to the letter in a copy
# of the tree: what it says to type and to write is taken from its text.
. t/lib/lib.sh

# between START END: the README's indented lines between two others
between() {
	sed -n "/$1/,/$2/p" README | sed -n 's/^    //p'
}

mkdir "$tmp/tree"
cp -R Makefile README httpd.conf.sample cgi-bin common templates t "$tmp/tree"
cp -Rp "$B" "$tmp/tree/build"
cd "$tmp/tree" || die 'no copy of the tree'
B=build DEPS=no MAKEFLAGS="${MAKEFLAGS:-} B=build"
export B DEPS MAKEFLAGS

# Somebody who followed the README has the files already.
rm -f cgi-bin/shout.c t/endpoints/shout.t
jq 'del(.capabilities.webhook[] | select(.name == "shout"))' \
	templates/capabilities.json >"$tmp/without"
cp "$tmp/without" templates/capabilities.json

follow() { sh -ec "$1" >"$tmp/out" 2>&1; }
command=$(between '"\/shout hello" answers' 'writes cgi-bin')
ok "$command" follow "$command" || diag "$(cat "$tmp/out")"

# The function, with what it includes.
answer=$(between 'edit the$' '^Type "make run"')
dialogue=$(between '^answers, "' '^and run it')
test=$(between '^and run it' '^common.webhook.h tells')
export answer dialogue
perl -0pi -e 's/static int\nanswer\(.*?\n\}\n/$ENV{answer}\n/s' cgi-bin/shout.c
perl -0pi -e "s/'END'\\n.*?\\nEND\\n/'END'\\n\$ENV{dialogue}\\nEND\\n/s" \
	t/endpoints/shout.t
ok "$test" follow "$test" || diag "$(cat "$tmp/out")"
like "$(cat t/endpoints/shout.t)" '^> HELLO$' 'it asked for the right thing'

# What it lists is there, and nothing else.
is "$(between 't.examples. shows' '^A program gives up' |
	sed 's/ .*//' | sort)" "$(ls t/examples)" 'the examples'
done_testing
