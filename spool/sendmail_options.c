/*
 * The command line of sendmail(8), as other servers' programs of that name have
 * it.  Runs in: sendmail.  Pure.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "spool/sendmail.h"

/* Flags whose value stands behind them or is the next argument.  The others
 * that take one want it attached. */
static const char with_value[] = "ABCDFLNORVXfhpr";

struct reader {
	struct sendmail *out;
	char *err;
	size_t size;
};

static int
wrong(struct reader *r, const char *what, const char *value)
{
	snprintf(r->err, r->size, "%s%s%s", what, value[0] == '\0' ? "" : ": ",
	    value);
	return EX_USAGE;
}

static int
take_mode(struct reader *r, char mode)
{
	static const struct {
		char letter;
		enum sendmail_mode mode;
	} modes[] = { { 'm', MODE_SEND }, { 's', MODE_SMTP },
		{ 'v', MODE_VERIFY }, { 'p', MODE_LIST },
		{ 'i', MODE_ALIASES } };

	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (modes[i].letter != mode)
			continue;
		r->out->mode = modes[i].mode;
		return 0;
	}
	if (mode == 'd' || mode == 'D')
		return wrong(r, "the daemon is smtpd(8), not sendmail -bd", "");
	return wrong(r,
	    "-b takes m (send), s (SMTP), v (verify), p (print the queue) or "
	    "i (check the aliases)",
	    "");
}

/* RFC 3461 4.1 */
static int
take_notify(struct reader *r, const char *value)
{
	struct view rest = view_of(value);
	bool never = strcasecmp(value, "never") == 0, good = rest.n > 0;

	while (!never && rest.n > 0) {
		struct view word = view_trim(view_split(&rest, ',', NULL));
		good = good && (view_caseeqs(word, "success") ||
				   view_caseeqs(word, "failure") ||
				   view_caseeqs(word, "delay"));
	}
	if (!never &&
	    (!good || strlen(value) > 23 || strpbrk(value, " \t\r\n") != NULL))
		return wrong(
		    r, "-N: never, or some of success,failure,delay", value);
	r->out->notify = value;
	return 0;
}

static int
take_one_of(struct reader *r, const char **out, const char *value,
    const char *a, const char *b, const char *what)
{
	if (strcasecmp(value, a) != 0 && strcasecmp(value, b) != 0)
		return wrong(r, what, value);
	*out = strcasecmp(value, a) == 0 ? a : b;
	return 0;
}

/* -oX, and what the long names of -O mean the same. */
static void
take_option(struct reader *r, const char *value)
{
	if (value[0] == 'i' || strcasecmp(value, "IgnoreDots") == 0 ||
	    strcasecmp(value, "IgnoreDots=true") == 0)
		r->out->dot_is_text = true;
	else if (strcmp(value, "eq") == 0 ||
		 strcasecmp(value, "ErrorMode=quiet") == 0)
		r->out->quiet = true;
	else if (strcmp(value, "v") == 0)
		r->out->verbose = true;
}

static int
take_value(struct reader *r, char flag, const char *value)
{
	struct sendmail *s = r->out;

	switch (flag) {
	case 'B':
		return take_one_of(r, &s->body, value, "7BIT", "8BITMIME",
		    "-B: 7BIT or 8BITMIME");
	case 'C':
		s->config = value;
		return 0;
	case 'F':
		s->name = value;
		return 0;
	case 'N':
		return take_notify(r, value);
	case 'O':
		take_option(r, value);
		return 0;
	case 'R':
		return take_one_of(
		    r, &s->ret, value, "FULL", "HDRS", "-R: full or hdrs");
	case 'V':
		if (value[0] == '\0' || strlen(value) > 100)
			return wrong(r, "-V: an id of at most 100 octets", "");
		for (const char *c = value; *c != '\0'; c++)
			if (*c < 0x21 || *c > 0x7e)
				return wrong(
				    r, "-V: an id of printable ASCII", "");
		s->envid = value;
		return 0;
	case 'f':
	case 'r':
		s->sender = value;
		return 0;
	default:
		return 0; /* of other servers */
	}
}

/* -q, -q15m, -qIid, -qRrecipient, -qSsender */
static void
take_queue(struct reader *r, const char *value)
{
	struct sendmail *s = r->out;

	s->mode = MODE_FLUSH;
	if (value[0] != '\0' && strchr("IRS", value[0]) != NULL) {
		s->flush_by = value[0];
		s->flush = value + 1;
	}
}

/* One argument "-abc".  *used: it took the next one as a value. */
static int
take_flags(struct reader *r, const char *arg, const char *next, bool *used)
{
	struct sendmail *s = r->out;
	int rc = 0;

	for (const char *c = arg + 1; *c != '\0'; c++) {
		if (strchr(with_value, *c) != NULL) {
			*used = c[1] == '\0';
			if (*used && next == NULL)
				return wrong(r, "a value is missing", arg);
			return take_value(r, *c, *used ? next : c + 1);
		}
		switch (*c) {
		case 'b':
			rc = take_mode(r, c[1]);
			if (rc != 0 || c[1] == '\0')
				return rc;
			c++;
			break;
		case 'o': /* -oi, -oem, -odi; or -o and i */
			*used = c[1] == '\0' && next != NULL;
			take_option(r, *used ? next : c + 1);
			return 0;
		case 'e': /* -em, -eq: -oeq */
			s->quiet |= c[1] == 'q';
			return 0;
		case 'd': /* debugging, with levels behind it */
			return 0;
		case 'q':
			take_queue(r, c + 1);
			return 0;
		case 'i':
			s->dot_is_text = true;
			break;
		case 't':
			s->from_header = true;
			break;
		case 'v':
			s->verbose = true;
			break;
		case 'I':
			s->mode = MODE_ALIASES;
			break;
		default: /* -G, -U, -m, -n, -s, -x and what nobody knows */
			break;
		}
	}
	return 0;
}

int
sendmail_options(const char *program, int argc, char **argv,
    struct sendmail *out, char *err, size_t size)
{
	struct reader r = { out, err, size };
	int i = 1, rc = 0;

	*out = (struct sendmail){ .mode = MODE_SEND };
	err[0] = '\0';
	if (strcmp(program, "mailq") == 0)
		out->mode = MODE_LIST;
	if (strcmp(program, "newaliases") == 0)
		out->mode = MODE_ALIASES;
	for (; rc == 0 && i < argc && argv[i][0] == '-' && argv[i][1] != '\0';
	     i++) {
		bool used = false;
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (argv[i][1] == '-')
			continue; /* --long-flags of other servers */
		rc = take_flags(
		    &r, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used);
		if (used)
			i++;
	}
	out->address = argv + (i < argc ? i : argc);
	out->address_n = i < argc ? argc - i : 0;
	return rc;
}
