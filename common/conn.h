#ifndef COMMON_CONN_H
#define COMMON_CONN_H
/*
 * The connection to one client, plain or TLS behind one ops table, with
 * bounded buffers.  Reading waits at most the set timeout; before it waits,
 * what was written goes out, so that the replies to a group of pipelined
 * commands leave in one write.  When it has waited for half a second, memory
 * that is of no use meanwhile goes back to the kernel, and gathered log lines
 * go out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/view.h"

enum {
	CONN_IN = 16384, /* octets of input buffer: the longest line is 12,288
			  * (RFC 4954 4: AUTH) */
	CONN_OUT = 16384
};

struct conn;

/* What carries octets.  Both return > 0 octets, 0 at the end (read), -1 with
 * errno; EAGAIN means: wait for *events (POLLIN or POLLOUT) and call again. */
struct conn_ops {
	ssize_t (*read)(struct conn *, void *p, size_t n, short *events);
	ssize_t (*write)(struct conn *, const void *p, size_t n, short *events);
	/* Octets that read would give without waiting are held inside (TLS). */
	bool (*pending)(struct conn *);
	/* Orderly end (TLS close_notify); frees io. */
	void (*close)(struct conn *);
};

enum line_status {
	LINE_OK,
	LINE_BARE_LF,  /* a line ended by LF alone; *out is without the LF.
			* The caller decides whether that is tolerated. */
	LINE_BARE_CR,  /* the line holds a CR that is not part of CRLF; *out
			* is the line.  Never a line end. */
	LINE_TOO_LONG, /* swallowed whole, up to its LF */
	LINE_EOF,      /* the client has gone */
	LINE_TIMEOUT,
	LINE_STOP,     /* the server is to stop (conn_interrupt) */
	LINE_ERROR     /* the connection failed */
};

struct conn {
	const struct conn_ops *ops;
	void *io;          /* the ops' own: SSL * */
	int fd;            /* owned; -1 in tests */
	int timeout_ms;    /* of one wait for input */
	int64_t deadline;  /* now_ms() by which all must be over; 0: none */
	int stop_fd;       /* borrowed; readable: look at stop(); -1: none */
	bool (*stop)(void *arg); /* takes all there is to read from stop_fd;
				  * true: conn_line gives LINE_STOP */
	void *stop_arg;
	size_t head, tail; /* unread input is in[head..tail) */
	size_t scanned;    /* octets behind head that hold no LF */
	bool swallowing;   /* inside an overlong line */
	enum line_status ended; /* LINE_EOF or LINE_ERROR: no input any more */
	int fd_flags;      /* of fd before conn_open */
	size_t out_n;      /* unsent output */
	bool failed;       /* a write failed or timed out: all are void */
	uint64_t octets_in, octets_out;
	char in[CONN_IN];
	char out[CONN_OUT];
};

/* Takes fd: a socket (TCP_NODELAY where it is TCP), tty or pipe; made
 * non-blocking.  -1: the caller sets ops, io and fd (tests).  timeout_ms is
 * 5 minutes (RFC 5321 4.5.3.2.7).  Where fd may be no socket, the process must
 * ignore SIGPIPE. */
void conn_open(struct conn *, int fd);
/* Waiting: one call of conn_line or conn_some waits at most timeout_ms in
 * total, however the octets dribble in, and never beyond deadline; one
 * conn_flush likewise for a client that does not read. */
/* Reads one line of at most max octets, its line end included.  *out is
 * without the line end, borrows from the input buffer and dies at the next
 * call.  An overlong line is swallowed whole, so that its tail can never be
 * taken for a command, and costs no memory. */
enum line_status conn_line(struct conn *, size_t max, struct view *out);
/* Gives what is there, at least one octet, at most max, for message content.
 * LINE_OK, LINE_EOF, LINE_TIMEOUT, LINE_STOP or LINE_ERROR.  *out as above. */
enum line_status conn_some(struct conn *, size_t max, struct view *out);
/* Gives back the last n octets that conn_some gave. */
void conn_unread(struct conn *, size_t n);
/* Input that has arrived and was not read yet: buffered here or in the TLS
 * layer, or waiting in the socket. */
