/* TLS on connections (common/tls.c, tls_server.c). */
#define _GNU_SOURCE
#include "common/conn.h"

#include "common/log.h"
#include "t/unit/tls_client.h"

/* ---- handshakes ---- */

static struct tls_server *
server(const struct certs_pair *a, const struct certs_pair *b, pid_t *pid)
{
	int fd[4] = { a->fd[0], a->fd[1], -1, -1 }, cert[2] = { a->fd[0], -1 };
	unsigned n = 1;

	if (b != NULL) {
		fd[2] = cert[1] = b->fd[0];
		fd[3] = b->fd[1];
		n = 2;
	}
	int sock = key_role(fd, n, pid);
	struct tls_server *srv =
	    tls_server_new(cert, NULL, n, sock, err, sizeof(err));
	if (srv == NULL)
		printf("# %s\n", err);
	return srv;
}

static void
test_matrix(void)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	static const char *const groups[] = { "X25519", "P-256", "P-384" };
	struct certs_pair *const certs[] = { &ec, &ec384, &rsa };
	static const char *const kind[] = { "P-256", "P-384", "RSA" };

	for (size_t c = 0; c < NELEM(certs); c++) {
		pid_t role;
		struct tls_server *srv = server(certs[c], NULL, &role);
		ok(srv != NULL, "a server with %s", kind[c]);
		for (size_t i = 0; srv != NULL && i < 6; i++) {
			struct plan p = { .version = versions[i / 3],
				.groups = i / 3 == 1 ? groups[i % 3]
						     : "X25519:P-256:P-384",
				.want_key = certs[c]->key };
			ok(session(srv, &p) == 0, "%s, TLS 1.%d, %s", kind[c],
			    (int)i / 3 + 2, groups[i % 3]);
		}
		tls_server_free(srv);
		reap(role);
	}
}

static void
test_both(struct tls_server *srv)
{
	static const struct {
		int version;
		const char *sigalgs, *ciphers;
		bool rsa;
	} cases[] = {
		{ TLS1_3_VERSION, "ECDSA+SHA256:RSA-PSS+SHA256", NULL, false },
		{ TLS1_3_VERSION, "RSA-PSS+SHA256", NULL, true },
		{ TLS1_3_VERSION, "RSA-PSS+SHA512", NULL, true },
		{ TLS1_2_VERSION, NULL, "ECDHE-ECDSA-AES128-GCM-SHA256",
		    false },
		{ TLS1_2_VERSION, "ECDSA+SHA512", NULL, false },
		{ TLS1_2_VERSION, NULL, "ECDHE-RSA-AES128-SHA256", true },
		{ TLS1_2_VERSION, "RSA+SHA384", "ECDHE-RSA-CHACHA20-POLY1305",
		    true },
		{ TLS1_2_VERSION, "RSA-PSS+SHA384", NULL, true },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct plan p = { .version = cases[i].version,
			.sigalgs = cases[i].sigalgs,
			.ciphers = cases[i].ciphers,
			.want_key = cases[i].rsa ? rsa.key : ec.key };
		ok(session(srv, &p) == 0, "both: %s %s gets %s",
		    cases[i].sigalgs != NULL ? cases[i].sigalgs : "",
		    cases[i].ciphers != NULL ? cases[i].ciphers : "",
		    cases[i].rsa ? "RSA" : "ECDSA");
	}
}

