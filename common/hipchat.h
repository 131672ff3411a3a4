/*
 * hipchat: HipChat's REST API, version 2, as far as an add-on needs it.
 *
 * All functions return 0 or an HTTP status, with the reason in the log:
 *	403	HipChat refuses the secret
 *	HOST_NOT_ALLOWED	HipChat was not asked
 *	502	HipChat did not answer as its documentation says
 *
 * What is on record of the protocol (HipChat's documentation, captured
 * requests, programs that ran against it) does not always agree.  We chose:
 *
 *	removal		The documentation sends the browser to uninstalledUrl,
 *			the original sample's README says that HipChat posts
 *			there, Atlassian's libraries expect DELETE
 *			callbackUrl/ID.  We serve all three, in any order.
 *	success of an installation
 *			The reference says 200, libraries answer 201 or 204.
 *			We say 200.
 *	groupId, roomId	Numbers on the wire, strings in an early example.  We
 *			take both.  The oldest description has no groupId; we
 *			require it.
 *	the API's URL	hipchatApiProvider.url with a slash at the end, or
 *			links.api without one.  We take the first, else the
 *			second, and join with one slash.
 *	a token's life	An hour, eight hours, or 13 years.  We believe
 *			expires_in, less a minute.
 *	a webhook's signature
 *			The Authorization header, the query's signed_request,
 *			or "JWT token=..." in the header.  We take all three.
 *	scope in a token request
 *			Documented, but running add-ons left it out and got the
 *			declared scopes.  We leave it out.
 *	10,000 characters
 *			Or bytes?  We count characters (code points).
 *	X-Ratelimit-Reset
 *			Unix time in the documentation, the seconds left in one
 *			report.  We tell them apart by size.
 */
#ifndef HIPCHAT_H
#define HIPCHAT_H

#include <stdint.h>

#include "config.h"
#include "http.h"
#include "installation.h"
#include "store.h"

/* Host and port of a HipChat, terminating NUL included. */
#define HIPCHAT_HOST_MAX 264

/* The host of the installation's HipChat, with the port in its URL, if any. */
void hipchat_host(const struct installation *inst, char host[HIPCHAT_HOST_MAX]);

/*
 * Log what happened to the installation: "ID of chat.example.com, room 7:
 * installed", or "group 1" if it is for all rooms.
 */
void hipchat_log(const struct installation *inst, const char *what);

/*
 * GET capabilities_url and fill token_url and api_url from HipChat's own
 * capabilities document, which must name itself by that URL and contain only
 * allowed hosts (Connect, server-side installation, step 4).
 */
int hipchat_discover(const struct config *cfg, struct installation *inst);

/*
 * The request for a token (OAuth 2, client credentials), which borrows from
 * the installation; and what is in its reply: 0 with the token, 403 (not
 * logged), or 502.  The token can be used at once, and from the cache until
 * expires, which is 60 s before HipChat's expires_in.
 */
void hipchat_token_request(struct http_request *request,
    const struct installation *inst);
int hipchat_token_reply(const struct http_reply *reply, struct token *token);

/* Get a token for the installation: the two above, and the call. */
int hipchat_token(const struct config *cfg, const struct installation *inst,
    struct token *token);

/*
 * Has HipChat removed this installation?  It refuses a token to a client that
 * it has removed.  Returns 0 for yes, 409 for no (it granted a token), or 503
 * if HipChat gave neither answer.
 */
int hipchat_removed(const struct config *cfg, const struct installation *inst);

/*
 * GET the document of an installation at installable_url, which HipChat
 * serves once (Connect, client-side installation).  oauth_id has STORE_ID_MAX
 * bytes and secret STORE_SECRET_MAX; it is "" if the document has none.
 */
int hipchat_installable(const struct config *cfg, const char *url,
    char *oauth_id, char *secret);

/* A path below api_url, and the whole URL, terminating NUL included. */
#define HIPCHAT_PATH_MAX 1024
#define HIPCHAT_URL_MAX (STORE_URL_MAX + HIPCHAT_PATH_MAX)

/*
 * The request that posts JSON to a room (Send room notification); its URL is
 * written to url, and it borrows the rest.
 */
void hipchat_post_request(struct http_request *request,
    char url[HIPCHAT_URL_MAX], const struct installation *inst, int64_t room_id,
    const struct token *token, const char *json);

/*
 * Any other call: the method ("GET", "POST", "PUT", "DELETE") and the path
 * below api_url, such as "room/17/topic", including the query; body may be
 * NULL.  The token is the stored one.  If there is none or HipChat refuses it
 * (401), the call gets a new one and stores it.
 *
 * Returns 0 if HipChat did it (2xx).  Unless answer is NULL, *answer is then
 * HipChat's JSON, which the caller releases, or NULL if there is none.
 * Otherwise returns HipChat's own status of 400 or more, or 403 or 502 as
 * above, all logged.
 *
 *	struct json_object *topic = json_new();
 *
 *	json_add_string(topic, "topic", "Lunch");
 *	status = hipchat_call(hook->cfg, &hook->store, &hook->inst, "PUT",
 *	    "room/17/topic", topic, NULL);
 */
int hipchat_call(const struct config *cfg, const struct store *st,
    const struct installation *inst, const char *method, const char *path,
    struct json_object *body, struct json_object **answer);

/* "HipChat answers 404: Room not found", from a reply that is an error. */
void hipchat_reason(const struct http_reply *reply, char *out, size_t size);

#endif
