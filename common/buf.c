/* A growing buffer with a fixed maximum.  Runs in: every role. */
#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

/* Makes room for n more octets and a terminator behind them. */
static bool
buf_reserve(struct buf *b, size_t n)
{
	if (b->bad || n > b->max - b->n)
		goto bad;
	if (b->n + n + 1 > b->cap) {
		size_t cap = b->cap == 0 ? 256 : b->cap;
		while (cap < b->n + n + 1)
			cap *= 2;
		char *p = realloc(b->p, cap);
		if (p == NULL)
			goto bad;
		b->p = p;
		b->cap = cap;
	}
	return true;
bad:
	b->bad = true;
	return false;
}

char *
buf_room(struct buf *b, size_t n)
{
	return buf_reserve(b, n) ? b->p + b->n : NULL;
}

bool
buf_add(struct buf *b, const void *p, size_t n)
{
	if (!buf_reserve(b, n))
		return false;
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	return true;
}

bool
buf_addv(struct buf *b, struct view v)
{
	return buf_add(b, v.p, v.n);
}

bool
buf_adds(struct buf *b, const char *cstr)
{
	return buf_addv(b, view_of(cstr));
}

bool
buf_addc(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

bool
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !buf_reserve(b, (size_t)n)) {
		b->bad = true;
		return false;
	}
	va_start(ap, fmt);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
	return true;
}

struct view
buf_view(const struct buf *b)
{
	return (struct view){ b->p, b->n };
}

const char *
buf_cstr(struct buf *b)
{
	if (!buf_reserve(b, 0))
		return "";
	b->p[b->n] = '\0';
	return b->p;
}

void
buf_clear(struct buf *b)
{
	b->n = 0;
	b->bad = false;
}

void
buf_free(struct buf *b)
{
	free(b->p);
	buf_init(b, b->max);
}

void
buf_wipe(struct buf *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->cap);
	buf_free(b);
}
