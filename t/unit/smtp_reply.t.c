/* Replies of other servers, what of a record goes on, routes: the pure parts of
 * relaying. */
#include "smtpd/smtp_reply.h"

#include <string.h>

#include "smtpd/route.h"
#include "smtpd/smtpc_params.h"
#include "smtpd/sts.h"
#include "t/unit/tap.h"

static enum smtp_reply_is
feed(struct smtp_reply *r, const char *const *line)
{
	enum smtp_reply_is is = SMTP_REPLY_MORE;
	struct view text;

	smtp_reply_start(r);
	while (*line != NULL && is == SMTP_REPLY_MORE)
		is = smtp_reply_line(r, view_of(*line++), &text);
	return is;
}

static void
test_replies(void)
{
	static const struct {
		const char *line[4];
		enum smtp_reply_is is;
		unsigned code;
		const char *dsn, *text, *name;
	} cases[] = {
		{ { "250 2.1.5 Ok" }, SMTP_REPLY_END, 250, "2.1.5",
		    "250 2.1.5 Ok", "one line" },
		{ { "250" }, SMTP_REPLY_END, 250, "2.0.0", "250 ",
		    "a code alone" },
		{ { "550-5.7.1 a", "550 5.7.1 b" }, SMTP_REPLY_END, 550,
		    "5.7.1", "550 5.7.1 a 5.7.1 b", "two lines" },
		{ { "550-a", "551 b" }, SMTP_REPLY_BAD, 550, "", "550 a",
		    "two codes" },
		{ { "550 2.1.1 a" }, SMTP_REPLY_END, 550, "5.0.0",
		    "550 2.1.1 a", "a status of another class" },
		{ { "450 4.1234.1 a" }, SMTP_REPLY_END, 450, "4.0.0",
		    "450 4.1234.1 a", "no status at all" },
		{ { "250-more" }, SMTP_REPLY_MORE, 250, "", "250 more",
		    "to be continued" },
		{ { "25 x" }, SMTP_REPLY_BAD, 0, "", "", "two digits" },
		{ { "2500 x" }, SMTP_REPLY_BAD, 0, "", "", "four digits" },
		{ { "150 x" }, SMTP_REPLY_BAD, 0, "", "", "1xx" },
		{ { "650 x" }, SMTP_REPLY_BAD, 0, "", "", "6xx" },
		{ { "" }, SMTP_REPLY_BAD, 0, "", "", "nothing" },
		{ { "550 a\033b\177" }, SMTP_REPLY_END, 550, "5.0.0",
		    "550 a?b?", "control characters" },
		{ { "550 \xc3\xa4" }, SMTP_REPLY_END, 550, "5.0.0",
		    "550 \xc3\xa4", "UTF-8" },
		{ { "550 \xc3" }, SMTP_REPLY_END, 550, "5.0.0", "550 ?",
		    "not UTF-8" },
	};
	struct smtp_reply r;
	struct view text;

	for (size_t i = 0; i < NELEM(cases); i++) {
		enum smtp_reply_is is = feed(&r, cases[i].line);
		ok(is == cases[i].is && r.code == cases[i].code &&
			strcmp(r.dsn, cases[i].dsn) == 0 &&
			strcmp(r.text, cases[i].text) == 0,
		    "%s (%d %u %s %s)", cases[i].name, (int)is, r.code, r.dsn,
		    r.text);
	}
	unsigned n = 0;
	smtp_reply_start(&r);
	while (smtp_reply_line(&r, view_of("250-x"), &text) == SMTP_REPLY_MORE)
		n++;
	ok(n == SMTP_REPLY_LINES, "a reply has at most so many lines");
}

static void
test_caps(void)
{
	static const char *const lines[] = { "pipelining", "SIZE 1000",
		"AUTH PLAIN LOGIN", "X-OTHER", "STARTTLSX", "", "SIZE x" };
	struct smtpc_caps c = { .bits = 0 };

	for (size_t i = 0; i < NELEM(lines); i++)
		smtpc_caps_line(&c, view_of(lines[i]));
	ok(c.bits == (CAP_PIPELINING | CAP_SIZE | CAP_AUTH) &&
		c.size_max == 1000 && strcmp(c.auth, "PLAIN LOGIN") == 0,
	    "what a server offers");
}

