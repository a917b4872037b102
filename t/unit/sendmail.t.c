/* sendmail(8): its command line, lines, header, lists of addresses; questions
 * to the queue. */
#include "spool/sendmail.h"

#include <string.h>
#include <sysexits.h>

#include "spool/address_list.h"
#include "spool/control.h"
#include "spool/control_client.h"
#include "spool/sendmail_header.h"
#include "spool/sendmail_input.h"
#include "t/unit/tap.h"

/* ---- lists of addresses ---- */

static void
test_lists(void)
{
	static const struct {
		const char *list, *want; /* each ended by |, ! is a bad one */
	} cases[] = {
		{ "a@b.test", "a@b.test|" }, { "bob", "bob|" },
		{ " a@b.test , c@d.test,", "a@b.test|c@d.test|" },
		{ "Bob <b@c.test>", "b@c.test|" },
		{ "\"Doe, Jane\" <j@c.test>, x", "j@c.test|x|" },
		{ "j@c.test (Doe, Jane (sic\\)))", "j@c.test|" },
		{ "(a) j (b) @ (c) c . test", "j@c.test|" },
		{ "friends: a@b.test, c;, d", "a@b.test|c|d|" },
		{ "undisclosed-recipients:;", "" },
		{ "\"a b\"@c.test", "\"a b\"@c.test|" },
		{ "\"a\\\"b\"@c.test", "\"a\\\"b\"@c.test|" },
		{ "<@x.test,@y.test:a@b.test>", "a@b.test|" },
		{ "a@[IPv6:2001:db8::1], b", "a@[IPv6:2001:db8::1]|b|" },
		{ "a\r\n\t@b.test,\r\n c", "a@b.test|c|" }, { "", "" },
		{ " , ,, ", "" }, { "a b, c", "!c|" },
		{ "a b <c@d.test> e, f", "!f|" },
		{ "<a@b.test> <c@d.test>", "!" }, { "<>", "!" },
		{ "a@b.test (open", "!" }, { "\"open, c@d.test", "!" },
		{ "<a@b.test, c@d.test", "!" }, { "a>b, c", "!c|" },
		{ "a\nRCPT TO:<x>", "x|" }, /* a group of that name */
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct view rest = view_of(cases[i].list), text;
		struct address a;
		enum address_item item;
		struct buf b;

		buf_init(&b, 4096);
		while ((item = address_list_next(&rest, &a, &text)) != ITEM_END)
			if (item == ITEM_BAD)
				buf_addc(&b, '!');
			else
				buf_addf(&b, "%s|", a.text);
		ok(view_eqs(buf_view(&b), cases[i].want), "list: %s",
		    i > 20 ? "odd" : cases[i].list);
		buf_free(&b);
	}
	char longish[3000];
	memset(longish, 'a', sizeof(longish));
	struct view rest = { longish, sizeof(longish) }, text;
	struct address a;
	ok(address_list_next(&rest, &a, &text) == ITEM_BAD,
	    "an address of 3000 octets is none");
}

/* ---- lines ---- */

static void
test_input(void)
{
	static const struct {
		const char *in, *want;
		bool dot_ends;
	} cases[] = {
		{ "a\nb\n", "a\r\nb\r\n", true },
		{ "a\r\nb\r\n", "a\r\nb\r\n", true },
		{ "a\r\r\nb", "a\r\r\nb\r\n", true },
		{ "a\rb\r", "a\rb\r\r\n", true },
		{ "a\n.\nb\n", "a\r\n", true },
		{ "a\n.\r\nb\n", "a\r\n", true },
		{ "a\n.", "a\r\n", true },
		{ "a\n.\rb\n", "a\r\n.\rb\r\n", true },
		{ "a\n..\n.b\n", "a\r\n..\r\n.b\r\n", true },
		{ ".\nx", "", true },
		{ "a\n.\nb\n", "a\r\n.\r\nb\r\n", false },
		{ "", "", true },
		{ "\n\n", "\r\n\r\n", true },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		size_t n = strlen(cases[i].in);
		bool all = true;
		for (size_t step = 1; step <= n + 1; step++) {
			struct input in = { .fd = -1,
				.dot_ends = cases[i].dot_ends };
			char out[64];
			size_t at = 0, done = 0;
			do {
				size_t k = n - at < step ? n - at : step;
				done += input_convert(&in, cases[i].in + at, k,
				    at + k == n, out + done);
				at += k;
			} while (at < n);
			all = all && view_eqs((struct view){ out, done },
					 cases[i].want);
		}
		ok(all, "lines %zu, in pieces of any size", i);
	}
}

