/* The scopes of HipChat API v2. */
#include "scope.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

const char *const scope_names[] = {
	"admin_group", "admin_room", "import_data", "manage_rooms",
	"send_message", "send_notification", "view_group", "view_messages",
	"view_room", NULL
};

static const char *const about[][2] = {
	{ "Administer Group", "Perform group administrative tasks" },
	{ "Administer Room", "Perform room administrative tasks" },
	{ "Import Data", "Import users, rooms and chat history" },
	{ "Manage Rooms", "Create, update and remove rooms" },
	{ "Send Message", "Send private one-on-one messages" },
	{ "Send Notification", "Send room notifications" },
	{ "View Group", "View users, rooms and other group information" },
	{ "View Messages", "View messages in rooms and private chats" },
	{ "View Room", "View room information and participants" },
};

bool
scope_parse(const char *text, unsigned *mask)
{
	while (*(text += strspn(text, " "))) {
		size_t len = strcspn(text, " ");
		unsigned i = 0;

		while (scope_names[i] && (strlen(scope_names[i]) != len ||
					  memcmp(scope_names[i], text, len)))
			i++;
		if (!scope_names[i])
			return false;
		*mask |= 1u << i;
		text += len;
	}
	return true;
}

char *
scope_list(unsigned mask, const char *sep)
{
	struct buf b = { 0 };

	buf_puts(&b, "");
	for (unsigned i = 0; scope_names[i]; i++) {
		if (!(mask & 1u << i))
			continue;
		if (b.len)
			buf_puts(&b, sep);
		buf_puts(&b, scope_names[i]);
	}
	return b.data;
}

struct json_object *
scope_descriptions(void)
{
	struct json_object *all = json_object_new_object();

	for (unsigned i = 0; scope_names[i]; i++) {
		struct json_object *o = json_object_new_object();

		json_put_str(o, "description", about[i][1]);
		json_put_str(o, "id", scope_names[i]);
		json_put_str(o, "name", about[i][0]);
		json_put(all, scope_names[i], o);
	}
	return all;
}
