/* The message on standard input.  Runs in: sendmail. */
#include "spool/sendmail_input.h"

#include <errno.h>
#include <unistd.h>

enum { PIECE = 16384 };

/* One octet; what was held back goes first. */
static size_t
octet(struct input *in, char c, char *out)
{
	size_t n = 0;

	switch (in->state) {
	case INPUT_END:
		return 0;
	case INPUT_DOT:
		if (c == '\n') {
			in->state = INPUT_END;
			return 0;
		}
		if (c == '\r') {
			in->state = INPUT_DOT_CR;
			return 0;
		}
		out[n++] = '.';
		break;
	case INPUT_DOT_CR:
		if (c == '\n') {
			in->state = INPUT_END;
			return 0;
		}
		out[n++] = '.';
		out[n++] = '\r';
		break;
	case INPUT_CR:
		if (c != '\n')
			out[n++] = '\r';
		break;
	case INPUT_BOL:
		if (c == '.' && in->dot_ends) {
			in->state = INPUT_DOT;
			return 0;
		}
		break;
	case INPUT_TEXT:
		break;
	}
	if (c == '\r') {
		in->state = INPUT_CR;
		return n;
	}
	if (c == '\n')
		out[n++] = '\r';
	out[n++] = c;
	in->state = c == '\n' ? INPUT_BOL : INPUT_TEXT;
	return n;
}

/* A dot alone is the end also where no line end follows it. */
static size_t
finish(struct input *in, char *out)
{
	size_t n = 0;

	if (in->state == INPUT_CR)
		out[n++] = '\r';
	if (in->state == INPUT_CR || in->state == INPUT_TEXT) {
		out[n++] = '\r';
		out[n++] = '\n';
	}
	in->state = INPUT_END;
	return n;
}

size_t
input_convert(struct input *in, const char *p, size_t n, bool at_end, char *out)
{
	size_t done = 0;

	for (size_t i = 0; i < n; i++)
		done += octet(in, p[i], out + done);
	if (at_end)
		done += finish(in, out + done);
	return done;
}

ssize_t
input_read(struct input *in, char *out, size_t size)
{
	char piece[PIECE];
	size_t want = (size - 4) / 2, done = 0;

	if (want > sizeof(piece))
		want = sizeof(piece);
	while (done == 0 && in->state != INPUT_END) {
		ssize_t n = read(in->fd, piece, want);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		done = input_convert(in, piece, (size_t)n, n == 0, out);
	}
	return (ssize_t)done;
}
