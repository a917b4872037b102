/*
 * The judge of what the key role signs, over any text, scheme and kind of key.
 * Whatever passes must have the length and the marks of one of the known forms.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/ask_key.h"
#include "common/key_text.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const uint32_t schemes[] = { KEY_RSA_PKCS1_SHA256, KEY_RSA_PKCS1_SHA384,
	KEY_RSA_PKCS1_SHA512, KEY_ECDSA_SHA256, KEY_ECDSA_SHA384,
	KEY_ECDSA_SHA512, KEY_RSA_PSS_SHA256, KEY_RSA_PSS_SHA384,
	KEY_RSA_PSS_SHA512 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char server[] = "TLS 1.3, server CertificateVerify";

	if (n < 2)
		return 0;
	const struct key_method *m =
	    key_method_find(schemes[data[0] % NELEM(schemes)]);
	enum key_kind kind = (enum key_kind)(data[1] % 4);
	/* a copy of just this size, so that reading behind it is seen */
	char *p = malloc(n - 2 == 0 ? 1 : n - 2);
	if (p == NULL)
		return 0;
	memcpy(p, data + 2, n - 2);
	struct view t = { p, n - 2 };
	if (key_text_wrong(t, m, kind) == NULL) {
		bool rsa = kind == KEY_KIND_RSA;
		must(kind != KEY_KIND_NONE);
		must(rsa == (m->padding != KEY_ECDSA));
		if (t.n == 130 || t.n == 146)
			must(memcmp(t.p + 64, server, sizeof(server)) == 0 &&
			     m->padding != KEY_PKCS1);
		else
			must((t.n == 100 || t.n == 133 || t.n == 165) &&
			     t.p[64] == 3 && t.p[65] == 0 &&
			     (size_t)(unsigned char)t.p[67] == t.n - 68);
	}
	free(p);
	return 0;
}
