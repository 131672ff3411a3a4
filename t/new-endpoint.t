#!/bin/sh
# make new-endpoint, in a copy of the tree: what it writes works unchanged, and
# a name that it refuses changes nothing.
. t/lib/lib.sh

mkdir "$tmp/tree"
cp -R Makefile httpd.conf.sample cgi-bin common templates t "$tmp/tree"
cp -Rp "$B" "$tmp/tree/build"
cd "$tmp/tree" || die 'no copy of the tree'
B=build DEPS=no MAKEFLAGS="${MAKEFLAGS:-} B=build"
export B DEPS MAKEFLAGS

# Somebody may have made endpoints with these names in the tree.
rm -f cgi-bin/dice-2.c cgi-bin/random.c t/endpoints/*
jq --indent 2 'del(.capabilities.webhook[] | select(.name != "echo"))' \
	templates/capabilities.json >"$tmp/without"
cp "$tmp/without" templates/capabilities.json

new() { make -s --no-print-directory new-endpoint NAME="$1" >"$tmp/out" 2>&1; }
passes() { t/run "t/endpoints/$1.t" >"$tmp/out"; }
tree() { find cgi-bin templates t -type f -exec cksum {} + | sort; }

for name in dice-2 random; do
	ok "$name" new "$name" || diag "$(cat "$tmp/out")"
	ok "$name: not longer than a page" \
		[ "$(wc -l <"cgi-bin/$name.c")" -le 25 ]
done
is "$(jq --indent 2 . templates/capabilities.json)" \
	"$(cat templates/capabilities.json)" 'the descriptor is as jq writes it'
ok 'they compile' make -s --no-print-directory all
for name in dice-2 random; do
	ok "$name: its test" passes "$name" || diag "$(cat "$tmp/out")"
done

# A webhook in the descriptor alone is a name that is taken, too.
jq --indent 2 '.capabilities.webhook[-1].name = "other"' \
	templates/capabilities.json >"$tmp/other"
cp "$tmp/other" templates/capabilities.json
rm cgi-bin/random.c t/endpoints/random.t
before=$(tree)
for name in '' echo dice-2 random installed courier Dice 2dice _dice 'a b' \
	../dice dice.c dicé; do
	ok "NAME=$name is refused" no new "$name"
	like "$(cat "$tmp/out")" '^new-endpoint: ' "NAME=$name: why"
done
is "$(tree)" "$before" 'nothing was written'
done_testing
