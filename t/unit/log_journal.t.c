/* Lines of the log as entries of systemd's journal, read from a socket as the
 * journal reads them. */
#include "common/log_journal.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/view.h"
#include "t/unit/tap.h"

static const struct {
	const char *line;
	int priority;
	const char *want;
} cases[] = {
	{ "postfix/smtpd[12]: connect from a.test[192.0.2.1]", 6,
	    "PRIORITY=6\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=postfix/smtpd\n"
	    "SYSLOG_PID=12\nPENNYPOST_PROGRAM=smtpd\n"
	    "MESSAGE=connect from a.test[192.0.2.1]\n" },
	{ "postfix/qmgr[7]: 0A1B2C3D4E5F: removed", 6,
	    "PRIORITY=6\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=postfix/qmgr\n"
	    "SYSLOG_PID=7\nPENNYPOST_PROGRAM=qmgr\n"
	    "PENNYPOST_QUEUE_ID=0A1B2C3D4E5F\n"
	    "MESSAGE=0A1B2C3D4E5F: removed\n" },
	{ "dovecot: pop3-login: Login: user=<bob>", 6,
	    "PRIORITY=6\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=dovecot\n"
	    "PENNYPOST_PROGRAM=pop3-login\n"
	    "MESSAGE=pop3-login: Login: user=<bob>\n" },
	{ "dovecot: pop3(bob)<4><x>: Disconnected: Logged out", 6,
	    "PRIORITY=6\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=dovecot\n"
	    "PENNYPOST_PROGRAM=pop3\n"
	    "MESSAGE=pop3(bob)<4><x>: Disconnected: Logged out\n" },
	{ "pennypost/smtpd[1]: fatal: x=y", 3,
	    "PRIORITY=3\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=pennypost/smtpd\n"
	    "SYSLOG_PID=1\nPENNYPOST_PROGRAM=smtpd\nMESSAGE=fatal: x=y\n" },
	/* No queue ids: too short, no blank, too long, none. */
	{ "postfix/x[1]: ABC: y", 4,
	    "PRIORITY=4\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=postfix/x\n"
	    "SYSLOG_PID=1\nPENNYPOST_PROGRAM=x\nMESSAGE=ABC: y\n" },
	{ "postfix/x[1]: ABCDEF:y", 4,
	    "PRIORITY=4\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=postfix/x\n"
	    "SYSLOG_PID=1\nPENNYPOST_PROGRAM=x\nMESSAGE=ABCDEF:y\n" },
	{ "postfix/x[1]: NOQUEUE: reject: y", 4,
	    "PRIORITY=4\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=postfix/x\n"
	    "SYSLOG_PID=1\nPENNYPOST_PROGRAM=x\nMESSAGE=NOQUEUE: reject: y\n" },
	{ "postfix/x[1]: ABCDEF", 4,
	    "PRIORITY=4\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=postfix/x\n"
	    "SYSLOG_PID=1\nPENNYPOST_PROGRAM=x\nMESSAGE=ABCDEF\n" },
	/* No text, no tag. */
	{ "postfix/x[1]: ", 4,
	    "PRIORITY=4\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=postfix/x\n"
	    "SYSLOG_PID=1\nPENNYPOST_PROGRAM=x\n" },
	{ "x", 4, "PRIORITY=4\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=x\n" },
	{ "", 4, "PRIORITY=4\nSYSLOG_FACILITY=2\n" },
};

int
main(void)
{
	char out[1024], got[1024];
	int end[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, end) != 0)
		return 1;
	for (unsigned i = 0; i < NELEM(cases); i++) {
		size_t n = log_journal_entry(
		    cases[i].line, cases[i].priority, out, sizeof(out));
		ssize_t r = -1;
		if (send(end[0], out, n, 0) == (ssize_t)n)
			r = recv(end[1], got, sizeof(got), 0);
		size_t len = strlen(cases[i].want);
		bool good =
		    r == (ssize_t)len && memcmp(got, cases[i].want, len) == 0;
		ok(good, "entry of: %s", cases[i].line);
		if (!good)
			printf("# got: %.*s\n", (int)n, out);
	}
	/* Not a part of an entry, whatever the size. */
	size_t whole = log_journal_entry(cases[1].line, 6, out, sizeof(out));
	unsigned wrong = 0;
	for (size_t size = 1; size <= whole; size++)
		wrong += log_journal_entry(cases[1].line, 6, out, size) != 0;
	ok(wrong == 0, "an entry that does not fit is none");
	ok(log_journal_entry(cases[1].line, 6, out, whole + 1) == whole,
	    "and one that does is whole");
	return done_testing();
}
