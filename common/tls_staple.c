/* OCSP responses shown with the certificate.  Runs in: pool, before the fork,
 * and worker. */
#include "common/tls_staple.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdio.h>

#include "common/pem.h"

enum { SKEW = 300 }; /* s that clocks may differ */

/* The answer about leaf, borrowed from basic; NULL: there is none. */
static OCSP_SINGLERESP *
find_single(OCSP_BASICRESP *basic, const X509 *leaf)
{
	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *s = OCSP_resp_get0(basic, i);
		ASN1_INTEGER *serial = NULL;
		/* Not written to; the macro-free API has no const here. */
		OCSP_CERTID *id =
		    (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(s);
		if (OCSP_id_get0_info(NULL, NULL, NULL, &serial, id) == 1 &&
		    ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) == 0)
			return s;
	}
	return NULL;
}

static time_t
time_of(const ASN1_GENERALIZEDTIME *t)
{
	struct tm tm;

	return t != NULL && ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : 0;
}

/* NULL: good.  *until: when it ends. */
static const char *
wrong(OCSP_RESPONSE *r, const X509 *leaf, time_t now, time_t *until)
{
	ASN1_GENERALIZEDTIME *from = NULL, *to = NULL;
	OCSP_BASICRESP *basic = NULL;
	const char *why = "is no OCSP response in DER";

	if (r == NULL)
		return why;
	why = "is an OCSP server's refusal";
	if (OCSP_response_status(r) != OCSP_RESPONSE_STATUS_SUCCESSFUL ||
	    (basic = OCSP_response_get1_basic(r)) == NULL)
		goto out;
	OCSP_SINGLERESP *s = find_single(basic, leaf);
	why = "is about another certificate; fetch it again";
	if (s == NULL)
		goto out;
	why = "does not say that the certificate is good";
	if (OCSP_single_get0_status(s, NULL, NULL, &from, &to) !=
	    V_OCSP_CERTSTATUS_GOOD)
		goto out;
	*until = time_of(to);
	why = "is out of date; fetch it again";
	if (time_of(from) > now + SKEW || (*until != 0 && *until < now))
		goto out;
	why = NULL;
out:
	OCSP_BASICRESP_free(basic);
	return why;
}

bool
tls_staple_read(struct tls_staple *out, const X509 *leaf, int fd,
    const char *name, time_t now, char *err, size_t err_size)
{
	struct buf text;
	OCSP_RESPONSE *r = NULL;
	bool good = false;

	*out = (struct tls_staple){ .leaf = NULL };
	if (!pem_read(fd, name, &text, err, err_size))
		goto out;
	const unsigned char *p = (const unsigned char *)text.p;
	r = d2i_OCSP_RESPONSE(NULL, &p, (long)text.n);
	const char *why = wrong(r, leaf, now, &out->until);
	if (why == NULL) {
		int n = i2d_OCSP_RESPONSE(r, &out->der);
		out->leaf = X509_dup(leaf);
		out->n = n > 0 ? (size_t)n : 0;
		if (n <= 0 || out->leaf == NULL)
			why = "out of memory";
	}
	good = why == NULL;
	if (!good) {
		snprintf(err, err_size, "%s %s", name, why);
		tls_staple_free(out);
	}
out:
	ERR_clear_error();
	OCSP_RESPONSE_free(r);
	buf_free(&text);
	return good;
}

void
tls_staple_free(struct tls_staple *s)
{
	X509_free(s->leaf);
	OPENSSL_free(s->der);
	*s = (struct tls_staple){ .leaf = NULL };
}

/* OpenSSL has chosen the certificate and the client wants a response. */
static int
show(SSL *ssl, void *arg)
{
	const struct tls_staples *all = arg;
	const X509 *leaf = SSL_get_certificate(ssl);

	for (unsigned i = 0; leaf != NULL && i < all->n; i++) {
		const struct tls_staple *s = &all->staple[i];
		if (X509_cmp(s->leaf, leaf) != 0 ||
		    (s->until != 0 && s->until < time(NULL)))
			continue;
		unsigned char *copy = OPENSSL_memdup(s->der, s->n);
		if (copy == NULL)
			break;
		SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)s->n);
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

void
tls_staples_show(SSL_CTX *ctx, struct tls_staples *all)
{
	SSL_CTX_set_tlsext_status_cb(ctx, show);
	SSL_CTX_set_tlsext_status_arg(ctx, all);
}
