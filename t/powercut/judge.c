/*
 * judge: are the promises kept after a power cut?
 *
 *	judge end LOG
 *	    how many entries the log of the disk has
 *	judge older DIRECTORY FILE
 *	    put the installations of a data directory where an older version has
 *	    them
 *	judge LOG IMAGE DEVICE MOUNTPOINT TYPE OPTIONS
 *		PROMISES FIRST STATES N OF BAD
 *	    STATES power cuts after entries FIRST to the last one: by turns all
 *	    that was written until then, and a random part of what was written
 *	    after the last flush.  This is number N, from 0, of OF judges; they
 *	    stop when there is a file BAD, which the first one makes that finds
 *	    a bad state.
 *
 * PROMISES has a line for each thing that was done, in that order:
 *
 *	BEGIN END DIRECTORY KIND KEY VALUE
 *
 * From entry BEGIN on it may have happened, from END on it must have ("-":
 * never).  DIRECTORY is a data directory on that disk.
 *	install ID SECRET	it is there, with its secret
 *	install ID -		it is not there
 *	message TEXT there	queued, or among the failed ones
 *	message TEXT gone	neither
 *
 * Each state is mounted, so the file system repairs itself, and judged by a
 * process of its own, which must not hang.  The programs go on from there: the
 * next echo is acknowledged and queued, the next token stored, and the next
 * courier loses nothing.  Whatever is logged is a failure, unless it is about
 * tokens/, a cache, which may be damaged if nobody minds, or says that an older
 * version's store was taken over.
 */
#include <db.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "datadir.h"
#include "disk.h"
#include "outbox.h"
#include "store.h"

#define SECONDS 60 /* then it hangs */
#define COURIERS 8 /* in so many states, a courier runs once */
#define FIELD 256

/* What was done. */
struct promise {
	size_t begin, end; /* end: SIZE_MAX if it was not acknowledged */
	char dir[FIELD];
	char kind[FIELD];
	char key[FIELD];
	char value[FIELD];
};

struct judge {
	struct disk disk;
	const char *device, *mountpoint, *type, *options;
	struct promise *promises;
	size_t count;
	int fd;	  /* the device: nothing is remembered of the last state */
	int said; /* a file: what is wrong ... */
	char text[2048]; /* ... or its start */
	size_t cut;
};

/* A data directory of the state that is judged. */
struct scene {
	const struct judge *judge;
	const char *name;
	char path[4096];
	struct datadir dir;
	struct store store;
	struct outbox outbox;
	char *texts;   /* of all messages, each with a NUL, and one more */
	size_t queued; /* bytes of them that are in the queue */
};

/* ---- what was promised ---- */

static void
read_promises(struct judge *j, const char *path)
{
	FILE *in = fopen(path, "r");
	struct promise *p;
	char end[32];

	if (in == NULL)
		err(2, "%s", path);
	for (;;) {
		j->promises =
		    realloc(j->promises, (j->count + 1) * sizeof(*j->promises));
		if (j->promises == NULL)
			err(2, "memory");
		p = &j->promises[j->count];
		if (fscanf(in, "%zu %31s %255s %255s %255s %255s", &p->begin,
			end, p->dir, p->kind, p->key, p->value) != 6)
			break;
		p->end = *end == '-' ? SIZE_MAX : strtoul(end, NULL, 10);
		j->count++;
	}
	if (!feof(in))
		errx(2, "%s: line %zu is no promise", path, j->count + 1);
	fclose(in);
}

static bool
is_about(const struct promise *p, const struct promise *q)
{
	return strcmp(p->dir, q->dir) == 0 && strcmp(p->kind, q->kind) == 0 &&
	    strcmp(p->key, q->key) == 0;
}

/* May this be so, for the thing that p is the first promise of? */
static bool
may_be(const struct judge *j, const struct promise *p, const char *value)
{
	const char *initial = strcmp(p->kind, "message") == 0 ? "gone" : "-";
	bool possible = strcmp(value, initial) == 0;
	const struct promise *q;

	for (q = p; q < j->promises + j->count; q++) {
		if (!is_about(p, q) || q->begin > j->cut)
			continue;
		if (q->end <= j->cut)
			possible = false;
		if (strcmp(value, q->value) == 0)
			possible = true;
	}
	return possible;
}

static bool
is_first(const struct judge *j, const struct promise *p)
{
	const struct promise *q = j->promises;

	while (!is_about(p, q))
		q++;
	return p == q;
}

/* ---- what is there ---- */