static void
test_refused(struct tls_server *srv)
{
	static const struct {
		const char *name;
		struct plan p;
	} cases[] = {
		{ "TLS 1.1", { .version = TLS1_1_VERSION,
				 .want_alert = SSL_AD_PROTOCOL_VERSION } },
		{ "RSA key exchange",
		    { .version = TLS1_2_VERSION,
			.ciphers = "AES128-GCM-SHA256",
			.want_alert = SSL_AD_HANDSHAKE_FAILURE } },
		{ "finite field DHE",
		    { .version = TLS1_2_VERSION,
			.ciphers = "DHE-RSA-AES128-GCM-SHA256",
			.want_alert = SSL_AD_HANDSHAKE_FAILURE } },
		{ "anonymous", { .version = TLS1_2_VERSION,
				   .ciphers = "AECDH-AES128-SHA",
				   .want_alert = SSL_AD_HANDSHAKE_FAILURE } },
		{ "SHA-1 signatures",
		    { .version = TLS1_2_VERSION,
			.sigalgs = "RSA+SHA1:ECDSA+SHA1",
			.want_alert = SSL_AD_HANDSHAKE_FAILURE } },
		{ "P-521 alone", { .version = TLS1_3_VERSION,
				     .groups = "P-521",
				     .want_alert = SSL_AD_HANDSHAKE_FAILURE } },
		{ "ALPN of HTTP",
		    { .version = TLS1_3_VERSION,
			.alpn = "\2h2\10http/1.1",
			.want_alert = SSL_AD_NO_APPLICATION_PROTOCOL } },
		{ "ALPN of HTTP, TLS 1.2",
		    { .version = TLS1_2_VERSION,
			.alpn = "\10http/1.1",
			.want_alert = SSL_AD_NO_APPLICATION_PROTOCOL } },
		{ "ALPN of FTP and IMAP",
		    { .version = TLS1_3_VERSION,
			.alpn = "\3ftp\4imap",
			.want_alert = SSL_AD_NO_APPLICATION_PROTOCOL } },
		{ "ALPN of almost POP3",
		    { .version = TLS1_3_VERSION,
			.alpn = "\5pop3s\3pop\4POP3",
			.want_alert = SSL_AD_NO_APPLICATION_PROTOCOL } },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		ok(session(srv, &cases[i].p) == 0 && conn.failed,
		    "refused: %s: %s", cases[i].name, why_text);
	}
}

static void
test_names(struct tls_server *srv)
{
	static char longest[256];
	struct plan p = { .version = TLS1_3_VERSION,
		.alpn = "\2h2\4pop3",
		.want_alpn = "pop3" };

	ok(session(srv, &p) == 0, "ALPN: pop3 among others");
	p.alpn = "\4smtp";
	p.want_alpn = "smtp";
	ok(session(srv, &p) == 0, "ALPN: smtp");
	tls_server_alpn(srv, "smtp");
	ok(session(srv, &p) == 0, "ALPN: smtp, to a server of that");
	p.alpn = "\4pop3";
	p.want_alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	ok(session(srv, &p) == 0, "ALPN: pop3, to a server of smtp");
	tls_server_alpn(srv, NULL);
	memset(longest, 'a', 255);
	struct plan sni = { .version = TLS1_3_VERSION, .sni = longest };
	ok(session(srv, &sni) == 0, "SNI of 255 octets");
	sni.sni = "x\\";
	ok(session(srv, &sni) == 0, "SNI with a backslash at its end");
	sni.sni = "${run{/bin/sh}}\r\nQUIT";
	ok(session(srv, &sni) == 0, "SNI with control characters");
	sni.sni = "\xff\xfe../..";
	ok(session(srv, &sni) == 0, "SNI with 8-bit octets");
}

/* ---- what is on the wire ---- */

/* Reads STARTTLS, answers, and shakes hands. */
static enum line_status
starttls(struct tls_server *srv)
{
	struct view v;

	if (conn_line(&conn, 512, &v) != LINE_OK || !view_eqs(v, "STARTTLS"))
		return LINE_EOF;
	conn_writes(&conn, "220 Go ahead\r\n");
	return secure(srv);
}

static int
talk_ehlo(SSL *ssl)
{
	return SSL_write(ssl, "EHLO c\r\n", 8) == 8 ? 0 : 1;
}

