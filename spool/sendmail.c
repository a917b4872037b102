/*
 * sendmail(8), mailq(1), newaliases(1).  Runs in: a process of whoever calls
 * it, with that user's rights and no others.
 */
#define _GNU_SOURCE
#include "spool/sendmail.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

const char *
sendmail_caller(void)
{
	static char name[ADDR_LOCAL_MAX + 1];
	struct passwd *pw = getpwuid(getuid());

	if (pw == NULL || pw->pw_name[0] == '\0' ||
	    !view_copy(view_of(pw->pw_name), name, sizeof(name)))
		snprintf(name, sizeof(name), "uid%lu", (unsigned long)getuid());
	return name;
}

void
sendmail_say(const struct sendmail *m, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (m->quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	fprintf(stderr, "sendmail: %s\n", text);
}

int
main(int argc, char **argv)
{
	const char *program = argc > 0 ? argv[0] : "sendmail";
	const char *slash = strrchr(program, '/');
	struct sendmail m;
	char err[300];
	int rc;

	/* A server or a reader that goes is an error, not the end. */
	signal(SIGPIPE, SIG_IGN);
	rc = sendmail_options(slash == NULL ? program : slash + 1, argc, argv,
	    &m, err, sizeof(err));
	if (rc != 0) {
		sendmail_say(&m, "%s", err);
		return rc;
	}
	switch (m.mode) {
	case MODE_SEND:
		rc = sendmail_send(&m);
		break;
	case MODE_SMTP:
		rc = sendmail_smtp(&m);
		break;
	case MODE_VERIFY:
		rc = sendmail_verify(&m);
		break;
	default:
		rc = sendmail_queue(&m);
		break;
	}
	if (fflush(stdout) == EOF && rc == 0)
		rc = EX_IOERR;
	return rc;
}
