/* DNS messages.  Pure.  Runs in: lookup. */
#include "common/dns.h"

#include <stdio.h>
#include <string.h>

#include "common/address.h"

enum {
	HEADER = 12,
	CLASS_IN = 1,
	TYPE_CNAME = 5,
	LABEL_MAX = 63,
	JUMPS_MAX = 32, /* of compression, RFC 1035 4.1.4, in one name */
	NXDOMAIN = 3,
	TLSA_FIXED = 3 /* octets before the data, RFC 6698 2.1 */
};

/* What is read, and where it was read up to. */
struct reader {
	const unsigned char *p;
	size_t n, at;
	bool bad;
};

static unsigned
get_u16(struct reader *r)
{
	if (r->n - r->at < 2) {
		r->bad = true;
		r->at = r->n;
		return 0;
	}
	r->at += 2;
	return (unsigned)r->p[r->at - 2] << 8 | r->p[r->at - 1];
}

static uint32_t
get_u32(struct reader *r)
{
	uint32_t high = get_u16(r);

	return high << 16 | get_u16(r);
}

/* Reads a name as text without the dot at its end; lower-case.  What is not
 * printable, and a dot inside of a label, makes it "?".  A pointer leads back
 * only, so that it ends. */
static void
get_name(struct reader *r, char out[DNS_NAME_MAX])
{
	size_t at = r->at, n = 0, least = r->at;
	bool jumped = false, odd = false;

	out[0] = '\0';
	for (unsigned jumps = 0; !r->bad;) {
		unsigned len = at < r->n ? r->p[at] : 256;
		if (len == 0) {
			r->at = jumped ? r->at : at + 1;
			break;
		}
		if (len >= 0xc0 && len < 256 && at + 1 < r->n) {
			size_t to = (len & 0x3fu) << 8 | r->p[at + 1];
			if (!jumped)
				r->at = at + 2;
			jumped = true;
			r->bad = to >= least || ++jumps > JUMPS_MAX;
			at = least = to;
			continue;
		}
		if (len > LABEL_MAX || len >= r->n - at ||
		    n + len + 1 >= DNS_NAME_MAX) {
			r->bad = true;
			break;
		}
		if (n > 0)
			out[n++] = '.';
		for (unsigned i = 1; i <= len; i++) {
			unsigned char c = r->p[at + i];
			odd = odd || c <= ' ' || c > '~' || c == '.';
			out[n++] = (char)ascii_lower(c);
		}
		at += len + 1;
	}
	out[r->bad ? 0 : n] = '\0';
	if (odd && !r->bad)
		memcpy(out, "?", 2);
}

size_t
dns_query(unsigned char out[DNS_QUERY_MAX], unsigned id, const char *name,
    enum dns_type type)
{
	static const unsigned char head[] = { 0, 0, 1 /* RD */, 0x20 /* AD */,
		0, 1, 0, 0, 0, 0, 0, 0 };
	struct view rest = view_of(name);
	size_t n = sizeof(head);

	memcpy(out, head, sizeof(head));
	out[0] = (unsigned char)(id >> 8);
	out[1] = (unsigned char)id;
	if (rest.n == 0 || rest.n >= DNS_NAME_MAX)
		return 0;
	while (rest.n > 0) {
		struct view label = view_split(&rest, '.', NULL);
		if (label.n == 0 || label.n > LABEL_MAX)
			return 0;
		out[n++] = (unsigned char)label.n;
		memcpy(out + n, label.p, label.n);
		n += label.n;
	}
	out[n++] = 0;
	out[n++] = 0;
	out[n++] = (unsigned char)type;
	out[n++] = 0;
	out[n++] = CLASS_IN;
	return n;
}

/* Is it the answer to that question? */
static bool
is_answer(struct reader *r, unsigned id, const char *name, enum dns_type type,
    unsigned *flags, unsigned *records)
{
	char asked[DNS_NAME_MAX];

	if (get_u16(r) != id)
		return false;
	*flags = get_u16(r);
	unsigned questions = get_u16(r);
	*records = get_u16(r);
	get_u16(r);
	get_u16(r);
	get_name(r, asked);
	return (*flags & 0x8000) != 0 && questions == 1 && get_u16(r) == type &&
	       get_u16(r) == CLASS_IN && !r->bad &&
	       view_caseeqs(view_of(asked), name);
}

