/* Surrogates of internationalized messages (common/surrogate.c, RFC 6858). */
#include "common/surrogate.h"

#include <stdlib.h>
#include <string.h>

#include "t/unit/tap.h"

#define INVALID "<invalid@internationalized-address.invalid>"

/* clang-format off */
static const struct {
	const char *name, *in, *want;
} cases[] = {
{ "ASCII stays, odd or not", "From: a@b (c)\nX: \"\n\t y\nno field\n : x\n", "From: a@b (c)\nX: \"\n\t y\nno field\n : x\n" },
{ "2.1: an address is replaced, and shown", "To: Fred Foo <fred@\xc3\xa9.example>\n",
  "To: =?utf-8?B?RnJlZCBGb28gPGZyZWRAw6kuZXhhbXBsZT4=?=\n " INVALID "\n" },
{ "2.1: one without a name", "To: fr\xc3\xa9" "d@example.com\n", "To: =?utf-8?B?ZnLDqWRAZXhhbXBsZS5jb20=?=\n " INVALID "\n" },
{ "a name alone is encoded, its address stays", "From: Fr\xc3\xa9" "d <fred@example.com>\n", "From: =?utf-8?B?RnLDqWQ=?= <fred@example.com>\n" },
{ "a quoted name", "From: \"Fr\xc3\xa9" "d, \\\"X\\\"\" <f@e.com>\n", "From: =?utf-8?B?RnLDqWQsICJYIg==?= <f@e.com>\n" },
{ "a name in a comment", "From: f@e.com (Fr\xc3\xa9" "d)\n", "From: =?utf-8?B?RnLDqWQ=?= <f@e.com>\n" },
{ "a comment behind <>", "From: Fred <f@e.com> (Fr\xc3\xa9" "d)\n", "From: Fred <f@e.com>\n" },
{ "only what is not ASCII is touched", "To: a@b,\n Fr\xc3\xa9" "d <c@d>,\n\te@f (x)\n", "To: a@b,\n =?utf-8?B?RnLDqWQ=?= <c@d>,\n\te@f (x)\n" },
{ "a comma in a quoted string, comment or path", "To: \"a, b\" <c@d>, (x, y) e@f, <@g,@h:i@j>, \xc3\xa9 <k@l>\n",
  "To: \"a, b\" <c@d>, (x, y) e@f, <@g,@h:i@j>, =?utf-8?B?w6k=?= <k@l>\n" },
{ "a group", "To: Fr\xc3\xa9res: a@b, c@\xc3\xa9;, d@e\n", "To: =?utf-8?B?RnLDqXJlcw==?=: a@b, =?utf-8?B?Y0DDqQ==?=\n " INVALID ";, d@e\n" },
{ "a name of encoded-words is kept", "To: =?utf-8?Q?x?= <a@\xc3\xa9>\n", "To: =?utf-8?Q?x?= =?utf-8?B?IDxhQMOpPg==?=\n " INVALID "\n" },
{ "Return-Path has no name", "Return-Path: <fr\xc3\xa9" "d@example.com>\nreturn-path: <a@b> (\xc3\xa9)\n", "Return-Path: " INVALID "\nreturn-path: <a@b>\n" },
{ "a quote that is not closed", "To: \"\xc3\xa9, bob@example.com\n", "To: =?utf-8?B?IsOpLCBib2JAZXhhbXBsZS5jb20=?=\n " INVALID "\n" },
{ "a < that is not closed", "To: <\xc3\xa9, bob@example.com\n", "To: =?utf-8?B?PMOpLCBib2JAZXhhbXBsZS5jb20=?=\n " INVALID "\n" },
{ "a comment that is not closed", "To: a@b (\xc3\xa9\n", "To: =?utf-8?B?YUBiICjDqQ==?= " INVALID "\n" },
{ "a comment and nothing else", "To: (\xc3\xa9)\n", "To: =?utf-8?B?w6kg?= " INVALID "\n" },
{ "not UTF-8, either", "To: Fr\xe9" "d <a@b>\n", "To: =?unknown-8bit?B?RnLpZA==?= <a@b>\n" },
{ "2.3: Subject", "Subject: Re: \xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xd0\xbc\xd0\xb8\xd1\x80 now\n",
  "Subject: Re: =?utf-8?B?0J/RgNC40LLQtdGCINC80LjRgA==?= now\n" },
{ "a Subject without a blank", "Subject:\xc3\xa9\n", "Subject: =?utf-8?B?w6k=?=\n" },
{ "a blank beside an encoded-word is seen", "Subject: =?a?Q?b?= \xc3\xa9 =?a?Q?c?=\n", "Subject: =?a?Q?b?= =?utf-8?B?IMOpIA==?= =?a?Q?c?=\n" },
{ "a long Subject is folded between characters",
  "Subject: \xd0\xb0\xd0\xb1\xd0\xb2\xd0\xb3\xd0\xb4\xd0\xb5\xd0\xb6\xd0\xb7\xd0\xb8\xd0\xb9\xd0\xba\xd0\xbb\xd0\xbc\xd0\xbd\xd0\xbe\xd0\xbf\xd1\x80\xd1\x81\xd1\x82\xd1\x83\xd1\x84\xd1\x85\n",
  "Subject: =?utf-8?B?0LDQsdCy0LPQtNC10LbQt9C40LnQutC70LzQvdC+0L/RgNGB0YI=?=\n =?utf-8?B?0YPRhNGF?=\n" },
{ "folds stay", "Subject: a\n \xc3\xa9\n\tb\n", "Subject: a\n =?utf-8?B?w6k=?=\n\tb\n" },
{ "a fold inside is undone", "Subject: \xc3\xa9\n \xc3\xa9\n", "Subject: =?utf-8?B?w6kgw6k=?=\n" },
{ "2.2: a parameter goes", "Content-Disposition: attachment; filename=\xc3\xa9\n", "Content-Disposition: attachment\n" },
{ "the other parameters stay", "Content-Type: text/plain;\n charset=\"a;b\";\n name=\"\xc3\xa9;x=y\";\n format=flowed\n", "Content-Type: text/plain;\n charset=\"a;b\";\n format=flowed\n" },
{ "a type that is not ASCII goes", "Content-Type: \xc3\xa9/x; a=b\nX: y\n", "X: y\n" },
{ "2.4: other fields go", "A: b\nReceived: from \xc3\xa9\n by x\nComments: \xc3\xa9\nX\xc3\xa9: y\n\xc3\xa9\nC: d\n", "A: b\nC: d\n" },
{ "the body is not touched", "Subject: \xc3\xa9\n\n\xc3\xa9: x\nSubject: \xc3\xa9\n", "Subject: =?utf-8?B?w6k=?=\n\n" },
{ "a header without an end", "A: b\nSubject: \xc3\xa9", "A: b\nSubject: =?utf-8?B?w6k=?=\n" },
{ "nothing", "", "" },
{ "a CR at the start of a field's line does not", "A: b\n\rSubject: \xc3\xa9\nC: d\n", "A: b\nC: d\n" },
};

