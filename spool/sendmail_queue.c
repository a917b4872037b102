/* mailq, newaliases, sendmail -q.  Runs in: sendmail. */
#include <string.h>
#include <sysexits.h>

#include "spool/control.h"
#include "spool/queue_list.h"
#include "spool/sendmail.h"

/* -qI, -qR and -qS match a part of what they look at, as sendmail has it. */
static bool
flush_question(const struct sendmail *m, struct buf *q)
{
	const char *key = m->flush_by == 'R'   ? "recipient"
			  : m->flush_by == 'S' ? "sender"
					       : NULL;

	buf_adds(q, "retry");
	if (m->flush == NULL)
		return true;
	if (m->flush[0] == '\0' || strpbrk(m->flush, "\t\r\n") != NULL ||
	    strlen(m->flush) > CONTROL_GLOB_MAX - 3)
		return false;
	if (key == NULL)
		return buf_addf(q, "\tid=%s", m->flush);
	return buf_addf(q, "\t%s=*%s*", key, m->flush);
}

int
sendmail_queue(const struct sendmail *m)
{
	const struct control_from f = {
		.program = "sendmail", .config = m->config, .quiet = m->quiet
	};
	enum queue_style style = QUEUE_MAILQ;
	struct buf q;
	uint64_t n;
	int rc;

	if (m->mode == MODE_ALIASES)
		return sendmail_aliases(m);
	buf_init(&q, CONTROL_LINE_MAX);
	if (m->mode == MODE_LIST) {
		buf_adds(&q, "list");
	} else {
		style = QUEUE_QUIET;
		if (!flush_question(m, &q)) {
			sendmail_say(m, "-q%c: that cannot be", m->flush_by);
			buf_free(&q);
			return EX_USAGE;
		}
	}
	rc = queue_print(&f, buf_cstr(&q), style, &n);
	buf_free(&q);
	return rc;
}
