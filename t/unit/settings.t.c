/* The configuration: what is refused, and with which words. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/settings.h"
#include "common/view.h"
#include "t/unit/tap.h"

static struct settings *
read_text(const char *text, bool pop3, char **err)
{
	int fd = memfd_create("conf", 0);

	(void)!write(fd, text, strlen(text));
	lseek(fd, 0, SEEK_SET);
	return settings_read_fd(fd, "f.conf", pop3, err);
}

struct refusal {
	const char *text, *want;
	bool pop3;
};

static void
refuse(const struct refusal *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *err = NULL;
		struct settings *s =
		    read_text(cases[i].text, cases[i].pop3, &err);
		ok(s == NULL && err != NULL &&
			strstr(err, cases[i].want) != NULL,
		    "refused: %s", cases[i].want);
		if (err != NULL && strstr(err, cases[i].want) == NULL)
			printf("# got: %s\n", err);
		settings_free(s);
		free(err);
	}
}

/* No line of this file, or no value of its type. */
static void
refused_lines(void)
{
	static const struct refusal cases[] = {
		{ "listn mx *:25\n",
		    "f.conf:1: unknown keyword \"listn\"; did "
		    "you mean \"listen\"?",
		    false },
		{ "\n# c\nworkers_max 0\n",
		    "f.conf:3: workers_max must be "
		    "from 1 to 20000",
		    false },
		{ "workers_max many\n",
		    "f.conf:1: workers_max needs a number, "
		    "not \"many\"",
		    false },
		{ "workers_max 99999999999999999999\n", "must be from 1 to",
		    false },
		{ "grace_time 5x\n",
		    "f.conf:1: grace_time: \"x\" is not a "
		    "unit here; write 500ms, 30s, 5m, 2h or 1d",
		    false },
		{ "grace_time 1s\ngrace_time 2s\n",
		    "f.conf:2: grace_time is "
		    "set twice",
		    false },
		{ "users\n", "f.conf:1: users needs a value", false },
		{ "users a b\n", "f.conf:1: users takes one value; quote it",
		    false },
		{ "users \"a\n", "f.conf:1: a quote is not closed", false },
		{ "system_users maybe\n", "is yes or no, not \"maybe\"",
		    false },
	};

	refuse(cases, NELEM(cases));
}

static void
refused_values(void)
{
	static const struct refusal cases[] = {
		{ "listen mx 25\n", "f.conf:1: listen needs ADDRESS:PORT",
		    false },
		{ "listen mx host.example:25\n", "is not a numeric address",
		    false },
		{ "listen mx ::1:25\n",
		    "write an IPv6 address in brackets: "
		    "[::1]:25",
		    false },
		{ "listen mx *:99999\n", "is not a port number", false },
		{ "listen imap *:143\n", "listen type \"imap\"", false },
		{ "listen pop3 *:110\n", "listen pop3 is the other daemon's",
		    false },
		{ "tls_certificate /both.pem\n",
		    ":1: tls_certificate takes two", false },
		{ "listen smtps *:465\n", "needs a tls_certificate line",
		    false },
		{ "listen mx *:25 loud\n", "unknown option \"loud\"", false },
		{ "message_size_max 1M\n", "(the other daemon's)", true },
		{ "mailbox mail/%u\n", "mailbox must begin with / or %h/",
		    false },
		{ "mailbox_locks dotlock\n", "mailbox_locks is \"fcntl\" or",
		    false },
		{ "role_user master 1\n", "\"master\" is not a role", false },
		{ "local_domains a@b\n", "is not a domain name", false },
		{ "local_domains [192.0.2.256]\n", "is not an address literal",
		    false },
		{ "local_domains [2001:db8::1]\n", "is not an address literal",
		    false },
		{ "retry_min 1h\nretry_max 1m\n", "retry_max is less than",
		    false },
		{ "include /nonexistent/x\n", "/nonexistent/x: No such file",
		    false },
	};

	refuse(cases, NELEM(cases));
}

static char *
written(const struct settings *s, bool pop3)
{
	char *text = calloc(1, 65536);
	int fd = memfd_create("out", 0);

	settings_write(s, pop3, fd);
	(void)!pread(fd, text, 65535, 0);
	close(fd);
	return text;
}

