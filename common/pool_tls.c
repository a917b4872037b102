/* The TLS server of the workers.  Runs in: pool, before the sandbox. */
#include "common/pool_tls.h"

#include <sys/stat.h>

#include "common/log.h"
#include "common/msg.h"

static void
add_staple(struct tls_server *tls, unsigned i, int fd, const char *name)
{
	char err[512];
	struct stat st;

	/* /dev/null: the master found no file, and has said so. */
	if (fd == -1 || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return;
	if (!tls_server_staple(tls, i, fd, name, err, sizeof(err)))
		log_warn("%s; the certificate is shown without it", err);
}

struct tls_server *
pool_tls(struct role *r)
{
	const struct settings *s = r->settings;
	const char *files[ROLE_FILES_MAX];
	int cert[ROLE_FILES_MAX], staple[ROLE_FILES_MAX];
	unsigned n = s->tls_n, at = 0;
	char err[512];

	if (r->file_n == 0)
		return NULL;
	for (unsigned i = 0; i < n; i++) {
		files[i] = s->tls[i].certificate;
		cert[i] = r->file[at++];
		staple[i] = s->tls[i].ocsp != NULL ? r->file[at++] : -1;
	}
	struct tls_server *tls =
	    tls_server_new(cert, files, n, r->key_ask, err, sizeof(err));
	if (tls == NULL ||
	    (r->file_n > at && !tls_server_client_ca(tls, r->file[at],
				   s->tls_client_ca, err, sizeof(err))))
		role_failed(r, "%s", err);
	for (unsigned i = 0; i < n; i++)
		add_staple(tls, i, staple[i], s->tls[i].ocsp);
	tls_server_alpn(tls, r->pop3 ? "pop3" : "smtp");
	for (unsigned i = 0; i < r->file_n; i++)
		close_fd(&r->file[i]);
	return tls;
}
