/* Lines of other protocols.  Pure.  Runs in: worker. */
#include "smtpd/foreign.h"

#include <string.h>

enum { BINARY_AT = 4 /* octets of which one is NUL */ };

static bool
is_one_of(struct view v, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (view_caseeqs(v, list[i]))
			return true;
	return false;
}
#define IS_ONE_OF(v, list) is_one_of((v), (list), NELEM(list))

/* "HTTP/1.1", "SIP/2.0": letters, a slash, a digit. */
static bool
is_version(struct view v)
{
	size_t n = 0;

	while (n < v.n && ascii_alpha(v.p[n]))
		n++;
	return n >= 3 && n + 1 < v.n && v.p[n] == '/' &&
	       ascii_digit(v.p[n + 1]);
}

bool
foreign_anywhere(struct view verb, struct view rest)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "HEAD",
		"OPTIONS", "CONNECT", "DELETE", "PATCH", "TRACE", "PRI" };
	struct view last = { NULL, 0 };

	while (rest.n > 0)
		last = view_token(&rest);
	return IS_ONE_OF(verb, methods) || is_version(verb) || is_version(last);
}

/* "Host:": a name, and a colon at the end of the word. */
static bool
is_field(struct view verb)
{
	size_t n = 0;

	while (n < verb.n && (ascii_alnum(verb.p[n]) || verb.p[n] == '-'))
		n++;
	return n > 0 && n + 1 == verb.n && verb.p[n] == ':';
}

/* Redis: "*2", "$4". */
static bool
is_count(struct view verb)
{
	return verb.n > 1 && (verb.p[0] == '*' || verb.p[0] == '$') &&
	       ascii_digit(verb.p[1]);
}

bool
foreign_first(struct view verb, struct view rest)
{
	/* POP3, FTP, NNTP, IRC, Redis, memcached; those a person who looks
	 * for a way in might try, too, and is told so. */
	static const char *const verbs[] = { "USER", "PASS", "CAPA", "STLS",
		"APOP", "SYST", "FEAT", "MODE", "GROUP", "ARTICLE",
		"CAPABILITIES", "NICK", "CAP", "CONFIG", "EVAL", "STATS" };
	/* IMAP, behind a tag. */
	static const char *const tagged[] = { "LOGIN", "CAPABILITY",
		"AUTHENTICATE", "STARTTLS", "LOGOUT", "SELECT", "ID" };
	static const char *const proxied[] = { "TCP4", "TCP6", "UNKNOWN" };
	struct view second = view_token(&rest);

	return view_casestarts(verb, "SSH-") || is_field(verb) ||
	       is_count(verb) || IS_ONE_OF(verb, verbs) ||
	       IS_ONE_OF(second, tagged) ||
	       (view_caseeqs(verb, "PROXY") && IS_ONE_OF(second, proxied));
}

bool
foreign_binary(struct view line)
{
	size_t n = line.n < BINARY_AT ? line.n : BINARY_AT;

	return n > 0 && memchr(line.p, '\0', n) != NULL;
}
