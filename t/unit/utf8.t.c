/* UTF-8 (common/utf8.c). */
#include "common/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/tap.h"

static size_t
encode(uint32_t u, unsigned char *p)
{
	if (u < 0x80) {
		p[0] = (unsigned char)u;
		return 1;
	}
	if (u < 0x800) {
		p[0] = (unsigned char)(0xc0 | u >> 6);
		p[1] = (unsigned char)(0x80 | (u & 63));
		return 2;
	}
	if (u < 0x10000) {
		p[0] = (unsigned char)(0xe0 | u >> 12);
		p[1] = (unsigned char)(0x80 | (u >> 6 & 63));
		p[2] = (unsigned char)(0x80 | (u & 63));
		return 3;
	}
	p[0] = (unsigned char)(0xf0 | u >> 18);
	p[1] = (unsigned char)(0x80 | (u >> 12 & 63));
	p[2] = (unsigned char)(0x80 | (u >> 6 & 63));
	p[3] = (unsigned char)(0x80 | (u & 63));
	return 4;
}

int
main(void)
{
	static const struct {
		const char *text, *name;
		size_t n;
	} bad[] = {
		{ "\x80", "a continuation alone", 1 },
		{ "a\xc3", "cut after one", 2 },
		{ "\xe2\x82", "cut after two", 2 },
		{ "\xf0\x9f\x98", "cut after three", 3 },
		{ "\xc0\x80", "NUL in two octets", 2 },
		{ "\xc1\xbf", "ASCII in two", 2 },
		{ "\xe0\x9f\xbf", "two in three", 3 },
		{ "\xf0\x8f\xbf\xbf", "three in four", 4 },
		{ "\xed\xa0\x80", "a surrogate", 3 },
		{ "\xed\xbf\xbf", "the last surrogate", 3 },
		{ "\xf4\x90\x80\x80", "beyond U+10FFFF", 4 },
		{ "\xf8\x88\x80\x80\x80", "five octets", 5 },
		{ "\xff", "FF", 1 },
		{ "\xc3(", "no continuation", 2 },
		{ "\xc3\xa9\xe9", "Latin-1 behind UTF-8", 3 },
	};
	for (size_t i = 0; i < NELEM(bad); i++)
		ok(!utf8_valid((struct view){ bad[i].text, bad[i].n }), "%s",
		    bad[i].name);
	unsigned wrong = 0;
	for (uint32_t u = 0; u < 0x110000; u++) {
		unsigned char p[4];
		struct view v = { (const char *)p, encode(u, p) };
		wrong += utf8_valid(v) == (u >= 0xd800 && u < 0xe000);
	}
	ok(wrong == 0, "every code point");
	ok(utf8_valid((struct view){ NULL, 0 }), "nothing");
	ok(utf8_valid((struct view){ "a\0b", 3 }), "NUL is ASCII");
	return done_testing();
}
