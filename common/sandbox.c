/*
 * sandbox: see sandbox.h.
 *
 * The kernel's structures and bits are declared here, not taken from
 * <linux/landlock.h>: that header is as old as the system that compiles, but
 * what there is depends on the kernel that runs the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "sandbox.h"

/* The address sanitizer maps terabytes and starts a thread. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED true
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

#define GIB ((uint64_t)1 << 30)

/* The type that getrlimit() wants. */
#ifdef __GLIBC__
typedef __rlimit_resource_t resource_id;
#else
typedef int resource_id;
#endif

/* What Landlock controls, of files: LANDLOCK_ACCESS_FS_... */
enum right {
	EXECUTE = 1 << 0,     /* run a file */
	WRITE_FILE = 1 << 1,  /* open a file for writing */
	READ_FILE = 1 << 2,   /* open a file for reading */
	READ_DIR = 1 << 3,    /* list a directory */
	REMOVE_DIR = 1 << 4,  /* remove or rename a directory */
	REMOVE_FILE = 1 << 5, /* remove or rename a file */
	MAKE_CHAR = 1 << 6,   /* make a character device */
	MAKE_DIR = 1 << 7,    /* make a directory */
	MAKE_REG = 1 << 8,    /* make a file */
	MAKE_SOCK = 1 << 9,   /* make a socket */
	MAKE_FIFO = 1 << 10,  /* make a FIFO */
	MAKE_BLOCK = 1 << 11, /* make a block device */
	MAKE_SYM = 1 << 12,   /* make a symbolic link */
	REFER = 1 << 13,      /* rename to another directory; ABI 2 */
	TRUNCATE = 1 << 14,   /* truncate a file; ABI 3 */
	IOCTL_DEV = 1 << 15,  /* ioctl(2) on a device; ABI 5 */
};

/* ... and of TCP, from ABI 4 on: LANDLOCK_ACCESS_NET_... */
enum net_right {
	BIND_TCP = 1 << 0,    /* bind to a port */
	CONNECT_TCP = 1 << 1, /* connect to a port */
};

/* ... and of other processes, from ABI 6 on: LANDLOCK_SCOPE_... */
enum scope {
	ABSTRACT_SOCKET = 1 << 0, /* connect to an abstract socket */
	SIGNAL = 1 << 1,	  /* send a signal */
};

static const unsigned int to_read = READ_FILE | READ_DIR;
static const unsigned int to_write = READ_FILE | READ_DIR | WRITE_FILE |
    REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_FIFO | REFER |
    TRUNCATE;
static const unsigned int of_files =
    EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

/* struct landlock_ruleset_attr; a kernel may know fewer members. */
struct ruleset {
	uint64_t files;
	uint64_t net;
	uint64_t scoped;
};

/* struct landlock_path_beneath_attr */
struct rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

/*
 * What libcurl, OpenSSL and the name service read on Debian, Fedora and Alpine.
 * They are listed one by one because /etc holds much else.
 */
static const char *const network_files[] = {
	"/etc/resolv.conf",
	"/run/systemd/resolve",
	"/etc/hosts",
	"/etc/host.conf",
	"/etc/nsswitch.conf",
	"/etc/gai.conf",
	"/etc/ssl",
	"/etc/pki",
	"/etc/crypto-policies",
	"/usr/share/ca-certificates",
	"/usr/local/share/ca-certificates",
	"/usr/share/pki",
	"/usr/share/crypto-policies",
	"/etc/localtime",
	/* modules of the name service and of OpenSSL are loaded late */
	"/etc/ld.so.cache",
	"/lib",
	"/lib64",
	"/usr/lib",
	"/usr/lib64",
};

static void
debug(const struct sandbox *keep, const char *what, const char *why)
{
	if (keep->debug)
		log_line("sandbox: %s: %s", what, why);
}

/* ---- limits ---- */

/* Lower a limit; one that is already lower stays. */
static void
lower(resource_id resource, uint64_t most)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) != 0)
		return;
	if (limit.rlim_max > most)
		limit.rlim_max = (rlim_t)most;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	setrlimit(resource, &limit);
}

/* Standard error may be a log file that is already large: leave it room. */
static uint64_t
file_size(void)
{
	struct stat sb;

	if (fstat(STDERR_FILENO, &sb) == 0 && S_ISREG(sb.st_mode))
		return (uint64_t)sb.st_size + GIB;
	return GIB;
}

