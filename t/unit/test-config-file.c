/*
 * test-config-file: the settings' file: its lines, and that they mean the same
 * to a shell; who may own and write it; the environment beside it.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture.h"
#include "config.h"
#include "tap.h"

static char dir[] = "/tmp/hipchat-cgi-test.XXXXXX";
static char file[64];

/* Forget all settings but the file. */
static void
clear(void)
{
	if (clearenv() != 0 || setenv("HIPCHAT_CONFIG", file, 1) != 0)
		die("the environment");
}

static void
write_bytes(const char *text, size_t len)
{
	const int fd =
	    open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		die(file);
	close(fd);
}

static void
write_file(const char *text)
{
	write_bytes(text, strlen(text));
}

/* ---- what is accepted, and that a shell agrees ---- */

/* The value of HIPCHAT_ADDON_NAME; NULL where it is not set */
static const struct {
	const char *text;
	const char *name;
} good[] = {
	{ "", NULL },
	{ "\n\n  \t\n", NULL },
	{ "# HIPCHAT_ADDON_NAME=a", NULL },
	{ " \t# it's \"a $comment\" `of\\ many; signs\n", NULL },
	{ "#\n##\n", NULL },
	{ "HIPCHAT_ADDON_NAME=", NULL },
	{ "HIPCHAT_ADDON_NAME=\n", NULL },
	{ "HIPCHAT_ADDON_NAME= \t\n", NULL },
	{ "HIPCHAT_ADDON_NAME=''\n", NULL },
	{ "HIPCHAT_ADDON_NAME=\"\"\n", NULL },
	{ "HIPCHAT_ADDON_NAME=a", "a" },
	{ "HIPCHAT_ADDON_NAME=a\n", "a" },
	{ "  HIPCHAT_ADDON_NAME=a \t \n", "a" },
	{ "#c\n\nHIPCHAT_ADDON_NAME=a\n#c", "a" },
	{ "HIPCHAT_ADDON_NAME=azAZ09-_.,/:@%+=*[]\n", "azAZ09-_.,/:@%+=*[]" },
	{ "HIPCHAT_ADDON_NAME=*\n", "*" },
	{ "HIPCHAT_ADDON_NAME=/*\n", "/*" },
	{ "HIPCHAT_ADDON_NAME=[a-z]*\n", "[a-z]*" },
	{ "HIPCHAT_ADDON_NAME==a=b\n", "=a=b" },
	{ "HIPCHAT_ADDON_NAME=https://[::1]:8081/x\n", "https://[::1]:8081/x" },
	{ "HIPCHAT_ADDON_NAME='a'\n", "a" },
	{ "HIPCHAT_ADDON_NAME=\"a\"  \n", "a" },
	{ "HIPCHAT_ADDON_NAME=' a  b\t'\t\n", " a  b\t" },
	{ "HIPCHAT_ADDON_NAME=\" a  b\t\"\n", " a  b\t" },
	{ "HIPCHAT_ADDON_NAME=\"it's\"\n", "it's" },
	{ "HIPCHAT_ADDON_NAME='say \"a\"'\n", "say \"a\"" },
	{ "HIPCHAT_ADDON_NAME='#~!&|;<>(){}*?[]^a=b'\n",
	    "#~!&|;<>(){}*?[]^a=b" },
	{ "HIPCHAT_ADDON_NAME=\"#~!&|;<>(){}*?[]^a=b\"\n",
	    "#~!&|;<>(){}*?[]^a=b" },
	{ "HIPCHAT_ADDON_NAME='\xc3\x89"
	  "cho'\n",
	    "\xc3\x89"
	    "cho" },
	{ "HIPCHAT_DEBUG=1\nHIPCHAT_ADDON_NAME=a\n", "a" },
	{ "HIPCHAT_ADDON_KEY=k\nHIPCHAT_ADDON_NAME=\n", NULL },
};

/* What a shell that reads the file exports as the name, "" for none. */
static void
ask_shell(char *name, size_t size)
{
	FILE *out = popen(
	    "set -a; . \"$HIPCHAT_CONFIG\" && "
	    "exec /usr/bin/env printenv HIPCHAT_ADDON_NAME",
	    "r");
	size_t len;

	if (out == NULL)
		die("sh");
	len = fread(name, 1, size - 1, out);
	pclose(out);
	name[len - (len > 0 && name[len - 1] == '\n')] = '\0';
}

static void
test_good(void)
{
	struct config cfg;
	char name[256];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const char *want = good[i].name;

		write_file(good[i].text);
		clear();
		is_int(config_read(&cfg), 0, "file %zu is accepted", i);
		is_str(cfg.addon_name,
		    want != NULL ? want : "HipChat CGI Sample Integration",
		    "... its value");
		ask_shell(name, sizeof(name));
		is_str(name, want != NULL ? want : "", "... to a shell, too");
	}
}