/* With parts: all that comes out is shown. */
#define MULTI "Content-Type: multipart/mixed; boundary=\"b 1\"\n\n\xc3\xa9 preamble\n"
static const struct {
	const char *name, *in, *want;
} parts[] = {
{ "2.2: a part's parameters", MULTI "--b 1\nContent-Type: a/b; name=\xc3\xa9\nContent-Disposition: attachment;\n filename=\"\xc3\xa9.txt\"; size=3\n\n\xc3\xa9: x\n--b 1--\n\xc3\xa9: y\n",
  MULTI "--b 1\nContent-Type: a/b\nContent-Disposition: attachment; size=3\n\n\xc3\xa9: x\n--b 1--\n\xc3\xa9: y\n" },
{ "each part, and blanks behind a boundary", MULTI "--b 1 \t\nA: \xc3\xa9\n\nx\n--b 1\r\nB: \xc3\xa9\nC: d\n\n--b 1x\n--b\nD: \xc3\xa9\n", MULTI "--b 1 \t\n\nx\n--b 1\r\nC: d\n\n--b 1x\n--b\nD: \xc3\xa9\n" },
{ "a multipart in a part; its end is not the end", MULTI "--b 1\nContent-Type: multipart/alternative; boundary=in\n\n--in\nX: \xc3\xa9\n\n--in--\nX: \xc3\xa9\n\n--b 1\nX: \xc3\xa9\n\n",
  MULTI "--b 1\nContent-Type: multipart/alternative; boundary=in\n\n--in\n\n--in--\nX: \xc3\xa9\n\n--b 1\n\n" },
{ "an outer boundary ends what is inside", MULTI "--b 1\nContent-Type: multipart/x; boundary=in\n\n--b 1\nX: \xc3\xa9\n\n--in\nX: \xc3\xa9\n", MULTI "--b 1\nContent-Type: multipart/x; boundary=in\n\n--b 1\n\n--in\nX: \xc3\xa9\n" },
{ "an enclosed message", "Content-Type: message/rfc822\n\nSubject: \xc3\xa9\n\n\xc3\xa9: x\n", "Content-Type: message/rfc822\n\nSubject: =?utf-8?B?w6k=?=\n\n\xc3\xa9: x\n" },
{ "those of a digest", "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: \xc3\xa9\n\n\xc3\xa9: x\n--b--\n", "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: =?utf-8?B?w6k=?=\n\n\xc3\xa9: x\n--b--\n" },
{ "a boundary ends a header", MULTI "--b 1\nSubject: \xc3\xa9\n--b 1\nX: \xc3\xa9\n\n\xc3\xa9\n", MULTI "--b 1\nSubject: =?utf-8?B?w6k=?=\n--b 1\n\n\xc3\xa9\n" },
{ "a part without a header is text", MULTI "--b 1\n\xd0\xb4\xd0\xb0\n\xc3\xa9: x\n\nA: \xc3\xa9\n--b 1--\n", MULTI "--b 1\n\xd0\xb4\xd0\xb0\n\xc3\xa9: x\n\nA: \xc3\xa9\n--b 1--\n" },
{ "no multipart", "Content-Type: text/plain; boundary=b\n\n--b\nX: \xc3\xa9\n", "Content-Type: text/plain; boundary=b\n\n--b\nX: \xc3\xa9\n" },
{ "a blank line with a CR ends the header", "Subject: \xc3\xa9\n\r\n\xc3\xa9: x\n", "Subject: =?utf-8?B?w6k=?=\n\r\n\xc3\xa9: x\n" },
{ "a message that ends in a boundary", MULTI "--b 1--", MULTI "--b 1--" },
};
/* clang-format on */

