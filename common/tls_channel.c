/*
 * What ties an authentication to a TLS connection: channel bindings, and the
 * client's certificate.  Runs in: worker; the CA is loaded in: pool.
 */
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/pem.h"
#include "common/tls_server.h"

enum { EXPORTER = 32, DEPTH = 4 };

/* ---- channel bindings ---- */

/* RFC 9266 4.2 ties it to TLS 1.3, or to an extension of 1.2 that clients need
 * not have. */
static void
exporter(SSL *ssl, struct tls_channel *out)
{
	static const char label[] = "EXPORTER-Channel-Binding";

	if (SSL_version(ssl) == TLS1_3_VERSION &&
	    SSL_export_keying_material(ssl, (unsigned char *)out->exporter,
		EXPORTER, label, sizeof(label) - 1, (const unsigned char *)"",
		0, 1) == 1)
		out->exporter_n = EXPORTER;
}

/* RFC 5929 4.1: the certificate's own hash, but SHA-256 instead of MD5 and
 * SHA-1; undefined where its signature has none. */
static void
end_point(SSL *ssl, struct tls_channel *out)
{
	X509 *x = SSL_get_certificate(ssl);
	int nid = NID_undef;
	unsigned n = 0;

	if (x == NULL ||
	    X509_get_signature_info(x, &nid, NULL, NULL, NULL) != 1)
		return;
	if (nid == NID_md5 || nid == NID_sha1)
		nid = NID_sha256;
	const EVP_MD *md = nid == NID_undef ? NULL : EVP_get_digestbynid(nid);
	if (md != NULL && EVP_MD_get_size(md) <= TLS_BINDING_MAX &&
	    X509_digest(x, md, (unsigned char *)out->end_point, &n) == 1)
		out->end_point_n = n;
}

/* ---- the client's certificate ---- */

/* Text without control characters, and not too long. */
static bool
take_name(const unsigned char *p, int n, char out[TLS_NAME_MAX + 1])
{
	for (int i = 0; i < n; i++)
		if (p[i] < ' ' || p[i] == 0x7f)
			return false;
	return n > 0 && view_copy((struct view){ (const char *)p, (size_t)n },
			    out, TLS_NAME_MAX + 1);
}

/* How many there are; the name is taken if it is one. */
static unsigned
mail_names(const X509 *x, char out[TLS_NAME_MAX + 1])
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	const ASN1_IA5STRING *found = NULL;
	unsigned n = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		if (g->type != GEN_EMAIL)
			continue;
		found = g->d.rfc822Name;
		n++;
	}
	if (n == 1)
		take_name(ASN1_STRING_get0_data(found),
		    ASN1_STRING_length(found), out);
	GENERAL_NAMES_free(names);
	return n;
}

static void
common_name(const X509 *x, char out[TLS_NAME_MAX + 1])
{
	X509_NAME *subject = X509_get_subject_name(x);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *utf8 = NULL;

	if (at < 0 ||
	    X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return;
	int n = ASN1_STRING_to_UTF8(
	    &utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (n > 0)
		take_name(utf8, n, out);
	OPENSSL_free(utf8);
}

bool
conn_tls_channel(const struct conn *c, struct tls_channel *out)
{
	SSL *ssl = tls_ssl(c);

	memset(out, 0, sizeof(*out));
	if (ssl == NULL)
		return false;
	exporter(ssl, out);
	end_point(ssl, out);
	const X509 *peer = SSL_get0_peer_certificate(ssl);
	/* verified() marks what it had to forgive. */
	if (peer != NULL && SSL_get_verify_result(ssl) == X509_V_OK &&
	    SSL_get_app_data(ssl) == NULL && mail_names(peer, out->name) == 0)
		common_name(peer, out->name);
	ERR_clear_error();
	return true;
}

/* A certificate that is not good is as none: the client may have it for
 * somebody else, and is no worse than one without. */
static int
verified(int good, X509_STORE_CTX *x)
{
	static char mark;
	SSL *ssl =
	    X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());

	if (!good)
		SSL_set_app_data(ssl, &mark);
	return 1;
}

static bool
trust(SSL_CTX *ctx, X509 *ca)
{
	return X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca) == 1 &&
	       SSL_CTX_add_client_CA(ctx, ca) == 1;
}

static bool
trust_all(SSL_CTX *ctx, X509 *first, const STACK_OF(X509) * others)
{
	bool good = trust(ctx, first);

	for (int i = 0; good && i < sk_X509_num(others); i++)
		good = trust(ctx, sk_X509_value(others, i));
	SSL_CTX_set_verify_depth(ctx, DEPTH);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, verified);
	return good;
}

bool
tls_server_client_ca(struct tls_server *srv, int fd, const char *name,
    char *err, size_t err_size)
{
	struct buf pem;
	X509 *first = NULL;
	STACK_OF(X509) *others = NULL;
	bool good = false;

	if (!pem_read(fd, name, &pem, err, err_size) ||
	    !pem_certs(buf_view(&pem), name, &first, &others, err, err_size))
		goto out;
	snprintf(err, err_size, "%s: out of memory", name);
	good = true;
	for (unsigned k = 0; good && k < srv->hosts.n; k++)
		good = trust_all(srv->hosts.host[k].ctx, first, others);
out:
	X509_free(first);
	sk_X509_pop_free(others, X509_free);
	buf_wipe(&pem);
	return good;
}
