/*
 * test-hosts: the list of allowed hosts, every spelling of an entry, and what
 * it says of a URL's parts.
 */
#include "hosts.h"
#include "tap.h"

static const char *const good[] = {
	"api.hipchat.com",
	"*.hipchat.com",
	"localhost",
	"a",
	"A-1.EXAMPLE.com",
	"192.0.2.1",
	"[::1]",
	"[2001:db8::1]",
	"[::ffff:192.0.2.1]",
	"xn--bcher-kva.example",
	"http://127.0.0.1:8081",
	"http://127.0.0.1",
	"https://chat.example.com",
	"https://chat.example.com:1",
	"https://chat.example.com:65535",
	"http://[::1]:8081",
	"  *.hipchat.com  ",
	"\tapi.hipchat.com\t*.example.com http://127.0.0.1:8081",
};

static const char *const bad[] = {
	"",
	" \t ",
	"*",
	"*.",
	"*.*.hipchat.com",
	"*hipchat.com",
	"*.-hipchat.com",
	"*..hipchat.com",
	"api.*.com",
	"hipchat.*",
	"*.hipchat.com:443",
	"https://*.hipchat.com",
	".hipchat.com",
	"-hipchat.com",
	"api.hipchat.com:443",
	"api.hipchat.com/",
	"api.hipchat.com,chat.example.com",
	"api.hipchat.com\nchat.example.com",
	"api_1.hipchat.com",
	"b\xc3\xbc"
	"cher.example",
	"api%2ehipchat.com",
	"http://",
	"https://",
	"http:// 127.0.0.1",
	"http:///127.0.0.1",
	"http:127.0.0.1",
	"HTTP://127.0.0.1",
	"ftp://127.0.0.1",
	"file:///etc",
	"//127.0.0.1",
	"http://127.0.0.1:",
	"http://127.0.0.1:0",
	"http://127.0.0.1:08081",
	"http://127.0.0.1:+1",
	"http://127.0.0.1:-1",
	"http://127.0.0.1:65536",
	"http://127.0.0.1:4294967376",
	"http://127.0.0.1:18446744073709551696",
	"http://127.0.0.1:80x",
	"http://127.0.0.1:80/",
	"http://127.0.0.1:80:80",
	"http://127.0.0.1/",
	"http://127.0.0.1/path",
	"http://127.0.0.1?query",
	"http://user@127.0.0.1",
	"http://user:password@127.0.0.1:80",
	"http://[::1",
	"http://[]",
	"http://::1",
	"http://[::1]x",
	"http://[::g]",
	"[",
	"[::1]:443",
	"api.hipchat.com http://",
	"http:// api.hipchat.com",
	"0123456789012345678901234567890123456789012345678901234567890123."
	"0123456789012345678901234567890123456789012345678901234567890123."
	"0123456789012345678901234567890123456789012345678901234567890123."
	"01234567890123456789012345678901234567890123456789012345678901",
};

static void
test_valid(void)
{
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(hosts_valid(good[i]), "a list: %s", good[i]);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strpbrk(bad[i], "\n") == NULL)
			ok(!hosts_valid(bad[i]), "no list: \"%s\"", bad[i]);
		else
			ok(!hosts_valid(bad[i]), "no list: number %zu", i);
}