/* ---- what is not ---- */

static const struct {
	const char *text;
	const char *logged; /* behind the file's name */
} bad[] = {
	{ "HIPCHAT_ADDON_NAME", ":1: neither" },
	{ "\n#\nhello\n", ":3: neither" },
	{ "; no comment to a shell\n", ":1: neither" },
	{ "HIPCHAT_ALOWED_HOSTS=a\n", ":1: HIPCHAT_ALOWED_HOSTS: no setting" },
	{ "hipchat_debug=a\n", ":1: hipchat_debug: no setting" },
	{ "HIPCHAT_DEBU=1\n", ":1: HIPCHAT_DEBU: no setting" },
	{ "HIPCHAT_DEBUGS=1\n", ":1: HIPCHAT_DEBUGS: no setting" },
	{ "HIPCHAT_CONFIG=/a\n", ":1: HIPCHAT_CONFIG: no setting" },
	{ "PATH=/bin\n", ":1: PATH: no setting" },
	{ "=a\n", ":1: : no setting" },
	{ "export HIPCHAT_DEBUG=1\n", ":1: export HIPCHAT_DEBUG: no" },
	{ "HIPCHAT_DEBUG =1\n", ":1: HIPCHAT_DEBUG : no setting" },
	{ "\xef\xbb\xbfHIPCHAT_DEBUG=1\n", ":1: \\xef\\xbb\\xbfHIPCHAT" },
	{ "HIPCHAT_DEBUG=1\n\nHIPCHAT_DEBUG=1\n",
	    ":3: HIPCHAT_DEBUG: set in line 1 already" },
	{ "HIPCHAT_DEBUG=\nHIPCHAT_DEBUG=\n",
	    ":2: HIPCHAT_DEBUG: set in line 1 already" },
	{ "HIPCHAT_DEBUG= 1\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG=a b\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG=1 # c\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG=#c\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG='1' # c\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG=1;\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG=1&\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG=~\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG=$PATH\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG=a\\\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG=\"$PATH\"\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG=\"`id`\"\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG=\"a\\\"\"\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG='a\\'\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG='$a'\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG='a\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG=\"a\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG='\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG=a'\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG='a''b'\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG='a'b\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_DEBUG=a\"b\"\n", ":1: HIPCHAT_DEBUG: but for" },
	{ "HIPCHAT_ADDON_NAME=\xc3\x89"
	  "cho\n",
	    ":1: HIPCHAT_ADDON_NAME: but" },
	{ "HIPCHAT_ADDON_NAME='caf\xe9'\n", ":1: not UTF-8" },
	{ "# caf\xe9\n", ":1: not UTF-8" },
	{ "# two\\\nHIPCHAT_DEBUG=1\n", ":1: a comment ends" },
	{ "HIPCHAT_DEBUG=1\r\n", ":1: a control character" },
	{ "# a\rHIPCHAT_DEBUG=1\n", ":1: a control character" },
	{ "HIPCHAT_ADDON_NAME='a\x1b'\n", ":1: a control character" },
	{ "HIPCHAT_ADDON_NAME='a\x7f'\n", ":1: a control character" },
	/* values, as in the environment */
	{ "\nHIPCHAT_DATA_DIR=data\n", ":2: HIPCHAT_DATA_DIR: not an" },
	{ "#\n#\nHIPCHAT_MESSAGE_TTL=1h", ":3: HIPCHAT_MESSAGE_TTL: not a" },
	{ "HIPCHAT_ALLOWED_HOSTS='chat.example.com a/b c/d'\n",
	    ":1: HIPCHAT_ALLOWED_HOSTS: \"a/b\" is neither" },
	{ "HIPCHAT_ALLOWED_HOSTS=' '\n",
	    ":1: HIPCHAT_ALLOWED_HOSTS: \"\" is neither" },
};

/* The settings are refused, with one line that goes on so after the path. */
static void
refused(const char *path, const char *logged, const char *name)
{
	struct capture log;
	struct config cfg;
	char line[160];
	int status;

	capture_start(&log);
	status = config_read(&cfg);
	capture_stop(&log);
	is_int(status, 500, "%s is refused", name);
	snprintf(line, sizeof(line), "%s%s", path, logged);
	is_line(log.text, line, "... with a line: %s", logged);
}

static void
test_bad(void)
{
	static const char nul[] = "#\nHIPCHAT_DEBUG=1\0\n";
	char name[16];
	size_t i;

	clear();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(bad[i].text);
		snprintf(name, sizeof(name), "file %zu", i);
		refused(file, bad[i].logged, name);
	}
	write_bytes(nul, sizeof(nul) - 1);
	refused(file, ":2: a control character, number 0", "a NUL");
}