static void
test_injection(struct tls_server *srv)
{
	static const char inject[] = "STARTTLS\r\nNOOP\r\nMAIL FROM:<a@b>\r\n";
	static char tail[CONN_IN + 5000];
	struct plan p = { .version = TLS1_3_VERSION,
		.before = inject,
		.before_n = sizeof(inject) - 1,
		.talk = talk_ehlo };
	struct view v;
	pid_t pid = client_start(&p);

	ok(starttls(srv) == LINE_OK, "the handshake succeeds: %s", why_text);
	ok(conn_line(&conn, 512, &v) == LINE_OK && view_eqs(v, "EHLO c"),
	    "nothing sent in clear is taken for a command");
	ok(client_end(pid) == 0, "the client agrees");

	memset(tail, 'N', sizeof(tail));
	memcpy(tail, "STARTTLS\r\n", 10);
	p.before = tail;
	p.before_n = sizeof(tail);
	pid = client_start(&p);
	ok(starttls(srv) == LINE_ERROR && conn.failed,
	    "a tail longer than the buffer breaks the handshake: %s", why_text);
	conn_writes(&conn, "250 OK\r\n");
	ok(!conn_flush(&conn) && conn_line(&conn, 512, &v) == LINE_ERROR,
	    "and nothing passes in clear behind it");
	client_end(pid);
}

static int
talk_group(SSL *ssl)
{
	char b[64];
	char group[9000];

	memset(group, 'x', sizeof(group));
	memcpy(group, "RSET\r\nNOOP\r\n", 12);
	memcpy(group + sizeof(group) - 2, "\r\n", 2);
	return SSL_write(ssl, group, sizeof(group)) == sizeof(group) &&
		       SSL_read(ssl, b, sizeof(b)) == 3
		   ? 0
		   : 1;
}

static void
test_pending(struct tls_server *srv)
{
	struct plan p = { .version = TLS1_3_VERSION, .talk = talk_group };
	struct tls_info info;
	struct view v;
	pid_t pid = client_start(&p);

	ok(!conn_is_tls(&conn) && !conn_tls_info(&conn, &info),
	    "a plain connection is not TLS");
	ok(secure(srv) == LINE_OK && conn_is_tls(&conn), "now it is");
	ok(conn_tls_info(&conn, &info) &&
		strcmp(info.version, "TLSv1.3") == 0 &&
		strncmp(info.cipher, "TLS_", 4) == 0 && info.bits >= 128,
	    "%s %s %d", info.version, info.cipher, info.bits);
	ok(conn_line(&conn, 512, &v) == LINE_OK && view_eqs(v, "RSET") &&
		conn_pending(&conn),
	    "a group in one record: more is pending");
	ok(conn_line(&conn, 512, &v) == LINE_OK && view_eqs(v, "NOOP"),
	    "and is read");
	ok(conn_line(&conn, 12288, &v) == LINE_OK && v.n == 9000 - 14 &&
		!conn_pending(&conn),
	    "to its end");
	ok(secure(srv) == LINE_ERROR, "no TLS inside of TLS");
	conn_writes(&conn, "ok\n");
	ok(client_end(pid) == 0, "the client agrees");
}

enum { BULK = 3000000 };

static int
talk_bulk(SSL *ssl)
{
	static char b[40000];
	size_t n, total = 0;
	unsigned char want = 0;

	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (char)(i % 251);
	for (size_t i = 0; i < BULK; i += sizeof(b))
		if (SSL_write(ssl, b, sizeof(b)) != sizeof(b))
			return 1;
	while (total < BULK && SSL_read_ex(ssl, b, sizeof(b), &n) == 1) {
		for (size_t i = 0; i < n; i++)
			if ((unsigned char)b[i] != want++)
				return 2;
		total += n;
	}
	return total == BULK ? 0 : 3;
}

static void
test_bulk(struct tls_server *srv, int version)
{
	struct plan p = { .version = version, .talk = talk_bulk };
	static char b[100000];
	pid_t pid = client_start(&p);
	size_t total = 0, bad = 0;
	struct view v;

	ok(secure(srv) == LINE_OK, "bulk: handshake");
	while (total < BULK && conn_some(&conn, 5000, &v) == LINE_OK)
		for (size_t i = 0; i < v.n; i++, total++)
			bad += (unsigned char)v.p[i] != total % 40000 % 251;
	ok(total == BULK && bad == 0 && conn.octets_in == BULK,
	    "%zu octets arrive, %zu wrong", total, bad);
	unsigned char next = 0;
	for (size_t done = 0; done < BULK; done += sizeof(b)) {
		for (size_t i = 0; i < sizeof(b); i++)
			b[i] = (char)next++;
		for (size_t i = 0; i < sizeof(b); i += 777)
			conn_write(&conn, b + i,
			    sizeof(b) - i < 777 ? sizeof(b) - i : 777);
	}
	ok(conn_flush(&conn) && conn.octets_out == BULK, "as many leave");
	ok(client_end(pid) == 0, "and the client has them all");
}