static void
test_params(void)
{
	static struct relay_request rq;
	struct smtpc_caps c = { .bits = 0 };
	struct smtpc_needs n = { .size = 12, .eight_bit = true };
	struct smtp_reply r;
	struct view params = view_of("SMTPUTF8 RET=HDRS ENVID=x REQUIRETLS");
	struct buf b;

	buf_init(&b, 500);
	smtpc_mail_params(&c, params, &n, true, &b);
	ok(b.n == 0, "nothing is said that is not offered");
	c.bits =
	    CAP_SIZE | CAP_8BITMIME | CAP_DSN | CAP_SMTPUTF8 | CAP_REQUIRETLS;
	n.require_tls = true;
	smtpc_mail_params(&c, params, &n, true, &b);
	ok(strcmp(buf_cstr(&b), " SIZE=12 BODY=8BITMIME SMTPUTF8 RET=HDRS "
				"ENVID=x REQUIRETLS") == 0,
	    "all that is");
	buf_clear(&b);
	smtpc_rcpt_params(&c, view_of("NOTIFY=NEVER ORCPT=rfc822;a X=y"), &b);
	ok(strcmp(buf_cstr(&b), " NOTIFY=NEVER ORCPT=rfc822;a") == 0,
	    "of RCPT, too, and nothing else");
	buf_free(&b);
	rq.n = 1;
	rq.rcpt[0].address = "b@example.net";
	ok(smtpc_can_take(&c, &rq, &n, &r), "it can take that");
	c.size_max = 11;
	ok(!smtpc_can_take(&c, &rq, &n, &r) && strcmp(r.dsn, "5.3.4") == 0,
	    "not so large");
	c.size_max = 12;
	ok(smtpc_can_take(&c, &rq, &n, &r), "just as large");
	rq.rcpt[0].address = "\xc3\xa4@example.net";
	c.bits &= ~(unsigned)CAP_SMTPUTF8;
	ok(!smtpc_can_take(&c, &rq, &n, &r) && strcmp(r.dsn, "5.6.7") == 0,
	    "no UTF-8 address without SMTPUTF8");
	rq.rcpt[0].address = "b@\u00E4.example";
	ok(smtpc_can_take(&c, &rq, &n, &r), "but one that ASCII can express");
	c.bits &= ~(unsigned)CAP_8BITMIME;
	n.ascii_size = 13;
	ok(smtpc_seven_bit(&c, &n) && !smtpc_can_take(&c, &rq, &n, &r) &&
		strcmp(r.dsn, "5.3.4") == 0,
	    "not so large when converted");
	c.size_max = 13;
	ok(smtpc_can_take(&c, &rq, &n, &r), "8 bits that can be converted");
	buf_init(&b, 500);
	smtpc_mail_params(&c, view_of(""), &n, false, &b);
	ok(strcmp(buf_cstr(&b), " SIZE=13 REQUIRETLS") == 0,
	    "and are announced so");
	buf_free(&b);
	n.ascii_stuck = "x";
	ok(!smtpc_can_take(&c, &rq, &n, &r) && strcmp(r.dsn, "5.6.3") == 0,
	    "no others without 8BITMIME");
	n.report = true;
	ok(smtpc_can_take(&c, &rq, &n, &r), "but a report");
}

static void
add_mx(struct dns_answer *a, unsigned preference, const char *name)
{
	a->preference[a->n] = preference;
	view_copy(view_of(name), a->name[a->n++], DNS_NAME_MAX);
}

static void
test_order(void)
{
	static struct dns_answer a;
	static struct route r;
	bool null_mx, loops;
	unsigned first_b = 0;

	add_mx(&a, 20, "c.example");
	add_mx(&a, 10, "a.example");
	add_mx(&a, 10, "b.example");
	for (uint64_t seed = 1; seed <= 64; seed++) {
		route_order(&a, "me.example", seed * 0x9e3779b97f4a7c15, &r,
		    &null_mx, &loops);
		first_b += strcmp(r.host[0].name, "b.example") == 0;
		if (r.n != 3 || strcmp(r.host[2].name, "c.example") != 0)
			first_b = 1000;
	}
	ok(first_b > 8 && first_b < 56 && !null_mx && !loops,
	    "the lower number first, equal ones by chance (%u of 64)", first_b);
	add_mx(&a, 20, "ME.example");
	route_order(&a, "me.example", 1, &r, &null_mx, &loops);
	ok(r.n == 2 && !loops, "nothing that is no better than this host");
	add_mx(&a, 1, "me.example");
	route_order(&a, "me.example", 1, &r, &null_mx, &loops);
	ok(r.n == 0 && loops, "this host is the best one");
	a.n = 0;
	add_mx(&a, 0, "");
	route_order(&a, "me.example", 1, &r, &null_mx, &loops);
	ok(r.n == 0 && null_mx && !loops, "null MX");
}

