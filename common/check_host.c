/*
 * What -t finds doubtful about this host: warnings, as each may be right where
 * it is started in earnest.  Runs in: master, which then exits.
 */
#define _GNU_SOURCE
#include "common/check_host.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/listen.h"
#include "common/msg.h"
#include "common/pem.h"
#include "common/running.h"

static const char *program;

__attribute__((format(printf, 1, 2))) static void
warning(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: warning: ", program);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
}

/* Those of one that runs are in use, of course. */
static void
check_ports(const struct settings *s)
{
	struct running r;
	char err[512];

	if (running_read(s, program, &r))
		return;
	for (unsigned i = 0; i < s->listener_n; i++) {
		struct settings one = *s;
		int fd = -1;
		one.listeners = &s->listeners[i];
		one.listener_n = 1;
		if (one.listeners->local)
			continue; /* to try it would be to make it */
		if (listen_all(&one, NULL, NULL, &fd, err, sizeof(err)))
			close_fd(&fd);
		else
			warning("%s", err);
	}
}

static void
check_name(const struct settings *s)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai = NULL;

	if (strchr(s->hostname, '.') == NULL) {
		warning("hostname %s: has no domain; other hosts will not "
			"believe it",
		    s->hostname);
		return;
	}
	/* A check is not to wait for long. */
	if (getenv("RES_OPTIONS") == NULL)
		setenv("RES_OPTIONS", "timeout:1 attempts:1", 1);
	int rc = getaddrinfo(s->hostname, NULL, &hints, &ai);
	if (rc != 0)
		warning("hostname %s: %s", s->hostname, gai_strerror(rc));
	else
		freeaddrinfo(ai);
}

static void
check_certificate(const struct settings *s, const struct tls_pair *t)
{
	STACK_OF(X509) *chain = NULL;
	X509 *leaf = NULL;
	struct buf text;
	char err[512];

	int fd = open(t->certificate, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return; /* was told */
	if (pem_read(fd, t->certificate, &text, err, sizeof(err)) &&
	    pem_certs(buf_view(&text), t->certificate, &leaf, &chain, err,
		sizeof(err)) &&
	    X509_check_host(leaf, s->hostname, 0, 0, NULL) != 1)
		warning(
		    "%s: is not for the name %s", t->certificate, s->hostname);
	buf_free(&text);
	X509_free(leaf);
	sk_X509_pop_free(chain, X509_free);
	close(fd);
}

/* Whether locks work where the mailboxes are: on some network file systems
 * they do not. */
static void
check_locks(const struct settings *s)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const char *slash = strrchr(s->mailbox, '/');
	char dir[1024];

	if (s->mailbox[0] != '/' || slash == s->mailbox)
		return;
	snprintf(
	    dir, sizeof(dir), "%.*s", (int)(slash - s->mailbox), s->mailbox);
	if (strchr(dir, '%') != NULL)
		return;
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd == -1)
		return; /* not there, or a file system without such files */
	if (fcntl(fd, F_OFD_SETLK, &l) == -1)
		warning("mailbox_locks: fcntl locks do not work in %s: %s", dir,
		    strerror(errno));
	close(fd);
}

void
config_check_host(const char *name, const struct settings *s)
{
	program = name;
	check_ports(s);
	check_name(s);
	check_locks(s);
	for (unsigned i = 0; i < s->tls_n; i++)
		check_certificate(s, &s->tls[i]);
}
