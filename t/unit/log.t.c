/* A line of the log: whatever a process sends, it is one printable line. */
#include <string.h>

#include "common/log.h"
#include "common/svc_log.h"
#include "t/unit/tap.h"

int
main(void)
{
	static const struct {
		const char *in;
		size_t n;
		bool postfix;
		const char *want;
	} cases[] = {
		{ "1smtpd\0hello\n", 13, true, "postfix/smtpd[12]: hello" },
		{ "1smtpd\0hello\n", 13, false, "pennypost/smtpd[12]: hello" },
		{ "1pop3-login\0Login\n", 18, true,
		    "dovecot: pop3-login: Login" },
		{ "1pop3(bob)<4><x>\0Out\n", 21, true,
		    "dovecot: pop3(bob)<4><x>: Out" },
		{ "1auth-worker\0Out\n", 17, true,
		    "dovecot: auth-worker: Out" },
		{ "1a\nb]: x\0\x1b[2J\x01\xff\n", 16, true,
		    "postfix/a?b???x[12]: ?[2J??" },
		{ "1x\0no end", 9, true, "postfix/x[12]: no end" },
		{ "9x\0bad level\n", 13, true, NULL },
		{ "1no separator\n", 14, true, NULL },
		{ "\0\n", 2, true, NULL },
	};
	char line[2000], small[8];
	int level;

	for (unsigned i = 0; i < NELEM(cases); i++) {
		struct view v = { cases[i].in, cases[i].n };
		bool good = svc_log_line(
		    &v, 12, cases[i].postfix, line, sizeof(line), &level);
		ok(good == (cases[i].want != NULL) &&
			(!good || strcmp(line, cases[i].want) == 0),
		    "line %u", i);
		if (good && strcmp(line, cases[i].want) != 0)
			printf("# got: %s\n", line);
	}
	struct view two = { "1a\0one\n1b\0two\n", 14 };
	ok(svc_log_line(&two, 1, true, line, sizeof(line), &level) &&
		svc_log_line(&two, 1, true, line, sizeof(line), &level) &&
		strcmp(line, "postfix/b[1]: two") == 0 && two.n == 0,
	    "several lines in one datagram");
	ok(strcmp(log_clean(view_of("a<b>\r\nc\"(d)"), line, sizeof(line)),
	       "a?b???c??d?") == 0,
	    "foreign text is made harmless");
	ok(strcmp(log_clean(view_of("0123456789"), small, sizeof(small)),
	       "0123...") == 0,
	    "and cut");
	return done_testing();
}
