/* What a message looks like on a terminal. */
#include "spool/terminal_text.h"

#include <string.h>

#include "t/unit/tap.h"

static const char *
show(const char *content, size_t n)
{
	static struct buf b;

	buf_free(&b);
	buf_init(&b, TERMINAL_MAX);
	terminal_text(&b, view_of("alice"), view_of("a@b.test"),
	    view_of("bob@example.org"), (struct view){ content, n });
	return buf_cstr(&b);
}

/* Nothing but printable characters, line ends, and our bell. */
static bool
harmless(const char *text)
{
	for (size_t i = 0; text[i] != '\0'; i++) {
		bool end = (text[i] == '\r' && text[i + 1] == '\n') ||
			   (text[i] == '\n' && i > 0 && text[i - 1] == '\r');
		if (!end && i != 2 && (text[i] < ' ' || text[i] > '~'))
			return false;
	}
	return text[2] == '\a';
}

int
main(void)
{
	static char all[TERMINAL_CONTENT];
	const char *t = show("Received: x\r\nSubject: a\tb\r\n\r\nhi\r\n", 33);

	ok(strcmp(t, "\r\n\aMessage from alice\r\nFrom: a@b.test\r\n"
		     "To: bob@example.org\r\nSubject: a b\r\n\r\nhi\r\n"
		     "EOF\r\n") == 0,
	    "a message");
	ok(strstr(show("\r\nno header", 11),
	       "Subject: \r\n\r\nno header\r\n") != NULL,
	    "without header, or an end of its last line");
	ok(strstr(show("Subject: x", 10), "Subject: x\r\n\r\nEOF") != NULL,
	    "without body");
	ok(strstr(show("", 0), "Subject: \r\n\r\nEOF") != NULL, "empty");
	for (unsigned i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	ok(harmless(show(all, sizeof(all))), "every octet in the header");
	memcpy(all, "\r\n\r\n", 4);
	ok(harmless(show(all, sizeof(all))), "and in the body");
	memset(all, 'x', sizeof(all));
	memcpy(all, "\r\n", 2);
	t = show(all, sizeof(all));
	ok(strlen(t) <= TERMINAL_MAX && strlen(t) > TERMINAL_MAX - 100 &&
		strstr(t, "EOF\r\n") != NULL,
	    "one endless line is cut");
	memset(all, '\n', sizeof(all));
	t = show(all, sizeof(all));
	ok(strstr(t, "[more]\r\nEOF\r\n") != NULL, "many lines are cut");
	return done_testing();
}
