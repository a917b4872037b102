/* What a user writes into .forward and its lists, on its way: parsed by the
 * user's process, told to the queue, made a record, read again.  Whatever is
 * taken for targets comes out at the end as it was.  And the channel messages
 * of that way, with anything in them. */
#include "spool/forward_file.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/msg.h"
#include "common/utf8.h"
#include "spool/ask_forward.h"
#include "spool/expansion.h"
#include "spool/order.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct alias_target target[FORWARD_TARGETS_MAX];
static struct msg m;

/* ---- messages ---- */

static void
load(struct view v, uint32_t type)
{
	msg_start(&m, type);
	if (v.n > MSG_DATA_MAX)
		v.n = MSG_DATA_MAX;
	memcpy(m.data, v.p, v.n);
	m.len = v.n;
	m.fd = -1;
}

static void
messages(struct view v)
{
	static struct order o;
	static struct run_space space;
	char code[RUN_CODE_MAX], text[DELIVER_TEXT_MAX];
	struct delivery d = { .file = -1 };
	struct forwarding f;
	enum run_outcome out;
	struct run r;

	load(v, ORDER_FORWARD);
	(void)order_get(&m, &o);
	load(v, ORDER_RUN);
	must(!order_get(&m, &o)); /* without a file */
	load(v, DELIVER_RUN);
	if (run_get(&m, &r, &space))
		must(r.offset <= INT64_MAX - r.length);
	load(v, ORDER_RUN);
	if (run_got(&m, &out, code, text))
		must(out < RUN__N && utf8_printable(view_of(text)));
	load(v, DELIVER_FORWARD);
	forward_got(&m, &d, &f);
	must((d.status == OK) == (f.n > 0) && f.n <= FORWARD_TARGETS_MAX);
	forwarding_free(&f);
}

/* ---- a file ---- */

/* The list is what stands behind the first octet 255. */
static enum status
include(void *arg, const char *path, struct view *text, char *why, size_t size)
{
	must(path[0] == '/' && size > 0);
	*text = *(struct view *)arg;
	if (text->n > FORWARD_SIZE_MAX)
		text->n = FORWARD_SIZE_MAX;
	why[0] = '\0';
	return text->n % 7 == 6 ? ERR_GONE : OK;
}

/* To the queue, as deliver tells it. */
static void
tell(unsigned n, struct forwarding *f)
{
	struct delivery d = { .file = -1 };

	msg_start(&m, 0);
	msg_put_u32(&m, status_pack(OK));
	msg_put_str(&m, "bob");
	msg_put_str(&m, "");
	msg_put_str(&m, "bob@example.org");
	msg_put_u32(&m, n);
	for (unsigned i = 0; i < n; i++) {
		msg_put_u32(&m, target[i].kind);
		msg_put_str(&m, target[i].text);
	}
	must(!m.bad);
	m.fd = -1;
	forward_got(&m, &d, f);
	must(d.status == OK && f->n == n);
}

static void
record(const struct forwarding *f)
{
	static const char old[] =
	    "pennypost-queue 2\nid: 4F2A9C0017E3\narrived: 1795170030.250000\n"
	    "sender: alice@example.org\nclient: c\nhelo: h\nprotocol: ESMTP\n"
	    "user: \nT bob@example.org\tbob@example.org\n"
	    "recipients: 1\ncontent: 100\n\n";
	static const enum envelope_kind kind[TARGET__N] = { [TARGET_USER] =
								KIND_USER,
		[TARGET_COMMAND] = KIND_COMMAND,
		[TARGET_FILE] = KIND_FILE };
	struct envelope of, e;
	const char *why;
	struct buf b;

	must(envelope_parse((struct view){ old, sizeof(old) - 1 }, &of, &why) ==
	     OK);
	struct expansion x = { .of = &of,
		.id = "0123456789AB",
		.user = f->user,
		.delivered_to = f->delivered_to,
		.target = f->target,
		.n = f->n };
	buf_init(&b, ENVELOPE_MAX + ADDR_MAX + 32);
	must(expansion_print(&b, &x));
	size_t end = envelope_end(buf_view(&b));
	must(end > 0 &&
	     envelope_parse((struct view){ b.p, end }, &e, &why) == OK);
	must(e.rcpt_n == f->n);
	for (unsigned i = 0; i < e.rcpt_n; i++) {
		must(view_eqs(e.rcpt[i].address, f->target[i].text));
		must(e.rcpt[i].kind == kind[f->target[i].kind]);
		must(e.rcpt[i].as.n == 0 || view_eqs(e.rcpt[i].as, "bob"));
	}
	envelope_free(&e);
	envelope_free(&of);
	buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view text = { (const char *)data, size }, list = text;
	struct forwarding f;
	char why[100];
	unsigned n;

	messages(text);
	list = text;
	text = view_split(&list, '\xff', NULL);
	if (text.n > FORWARD_SIZE_MAX)
		text.n = FORWARD_SIZE_MAX;
	why[0] = '\0';
	enum status st = forward_parse(text, "/x/.forward", include, &list,
	    target, FORWARD_TARGETS_MAX, &n, why, sizeof(why));
	must((st == OK) == (n > 0) && n <= FORWARD_TARGETS_MAX);
	must(st == OK || st == ERR_GONE);
	if (st != OK)
		return 0;
	tell(n, &f);
	record(&f);
	forwarding_free(&f);
	return 0;
}
