/*
 * installation: what an installation and its token are, and their JSON.
 */
#ifndef INSTALLATION_H
#define INSTALLATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

/* Field sizes, terminating NUL included. */
#define STORE_ID_MAX 256
#define STORE_SECRET_MAX 256
#define STORE_TOKEN_MAX 2048
#define STORE_URL_MAX 2048

/* One installation, as HipChat posts it, and what discovery adds. */
struct installation {
	char oauth_id[STORE_ID_MAX]; /* A-Z a-z 0-9 - . _ ~ */
	char oauth_secret[STORE_SECRET_MAX];
	char capabilities_url[STORE_URL_MAX];
	int64_t group_id;
	int64_t room_id; /* 0: the whole group */
	char token_url[STORE_URL_MAX];
	char api_url[STORE_URL_MAX];
	int64_t installed; /* Unix time; 0: unknown */
};

struct token {
	char text[STORE_TOKEN_MAX];
	int64_t expires; /* Unix time; from then on invalid */
};

/* Is the text an id that an installation may have? */
bool installation_id_fits(const char *id);

/*
 * Read oauthId, oauthSecret, capabilitiesUrl, groupId and roomId from the JSON
 * that HipChat sent (Connect, server-side installation); text[len] must be
 * NUL.  Unknown members are ignored.  Returns NULL, or a static reason that
 * names the member; *inst is then unspecified.
 */
const char *
installation_parse(const char *text, size_t len, struct installation *inst);

/* The same for one of our records, which has what discovery adds. */
const char *installation_load(const char *text, struct installation *inst);

/* A record, which the caller releases. */
struct json_object *installation_json(const struct installation *inst);

/* The same for a token; false if the text is not one. */
bool token_load(const char *text, struct token *token);
struct json_object *token_json(const struct token *token);

#endif
