/*
 * sandbox: a program gives up what it does not need before it looks at what
 * a client sent, so that a hole in a parser is worth little.
 *
 *	sandbox_enter(&(struct sandbox){ .readable = cfg.template_dir });
 *
 * Best effort: what the kernel does not offer is left out, and nothing is
 * said about it unless .debug is set.  It needs Linux 5.19 for the
 * files (Landlock, ABI 2) and 6.7 for the network and 6.12 for signals.
 *
 * There is no way back, and an exec'ed program inherits it all.  Whatever
 * must run outside is to be forked before.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>

/* What a program keeps.  Members that are left out are given up. */
struct sandbox {
	const char *readable;	/* file, or directory with all below */
	const char *writable;	/* directory with all below */
	bool network;		/* connect by TCP; read what finding and
				 * trusting HipChat's servers takes: name
				 * service, CA certificates, libraries */
	const char *ca_file;	/* with network: read this file, too */
	bool debug;		/* log what the kernel does not offer */
};

/*
 * Keep what keep says, and from now on:
 *	no privilege by exec; no core file, no other process looking in;
 *	at most 1 GiB of file size (EFBIG), or as much on top of what the
 *	log on standard error has, and, without network, of memory;
 *	without network no new process or thread, unless it is root's (with
 *	it, names are looked up in threads);
 *	no file but the kept ones is opened, made, removed or executed, open
 *	descriptors stay as they are; no bind(2) to a TCP port; without network
 *	no connect(2) to one (which is not all that a socket can do); no signal
 *	to a process outside.
 * A path that does not exist is left out.
 */
void sandbox_enter(const struct sandbox *keep);

/*
 * Let the process be killed by SIGXCPU after so many more seconds of CPU, of a
 * request say; the next one gets as many.  A lower limit stays.
 */
void sandbox_cpu_limit(unsigned int seconds);

#endif
