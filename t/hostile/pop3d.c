/* pop3d with captured workers; see attack.h. */
#include "common/master.h"
#include "common/pool.h"
#include "common/svc_auth.h"
#include "common/svc_key.h"
#include "common/svc_log.h"
#include "pop3d/session.h"
#include "pop3d/svc_maildrop.h"
#include "t/hostile/attack.h"

static noreturn void
pool(struct role *r)
{
	hostile_real_session = pop3_session_serve;
	pool_main(r, hostile_session);
}

static role_main *const mains[ROLE__N] = {
	[ROLE_LOG] = svc_log_main,
	[ROLE_POOL] = pool,
	[ROLE_KEY] = svc_key_main,
	[ROLE_AUTH] = svc_auth_main,
	[ROLE_MAILDROP] = svc_maildrop_main,
};

int
main(int argc, char **argv)
{
	static const struct daemon d = { .name = "pop3d",
		.pop3 = true,
		.config = "/nonexistent",
		.mains = mains };

	return daemon_main(argc, argv, &d);
}