bool conn_pending(struct conn *);
/* Forgets all input that was buffered: nothing sent before a TLS handshake
 * survives it (RFC 3207 4.2, RFC 2595 4). */
void conn_discard(struct conn *);
/* Queues output; sends when the buffer is full. */
void conn_write(struct conn *, const void *p, size_t n);
void conn_writes(struct conn *, const char *cstr);
/* Sends what is queued.  False: the client is gone or does not read. */
bool conn_flush(struct conn *);
/* Flushes, ends TLS in order, closes; takes what has arrived off the socket,
 * as otherwise TCP would reset the connection and the client lose the last
 * reply. */
void conn_close(struct conn *);
bool conn_is_tls(const struct conn *);

/* For ops and handshakes: sends what is queued, waits until fd is ready for
 * events.  *until is 0 before the first of the waits that share one timeout.
 * LINE_OK: try again; else LINE_TIMEOUT, LINE_STOP, LINE_ERROR. */
enum line_status conn_wait(struct conn *, short events, int64_t *until);

/* ---- TLS, common/tls.c ---- */
struct tls_server; /* certificates and an SSL_CTX; made before the fork */
struct tls_info {
	char version[16];  /* "TLSv1.3" */
	char cipher[64];   /* "TLS_AES_256_GCM_SHA384" */
	int bits;
};
enum { TLS_BINDING_MAX = 64, TLS_NAME_MAX = 255 };
/* What ties an authentication to this TLS connection. */
struct tls_channel {
	char exporter[TLS_BINDING_MAX]; /* tls-exporter (RFC 9266), TLS 1.3 */
	size_t exporter_n;		/* 0: there is none */
	char end_point[TLS_BINDING_MAX]; /* tls-server-end-point (RFC 5929 4) */
	size_t end_point_n;
	char name[TLS_NAME_MAX + 1]; /* in the client's verified certificate:
				      * its one rfc822Name or, without any, its
				      * one common name; "" without such a
				      * certificate */
};
/* Makes the TLS server from nothing but certificates: the private keys stay in
 * the key role and are used through key_sock (borrowed; see common/ask_key.h).
 * cert_fds: PEM files, one per key, in the order the key role has the keys; for
 * each set of names at most one with RSA and one with ECDSA.  Clients get that
 * of the host they name, else the first.  files: their names for messages, or
 * NULL.  Blocks until the key role answers.
 * Does one handshake against itself through memory, so that OpenSSL has
 * everything loaded before chroot and fork.  NULL: err says why (one line). */
struct tls_server *tls_server_new(const int *cert_fds,
    const char *const *files, unsigned n, int key_sock, char *err,
    size_t err_size);
void tls_server_free(struct tls_server *);
/* Shows with certificate n the OCSP response in that file (name, for messages).
 * False: it is not shown; err says why (one line). */
bool tls_server_staple(struct tls_server *, unsigned n, int fd,
    const char *name, char *err, size_t err_size);
/* From now on clients are asked for a certificate, which those in this PEM file
 * (name, for messages) must have signed to count; without one, or with another
 * one, they are served as before.  False: err says why. */
bool tls_server_client_ca(struct tls_server *, int fd, const char *name,
    char *err, size_t err_size);
/* In a worker, after the fork: use this channel to the key role. */
void tls_server_key_sock(struct tls_server *, int key_sock);
/* The protocol that this daemon speaks, "smtp" or "pop3" (static).  A client
 * that names others by ALPN, and not this one, is refused: its TLS connection
 * was meant for another server (the ALPACA attack; RFC 7301 3.2).  As long as
 * nothing is set, either will do. */
void tls_server_alpn(struct tls_server *, const char *protocol);
/* Handshake on a plain connection; whatever was buffered is discarded first.
 * LINE_OK: c is TLS now.  Else the connection must be closed; *why is a short
 * text for the log, static or inside *c. */
enum line_status conn_starttls(struct conn *, struct tls_server *,
    const char **why);
bool conn_tls_info(const struct conn *, struct tls_info *);
/* False, and all empty: not TLS. */
bool conn_tls_channel(const struct conn *, struct tls_channel *);
#endif
