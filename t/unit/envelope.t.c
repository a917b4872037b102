/* Records of queued messages: what is printed is read back, and nothing else is
 * taken for a record. */
#include "spool/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "t/unit/tap.h"

static struct buf record;

static void
print_record(
    struct view sender, const char *const *rcpt, unsigned n, uint64_t content)
{
	struct envelope e = { .id = view_of("4F2A9C0017E3"),
		.arrived_us = 1795170030250000,
		.sender = sender,
		.client = view_of("mail.example.net[192.0.2.1]"),
		.helo = view_of("mail.example.net"),
		.protocol = view_of("ESMTPS"),
		.user = view_of("alice") };

	buf_free(&record);
	buf_init(&record, ENVELOPE_MAX * 2);
	envelope_print_head(&record, &e);
	for (unsigned i = 0; i < n; i++)
		envelope_print_rcpt(
		    &record, view_of(rcpt[2 * i]), view_of(rcpt[2 * i + 1]));
	envelope_print_end(&record, n, content);
}

static enum status
parse(struct view text, struct envelope *e)
{
	const char *why;
	enum status st;
	/* An exact copy, so that a sanitizer sees any read beyond it. */
	char *p = malloc(text.n + (text.n == 0));

	if (text.n > 0)
		memcpy(p, text.p, text.n);
	st = envelope_parse((struct view){ p, text.n }, e, &why);
	free(p);
	return st;
}

static bool
damaged(struct view text)
{
	struct envelope e;
	enum status st = parse(text, &e);
	bool empty = e.rcpt == NULL && e.rcpt_n == 0;

	envelope_free(&e);
	return st == ERR_DAMAGED && empty;
}

static const char *const two[] = { "bob@example.org", "bob",
	"\"a b\"@example.org", "\"a b\"@example.org" };

static void
test_round_trip(void)
{
	struct envelope e;
	const char *why;

	print_record(view_of("alice@example.org"), two, 2, 1234);
	struct view text = buf_view(&record);
	ok(!record.bad && envelope_end(text) == text.n, "the end is found");
	enum status st = envelope_parse(text, &e, &why);
	ok(st == OK, "a record reads back");
	ok(view_eqs(e.id, "4F2A9C0017E3") && e.arrived_us == 1795170030250000 &&
		view_eqs(e.sender, "alice@example.org") &&
		view_eqs(e.client, "mail.example.net[192.0.2.1]") &&
		view_eqs(e.helo, "mail.example.net") &&
		view_eqs(e.protocol, "ESMTPS") && view_eqs(e.user, "alice"),
	    "its values are those that were printed");
	ok(e.rcpt_n == 2 && view_eqs(e.rcpt[0].address, "bob@example.org") &&
		view_eqs(e.rcpt[0].original, "bob") &&
		view_eqs(e.rcpt[1].address, "\"a b\"@example.org"),
	    "so are its recipients");
	ok(e.rcpt[0].state == 'T' && text.p[e.rcpt[0].at] == 'T' &&
		text.p[e.rcpt[1].at] == 'T' && e.rcpt[1].at > e.rcpt[0].at,
	    "the state octet is where it is said to be");
	ok(e.content_n == 1234 && e.content_at == text.n, "and its content");
	record.p[e.rcpt[1].at] = 'D';
	envelope_free(&e);
	st = envelope_parse(buf_view(&record), &e, &why);
	ok(st == OK && e.rcpt[0].state == 'T' && e.rcpt[1].state == 'D',
	    "a state changed in place reads back");
	envelope_free(&e);
	print_record(view_of(""), two, 1, 0);
	st = envelope_parse(buf_view(&record), &e, &why);
	ok(st == OK && e.sender.n == 0 && e.content_n == 0,
	    "the null reverse-path and an empty message");
	envelope_free(&e);
}

static void
test_printing(void)
{
	const char *const forged[] = { "bob@example.org\nT eve@example.org",
		"x" };
	const char *const tab[] = { "bob@example.org\tx", "x" };
	const char *const nothing[] = { "", "x" };
	char big[ENVELOPE_VALUE_MAX + 2];
	const char *const huge[] = { big, "x" };

	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	print_record(view_of("a\nT eve@example.org"), two, 2, 1);
	ok(record.bad, "a line feed in the sender cannot be printed");
	print_record((struct view){ "a\0b", 3 }, two, 2, 1);
	ok(record.bad, "nor a NUL");
	print_record(view_of("a\xc3"), two, 2, 1);
	ok(record.bad, "nor what is not UTF-8");
	print_record(view_of("a\xc2\x85"), two, 2, 1);
	ok(record.bad, "nor a control character outside ASCII");
	print_record(view_of("a"), forged, 1, 1);
	ok(record.bad, "nor a line feed in a recipient");
	print_record(view_of("a"), tab, 1, 1);
	ok(record.bad, "nor a TAB");
	print_record(view_of("a"), nothing, 1, 1);
	ok(record.bad, "nor no recipient at all");
	print_record(view_of("a"), huge, 1, 1);
	ok(record.bad, "nor one that is too long");
	big[ENVELOPE_VALUE_MAX] = '\0';
	print_record(view_of("a"), huge, 1, 1);
	ok(!record.bad, "the longest value can");
}