static const struct {
	const char *list;
	const char *scheme;
	const char *host;
	unsigned int port;
	enum hosts_verdict verdict;
} verdicts[] = {
	/* a host */
	{ "api.hipchat.com", "https", "api.hipchat.com", 443, HOSTS_PUBLIC },
	{ "api.hipchat.com", "https", "API.HipChat.COM", 443, HOSTS_PUBLIC },
	{ "API.HipChat.COM", "https", "api.hipchat.com", 443, HOSTS_PUBLIC },
	{ "api.hipchat.com", "http", "api.hipchat.com", 80, HOSTS_NO },
	{ "api.hipchat.com", "http", "api.hipchat.com", 443, HOSTS_NO },
	{ "api.hipchat.com", "https", "api.hipchat.com", 8443, HOSTS_NO },
	{ "api.hipchat.com", "https", "api.hipchat.com", 0, HOSTS_NO },
	{ "api.hipchat.com", "https", "hipchat.com", 443, HOSTS_NO },
	{ "api.hipchat.com", "https", "x.api.hipchat.com", 443, HOSTS_NO },
	{ "api.hipchat.com", "https", "xapi.hipchat.com", 443, HOSTS_NO },
	{ "api.hipchat.com", "https", "api.hipchat.com.", 443, HOSTS_NO },
	{ "api.hipchat.com", "https", "api.hipchat.com.evil.example", 443,
	    HOSTS_NO },
	{ "api.hipchat.com", "https", "api.hipchat.co", 443, HOSTS_NO },
	{ "api.hipchat.com", "https", "api-hipchat.com", 443, HOSTS_NO },
	{ "api.hipchat.com", "https", "", 443, HOSTS_NO },
	{ "api.hipchat.com", "ftp", "api.hipchat.com", 443, HOSTS_NO },
	{ "api.hipchat.com", "", "api.hipchat.com", 443, HOSTS_NO },
	{ "127.0.0.1", "https", "127.0.0.1", 443, HOSTS_PUBLIC },
	{ "[::1]", "https", "[::1]", 443, HOSTS_PUBLIC },

	/* a domain */
	{ "*.hipchat.com", "https", "api.hipchat.com", 443, HOSTS_PUBLIC },
	{ "*.hipchat.com", "https", "a.b.hipchat.com", 443, HOSTS_PUBLIC },
	{ "*.HipChat.com", "https", "API.hIPcHAT.COM", 443, HOSTS_PUBLIC },
	{ "*.hipchat.com", "https", "hipchat.com", 443, HOSTS_NO },
	{ "*.hipchat.com", "https", ".hipchat.com", 443, HOSTS_NO },
	{ "*.hipchat.com", "https", "..hipchat.com", 443, HOSTS_NO },
	{ "*.hipchat.com", "https", "evilhipchat.com", 443, HOSTS_NO },
	{ "*.hipchat.com", "https", "api.hipchat.com.", 443, HOSTS_NO },
	{ "*.hipchat.com", "https", "api.hipchat.com.evil.example", 443,
	    HOSTS_NO },
	{ "*.hipchat.com", "https", "", 443, HOSTS_NO },
	{ "*.hipchat.com", "http", "api.hipchat.com", 80, HOSTS_NO },
	{ "*.hipchat.com", "https", "api.hipchat.com", 444, HOSTS_NO },
	{ "*.0.0.1", "https", "127.0.0.1", 443, HOSTS_PUBLIC },

	/* an origin */
	{ "http://127.0.0.1:8081", "http", "127.0.0.1", 8081, HOSTS_ORIGIN },
	{ "http://127.0.0.1:8081", "https", "127.0.0.1", 8081, HOSTS_NO },
	{ "http://127.0.0.1:8081", "http", "127.0.0.1", 80, HOSTS_NO },
	{ "http://127.0.0.1:8081", "http", "127.0.0.1", 8082, HOSTS_NO },
	{ "http://127.0.0.1:8081", "http", "127.0.0.2", 8081, HOSTS_NO },
	{ "http://127.0.0.1:8081", "http", "localhost", 8081, HOSTS_NO },
	{ "http://127.0.0.1", "http", "127.0.0.1", 80, HOSTS_ORIGIN },
	{ "http://127.0.0.1", "https", "127.0.0.1", 443, HOSTS_NO },
	{ "https://chat.example", "https", "chat.example", 443, HOSTS_ORIGIN },
	{ "https://chat.example", "https", "CHAT.example", 443, HOSTS_ORIGIN },
	{ "https://chat.example", "http", "chat.example", 80, HOSTS_NO },
	{ "https://chat.example", "https", "x.chat.example", 443, HOSTS_NO },
	{ "https://chat.example:8443", "https", "chat.example", 8443,
	    HOSTS_ORIGIN },
	{ "https://chat.example:8443", "https", "chat.example", 443, HOSTS_NO },
	{ "http://[::1]:8081", "http", "[::1]", 8081, HOSTS_ORIGIN },
	{ "http://[FD00::A]:8081", "http", "[fd00::a]", 8081, HOSTS_ORIGIN },
	{ "http://[::1]:8081", "http", "::1", 8081, HOSTS_NO },

	/* a list; nobody is on an empty one */
	{ NULL, "https", "api.hipchat.com", 443, HOSTS_NO },
	{ "", "https", "api.hipchat.com", 443, HOSTS_NO },
	{ "a.example b.example", "https", "b.example", 443, HOSTS_PUBLIC },
	{ "a.example\tb.example", "https", "a.example", 443, HOSTS_PUBLIC },
	{ "a.example b.example", "https", "a.example b.example", 443,
	    HOSTS_NO },
	{ "a.example b.example", "https", "c.example", 443, HOSTS_NO },
	{ "*.example https://a.example", "https", "a.example", 443,
	    HOSTS_ORIGIN },
	{ "https://a.example *.example", "https", "a.example", 443,
	    HOSTS_ORIGIN },
	{ "https://a.example *.example", "https", "b.example", 443,
	    HOSTS_PUBLIC },
	{ "https://a.example:1 *.example", "https", "a.example", 443,
	    HOSTS_PUBLIC },
};

