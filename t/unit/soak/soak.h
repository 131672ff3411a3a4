/*
 * soak: what the parts of soak.c share.
 */
#ifndef SOAK_H
#define SOAK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "../tap.h"

/* No answer takes this long, even on the slowest machine, in ms. */
#define PATIENCE 90000

#define CLIENTS_MAX 64

/* What an attacker tries to say. */
#define FORGED "FORGED"

/* How a call ended that has no status. */
enum {
	CLOSED = 0, /* without a complete answer */
	HUNG = -1,  /* not at all */
};

enum ending {
	WHOLE, /* send all, wait for the answer */
	CUT,   /* send it, end the stream, wait for the answer */
	ABORT, /* send it, reset the connection */
};

struct answer {
	int status;
	char *body; /* NUL-terminated; freed by the caller */
};

/* One installation. */
struct tenant {
	char id[64];
	char secret[64];
	bool gone;   /* its removal was acknowledged */
	bool unsure; /* its removal was not acknowledged */
};

/* A message that was acknowledged. */
struct said {
	char text[48];
	int part;
};

struct client {
	int number;
	uint64_t dice;
	int64_t room;
	struct tenant home;    /* stays */
	struct tenant *guests; /* come and go */
	size_t guest_count;
	struct said *said;
	size_t said_count;
	int serial;
};

struct part {
	const char *name;
	bool fill;
	bool kill;
};

enum { PARTS = 3 };
extern const struct part parts[PARTS];

extern struct soak {
	int addon, hipchat; /* ports */
	const char *hipchat_url, *addon_url, *data, *courier;
	int apache;
	int seconds;
	int client_count;
	struct client clients[CLIENTS_MAX];
	size_t part; /* which is on */
	int64_t end; /* of that, in ms */
	atomic_int requests, hung, odd, killed, filled, refused;
	pthread_mutex_t mutex; /* for output */
} soak;

/* ---- http.c ---- */

/* The monotonic clock. */
int64_t now_ms(void);
void pause_ms(int ms);

/* A number from 0 to sides - 1. */
unsigned int dice(uint64_t *state, unsigned int sides);

/*
 * Make room for one more item of that size in a list of count items (NULL at
 * first); returns the list, for free().
 */
void *room_for(void *list, size_t count, size_t size);

/* A printed text, for free(). */
char *text(const char *fmt, ...) TAP_FORMAT(1, 2);

/* Send bytes, whatever they are, to a port of this host. */
struct answer
exchange(int port, const char *bytes, size_t len, enum ending ending);

/* A request with a header line (with CR LF, or "") and a body (or NULL). */
struct answer request(int port, const char *method, const char *path,
    const char *header, const char *body);

/* Release the answer; returns its status. */
int status_of(struct answer answer);

/* ---- good.c ---- */

/*
 * Is the status the expected one (or the other one)?  If the disk is full, it
 * may be 503; if processes are killed, anything but a success.
 */
void expect(const char *what, int status, int expected, int other);

/* A string at the top level of a JSON text; "" if there is none. */
void copy_string(const char *json, const char *name, char *out, size_t size);

/* A number at the top level of a JSON text; 0 if there is none. */
int64_t get_number(const char *json, const char *name);

/*
 * "Authorization: JWT ..." with CR LF, for free(): made then, Unix time, and
 * good for life seconds.
 */
char *authorization(const char *id, const char *secret, int64_t room,
    int64_t then, int life);

/* The body of a webhook, for free(). */
char *webhook(const char *id, int64_t room, const char *message);

/* Post it, signed with that secret, valid for life seconds; the status. */
int post_webhook(const char *id, const char *secret, int64_t room,
    const char *message, int life);

/* Post credentials as HipChat at that URL would; returns the status. */
int post_installed(const char *id, const char *secret, int64_t room,
    const char *url);

/* Say something new, and remember it if it was accepted. */
int say(struct client *c, const struct tenant *tenant);

/* Let HipChat install the add-on; returns its status, 200 with the tenant. */
int install(const struct client *c, struct tenant *tenant);

/* One good request, chosen at random. */
void good(struct client *c);

/* ---- hostile.c ---- */

/* The thread of a client: requests until soak.end. */
void *run_client(void *client);

/* ---- faults.c ---- */

/* Fill the disk for a moment. */
void fill_disk(uint64_t *state);

/* The name and parent of a process; false if there is none (any more). */
bool look_at(int pid, char name[64], int *parent);

/* Kill a process of ours, chosen at random. */
void kill_one(uint64_t *state);

#endif