/* ---- the header ---- */

static void
test_header(void)
{
	static const char text[] = "From alice Mon\r\n"
				   "To: a@b.test\r\n"
				   "BCC: x,\r\n"
				   "\ty@z.test\r\n"
				   "Date: now\r\n"
				   "\r\n"
				   "Bcc: in the body\r\n";
	static const char want[] = "From: F\r\n"
				   "Message-ID: <i>\r\n"
				   "To: a@b.test\r\n"
				   "Date: now\r\n"
				   "\r\n";
	static const struct mail_header_add add = { "F", "D", "<i>", NULL };
	bool all = true;

	for (size_t step = 1; step < sizeof(text); step++) {
		struct mail_header h;
		struct view rest = view_of(text);
		struct buf out;
		mail_header_init(&h);
		buf_init(&out, 4096);
		while (rest.n > 0) {
			size_t n = rest.n < step ? rest.n : step;
			rest = (struct view){ rest.p + n, rest.n - n };
			if (mail_header_feed(&h, (struct view){ rest.p - n, n },
				rest.n == 0))
				break;
		}
		mail_header_print(&h, &add, &out);
		all = all && h.done && view_eqs(buf_view(&out), want) &&
		      mail_header_body(&h).n + rest.n ==
			  strlen("Bcc: in the body\r\n");
		buf_free(&out);
		mail_header_free(&h);
	}
	ok(all, "a header in pieces of any size");
	struct mail_header h;
	mail_header_init(&h);
	static char junk[65536];
	memset(junk, 'x', sizeof(junk));
	memcpy(junk, "X:", 2);
	bool ended = false;
	for (int i = 0; i < 40 && !h.too_long; i++)
		ended |= mail_header_feed(
		    &h, (struct view){ junk, sizeof(junk) }, false);
	ok(!ended && h.too_long && h.in.n <= MAIL_HEADER_MAX + sizeof(junk),
	    "a header without end is too long, and takes no more memory");
	mail_header_free(&h);
}

static void
test_from(void)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{ "", "a@b" },
		{ "Al Ice", "Al Ice <a@b>" },
		{ "A. \"B\" \\C", "\"A. \\\"B\\\" \\\\C\" <a@b>" },
		{ "J\xc3\xb6rg", "=?UTF-8?B?SsO2cmc=?= <a@b>" },
		{ "J\xf6rg", "a@b" },
		{ "x\r\nBcc: y", "a@b" },
		{ "x\ty", "a@b" },
	};
	char out[300];

	for (size_t i = 0; i < NELEM(cases); i++) {
		mail_from_print(
		    view_of(cases[i].name), "a@b", out, sizeof(out));
		ok(strcmp(out, cases[i].want) == 0, "From %zu: %s", i, out);
	}
}

/* ---- the command line ---- */

static int
options(struct sendmail *m, const char *program, const char *const *arg)
{
	static char *argv[16];
	static char text[16][64];
	char err[300];
	int n = 1;

	for (; arg[n - 1] != NULL; n++) {
		snprintf(text[n], sizeof(text[n]), "%s", arg[n - 1]);
		argv[n] = text[n];
	}
	argv[0] = text[0];
	argv[n] = NULL;
	return sendmail_options(program, n, argv, m, err, sizeof(err));
}
#define OPTIONS(m, ...) options(m, "sendmail", (const char *[]){ __VA_ARGS__ })

