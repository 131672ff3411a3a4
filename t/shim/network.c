/*
 * network: a name service and a network made to order, to be put before a
 * program's own with LD_PRELOAD.  Nothing that a program under it does leaves
 * the machine.
 *
 *	SHIM_LOG	file to which each event is added, as one line:
 *			"resolve NAME" and "connect ADDRESS PORT"
 *	SHIM_NAMES	what names mean: "NAME=ANSWER/ANSWER... ..." separated
 *			by blanks.  The first look-up gets the first answer, the
 *			next one the second, and so on; the last one stays.  An
 *			answer is a list of addresses, separated by commas.
 *			Other names do not exist.
 *	SHIM_ROUTE	"ADDRESS=PORT": connections to that address end at this
 *			port of 127.0.0.1.  All others are refused, but for
 *			those to the loopback network, which are as ever.
 */
/* With _GNU_SOURCE, glibc gives connect() another type. */
#undef _GNU_SOURCE
#define _DEFAULT_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Names are looked up in threads. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static size_t lookups;

/* Before main(), for then the program may give up to open files. */
__attribute__((constructor)) static void
open_journal(void)
{
	const char *path = getenv("SHIM_LOG");

	if (path != NULL)
		journal =
		    open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void
record(const char *what, const char *object)
{
	if (journal >= 0)
		dprintf(journal, "%s %s\n", what, object);
}

/* ---- names ---- */

/* Fill an address in; returns its size, or 0 if the text is none. */
static socklen_t
read_address(const char *text, unsigned int port, struct sockaddr_storage *out)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		in.sin_port = htons((uint16_t)port);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
		in6.sin6_port = htons((uint16_t)port);
		memcpy(out, &in6, sizeof(in6));
		return sizeof(in6);
	}
	return 0;
}

/* Add an entry for the address to the list's end; NULL: it is no address. */
static struct addrinfo **
append(struct addrinfo **end, const char *text, const char *service,
    const struct addrinfo *hints)
{
	const long port = service != NULL ? strtol(service, NULL, 10) : 0;
	struct sockaddr_storage address;
	const socklen_t len = read_address(text, (unsigned int)port, &address);
	struct addrinfo *entry;

	if (len == 0)
		return NULL;
	if (hints != NULL && hints->ai_family != AF_UNSPEC &&
	    hints->ai_family != address.ss_family)
		return end;
	/* one piece of memory holds both */
	entry = calloc(1, sizeof(*entry) + sizeof(address));
	if (entry == NULL)
		abort();
	entry->ai_family = address.ss_family;
	entry->ai_socktype = hints != NULL && hints->ai_socktype != 0 ?
	    hints->ai_socktype :
	    SOCK_STREAM;
	entry->ai_protocol = hints != NULL ? hints->ai_protocol : 0;
	entry->ai_addrlen = len;
	memcpy(entry + 1, &address, sizeof(address));
	entry->ai_addr = (void *)(entry + 1);
	*end = entry;
	return &entry->ai_next;
}

/* What SHIM_NAMES says of the name, or NULL. */
static char *
answers_for(const char *name)
{
	const char *names = getenv("SHIM_NAMES");
	char *copy = strdup(names != NULL ? names : ""), *rest = copy;
	char *item, *found = NULL;

	while ((item = strsep(&rest, " ")) != NULL) {
		const size_t len = strcspn(item, "=");

		if (item[len] == '=' && strlen(name) == len &&
		    strncasecmp(item, name, len) == 0)
			found = strdup(item + len + 1);
	}
	free(copy);
	return found;
}

/* The answer whose turn it is, as a list. */
static struct addrinfo *
answer(char *answers, const char *service, const struct addrinfo *hints)
{
	struct addrinfo *list = NULL, **end = &list;
	char *one = NULL, *next, *address;
	size_t n;

	pthread_mutex_lock(&mutex);
	for (n = lookups++ + 1; n > 0 && (next = strsep(&answers, "/")) != NULL;
	     n--)
		one = next;
	pthread_mutex_unlock(&mutex);
	while ((address = strsep(&one, ",")) != NULL)
		if ((end = append(end, address, service, hints)) == NULL)
			abort();
	return list;
}

int
getaddrinfo(const char *restrict name, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict res)
{
	char *answers;

	*res = NULL;
	/* an address is its own answer */
	if (append(res, name, service, hints) != NULL)
		return *res != NULL ? 0 : EAI_NONAME;
	record("resolve", name);
	if ((answers = answers_for(name)) == NULL)
		return EAI_NONAME;
	*res = answer(answers, service, hints);
	free(answers);
	return *res != NULL ? 0 : EAI_NONAME;
}

void
freeaddrinfo(struct addrinfo *list)
{
	struct addrinfo *next;

	for (; list != NULL; list = next) {
		next = list->ai_next;
		free(list);
	}
}

/* ---- connections ---- */

/* The port that SHIM_ROUTE has for this address, or 0. */
static unsigned int
routed(const char *address)
{
	const char *route = getenv("SHIM_ROUTE");
	const size_t len = strlen(address);

	if (route == NULL || strncmp(route, address, len) != 0 ||
	    route[len] != '=')
		return 0;
	return (unsigned int)strtol(route + len + 1, NULL, 10);
}

/* The system call: the function of that name is ours. */
static int
really_connect(int fd, const void *address, socklen_t len)
{
	return (int)syscall(SYS_connect, fd, address, len);
}

int
connect(int fd, const struct sockaddr *address, socklen_t len)
{
	char host[INET6_ADDRSTRLEN], text[64];
	struct sockaddr_storage other;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	unsigned int port;

	if (address->sa_family == AF_INET) {
		memcpy(&in, address, sizeof(in));
		inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
		port = ntohs(in.sin_port);
	} else if (address->sa_family == AF_INET6) {
		memcpy(&in6, address, sizeof(in6));
		inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
		port = ntohs(in6.sin6_port);
	} else {
		return really_connect(fd, address, len);
	}
	snprintf(text, sizeof(text), "%s %u", host, port);
	record("connect", text);
	if ((port = routed(host)) != 0) {
		len = read_address("127.0.0.1", port, &other);
		return really_connect(fd, &other, len);
	}
	if (strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0)
		return really_connect(fd, address, len);
	errno = ECONNREFUSED;
	return -1;
}
