/*
 * load: what HipChat and the people in its rooms do.
 */
#include <stdlib.h>
#include <time.h>

#include "stress.h"

/* HipChat delivers a webhook that was not accepted so many times. */
#define ATTEMPTS 3

struct answer
control(int hipchat, const char *method, const char *path, const char *body)
{
	char *whole = text("/control/%s", path);
	const struct answer answer =
	    request(stress.hipchats[hipchat].port, method, whole, "", body);

	free(whole);
	return answer;
}

int64_t
new_room(int hipchat)
{
	static atomic_int n;
	char *body = text("{\"name\":\"Room %d\"}", atomic_fetch_add(&n, 1));
	const struct answer answer = control(hipchat, "POST", "rooms", body);
	const int64_t room = get_number(answer.body, "id");

	free(body);
	free(answer.body);
	return room;
}

struct speaker *
add_speaker(int hipchat, int64_t room)
{
	struct speaker *s = &stress.speakers[stress.speaker_count];

	s->number = stress.speaker_count++;
	if ((s->said = calloc(SAID_MAX, sizeof(*s->said))) == NULL)
		die("calloc");
	s->hipchat = hipchat;
	s->room = room != 0 ? room : new_room(hipchat);
	return s;
}

/* ---- installations ---- */

struct inst *
install_in(int hipchat, int64_t room)
{
	char *where = room != 0 ? text(",\"room_id\":%lld", (long long)room) :
				  text("%s", "");
	char *body =
	    text("{\"url\":\"%s/capabilities\"%s}", soak.addon_url, where);
	const struct answer answer = control(hipchat, "POST", "install", body);
	struct inst *inst = NULL;

	if (answer.status == 200) {
		inst = &stress.insts[atomic_fetch_add(&stress.inst_count, 1)];
		if (inst == &stress.insts[TENANTS_MAX - 1])
			die("too many installations");
		pthread_mutex_init(&inst->mutex, NULL);
		copy_string(answer.body, "oauth_id", inst->id,
		    sizeof(inst->id));
		copy_string(answer.body, "oauth_secret", inst->secret,
		    sizeof(inst->secret));
		inst->hipchat = hipchat;
		inst->room = room;
		atomic_fetch_add(&stress.installs, 1);
	}
	free(answer.body);
	free(body);
	free(where);
	return inst;
}

/* From now on the API is to be found under another name. */
static void
move_api(int hipchat)
{
	const struct hipchat *h = &stress.hipchats[hipchat];
	const int port = h->port;

	add_fault(hipchat,
	    "\"route\":\"capabilities\",\"fault\":\"body\",\"body\":\""
	    "{\\\"links\\\":{\\\"self\\\":\\\"%s/v2/capabilities\\\"},"
	    "\\\"capabilities\\\":{\\\"oauth2Provider\\\":"
	    "{\\\"tokenUrl\\\":\\\"http://%s:%d/v2/oauth/token\\\"},"
	    "\\\"hipchatApiProvider\\\":{\\\"url\\\":"
	    "\\\"http://%s:%d/v2/\\\"}}}\"",
	    h->url, h->alias, port, h->alias, port);
}

bool
renew(struct inst *inst, bool new_secret, bool alias)
{
	char *body = text(
	    "{\"url\":\"%s/capabilities\",\"oauth_id\":\"%s\","
	    "\"new_secret\":%s}",
	    soak.addon_url, inst->id, new_secret ? "true" : "false");
	struct answer answer;
	char secret[64];

	if (alias)
		move_api(inst->hipchat);
	if (!inst->renewing)
		inst->renewed_from = now_us();
	answer = control(inst->hipchat, "POST", "install", body);
	copy_string(answer.body, "oauth_secret", secret, sizeof(secret));
	inst->renewing = answer.status != 200 || *secret == '\0';
	if (!inst->renewing) {
		pthread_mutex_lock(&inst->mutex);
		memcpy(inst->secret, secret, sizeof(secret));
		pthread_mutex_unlock(&inst->mutex);
		inst->renewed = now_us();
		atomic_fetch_add(&stress.renewals, 1);
	}
	free(answer.body);
	free(body);
	return !inst->renewing;
}

