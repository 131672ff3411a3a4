/*
 * test-sandbox: what a program can still do after sandbox_enter().  Every
 * sandbox is a child process of its own, as there is no way back.
 *
 * Where the kernel has no Landlock, or an old one, a diagnostic says so, and
 * what remains is checked.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "capture.h"
#include "sandbox.h"
#include "tap.h"

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

static struct {
	char dir[64];			     /* the whole test's */
	char read[80], write[80], other[80]; /* directories below it */
	int port;	/* somebody listens there, on loopback */
	long abi;	/* Landlock's; < 0: there is none */
	bool localhost; /* is found outside: not without /etc/hosts */
} here;

/* ---- files ---- */

/* The path of a file in a directory; valid until the next but three. */
static const char *
in(const char *dir, const char *name)
{
	static char paths[4][160];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

/* 0, or errno of the failure to open. */
static int
try_open(const char *path, int flags)
{
	const int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int
try_list(const char *path)
{
	DIR *dir = opendir(path);

	if (dir == NULL)
		return errno;
	closedir(dir);
	return 0;
}

static int
error_of(int rc)
{
	return rc == 0 ? 0 : errno;
}

/* ---- children ---- */

/*
 * Run the checks in a child that has entered the sandbox; they print no TAP,
 * but return a text: what went wrong, or NULL.
 */
static void
in_sandbox(const char *name, const struct sandbox *keep,
    const char *(*checks)(void))
{
	char text[200] = "";
	int fds[2], status;
	const char *why;
	pid_t pid;
	ssize_t n;

	if (pipe(fds) != 0 || (pid = fork()) < 0)
		die("fork");
	if (pid == 0) {
		sandbox_enter(keep);
		errno = 0;
		if ((why = checks()) != NULL &&
		    write(fds[1], why, strlen(why)) < 0)
			_exit(2);
		_exit(0);
	}
	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	if (status != 0)
		snprintf(text, sizeof(text), "wait status 0x%x", status);
	is_str(text, "", "%s", name);
}

/* A reason with errno's text; for the child's one use. */
static const char *
because(const char *what, int error)
{
	static char text[200];

	snprintf(text, sizeof(text), "%s: %s", what,
	    error == 0 ? "no error" : strerror(error));
	return text;
}

/* ---- limits ---- */

static const char *
check_limits(void)
{
	struct sandbox_cpu cpu;
	struct rlimit limit;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return "privileges can be had by exec";
	if (getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_max != 0)
		return "a core file would be written";
	if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_max > 1 << 30)
		return "no limit of the file size";
	sandbox_cpu_begin(&cpu);
	sandbox_cpu_limit(&cpu, 7);
	if (getrlimit(RLIMIT_CPU, &limit) != 0 || limit.rlim_cur != 7)
		return "no limit of CPU time";
	sandbox_cpu_limit(&cpu, 9);
	if (getrlimit(RLIMIT_CPU, &limit) != 0 || limit.rlim_cur != 9)
		return "a later request does not get as much";
	sandbox_cpu_begin(&cpu);
	sandbox_cpu_limit(&cpu, 10);
	if (getrlimit(RLIMIT_CPU, &limit) != 0 || limit.rlim_cur != 9)
		return "a lower limit of CPU time does not stay";
	if (SANITIZED)
		return NULL;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return "a core could go through a pipe";
	if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_max > 1 << 30)
		return "no limit of memory";
	if (getrlimit(RLIMIT_NPROC, &limit) != 0 || limit.rlim_max != 0)
		return "no limit of processes";
	return NULL;
}

/* As nobody: root may always fork. */
static const char *
check_no_fork(void)
{
	pid_t pid;

	if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		return because("setuid", errno);
	if ((pid = fork()) == 0)
		_exit(0);
	return pid < 0 && errno == EAGAIN ? NULL : "could fork";
}

static const char *
check_file_size(void)
{
	const int fd = open(in(here.write, "large"), O_RDWR | O_CREAT, 0600);

	if (fd < 0)
		return because("open", errno);
	if (pwrite(fd, "x", 1, ((off_t)1 << 30) - 1) != 1)
		return because("1 GiB", errno);
	if (pwrite(fd, "x", 1, (off_t)1 << 30) == 1 || errno != EFBIG)
		return because("1 GiB and a byte", errno);
	close(fd);
	unlink(in(here.write, "large"));
	return NULL;
}

