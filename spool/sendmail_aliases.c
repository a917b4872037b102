/*
 * newaliases: there is nothing to build, so it says what is wrong.
 * Runs in: sendmail.
 */
#include <stdlib.h>
#include <sysexits.h>

#include "common/passdb.h"
#include "common/paths.h"
#include "common/settings.h"
#include "spool/aliases.h"
#include "spool/sendmail.h"

static void
say(void *arg, bool error, const char *text)
{
	sendmail_say(arg, "%s%s", error ? "" : "warning: ", text);
}

int
sendmail_aliases(const struct sendmail *m)
{
	const char *config =
	    m->config != NULL ? m->config : PENNYPOST_CONFIG_DIR "/smtpd.conf";
	char *err = NULL;
	struct settings *s = settings_read(config, false, &err);
	struct passdb *db = s == NULL ? NULL : passdb_open(s, false, &err);
	struct sendmail loud = *m;
	int rc = EX_CONFIG;

	if (db == NULL) {
		/* The users file is root's: without it users cannot be told
		 * from mistakes. */
		sendmail_say(m, "%s", err == NULL ? config : err);
		goto out;
	}
	rc = aliases_check(s, db, say, &loud) == 0 ? EX_OK : EX_DATAERR;
out:
	free(err);
	passdb_free(db);
	settings_free(s);
	return rc;
}
