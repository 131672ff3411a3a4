/*
 * stress: what the parts of stress.c share.
 */
#ifndef STRESS_H
#define STRESS_H

#include "../../shim/world.h"
#include "../soak/soak.h"

#define HIPCHATS 2

/* In a text: HipChat answers it with 500, or with 400, until the end. */
#define POISON_500 "POISON5"
#define POISON_400 "POISON4"

#define TENANTS_MAX 4096
#define SAID_MAX 65536
#define JUMPS_MAX 4096
#define KILLS_MAX 4096

/* How often a courier's monotonic clock runs faster than ours. */
#define SPEED 8

/* No notification is under way for this long after it was allowed, in us. */
#define UNDER_WAY 3000000

struct hipchat {
	int port;
	const char *url;       /* by which the add-on knows it */
	char *alias;	       /* the same by another name, or NULL */
	int64_t refused_until; /* ms: nobody listens */
	int64_t limited_until; /* ms: limits are in force */
};

/* One installation.  Times are Unix time in us, 0: not yet. */
struct inst {
	pthread_mutex_t mutex; /* for the secret */
	char id[64];
	char secret[64];
	int hipchat;
	int64_t room;		       /* the first, or only one */
	int64_t renewed_from, renewed; /* last re-installation */
	int64_t removed_from;	       /* its removal began */
	int64_t removed;	       /* ... and was acknowledged for good */
	bool renewing;		       /* a re-installation has failed */

	/* the judge's */
	int64_t refused;	     /* it was last refused a token */
	struct post *before, *after; /* a kill */
};

/* A request that had this message for HipChat. */
struct post {
	int64_t start, end; /* us */
	int status;	    /* 0: none */
	bool effect;
	bool lossy; /* the answer got lost, or came too late */
};

/* A message. */
struct message {
	struct inst *inst;
	char text[48];
	int64_t room;
	int serial;	     /* of its speaker */
	int64_t from, until; /* us: first posted, answered at last */
	bool accepted;
	bool repeated;
	bool excused; /* may come more than once */

	/* the judge's */
	bool failed; /* has ever been in that list */
	bool behind; /* was set behind others */
	int seen;    /* times in its room */
	int place;   /* there, from 1 */
	int failed_now;
	char reason[192];
	struct post *posts;
	size_t post_count;
};

/* Whoever speaks: in one room, one message after the other. */
struct speaker {
	int number;
	uint64_t dice;
	int hipchat;
	int64_t room;
	struct inst *inst;
	bool owner; /* of the installation: installs it again */
	bool guest; /* installs and removes, again and again */
	struct message *_Atomic *said; /* SAID_MAX, read by others meanwhile */
	_Atomic size_t said_count;
};

extern struct stress {
	struct world *world;
	const char *conf;    /* the settings file */
	const char *starter; /* what starts our courier */
	bool etc;	     /* is ours alone */
	bool large;
	struct hipchat hipchats[HIPCHATS];
	struct inst insts[TENANTS_MAX];
	atomic_int inst_count;
	struct speaker speakers[CLIENTS_MAX];
	int speaker_count;
	int64_t jumps[JUMPS_MAX]; /* us: the clock was set */
	atomic_int jump_count;
	int64_t kills[KILLS_MAX]; /* us: of couriers */
	atomic_int kill_count;
	int64_t last_short; /* us: until then, messages could get too old */
	atomic_int after_removal; /* webhooks accepted after that */
	atomic_int removals, renewals, installs;
	atomic_int lines; /* of diagnosis */
	int gone; /* messages, with an installation that was refused a token */
	int killed_programs, stopped, variants, replaced;
} stress;

/* Unix time in us, as it really is. */
int64_t now_us(void);

/* A line of diagnosis, unless there are too many. */
void remark(const char *fmt, ...) TAP_FORMAT(1, 2);

/* A control route of a HipChat. */
struct answer
control(int hipchat, const char *method, const char *path, const char *body);

/* ---- load.c ---- */

/* A new speaker, in a new room or in the room given. */
struct speaker *add_speaker(int hipchat, int64_t room);
int64_t new_room(int hipchat);

/* Install there; NULL if that failed. */
struct inst *install_in(int hipchat, int64_t room);

/* Install again, with a new secret, from where the alias is the API's. */
bool renew(struct inst *inst, bool new_secret, bool alias);

/*
 * Remove, as HipChat does in form A, B or C.  b: as B, but HipChat has nothing
 * against it.  D: as B, but with a document that proves nothing.  Returns
 * whether the removal was acknowledged.
 */
bool remove_inst(struct inst *inst, char form);

/* Say something; what follows its number in the text. */
struct message *say_it(struct speaker *s, const char *what);

/* The thread of a speaker: until soak.end. */
void *run_speaker(void *speaker);

/* ---- chaos.c ---- */

/* Settings that are complete, or without one HipChat. */
void write_settings(int ttl, int idle, int without);

void set_clock(int64_t offset);
void refuse(int hipchat, bool refused);

/* Add a fault, as control.c of the stand-in describes them. */
void add_fault(int hipchat, const char *fmt, ...) TAP_FORMAT(2, 3);

/* The processes of our couriers; workers only, or parents only. */
enum role { WORKER, PARENT };
int find_courier(enum role role);

/* Run the courier as an operator would; its exit status. */
int operate(const char *option, const char *arg);

/* One thing after the other, until soak.end. */
void make_trouble(uint64_t *state);

/* ... and all is well again. */
void end_trouble(void);

/* ---- judge.c ---- */

/* Nothing is queued. */
bool is_at_rest(void);

/* Wait until is(arg); false if that takes too long. */
bool await(bool (*is)(const void *arg), const void *arg);

/* Take notice of what is in the list of the failed ones. */
void see_failed(void);

/* ... and of the courier's log, before that is rotated. */
void see_log(void);

/* Find out what became of each message. */
void find_out(void);

/* How often is it in its room? */
int times_said(const struct message *message);

/*
 * The requests of this kind that the HipChat has got since its log was cleared:
 * how many, how many of them go on, and to which host the last one was.
 */
struct asked {
	int all, under_way;
	char host[128];
} asked(int hipchat, const char *url_end);

/* How often does that stand in a file below the data directory? */
int occurrences(const char *file, const char *what);
int records(const char *book, const char *what);

/* These count what is wrong, after find_out(). */
int count_lost(void);
int count_doubled(void);
int count_disordered(void);
int count_untrue(void);
int count_late_posts(void);
int count_left(void);

#endif
