/* SEND, SOML and SAML (RFC 821 3.4).  Runs in: worker. */
#include "smtpd/send.h"

#include <unistd.h>

#include "common/log.h"
#include "spool/ask_queue.h"

enum { SHOWN = 16384 }; /* octets of a message, at most */

bool
send_active(struct session *s, const char *address)
{
	return ask_queue_terminal(session_queue(s), address, s->t.sender.text,
		   (struct view){ NULL, 0 }) == OK;
}

struct view
send_text(const struct content *content)
{
	static char start[SHOWN];
	struct view v = buf_view(&content->mem);

	if (content->file != -1) {
		ssize_t n = pread(content->file, start, sizeof(start), 0);
		v = (struct view){ start, n > 0 ? (size_t)n : 0 };
	}
	if (v.n > SHOWN)
		v.n = SHOWN;
	return v;
}

bool
send_to(struct session *s, const char *address, const char *delivered_to,
    struct view text)
{
	char to[ADDR_MAX + 1];
	enum status st = ask_queue_terminal(
	    session_queue(s), address, s->t.sender.text, text);

	if (st == ERR_DOWN)
		s->spent = true;
	if (st != OK)
		return false;
	log_write(LOG_LVL_INFO, "local",
	    "%s: to=<%s>, relay=local, delay=0, delays=0/0/0/0, dsn=2.0.0, "
	    "status=sent (delivered to terminal)",
	    s->t.id, log_clean(view_of(delivered_to), to, sizeof(to)));
	return true;
}
