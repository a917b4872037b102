/* TLS handshakes that fail: by the client, by the key role, by the files. */
#define _GNU_SOURCE
#include "common/conn.h"

#include <fcntl.h>

#include "common/ask_key.h"
#include "common/log.h"
#include "common/pem.h"
#include "t/unit/tls_client.h"

/* ---- clients ---- */

/* A client that is none: what it sends, how many octets at once, and when it
 * goes. */
static pid_t
raw_client(const char *s, size_t n, int every_ms, bool stays)
{
	int end[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end) == -1)
		abort();
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		close(end[0]);
		for (size_t i = 0; i < n; i++) {
			if (send(end[1], s + i, 1, MSG_NOSIGNAL) != 1)
				_exit(0);
			if (every_ms > 0)
				poll(NULL, 0, every_ms);
		}
		if (stays)
			poll(NULL, 0, 5000);
		_exit(0);
	}
	close(end[1]);
	conn_open(&conn, end[0]);
	return pid;
}

static bool
stop_always(void *arg)
{
	(void)arg;
	return true;
}

static void
test_no_handshake(struct tls_server *srv)
{
	static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03"
				    "\x03"
				    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	pid_t pid = raw_client("EHLO plain\r\n", 12, 0, true);

	conn.timeout_ms = 60000;
	ok(secure(srv) == LINE_ERROR && why_text[0] != '\0',
	    "plain text instead of a handshake: %s", why_text);
	reap(pid);
	conn_close(&conn);

	pid = raw_client(hello, 20, 0, false);
	ok(secure(srv) == LINE_EOF, "a client that goes away: %s", why_text);
	reap(pid);
	conn_close(&conn);

	pid = raw_client(hello, sizeof(hello), 10, true);
	conn.timeout_ms = 150;
	int64_t t0 = now_ms();
	ok(secure(srv) == LINE_TIMEOUT && now_ms() - t0 >= 150 &&
		now_ms() - t0 < 10000,
	    "dribbled octets do not stretch the handshake: %s", why_text);
	reap(pid);
	conn_close(&conn);

	pid = raw_client(hello, sizeof(hello), 10, true);
	conn.deadline = now_ms() + 100;
	ok(secure(srv) == LINE_TIMEOUT, "nor does it outlive the deadline");
	reap(pid);
	conn_close(&conn);

	int end[2];
	if (pipe2(end, O_CLOEXEC) == -1)
		abort();
	close(end[1]);
	pid = raw_client(hello, 20, 0, true);
	conn.stop_fd = end[0];
	conn.stop = stop_always;
	ok(secure(srv) == LINE_STOP, "stop: %s", why_text);
	reap(pid);
	conn_close(&conn);
	close(end[0]);
}

/* ---- the key role ---- */

struct garbage {
	const char *name;
	const char *sig; /* NULL: what garbage_answer does itself */
	size_t n;
	uint32_t status;
	bool more, fd, twice;
};

/* Answers every question with garbage. */
static int
garbage_role(const struct garbage *g, pid_t *pid)
{
	static struct msg m;
	int end[2];

	if (channel_pair(end) == -1)
		abort();
	fflush(stdout);
	*pid = fork();
	if (*pid != 0) {
		close(end[1]);
		return end[0];
	}
	close(end[0]);
	for (;;) {
		struct pollfd p = { .fd = end[1], .events = POLLIN };
		poll(&p, 1, -1);
		if (msg_recv(end[1], &m) != 1)
			_exit(0);
		msg_start(&m, KEY_SIGN);
		if (g->sig != NULL) {
			msg_put_u32(&m, g->status);
			msg_put_view(&m, (struct view){ g->sig, g->n });
		}
		if (g->more)
			msg_put_u32(&m, 0);
		if (g->fd)
			m.fd = open("/dev/null", O_RDONLY);
		msg_send(end[1], &m);
		if (g->twice)
			msg_send(end[1], &m);
	}
}

static void
test_garbage(struct tls_server *srv, int good_sock)
{
	static char big[60000];
	static const struct garbage cases[] = {
		{ .name = "an empty answer" },
		{ .name = "an error", .sig = "", .status = (uint32_t)-1 },
		{ .name = "no signature", .sig = "" },
		{ .name = "a signature that is too long",
		    .sig = big,
		    .n = 1025 },
		{ .name = "one longer than this key's", .sig = big, .n = 200 },
		{ .name = "a very long one", .sig = big, .n = sizeof(big) },
		{ .name = "more fields", .sig = big, .n = 70, .more = true },
		{ .name = "zeros", .sig = big, .n = 70 },
		{ .name = "zeros twice", .sig = big, .n = 70, .twice = true },
		{ .name = "a descriptor", .sig = big, .n = 70, .fd = true },
	};
	struct plan good = { .version = TLS1_3_VERSION };
	struct plan p = { .version = TLS1_3_VERSION };

	for (size_t i = 0; i < NELEM(cases); i++) {
		pid_t role;
		int sock = garbage_role(&cases[i], &role);
		tls_server_key_sock(srv, sock);
		pid_t pid = client_start(&p);
		enum line_status st = secure(srv);
		int rc = client_end(pid);
		ok(st == LINE_ERROR && rc == NOT_CONNECTED, "%s: %s",
		    cases[i].name, why_text);
		close(sock);
		reap(role);
		tls_server_key_sock(srv, good_sock);
	}
	ok(session(srv, &good) == 0, "the next handshake is in order");
}