static void
test_ids(void)
{
	static const struct {
		const char *id;
		bool good;
	} ids[] = { { "01234567", true }, { "0123456", false },
		{ "0123456789ABCDEF0123456", true },
		{ "0123456789ABCDEF01234567", false }, { "0123456a", false },
		{ "../../../x", false }, { "01234567/", false },
		{ "0123456G", false }, { ".1234567", false } };

	for (size_t i = 0; i < NELEM(ids); i++)
		ok(envelope_id_valid(view_of(ids[i].id)) == ids[i].good,
		    "id \"%s\" is %s", ids[i].id,
		    ids[i].good ? "good" : "refused");
	ok(!envelope_id_valid((struct view){ "01234567\0", 9 }),
	    "an id with a NUL is refused");
}

/* Each line left out, doubled, swapped, cut, and made a little different. */
static void
test_lines(void)
{
	print_record(view_of("alice@example.org"), two, 2, 1234);
	struct view text = buf_view(&record);
	struct buf b;
	bool all[5] = { true, true, true, true, true };
	struct view rest = text;

	buf_init(&b, ENVELOPE_MAX);
	while (rest.n > 0) {
		const char *start = rest.p;
		view_split(&rest, '\n', NULL);
		size_t before = (size_t)(start - text.p);
		size_t after = rest.n;
		size_t line = text.n - before - after;
		struct view head = { text.p, before }, own = { start, line },
			    tail = { text.p + before + line, after };

		buf_clear(&b);
		buf_addv(&b, head);
		buf_addv(&b, tail);
		all[0] &= damaged(buf_view(&b));
		buf_clear(&b);
		buf_addv(&b, head);
		buf_addv(&b, own);
		buf_addv(&b, own);
		buf_addv(&b, tail);
		/* Without its count a doubled recipient is one too many. */
		all[1] &= damaged(buf_view(&b));
		buf_clear(&b);
		buf_addv(&b, head);
		buf_adds(&b, "x");
		buf_addv(&b, own);
		buf_addv(&b, tail);
		all[2] &= damaged(buf_view(&b));
		buf_clear(&b);
		buf_addv(&b, head);
		buf_adds(&b, "unknown: key\n");
		buf_addv(&b, own);
		buf_addv(&b, tail);
		all[3] &= damaged(buf_view(&b));
		buf_clear(&b);
		buf_addv(&b, head);
		buf_adds(&b, "\r");
		buf_addv(&b, own);
		buf_addv(&b, tail);
		all[4] &= damaged(buf_view(&b));
	}
	ok(all[0], "a record without one of its lines is damaged");
	ok(all[1], "with a line twice, too");
	ok(all[2], "with a line that begins with another octet, too");
	ok(all[3], "with a line more, too");
	ok(all[4], "with a CR before a line, too");
	buf_free(&b);
}

/* Every octet replaced by each that means something; no crash, and either
 * damaged or a record that differs in that value only. */
static void
test_octets(void)
{
	static const char odd[] = "\n\r\t\0 :TDBX0-\x7f\x80\xff";
	unsigned refused = 0, taken = 0;
	bool cut = true;

	print_record(view_of("alice@example.org"), two, 2, 1234);
	for (size_t i = 0; i < record.n; i++) {
		char was = record.p[i];
		for (size_t k = 0; k < sizeof(odd) - 1; k++) {
			struct envelope e;
			record.p[i] = odd[k];
			enum status st = parse(buf_view(&record), &e);
			refused += st == ERR_DAMAGED;
			taken += st == OK;
			envelope_free(&e);
		}
		record.p[i] = was;
		cut &= damaged((struct view){ record.p, i });
	}
	ok(refused > taken && taken > 0,
	    "octets changed one by one: %u damaged, %u harmless", refused,
	    taken);
	ok(cut, "a record cut off anywhere is damaged");
}