static void
test_nexthop(void)
{
	static const struct {
		const char *text;
		bool good;
		enum nexthop_kind kind;
		const char *name;
		unsigned port;
	} cases[] = {
		{ "relay", true, NEXTHOP_RELAY, "", 25 },
		{ "mx:example.org", true, NEXTHOP_MX, "example.org", 25 },
		{ "mx:[192.0.2.1]", true, NEXTHOP_MX, "[192.0.2.1]", 25 },
		{ "smtp:h.example:587", true, NEXTHOP_SMTP, "h.example", 587 },
		{ "smtp:[2001:db8::1]:26", true, NEXTHOP_SMTP, "2001:db8::1",
		    26 },
		{ "smtp:[2001:db8::1]", true, NEXTHOP_SMTP, "2001:db8::1", 25 },
		{ "lmtp:h.example", true, NEXTHOP_LMTP, "h.example", 24 },
		{ "lmtp:unix:/a/b", true, NEXTHOP_UNIX, "/a/b", 25 },
		{ "lmtp:unix:a", false, NEXTHOP_UNIX, "", 0 },
		{ "smtp:h:0", false, NEXTHOP_SMTP, "", 0 },
		{ "smtp:h:65536", false, NEXTHOP_SMTP, "", 0 },
		{ "smtp:", false, NEXTHOP_SMTP, "", 0 },
		{ "smtp:[x]:1", false, NEXTHOP_SMTP, "", 0 },
		{ "http:h", false, NEXTHOP_SMTP, "", 0 },
		{ "mx:a b", false, NEXTHOP_SMTP, "", 0 },
		{ "", false, NEXTHOP_SMTP, "", 0 },
	};
	struct nexthop h;

	for (size_t i = 0; i < NELEM(cases); i++) {
		bool good = nexthop_parse(view_of(cases[i].text), &h);
		ok(good == cases[i].good &&
			(!good || (h.kind == cases[i].kind &&
				      h.port == cases[i].port &&
				      strcmp(h.name, cases[i].name) == 0)),
		    "nexthop \"%s\"", cases[i].text);
	}
	static char none[] = "";
	static struct settings s = { .relay_host = none };
	char out[NEXTHOP_MAX];
	ok(nexthop_of(&s, view_of("B\u00FCcher.Example"), out) &&
		strcmp(out, "mx:xn--bcher-kva.example") == 0,
	    "a domain outside ASCII");
	ok(!nexthop_of(&s, view_of("b\xfc.example"), out), "what is no domain");
}

static void
test_sts(void)
{
	struct sts_policy p;

	ok(sts_parse(view_of("version: STSv1\nmode: enforce\nmx: *.a.example\n"
			     "mx: B.example\nmax_age: 1\n"),
	       &p) &&
		p.mode == STS_ENFORCE,
	    "a policy");
	ok(sts_mx_ok(&p, "x.a.example") && sts_mx_ok(&p, "b.example"),
	    "its hosts");
	ok(!sts_mx_ok(&p, "a.example") && !sts_mx_ok(&p, "y.x.a.example") &&
		!sts_mx_ok(&p, "c.b.example") && !sts_mx_ok(&p, ".a.example"),
	    "and no others");
	sts_free(&p);
	ok(!sts_parse(view_of("mode: enforce\nmx: a.example\n"), &p) &&
		!sts_parse(view_of("version: STSv1\nmode: enforce\n"), &p) &&
		!sts_parse(view_of("version: STSv1\nmode: x\nmx: a.b\n"), &p) &&
		!sts_parse(view_of("version: STSv1\nmx: a.b\n"), &p) &&
		!sts_parse(
		    view_of("version: STSv1\nmode: testing\nmx: *\n"), &p),
	    "what is none");
}

int
main(void)
{
	test_replies();
	test_caps();
	test_params();
	test_order();
	test_nexthop();
	test_sts();
	return done_testing();
}
