/* Encoded-words (RFC 2047).  Runs in: worker (pop3d), sender. */
#include "common/encoded_word.h"

#include <string.h>

#include "common/base64.h"
#include "common/utf8.h"

enum {
	LINE_MAX = 76,	 /* RFC 2047 2; a word has one less */
	OCTETS_MAX = 39, /* 52 of base64, "=?unknown-8bit?B?" and "?=" */
	GATHER_MAX = 128 * 1024
};

/* A line that has blanks only is not folded: clients would take it for the end
 * of the header. */
void
encoded_gap(struct buf *out, size_t n)
{
	bool gap = out->n == 0 || ascii_white(out->p[out->n - 1]);
	bool line = false;
	size_t column = 0;

	while (column < out->n && column < LINE_MAX &&
	       out->p[out->n - 1 - column] != '\n')
		line |= !ascii_white(out->p[out->n - 1 - column++]);
	if (line && column + !gap + n > LINE_MAX)
		buf_adds(out, "\n ");
	else if (!gap)
		buf_addc(out, ' ');
}

static void
put_word(struct view v, const char *begin, struct buf *out)
{
	char text[BASE64_LEN(OCTETS_MAX) + 1];

	base64_encode(v, text, sizeof(text));
	encoded_gap(out, strlen(begin) + strlen(text) + 2);
	buf_adds(out, begin);
	buf_adds(out, text);
	buf_adds(out, "?=");
}

/* The longest piece of v that fits into one word; no character is cut. */
static size_t
piece(struct view v, bool utf8)
{
	size_t n = v.n < OCTETS_MAX ? v.n : OCTETS_MAX;

	if (n == v.n || !utf8)
		return n;
	while (((unsigned char)v.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

void
encoded_word(struct view v, struct buf *out)
{
	struct buf clean;

	buf_init(&clean, GATHER_MAX + 64);
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] != '\r' && v.p[i] != '\n' && v.p[i] != '\0')
			buf_addc(&clean, v.p[i]);
	struct view rest = buf_view(&clean);
	bool utf8 = utf8_valid(rest);
	while (rest.n > 0) {
		struct view one = { rest.p, piece(rest, utf8) };
		put_word(one, utf8 ? "=?utf-8?B?" : "=?unknown-8bit?B?", out);
		rest.p += one.n;
		rest.n -= one.n;
	}
	out->bad |= clean.bad;
	buf_free(&clean);
}

/* Blanks, then a word; both may be empty at the end. */
static struct view
next_word(struct view *v, struct view *blanks)
{
	struct view word;

	*blanks = (struct view){ v->p, 0 };
	while (blanks->n < v->n && ascii_white(v->p[blanks->n]))
		blanks->n++;
	word = (struct view){ v->p + blanks->n, 0 };
	while (blanks->n + word.n < v->n && !ascii_white(word.p[word.n]))
		word.n++;
	v->p += blanks->n + word.n;
	v->n -= blanks->n + word.n;
	return word;
}

static bool
is_encoded(struct view word)
{
	return word.n > 4 && memcmp(word.p, "=?", 2) == 0 &&
	       memcmp(word.p + word.n - 2, "?=", 2) == 0;
}

void
encoded_text(struct view v, struct buf *out)
{
	struct view blanks, word = { "", 0 }, before = { "", 0 };
	struct buf text;

	buf_init(&text, GATHER_MAX + 64);
	for (; v.n > 0; before = word) {
		word = next_word(&v, &blanks);
		if (view_ascii(word)) {
			buf_addv(out, blanks);
			buf_addv(out, word);
			continue;
		}
		/* Blanks between two encoded-words are not shown (RFC 2047
		 * 6.2): those beside one that is there go inside. */
		buf_clear(&text);
		if (is_encoded(before))
			buf_addc(&text, ' ');
		const char *from = word.p, *end = word.p + word.n;
		struct view rest = v, gap, after = { "", 0 };
		while (rest.n > 0) {
			after = next_word(&rest, &gap);
			if (view_ascii(after))
				break;
			end = after.p + after.n;
			v = rest;
		}
		buf_add(&text, from, (size_t)(end - from));
		if (v.n > 0 && is_encoded(after))
			buf_addc(&text, ' ');
		buf_addv(out, blanks);
		encoded_word(buf_view(&text), out);
	}
	out->bad |= text.bad;
	buf_free(&text);
}