static void
test_size(void)
{
	char text[CONFIG_FILE_MAX + 1];
	struct config cfg;

	memset(text, '#', sizeof(text));
	memcpy(text, "HIPCHAT_DEBUG=1\n", 16);
	clear();
	write_bytes(text, CONFIG_FILE_MAX - 1);
	ok(config_read(&cfg) == 0 && cfg.debug, "the largest file");
	write_bytes(text, CONFIG_FILE_MAX);
	refused(file, ": larger than", "a larger one");
	write_bytes(text, CONFIG_FILE_MAX + 1);
	refused(file, ": larger than", "a yet larger one");
}

/* ---- which file ---- */

static void
test_place(void)
{
	struct config cfg;

	clear();
	unlink(file);
	refused(file, ": No such file", "a file that is named and missing");
	setenv("HIPCHAT_CONFIG", dir, 1);
	refused(dir, ": not a regular file", "a directory");
	setenv("HIPCHAT_CONFIG", "/dev/null", 1);
	refused("/dev/null", ": not a regular file", "a device");
	clear();
	if (mkfifo(file, 0600) != 0)
		die(file);
	refused(file, ": not a regular file", "a FIFO that nobody writes");
	unlink(file);
	if (symlink("real", file) != 0)
		die(file);
	refused(file, ": No such file", "a link to nothing");
	write_file("HIPCHAT_DEBUG=1\n");
	ok(config_read(&cfg) == 0 && cfg.debug, "a link to a file");
	if (unlink(file) != 0)
		die(file);
	file[strlen(file) - strlen("conf")] = '\0';
	strcat(file, "real"); /* what it was a link to */
	unlink(file);
	strcpy(file + strlen(file) - strlen("real"), "conf");
}

static void
test_rights(void)
{
	static const struct {
		mode_t mode;
		bool good;
	} modes[] = { { 0600, true }, { 0644, true }, { 0444, true },
		{ 0755, true }, { 0620, false }, { 0602, false },
		{ 0666, false }, { 0664, false } };
	struct config cfg;
	char name[16];
	size_t i;

	clear();
	write_file("HIPCHAT_DEBUG=1\n");
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (chmod(file, modes[i].mode) != 0)
			die(file);
		snprintf(name, sizeof(name), "mode %04o", modes[i].mode);
		if (modes[i].good)
			is_int(config_read(&cfg), 0, "%s", name);
		else
			refused(file, ": others than", name);
	}
	if (geteuid() != 0) {
		/* what root may read belongs to root, or to another */
		diag("a file of another user: only root can make one");
		return;
	}
	if (chmod(file, 0644) != 0 || chown(file, 12345, 0) != 0)
		die(file);
	refused(file, ": owned by user 12345", "another user's file");
}

static void
test_precedence(void)
{
	struct config cfg;

	write_file(
	    "HIPCHAT_ADDON_NAME=file\nHIPCHAT_DATA_DIR=/file\n"
	    "HIPCHAT_MESSAGE_TTL=60\nHIPCHAT_ALLOWED_HOSTS=*.example.com\n"
	    "HIPCHAT_WEBHOOK_AUTH=none\nHIPCHAT_COURIER_IDLE=soon\n"
	    "HIPCHAT_BASE_URL=https://addon.example.com/x\n");
	clear();
	setenv("HIPCHAT_DATA_DIR", "/environment", 1);
	setenv("HIPCHAT_MESSAGE_TTL", "", 1);
	setenv("HIPCHAT_COURIER_IDLE", "7", 1);
	is_int(config_read(&cfg), 0, "a file and an environment");
	is_str(cfg.data_dir, "/environment", "the environment wins");
	is_int(cfg.courier_idle, 7, "... over a bad value, too");
	is_int(cfg.message_ttl, 60, "... but not if it is empty");
	is_str(cfg.addon_name, "file", "the rest is the file's");
	is_str(cfg.allowed_hosts, "*.example.com", "... its list of hosts");
	is_str(cfg.base_url, "https://addon.example.com/x", "... its URL");
	ok(!cfg.webhook_jwt, "... its kind of proof");
	setenv("HIPCHAT_DATA_DIR", "environment", 1);
	refused("environment", ": HIPCHAT_DATA_DIR: not an absolute path",
	    "a bad value of the environment");
}

int
main(void)
{
	if (mkdtemp(dir) == NULL)
		die(dir);
	snprintf(file, sizeof(file), "%s/conf", dir);
	test_good();
	test_bad();
	test_size();
	test_place();
	test_rights();
	unlink(file);
	test_precedence();
	unlink(file);
	rmdir(dir);
	return done();
}
