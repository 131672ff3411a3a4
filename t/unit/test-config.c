/*
 * test-config: every setting, good and bad.
 */
#include "capture.h"
#include "config.h"
#include "tap.h"

static char no_settings[] = "/tmp/hipchat-cgi-test.XXXXXX";

/* Forget all settings; whatever file this host has is not ours. */
static void
clear(void)
{
	if (clearenv() != 0 || setenv("HIPCHAT_CONFIG", no_settings, 1) != 0)
		die("the environment");
}

static void
set(const char *name, const char *value)
{
	if (setenv(name, value, 1) != 0)
		die("setenv");
}

static void
test_defaults(void)
{
	static const char *const names[] = { "HIPCHAT_BASE_URL",
		"HIPCHAT_ADDON_KEY", "HIPCHAT_ADDON_NAME", "HIPCHAT_DATA_DIR",
		"HIPCHAT_TEMPLATE_DIR", "HIPCHAT_ALLOWED_HOSTS",
		"HIPCHAT_CA_FILE", "HIPCHAT_WEBHOOK_AUTH",
		"HIPCHAT_MESSAGE_TTL", "HIPCHAT_COURIER",
		"HIPCHAT_COURIER_IDLE", "HIPCHAT_DEBUG" };
	struct config cfg;
	size_t i;
	int empty;

	for (empty = 0; empty < 2; empty++) {
		clear();
		for (i = 0; empty && i < sizeof(names) / sizeof(names[0]); i++)
			set(names[i], "");
		is_int(config_read(&cfg), 0,
		    empty ? "all settings empty" : "no setting at all");
		is_str(cfg.base_url, "", "... no base URL yet");
		is_str(cfg.addon_key, "", "... no key yet");
		is_str(cfg.addon_name, "HipChat CGI Sample Integration",
		    "... the name");
		ok(*cfg.data_dir == '/', "... a data directory");
		ok(*cfg.template_dir == '/', "... a template directory");
		is_str(cfg.allowed_hosts, "", "... no host is allowed");
		is_str(cfg.ca_file, NULL, "... the system's certificates");
		ok(cfg.webhook_jwt, "... signed webhooks");
		is_int(cfg.message_ttl, 3600, "... an hour to deliver");
		is_str(cfg.courier, NULL, "... the courier beside it");
		is_int(cfg.courier_idle, 5, "... its five seconds");
		ok(!cfg.debug, "... nothing said of the sandbox");
	}
}

static void
test_good(void)
{
	struct config cfg;

	clear();
	set("HIPCHAT_BASE_URL", "https://addon.example.com:8443/hip/chat");
	set("HIPCHAT_ADDON_KEY", "com.example.echo");
	set("HIPCHAT_ADDON_NAME",
	    "\xc3\x89"
	    "cho \"2\"");
	set("HIPCHAT_DATA_DIR", "/d");
	set("HIPCHAT_TEMPLATE_DIR", "/t");
	set("HIPCHAT_ALLOWED_HOSTS", "chat.example.com http://127.0.0.1:1");
	set("HIPCHAT_CA_FILE", "/dev/null");
	set("HIPCHAT_WEBHOOK_AUTH", "none");
	set("HIPCHAT_MESSAGE_TTL", "1");
	set("HIPCHAT_COURIER", "/courier");
	set("HIPCHAT_COURIER_IDLE", "0");
	set("HIPCHAT_DEBUG", "0");
	is_int(config_read(&cfg), 0, "all settings");
	is_str(cfg.base_url, "https://addon.example.com:8443/hip/chat",
	    "HIPCHAT_BASE_URL");
	is_str(cfg.addon_key, "com.example.echo", "HIPCHAT_ADDON_KEY");
	is_str(cfg.addon_name,
	    "\xc3\x89"
	    "cho \"2\"",
	    "HIPCHAT_ADDON_NAME");
	is_str(cfg.data_dir, "/d", "HIPCHAT_DATA_DIR");
	is_str(cfg.template_dir, "/t", "HIPCHAT_TEMPLATE_DIR");
	is_str(cfg.allowed_hosts, "chat.example.com http://127.0.0.1:1",
	    "HIPCHAT_ALLOWED_HOSTS");
	is_str(cfg.ca_file, "/dev/null", "HIPCHAT_CA_FILE");
	ok(!cfg.webhook_jwt, "HIPCHAT_WEBHOOK_AUTH");
	is_int(cfg.message_ttl, 1, "HIPCHAT_MESSAGE_TTL");
	is_str(cfg.courier, "/courier", "HIPCHAT_COURIER");
	is_int(cfg.courier_idle, 0, "HIPCHAT_COURIER_IDLE");
	ok(cfg.debug, "HIPCHAT_DEBUG");
}

