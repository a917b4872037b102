/* A new password.  Runs in: pennyctl. */
#define _GNU_SOURCE
#include "spool/password.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { ROOM = 1024 };

/* One line, an octet at a time: what is behind it is not ours.  False: none, or
 * it is too long. */
static bool
line(char *out, size_t size)
{
	size_t n = 0;
	ssize_t got;
	char c = '\0';

	for (;;) {
		got = read(STDIN_FILENO, &c, 1);
		if (got == -1 && errno == EINTR)
			continue;
		if (got != 1 || c == '\n' || n + 1 >= size)
			break;
		out[n++] = c;
	}
	bool whole = got == 1 ? c == '\n' : got == 0 && n > 0;
	if (n > 0 && out[n - 1] == '\r')
		n--;
	out[n] = '\0';
	return whole && strlen(out) == n;
}

/* The echo comes back whatever happens: signals wait until it has. */
static bool
ask(const char *prompt, char *out, size_t size)
{
	struct termios old, quiet;
	sigset_t ends, before;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTSTP);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	if (tcgetattr(STDIN_FILENO, &old) == -1)
		return false;
	sigprocmask(SIG_BLOCK, &ends, &before);
	quiet = old;
	/* Ctrl-C is an octet like others here, and refused below. */
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	/* First: what is typed when the prompt is there is neither shown nor
	 * flushed. */
	bool good = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
	if (good) {
		fputs(prompt, stderr);
		fflush(stderr);
		good = line(out, size);
	}
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return good;
}

/* What no client could send, or no file could keep (common/secrets.h). */
static bool
fit(const char *p)
{
	size_t n = strlen(p);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] < ' ' || p[i] == 0x7f)
			return false;
	return n > 0 && p[0] != ' ' && p[n - 1] != ' ';
}

bool
password_read(char *out, size_t size)
{
	static char again[ROOM];
	const char *why = NULL;

	if (!isatty(STDIN_FILENO)) {
		if (!line(out, size))
			why = "standard input has no password in its first "
			      "line";
	} else if (!ask("New password: ", out, size) ||
		   !ask("Once more: ", again, sizeof(again))) {
		why = "no password was given";
	} else if (strcmp(out, again) != 0) {
		why = "these were two different ones";
	}
	explicit_bzero(again, sizeof(again));
	if (why == NULL && !fit(out))
		why = "a password has no control characters, and no blank at "
		      "its ends, and is not empty";
	if (why != NULL)
		fprintf(stderr, "pennyctl: %s\n", why);
	return why == NULL;
}