static void __attribute__((format(printf, 2, 3)))
wrong(const struct scene *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "%s: ", s->name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static void
judge_installation(const struct scene *s, const struct promise *p)
{
	struct installation inst;
	int status = store_find(&s->store, p->key, &inst);
	const char *value = status == 0 ? inst.oauth_secret : "-";

	if (status != 0 && status != 404)
		wrong(s, "installation %s: %d", p->key, status);
	else if (!may_be(s->judge, p, value))
		wrong(s, "installation %s: is %s", p->key, value);
}

static bool
has_text(const struct scene *s, const char *wanted)
{
	const char *text = s->texts;

	while (*text != '\0' && strcmp(text, wanted) != 0)
		text += strlen(text) + 1;
	return *text != '\0';
}

static bool
is_last_queued(const struct scene *s, const char *text)
{
	const size_t len = strlen(text) + 1;

	return s->queued >= len &&
	    memcmp(s->texts + s->queued - len, text, len) == 0;
}

static void
judge_message(const struct scene *s, const struct promise *p)
{
	const char *value = has_text(s, p->key) ? "there" : "gone";

	if (!may_be(s->judge, p, value))
		wrong(s, "message %s: is %s", p->key, value);
}

static void
judge_messages(const struct scene *s)
{
	const struct judge *j = s->judge;
	const struct promise *p;

	for (p = j->promises; p < j->promises + j->count; p++)
		if (strcmp(p->dir, s->name) == 0 && is_first(j, p) &&
		    strcmp(p->kind, "message") == 0)
			judge_message(s, p);
}

static void
add_text(struct json_object *notification, FILE *out)
{
	struct json_object *text;

	if (json_object_object_get_ex(notification, "message", &text))
		fputs(json_object_get_string(text), out);
	fputc('\0', out);
}

static void
list_texts(struct scene *s, enum outbox_list list, FILE *out)
{
	struct outbox_reader reader;
	struct outbox_message msg;
	struct outbox_entry entry;
	int status;

	if (outbox_read_begin(&reader, &s->outbox, list) != 0)
		return; /* it has said why */
	while ((status = outbox_read_next(&reader, &entry)) == 0)
		if (outbox_read_message(&entry, &msg) == 0) {
			add_text(msg.notification, out);
			outbox_release(&msg);
		} else {
			wrong(s, "%s: not to be read", entry.id);
		}
	if (status != 404 || outbox_read_end(&reader) != 0)
		wrong(s, "list %d: %d at its end", (int)list, status);
}

/* What an older version has left, one JSON file a message. */
static void
list_files(const struct scene *s, const char *name, FILE *out)
{
	struct json_object *doc, *notification;
	struct dirent *entry;
	char path[8192];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", s->path, name);
	if ((dir = opendir(path)) == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s/%s", s->path, name,
		    entry->d_name);
		if ((doc = json_object_from_file(path)) == NULL)
			continue; /* "." and ".." */
		if (json_object_object_get_ex(doc, "notification",
			&notification))
			add_text(notification, out);
		json_object_put(doc);
	}
	closedir(dir);
}

static void
read_texts(struct scene *s)
{
	size_t len;
	FILE *out;

	free(s->texts);
	out = open_memstream(&s->texts, &len);
	list_texts(s, OUTBOX_QUEUE, out);
	fflush(out);
	s->queued = len;
	list_texts(s, OUTBOX_FAILED, out);
	list_files(s, "outbox/new", out);
	list_files(s, "outbox/failed", out);
	list_files(s, "outbox/failed.old", out);
	fclose(out); /* adds a NUL */
}

/* ---- what goes on ---- */

/* An installation that is there for sure, or NULL. */
static const struct promise *
anybody(const struct scene *s)
{
	const struct judge *j = s->judge;
	const struct promise *p;

	for (p = j->promises; p < j->promises + j->count; p++)
		if (strcmp(p->dir, s->name) == 0 &&
		    strcmp(p->kind, "install") == 0 && is_first(j, p) &&
		    !may_be(j, p, "-"))
			return p;
	return NULL;
}

/* Run one of the programs in $PROGRAMS to its end. */
static int
run(const struct scene *s, const char *name, const char *argument,
    const int fds[3])
{
	char path[4096];
	int i, status = -1;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s", getenv("PROGRAMS"), name);
	setenv("HIPCHAT_DATA_DIR", s->path, 1);
	setenv("HIPCHAT_WEBHOOK_AUTH", "none", 1);
	setenv("HIPCHAT_COURIER", "/bin/true", 1);
	if ((pid = fork()) == 0) {
		for (i = 0; i < 3; i++)
			dup2(fds[i], i);
		execl(path, name, argument, (char *)NULL);
		err(2, "%s", path);
	}
	waitpid(pid, &status, 0);
	return status;
}

