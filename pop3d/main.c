/* pop3d: hands mail out.  Which roles there are; see common/daemon.c for the
 * command line and common/master.c for what the master does. */
#include <malloc.h>

#include "common/master.h"
#include "common/paths.h"
#include "common/pool.h"
#include "common/svc_auth.h"
#include "common/svc_key.h"
#include "common/svc_log.h"
#include "pop3d/session.h"
#include "pop3d/svc_maildrop.h"

enum { LARGE = 131072 }; /* octets; glibc's own at the start */

static noreturn void
pool(struct role *r)
{
	/* Workers inherit this.  By itself glibc would move the limit up when
	 * the first large block is freed, and take the next one from the heap:
	 * that writes into many pages which all workers share until then. */
	mallopt(M_MMAP_THRESHOLD, LARGE);
	pool_main(r, pop3_session_serve);
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
		.config = PENNYPOST_CONFIG_DIR "/pop3d.conf",
		.mains = mains };

	return daemon_main(argc, argv, &d);
}
