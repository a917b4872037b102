/* mailq, newaliases, sendmail -q.  Runs in: sendmail. */
#include <sysexits.h>

#include "spool/sendmail.h"

int
sendmail_queue(const struct sendmail *m)
{
	sendmail_say(m, "not this way");
	return EX_USAGE;
}
