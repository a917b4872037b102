/* Parameters of MAIL and RCPT.  Runs in: worker. */
#include "smtpd/params.h"

#include "common/log.h"
#include "common/utf8.h"

/* esmtp-keyword: letters, digits, and hyphens but at the start. */
static bool
keyword_valid(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alnum(v.p[i]) && (v.p[i] != '-' || i == 0))
			return false;
	return v.n > 0;
}

/* esmtp-value: printable, without "=" and blanks. */
static bool
value_valid(struct view v, bool utf8)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		if (c <= ' ' || (c > '~' && (!utf8 || c == 127)) || c == '=')
			return false;
	}
	return v.n > 0 && (!utf8 || utf8_printable(v));
}

bool
param_bad(
    struct session *s, struct view keyword, const char *why, enum next *next)
{
	char clean[32];

	*next = reply(s, 501, "5.5.4", "%s: %s",
	    log_clean(keyword, clean, sizeof(clean)), why);
	return false;
}

static bool
unsupported(struct session *s, struct view keyword, enum next *next)
{
	char clean[32];

	*next = reply(s, 555, "5.5.4", "Parameter not supported: %s",
	    log_clean(keyword, clean, sizeof(clean)));
	return false;
}

bool
params_take(struct session *s, struct view v, const struct param *table,
    size_t n, enum next *next)
{
	unsigned seen = 0;

	while (v.n > 0) {
		bool equals;
		struct view value = view_token(&v);
		struct view keyword = view_split(&value, '=', &equals);
		size_t i = 0;

		while (i < n && !view_caseeqs(keyword, table[i].keyword))
			i++;
		if (!keyword_valid(keyword))
			return param_bad(s, keyword, "not a parameter", next);
		if (i == n)
			return unsupported(s, keyword, next);
		if (seen & (1u << i))
			return param_bad(s, keyword, "given twice", next);
		if (equals != table[i].has_value ||
		    (equals && !value_valid(value, table[i].utf8)))
			return param_bad(s, keyword,
			    "a value is missing, or not allowed", next);
		if (!table[i].take(s, value, next))
			return false;
		seen |= 1u << i;
	}
	return true;
}