static char *
removal(const struct inst *inst, char form)
{
	if (form == 'b')
		return text(
		    "{\"oauth_id\":\"%s\",\"form\":\"B\","
		    "\"revoke\":false}",
		    inst->id);
	if (form == 'D')
		return text(
		    "{\"oauth_id\":\"%s\",\"form\":\"B\","
		    "\"installable\":{\"oauthId\":\"%s\"}}",
		    inst->id, inst->id);
	return text("{\"oauth_id\":\"%s\",\"form\":\"%c\"}", inst->id, form);
}

bool
remove_inst(struct inst *inst, char form)
{
	char *body = removal(inst, form);
	struct answer answer;
	int64_t status;

	inst->removed_from = now_us();
	answer = control(inst->hipchat, "POST", "remove", body);
	status = get_number(answer.body, "status");
	free(answer.body);
	free(body);
	if (status != 204 && status != 302)
		return false;
	/* what has proved nothing is to be proved yet */
	inst->removed = form == 'D' ? 0 : now_us();
	atomic_fetch_add(&stress.removals, 1);
	return true;
}

/* ---- webhooks ---- */

/* As HipChat would whose clock is that of the programs; the status. */
static int
post_text(const struct speaker *s, const char *words)
{
	static const char *const paths[] = { "/echo", "/other/echo" };
	const int64_t offset = atomic_load(&stress.world->offset);
	char secret[64], *header, *body = webhook(s->inst->id, s->room, words);
	int status;

	pthread_mutex_lock(&s->inst->mutex);
	memcpy(secret, s->inst->secret, sizeof(secret));
	pthread_mutex_unlock(&s->inst->mutex);
	header = authorization(s->inst->id, secret, s->room,
	    (int64_t)time(NULL) + offset, 3600);
	status = status_of(request(soak.addon, "POST",
	    paths[soak.part == 1 && stress.variants % 4 == 3], header, body));
	free(header);
	free(body);
	return status;
}

struct message *
say_it(struct speaker *s, const char *what)
{
	struct message *m = calloc(1, sizeof(*m));
	int i, status = 0;

	if (m == NULL)
		die("calloc");
	m->inst = s->inst;
	m->room = s->room;
	m->serial = (int)atomic_load(&s->said_count);
	m->from = now_us();
	snprintf(m->text, sizeof(m->text), "s%d-%d-%s", s->number, m->serial,
	    what);
	if (m->serial == SAID_MAX)
		die("too many messages");
	atomic_store(&s->said[m->serial], m);
	atomic_fetch_add(&s->said_count, 1);
	for (i = 0; i < ATTEMPTS && status != 204; i++) {
		m->repeated = i > 0;
		status = post_text(s, m->text);
	}
	m->accepted = status == 204;
	m->until = now_us();
	return m;
}

/* ---- a speaker ---- */

static const char *
something(uint64_t *state)
{
	switch (dice(state, 40)) {
	case 0:
		return POISON_500;
	case 1:
		return POISON_400;
	default:
		return "said";
	}
}

/* It is removed: what is said now must not be accepted. */
static void
say_in_vain(struct speaker *s)
{
	if (s->inst->removed != 0 && post_text(s, "too-late") == 204) {
		atomic_fetch_add(&stress.after_removal, 1);
		remark("%s is removed, and a webhook accepted", s->inst->id);
	}
}

static void
leave_room(struct speaker *s)
{
	static const char forms[] = "ABCbD";
	const char form = forms[dice(&s->dice, sizeof(forms) - 1)];
	char *path;

	if (remove_inst(s->inst, form))
		say_in_vain(s);
	if (form == 'b') {
		pause_ms((int)dice(&s->dice, 1000));
		path = text("installations/%s/revoke", s->inst->id);
		status_of(control(s->hipchat, "POST", path, NULL));
		free(path);
	}
	s->inst = NULL;
}

static void
visit(struct speaker *s)
{
	if (s->inst == NULL)
		s->inst = install_in(s->hipchat, s->room);
	else if (dice(&s->dice, 12) == 0)
		leave_room(s);
	else
		say_it(s, something(&s->dice));
}

void *
run_speaker(void *arg)
{
	struct speaker *s = arg;
	const bool alias = stress.hipchats[s->hipchat].alias != NULL;

	while (now_ms() < soak.end) {
		if (s->guest)
			visit(s);
		else if (s->owner &&
		    (s->inst->renewing || dice(&s->dice, 50) == 0))
			renew(s->inst, dice(&s->dice, 2) == 0,
			    alias && dice(&s->dice, 2) == 0);
		else
			say_it(s, something(&s->dice));
		pause_ms((int)dice(&s->dice, 150));
	}
	return NULL;
}
