/*
 * judge: what became of each message, and whether that is as it should be.
 */
#include <dirent.h>
#include <stdlib.h>
#include <time.h>

#include <json-c/json.h>
#include <nettle/base64.h>

#include "stress.h"

/* An answer takes too long for a courier after that many us of ours. */
#define TOO_LONG (59000000 / SPEED)

/* A message may be repeated so often that HipChat may have. */
#define REPETITIONS 3

/* ms until we give up. */
#define GIVE_UP 60000

bool
await(bool (*is)(const void *arg), const void *arg)
{
	const int64_t deadline = now_ms() + GIVE_UP;

	while (!is(arg)) {
		if (now_ms() > deadline)
			return false;
		pause_ms(50);
	}
	return true;
}

/* ---- messages ---- */

/* Call take() for each message. */
static void
for_each(void (*take)(struct message *m, void *arg), void *arg)
{
	int i;
	size_t k;

	for (i = 0; i < stress.speaker_count; i++)
		for (k = 0; k < atomic_load(&stress.speakers[i].said_count);
		     k++)
			take(atomic_load(&stress.speakers[i].said[k]), arg);
}

/* The message with this text; or NULL. */
static struct message *
find_message(const char *words)
{
	const struct speaker *s;
	struct message *m;
	int number, serial;

	if (words == NULL || sscanf(words, "s%d-%d-", &number, &serial) != 2 ||
	    number < 0 || number >= stress.speaker_count)
		return NULL;
	s = &stress.speakers[number];
	if (serial < 0 || (size_t)serial >= atomic_load(&s->said_count))
		return NULL;
	m = atomic_load(&s->said[serial]);
	return strcmp(m->text, words) == 0 ? m : NULL;
}

/* ---- JSON ---- */

static const char *
member(struct json_object *o, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(o, name, &value) ?
	    json_object_get_string(value) :
	    NULL;
}

static int
number(struct json_object *o, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(o, name, &value) ?
	    json_object_get_int(value) :
	    0;
}

/* The message of a notification, in a document for the caller to release. */
static const char *
words_in(const char *json, struct json_object **doc)
{
	*doc = json != NULL ? json_tokener_parse(json) : NULL;
	return member(*doc, "message");
}

/* Call take() for each item of the answer to GET path, or of its member. */
static void
for_items(int hipchat, const char *path, const char *list,
    void (*take)(struct json_object *item, void *arg), void *arg)
{
	const struct answer answer = control(hipchat, "GET", path, NULL);
	struct json_object *doc = json_tokener_parse(answer.body), *items = doc;
	size_t i;

	if (list != NULL)
		json_object_object_get_ex(doc, list, &items);
	if (!json_object_is_type(items, json_type_array))
		die(path);
	for (i = 0; i < json_object_array_length(items); i++)
		take(json_object_array_get_idx(items, i), arg);
	json_object_put(doc);
	free(answer.body);
}

/* ---- files ---- */

static void
for_lines(const char *path, void (*take)(const char *line))
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;

	while (f != NULL && getline(&line, &size, f) > 0)
		take(line);
	free(line);
	if (f != NULL)
		fclose(f);
}

/* Call take() for each line of a journal in the outbox. */
static void
for_journal(const char *name, void (*take)(const char *line))
{
	char *dir = text("%s/outbox", soak.data), *path;
	DIR *d = opendir(dir);
	const struct dirent *entry;
	const size_t len = strlen(name);

	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (strncmp(entry->d_name, name, len) != 0 ||
		    (entry->d_name[len] != '\0' && entry->d_name[len] != '.'))
			continue;
		path = text("%s/%s", dir, entry->d_name);
		for_lines(path, take);
		free(path);
	}
	if (d != NULL)
		closedir(d);
	free(dir);
}

static int queued;

static void
count_queued(const char *line)
{
	queued +=
	    strncmp(line, "q m ", 4) == 0 || strncmp(line, "c m ", 4) == 0;
}

bool
is_at_rest(void)
{
	queued = 0;
	for_journal("queue", count_queued);
	return queued == 0;
}

int
occurrences(const char *file, const char *what)
{
	char *path = text("%s/%s", soak.data, file), *all = NULL, *at;
	FILE *f = fopen(path, "r");
	size_t size = 0;
	ssize_t len = f != NULL ? getdelim(&all, &size, EOF, f) : -1;
	int n = 0;

	for (at = all; len > 0 &&
	     (at = memmem(at, (size_t)(all + len - at), what, strlen(what))) !=
		 NULL;
	     at += strlen(what))
		n++;
	if (f != NULL)
		fclose(f);
	free(all);
	free(path);
	return n;
}

