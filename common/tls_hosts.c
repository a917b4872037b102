/* Several certificates, chosen by the name that the client asks for.  Runs in:
 * pool, before the fork, and worker. */
#include "common/tls_hosts.h"

#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>

#include "common/view.h"

/* ---- the names of a certificate ---- */

enum { NAMES_MAX = 100 };

struct names {
	GENERAL_NAMES *alt; /* owned */
	struct view name[NAMES_MAX];
	size_t n;
};

static void
add_name(struct names *names, const ASN1_STRING *s)
{
	if (names->n < NAMES_MAX)
		names->name[names->n++] =
		    (struct view){ (const char *)ASN1_STRING_get0_data(s),
			    (size_t)ASN1_STRING_length(s) };
}

/* Its DNS names; without any, its common name (RFC 6125 6.4.4). */
static void
names_of(const X509 *leaf, struct names *out)
{
	X509_NAME *subject = X509_get_subject_name(leaf);

	out->n = 0;
	out->alt = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(out->alt); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(out->alt, i);
		if (g->type == GEN_DNS)
			add_name(out, g->d.dNSName);
	}
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (out->n == 0 && at >= 0)
		add_name(out,
		    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

static bool
same_name(struct view a, struct view b)
{
	return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

static bool
all_among(const struct names *these, const struct names *those)
{
	for (size_t i = 0; i < these->n; i++) {
		size_t k = 0;
		while (
		    k < those->n && !same_name(these->name[i], those->name[k]))
			k++;
		if (k == those->n)
			return false;
	}
	return true;
}

static bool
same_names(const X509 *a, const X509 *b)
{
	struct names x, y;

	names_of(a, &x);
	names_of(b, &y);
	bool same = all_among(&x, &y) && all_among(&y, &x);
	GENERAL_NAMES_free(x.alt);
	GENERAL_NAMES_free(y.alt);
	return same;
}

/* ---- hosts ---- */

struct tls_host *
tls_host_same(struct tls_hosts *hosts, const X509 *leaf)
{
	for (unsigned i = 0; i < hosts->n; i++)
		if (same_names(hosts->host[i].leaf[0], leaf))
			return &hosts->host[i];
	return NULL;
}

struct tls_host *
tls_host_named(struct tls_hosts *hosts, const char *name)
{
	for (unsigned i = 0; i < hosts->n; i++)
		if (X509_check_host(hosts->host[i].leaf[0], name, strlen(name),
			0, NULL) == 1)
			return &hosts->host[i];
	return NULL;
}

static int
choose(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct tls_host *h = name == NULL ? NULL : tls_host_named(arg, name);

	(void)alert;
	if (h == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	return SSL_set_SSL_CTX(ssl, h->ctx) == NULL ? SSL_TLSEXT_ERR_NOACK
						    : SSL_TLSEXT_ERR_OK;
}

void
tls_hosts_choose(struct tls_hosts *hosts)
{
	SSL_CTX_set_tlsext_servername_callback(hosts->host[0].ctx, choose);
	SSL_CTX_set_tlsext_servername_arg(hosts->host[0].ctx, hosts);
}

void
tls_hosts_free(struct tls_hosts *hosts)
{
	for (unsigned i = 0; i < hosts->n; i++) {
		struct tls_host *h = &hosts->host[i];
		for (unsigned k = 0; k < h->leaf_n; k++)
			X509_free(h->leaf[k]);
		SSL_CTX_free(h->ctx);
	}
	hosts->n = 0;
}
