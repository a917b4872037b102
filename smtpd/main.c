/* smtpd: receives mail.  Which roles there are; see common/daemon.c for the
 * command line and common/master.c for what the master does. */
#include "common/master.h"
#include "common/paths.h"
#include "common/pool.h"
#include "common/svc_auth.h"
#include "common/svc_key.h"
#include "common/svc_log.h"
#include "smtpd/session.h"
#include "smtpd/svc_lookup.h"
#include "smtpd/svc_relay.h"
#include "spool/aliases.h"
#include "spool/svc_deliver.h"
#include "spool/svc_expand.h"
#include "spool/svc_queue.h"

static noreturn void
pool(struct role *r)
{
	pool_main(r, smtp_session_serve);
}

static role_main *const mains[ROLE__N] = {
	[ROLE_LOG] = svc_log_main,
	[ROLE_POOL] = pool,
	[ROLE_KEY] = svc_key_main,
	[ROLE_AUTH] = svc_auth_main,
	[ROLE_LOOKUP] = svc_lookup_main,
	[ROLE_QUEUE] = svc_queue_main,
	[ROLE_DELIVER] = svc_deliver_main,
	[ROLE_EXPAND] = svc_expand_main,
	[ROLE_RELAY] = svc_relay_main,
};

int
main(int argc, char **argv)
{
	static const struct daemon d = { .name = "smtpd",
		.config = PENNYPOST_CONFIG_DIR "/smtpd.conf",
		.mains = mains,
		.check = lookup_check,
		.check_files = aliases_check };

	return daemon_main(argc, argv, &d);
}