static void
test_silence(struct tls_server *srv, int good_sock)
{
	static const struct garbage none = { .name = "none" };
	static struct msg m;
	struct plan p = { .version = TLS1_3_VERSION };
	pid_t role;
	int sock = garbage_role(&none, &role);
	reap(role);
	tls_server_key_sock(srv, sock);
	pid_t pid = client_start(&p);
	ok(secure(srv) == LINE_ERROR && strstr(why_text, "key role") != NULL,
	    "a key role that is dead: %s", why_text);
	client_end(pid);
	close(sock);

	int end[2];
	channel_pair(end);
	tls_server_key_sock(srv, end[0]);
	keyprov_wait(100);
	pid = client_start(&p);
	int64_t t0 = now_ms();
	ok(secure(srv) == LINE_ERROR && now_ms() - t0 >= 100 &&
		now_ms() - t0 < 10000,
	    "one that does not answer: %s", why_text);
	client_end(pid);
	/* A late answer would be taken for the next one's. */
	pid = client_start(&p);
	ok(secure(srv) == LINE_ERROR && msg_recv(end[1], &m) == 1 &&
		msg_recv(end[1], &m) == -1,
	    "is not asked again over this channel: %s", why_text);
	client_end(pid);
	keyprov_wait(10000);
	close(end[0]);
	close(end[1]);
	tls_server_key_sock(srv, good_sock);
	ok(session(srv, &p) == 0, "and the next one is in order again");
}

/* ---- setting up ---- */

static void
no_server(
    const int *cert, unsigned n, int sock, const char *want, const char *what)
{
	err[0] = '\0';
	ok(tls_server_new(cert, NULL, n, sock, err, sizeof(err)) == NULL &&
		strstr(err, want) != NULL && strchr(err, '\n') == NULL,
	    "%s: %s", what, err);
}

static void
test_setup(void)
{
	int keys[] = { ec.fd[0], ec.fd[1], rsa.fd[0], rsa.fd[1] };
	int none[] = { certs_fd("x", 1) }, key_too[] = { ec.fd[1] };
	int swapped[] = { rsa.fd[0], ec.fd[0] };
	int same[] = { ec.fd[0], ec384.fd[0] };
	struct certs_pair weak = certs_pair("RSA:1024");
	pid_t role;
	int sock = key_role(keys, 2, &role);

	no_server(none, 0, sock, "0 TLS certificates", "none");
	no_server(
	    none, 1, sock, "TLS certificate 1 holds no certificate", "no PEM");
	no_server(key_too, 1, sock, "holds a private key", "a key");
	no_server(weak.fd, 1, sock, "2048 to 4096 bits", "a weak key");
	no_server(same, 2, sock, "are of one kind", "two of a kind");
	no_server(swapped, 2, sock, "handshake with the", "in another order");
	reap(role);
	no_server(keys, 1, sock, "the key role does not answer", "no key role");
	close(sock);

	/* the key is not in this process */
	STACK_OF(X509) * chain;
	struct buf pem;
	X509 *cert;
	if (!pem_read(ec.fd[0], "pem", &pem, err, sizeof(err)) ||
	    !pem_certs(buf_view(&pem), "pem", &cert, &chain, err, sizeof(err)))
		abort();
	EVP_PKEY *key = keyprov_pkey(cert, 0);
	BIO *b = BIO_new(BIO_s_mem());
	BIGNUM *priv = NULL;
	ok(key != NULL &&
		PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) !=
		    1 &&
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &priv) !=
		    1,
	    "a key of the provider has no private part");
	ok(key_kind_of(key) == KEY_KIND_P256, "but a kind");
	BIO_free(b);
	EVP_PKEY_free(key);
	X509_free(cert);
	sk_X509_pop_free(chain, X509_free);
	buf_free(&pem);
}

int
main(void)
{
	int fd[] = { -1, -1, -1, -1 }, cert[] = { -1, -1 };
	pid_t role;

	log_open(-1, "tls");
	signal(SIGPIPE, SIG_DFL);
	certs_make();
	test_setup();
	for (int i = 0; i < 2; i++) {
		const struct certs_pair *p = i == 0 ? &ec : &rsa;
		fd[2 * i] = cert[i] = p->fd[0];
		fd[2 * i + 1] = p->fd[1];
	}
	int sock = key_role(fd, 2, &role);
	struct tls_server *srv =
	    tls_server_new(cert, NULL, 2, sock, err, sizeof(err));
	if (!ok(srv != NULL, "a server with both"))
		return done_testing();
	test_no_handshake(srv);
	test_garbage(srv, sock);
	test_silence(srv, sock);
	ok(waitpid(role, NULL, WNOHANG) == 0, "the key role lives");
	reap(role);
	tls_server_free(srv);
	return done_testing();
}
