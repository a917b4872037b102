/*
 * Random verb sequences against a small reference machine (RFC 5321 4.1.4, RFC
 * 3030 2): it knows the state that a session must be in and the codes that a
 * command may be answered with there.  Whole and cut into arbitrary pieces;
 * the sequence is a function of its number, so that a failure can be repeated
 * (SMTP_MODEL_SEED).
 *
 * "smtp-model.t N" prints N of them, for t/0345-smtp-model.t, which says them
 * to the server itself, plain and with TLS: in each line the pieces, behind
 * each of which the client waits, as octets in hexadecimal, and the codes that
 * it must have had until then.
 */
#define _GNU_SOURCE
#include "t/unit/smtp_fake.h"

#include "t/unit/tap.h"

enum { RUNS = 4000, STEPS = 30 };

/* ---- the reference ---- */

enum model { NEW, READY, MAIL, RCPT, BDAT };

static struct {
	enum model state;
	bool refused; /* a recipient was */
	bool binary, utf8, auth, tls;
	unsigned stored;
} model;
static bool printing;

/* A command, and the code that it must be answered with. */
struct step {
	char text[200];
	unsigned code;
	bool sync; /* nothing may be sent before its reply is there */
};

static uint64_t state;

static unsigned
roll(unsigned n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(state >> 33) % n;
}

static void
reset(void)
{
	if (model.state != NEW)
		model.state = READY;
	model.refused = model.binary = model.utf8 = false;
}

static struct step
say(const char *text, unsigned code)
{
	struct step s = { .code = code };

	snprintf(s.text, sizeof(s.text), "%s", text);
	return s;
}

static struct step
step_mail(void)
{
	static const struct {
		const char *text;
		unsigned code; /* in the right state */
		bool binary, utf8;
	} ways[] = { { "MAIL FROM:<a@b>\r\n", 250, false, false },
		{ "mail from: a@b\r\n", 250, false, false },
		{ "MAIL FROM:<> SMTPUTF8\r\n", 250, false, true },
		{ "MAIL FROM:<a@b> BODY=BINARYMIME\r\n", 250, true, false },
		{ "MAIL FROM:<a@b> FROB\r\n", 555, false, false },
		{ "MAIL FROM:<a b>\r\n", 501, false, false },
		{ "MAIL FROM:<\xc3\xb6@b>\r\n", 553, false, false },
		{ "MAIL FROM:<a@b> SIZE=999999999\r\n", 552, false, false } };
	unsigned w = roll(NELEM(ways));

	if (model.state != READY)
		return say(ways[w].text, 503);
	if (ways[w].code == 250) {
		model.state = MAIL;
		model.binary = ways[w].binary;
		model.utf8 = ways[w].utf8;
	}
	return say(ways[w].text, ways[w].code);
}

static struct step
step_rcpt(void)
{
	static const struct {
		const char *text;
		unsigned code;
	} ways[] = { { "RCPT TO:<bob@example.org>\r\n", 250 },
		{ "RCPT TO:<alice>\r\n", 250 }, { "RCPT TO:<nobody>\r\n", 550 },
		{ "RCPT TO:<x@elsewhere>\r\n", 550 }, { "RCPT TO:<>\r\n", 501 },
		{ "RCPT TO:<later>\r\n", 451 },
		{ "RCPT TO:<bob> NOTIFY=NEVER\r\n", 250 } };
	unsigned w = roll(NELEM(ways));

	/* There, nobody is looked up in vain, and nothing goes elsewhere. */
	if (printing &&
	    (ways[w].code == 451 || strstr(ways[w].text, "elsewhere") != NULL))
		w = 2;
	if (model.state != MAIL && model.state != RCPT)
		return say(ways[w].text, 503);
	unsigned code = ways[w].code;
	/* Users may send elsewhere. */
	if (model.auth && strstr(ways[w].text, "elsewhere") != NULL)
		code = 250;
	if (code == 250)
		model.state = RCPT;
	else
		model.refused = true;
	return say(ways[w].text, code);
}

static unsigned
no_recipient(void)
{
	return model.state == MAIL && model.refused ? 554 : 503;
}

