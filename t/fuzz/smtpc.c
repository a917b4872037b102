/*
 * A hostile server against the client engine: the octets that it sends, from
 * the greeting on.  The first octet chooses what is sent to it: how many
 * recipients, LMTP, logging in, 8-bit content, and in pieces of which size the
 * octets come.  Whatever it says, every recipient has a result that fits, and
 * nothing is SENT that was not answered with 2xx behind the content.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/utf8.h"
#include "smtpd/smtpc.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *in;
static size_t in_n, piece;
static bool content_seen; /* the engine has sent its last content octet */

static ssize_t
fuzz_read(struct conn *c, void *p, size_t n, short *events)
{
	size_t k = in_n < piece ? in_n : piece;

	conn_flush(c); /* what would go out before a wait */
	*events = 0;
	k = k < n ? k : n;
	memcpy(p, in, k);
	in += k;
	in_n -= k;
	return (ssize_t)k;
}

/* Commands must be lines: nothing of the server's may come back as one. */
static ssize_t
fuzz_write(struct conn *c, const void *p, size_t n, short *events)
{
	(void)c;
	*events = 0;
	content_seen =
	    content_seen || memmem(p, n, "unique content", 14) != NULL;
	return (ssize_t)n;
}

static bool
fuzz_pending(struct conn *c)
{
	(void)c;
	return false;
}

static void
fuzz_close(struct conn *c)
{
	(void)c;
}

static const struct conn_ops ops = { fuzz_read, fuzz_write, fuzz_pending,
	fuzz_close };

static int
content_file(bool eight, size_t *n)
{
	static const char *const text[2] = {
		"Subject: x\r\n\r\n.unique content\r\n..end\r\n",
		"Subject: x\r\n\r\n.unique content\r\n..\xc3\xa4\r\n"
	};
	static int fds[2] = { -1, -1 };
	char name[] = "/tmp/fuzz-smtpc-XXXXXX";

	*n = strlen(text[eight]);
	if (fds[eight] == -1) {
		fds[eight] = mkstemp(name);
		must(fds[eight] != -1 && unlink(name) == 0);
		must(write(fds[eight], text[eight], *n) == (ssize_t)*n);
	}
	return fds[eight];
}

static void
check(const struct relay_request *rq)
{
	for (unsigned i = 0; i < rq->n; i++) {
		const struct relay_result *r = &rq->rcpt[i].result;
		must(utf8_printable(view_of(r->text)) && r->text[0] != '\0');
		must(r->dsn[0] == (r->outcome == RELAY_SENT	     ? '2'
				      : r->outcome == RELAY_DEFERRED ? '4'
								     : '5'));
		must(strlen(r->dsn) >= 5);
		must(r->outcome != RELAY_SENT || content_seen);
		must(r->outcome != RELAY_SENT || r->text[0] == '2');
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conn c;
	static struct relay_request rq;
	static struct smtpc_mail mail;
	struct smtpc s = { .conn = &c,
		.hello = "fuzz.example",
		.remote = "server",
		.reply_ms = 100000 };
	size_t n;

	if (size == 0)
		return 0;
	in = data + 1;
	in_n = size - 1;
	piece = (data[0] & 1) != 0 ? 7 : 100000;
	s.lmtp = (data[0] & 2) != 0;
	content_seen = false;
	conn_open(&c, -1);
	c.ops = &ops;
	memset(&rq, 0, sizeof(rq));
	memset(&mail, 0, sizeof(mail));
	(void)snprintf(rq.sender, sizeof(rq.sender), "a@example.org");
	(void)snprintf(rq.params, sizeof(rq.params), "RET=HDRS");
	rq.n = 1 + (data[0] >> 4) % 4;
	for (unsigned i = 0; i < rq.n; i++) {
		rq.rcpt[i].address = "b@example.net";
		rq.rcpt[i].params = "NOTIFY=NEVER";
	}
	mail.request = &rq;
	mail.content.fd = content_file((data[0] & 0x40) != 0, &n);
	mail.content.length = n;
	mail.needs.size = n;
	must(smtpc_content_scan(&mail.content));
	mail.needs.eight_bit = mail.content.eight_bit;
	enum smtpc_result r = smtpc_open(&s);
	if (r == SMTPC_OK && (data[0] & 4) != 0)
		r = smtpc_auth(&s, "alice", "secret", true);
	if (r == SMTPC_OK) {
		r = smtpc_send(&s, &mail);
		check(&rq);
		must((r == SMTPC_LOST) == s.lost || r == SMTPC_OK);
	}
	must(utf8_printable(view_of(s.reply.text)));
	if (r == SMTPC_OK && smtpc_idle_ok(&s) && (data[0] & 8) != 0) {
		memset(mail.settled, 0, sizeof(mail.settled));
		smtpc_send(&s, &mail);
		check(&rq);
	}
	smtpc_quit(&s);
	conn_close(&c);
	return 0;
}