static void
test_numbers(void)
{
	static const char *const head =
	    "pennypost-queue 1\nid: 4F2A9C0017E3\narrived: %s\nsender: \n"
	    "client: \nhelo: \nprotocol: \nuser: \nT a\ta\n"
	    "recipients: %s\ncontent: %s\n\n";
	static const struct {
		const char *arrived, *rcpts, *content;
		bool good;
	} cases[] = { { "1.000000", "1", "0", true }, { "1", "1", "0", false },
		{ "1.0", "1", "0", false }, { "-1.000000", "1", "0", false },
		{ "1.00000x", "1", "0", false },
		{ "99999999999999999999.000000", "1", "0", false },
		{ "1.000000", "0", "0", false },
		{ "1.000000", "2", "0", false },
		{ "1.000000", "2147483648", "0", false },
		{ "1.000000", "4294967297", "0", false },
		{ "1.000000", "18446744073709551617", "0", false },
		{ "1.000000", "-1", "0", false },
		{ "1.000000", "1", "-1", false },
		{ "1.000000", "1", "", false },
		{ "1.000000", "1", " 1", false },
		{ "1.000000", "1", "0x10", false },
		{ "1.000000", "1", "9223372036854775808", false },
		{ "1.000000", "1", "18446744073709551616", false } };
	struct envelope e;
	struct buf b;

	buf_init(&b, 4096);
	for (size_t i = 0; i < NELEM(cases); i++) {
		buf_clear(&b);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		buf_addf(&b, head, cases[i].arrived, cases[i].rcpts,
		    cases[i].content);
#pragma GCC diagnostic pop
		enum status st = parse(buf_view(&b), &e);
		ok((st == OK) == cases[i].good, "arrived %s, %s rcpts, %s: %s",
		    cases[i].arrived, cases[i].rcpts, cases[i].content,
		    cases[i].good ? "good" : "damaged");
		envelope_free(&e);
	}
	buf_free(&b);
}

static void
test_limits(void)
{
	const char **many = calloc(2 * (ENVELOPE_RCPT_MAX + 1), sizeof(*many));
	struct envelope e;
	const char *why;

	for (unsigned i = 0; i < 2 * (ENVELOPE_RCPT_MAX + 1); i++)
		many[i] = "a@b.example";
	print_record(view_of(""), many, ENVELOPE_RCPT_MAX, 1);
	ok(envelope_parse(buf_view(&record), &e, &why) == OK &&
		e.rcpt_n == ENVELOPE_RCPT_MAX,
	    "the most recipients");
	envelope_free(&e);
	print_record(view_of(""), many, ENVELOPE_RCPT_MAX + 1, 1);
	ok(damaged(buf_view(&record)), "one more is damaged");
	free(many);
	ok(envelope_end((struct view){ NULL, 0 }) == 0 &&
		envelope_end(view_of("\n")) == 0 &&
		envelope_end(view_of("a\n\r\n")) == 0 &&
		envelope_end(view_of("a\n\nb\n\n")) == 3 &&
		envelope_end(view_of("a\n\n\n")) == 3,
	    "where an envelope ends");
	ok(damaged((struct view){ NULL, 0 }), "nothing is no record");
}

/* Parameters of MAIL and RCPT: there only where there are any. */
static void
test_params(void)
{
	static const char head[] =
	    "pennypost-queue 1\nid: 4F2A9C0017E3\narrived: 1.000000\n"
	    "sender: \nclient: \nhelo: \nprotocol: \nuser: \n";
	static const struct {
		const char *text;
		bool good;
	} cases[] = { { "params: RET=HDRS\nT b\tb\tNOTIFY=NEVER\n", true },
		{ "params: \nT b\tb\n", false },
		{ "params: a\nparams: b\nT b\tb\n", false },
		{ "params: a\tb\nT b\tb\n", false }, { "T b\tb\t\n", false },
		{ "T b\tb\ta\tb\n", false }, { "T b\t\ta\n", true } };
	struct envelope e = { .id = view_of("4F2A9C0017E3"),
		.arrived_us = 1000000,
		.params = view_of("RET=HDRS") };
	const char *why;
	struct buf b;

	buf_init(&b, ENVELOPE_MAX);
	envelope_print_head(&b, &e);
	envelope_print_rcpt_params(
	    &b, view_of("b"), view_of("b"), view_of("NOTIFY=NEVER"));
	envelope_print_end(&b, 1, 0);
	struct view text = buf_view(&b);
	ok(!b.bad && text.n > sizeof(head) &&
		memcmp(text.p + sizeof(head) - 1, cases[0].text,
		    strlen(cases[0].text)) == 0,
	    "parameters are printed");
	ok(envelope_parse(text, &e, &why) == OK &&
		view_eqs(e.params, "RET=HDRS") &&
		view_eqs(e.rcpt[0].params, "NOTIFY=NEVER") &&
		view_eqs(e.rcpt[0].original, "b"),
	    "and read back");
	envelope_free(&e);
	for (size_t i = 0; i < NELEM(cases); i++) {
		buf_clear(&b);
		buf_adds(&b, head);
		buf_adds(&b, cases[i].text);
		buf_adds(&b, "recipients: 1\ncontent: 0\n\n");
		ok((envelope_parse(buf_view(&b), &e, &why) == OK) ==
			cases[i].good,
		    "parameters %zu are %s", i,
		    cases[i].good ? "good" : "damage");
		envelope_free(&e);
	}
	buf_clear(&b);
	envelope_print_rcpt_params(
	    &b, view_of("b"), view_of("b"), view_of("a\nT evil"));
	ok(b.bad && b.n == 0, "a line feed in them cannot be printed");
	buf_free(&b);
}

int
main(void)
{
	test_round_trip();
	test_params();
	test_printing();
	test_ids();
	test_lines();
	test_octets();
	test_numbers();
	test_limits();
	buf_free(&record);
	return done_testing();
}
