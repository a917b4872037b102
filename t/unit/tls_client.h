#ifndef T_UNIT_TLS_CLIENT_H
#define T_UNIT_TLS_CLIENT_H
/* A TLS client in a child process that does as planned, the key role in
 * another, and the server's end of the connection here. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/conn.h"
#include "common/msg.h"
#include "common/service.h"
#include "common/svc_key.h"
#include "t/unit/certs.h"
#include "t/unit/tap.h"

static char err[512];
static struct certs_pair ec, ec384, rsa; /* certs_make */
static struct conn conn;
static char why_text[128]; /* of the last handshake */

/* ---- the key role ---- */

static char file_name[] = "pem";
static const struct tls_pair names[] = { { file_name, file_name, NULL },
	{ file_name, file_name, NULL } };

/* A process that signs with these keys; *pid; its channel. */
static int
key_role(const int *fd, unsigned n, pid_t *pid)
{
	int end[2];

	if (channel_pair(end) == -1)
		abort();
	fflush(stdout);
	*pid = fork();
	if (*pid == 0) {
		close(end[0]);
		service_init();
		service_add(end[1], &key_service, NULL);
		if (!keys_load(fd, names, n, err, sizeof(err)))
			_exit(1);
		service_run();
		_exit(0);
	}
	close(end[1]);
	return end[0];
}

static void
reap(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- the client: a child that ends with 0 when all was as it expected ---- */

struct plan {
	int version;	     /* TLS1_2_VERSION, TLS1_3_VERSION */
	const char *sigalgs; /* NULL: OpenSSL's */
	const char *groups;
	const char *ciphers; /* TLS 1.2 */
	const char *sni;
	const char *alpn; /* wire form */
	const char *want_alpn;
	EVP_PKEY *want_key; /* of the certificate */
	const char *before; /* sent in clear, in front of the handshake */
	size_t before_n;
	int want_alert;	    /* the handshake fails with it */
	int (*talk)(SSL *); /* after the handshake; 0: good */
};

enum { NOT_CONNECTED = 20, WRONG_KEY, WRONG_ALPN, RESUMABLE, NO_ALERT };

static int
client_failed(const struct plan *p)
{
	int reason = ERR_GET_REASON(ERR_peek_error());

	if (p->want_alert == 0)
		return NOT_CONNECTED;
	return reason == SSL_AD_REASON_OFFSET + p->want_alert ? 0 : NO_ALERT;
}

/* OpenSSL's macros cast const away. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
static void
client_set(SSL_CTX *ctx, SSL *ssl, const struct plan *p)
{
	SSL_CTX_set_security_level(ctx, 0);
	SSL_set_security_level(ssl, 0);
	SSL_set_min_proto_version(ssl, p->version);
	SSL_set_max_proto_version(ssl, p->version);
	if ((p->sigalgs != NULL && !SSL_set1_sigalgs_list(ssl, p->sigalgs)) ||
	    (p->groups != NULL && !SSL_set1_groups_list(ssl, p->groups)) ||
	    (p->ciphers != NULL && !SSL_set_cipher_list(ssl, p->ciphers)) ||
	    (p->sni != NULL && !SSL_set_tlsext_host_name(ssl, p->sni)) ||
	    (p->alpn != NULL &&
		SSL_set_alpn_protos(ssl, (const unsigned char *)p->alpn,
		    (unsigned)strlen(p->alpn)) != 0))
		_exit(99);
}

#pragma GCC diagnostic pop

static int
client_look(SSL *ssl, const struct plan *p)
{
	const unsigned char *alpn;
	unsigned n;

	if (p->want_alert != 0)
		return NO_ALERT;
	if (p->want_key != NULL &&
	    EVP_PKEY_eq(X509_get0_pubkey(SSL_get0_peer_certificate(ssl)),
		p->want_key) != 1)
		return WRONG_KEY;
	SSL_get0_alpn_selected(ssl, &alpn, &n);
	if (n != (p->want_alpn == NULL ? 0 : strlen(p->want_alpn)) ||
	    (n > 0 && memcmp(alpn, p->want_alpn, n) != 0))
		return WRONG_ALPN;
	return 0;
}

static int
client_main(int fd, const struct plan *p)
{
	char line[128];
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);

	signal(SIGPIPE, SIG_IGN);
	alarm(120);
	client_set(ctx, ssl, p);
	if (p->before_n > 0 &&
	    (write(fd, p->before, p->before_n) != (ssize_t)p->before_n ||
		read(fd, line, sizeof(line)) <= 0))
		return 98;
	SSL_set_fd(ssl, fd);
	int rc = SSL_connect(ssl) == 1 ? client_look(ssl, p) : client_failed(p);
	if (rc == 0 && p->want_alert == 0) {
		if (p->talk != NULL)
			return p->talk(ssl);
		if (SSL_write(ssl, "NOOP\r\n", 6) != 6 ||
		    SSL_read(ssl, line, sizeof(line)) != 8)
			return 97;
		if (SSL_SESSION_is_resumable(SSL_get0_session(ssl)))
			return RESUMABLE;
		/* the end must come as close_notify */
		int r = SSL_read(ssl, line, sizeof(line));
		if (r > 0 || SSL_get_error(ssl, r) != SSL_ERROR_ZERO_RETURN)
			return 96;
		SSL_shutdown(ssl);
	}
	return rc;
}

/* Connects conn with a client that does as planned. */
static pid_t
client_start(const struct plan *p)
{
	int end[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end) == -1)
		abort();
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		close(end[0]);
		_exit(client_main(end[1], p));
	}
	close(end[1]);
	conn_open(&conn, end[0]);
	conn.timeout_ms = 5000;
	return pid;
}

static int
client_end(pid_t pid)
{
	int status = 0;

	conn_close(&conn);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static enum line_status
secure(struct tls_server *srv)
{
	const char *why;
	enum line_status st = conn_starttls(&conn, srv, &why);

	snprintf(why_text, sizeof(why_text), "%s", why);
	return st;
}

/* A whole session: handshake, NOOP, close.  0, or what the client says. */
static int
session(struct tls_server *srv, const struct plan *p)
{
	struct view v;
	pid_t pid = client_start(p);
	enum line_status st = secure(srv);

	if (st == LINE_OK && conn_line(&conn, 512, &v) == LINE_OK &&
	    view_eqs(v, "NOOP"))
		conn_writes(&conn, "250 OK\r\n");
	int rc = client_end(pid);
	if (rc != 0 || (st == LINE_OK) != (p->want_alert == 0))
		printf("# client %d, server %d: %s\n", rc, (int)st, why_text);
	return rc;
}

CERTS_UNUSED static void
certs_make(void)
{
	ec = certs_pair("EC:P-256");
	ec384 = certs_pair("EC:P-384");
	rsa = certs_pair("RSA:2048");
}
#endif