static void *
nothing(void *arg)
{
	return arg;
}

/* libcurl looks names up in threads. */
static const char *
check_thread(void)
{
	pthread_t thread;
	const int error = pthread_create(&thread, NULL, nothing, NULL);

	if (error == 0)
		pthread_join(thread, NULL);
	return error == 0 ? NULL : because("no thread", error);
}

static void
test_limits(void)
{
	const struct sandbox keep = { .writable = NULL };
	const struct sandbox write = { .writable = here.write };
	const struct sandbox network = { .network = true };

	in_sandbox("limits", &keep, check_limits);
	in_sandbox("a file of 1 GiB and not more", &write, check_file_size);
	in_sandbox("with network, threads", &network, check_thread);
	if (SANITIZED)
		diag("address sanitizer: processes, memory not limited");
	else
		in_sandbox("without network, no fork", &keep, check_no_fork);
}

/* ---- files, with Landlock ---- */

static const char *
check_nothing(void)
{
	static const char *const paths[] = {
		"/etc/passwd",
		"/etc/hosts",
		"/etc/ssl/openssl.cnf",
		"/proc/1/environ",
		"/usr/lib",
		"/bin/sh",
		"/",
	};
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (try_open(paths[i], O_RDONLY) == 0)
			return paths[i];
	if (try_open(in(here.read, "file"), O_RDONLY) != EACCES)
		return because("a file", errno);
	if (try_list(here.dir) != EACCES)
		return because("a directory", errno);
	execl("/bin/true", "true", (char *)NULL);
	return errno == EACCES ? NULL : because("exec", errno);
}

static const char *
check_readable(void)
{
	int error;

	if ((error = try_open(in(here.read, "file"), O_RDONLY)) != 0)
		return because("to read a file", error);
	if ((error = try_open(in(here.read, "below/file"), O_RDONLY)) != 0)
		return because("to read a file below", error);
	if ((error = try_list(here.read)) != 0)
		return because("to list", error);
	if ((error = try_open(in(here.read, "none"), O_RDONLY)) != ENOENT)
		return because("a file that is not there", error);
	if ((error = try_open(in(here.read, "file"), O_RDWR)) != EACCES)
		return because("to write", error);
	if (here.abi >= 3 &&
	    error_of(truncate(in(here.read, "file"), 0)) != EACCES)
		return because("to truncate", errno);
	execl(in(here.read, "file"), "file", (char *)NULL);
	if (errno != EACCES)
		return because("to execute", errno);
	error = try_open(in(here.read, "new"), O_WRONLY | O_CREAT);
	if (error != EACCES)
		return because("to create", error);
	if (error_of(unlink(in(here.read, "file"))) != EACCES)
		return because("to unlink", errno);
	error = try_open(in(here.read, "../other/file"), O_RDONLY);
	if (error != EACCES)
		return because("to leave by ..", error);
	error = try_open(in(here.read, "link"), O_RDONLY);
	if (error != EACCES)
		return because("to leave by a link", error);
	return try_open("/etc/passwd", O_RDONLY) == EACCES ? NULL :
							     "/etc/passwd";
}

