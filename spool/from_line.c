/*
 * Which lines are From_ lines.  Runs in: worker, append, maildrop.
 *
 *   From SENDER Fri Nov 20 22:00:00 2026
 *   From SENDER Fri Nov 20 22:00 CET 2026 remote from HOST
 *
 * There is no standard (RFC 4155 only describes the default).  The date
 * decides, since text that begins with "From " rarely ends in one, and senders
 * with blanks are seen in the wild; so it is looked for from left to right, and
 * whatever is before it is the sender.
 */
#include "spool/mbox.h"

#include <string.h>

/* Takes blanks off *v.  False: there are none. */
static bool
blanks(struct view *v)
{
	size_t i = 0;

	while (i < v->n && (v->p[i] == ' ' || v->p[i] == '\t'))
		i++;
	v->p += i;
	v->n -= i;
	return i > 0;
}

/* Takes one of the names (of three letters each) off *v: the *which-th, from
 * 0. */
static bool
name3(struct view *v, const char *names, unsigned *which)
{
	if (v->n < 3)
		return false;
	for (*which = 0; *names != '\0'; names += 3, ++*which) {
		if (!view_caseeq(
			(struct view){ v->p, 3 }, (struct view){ names, 3 }))
			continue;
		v->p += 3;
		v->n -= 3;
		return true;
	}
	return false;
}

/* Takes a number of least to most digits off *v. */
static bool
number(struct view *v, size_t least, size_t most, unsigned min, unsigned max,
    unsigned *out)
{
	unsigned u = 0;
	size_t i = 0;

	while (i < v->n && i < most && ascii_digit(v->p[i]))
		u = u * 10 + (unsigned)(v->p[i++] - '0');
	if (i < least || u < min || u > max)
		return false;
	v->p += i;
	v->n -= i;
	*out = u;
	return true;
}

/* One whose value does not matter. */
static bool
digits(struct view *v, size_t least, size_t most, unsigned min, unsigned max)
{
	unsigned ignored;

	return number(v, least, most, min, max, &ignored);
}

static bool
octet(struct view *v, char c)
{
	if (v->n == 0 || *v->p != c)
		return false;
	v->p++;
	v->n--;
	return true;
}

struct when {
	unsigned year, month, day, hour, minute; /* month: from 0 */
};

/* 22:00 or 22:00:00 */
static bool
time_of_day(struct view *v, struct when *w)
{
	return number(v, 1, 2, 0, 24, &w->hour) && octet(v, ':') &&
	       number(v, 2, 2, 0, 59, &w->minute) &&
	       (!octet(v, ':') || digits(v, 2, 2, 0, 61));
}

/* +0100, +01:00, CET, "MET DST", GMT+1 */
static bool
zone(struct view *v)
{
	struct view z = *v;
	size_t letters = 0;

	while (letters < z.n && ascii_alpha(z.p[letters]))
		letters++;
	if (letters > 5)
		return false;
	z.p += letters;
	z.n -= letters;
	if (octet(&z, '+') || octet(&z, '-')) {
		if (!digits(&z, letters > 0 ? 1 : 2, 4, 0, 9999))
			return false;
		if (octet(&z, ':') && !digits(&z, 2, 2, 0, 59))
			return false;
	} else if (letters == 0) {
		return false;
	} else if (z.n >= 4 && memcmp(z.p, " DST", 4) == 0) {
		z.p += 4;
		z.n -= 4;
	}
	*v = z;
	return true;
}

/* What may stand behind the year. */
static bool
line_end(struct view v)
{
	struct view rest = v;

	blanks(&rest);
	if (rest.n > 0 && zone(&rest) && (rest.n == 0 || blanks(&rest)))
		v = rest;
	else
		blanks(&v);
	if (v.n == 0)
		return true;
	return view_eqs(view_token(&v), "remote") &&
	       view_eqs(view_token(&v), "from") && view_token(&v).n > 0 &&
	       v.n == 0;
}

/* Is all of v a date? */
static bool
date(struct view v, struct when *w)
{
	static const char days[] = "MonTueWedThuFriSatSun";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	unsigned weekday;

	if (!name3(&v, days, &weekday) || !blanks(&v) ||
	    !name3(&v, months, &w->month) || !blanks(&v) ||
	    !number(&v, 1, 2, 1, 31, &w->day) || !blanks(&v) ||
	    !time_of_day(&v, w) || !blanks(&v))
		return false;
	if (zone(&v) && !blanks(&v))
		return false;
	return number(&v, 4, 4, 1900, 9999, &w->year) && line_end(v);
}

static bool
from_line(struct view line, struct when *w)
{
	if (line.n > MBOX_FROM_MAX || line.n < 5 ||
	    memcmp(line.p, "From ", 5) != 0)
		return false;
	if (line.p[line.n - 1] == '\r') /* as Thunderbird writes it */
		line.n--;
	/* A day's name at the very start would be the sender's. */
	for (size_t i = 6; i < line.n; i++) {
		if (line.p[i - 1] == ' ' &&
		    date((struct view){ line.p + i, line.n - i }, w))
			return true;
	}
	return false;
}

bool
mbox_is_from(struct view line)
{
	struct when w;

	return from_line(line, &w);
}

/* Days from 1970-01-01, negative before it, in the Gregorian calendar. */
static int64_t
day_number(const struct when *w)
{
	/* Years that begin in March end in the leap day. */
	int64_t year = (int64_t)w->year - (w->month < 2);
	int64_t month = (w->month + 10) % 12;

	return year * 365 + year / 4 - year / 100 + year / 400 +
	       (month * 306 + 5) / 10 + w->day - 1 - 719468;
}

bool
mbox_from_date(struct view line, int64_t *seconds)
{
	struct when w;

	*seconds = 0;
	if (!from_line(line, &w))
		return false;
	*seconds = day_number(&w) * 86400 + w.hour * 3600 + w.minute * 60;
	return true;
}
