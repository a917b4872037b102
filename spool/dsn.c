/* When a sender is told, and what of the message is returned.  Runs in: queue.
 */
#include "spool/dsn.h"

#include <string.h>

struct view
dsn_param(struct view params, const char *keyword, bool *found)
{
	struct view value = { NULL, 0 };
	bool there = false;

	while (params.n > 0 && !there) {
		value = view_token(&params);
		there = view_caseeqs(view_split(&value, '=', NULL), keyword);
	}
	if (found != NULL)
		*found = there;
	return there ? value : (struct view){ NULL, 0 };
}

static bool
listed(struct view list, const char *word)
{
	bool more = list.n > 0;

	while (more)
		if (view_caseeqs(view_split(&list, ',', &more), word))
			return true;
	return false;
}

bool
dsn_wanted(struct view rcpt_params, enum dsn_action action)
{
	bool given;
	struct view notify = dsn_param(rcpt_params, "NOTIFY", &given);

	switch (action) {
	case DSN_FAILED:
		return !given || listed(notify, "FAILURE");
	case DSN_DELAYED:
		return !given || listed(notify, "DELAY");
	default:
		return given && listed(notify, "SUCCESS");
	}
}

bool
dsn_wants_all(struct view mail_params, bool failed)
{
	bool require_tls;

	dsn_param(mail_params, "REQUIRETLS", &require_tls);
	return failed && !require_tls &&
	       !view_caseeqs(dsn_param(mail_params, "RET", NULL), "HDRS");
}

/* "Name:", or more of the line before. */
static bool
is_field(struct view line, bool first)
{
	size_t i = 0;

	if (line.p[0] == ' ' || line.p[0] == '\t')
		return !first;
	while (i < line.n && line.p[i] > ' ' && line.p[i] <= '~' &&
	       line.p[i] != ':')
		i++;
	return i > 0 && i < line.n && line.p[i] == ':';
}

struct view
dsn_header(struct view content)
{
	size_t max = content.n < DSN_HEADER_MAX ? content.n : DSN_HEADER_MAX;
	size_t end = 0;

	while (end < max) {
		const char *start = content.p + end;
		const char *lf = memchr(start, '\n', max - end);
		if (lf == NULL)
			break;
		struct view line = { start, (size_t)(lf + 1 - start) };
		if (!is_field(line, end == 0))
			break;
		end += line.n;
	}
	return (struct view){ content.p, end };
}