static int
talk_deaf(SSL *ssl)
{
	SSL_write(ssl, "RETR 1\r\n", 8);
	poll(NULL, 0, 1000);
	return 0;
}

static int
talk_abrupt(SSL *ssl)
{
	SSL_write(ssl, "NO", 2);
	return 0;
}

static int
talk_renegotiate(SSL *ssl)
{
	char b[16];

	SSL_renegotiate(ssl);
	if (SSL_do_handshake(ssl) == 1 && SSL_renegotiate_pending(ssl) == 0)
		return 1; /* the server took part */
	SSL_write(ssl, "NOOP\r\n", 6);
	SSL_read(ssl, b, sizeof(b));
	return 0;
}

static int
talk_key_update(SSL *ssl)
{
	for (int i = 0; i < 20; i++)
		if (SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) != 1 ||
		    SSL_do_handshake(ssl) != 1)
			return 1;
	char b[16];
	return SSL_write(ssl, "NOOP\r\n", 6) == 6 &&
		       SSL_read(ssl, b, sizeof(b)) == 8
		   ? 0
		   : 2;
}

static void
test_clients(struct tls_server *srv)
{
	static char big[4 << 20];
	struct plan p = { .version = TLS1_3_VERSION, .talk = talk_deaf };
	struct view v;
	pid_t pid = client_start(&p);

	secure(srv);
	conn_line(&conn, 512, &v);
	conn.timeout_ms = 60;
	int64_t t0 = now_ms();
	conn_write(&conn, big, sizeof(big));
	ok(!conn_flush(&conn) && now_ms() - t0 < 10000,
	    "a client that does not read is given up");
	conn.timeout_ms = 20000;
	t0 = now_ms();
	kill(pid, SIGKILL);
	client_end(pid);
	ok(now_ms() - t0 < 10000, "and costs no wait at the end");

	p.talk = talk_abrupt;
	pid = client_start(&p);
	secure(srv);
	ok(conn_line(&conn, 512, &v) == LINE_EOF,
	    "an end without close_notify is an end");
	client_end(pid);

	p.version = TLS1_2_VERSION;
	p.talk = talk_renegotiate;
	pid = client_start(&p);
	ok(secure(srv) == LINE_OK, "TLS 1.2");
	conn_line(&conn, 512, &v);
	ok(client_end(pid) == 0, "no renegotiation");

	p.version = TLS1_3_VERSION;
	p.talk = talk_key_update;
	pid = client_start(&p);
	secure(srv);
	ok(conn_line(&conn, 512, &v) == LINE_OK && view_eqs(v, "NOOP"),
	    "key updates pass");
	conn_writes(&conn, "250 OK\r\n");
	ok(client_end(pid) == 0, "both ways");
}

int
main(void)
{
	pid_t role;

	log_open(-1, "tls");
	signal(SIGPIPE, SIG_DFL); /* must not be needed */
	certs_make();
	test_matrix();
	struct tls_server *srv = server(&ec, &rsa, &role);
	if (!ok(srv != NULL, "a server with both"))
		return done_testing();
	test_both(srv);
	test_refused(srv);
	test_names(srv);
	test_injection(srv);
	test_pending(srv);
	test_bulk(srv, TLS1_2_VERSION);
	test_bulk(srv, TLS1_3_VERSION);
	test_clients(srv);
	ok(waitpid(role, NULL, WNOHANG) == 0, "the key role lives");
	reap(role);
	tls_server_free(srv);
	return done_testing();
}