static void
test_options(void)
{
	static const char *const none[] = { NULL };
	struct sendmail m;

	ok(OPTIONS(&m, "-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f",
	       "user", NULL) == 0 &&
		m.dot_is_text && m.from_header &&
		strcmp(m.sender, "user") == 0 &&
		strcmp(m.name, "CronDaemon") == 0 && m.address_n == 0,
	    "as cron calls it");
	ok(OPTIONS(&m, "-tiv", "-ffoo", "--", "-x", NULL) == 0 &&
		m.dot_is_text && m.from_header && m.verbose &&
		m.address_n == 1 && strcmp(m.address[0], "-x") == 0,
	    "letters in one word, and --");
	ok(options(&m, "mailq", none) == 0 && m.mode == MODE_LIST &&
		options(&m, "newaliases", none) == 0 &&
		m.mode == MODE_ALIASES && OPTIONS(&m, "-bp", NULL) == 0 &&
		m.mode == MODE_LIST && OPTIONS(&m, "-bi", NULL) == 0 &&
		m.mode == MODE_ALIASES,
	    "mailq, newaliases");
	ok(OPTIONS(&m, "-qRfoo", NULL) == 0 && m.mode == MODE_FLUSH &&
		m.flush_by == 'R' && strcmp(m.flush, "foo") == 0 &&
		OPTIONS(&m, "-q15m", NULL) == 0 && m.flush == NULL,
	    "-q");
	ok(OPTIONS(&m, "-f", NULL) == EX_USAGE &&
		OPTIONS(&m, "-N", "foo", NULL) == EX_USAGE &&
		OPTIONS(&m, "-bd", NULL) == EX_USAGE &&
		OPTIONS(&m, "-b", NULL) == EX_USAGE &&
		OPTIONS(&m, "-V", "a b", NULL) == EX_USAGE,
	    "what cannot be is EX_USAGE");
	ok(OPTIONS(&m, "-", "a", NULL) == 0 && m.address_n == 2,
	    "a lonely - is an argument");
}

/* ---- questions to the queue ---- */

static void
test_query(void)
{
	static const struct {
		const char *glob, *text;
		bool want;
	} globs[] = { { "*", "", true }, { "a*c", "abbc", true },
		{ "a*c", "abcb", false }, { "?", "", false },
		{ "A?c", "abC", true }, { "*a*b*", "xxaxxbxx", true },
		{ "", "a", false }, { "", "", true }, { "**", "x", true },
		{ "*.x.test", "a.x.test", true },
		{ "*.x.test", "x.test", false } };
	struct control_query q;
	const char *why;

	for (size_t i = 0; i < NELEM(globs); i++)
		ok(control_glob(globs[i].glob, view_of(globs[i].text)) ==
			globs[i].want,
		    "%s %s %s", globs[i].glob,
		    globs[i].want ? "fits" : "does not fit", globs[i].text);
	char deep[300], stars[200];
	memset(deep, 'a', sizeof(deep));
	for (size_t i = 0; i + 2 < sizeof(stars); i += 2)
		memcpy(stars + i, "*a", 2);
	memcpy(stars + sizeof(stars) - 2, "b", 2);
	ok(!control_glob(stars, (struct view){ deep, sizeof(deep) }),
	    "a pattern of many stars ends soon");
	ok(control_parse(view_of("list"), &q, &why) && q.held && q.queued &&
		control_parse(
		    view_of("list\tstate=hold\tolder=60"), &q, &why) &&
		!q.queued && q.older == 60,
	    "questions");
	ok(control_parse(view_of("release"), &q, &why) && !q.queued &&
		control_parse(view_of("hold"), &q, &why) && !q.held &&
		control_parse(view_of("delete"), &q, &why) && q.held &&
		q.queued,
	    "verbs know what they are for");
	static const char *const bad[] = { "", "lists", "list\t",
		"list\tid=../x", "show", "list\tolder=-1",
		"list\tsender=", "list\tfoo=1", "list\tstate=x" };
	for (size_t i = 0; i < NELEM(bad); i++)
		ok((strcmp(bad[i], "list\t") == 0) ==
			control_parse(view_of(bad[i]), &q, &why),
		    "question %zu", i);
}