/* The same, in all files of a book. */
int
records(const char *book, const char *what)
{
	char *path = text("%s/%s", soak.data, book);
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (*entry->d_name != '.') {
			free(path);
			path = text("%s/%s", book, entry->d_name);
			n += occurrences(path, what);
		}
	if (dir != NULL)
		closedir(dir);
	free(path);
	return n;
}

/* ---- what has failed ---- */

static void
see_failed_line(const char *line)
{
	const char *json = strchr(line, '{');
	struct json_object *doc, *notification = NULL;
	struct message *m;

	if (strncmp(line, "q m ", 4) != 0 || json == NULL)
		return;
	doc = json_tokener_parse(json);
	json_object_object_get_ex(doc, "notification", &notification);
	if ((m = find_message(member(notification, "message"))) != NULL) {
		m->failed = true;
		m->failed_now++;
		snprintf(m->reason, sizeof(m->reason), "%s",
		    member(doc, "reason"));
	}
	json_object_put(doc);
}

static void
forget_failed(struct message *m, void *arg)
{
	(void)arg;
	m->failed_now = 0;
}

void
see_failed(void)
{
	for_each(forget_failed, NULL);
	for_journal("failed", see_failed_line);
}

/* ---- what the courier says ---- */

static void
see_log_line(const char *line)
{
	const char *at = strstr(line, ", webhook m-");
	char words[48];
	struct message *m;

	if (at == NULL || sscanf(at, ", webhook m-%47[^: \n]", words) != 1 ||
	    (m = find_message(words)) == NULL)
		return;
	m->failed |= strstr(line, ": failed, ") != NULL;
	m->behind |= strstr(line, "behind the others") != NULL;
	/* it did not get the answer in time, and nobody else saw that */
	m->excused |= strstr(line, "no answer: ") != NULL;
}

void
see_log(void)
{
	static const char *const names[] = { "courier.log.1", "courier.log" };
	size_t i;
	char *path;

	for (i = 0; i < 2; i++) {
		path = text("%s/%s", soak.data, names[i]);
		for_lines(path, see_log_line);
		free(path);
	}
}

/* ---- what HipChat has got ---- */

static bool
ends_with(const char *words, const char *end)
{
	const size_t len = strlen(words), n = strlen(end);

	return len >= n && strcmp(words + len - n, end) == 0;
}

static int64_t
time_of(const char *date)
{
	struct tm tm = { 0 };
	const char *rest = strptime(date, "%Y-%m-%dT%H:%M:%S", &tm);

	if (rest == NULL)
		die(date);
	return (int64_t)timegm(&tm) * 1000000 + strtol(rest + 1, NULL, 10);
}

static void
take_post(struct json_object *item)
{
	struct json_object *doc;
	struct message *m =
	    find_message(words_in(member(item, "request_body"), &doc));
	const char *fault = member(item, "fault");
	struct post *p;

	json_object_put(doc);
	if (m == NULL)
		return;
	m->posts = room_for(m->posts, m->post_count, sizeof(*p));
	p = &m->posts[m->post_count++];
	p->start = time_of(member(item, "time"));
	p->end = p->start + (int64_t)number(item, "ms") * 1000;
	p->status = number(item, "status");
	p->effect = number(item, "effect") != 0;
	p->lossy = p->effect &&
	    (p->status == 0 || p->end - p->start > TOO_LONG ||
		(fault != NULL && strcmp(fault, "half") == 0));
}

/* Whom has HipChat refused a token? */
static void
take_token(struct json_object *item)
{
	struct json_object *headers = NULL;
	const char *got;
	char base64[BASE64_ENCODE_RAW_LENGTH(36) + 1], *head;
	int64_t when;
	int i;

	if (number(item, "status") != 401)
		return;
	when = time_of(member(item, "time"));
	json_object_object_get_ex(item, "request_headers", &headers);
	got = member(headers, "authorization");
	for (i = 0; got != NULL && i < atomic_load(&stress.inst_count); i++) {
		struct inst *inst = &stress.insts[i];

		base64_encode_raw(base64, 36, (const uint8_t *)inst->id);
		base64[sizeof(base64) - 1] = '\0';
		head = text("Basic %s", base64);
		if (strncmp(got, head, strlen(head)) == 0 &&
		    inst->refused < when)
			inst->refused = when;
		free(head);
	}
}

