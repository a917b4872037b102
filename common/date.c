/* Dates in mail.  Runs in: worker, queue. */
#include "common/date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void
mail_date(int64_t now, char *out, size_t size)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t t = (time_t)now;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	long east = tm.tm_gmtoff / 60; /* minutes */
	long off = east < 0 ? -east : east;
	snprintf(out, size, "%.3s, %d %.3s %d %02d:%02d:%02d %c%02ld%02ld",
	    days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec,
	    east < 0 ? '-' : '+', off / 60, off % 60);
	const char *zone = tm.tm_zone == NULL ? "" : tm.tm_zone;
	size_t n = strlen(out);
	/* The name is a courtesy; it comes from the host's own files. */
	if (zone[0] != '\0' &&
	    strspn(zone,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz0123456789+-") == strlen(zone))
		snprintf(out + n, size - n, " (%s)", zone);
}