static const struct {
	const char *name;
	const char *value;
} bad[] = {
	{ "HIPCHAT_BASE_URL", "addon.example.com" },
	{ "HIPCHAT_BASE_URL", "//addon.example.com" },
	{ "HIPCHAT_BASE_URL", "ftp://addon.example.com" },
	{ "HIPCHAT_BASE_URL", "https:/addon.example.com" },
	{ "HIPCHAT_BASE_URL", "https://" },
	{ "HIPCHAT_BASE_URL", "https:///hipchat" },
	{ "HIPCHAT_BASE_URL", "https://:443" },
	{ "HIPCHAT_BASE_URL", "https://addon.example.com/" },
	{ "HIPCHAT_BASE_URL", "https://addon.example.com/hipchat/" },
	{ "HIPCHAT_BASE_URL", "https://addon.example.com?a=b" },
	{ "HIPCHAT_BASE_URL", "https://addon.example.com#a" },
	{ "HIPCHAT_BASE_URL", "https://user@addon.example.com" },
	{ "HIPCHAT_BASE_URL", "https://addon.example.com:port" },
	{ "HIPCHAT_BASE_URL", "https://addon.example.com:" },
	{ "HIPCHAT_BASE_URL", "https://addon example com" },
	{ "HIPCHAT_BASE_URL", "https://addon.example.com/\"x" },
	{ "HIPCHAT_BASE_URL", "https://addon.example.com\n" },
	{ "HIPCHAT_BASE_URL", "https://\xc3\xa9.example.com" },
	{ "HIPCHAT_BASE_URL", "https://[::1" },
	{ "HIPCHAT_BASE_URL", "https://[]" },
	{ "HIPCHAT_BASE_URL", "https://addon]example.com" },
	{ "HIPCHAT_DATA_DIR", "data" },
	{ "HIPCHAT_DATA_DIR", "./data" },
	{ "HIPCHAT_DATA_DIR", "~/data" },
	{ "HIPCHAT_TEMPLATE_DIR", "templates" },
	{ "HIPCHAT_TEMPLATE_DIR", "../templates" },
	{ "HIPCHAT_CA_FILE", "ca.pem" },
	{ "HIPCHAT_CA_FILE", "/tmp" },
	{ "HIPCHAT_ADDON_KEY", "caf\xe9" },
	{ "HIPCHAT_ADDON_NAME", "caf\xe9" },
	{ "HIPCHAT_ALLOWED_HOSTS", " " },
	{ "HIPCHAT_ALLOWED_HOSTS", "*" },
	{ "HIPCHAT_ALLOWED_HOSTS", "api.hipchat.com, chat.example.com" },
	{ "HIPCHAT_ALLOWED_HOSTS", "api.hipchat.com http://" },
	{ "HIPCHAT_WEBHOOK_AUTH", "JWT" },
	{ "HIPCHAT_WEBHOOK_AUTH", "off" },
	{ "HIPCHAT_WEBHOOK_AUTH", "none " },
	{ "HIPCHAT_WEBHOOK_AUTH", " jwt" },
	{ "HIPCHAT_WEBHOOK_AUTH", "no" },
	{ "HIPCHAT_MESSAGE_TTL", "0" },
	{ "HIPCHAT_MESSAGE_TTL", "-1" },
	{ "HIPCHAT_MESSAGE_TTL", "1h" },
	{ "HIPCHAT_MESSAGE_TTL", " 60" },
	{ "HIPCHAT_MESSAGE_TTL", "0x10" },
	{ "HIPCHAT_MESSAGE_TTL", "1.5" },
	{ "HIPCHAT_MESSAGE_TTL", "31536001" },
	{ "HIPCHAT_MESSAGE_TTL", "18446744073709551617" },
	{ "HIPCHAT_COURIER", "courier" },
	{ "HIPCHAT_COURIER_IDLE", "-1" },
	{ "HIPCHAT_COURIER_IDLE", "five" },
	{ "HIPCHAT_COURIER_IDLE", "86401" },
	{ "HIPCHAT_COURIER_IDLE", "4294967296" },
};

