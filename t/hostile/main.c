/* Both daemons with captured workers: which one, its own name says. */
#include <string.h>

#include "common/master.h"
#include "common/pool.h"
#include "common/svc_auth.h"
#include "common/svc_key.h"
#include "common/svc_log.h"
#include "pop3d/session.h"
#include "pop3d/svc_maildrop.h"
#include "smtpd/session.h"
#include "smtpd/svc_lookup.h"
#include "spool/svc_deliver.h"
#include "spool/svc_queue.h"
#include "t/hostile/attack.h"

static noreturn void
pool(struct role *r)
{
	hostile_real_session = r->pop3 ? pop3_session_serve : smtp_session_serve;
	pool_main(r, hostile_session);
}

static role_main *const mains[ROLE__N] = {
	[ROLE_LOG] = svc_log_main,
	[ROLE_POOL] = pool,
	[ROLE_KEY] = svc_key_main,
	[ROLE_AUTH] = svc_auth_main,
	[ROLE_LOOKUP] = svc_lookup_main,
	[ROLE_QUEUE] = svc_queue_main,
	[ROLE_DELIVER] = svc_deliver_main,
	[ROLE_MAILDROP] = svc_maildrop_main,
};

int
main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash == NULL ? argv[0] : slash + 1;
	bool pop3 = strncmp(name, "pop3d", 5) == 0;
	struct daemon d = { .name = pop3 ? "pop3d" : "smtpd", .pop3 = pop3,
		.config = "/nonexistent", .mains = mains };

	return daemon_main(argc, argv, &d);
}