/* As a web server would. */
static void
run_echo(const struct scene *s, const char *webhook, const int fds[3])
{
	char length[32];

	snprintf(length, sizeof(length), "%zu", strlen(webhook));
	setenv("CONTENT_LENGTH", length, 1);
	setenv("CONTENT_TYPE", "application/json", 1);
	setenv("REQUEST_METHOD", "POST", 1);
	setenv("GATEWAY_INTERFACE", "CGI/1.1", 1);
	if (write(fds[0], webhook, strlen(webhook)) < 0 ||
	    lseek(fds[0], 0, SEEK_SET) != 0)
		err(2, "webhook");
	run(s, "echo", NULL, fds);
	unsetenv("GATEWAY_INTERFACE");
}

static void
next_echo(struct scene *s, const char *id, long long room, const int fds[3])
{
	char webhook[1024], answer[64] = "", line[1024] = "";

	snprintf(webhook, sizeof(webhook),
	    "{\"event\":\"room_message\",\"oauth_client_id\":\"%s\",\"item\":{"
	    "\"room\":{\"id\":%lld},\"message\":{\"id\":\"next\","
	    "\"message\":\"/echo next\"}}}",
	    id, room == 0 ? 1 : room);
	run_echo(s, webhook, fds);
	if (pread(fds[1], answer, sizeof(answer) - 1, 0) < 0 ||
	    pread(fds[2], line, sizeof(line) - 1, 0) < 0 ||
	    strncmp(answer, "Status: 204", 11) != 0 ||
	    strstr(line, ": queued, ") == NULL ||
	    strchr(line, '\n') != strrchr(line, '\n'))
		wrong(s, "the next echo: %.20s %s", answer, line);
	read_texts(s);
	if (!is_last_queued(s, "next"))
		wrong(s, "the next echo is not the last one in the queue");
}

/*
 * The next courier reaches nobody, as this process has no network.  So what it
 * finds stays.
 */
static void
next_courier(struct scene *s, const int fds[3])
{
	const int status = run(s, "courier", "--once", fds);

	if (status != 0)
		wrong(s, "the next courier: wait status %#x",
		    (unsigned int)status);
	read_texts(s);
	judge_messages(s);
	if (!has_text(s, "next"))
		wrong(s, "the next courier loses the next echo");
}

static void
use_programs(struct scene *s, const char *id, long long room)
{
	const int fds[3] = { memfd_create("in", 0), memfd_create("out", 0),
		memfd_create("log", 0) };
	int i;

	next_echo(s, id, room, fds);
	if (s->judge->cut % COURIERS == 0)
		next_courier(s, fds);
	for (i = 0; i < 3; i++)
		close(fds[i]);
}

static void
go_on(struct scene *s)
{
	const struct token next = { "next", INT64_MAX / 2 };
	const struct promise *p = anybody(s);
	struct installation inst;
	struct token token;

	if (p == NULL || store_find(&s->store, p->key, &inst) != 0)
		return;
	use_programs(s, p->key, (long long)inst.room_id);
	if (store_set(&s->store, p->key, "power", "back") != 0)
		wrong(s, "the store can't be written");
	if (store_put_token(&s->store, &inst, &next) != 0 ||
	    store_find_token(&s->store, p->key, &token) != 0 ||
	    strcmp(token.text, next.text) != 0)
		wrong(s, "the token can't be stored");
}

/* ---- one state ---- */

static void
judge_directory(const struct judge *j, const char *name)
{
	struct scene s = { .judge = j, .name = name };
	const struct promise *p;

	snprintf(s.path, sizeof(s.path), "%s/%s", j->mountpoint, name);
	if (datadir_open(&s.dir, s.path) != 0 ||
	    store_open(&s.store, &s.dir) != 0 ||
	    outbox_open(&s.outbox, &s.dir) != 0)
		return;
	read_texts(&s);
	for (p = j->promises; p < j->promises + j->count; p++)
		if (strcmp(p->dir, name) == 0 && is_first(j, p) &&
		    strcmp(p->kind, "install") == 0)
			judge_installation(&s, p);
	judge_messages(&s);
	go_on(&s);
	free(s.texts);
	outbox_close(&s.outbox);
	datadir_close(&s.dir);
}

static void
judge_state(const struct judge *j)
{
	const struct promise *p, *q;

	for (p = j->promises; p < j->promises + j->count; p++) {
		for (q = j->promises; strcmp(q->dir, p->dir) != 0; q++)
			;
		if (p == q && p->begin <= j->cut)
			judge_directory(j, p->dir);
	}
}

static void
run_judge(const struct judge *j)
{
	const struct timespec limit = { SECONDS, 0 };
	sigset_t child, before;
	int status;
	pid_t pid;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &before);
	if ((pid = fork()) == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		dup2(j->said, STDERR_FILENO);
		judge_state(j);
		_exit(0);
	}
	if (sigtimedwait(&child, NULL, &limit) < 0)
		kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (status != 0)
		dprintf(j->said, "it ends with wait status %#x\n",
		    (unsigned int)status);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* May this be said, of len bytes? */
