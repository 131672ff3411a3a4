/* Room notifications. */
#include "notification.h"

#include <string.h>

#include "http.h"
#include "schema.h"

/* The five colours proper, then the one that stands for any of them. */
static const char *const colors[] = {
	"yellow", "green", "red", "purple", "gray", "random", NULL
};

#define NCOLORS 5

static const char *const formats[] = { "html", "text", NULL };
static const char *const card_formats[] = { "compact", "medium", NULL };
static const char *const card_styles[] = {
	"file", "image", "application", "link", "media", NULL
};
static const char *const lozenges[] = {
	"lozenge", "lozenge-success", "lozenge-error", "lozenge-current",
	"lozenge-complete", "lozenge-moved", NULL
};

static const struct rule icon[] = {
	{ .name = "url", .kind = K_STRING, .min = 1, .required = true },
	{ .name = "url@2x", .kind = K_STRING },
	{ 0 }
};

static const struct rule description[] = {
	{ .name = "value", .kind = K_STRING, .min = 1, .max = 1000,
	  .required = true },
	{ .name = "format", .kind = K_STRING, .choices = formats,
	  .required = true },
	{ 0 }
};

static const struct rule thumbnail[] = {
	{ .name = "url", .kind = K_STRING, .min = 1, .max = 250,
	  .required = true },
	{ .name = "url@2x", .kind = K_STRING, .min = 1, .max = 250 },
	{ .name = "width", .kind = K_INT },
	{ .name = "height", .kind = K_INT },
	{ 0 }
};

static const struct rule activity[] = {
	{ .name = "html", .kind = K_STRING, .required = true },
	{ .name = "icon", .kind = K_EITHER, .members = icon },
	{ 0 }
};

static const struct rule attribute_value[] = {
	{ .name = "label", .kind = K_STRING, .required = true },
	{ .name = "url", .kind = K_STRING },
	{ .name = "style", .kind = K_STRING, .choices = lozenges },
	{ .name = "icon", .kind = K_EITHER, .members = icon },
	{ 0 }
};

static const struct rule attribute[] = {
	{ .name = "label", .kind = K_STRING, .min = 1, .max = 50 },
	{ .name = "value", .kind = K_OBJECT, .members = attribute_value,
	  .required = true },
	{ 0 }
};

static const struct rule card[] = {
	{ .name = "style", .kind = K_STRING, .choices = card_styles,
	  .required = true },
	{ .name = "title", .kind = K_STRING, .min = 1, .max = 500,
	  .required = true },
	{ .name = "id", .kind = K_STRING, .min = 1, .required = true },
	{ .name = "description", .kind = K_EITHER, .min = 1, .max = 1000,
	  .members = description },
	{ .name = "format", .kind = K_STRING, .choices = card_formats },
	{ .name = "url", .kind = K_STRING },
	{ .name = "thumbnail", .kind = K_OBJECT, .members = thumbnail },
	{ .name = "activity", .kind = K_OBJECT, .members = activity },
	{ .name = "attributes", .kind = K_OBJECTS, .members = attribute },
	{ .name = "icon", .kind = K_EITHER, .members = icon },
	{ 0 }
};

static const struct rule rules[] = {
	{ .name = "message", .kind = K_STRING, .min = 1, .max = 10000,
	  .required = true },
	{ .name = "message_format", .kind = K_STRING, .choices = formats },
	{ .name = "color", .kind = K_STRING, .choices = colors },
	{ .name = "notify", .kind = K_BOOL },
	{ .name = "from", .kind = K_STRING, .max = 64 },
	{ .name = "attach_to", .kind = K_STRING, .max = 36 },
	{ .name = "card", .kind = K_OBJECT, .members = card },
	{ 0 }
};

/* The members of the error that HipChat returned for a bad field. */
static struct json_object *
describe(const struct violation *v)
{
	struct json_object *o = error_object(400, v->message);

	if (v->expected)
		json_put_str(o, "expected_type", v->expected);
	json_put_str(o, "field", v->field);
	json_put_str(o, "validation", v->validation);
	if (v->value)
		json_put(o, "value", json_object_get(v->value));
	return o;
}

static const char *
any_color(void)
{
	char pick[2];

	random_text(pick, 1);
	return colors[(unsigned char)pick[0] % NCOLORS];
}

static const char *
or_default(const char *s, const char *dflt)
{
	return s ? s : dflt;
}

bool
notification_parse(const char *body, size_t len, struct notification *n,
		   struct json_object **error)
{
	struct violation v;
	struct json_object *o;

	memset(n, 0, sizeof(*n));
	o = json_parse_object(body, len);
	if (!o) {
		*error = error_object(400, "Request body is not a JSON object");
		return false;
	}
	if (!schema_check(rules, o, &v)) {
		*error = describe(&v);
		violation_free(&v);
		json_object_put(o);
		return false;
	}
	n->source = o;
	n->message = json_get_str(o, "message");
	n->format = or_default(json_get_str(o, "message_format"), "html");
	n->color = or_default(json_get_str(o, "color"), "yellow");
	if (!strcmp(n->color, "random"))
		n->color = any_color();
	n->from = json_get_str(o, "from");
	n->attach_to = json_get_str(o, "attach_to");
	n->card = json_get(o, "card", json_type_object);
	n->notify = json_get_bool(o, "notify", false);
	return true;
}

void
notification_free(struct notification *n)
{
	json_object_put(n->source);
	memset(n, 0, sizeof(*n));
}