/* The surrogate of in, given in pieces of n octets. */
static char *
surrogate(struct view in, size_t n, bool all, size_t *body)
{
	struct surrogate s;
	struct buf out;

	surrogate_init(&s);
	buf_init(&out, 1 << 24);
	*body = in.n;
	for (size_t at = 0; at < in.n && !s.done;) {
		size_t some = in.n - at < n ? in.n - at : n;
		size_t used =
		    surrogate_add(&s, (struct view){ in.p + at, some }, &out);
		at += used;
		if (s.done)
			*body = at;
	}
	if (!s.done)
		surrogate_end(&s, &out);
	if (all)
		buf_add(&out, in.p + *body, in.n - *body);
	surrogate_free(&s);
	char *text = out.bad ? NULL : strdup(buf_cstr(&out));
	buf_free(&out);
	return text;
}

static void
table(void)
{
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct view in = view_of(cases[i].in);
		const char *end = strstr(cases[i].in, "\n\n");
		size_t body = 0;
		bool good = true;
		for (size_t n = 1; n <= in.n + 1; n++) {
			char *got = surrogate(in, n, false, &body);
			good &= got != NULL && strcmp(got, cases[i].want) == 0;
			good &= end == NULL ? body == in.n
					    : body == (size_t)(end - in.p) + 2;
			if (!good) {
				printf("# got: %s# wanted: %s", got,
				    cases[i].want);
				n = in.n + 1;
			}
			free(got);
		}
		ok(good, "%s", cases[i].name);
	}
}