static struct step
step_data(void)
{
	struct step s = say("DATA\r\n", 354);

	s.sync = true;
	if (model.state != RCPT)
		s.code = no_recipient();
	else if (model.binary)
		s.code = 503;
	return s;
}

static struct step
step_bdat(void)
{
	static const char octets[] = "QUIT\r\n.\r\nRSET\r\n\0\n.\n";
	unsigned n = roll(sizeof(octets)), last = roll(2);
	struct step s = { .code = 250 };

	for (unsigned i = 0; i < n; i++) /* no NUL: the text is a string */
		if (octets[i] == '\0')
			n = i;
	snprintf(s.text, sizeof(s.text), "BDAT %u%s\r\n%.*s", n,
	    last ? " LAST" : "", (int)n, octets);
	if (model.state != RCPT && model.state != BDAT) {
		s.code = no_recipient();
		return s;
	}
	model.state = BDAT;
	if (last) {
		model.stored++;
		reset();
	}
	return s;
}

static struct step
step_hello(void)
{
	model.state = READY;
	reset();
	return say(roll(2) ? "EHLO c\r\n" : "HELO c\r\n", 250);
}

static struct step
step_auth(void)
{
	if (model.state != READY)
		return say("AUTH PLAIN AGJvYgBib2ItcGFzcw==\r\n", 503);
	if (model.auth)
		return say("AUTH PLAIN x\r\n", 503);
	model.auth = true;
	return say("AUTH PLAIN AGJvYgBib2ItcGFzcw==\r\n", 235);
}

static struct step
step_starttls(void)
{
	struct step s = say("STARTTLS\r\n", 503);

	s.sync = true;
	if (model.state != READY || model.tls || model.auth)
		return s;
	model.tls = true;
	model.state = NEW;
	model.refused = model.binary = model.utf8 = false;
	s.code = 220;
	return s;
}

static struct step
step_other(void)
{
	static const struct {
		const char *text;
		unsigned code;
	} ways[] = { { "NOOP\r\n", 250 }, { "HELP\r\n", 214 },
		{ "HELP bdat\r\n", 214 }, { "VRFY bob\r\n", 252 },
		{ "TURN\r\n", 502 }, { "ETRN x\r\n", 502 }, { "ONEX\r\n", 250 },
		{ "RSET now\r\n", 501 }, { "SUBMITTER x\r\n", 500 },
		{ "NOO\bP\r\n", 500 }, { "NO\rOP\r\n", 500 },
		{ "EHLO\r\n", 501 } };
	unsigned w = roll(NELEM(ways));

	if (model.auth && strncmp(ways[w].text, "VRFY", 4) == 0)
		return say(ways[w].text, 250);
	return say(ways[w].text, ways[w].code);
}

static struct step
next_step(void)
{
	switch (roll(12)) {
	case 0:
		return roll(4) == 0 ? step_hello() : step_bdat();
	case 1:
	case 2:
	case 3:
		return step_mail();
	case 4:
	case 5:
		return step_rcpt();
	case 6:
		return step_data();
	case 7:
	case 8:
		return step_bdat();
	case 9:
		if (roll(3) == 0)
			return step_auth();
		if (roll(3) == 0)
			return step_starttls();
		reset();
		return say("RSET\r\n", 250);
	default:
		return step_other();
	}
}

/* ---- one sequence ---- */

static struct buf in = { .max = 1 << 16 };
static unsigned want[4 * STEPS], want_n;
static unsigned marks[8 * STEPS], mark_n; /* codes before each mark */

static void
mark(void)
{
	buf_adds(&in, MARK);
	marks[mark_n++] = want_n;
}

/* Adds a step, and the content after a 354.  A mark goes where a client must
 * wait. */
static void
add(struct step s)
{
	want[want_n++] = s.code;
	buf_adds(&in, s.text);
	if (s.sync || roll(3) == 0)
		mark();
	if (s.code != 354)
		return;
	buf_adds(
	    &in, roll(2) ? "Subject: x\r\n\r\n..\r\nQUIT\r\n.\r\n" : ".\r\n");
	want[want_n++] = 250;
	model.stored++;
	reset();
	if (roll(3) == 0)
		mark();
}