static void
test_match(void)
{
	size_t i;

	for (i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		is_int(hosts_match(verdicts[i].list, verdicts[i].scheme,
			   verdicts[i].host, verdicts[i].port),
		    verdicts[i].verdict, "%s of %s://%s:%u",
		    verdicts[i].list != NULL ? verdicts[i].list : "(NULL)",
		    verdicts[i].scheme, verdicts[i].host, verdicts[i].port);
}

static const struct {
	const char *list;
	const char *bad; /* NULL: none */
} malformed[] = {
	{ "api.hipchat.com", NULL },
	{ " a.example  *.b.example\t", NULL },
	{ "", "" },
	{ " \t", "" },
	{ "*", "*" },
	{ "a.example, b.example", "a.example," },
	{ "a.example b.example/ c/d", "b.example/" },
	{ "a.example http://", "http://" },
};

static void
test_bad(void)
{
	size_t i, len;

	for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		const char *got = hosts_bad(malformed[i].list, &len);
		char text[32];

		if (got != NULL)
			snprintf(text, sizeof(text), "%.*s", (int)len, got);
		is_str(got != NULL ? text : NULL, malformed[i].bad,
		    "the malformed entry of \"%s\"", malformed[i].list);
	}
}

static const struct {
	const char *url;
	bool valid;
} urls[] = {
	{ "https://addon.example.com", true },
	{ "http://127.0.0.1:8081", true },
	{ "https://[::1]:8443/hip/chat", true },
	{ "https://a/~me/cgi-bin", true },
	{ "", false },
	{ "https://", false },
	{ "https:///a", false },
	{ "https://a/", false },
	{ "https://a/b/", false },
	{ "https://a/b c", false },
	{ "https://a b", false },
	{ "https://a/%2f", false },
	{ "https://a?b", false },
	{ "https://*.a.example", false },
	{ "*.a.example", false },
	{ "a.example", false },
	{ "a://b", false },
	{ "//a", false },
	{ "ftp://a", false },
	{ "HTTPS://a", false },
	{ "https://a:0", false },
	{ "https://a:65536", false },
	{ "https://a:1x", false },
	{ "https://a:1 ", false },
	{ "https://a\thttps://b", false },
	{ "x https://a", false },
};

static void
test_base_url(void)
{
	size_t i;

	for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		ok(hosts_base_url(urls[i].url) == urls[i].valid,
		    "\"%s\" is %s base URL", urls[i].url,
		    urls[i].valid ? "a" : "no");
}

int
main(void)
{
	test_valid();
	test_match();
	test_bad();
	test_base_url();
	return done();
}