static void
round_trip(bool pop3, const char *text)
{
	char *err = NULL;
	struct settings *a = read_text(text, pop3, &err);

	if (!ok(a != NULL, "reads"))
		return;
	char *one = written(a, pop3);
	struct settings *b = read_text(one, pop3, &err);
	ok(b != NULL, "what was written reads back");
	char *two = written(b, pop3);
	ok(strcmp(one, two) == 0, "and is the same");
	free(one);
	free(two);
	settings_free(a);
	settings_free(b);
}

static void
values(void)
{
	char *err = NULL;
	struct settings *s = read_text(
	    "LISTEN mx 127.0.0.1:25 # here\n"
	    "listen submission [::1]:587 plaintext_auth\r\n"
	    "command_timeout 90s\nmessage_size_max 2M\nusers \"/a b/users\"\n"
	    "local_domains Example.ORG x.example [IPv6:2001:DB8::0:1]\n"
	    "quoting mboxo\n",
	    false, &err);

	if (!ok(s != NULL, "a configuration"))
		return;
	ok(s->listener_n == 2 && s->listeners[1].plaintext_auth &&
		strcmp(s->listeners[1].address, "::1") == 0,
	    "listen");
	ok(s->command_timeout == 90000, "a time in milliseconds");
	ok(s->message_size_max == 2 << 20, "a size in octets");
	ok(strcmp(s->users, "/a b/users") == 0, "a quoted value");
	ok(!s->quoting_mboxrd, "quoting");
	ok(settings_local_domain(s, "eXample.org", 11) &&
		!settings_local_domain(s, "example.or", 10),
	    "local domains");
	ok(settings_local_domain(s, "[ipv6:2001:db8::1]", 18) &&
		!settings_local_domain(s, "[ipv6:2001:db8::2]", 18) &&
		!settings_local_domain(s, "2001:db8::1", 11),
	    "an address literal, however it is written");
	char *shown = settings_show(s, false, "command_timeout");
	ok(shown != NULL && strcmp(shown, "command_timeout 90s\n") == 0,
	    "-T shows the value in force");
	free(shown);
	ok(settings_show(s, false, "no_such") == NULL, "-T of nothing");
	settings_free(s);
}

/* Domains from files, one on each line. */
static void
domain_files(void)
{
	char path[] = "/tmp/domains.XXXXXX", text[200], want[100], *err;
	int fd = mkstemp(path);
	static const char good[] = "# ours\n\n One.example # x\r\ntwo.example",
			  bad[] = "one.example\na b\n";

	if (fd == -1 || write(fd, good, sizeof(good) - 1) == -1)
		abort();
	snprintf(text, sizeof(text),
	    "local_domains l.example\nvirtual_domains %s three.example\n",
	    path);
	struct settings *s = read_text(text, false, &err);
	ok(s != NULL && s->virtual_domain_n == 3 && s->local_domain_n == 1 &&
		settings_virtual_domain(s, "ONE.example", 11) &&
		settings_our_domain(s, "two.example", 11) &&
		settings_our_domain(s, "l.example", 9) &&
		!settings_local_domain(s, "two.example", 11) &&
		!settings_our_domain(s, "four.example", 12),
	    "domains from a file");
	settings_free(s);
	if (ftruncate(fd, 0) == -1 || pwrite(fd, bad, sizeof(bad) - 1, 0) == -1)
		abort();
	snprintf(text, sizeof(text), "local_domains %s\n", path);
	snprintf(
	    want, sizeof(want), "%s:2: \"a b\" is not a domain name", path);
	s = read_text(text, false, &err);
	ok(s == NULL && strstr(err, want) != NULL, "with a mistake");
	free(err);
	close(fd);
	unlink(path);
	s = read_text(text, false, &err);
	ok(s == NULL && strstr(err, path) != NULL, "that is not there");
	free(err);
}

int
main(void)
{
	refused_lines();
	refused_values();
	values();
	domain_files();
	round_trip(false,
	    "listen mx *:25\nlisten smtps [::]:465\n"
	    "tls_certificate /c /k\ntls_certificate /c2 /k2\n"
	    "role_user key 12\nrole_user log somebody\nretry_min 100ms\n");
	round_trip(true, "listen pop3 *:110\nusers \"\"\nidle_timeout 2h\n");
	ok(conf_distance("kitten", "sitting") == 3 &&
		conf_distance("RCPT", "rcpt") == 0,
	    "distance");
	return done_testing();
}
