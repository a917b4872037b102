/*
 * Certificates that were renewed are taken up by themselves.  Runs in: master.
 *
 * A program that renews writes several files, one after the other: they are
 * taken up when nothing has changed for a moment.  Should they not fit even
 * then, the old ones stay in force, and the next change is the next chance.
 */
#define _GNU_SOURCE
#include "common/cert_watch.h"

#include <string.h>
#include <sys/stat.h>

#include "common/role.h"
#include "common/service.h"

enum { SETTLE_MS = 2000 };

struct look {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};
static struct look known[ROLE_FILES_MAX], before[ROLE_FILES_MAX];
static const struct settings *settings;
static void (*tell)(void);
static struct timer *timer;

static void
look_at(const char *path, struct look *l)
{
	struct stat st;

	memset(l, 0, sizeof(*l)); /* compared as octets */
	if (stat(path, &st) == -1)
		return;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	l->size = st.st_size;
	l->mtime = st.st_mtim;
	l->ctime = st.st_ctim;
}

static void
look_at_all(struct look *l)
{
	memset(l, 0, ROLE_FILES_MAX * sizeof(*l));
	for (unsigned i = 0; i < settings->tls_n; i++) {
		look_at(settings->tls[i].certificate, &l[3 * i]);
		look_at(settings->tls[i].key, &l[3 * i + 1]);
		if (settings->tls[i].ocsp != NULL)
			look_at(settings->tls[i].ocsp, &l[3 * i + 2]);
	}
	look_at(settings->tls_client_ca, &l[3 * settings->tls_n]);
}

static void
look_again(void *arg)
{
	static struct look now[ROLE_FILES_MAX];
	bool settling = arg != NULL;

	timer = NULL;
	look_at_all(now);
	if (memcmp(now, known, sizeof(now)) == 0) {
		timer =
		    timer_add(settings->tls_check_interval, look_again, NULL);
		return;
	}
	if (!settling || memcmp(now, before, sizeof(now)) != 0) {
		memcpy(before, now, sizeof(now));
		timer = timer_add(SETTLE_MS, look_again, before);
		return;
	}
	memcpy(known, now, sizeof(now));
	timer = timer_add(settings->tls_check_interval, look_again, NULL);
	tell();
}

void
cert_watch(const struct settings *s, void (*changed)(void), bool fresh)
{
	timer_del(timer);
	timer = NULL;
	settings = s;
	tell = changed;
	if (s->tls_n == 0 || s->tls_check_interval == 0)
		return;
	if (fresh)
		look_at_all(known);
	timer = timer_add(s->tls_check_interval, look_again, NULL);
}
