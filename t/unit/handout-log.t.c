/* What the queue logs of a message. */
#include "spool/handout_log.h"

#include <string.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/msg.h"
#include "spool/slot.h"
#include "t/unit/tap.h"

static int log_end;

/* The text of the next line; its tag in *tag. */
static const char *
next_line(const char **tag)
{
	static char line[4096];
	ssize_t n = recv(log_end, line, sizeof(line) - 1, MSG_DONTWAIT);

	line[n > 0 ? n : 0] = '\0';
	*tag = n > 0 ? line + 1 : "";
	return n > 0 ? line + strlen(line) + 1 : "";
}

static void
test_delays(void)
{
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = { { 0, "0" }, { 9999, "0" }, { 10000, "0.01" },
		{ 120000, "0.12" }, { 100000, "0.1" }, { 999999, "0.99" },
		{ 1000000, "1" }, { 1340000, "1.3" }, { 9990000, "9.9" },
		{ 10000000, "10" }, { 30500000, "30" },
		{ 432000000000, "432000" }, { -5, "0" } };
	struct buf b;

	buf_init(&b, 100);
	for (size_t i = 0; i < NELEM(cases); i++) {
		buf_clear(&b);
		handout_log_delay(&b, cases[i].us);
		ok(view_eqs(buf_view(&b), cases[i].text), "%lld us is %s: %s",
		    (long long)cases[i].us, cases[i].text, buf_cstr(&b));
	}
	buf_free(&b);
}

static void
test_lines(void)
{
	struct envelope_rcpt to = { .address = view_of("bob@example.org"),
		.original = view_of("b>, relay=x[192.0.2.1], dsn=\"") };
	int64_t now = time_us();
	struct envelope e = { .id = view_of("4F2A9C0017E3"),
		.sender = view_of("\"a>, size=1\"@example.org"),
		.arrived_us = now - 5000000,
		.rcpt = &to,
		.rcpt_n = 1,
		.content_n = 512 };
	struct attempt a = { .status = OK,
		.text = "",
		.active_us = now - 2000000,
		.began_us = now - 1000000,
		.opened_us = now };
	const char *tag, *line;

	handout_log_active(&e);
	line = next_line(&tag);
	ok(strcmp(line, "4F2A9C0017E3: from=<?a?? size=1?@example.org>, "
			"size=512, nrcpt=1 (queue active)\n") == 0 &&
		strcmp(tag, "qmgr") == 0,
	    "an active message; no sender can forge a field");
	handout_log_attempt(&e, 0, &a);
	line = next_line(&tag);
	ok(strcmp(line, "4F2A9C0017E3: to=<bob@example.org>, "
			"orig_to=<b?? relay=x?192.0.2.1?? dsn=?>, relay=local, "
			"delay=5, delays=3/1/1/0, dsn=2.0.0, "
			"status=sent (delivered to mailbox)\n") == 0 &&
		strcmp(tag, "local") == 0,
	    "a delivery; nor can a recipient");
	to.original = to.address;
	a = (struct attempt){ .status = ERR_NOSPACE, .text = "/var/mail\nx" };
	handout_log_attempt(&e, 0, &a);
	line = next_line(&tag);
	ok(strcmp(line, "4F2A9C0017E3: to=<bob@example.org>, relay=local, "
			"delay=5, delays=5/0/0/0, dsn=4.3.1, status=deferred "
			"(no space left on the disk: /var/mail?x)\n") == 0,
	    "a failure");
}

int
main(void)
{
	int end[2];

	if (channel_pair(end) == -1)
		return 1;
	log_open(end[0], "qmgr");
	log_end = end[1];
	test_delays();
	test_lines();
	return done_testing();
}