static void
with_parts(void)
{
	for (size_t i = 0; i < NELEM(parts); i++) {
		struct view in = view_of(parts[i].in);
		bool good = true;
		size_t body;
		for (size_t n = 1; good && n <= in.n + 1; n++) {
			char *got = surrogate(in, n, true, &body);
			good = got != NULL && strcmp(got, parts[i].want) == 0;
			if (!good)
				printf("# %zu: got: %s", n, got);
			free(got);
		}
		ok(good, "%s", parts[i].name);
	}
}

/* What is no field, or no boundary, whatever its length. */
static void
long_lines(void)
{
	static const char *const starts[] = { "--b\n\xc3\xa9", "--b\n\nx\n--b ",
		"--b\n--x", "--b\n \xc3\xa9" };
	size_t n = 3 * SURROGATE_FIELD_MAX, body;
	char *in = malloc(n);
	bool same = true;

	if (in == NULL)
		abort();
	for (size_t i = 0; i < NELEM(starts); i++)
		for (size_t piece = 1000; piece <= n; piece += n - 1000) {
			int k = snprintf(in, n,
			    "Content-Type: multipart/x; boundary=b\n\n%s",
			    starts[i]);
			memset(in + k, ' ', n - (size_t)k);
			in[n - 1] = '\n';
			memcpy(in + n - 3, "\xc3\xa9", 2);
			char *got = surrogate(
			    (struct view){ in, n }, piece, true, &body);
			bool good = got != NULL && strlen(got) == n &&
				    memcmp(got, in, n) == 0;
			if (!good)
				printf("# %s: %zu\n", starts[i], piece);
			same = same && good;
			free(got);
		}
	ok(same, "a part's text stays, however long its lines");
	free(in);
}

static void
limits(void)
{
	size_t n = SURROGATE_FIELD_MAX + 100, body;
	char *in = malloc(2 * n), *got;

	if (in == NULL)
		abort();
	memset(in, 'x', 2 * n);
	memcpy(in, "Subject: \xc3\xa9", 11);
	in[SURROGATE_FIELD_MAX - 1] = '\n';
	memcpy(in + SURROGATE_FIELD_MAX, "A: b\n", 5);
	got = surrogate(
	    (struct view){ in, SURROGATE_FIELD_MAX + 5 }, 1000, false, &body);
	ok(got != NULL && strncmp(got, "Subject: =?", 11) == 0 &&
		strlen(got) > SURROGATE_FIELD_MAX - 20,
	    "the longest field");
	free(got);
	in[SURROGATE_FIELD_MAX - 1] = 'x';
	in[SURROGATE_FIELD_MAX] = '\n';
	memcpy(in + SURROGATE_FIELD_MAX + 1, "A: b\n", 5);
	got = surrogate(
	    (struct view){ in, SURROGATE_FIELD_MAX + 6 }, 1000, false, &body);
	ok(got != NULL && strcmp(got, "A: b\n") == 0,
	    "one octet more: it goes");
	free(got);
	/* Each of these two octets and a comma becomes some sixty. */
	memcpy(in, "To: ", 4);
	for (size_t i = 4; i + 3 < SURROGATE_FIELD_MAX - 1; i += 3)
		memcpy(in + i, "\xc3\xa9,", 3);
	memcpy(in + SURROGATE_FIELD_MAX - 10, "\nA: b\n", 6);
	got = surrogate(
	    (struct view){ in, SURROGATE_FIELD_MAX - 4 }, 65536, false, &body);
	ok(got != NULL && strcmp(got, "A: b\n") == 0,
	    "a field that would become too long goes");
	free(got);
	free(in);
}

int
main(void)
{
	table();
	with_parts();
	long_lines();
	limits();
	return done_testing();
}
