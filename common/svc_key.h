#ifndef COMMON_SVC_KEY_H
#define COMMON_SVC_KEY_H
/* The key role: signs TLS handshake text and nothing else (ask_key.h). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/role.h"
#include "common/service.h"

role_main svc_key_main;

/* The parts, for tests. */

/* Loads n pairs of files, cert, key, cert, key... (borrows the fds); names are
 * for messages.  Each key is proved to belong to its certificate by a
 * signature.  False: err is one line that names the files. */
bool keys_load(const int *file, const struct tls_pair *names, unsigned n,
    char *err, size_t err_size);
void keys_free(void);
/* Whether clients may refuse certificate i, now or soon; text says which, to
 * stand behind the file's name. */
bool keys_expiry(unsigned i, char *text, size_t size);
/* What a worker may ask. */
extern const struct service key_service;
/* How often a signature was refused. */
uint64_t keys_refused(void);
#endif
