/*
 * TLS for connections.  Runs in: worker.
 *
 * TLS lies over whatever carried the octets before: the BIO below calls the
 * plain ops, so it works on all that conn_open takes and never raises SIGPIPE.
 */
#include "common/conn.h"

#include <errno.h>
#include <malloc.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ask_key.h"
#include "common/tls_server.h"

/* conn->io of a TLS connection */
struct tls_io {
	SSL *ssl;
	const struct conn_ops *under; /* what carries the records */
	short events;		      /* for which under would wait */
	bool broken;		      /* no close_notify any more */
};

/* ---- the BIO between OpenSSL and the plain ops ---- */

static int
bio_read(BIO *b, char *p, int n)
{
	struct conn *c = BIO_get_data(b);
	struct tls_io *io = c->io;

	BIO_clear_retry_flags(b);
	if (n <= 0)
		return 0;
	ssize_t r = io->under->read(c, p, (size_t)n, &io->events);
	if (r == -1 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(b);
	if (r == 0)
		BIO_set_flags(b, BIO_FLAGS_IN_EOF);
	return (int)r;
}

static int
bio_write(BIO *b, const char *p, int n)
{
	struct conn *c = BIO_get_data(b);
	struct tls_io *io = c->io;

	BIO_clear_retry_flags(b);
	if (n <= 0)
		return 0;
	ssize_t r = io->under->write(c, p, (size_t)n, &io->events);
	if (r == -1 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(b);
	return (int)r;
}

static long
bio_ctrl(BIO *b, int cmd, long num, void *p)
{
	(void)num;
	(void)p;
	if (cmd == BIO_CTRL_EOF)
		return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
	return cmd == BIO_CTRL_FLUSH;
}

BIO_METHOD *
tls_bio_method(void)
{
	static BIO_METHOD *m;
	int type;

	if (m != NULL || (type = BIO_get_new_index()) == -1 ||
	    (m = BIO_meth_new(type | BIO_TYPE_SOURCE_SINK, "conn")) == NULL)
		return m;
	BIO_meth_set_read(m, bio_read);
	BIO_meth_set_write(m, bio_write);
	BIO_meth_set_ctrl(m, bio_ctrl);
	return m;
}

static BIO *
bio_new(struct conn *c)
{
	BIO *b = BIO_new(tls_bio_method());

	if (b != NULL) {
		BIO_set_data(b, c);
		BIO_set_init(b, 1);
	}
	return b;
}

/* ---- the ops of a TLS connection ---- */

/* What a call that gave r <= 0 means: 0 the end, -1 with errno. */
static ssize_t
tls_result(struct tls_io *io, int r, short *events)
{
	int saved = errno;

	switch (SSL_get_error(io->ssl, r)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		*events = io->events;
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		io->broken = true;
		errno = saved != 0 && saved != EAGAIN ? saved : EIO;
		return -1;
	default:
		io->broken = true;
		errno = EPROTO;
		return -1;
	}
}

static ssize_t
tls_read(struct conn *c, void *p, size_t n, short *events)
{
	struct tls_io *io = c->io;
	size_t got = 0;

	ERR_clear_error();
	errno = 0;
	int r = SSL_read_ex(io->ssl, p, n, &got);
	return r == 1 ? (ssize_t)got : tls_result(io, r, events);
}

static ssize_t
tls_write(struct conn *c, const void *p, size_t n, short *events)
{
	struct tls_io *io = c->io;
	size_t put = 0;

	ERR_clear_error();
	errno = 0;
	int r = SSL_write_ex(io->ssl, p, n, &put);
	if (r == 1)
		return (ssize_t)put;
	if (tls_result(io, r, events) == 0) /* the client's close_notify */
		errno = EPIPE;
	return -1;
}

static bool
tls_pending(struct conn *c)
{
	struct tls_io *io = c->io;

	return SSL_has_pending(io->ssl) == 1;
}

/* Gives the connection back to the plain ops. */
static void
tls_free(struct conn *c)
{
	struct tls_io *io = c->io;

	c->ops = io->under;
	c->io = NULL;
	SSL_free(io->ssl);
	free(io);
}

static void
tls_close(struct conn *c)
{
	struct tls_io *io = c->io;

	/* Sends close_notify (RFC 8446 6.1) and waits for none. */
	if (!io->broken && !c->failed)
		SSL_shutdown(io->ssl);
	ERR_clear_error();
	tls_free(c);
	c->ops->close(c);
}

static const struct conn_ops tls_ops = { tls_read, tls_write, tls_pending,
	tls_close };

/* ---- the handshake ---- */

static bool
tls_attach(struct conn *c, SSL_CTX *ctx)
{
	struct tls_io *io = calloc(1, sizeof(*io));
	BIO *bio = bio_new(c);

	if (io != NULL)
		io->ssl = SSL_new(ctx);
	if (io == NULL || io->ssl == NULL || bio == NULL) {
		if (io != NULL)
			SSL_free(io->ssl);
		free(io);
		BIO_free(bio);
		return false;
	}
	io->under = c->ops;
	SSL_set_bio(io->ssl, bio, bio);
	c->io = io;
	return true;
}

/* A short text for a handshake that failed. */
static const char *
handshake_why(SSL *ssl, enum line_status st)
{
	unsigned long e = ERR_peek_error();
	const char *why = keyprov_why();
	long verified = SSL_get_verify_result(ssl);

	if (st == LINE_TIMEOUT)
		return "timeout";
	if (st == LINE_STOP)
		return "the server stops";
	if (st == LINE_EOF)
		return "the other side has gone";
	if (!SSL_is_server(ssl) && verified != X509_V_OK &&
	    (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0)
		return X509_verify_cert_error_string(verified);
	if (why == NULL && e != 0)
		why = ERR_reason_error_string(e);
	return why != NULL ? why : "the connection failed";
}

/* One attempt.  LINE_OK: done, or wait for *events if that is not 0. */
static enum line_status
handshake_step(struct conn *c, short *events)
{
	struct tls_io *io = c->io;

	ERR_clear_error();
	errno = 0;
	*events = 0;
	int r = SSL_do_handshake(io->ssl);
	if (r == 1)
		return LINE_OK;
	ssize_t n = tls_result(io, r, events);
	if (n == -1 && errno == EAGAIN)
		return LINE_OK;
	if (n == 0)
		io->broken = true;
	return n == 0 || (errno != EPROTO && ERR_peek_error() == 0)
		   ? LINE_EOF
		   : LINE_ERROR;
}

enum line_status
tls_start(struct conn *c, SSL_CTX *ctx, bool (*prepare)(SSL *, const void *arg),
    const void *arg, const char **why)
{
	enum line_status st = LINE_OK;
	int64_t until = 0;
	short events;

	*why = "";
	keyprov_why(); /* forget older ones */
	conn_discard(c);
	if (c->ended != LINE_OK || !conn_flush(c))
		st = LINE_EOF;
	else if (conn_is_tls(c) || !tls_attach(c, ctx))
		st = LINE_ERROR;
	if (st != LINE_OK) {
		*why = st == LINE_EOF ? "the other side has gone" : "no memory";
		return st;
	}
	if (!prepare(((struct tls_io *)c->io)->ssl, arg)) {
		*why = "TLS cannot be prepared for this host";
		tls_free(c);
		return LINE_ERROR;
	}
	do {
		st = handshake_step(c, &events);
		if (st == LINE_OK && events != 0)
			st = conn_wait(c, events, &until);
	} while (st == LINE_OK && events != 0);
	if (st == LINE_OK) {
		c->ops = &tls_ops;
#ifdef __GLIBC__
		malloc_trim(0); /* 32 KiB of a worker; trials of prefork */
#endif
		return LINE_OK;
	}
	*why = handshake_why(((struct tls_io *)c->io)->ssl, st);
	ERR_clear_error();
	tls_free(c);
	/* nothing in clear behind this */
	c->ended = LINE_ERROR;
	c->failed = true;
	return st;
}

static bool
prepare_server(SSL *ssl, const void *arg)
{
	(void)arg;
	SSL_set_accept_state(ssl);
	return true;
}

enum line_status
conn_starttls(struct conn *c, struct tls_server *srv, const char **why)
{
	return tls_start(c, srv->hosts.host[0].ctx, prepare_server, NULL, why);
}

bool
conn_is_tls(const struct conn *c)
{
	return c->ops == &tls_ops;
}

SSL *
tls_ssl(const struct conn *c)
{
	return conn_is_tls(c) ? ((const struct tls_io *)c->io)->ssl : NULL;
}

bool
conn_tls_info(const struct conn *c, struct tls_info *info)
{
	*info = (struct tls_info){ .bits = 0 };
	if (!conn_is_tls(c))
		return false;
	const struct tls_io *io = c->io;
	snprintf(info->version, sizeof(info->version), "%s",
	    SSL_get_version(io->ssl));
	snprintf(info->cipher, sizeof(info->cipher), "%s",
	    SSL_get_cipher_name(io->ssl));
	info->bits = SSL_get_cipher_bits(io->ssl, NULL);
	return true;
}
