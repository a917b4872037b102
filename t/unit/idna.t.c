/* Punycode (the vectors of RFC 3492 7.1), and domains and addresses of it. */
#include <stdio.h>
#include <string.h>

#include "common/idna.h"
#include "t/unit/tap.h"

/* Small letters only, as an IDNA2008 label has none else; so (I), which has a
 * large one in its sample, is written small. */
static const struct {
	const char *what, *utf8, *ascii;
} vectors[] = {
	{ "(A) Arabic",
	    "\u0644\u064A\u0647\u0645\u0627\u0628\u062A\u0643"
	    "\u0644\u0645\u0648\u0634\u0639\u0631\u0628\u064A"
	    "\u061F",
	    "egbpdaj6bu4bxfgehfvwxn" },
	{ "(B) Chinese, simplified",
	    "\u4ED6\u4EEC\u4E3A\u4EC0\u4E48\u4E0D\u8BF4\u4E2D\u6587",
	    "ihqwcrb4cv8a8dqg056pqjye" },
	{ "(C) Chinese, traditional",
	    "\u4ED6\u5011\u7232\u4EC0\u9EBD\u4E0D\u8AAA\u4E2D\u6587",
	    "ihqwctvzc91f659drss3x8bo0yb" },
	{ "(D) Czech", "pro\u010Dprost\u011Bnemluv\u00ED\u010Desky",
	    "proprostnemluvesky-uyb24dma41a" },
	{ "(E) Hebrew",
	    "\u05DC\u05DE\u05D4\u05D4\u05DD\u05E4\u05E9\u05D5"
	    "\u05D8\u05DC\u05D0\u05DE\u05D3\u05D1\u05E8\u05D9"
	    "\u05DD\u05E2\u05D1\u05E8\u05D9\u05EA",
	    "4dbcagdahymbxekheh6e0a7fei0b" },
	{ "(G) Japanese",
	    "\u306A\u305C\u307F\u3093\u306A\u65E5\u672C\u8A9E"
	    "\u3092\u8A71\u3057\u3066\u304F\u308C\u306A\u3044"
	    "\u306E\u304B",
	    "n8jok5ay5dzabd5bym9f0cm5685rrjetr6pdxa" },
	{ "(I) Russian",
	    "\u043F\u043E\u0447\u0435\u043C\u0443\u0436\u0435"
	    "\u043E\u043D\u0438\u043D\u0435\u0433\u043E\u0432"
	    "\u043E\u0440\u044F\u0442\u043F\u043E\u0440\u0443"
	    "\u0441\u0441\u043A\u0438",
	    "b1abfaaepdrnnbgefbadotcwatmq2g4l" },
	{ "(J) Spanish", "porqu\u00E9nopuedensimplementehablarenespa\u00F1ol",
	    "porqunopuedensimplementehablarenespaol-fmd56a" },
	{ "(K) Vietnamese",
	    "t\u1EA1isaoh\u1ECDkh\u00F4ngth\u1EC3ch\u1EC9n\u00F3"
	    "iti\u1EBFngvi\u1EC7t",
	    "tisaohkhngthchnitingvit-kjcr8268qyxafd2f1b9g" },
	{ "(L) digits first", "3\u5E74b\u7D44\u91D1\u516B\u5148\u751F",
	    "3b-ww4c5e180e575a65lsy2b" },
	{ "(M) hyphens", "\u5B89\u5BA4\u5948\u7F8E\u6075-with-super-monkeys",
	    "-with-super-monkeys-pc58ag80a8qai00g7n9n" },
	{ "(O) at the end", "\u3072\u3068\u3064\u5C4B\u6839\u306E\u4E0B2",
	    "2-u9tlzr9756bt3uc0v" },
	{ "(P) ASCII among others", "maji\u3067koi\u3059\u308B5\u79D2\u524D",
	    "majikoi5-783gue6qz075azm5e" },
	{ "(R) nothing basic", "\u305D\u306E\u30B9\u30D4\u30FC\u30C9\u3067",
	    "d9juau41awczczp" },
	{ "German", "b\u00FCcher", "bcher-kva" },
	{ "German, large", "B\u00DCCHER", "bcher-kva" },
	{ "Greek, final sigma", "\u03B2\u03CC\u03BB\u03BF\u03C2", "nxasmm1c" },
	{ "beyond the first plane", "\U0001F4A9", "ls8h" },
};

static void
test_domains(void)
{
	char out[254], small[12], label[121];

	ok(idna_ascii(view_of("mail.b\u00FCcher.Example"), out, sizeof(out)) &&
		strcmp(out, "mail.xn--bcher-kva.Example") == 0,
	    "only what is not ASCII changes");
	ok(idna_ascii(view_of("x.example"), out, sizeof(out)) &&
		strcmp(out, "x.example") == 0,
	    "ASCII stays");
	ok(!idna_ascii(view_of("b\xfc.example"), out, sizeof(out)) &&
		out[0] == '\0',
	    "no UTF-8: none");
	ok(idna_ascii(view_of("\u00FC.de"), small, sizeof(small)) &&
		strcmp(small, "xn--tda.de") == 0,
	    "it fits");
	ok(!idna_ascii(view_of("\u00FC.de"), small, 10) && small[0] == '\0',
	    "it does not");
	for (size_t i = 0; i + 1 < sizeof(label); i += 2)
		memcpy(label + i, "\u00FC", 2);
	ok(idna_ascii((struct view){ label, 80 }, out, sizeof(out)),
	    "a long label");
	ok(!idna_ascii((struct view){ label, 120 }, out, sizeof(out)),
	    "too long a label");
	ok(idna_address(view_of("a@b@\u00FC.de"), out, sizeof(out)) &&
		strcmp(out, "a@b@xn--tda.de") == 0,
	    "an address");
	ok(!idna_address(view_of("\u00E4@\u00FC.de"), out, sizeof(out)) &&
		out[0] == '\0',
	    "what is before @ has no such form");
	ok(!idna_address(view_of("\u00FC.de"), out, sizeof(out)), "no address");
	ok(!idna_address(view_of("aaaaaaaaaaaa@de"), small, sizeof(small)),
	    "too long an address");
}

int
main(void)
{
	char out[254], want[254];

	for (size_t i = 0; i < NELEM(vectors); i++) {
		(void)snprintf(want, sizeof(want), "xn--%s", vectors[i].ascii);
		ok(idna_ascii(view_of(vectors[i].utf8), out, sizeof(out)) &&
			strcmp(out, want) == 0,
		    "%s: %s", vectors[i].what, out);
	}
	test_domains();
	return done_testing();
}
