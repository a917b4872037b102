#ifndef T_UNIT_SMTP_STORED_H
#define T_UNIT_SMTP_STORED_H
/* What a session stored of what a client sent, for the tests of DATA and
 * BDAT. */
#include "t/unit/smtp_fake.h"
#include "t/unit/tap.h"

static struct buf in = { .max = 1 << 21 };

/* What was stored, without our trace header: three lines, folded. */
static struct view
stored(void)
{
	struct view v = buf_view(&fake.content);

	if (!view_casestarts(v, "Received: "))
		return v;
	do
		view_split(&v, '\n', NULL);
	while (v.n > 0 && v.p[0] == '\t');
	return v;
}

static void
stored_start(void)
{
	fake_start();
	fake_listener.type = LISTEN_MX;
	fake_settings.errors_max = 1000;
}

#endif