static void
set_limits(const struct sandbox *keep)
{
	lower(RLIMIT_CORE, 0);
	lower(RLIMIT_FSIZE, file_size());
	signal(SIGXFSZ, SIG_IGN); /* EFBIG is enough */
	if (SANITIZED)
		return;
	/* core files that go through a pipe have no limit */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (keep->network)
		return; /* threads reserve memory that they never use */
	lower(RLIMIT_AS, GIB);
	lower(RLIMIT_NPROC, 0);
}

/* ---- Landlock ---- */

#ifdef SYS_landlock_create_ruleset

/* Allow this access to the path and all below it; skip one that is missing. */
static void
allow(const struct sandbox *keep, int ruleset, const char *path,
    uint64_t rights)
{
	struct rule rule = { .allowed = rights };
	struct stat sb;

	if (path == NULL || (rule.fd = open(path, O_PATH | O_CLOEXEC)) < 0)
		return;
	if (fstat(rule.fd, &sb) == 0 && !S_ISDIR(sb.st_mode))
		rule.allowed &= of_files;
	if (syscall(SYS_landlock_add_rule, ruleset, 1 /* path beneath */, &rule,
		0) != 0)
		debug(keep, path, strerror(errno));
	close(rule.fd);
}

/*
 * All that this ABI controls.  It is refused, except for what the rules allow.
 * The kernel would reject the ruleset for bits that it does not know.
 */
static struct ruleset
controlled(long abi, bool network)
{
	struct ruleset set = { .files = 2 * REFER - 1 }; /* up to it */

	if (abi >= 3)
		set.files |= TRUNCATE;
	if (abi >= 4)
		set.net = network ? BIND_TCP : BIND_TCP | CONNECT_TCP;
	if (abi >= 5)
		set.files |= IOCTL_DEV;
	if (abi >= 6)
		set.scoped = ABSTRACT_SOCKET | SIGNAL;
	return set;
}

static void
add_rules(int ruleset, const struct sandbox *keep, uint64_t files)
{
	size_t i;

	allow(keep, ruleset, keep->readable, to_read);
	allow(keep, ruleset, keep->writable, to_write & files);
	if (SANITIZED) { /* it looks for leaks and line numbers */
		allow(keep, ruleset, "/proc", to_read);
		allow(keep, ruleset, "/proc/self/exe", to_read);
	}
	if (!keep->network)
		return;
	allow(keep, ruleset, keep->ca_file, to_read);
	for (i = 0; i < sizeof(network_files) / sizeof(network_files[0]); i++)
		allow(keep, ruleset, network_files[i], to_read);
}

static void
landlock(const struct sandbox *keep)
{
	const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    1 /* which version? */);
	struct ruleset set = controlled(abi, keep->network);
	int fd;

	/* ABI 1 forbids moving a file to another directory */
	if (abi < 2) {
		debug(keep, "Landlock", abi < 0 ? strerror(errno) : "too old");
		return;
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &set, sizeof(set), 0);
	if (fd < 0) {
		debug(keep, "Landlock: ruleset", strerror(errno));
		return;
	}
	add_rules(fd, keep, set.files);
	if (syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		debug(keep, "Landlock: restriction", strerror(errno));
	close(fd);
}

#else

static void
landlock(const struct sandbox *keep)
{
	debug(keep, "Landlock", "not known when this was compiled");
}

#endif

void
sandbox_enter(const struct sandbox *keep)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	set_limits(keep);
	landlock(keep);
}

void
sandbox_cpu_begin(struct sandbox_cpu *cpu)
{
	struct rlimit limit;

	*cpu = (struct sandbox_cpu){ RLIM_INFINITY, RLIM_INFINITY, 0 };
	if (getrlimit(RLIMIT_CPU, &limit) == 0)
		*cpu =
		    (struct sandbox_cpu){ limit.rlim_cur, limit.rlim_max, 0 };
}

void
sandbox_cpu_limit(struct sandbox_cpu *cpu, unsigned int seconds)
{
	struct rusage used;
	rlim_t now;

	if (getrusage(RUSAGE_SELF, &used) != 0)
		return;
	now = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + seconds;
	if (now > cpu->most)
		now = cpu->most;
	if (now != cpu->now)
		setrlimit(RLIMIT_CPU, &(struct rlimit){ now, cpu->hard });
	cpu->now = now;
}
