#ifndef COMMON_SCRAM_H
#define COMMON_SCRAM_H
/*
 * SCRAM (RFC 5802, 7677), the server's side, as a pure state machine over
 * messages.  It knows no users; auth gives it a user's keys, or invented ones.
 *
 *	scram_start(&s, ...);
 *	r = scram_first(&s, client-first-message);      s.user is who it is
 *	scram_challenge(&s, iterations, salt, nonce, &out);
 *	r = scram_final(&s, client-final-message, keys, &out);
 *
 * first and final give AUTH_CONTINUE (out: server-final-message; an empty
 * answer follows), AUTH_NO, or AUTH_BAD for what is not SCRAM.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/ask_auth.h"
#include "common/buf.h"
#include "common/view.h"

enum scram_hash { SCRAM_SHA1, SCRAM_SHA256, SCRAM__N };
enum {
	SCRAM_KEY_MAX = 32,    /* octets */
	SCRAM_SALT_MAX = 64,   /* octets */
	SCRAM_NONCE_MAX = 512, /* octets of a client's nonce */
	SCRAM_ITERATIONS_MIN = 4096, /* RFC 5802 5.1, RFC 7677 4 */
	SCRAM_ITERATIONS_MAX = 1000000
};

struct scram_keys {
	unsigned iterations;
	size_t salt_n;
	unsigned char salt[SCRAM_SALT_MAX];
	unsigned char stored[SCRAM_KEY_MAX], server[SCRAM_KEY_MAX];
};

/* The channel bindings of the connection; both empty without TLS. */
struct scram_bindings {
	char exporter[AUTH_BINDING_MAX], end_point[AUTH_BINDING_MAX];
	size_t exporter_n, end_point_n;
};

struct scram {
	enum scram_hash hash;
	bool plus;         /* the mechanism is a -PLUS */
	bool plus_offered; /* some -PLUS was: "y" is a downgrade then */
	struct scram_bindings bindings;
	struct view binding; /* the one chosen, in bindings; or empty */
	char first[AUTH_STEP_MAX]; /* client-first-message */
	size_t gs2_n, first_n;     /* octets of its GS2 header, and in all */
	struct view nonce;         /* the client's, in first */
	char challenge[SCRAM_NONCE_MAX + 256]; /* server-first-message */
	size_t challenge_n, nonce_n; /* in all, of the combined nonce */
	char user[AUTH_USER_MAX + 1];
};

size_t scram_octets(enum scram_hash); /* of a hash and a key */
void scram_start(struct scram *, enum scram_hash, bool plus,
    bool plus_offered, const struct scram_bindings *);
/* An authorization identity other than the user is AUTH_NO. */
enum auth_result scram_first(struct scram *, struct view message);
/* nonce: ours, printable, without a comma, at most 64 octets. */
bool scram_challenge(struct scram *, unsigned iterations,
    const unsigned char *salt, size_t salt_n, struct view nonce,
    struct buf *out);
enum auth_result scram_final(struct scram *, struct view message,
    const struct scram_keys *, struct buf *out);

/* HMAC with this hash; out has room for scram_octets(). */
bool scram_hmac(enum scram_hash, struct view key, struct view text,
    unsigned char *out);
/* Makes stored and server from a secret; iterations and salt are set.  That
 * takes time: 10,000 iterations some ms.  False also: SASLprep, of a stored
 * string, leaves nothing of the secret (RFC 5802 2.2). */
bool scram_derive(enum scram_hash, struct view secret, struct scram_keys *);
#endif