/* A whole outbox: directories, a FIFO, a file moved between them. */
static const char *
check_writable(void)
{
	const char *dir = here.write;
	int error;

	if (mkdir(in(dir, "tmp"), 0700) != 0 ||
	    mkdir(in(dir, "new"), 0700) != 0)
		return because("mkdir", errno);
	error = try_open(in(dir, "tmp/1"), O_RDWR | O_CREAT | O_TRUNC);
	if (error == 0)
		error = try_open(in(dir, "tmp/1"), O_WRONLY | O_TRUNC);
	if (error != 0)
		return because("to create, and truncate", error);
	if (rename(in(dir, "tmp/1"), in(dir, "new/1")) != 0)
		return because("rename to another directory", errno);
	if (mkfifo(in(dir, "trigger"), 0600) != 0)
		return because("mkfifo", errno);
	error = try_open(in(dir, "trigger"), O_WRONLY | O_NONBLOCK);
	if (error != ENXIO)
		return because("to open the FIFO", error);
	if ((error = try_open(in(dir, "file"), O_RDONLY)) != 0)
		return because("to read", error);
	if (unlink(in(dir, "new/1")) != 0 || unlink(in(dir, "trigger")) != 0)
		return because("unlink", errno);
	if (rmdir(in(dir, "tmp")) != 0 || rmdir(in(dir, "new")) != 0)
		return because("rmdir", errno);
	if (error_of(symlink("/", in(dir, "root"))) != EACCES)
		return because("a symbolic link", errno);
	if (error_of(rename(in(dir, "file"), in(here.other, "x"))) == 0)
		return "a file could be moved out";
	return try_open(in(here.read, "file"), O_RDONLY) == EACCES ?
	    NULL :
	    "another directory could be read";
}

static const char *
check_network_files(void)
{
	static const char *const paths[] = {
		"/etc/resolv.conf",
		"/etc/hosts",
		"/etc/nsswitch.conf",
		"/etc/ssl/certs/ca-certificates.crt",
		"/usr/lib/os-release",
	};
	size_t i;
	int error;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		error = try_open(paths[i], O_RDONLY);
		if (error != 0 && error != ENOENT)
			return because(paths[i], error);
	}
	if (try_open("/etc/passwd", O_RDONLY) != EACCES)
		return "/etc/passwd";
	if (try_open("/etc/ssl/new", O_WRONLY | O_CREAT) == 0)
		return "could write to /etc/ssl";
	/* a CA file of the user's own */
	error = try_open(in(here.read, "file"), O_RDONLY);
	if (error != 0)
		return because("the one readable file", error);
	return try_open(in(here.read, "below/file"), O_RDONLY) == EACCES ?
	    NULL :
	    "the file beside it";
}

/* What was open before stays open. */
static const char *
check_open_log(void)
{
	if (write(STDERR_FILENO, "", 0) != 0)
		return because("standard error", errno);
	return try_open("/etc/passwd", O_RDONLY) == EACCES ? NULL :
							     "/etc/passwd";
}

static void
test_files(void)
{
	char file[100];
	const struct sandbox none = { 0 };
	const struct sandbox reads = { .readable = here.read };
	const struct sandbox writes = { .writable = here.write };
	const struct sandbox missing = { .readable = "/nowhere/at/all",
		.writable = "/nowhere/else" };
	const struct sandbox network = { .readable = file, .network = true };

	snprintf(file, sizeof(file), "%s/file", here.read);
	if (here.abi < 2) {
		diag("Landlock: %s; access to files is not restricted",
		    here.abi < 0 ? "none in this kernel" : "too old");
		return;
	}
	in_sandbox("nothing kept: no file", &none, check_nothing);
	in_sandbox("a readable tree", &reads, check_readable);
	in_sandbox("a writable tree", &writes, check_writable);
	in_sandbox("paths that do not exist", &missing, check_open_log);
	in_sandbox("network: what it takes", &network, check_network_files);
}

/* ---- network ---- */

static int
try_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)here.port) };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error = 0;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		error = errno;
	close(fd);
	return error;
}

/* To any free port. */
static int
try_bind(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error = 0;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		error = errno;
	close(fd);
	return error;
}

static const char *
check_no_network(void)
{
	int error;

	if ((error = try_connect()) != EACCES)
		return because("connect", error);
	if ((error = try_bind()) != EACCES)
		return because("bind", error);
	return NULL;
}

static const char *
check_network(void)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	int error;

	if ((error = try_connect()) != 0)
		return because("connect", error);
	if (here.abi >= 4 && (error = try_bind()) != EACCES)
		return because("bind", error);
	error = getaddrinfo("localhost", "80", &hints, &found);
	if (error == 0)
		freeaddrinfo(found);
	return error == 0 || !here.localhost ? NULL : gai_strerror(error);
}

