/*
 * Password hashing.  crypt_serve() runs in: crypt; the rest in: auth.
 *
 * A crypt process gets the setting of a hash and a password, and gives back
 * the hash of that password.  It does not get the user's hash and does not
 * decide: whoever breaks into one by means of a password learns the passwords
 * that pass through it from then on, but cannot make auth say yes to a
 * password that is wrong.
 */
#define _GNU_SOURCE
#include "common/crypt_proc.h"

#include <crypt.h>
#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/ask_auth.h"
#include "common/msg.h"

/* Where the salt ends in the methods whose salt ends in no '$'. */
/* clang-format off */
static const struct {
	const char *prefix;
	size_t setting; /* octets */
} fixed[] = {
	{ "$2", 29 }, /* $2b$12$ and 22 of salt */
	{ "_",  9 },  /* BSDi's DES: count and salt, 4 each */
	{ "",   2 },  /* DES */
};
/* clang-format on */

bool
crypt_setting(const char *hash, char setting[USER_HASH_MAX])
{
	const char *end = strrchr(hash, '$');
	size_t n = end == NULL ? 0 : (size_t)(end - hash) + 1;

	setting[0] = '\0';
	if (!passdb_hash_usable(hash))
		return false;
	for (size_t i = 0; i < NELEM(fixed); i++)
		if (strncmp(hash, fixed[i].prefix, strlen(fixed[i].prefix)) ==
			0 &&
		    (n == 0 || fixed[i].prefix[0] == '$')) {
			n = fixed[i].setting;
			break;
		}
	return strlen(hash) > n &&
	       view_copy((struct view){ hash, n }, setting, USER_HASH_MAX);
}

bool
crypt_same(const char *a, const char *b)
{
	size_t n = strlen(a);

	return n > 0 && n == strlen(b) && CRYPTO_memcmp(a, b, n) == 0;
}

/* libxcrypt's answer to what it cannot do is NULL here, or begins with '*'.
 * Want of memory is no answer: then this process ends, and auth says "later"
 * rather than "wrong password". */
static const char *
calculate(const char *setting, const char *pass, struct crypt_data *data)
{
	errno = 0;
	const char *hash = crypt_rn(pass, setting, data, sizeof(*data));
	if (hash == NULL && errno == ENOMEM)
		_exit(1);
	return hash == NULL || hash[0] == '*' ? "" : hash;
}

static bool
answer(int sock, struct msg *m)
{
	static struct crypt_data data;
	char setting[USER_HASH_MAX], pass[AUTH_PASS_MAX + 1];

	msg_get_str(m, setting, sizeof(setting));
	msg_get_str(m, pass, sizeof(pass));
	bool good = m->type == CRYPT_CALC && m->fd == -1 && msg_done(m);
	msg_wipe(m);
	if (good) {
		msg_start(m, CRYPT_CALC);
		msg_put_str(m, calculate(setting, pass, &data));
		msg_put_u32(m, 1);
		good = msg_send(sock, m) == 0;
	}
	msg_wipe(m);
	explicit_bzero(pass, sizeof(pass));
	explicit_bzero(&data, sizeof(data));
	return good;
}

noreturn void
crypt_serve(int sock)
{
	static struct msg m;
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int rc = -1;

	mallopt(M_PERTURB, 0); /* auth's; here it would only cost */
	do {
		if (poll(&p, 1, -1) == -1 && errno != EINTR)
			break;
		rc = msg_recv(sock, &m);
	} while (
	    (rc == -1 && errno == EAGAIN) || (rc == 1 && answer(sock, &m)));
	_exit(0);
}
