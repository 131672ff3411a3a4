#!/bin/sh
# t/new-endpoint.sh NAME: makes a webhook that answers "/NAME something": the
# program, its entry in the descriptor, and a test; all three or nothing.
set -eu
LC_ALL=C
export LC_ALL

name=${1:-}
program=cgi-bin/$name.c
descriptor=templates/capabilities.json
test=t/endpoints/$name.t

die() {
	echo "new-endpoint: $*" >&2
	exit 1
}

case $name in
'' | [!a-z]* | *[!a-z0-9_-]*)
	die "NAME=$name: a-z first, then a-z, 0-9, _ and - only" ;;
courier) die 'courier is another program' ;;
esac
for file in "$program" "$test"; do
	[ ! -e "$file" ] || die "$file is there already"
done

# The pattern: letters in either case, and the end of the word.
hook=$(jq -n --arg name "$name" '{
	url: "{{ base_url }}/\($name)",
	pattern: "^/\($name | gsub("(?<c>[a-z])"; "[\(.c)\(.c | ascii_upcase)]"))(\\s|$)",
	event: "room_message",
	name: $name,
	authentication: "{{ webhook_auth }}"
}')
jq -e --argjson hook "$hook" 'all(.capabilities.webhook[];
	.url != $hook.url and .name != $hook.name and .pattern != $hook.pattern)' \
	"$descriptor" >/dev/null || die "$descriptor has $name already"

trap 'rm -f "$program.new" "$descriptor.new" "$test.new"' EXIT
jq --indent 2 --argjson hook "$hook" '.capabilities.webhook += [$hook]' \
	"$descriptor" >"$descriptor.new"

cat >"$program.new" <<END
/*
 * POST /$name: the webhook that HipChat calls when somebody says
 * "/$name something" in a room; the add-on says "something".
 */
#include "notify.h"

static int
answer(struct webhook *hook)
{
	const char *text = webhook_argument(hook, "/$name");

	if (text == NULL)
		return 0;
	return notify_room(hook,
	    &(struct notification){ .color = "green",
		.message = *text != '\0' ? text : "Usage: /$name message" });
}

int
main(void)
{
	return webhook_main("$name", answer);
}
END

cat >"$test.new" <<EOT
#!/bin/sh
# What is said to /$name, and what it answers.
. t/lib/lib.sh

dialogue <<'END'
< /$name hello
> hello
< /$name
> Usage: /$name message
END
done_testing
EOT
chmod +x "$test.new"

mv "$program.new" "$program"
mv "$test.new" "$test"
mv "$descriptor.new" "$descriptor"
echo "$program, $test, and an entry in $descriptor"
