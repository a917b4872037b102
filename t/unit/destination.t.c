/* Which recipients of a message go together. */
#include "spool/destination.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/unit/tap.h"

enum { MANY = 1000 };

static struct settings *
read_settings(const char *text)
{
	char path[] = "/tmp/destination.XXXXXX", *err = NULL;
	int fd = mkstemp(path);
	struct settings *s = NULL;

	if (fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		s = settings_read(path, false, &err);
	close(fd);
	unlink(path);
	if (s == NULL) {
		printf("Bail out! %s\n", err != NULL ? err : "no file");
		exit(1);
	}
	return s;
}

static struct {
	unsigned groups, rcpts, most;
	char names[MANY][NEXTHOP_MAX];
	bool good; /* each is in one group, of its own destination */
	bool seen[MANY];
	const struct settings *s;
	const struct envelope *e;
	const unsigned *next;
} got;

static void
group(void *arg, const struct destination *d)
{
	char name[NEXTHOP_MAX];
	unsigned n = 0;

	(void)arg;
	memcpy(got.names[got.groups++], d->nexthop, sizeof(d->nexthop));
	for (unsigned i = d->first; i != DESTINATION_NONE; i = got.next[i]) {
		got.good &= !got.seen[i] &&
			    nexthop_of(got.s,
				nexthop_domain(got.e->rcpt[i].address), name) &&
			    strcmp(name, d->nexthop) == 0;
		got.seen[i] = true;
		n++;
	}
	got.good &= n == d->n;
	got.rcpts += n;
	got.most = n > got.most ? n : got.most;
}

static void
gather(
    const struct settings *s, struct envelope_rcpt *r, unsigned n, unsigned max)
{
	static unsigned next[MANY];
	const struct envelope e = { .rcpt = r, .rcpt_n = n };

	memset(&got, 0, sizeof(got));
	got.good = true;
	got.s = s;
	got.e = &e;
	got.next = next;
	got.good &= destinations_gather(s, &e, max, next, group, NULL);
}

static struct envelope_rcpt
to(const char *address, char state)
{
	return (struct envelope_rcpt){ .address = view_of(address),
		.state = state };
}

static void
test_few(const struct settings *s)
{
	struct envelope_rcpt r[] = { to("a@one.test", 'T'),
		to("b@two.test", 'T'), to("bob@example.org", 'T'),
		to("c@ONE.test", 'W'), to("d@one.test", 'D'),
		to("e@one.test", 'B'), to("root", 'T'),
		to("f@[192.0.2.1]", 'T'), to("g@sub.three.test", 'T'),
		to("h@other.three.test", 'T') };

	gather(s, r, NELEM(r), 100);
	ok(got.good && got.groups == 4 && got.rcpts == 6,
	    "those of one domain, or one transport, go together (%u, %u)",
	    got.groups, got.rcpts);
	ok(!got.seen[2] && !got.seen[6], "those of this host are left out");
	ok(!got.seen[4] && !got.seen[5], "and those who are done");
}

static void
test_many(const struct settings *s, unsigned want)
{
	static char text[MANY][40];
	static struct envelope_rcpt r[MANY];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text[i], sizeof(text[i]), "u%u@d%u.test", i, i % 7);
		r[i] = to(text[i], 'T');
	}
	gather(s, r, MANY, 100);
	ok(got.good && got.rcpts == MANY && got.groups == want &&
		got.most <= 100,
	    "a thousand go in %u parts of at most 100", got.groups);
}

static void
test_foreign(const struct settings *s)
{
	static const struct {
		const char *address;
		bool foreign;
	} cases[] = { { "bob", false }, { "bob@EXAMPLE.org", false },
		{ "bob@example.org.test", true }, { "bob@[127.0.0.1]", true },
		{ "\"a@example.org\"@b.test", true },
		{ "\"a@b.test\"@example.org", false },
		{ "bob@xexample.org", true }, { "bob@v.example", false } };

	for (size_t i = 0; i < NELEM(cases); i++)
		ok(destination_foreign(s, view_of(cases[i].address)) ==
			cases[i].foreign,
		    "%s is %s", cases[i].address,
		    cases[i].foreign ? "foreign" : "ours");
}

int
main(void)
{
	struct settings *mx = read_settings(
	    "local_domains example.org\nvirtual_domains v.example\n"
	    "transport .three.test smtp:gate.test:25\n");
	struct settings *hub =
	    read_settings("local_domains example.org\nrelay hub.test:25\n");

	test_foreign(mx);
	test_few(mx);
	test_many(mx, 14);
	test_many(hub, 10);
	settings_free(mx);
	settings_free(hub);
	return done_testing();
}