static void
make(uint64_t seed, bool tls)
{
	static char anything;

	state = seed * 0x9e3779b97f4a7c15ULL + 1;
	memset(&model, 0, sizeof(model));
	buf_clear(&in);
	want_n = mark_n = 0;
	fake_listener.plaintext_auth = true;
	fake_worker.tls = (void *)&anything;
	want[want_n++] = 220;
	if (tls) {
		add(say("EHLO c\r\n", 250));
		model.state = READY;
		mark();
		add(step_starttls());
	}
	if (roll(8) != 0)
		add(step_hello());
	for (unsigned i = 0; i < STEPS; i++) {
		struct step s = next_step();
		if (s.sync) /* and nothing refused as content in front of it */
			mark();
		add(s);
		/* What is no command would be taken for content now. */
		if (strcmp(s.text, "DATA\r\n") == 0 && s.code != 354)
			add(say("NOOP\r\n", 250));
	}
	add(say("QUIT\r\n", 221));
}

/* The codes of the replies' last lines; each line well formed. */
static bool
compare(void)
{
	unsigned n = 0;
	bool good = true;

	for (const char *p = buf_cstr(&fake.out), *lf; *p != '\0'; p = lf + 1) {
		lf = strchr(p, '\n');
		if (lf == NULL || lf - p < 6 || lf[-1] != '\r')
			return false;
		if (p[3] == '-')
			continue;
		good = good && n < want_n &&
		       (unsigned)strtoul(p, NULL, 10) == want[n];
		if (!good) {
			printf("# reply %u: want %u, got %.*s\n", n,
			    n < want_n ? want[n] : 0, (int)(lf - p), p);
			return false;
		}
		n++;
	}
	return n == want_n && fake.delivered + fake.queued == model.stored;
}

/* The same octets, in pieces of one to ten that end at a mark at the latest. */
static void
cut(void)
{
	static struct buf b = { .max = 1 << 18 };
	unsigned left = 1 + roll(10);

	buf_clear(&b);
	for (size_t i = 0; i < in.n; i++) {
		buf_addc(&b, in.p[i]);
		if (in.p[i] != MARK[0] && --left > 0)
			continue;
		if (in.p[i] != MARK[0])
			buf_adds(&b, MARK);
		left = 1 + roll(10);
	}
	struct buf swap = in;
	in = b;
	b = swap;
}

/* Two marks in a row would be an end of input. */
static void
squeeze(void)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++)
		if (in.p[i] != MARK[0] ||
		    (n > 0 && in.p[n - 1] != MARK[0] && i + 1 < in.n))
			in.p[n++] = in.p[i];
	in.n = n;
}

/* ---- for the server itself ---- */

static void
print(uint64_t seed, bool tls)
{
	unsigned code = 0, n = 0;

	make(seed, tls);
	mark();
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] != MARK[0]) {
			printf("%02x", (unsigned char)in.p[i]);
			continue;
		}
		for (; code < marks[n]; code++)
			printf(",%u", want[code]);
		n++;
		printf(" ");
	}
	printf("\n");
}

int
main(int argc, char **argv)
{
	const char *only = getenv("SMTP_MODEL_SEED");
	uint64_t first = only == NULL ? 1 : strtoull(only, NULL, 10);
	unsigned stored = 0;

	if (argc > 1) {
		printing = true;
		for (uint64_t n = strtoull(argv[1], NULL, 10); n > 0; n--)
			print(first + n, n % 2 == 0);
		return 0;
	}
	fake_start();
	fake_settings.errors_max = 1000;
	for (int pieces = 0; pieces < 2; pieces++) {
		uint64_t seed = first;
		bool good = true;
		for (; good && seed < first + (only == NULL ? RUNS : 1);
		     seed++) {
			make(seed, false);
			if (pieces)
				cut();
			squeeze();
			fake.mode = BY_MARK;
			fake_session(buf_view(&in));
			fake_log_text();
			good = compare();
			stored += model.stored;
		}
		if (!ok(good, "%d sequences%s", RUNS,
			pieces ? ", cut into pieces" : ""))
			printf("# seed %llu\n# %s\n",
			    (unsigned long long)seed - 1, buf_cstr(&fake.out));
	}
	ok(only != NULL || stored > RUNS / 2, "%u messages were stored",
	    stored);
	return done_testing();
}