/* ---- answers ---- */

static char heard[300];

static bool
hear(void *arg, const struct view *w, unsigned n)
{
	(void)arg;
	size_t at = strlen(heard);
	snprintf(
	    heard + at, sizeof(heard) - at, "%.*s%u ", (int)w[0].n, w[0].p, n);
	return true;
}

static bool
hear_content(void *arg, struct view v)
{
	(void)arg;
	size_t at = strlen(heard);
	snprintf(heard + at, sizeof(heard) - at, "[%.*s]", (int)v.n, v.p);
	return true;
}

static void
test_answers(void)
{
	static const struct control_reader reader = { hear, hear_content,
		NULL };
	struct control_parser p = { .reader = &reader };
	struct view v = view_of("M\ta\tb\nC\t5\nx\n=\t9\n=\t1\n");

	ok(!control_take(&p, &v) && p.ended && !p.bad &&
		strcmp(heard, "M3 C2 [x\n=\t9]=2 ") == 0,
	    "content that looks like an answer is content: %s", heard);
	p = (struct control_parser){ .reader = &reader };
	v = view_of("C\tx\n");
	ok(!control_take(&p, &v) && p.bad, "a length that is none");
	p = (struct control_parser){ .reader = &reader };
	v = view_of("E\tno\n");
	ok(!control_take(&p, &v) && p.ended && strcmp(p.error, "no") == 0,
	    "an error");
	p = (struct control_parser){ .reader = &reader };
	v = view_of("M\tx");
	ok(control_take(&p, &v) && v.n == 3, "half a line waits");
}

/* ---- addresses without a domain ---- */

static void
test_people(void)
{
	static const struct {
		const char *field, *want;
	} t[] = {
		{ "To: root", "To: root@h.test" },
		{ "TO: root, a@b.test,bob",
		    "TO: root@h.test, a@b.test,bob@h.test" },
		{ "From: root (Cron Daemon)",
		    "From: root@h.test (Cron Daemon)" },
		{ "Cc: The Boss <boss>, \"x, y\" <z>",
		    "Cc: The Boss <boss@h.test>, \"x, y\" <z@h.test>" },
		{ "Reply-To: a,\r\n\tb", "Reply-To: a@h.test,\r\n\tb@h.test" },
		{ "Resent-To: \"a b\"", "Resent-To: \"a b\"@h.test" },
		{ "To: undisclosed-recipients:;", NULL },
		{ "To: no address, two words", NULL },
		{ "To: <a@b.test>, (root) <>", NULL },
		{ "Subject: root", NULL },
		{ "To:", NULL },
		{ "X-To: root", NULL },
	};
	const struct mail_header_add add = { "F", "D", "<i>", "h.test" };
	static char wide[2000];

	for (size_t i = 0; i <= NELEM(t); i++) {
		const char *field = i < NELEM(t) ? t[i].field : wide;
		struct mail_header h;
		struct buf in, out;
		if (i == NELEM(t)) { /* what fits no line is left alone */
			memset(wide, ' ', 996);
			memcpy(wide, "To:", 3);
			wide[990] = 'a';
		}
		buf_init(&in, 4096);
		buf_addf(&in, "%s\r\n\r\n", field);
		buf_init(&out, 8192);
		mail_header_init(&h);
		mail_header_feed(&h, buf_view(&in), true);
		mail_header_print(&h, &add, &out);
		buf_addc(&out, '\0');
		const char *want =
		    i < NELEM(t) && t[i].want != NULL ? t[i].want : field;
		char *at = strstr(out.p, want);
		ok(!out.bad && at != NULL &&
			strcmp(at + strlen(want), "\r\n\r\n") == 0,
		    "%.60s", want);
		buf_free(&in);
		buf_free(&out);
		mail_header_free(&h);
	}
}

int
main(void)
{
	test_lists();
	test_input();
	test_header();
	test_from();
	test_options();
	test_query();
	test_answers();
	test_people();
	return done_testing();
}
