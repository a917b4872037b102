#ifndef COMMON_KEY_TEXT_H
#define COMMON_KEY_TEXT_H
/*
 * What the key role signs: the text of a TLS server's handshake signature,
 * by a scheme that fits the key, and nothing else.  Shared by the provider,
 * which asks, and the role, which refuses.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/view.h"

enum key_kind { KEY_KIND_NONE, KEY_KIND_RSA, KEY_KIND_P256, KEY_KIND_P384 };

enum key_padding { KEY_ECDSA, KEY_PKCS1, KEY_PSS };

struct key_method {
	uint32_t scheme; /* enum key_scheme */
	enum key_padding padding;
	const char *digest; /* "SHA256" */
	/* The kind with which TLS 1.3 allows it; TLS 1.2 allows it with every
	 * kind that fits the padding. */
	enum key_kind kind13;
};

/* NULL: no such scheme. */
const struct key_method *key_method_find(uint32_t scheme);
/* The same by what OpenSSL calls it; digest without regard to case and with
 * either spelling, "SHA256" or "SHA2-256". */
const struct key_method *key_method_named(enum key_padding, const char *digest);
/* NULL: a TLS server with a key of that kind signs this text by that scheme.
 * Else a short text that says why not. */
const char *key_text_wrong(struct view text, const struct key_method *,
    enum key_kind);
#endif
