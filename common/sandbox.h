/*
 * sandbox: a program gives up what it does not need before it looks at what
 * a client sent, so that a hole in a parser does little damage.
 *
 *	sandbox_enter(&(struct sandbox){ .readable = cfg.template_dir });
 *
 * Best effort: what the kernel does not offer is left out, silently unless
 * .debug is set.  Confining files needs Linux 5.19 (Landlock, ABI 2), the
 * network 6.7, and signals 6.12.
 *
 * There is no way back, and an exec'ed program inherits it all.  Fork whatever
 * must run outside before you call this.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>
#include <sys/resource.h>

/* What a program keeps.  Members that are left out are given up. */
struct sandbox {
	const char *readable; /* file, or directory and all below */
	const char *writable; /* directory and all below */
	bool network;	      /* connect by TCP; read what finding and
				 * trusting HipChat's servers takes: name
				 * service, CA certificates, libraries */
	const char *ca_file;  /* with network: read this file, too */
	bool debug;	      /* log what the kernel does not offer */
};

/*
 * Keep what keep says.  From now on:
 *	exec gives no privileges; there is no core file, and no other process
 *	can look in;
 *	a file grows to at most 1 GiB (then EFBIG), or that much more than the
 *	log on standard error has already;
 *	without network, memory is at most 1 GiB, and there is no new process
 *	or thread, unless it is root's (with network, names are looked up in
 *	threads);
 *	no file but the kept ones can be opened, made, removed or executed;
 *	open descriptors stay as they are;
 *	no bind(2) to a TCP port and, without network, no connect(2) to one
 *	(a socket can do more than that);
 *	no signal to a process outside.
 * A path that does not exist is left out.
 */
void sandbox_enter(const struct sandbox *keep);

/* Seconds of CPU that a process may use, and those it is given now. */
struct sandbox_cpu {
	rlim_t most;
	rlim_t hard;
	rlim_t now;
};

/* Find out with how much it was started. */
void sandbox_cpu_begin(struct sandbox_cpu *cpu);

/*
 * From now on, give the process this many seconds of CPU, but never more than
 * it was started with; then SIGXCPU kills it.  Call it once per request.
 */
void sandbox_cpu_limit(struct sandbox_cpu *cpu, unsigned int seconds);

#endif
