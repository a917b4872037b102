/* What the master tells a role, and the files it hands over.  Runs in: the
 * master. */
#include "common/group_order.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/ctl.h"
#include "common/log.h"
#include "common/msg.h"

enum { ORDER_TRIES = 50, ORDER_MS = 100 };

static struct msg m;

bool
group_order(struct proc *p, uint32_t type, int fd, uint32_t a, uint32_t b,
    unsigned words)
{
	msg_start(&m, type);
	if (words > 0)
		msg_put_u32(&m, a);
	if (words > 1)
		msg_put_u32(&m, b);
	m.fd = fd;
	bool good = false;
	for (int tries = 0; p->ctl != -1 && tries < ORDER_TRIES; tries++) {
		struct pollfd pf = { .fd = p->ctl, .events = POLLOUT };
		good = msg_send(p->ctl, &m) == 0;
		if (good || errno != EAGAIN)
			break;
		poll(&pf, 1, ORDER_MS);
	}
	m.fd = -1;
	return good;
}

static bool
give_file(struct proc *p, const char *path, char *err, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd == -1) {
		snprintf(err, size,
		    "%s: %s; see tls_certificate in the "
		    "configuration",
		    path, strerror(errno));
		return false;
	}
	bool good = group_order(p, CTL_FILE, fd, 0, 0, 0);
	close(fd);
	return good;
}

/* One that is not there (yet) is no reason to be without mail. */
static bool
give_staple(struct proc *p, const char *path, char *err, size_t size)
{
	if (access(path, R_OK) == 0)
		return give_file(p, path, err, size);
	log_warn("%s: %s; the certificate is shown without it", path,
	    strerror(errno));
	return give_file(p, "/dev/null", err, size);
}

bool
group_give_tls(struct proc *p, const struct settings *s, char *err, size_t size)
{
	for (unsigned i = 0; i < s->tls_n; i++) {
		if (!give_file(p, s->tls[i].certificate, err, size))
			return false;
		if (p->id == ROLE_KEY &&
		    !give_file(p, s->tls[i].key, err, size))
			return false;
		if (p->id == ROLE_POOL && s->tls[i].ocsp != NULL &&
		    !give_staple(p, s->tls[i].ocsp, err, size))
			return false;
	}
	return p->id != ROLE_POOL || s->tls_client_ca[0] == '\0' ||
	       give_file(p, s->tls_client_ca, err, size);
}