static bool
is_expected(const char *line, size_t len)
{
	return memmem(line, len, ": tokens/", 9) != NULL ||
	    memmem(line, len, " records, now in installations/", 31) != NULL;
}

/* Has nothing else been said? */
static bool
is_well(struct judge *j)
{
	char *line = j->text, *end;
	const ssize_t n = pread(j->said, line, sizeof(j->text) - 1, 0);

	line[n > 0 ? n : 0] = '\0';
	while ((end = strchr(line, '\n')) != NULL &&
	    is_expected(line, (size_t)(end - line)))
		line = end + 1;
	return *line == '\0';
}

/* Returns whether all is well. */
static bool
one_state(struct judge *j)
{
	int tries;

	if (ftruncate(j->said, 0) != 0 || ioctl(j->fd, BLKFLSBUF, 0) != 0)
		err(2, "%s", j->device);
	if (mount(j->device, j->mountpoint, j->type, 0, j->options) != 0) {
		err(2, "mounting %s after %zu entries", j->type, j->cut);
	}
	run_judge(j);
	for (tries = 0; umount(j->mountpoint) != 0; tries++)
		if (errno != EBUSY || tries == 1000)
			err(2, "umount %s", j->mountpoint);
		else
			usleep(1000);
	return is_well(j);
}

/* All states of this judge, until one is bad, here or with another judge. */
static int
judge_states(struct judge *j, const char *const *argv)
{
	const size_t first = strtoul(argv[0], NULL, 10);
	const size_t states = strtoul(argv[1], NULL, 10);
	const size_t of = strtoul(argv[3], NULL, 10);
	const char *bad = argv[4];
	size_t i = strtoul(argv[2], NULL, 10), n = 0;
	bool subset, well = true;

	srandom((unsigned int)i);
	for (; well && i < states && access(bad, F_OK) != 0; i += of, n++) {
		j->cut = first + (j->disk.entries - first) * i / states;
		subset = i / of % 2 != 0;
		disk_cut(&j->disk, j->cut, subset);
		if ((well = one_state(j)))
			continue;
		close(open(bad, O_WRONLY | O_CREAT, 0600));
		printf("after %zu of %zu entries%s:\n%s", j->cut,
		    j->disk.entries, subset ? ", a part of the last ones" : "",
		    j->text);
	}
	printf("%zu states\n", n);
	return well ? 0 : 1;
}

/* ---- an older version ---- */

static void
put_older(DB *db, const struct store *st, char *id)
{
	struct installation inst;
	struct json_object *doc;
	DBT key = { .data = id, .size = (u_int32_t)strlen(id) }, data = { 0 };

	if (store_find(st, id, &inst) != 0)
		exit(2);
	doc = installation_json(&inst);
	data.data = strdup(json_object_to_json_string(doc));
	data.size = (u_int32_t)strlen(data.data);
	if (db->put(db, NULL, &key, &data, 0) != 0)
		errx(2, "putting %s", id);
	free(data.data);
	json_object_put(doc);
}

static void
make_older(const char *path, const char *file)
{
	struct datadir dir;
	struct store st;
	char *ids, *id;
	DB *db;

	if (datadir_open(&dir, path) != 0 || store_open(&st, &dir) != 0 ||
	    store_ids(&st, &ids) != 0)
		exit(2);
	if (db_create(&db, NULL, 0) != 0 || db->set_flags(db, DB_CHKSUM) != 0 ||
	    db->set_pagesize(db, 4096) != 0 ||
	    db->open(db, NULL, file, NULL, DB_BTREE, DB_CREATE, 0600) != 0)
		errx(2, "%s", file);
	for (id = ids; *id != '\0'; id += strlen(id) + 1)
		put_older(db, &st, id);
	if (db->close(db, 0) != 0)
		errx(2, "%s", file);
	free(ids);
}

int
main(int argc, char **argv)
{
	struct judge j = { 0 };

	if (argc == 4 && strcmp(argv[1], "older") == 0) {
		make_older(argv[2], argv[3]);
		return 0;
	}

	if (argc == 3 && strcmp(argv[1], "end") == 0) {
		printf("%zu\n", disk_end(argv[2]));
		return 0;
	}
	if (argc != 13)
		errx(2, "see the comment at its start");
	disk_open(&j.disk, argv[1], argv[2]);
	j.device = argv[3];
	j.mountpoint = argv[4];
	j.type = argv[5];
	j.options = argv[6];
	read_promises(&j, argv[7]);
	j.said = memfd_create("said", MFD_CLOEXEC);
	j.fd = open(j.device, O_RDONLY | O_CLOEXEC);
	if (j.said < 0 || fcntl(j.said, F_SETFL, O_APPEND) != 0 || j.fd < 0)
		err(2, "%s", j.device);
	return judge_states(&j, (const char *const *)argv + 8);
}
