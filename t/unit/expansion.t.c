/* Records that follow from an alias or a forward(5) file. */
#include "spool/expansion.h"

#include <stdio.h>
#include <string.h>

#include "t/unit/tap.h"

static struct buf out;
static struct envelope e;

static const char old[] =
    "pennypost-queue 2\nid: 4F2A9C0017E3\narrived: 1795170030.250000\n"
    "sender: alice@example.org\nclient: c\nhelo: h\nprotocol: ESMTP\nuser: \n"
    "params: RET=HDRS ENVID=x SMTPUTF8\ntrail: dave\n"
    "T bob@example.org\tbob+x@example.org\tNOTIFY=SUCCESS,DELAY ORCPT=a;b\n"
    "recipients: 1\ncontent: 100\n\n";

static const struct alias_target targets[] = {
	{ TARGET_ADDRESS, "carol@example.net" },
	{ TARGET_USER, "bob" },
	{ TARGET_COMMAND, "/bin/cat x@y" },
	{ TARGET_FILE, "/tmp/a b" },
};

static bool
print(const struct expansion *x)
{
	const char *why;

	envelope_free(&e);
	buf_clear(&out);
	struct envelope of;
	envelope_parse((struct view){ old, sizeof(old) - 1 }, &of, &why);
	struct expansion y = *x;
	y.of = &of;
	y.id = "0123456789AB";
	y.delivered_to = "bob@example.org";
	bool good = expansion_print(&out, &y);
	size_t end = envelope_end(buf_view(&out));
	good = good && end > 0 &&
	       envelope_parse((struct view){ out.p, end }, &e, &why) == OK;
	envelope_free(&of);
	return good;
}

int
main(void)
{
	buf_init(&out, 65536);
	struct expansion x = { .user = "bob", .target = targets, .n = 4 };
	ok(print(&x), "a record with targets of each kind");
	ok(view_eqs(e.trail, "dave bob") && view_eqs(e.id, "0123456789AB") &&
		view_eqs(e.sender, "alice@example.org") &&
		view_eqs(e.params, "RET=HDRS ENVID=x SMTPUTF8"),
	    "its trail has one user more");
	ok(e.rcpt_n == 4 && e.rcpt[0].kind == KIND_ADDRESS &&
		e.rcpt[1].kind == KIND_USER && e.rcpt[2].kind == KIND_COMMAND &&
		e.rcpt[3].kind == KIND_FILE &&
		e.rcpt[2].source == SOURCE_FORWARD &&
		view_eqs(e.rcpt[3].as, "bob") &&
		view_eqs(e.rcpt[3].original, "bob+x@example.org"),
	    "kinds, source, user, and who was meant first");
	ok(view_eqs(e.rcpt[0].params, "NOTIFY=DELAY ORCPT=a;b"),
	    "success is not told twice");
	ok(e.content_n == 100 + 31 &&
		strcmp(buf_cstr(&out) + e.content_at,
		    "Delivered-To: bob@example.org\r\n") == 0,
	    "above the content: %llu", (unsigned long long)e.content_n);
	x.n = 1;
	ok(print(&x) &&
		view_eqs(e.rcpt[0].params, "NOTIFY=SUCCESS,DELAY ORCPT=a;b"),
	    "a single target tells it itself");
	struct expansion list = { .alias_user = "nobody",
		.sender = "owner-list@example.org",
		.target = targets,
		.n = 4 };
	ok(print(&list) && view_eqs(e.sender, "owner-list@example.org") &&
		view_eqs(e.params, "SMTPUTF8") && e.rcpt[0].params.n == 0 &&
		view_eqs(e.trail, "dave") &&
		e.rcpt[2].source == SOURCE_ALIASES &&
		view_eqs(e.rcpt[2].as, "nobody"),
	    "a list is a message of its own");
	ok(expansion_loop(view_of("A: b\r\ndelivered-to:  BOB@example.org\r\n"
				  "\r\nx"),
	       "bob@example.org"),
	    "a loop is seen in the header");
	ok(!expansion_loop(view_of("A: b\r\n\r\nDelivered-To: "
				   "bob@example.org\r\n"),
	       "bob@example.org") &&
		!expansion_loop(view_of("Delivered-To: bob@example.org.x\r\n"),
		    "bob@example.org"),
	    "and nowhere else");
	envelope_free(&e);
	buf_free(&out);
	return done_testing();
}
