/*
 * Where a header of MIME ends: what of it changes, and how its body goes on.
 * Runs in: worker, sender.
 */
#include "smtpd/binary_header.h"

/* ---- fields, RFC 2045 5.1, 6.1 ---- */

static struct view
coding(const struct binary *b)
{
	struct view v = { b->coding, b->coding_n };

	view_split(&v, ':', NULL);
	return mime_token(&v);
}

static bool
is_binary(const struct binary *b)
{
	return view_caseeqs(coding(b), "binary");
}

/* Is the body what it seems, so that it may enclose something? */
static bool
is_plain(const struct binary *b)
{
	struct view c = coding(b);

	return b->coding_n == 0 || view_caseeqs(c, "7bit") ||
	       view_caseeqs(c, "8bit") || view_caseeqs(c, "binary");
}

/* ---- the end of a header ---- */

void
binary_header_begin(struct binary *b, bool digest)
{
	b->state = BINARY_HEADER;
	b->field = BINARY_OTHER;
	b->type_n = b->coding_n = 0;
	b->digest = digest;
	b->message = b->versioned = false;
	b->untouched = b->signed_depth != 0;
	b->leaf = BINARY_LEAVES;
}

/* The field as it came, or what is true from now on. */
static void
put_coding(struct binary *b, const char *coding, struct buf *out)
{
	if (b->untouched) /* it stands where it was */
		return;
	if (coding == NULL)
		buf_addv(out, (struct view){ b->coding, b->coding_n });
	else
		buf_addf(out, "Content-Transfer-Encoding: %s\r\n", coding);
	b->coding_n = 0;
}

static void
enclosed_begin(struct binary *b)
{
	binary_header_begin(b, false);
	b->message = true;
}

static void
header_end_lines(struct binary *b, struct buf *out)
{
	struct view rest = { b->type, b->type_n };
	bool digest, binary = is_binary(b), plain = is_plain(b);
	enum mime_kind kind = mime_kind(&rest, b->digest, &digest);

	put_coding(b,
	    !binary		? NULL
	    : kind != MIME_LEAF ? "8bit"
				: "base64",
	    out);
	buf_adds(out, "\r\n");
	b->state = binary && kind == MIME_LEAF ? BINARY_ENCODE : BINARY_TEXT;
	if (kind == MIME_MULTIPART)
		b->bad |= !mime_enter(&b->in, rest, digest);
	else if (kind == MIME_MESSAGE && plain)
		enclosed_begin(b);
}

/* What the header begins; what encloses something in name only, as nobody can
 * find it or it is encoded, is a leaf. */
static enum mime_kind
take_kind(struct binary *b)
{
	struct view type = { b->type, b->type_n }, rest = type;
	bool digest;
	enum mime_kind kind = mime_kind(&rest, b->digest, &digest);
	size_t before = b->in.depth;

	type = mime_token(&type);
	if (kind == MIME_MESSAGE &&
	    (!is_plain(b) || view_caseeqs(type, "message/global")))
		return MIME_LEAF;
	if (kind != MIME_MULTIPART)
		return kind;
	b->bad |= !mime_enter(&b->in, rest, digest);
	if (b->in.depth == before)
		return MIME_LEAF;
	if (b->signed_depth == 0 && view_caseeqs(type, "multipart/signed"))
		b->signed_depth = b->in.depth;
	return kind;
}

/* The fields of a leaf that has octets beyond ASCII, and how it is encoded. */
static void
leaf_to_ascii(struct binary *b, struct buf *out)
{
	struct view type = { b->type, b->type_n };

	type = mime_token(&type);
	b->quoted = (struct quoted){ 0 };
	b->state = BINARY_QUOTE;
	if (view_caseeqs(coding(b), "quoted-printable")) {
		b->quoted.mend = true;
		put_coding(b, NULL, out);
		return;
	}
	/* RFC 2046 5.2.2, 5.2.3: these must not be encoded. */
	if (!is_plain(b) || view_caseeqs(type, "message/partial") ||
	    view_caseeqs(type, "message/external-body")) {
		b->bad = true;
		return;
	}
	if (type.n == 0)
		buf_adds(
		    out, "Content-Type: text/plain; charset=unknown-8bit\r\n");
	if (type.n == 0 || view_casestarts(type, "text/") ||
	    view_casestarts(type, "message/")) {
		put_coding(b, "quoted-printable", out);
		return;
	}
	b->state = BINARY_ENCODE;
	put_coding(b, "base64", out);
}

/* LOOK and TO_ASCII count leaves in the same way. */
static void
header_end_ascii(struct binary *b, struct buf *out)
{
	bool first = b->message && b->in.depth == 0 && b->leaf_n == 0;
	bool plain = is_plain(b), eight = false;
	enum mime_kind kind = take_kind(b);

	b->state = BINARY_TEXT;
	if (kind == MIME_LEAF && b->leaf_n == BINARY_LEAVES)
		b->bad = true;
	else if (kind == MIME_LEAF)
		b->leaf = b->leaf_n++;
	if (b->leaf != BINARY_LEAVES && b->how == BINARY_TO_ASCII)
		eight = b->leaves->eight[b->leaf / 8] >> b->leaf % 8 & 1;
	if (b->message && !b->versioned &&
	    (eight || (first && kind != MIME_LEAF)))
		buf_adds(out, "MIME-Version: 1.0\r\n");
	if (eight)
		leaf_to_ascii(b, out);
	else
		put_coding(b,
		    kind != MIME_LEAF && plain && b->coding_n > 0 ? "7bit"
								  : NULL,
		    out);
	buf_adds(out, "\r\n");
	if (kind == MIME_MESSAGE)
		enclosed_begin(b);
}

/* The blank line has come. */
void
binary_header_end(struct binary *b, struct buf *out)
{
	if (b->how == BINARY_TO_LINES)
		header_end_lines(b, out);
	else
		header_end_ascii(b, out);
}

/* A header that has no blank line ends. */
void
binary_header_cut(struct binary *b, struct buf *out)
{
	bool binary = b->how == BINARY_TO_LINES && is_binary(b);

	if (b->state == BINARY_HEADER)
		put_coding(b, binary ? "8bit" : NULL, out);
}