static void
refused(const char *name, const char *value, const char *shown)
{
	struct capture log;
	struct config cfg;
	char line[64];
	int status;

	clear();
	set(name, value);
	capture_start(&log);
	status = config_read(&cfg);
	capture_stop(&log);
	is_int(status, 500, "%s \"%.*s\" is refused", name,
	    (int)strcspn(shown, "\n"), shown);
	snprintf(line, sizeof(line), "environment: %s: ", name);
	is_line(log.text, line, "... and named in the log");
}

static void
test_bad(void)
{
	char text[CONFIG_URL_MAX + 1];
	struct config cfg;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(bad[i].name, bad[i].value, bad[i].value);
	refused("HIPCHAT_CONFIG", "hipchat-cgi.conf", "hipchat-cgi.conf");

	memset(text, 'k', sizeof(text) - 1);
	text[CONFIG_URL_MAX] = '\0';
	refused("HIPCHAT_ADDON_KEY", text, "of 512 bytes");
	memcpy(text, "https://", 8);
	text[8 + 253] = '/'; /* the longest host, and a path */
	refused("HIPCHAT_BASE_URL", text, "of 512 bytes");

	text[CONFIG_URL_MAX - 1] = '\0';
	clear();
	set("HIPCHAT_BASE_URL", text);
	is_int(config_read(&cfg), 0, "the longest base URL");
	is_str(cfg.base_url, text, "... and is whole");

	text[8 + 253] = 'k';
	refused("HIPCHAT_BASE_URL", text, "with a host of 254 characters");
}

/* The digest with this setting instead of the one in test_digest(). */
static void
digest_with(const char *name, const char *value, char digest[CONFIG_DIGEST_MAX])
{
	struct config cfg;

	clear();
	set("HIPCHAT_ALLOWED_HOSTS", "chat.example.com");
	set(name, value);
	if (config_read(&cfg) != 0)
		die(name);
	config_digest(&cfg, digest);
}

/* It tells apart what a courier does, and nothing else. */
static void
test_digest(void)
{
	static const struct {
		const char *name, *value;
		bool differs;
	} table[] = {
		{ "HIPCHAT_ALLOWED_HOSTS", "chat.example.org", true },
		{ "HIPCHAT_CA_FILE", "/dev/null", true },
		{ "HIPCHAT_MESSAGE_TTL", "3601", true },
		{ "HIPCHAT_COURIER", "/courier", true },
		{ "HIPCHAT_COURIER_IDLE", "6", true },
		{ "HIPCHAT_DEBUG", "1", true },
		{ "HIPCHAT_BASE_URL", "https://addon.example.com", false },
		{ "HIPCHAT_ADDON_KEY", "key", false },
		{ "HIPCHAT_ADDON_NAME", "name", false },
		{ "HIPCHAT_TEMPLATE_DIR", "/t", false },
		{ "HIPCHAT_WEBHOOK_AUTH", "none", false },
		{ "HIPCHAT_MESSAGE_TTL", "3600", false },
	};
	char plain[CONFIG_DIGEST_MAX], digest[CONFIG_DIGEST_MAX];
	size_t i;

	digest_with("HIPCHAT_ALLOWED_HOSTS", "chat.example.com", plain);
	is_int((long long)strspn(plain, "0123456789abcdef"),
	    CONFIG_DIGEST_MAX - 1, "a digest");
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		digest_with(table[i].name, table[i].value, digest);
		ok((strcmp(digest, plain) != 0) == table[i].differs,
		    "%s=%s: %s", table[i].name, table[i].value,
		    table[i].differs ? "another" : "the same");
	}
	clear();
	is_str(config_file(), no_settings, "the file that is named");
	clearenv();
	ok(*config_file() == '/', "... or the usual one");
}

int
main(void)
{
	const int fd = mkstemp(no_settings);

	if (fd < 0)
		die(no_settings);
	close(fd);
	test_defaults();
	test_good();
	test_bad();
	test_digest();
	unlink(no_settings);
	return done();
}