static const char *
check_no_signal(void)
{
	return error_of(kill(getppid(), 0)) == EPERM ? NULL :
						       because("kill", errno);
}

static void
test_network(void)
{
	const struct sandbox none = { 0 };
	const struct sandbox network = { .network = true };

	/* another process: what this one opens, a child would not have to */
	here.localhost = system("getent hosts localhost >/dev/null") == 0;
	in_sandbox("network: connect, and localhost is found", &network,
	    check_network);
	if (here.abi >= 4)
		in_sandbox("without network: no TCP", &none, check_no_network);
	else
		diag("Landlock: ABI %ld; TCP is not restricted", here.abi);
	if (here.abi >= 6)
		in_sandbox("no signal to others", &none, check_no_signal);
	else
		diag("Landlock: ABI %ld; signals are not restricted", here.abi);
}

/* ---- a kernel without Landlock ---- */

#ifdef SYS_landlock_create_ruleset

/* From now on the system call is not there, for this process. */
static int
hide_landlock(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset,
		    0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { 4, code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

/* What sandbox_enter() says then; the child has to survive it. */
static void
test_absent(bool debug, const char *expected, const char *name)
{
	const struct sandbox none = { .debug = debug };
	char said[400];
	int fds[2], status;
	pid_t pid;
	ssize_t n;

	if (pipe(fds) != 0 || (pid = fork()) < 0)
		die("fork");
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		if (hide_landlock() != 0)
			_exit(1);
		sandbox_enter(&none);
		_exit(try_open("/etc/passwd", O_RDONLY));
	}
	close(fds[1]);
	n = read(fds[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	is_int(status, 0, "without Landlock, %s: no failure", name);
	capture_untimed(said);
	is_str(said, expected, "without Landlock, %s: what is said", name);
}

static void
test_without(void)
{
	test_absent(false, "", "by default");
	test_absent(true,
	    "hipchat-cgi: sandbox: Landlock: Function not "
	    "implemented\n",
	    "to debug");
}

#else

static void
test_without(void)
{
	diag("Landlock: not known when this was compiled");
}

#endif

/* ---- preparation ---- */

static void
make_file(const char *path)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0700);

	if (fd < 0 || write(fd, "x", 1) != 1)
		die(path);
	close(fd);
}

static void
prepare(void)
{
	strcpy(here.dir, "/tmp/test-sandbox.XXXXXX");
	if (mkdtemp(here.dir) == NULL)
		die("mkdtemp");
	snprintf(here.read, sizeof(here.read), "%s/read", here.dir);
	snprintf(here.write, sizeof(here.write), "%s/write", here.dir);
	snprintf(here.other, sizeof(here.other), "%s/other", here.dir);
	if (mkdir(here.read, 0700) != 0 || mkdir(here.write, 0700) != 0 ||
	    mkdir(here.other, 0700) != 0 ||
	    mkdir(in(here.read, "below"), 0700) != 0 ||
	    symlink("../other/file", in(here.read, "link")) != 0)
		die("mkdir");
	make_file(in(here.read, "file"));
	make_file(in(here.read, "below/file"));
	make_file(in(here.write, "file"));
	make_file(in(here.other, "file"));
#ifdef SYS_landlock_create_ruleset
	here.abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
#else
	here.abi = -1;
#endif
}

static void
clean_up(void)
{
	unlink(in(here.read, "file"));
	unlink(in(here.read, "below/file"));
	unlink(in(here.read, "link"));
	unlink(in(here.write, "file"));
	unlink(in(here.other, "file"));
	rmdir(in(here.read, "below"));
	rmdir(here.read);
	rmdir(here.write);
	rmdir(here.other);
	ok(rmdir(here.dir) == 0, "nothing is left behind");
}

/* Listen on a free port of loopback; nobody needs to accept. */
static int
start_listening(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(fd, 16) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0)
		die("listen");
	here.port = ntohs(at.sin_port);
	return fd;
}

int
main(void)
{
	int fd;

	prepare();
	fd = start_listening();
	diag("Landlock's ABI here: %ld", here.abi);
	test_limits();
	test_files();
	test_network();
	test_without();
	close(fd);
	clean_up();
	return done();
}