static void
take_request(struct json_object *item, void *arg)
{
	const char *direction = member(item, "direction");
	const char *url = member(item, "url");

	(void)arg;
	if (strcmp(direction, "in") != 0)
		return;
	if (ends_with(url, "/notification"))
		take_post(item);
	else if (ends_with(url, "/oauth/token"))
		take_token(item);
}

struct asker {
	const char *end;
	struct asked asked;
};

static void
take_asked(struct json_object *item, void *arg)
{
	struct asker *a = arg;
	struct json_object *headers, *status = NULL;

	if (strcmp(member(item, "direction"), "in") != 0 ||
	    !ends_with(member(item, "url"), a->end))
		return;
	a->asked.all++;
	json_object_object_get_ex(item, "status", &status);
	a->asked.under_way += status == NULL;
	if (json_object_object_get_ex(item, "request_headers", &headers))
		snprintf(a->asked.host, sizeof(a->asked.host), "%s",
		    member(headers, "host"));
}

struct asked
asked(int hipchat, const char *url_end)
{
	struct asker a = { .end = url_end };

	for_items(hipchat, "log", NULL, take_asked, &a);
	return a.asked;
}

/* ---- what is in the rooms ---- */

static void
take_said(struct json_object *item, void *arg)
{
	int *last = arg;
	struct message *m = find_message(member(item, "message"));

	if (m == NULL || strcmp(member(item, "type"), "notification") != 0)
		return;
	m->place = m->seen++ > 0 ? m->place : ++*last;
}

static void
look_into(int hipchat, int64_t room)
{
	char *path = text("rooms/%lld", (long long)room);
	int last = 0;

	for_items(hipchat, path, "messages", take_said, &last);
	free(path);
}

static void
take_same(struct json_object *item, void *arg)
{
	struct message *m = arg;

	m->seen += strcmp(member(item, "type"), "notification") == 0 &&
	    strcmp(member(item, "message"), m->text) == 0;
}

int
times_said(const struct message *message)
{
	char *path = text("rooms/%lld", (long long)message->room);
	struct message copy = *message;

	copy.seen = 0;
	for_items(message->inst->hipchat, path, "messages", take_same, &copy);
	free(path);
	return copy.seen;
}

/* ---- kills ---- */

static void
see_around(struct message *m, void *arg)
{
	const int64_t kill = *(const int64_t *)arg;
	struct inst *inst = m->inst;
	size_t i;

	for (i = 0; i < m->post_count; i++) {
		struct post *p = &m->posts[i];

		if (p->start <= kill &&
		    (inst->before == NULL || p->start > inst->before->start))
			inst->before = p;
		if (p->start > kill &&
		    (inst->after == NULL || p->start < inst->after->start))
			inst->after = p;
	}
}

/*
 * Each installation has at most one request under way.  At a kill it was the
 * last one that HipChat had seen, or the one that it was to see next.
 */
static void
excuse_kills(void)
{
	int64_t kill;
	int i, k;

	for (k = 0; k < atomic_load(&stress.kill_count); k++) {
		for (i = 0; i < atomic_load(&stress.inst_count); i++)
			stress.insts[i].before = stress.insts[i].after = NULL;
		kill = stress.kills[k];
		for_each(see_around, &kill);
		for (i = 0; i < atomic_load(&stress.inst_count); i++) {
			if (stress.insts[i].before != NULL)
				stress.insts[i].before->lossy = true;
			if (stress.insts[i].after != NULL)
				stress.insts[i].after->lossy = true;
		}
	}
}

/* ---- all of it ---- */

static void
start_anew(struct message *m, void *arg)
{
	(void)arg;
	m->seen = 0;
	m->post_count = 0;
	free(m->posts);
	m->posts = NULL;
}

/* The room is not also one of another before him. */
static bool
is_first(const struct speaker *s)
{
	const struct speaker *t = stress.speakers;

	while (t->hipchat != s->hipchat || t->room != s->room)
		t++;
	return t == s;
}

void
find_out(void)
{
	int i;

	for_each(start_anew, NULL);
	see_failed();
	see_log();
	for (i = 0; i < HIPCHATS; i++)
		for_items(i, "log", NULL, take_request, NULL);
	for (i = 0; i < stress.speaker_count; i++)
		if (is_first(&stress.speakers[i]))
			look_into(stress.speakers[i].hipchat,
			    stress.speakers[i].room);
	excuse_kills();
}