/* One record's data; false: not what was asked for, or malformed. */
static bool
take_data(
    struct reader *r, enum dns_type type, size_t len, struct dns_answer *out)
{
	unsigned char *a = out->address[out->n];

	if (type == DNS_PTR || type == DNS_MX) {
		struct reader inner = { r->p, r->at + len, r->at, false };
		char *name = out->name[out->n];
		if (type == DNS_MX)
			out->preference[out->n] = get_u16(&inner);
		get_name(&inner, name);
		return !inner.bad && inner.at == inner.n &&
		       (domain_valid(view_of(name)) ||
			   (type == DNS_MX && name[0] == '\0'));
	}
	if (type == DNS_TLSA) {
		const unsigned char *p = r->p + r->at;
		if (len < TLSA_FIXED + 1)
			return false;
		out->tlsa[out->n] = (struct dns_tlsa){ p[0], p[1], p[2],
			p + TLSA_FIXED, len - TLSA_FIXED };
		return true;
	}
	if (len != (type == DNS_A ? 4 : 16))
		return false;
	memset(a, 0, ADDRESS_OCTETS);
	if (type == DNS_A)
		a[10] = a[11] = 0xff;
	memcpy(a + ADDRESS_OCTETS - len, r->p + r->at, len);
	return true;
}

/* Aliases (CNAME) stand before what they lead to; that the records belong to
 * each other is the server's word, as all of it is. */
static void
take_records(struct reader *r, unsigned records, enum dns_type type,
    struct dns_answer *out)
{
	char owner[DNS_NAME_MAX];

	while (records-- > 0 && !r->bad && out->n < DNS_RECORDS_MAX) {
		get_name(r, owner);
		unsigned found = get_u16(r), class = get_u16(r);
		uint32_t ttl = get_u32(r);
		size_t len = get_u16(r);
		r->bad = r->bad || len > r->n - r->at;
		if (r->bad)
			return;
		if (found == (unsigned)type && class == CLASS_IN &&
		    take_data(r, type, len, out)) {
			out->n++;
			out->ttl = ttl < out->ttl ? ttl : out->ttl;
		}
		if (found == TYPE_CNAME && class == CLASS_IN) {
			struct reader inner = { r->p, r->at + len, r->at,
				false };
			get_name(&inner, out->alias);
		}
		r->at += len;
	}
}

enum dns_result
dns_parse(const unsigned char *p, size_t n, unsigned id, const char *name,
    enum dns_type type, struct dns_answer *out)
{
	struct reader r = { p, n, 0, false };
	unsigned flags, records;

	memset(out, 0, sizeof(*out));
	out->ttl = UINT32_MAX;
	if (!is_answer(&r, id, name, type, &flags, &records))
		return DNS_FOREIGN;
	unsigned code = flags & 15;
	out->cut = (flags & 0x0200) != 0;
	out->authentic = (flags & 0x0020) != 0;
	if (code != 0 && code != NXDOMAIN)
		return DNS_FAILED;
	if (code == 0)
		take_records(&r, records, type, out);
	if (out->n == 0)
		out->ttl = 0;
	/* Half an answer (cut, or malformed) does not prove that there is
	 * none. */
	if (out->n > 0)
		return DNS_FOUND;
	return r.bad || out->cut ? DNS_FAILED : DNS_NONE;
}

bool
dns_reverse(const unsigned char address[ADDRESS_OCTETS], const char *zone,
    char out[DNS_NAME_MAX])
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0xff, 0xff };
	const unsigned char *a = address;
	size_t n = 0;

	if (memcmp(a, mapped, sizeof(mapped)) == 0) {
		int len = snprintf(out, DNS_NAME_MAX, "%u.%u.%u.%u.%s", a[15],
		    a[14], a[13], a[12], zone == NULL ? "in-addr.arpa" : zone);
		return len > 0 && len < DNS_NAME_MAX;
	}
	for (int i = 15; i >= 0; i--) {
		static const char hex[] = "0123456789abcdef";
		out[n++] = hex[a[i] & 15];
		out[n++] = '.';
		out[n++] = hex[a[i] >> 4];
		out[n++] = '.';
	}
	return view_copy(view_of(zone == NULL ? "ip6.arpa" : zone), out + n,
	    DNS_NAME_MAX - n);
}
