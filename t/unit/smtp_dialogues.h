#ifndef T_UNIT_SMTP_DIALOGUES_H
#define T_UNIT_SMTP_DIALOGUES_H
/*
 * SMTP dialogues, each with the section that asks for it (RFC 5321 where no
 * other is named).  want: the start of each reply's last line, after the
 * greeting; there may be neither fewer nor more.
 */
#include "t/unit/smtp_fake.h"
#include "t/unit/tap.h"

#define E "EHLO c.test\r\n"
#define M "MAIL FROM:<a@b.org>\r\n"
#define R "RCPT TO:<bob@example.org>\r\n"
#define D "DATA\r\n"
#define T "Subject: x\r\n\r\ntext\r\n.\r\n"
#define Q "QUIT\r\n"
#define BOB "AUTH PLAIN AGJvYgBib2ItcGFzcw==\r\n"
#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X1000 X100 X100 X100 X100 X100 X100 X100 X100 X100 X100

enum {
	CLEAR = 1,
	SUBMISSION = 2,
	SMTPS = 4,
	CERT = 8,
	GROUP = 16,
	MARKS = 32,
	FEW = 64
};

struct dialogue {
	const char *cite, *in, *want;
	unsigned flags, delivered, queued;
};

/* Replies to the commands after the greeting: the last line of each. */
static unsigned
replies(const char *out, const char *last[], unsigned max)
{
	unsigned n = 0;

	for (const char *p = out; *p != '\0'; p = strchr(p, '\n') + 1) {
		if (strlen(p) > 4 && p[3] == ' ' && n < max)
			last[n++] = p;
		if (strchr(p, '\n') == NULL)
			break;
	}
	return n;
}

static bool
as_wanted(const char *out, const char *want, bool greeted)
{
	const char *last[200];
	unsigned n = replies(out, last, NELEM(last));
	struct view rest = view_of(want);
	unsigned i = 0;
	bool more = true;

	if (n == 0 || strncmp(last[i++], "220 mail.example.org ESMTP", 26) != 0)
		return !greeted;
	for (; more; i++) {
		struct view w = view_split(&rest, '|', &more);
		if (i >= n || strncmp(last[i], w.p, w.n) != 0)
			return false;
	}
	return i == n;
}

static void
set_listener(unsigned flags)
{
	static char anything, unwanted[] = "net.example:ADV";

	fake_listener.type = flags & SUBMISSION ? LISTEN_SUBMISSION
			     : flags & SMTPS	? LISTEN_SMTPS
						: LISTEN_MX;
	fake_listener.plaintext_auth = flags & CLEAR;
	fake_worker.tls = flags & CERT ? (void *)&anything : NULL;
	fake_settings.mails_per_session = flags & FEW ? 4 : 1000;
	fake_settings.no_soliciting = flags & FEW ? unwanted : unwanted + 15;
}

static void
dialogues(const struct dialogue *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		set_listener(rows[i].flags);
		for (int mode = BY_LINE; mode <= BY_OCTET; mode++) {
			fake.mode = rows[i].flags & GROUP   ? AT_ONCE
				    : rows[i].flags & MARKS ? BY_MARK
							    : mode;
			fake_session(view_of(rows[i].in));
			bool good = as_wanted(buf_cstr(&fake.out), rows[i].want,
					true) &&
				    fake.delivered == rows[i].delivered &&
				    fake.queued == rows[i].queued;
			if (!ok(good, "%s%s", rows[i].cite,
				mode == BY_OCTET ? ", octet by octet" : ""))
				printf("# want %s\n# %u delivered, %u queued, "
				       "got:\n# %s\n",
				    rows[i].want, fake.delivered, fake.queued,
				    buf_cstr(&fake.out));
			if (rows[i].flags & (GROUP | MARKS))
				break;
		}
	}
	set_listener(0);
	fake.mode = BY_LINE;
}

#endif