/* Tell all that is known about it. */
static void
tell(const struct message *m, const char *what)
{
	char line[1024];
	size_t n = 0, i;

	for (i = 0; i < m->post_count && n + 80 < sizeof(line); i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n,
		    " +%.3f:%d%s%s(%d ms)",
		    (double)(m->posts[i].start - m->from) / 1e6,
		    m->posts[i].status, m->posts[i].effect ? "" : "-",
		    m->posts[i].lossy ? "?" : "",
		    (int)((m->posts[i].end - m->posts[i].start) / 1000));
	line[n] = '\0';
	remark("%s: %s of %s, at %.3f, %d times, posts%s%s%s", what, m->text,
	    m->inst->id, (double)(m->from % 1000000000) / 1e6, m->seen, line,
	    m->failed_now ? ", failed: " : "", m->failed_now ? m->reason : "");
}

/* Removed, or refused a token (HipChat says so to whoever is removed). */
static bool
is_gone(const struct message *m)
{
	return m->inst->removed_from != 0 || m->from <= m->inst->refused;
}

static void
see_lost(struct message *m, void *n)
{
	if (!m->accepted || m->seen > 0 || m->failed_now > 0)
		return;
	if (is_gone(m)) {
		stress.gone += m->inst->removed_from == 0;
		return;
	}
	++*(int *)n;
	tell(m, "lost");
}

static bool
clock_set_since(int64_t when)
{
	int i;

	for (i = 0; i < atomic_load(&stress.jump_count); i++)
		if (stress.jumps[i] >= when)
			return true;
	return false;
}

static void
see_doubled(struct message *m, void *n)
{
	int excuses = 0;
	size_t i;

	for (i = 0; i < m->post_count; i++)
		excuses += m->posts[i].lossy;
	if (m->seen - 1 <= excuses || m->excused ||
	    (m->repeated && clock_set_since(m->from)))
		return;
	++*(int *)n;
	tell(m, "doubled");
}

/* Its reason says what did happen. */
static bool
is_true(const struct message *m)
{
	int refusals = 0, lossy = 0;
	size_t i;

	for (i = 0; i < m->post_count; i++) {
		const int status = m->posts[i].status;

		refusals += status >= 400 && status < 500 && status != 408 &&
		    status != 429;
		lossy += m->posts[i].lossy;
	}
	if (strcmp(m->reason, "not installed") == 0)
		return is_gone(m);
	if (m->inst->removed != 0)
		return false; /* its texts go with an installation */
	if (m->from <= stress.last_short)
		return true; /* it may have been too old */
	if (strncmp(m->reason, "no answer", 9) == 0)
		return lossy > REPETITIONS || m->excused;
	return refusals > 0;
}

static void
see_untrue(struct message *m, void *n)
{
	if (m->failed_now == 0 || (m->failed_now == 1 && is_true(m)))
		return;
	++*(int *)n;
	tell(m, "untrue");
}

static void
see_late(struct message *m, void *n)
{
	size_t i;

	for (i = 0; m->inst->removed != 0 && i < m->post_count; i++)
		if (m->posts[i].start > m->inst->removed + UNDER_WAY) {
			++*(int *)n;
			tell(m, "after removal");
			return;
		}
}

static int
count(void (*see)(struct message *m, void *n))
{
	int n = 0;

	for_each(see, &n);
	return n;
}

int
count_lost(void)
{
	return count(see_lost);
}

int
count_doubled(void)
{
	return count(see_doubled);
}

int
count_untrue(void)
{
	return count(see_untrue);
}

int
count_late_posts(void)
{
	return count(see_late);
}

/*
 * What a speaker said to one installation arrives in that order.  Exempt is
 * what was set behind others, and what an operator has queued again.
 */
int
count_disordered(void)
{
	const struct message *m, *last;
	int i, n = 0;
	size_t k;

	for (i = 0; i < stress.speaker_count; i++) {
		last = NULL;
		for (k = 0; k < atomic_load(&stress.speakers[i].said_count);
		     k++) {
			m = atomic_load(&stress.speakers[i].said[k]);
			if (m->seen == 0 || m->failed || m->behind)
				continue;
			if (last == NULL || last->inst != m->inst ||
			    m->place > last->place) {
				last = m;
			} else {
				n++;
				tell(m, "too early");
			}
		}
	}
	return n;
}

/* Records and tokens of installations that are removed. */
int
count_left(void)
{
	int i, n = 0, left;

	for (i = 0; i < atomic_load(&stress.inst_count); i++) {
		const struct inst *inst = &stress.insts[i];

		if (inst->removed == 0)
			continue;
		left = records("tokens", inst->id) +
		    records("installations", inst->id);
		if (left != 0)
			remark("%s: left in the store", inst->id);
		n += left != 0;
	}
	return n;
}
