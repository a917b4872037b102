/* Quoted-printable.  Runs in: sender. */
#include "common/quoted.h"

enum { LINE_MAX = 76 };

/* Takes n octets that must stay together. */
static void
put(struct quoted *q, const char *p, unsigned n, struct buf *out)
{
	/* A "=" of the input may stand before what would be broken off. */
	if (!q->mend && q->column + n > LINE_MAX - 1) {
		buf_adds(out, "=\r\n");
		q->column = 0;
	}
	buf_add(out, p, n);
	q->column += n;
}

static void
put_coded(struct quoted *q, unsigned char c, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	char text[3] = { '=', hex[c >> 4], hex[c & 15] };

	put(q, text, 3, out);
}

void
quoted_add(struct quoted *q, struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (q->blank != 0)
			put(q, &q->blank, 1, out);
		q->blank = 0;
		if (!q->mend && (c == ' ' || c == '\t'))
			q->blank = (char)c;
		else if (q->mend ? c < 0x80 : c > ' ' && c < 0x7f && c != '=')
			put(q, &v.p[i], 1, out);
		else
			put_coded(q, c, out);
	}
}

void
quoted_end(struct quoted *q, struct buf *out)
{
	if (q->blank != 0)
		put_coded(q, (unsigned char)q->blank, out);
	q->blank = 0;
	q->column = 0;
}
