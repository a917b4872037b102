/*
 * An SMTP session: octets in, replies out.  The first octet chooses the
 * listener and how the rest is cut.  Whatever comes in: each reply is well
 * formed and has its enhanced code, there is one to each command line and none
 * besides, and what was stored is what was answered with 250.
 */
#define _GNU_SOURCE
#include "t/fuzz/must.h"
#include "t/unit/smtp_fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
has_enhanced(const char *line)
{
	return line[4] == line[0] && line[5] == '.' && ascii_digit(line[6]) &&
	       line[7] == '.' && ascii_digit(line[8]);
}

/* Checks one line of a reply; true when it is the last one of it. */
static bool
check_line(const char *line, size_t n, bool greeting)
{
	must(n >= 6 && n <= 512 && memcmp(line + n - 2, "\r\n", 2) == 0);
	must(line[0] >= '2' && line[0] <= '5' && ascii_digit(line[1]) &&
	     ascii_digit(line[2]) && (line[3] == ' ' || line[3] == '-'));
	for (size_t i = 0; i < n - 2; i++)
		must(line[i] >= ' ' && line[i] <= '~');
	bool bare = line[0] == '3' || greeting ||
		    strncmp(line, "250-", 4) == 0 ||
		    strcmp(line, "250 HELP\r\n") == 0 ||
		    strncmp(line, "250 mail.", 9) == 0;
	must(bare || has_enhanced(line));
	return line[3] == ' ';
}

/* In any case of its letters: chunks are no lines. */
static bool
holds_bdat(struct view in)
{
	for (; in.n > 0; in.p++, in.n--)
		if (view_casestarts(in, "BDAT"))
			return true;
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char certificate;
	unsigned lines = 0, replies = 0;
	char line[600];

	if (size == 0)
		return 0;
	fake_start();
	fake.mode = data[0] % 3;
	fake_listener.type = data[0] / 3 % 3 == 2   ? LISTEN_SMTPS
			     : data[0] / 3 % 3 == 1 ? LISTEN_SUBMISSION
						    : LISTEN_MX;
	fake_listener.plaintext_auth = data[0] & 32;
	fake_worker.tls = data[0] & 64 ? (void *)&certificate : NULL;
	fake_settings.sasl_mechanisms = (1u << SASL__N) - 1;
	fake_settings.secrets = fake_settings.hostname;
	fake_settings.message_size_max = data[0] & 128 ? 300 : 100000;
	struct view in = { (const char *)data + 1, size - 1 };
	for (size_t i = 0; i < in.n; i++)
		lines += in.p[i] == '\n';
	bool again = fake_session(in);
	fake_log_text();

	const char *out = buf_cstr(&fake.out), *p = out, *lf;
	for (; (lf = strchr(p, '\n')) != NULL; p = lf + 1) {
		must((size_t)(lf + 1 - p) < sizeof(line));
		memcpy(line, p, (size_t)(lf + 1 - p));
		line[lf + 1 - p] = '\0';
		replies += check_line(line, (size_t)(lf + 1 - p), replies == 0);
	}
	must(*p == '\0');
	must(count(out, ": queued as ") == fake.delivered + fake.queued);
	must(fake.auths ==
	     count(out, "\n235 ") + count(out, "\n535 ") +
		 count(out, "\n454 ") + count(out, "Too many failed") +
		 (count(out, "421 4.7.0 Too many errors") && fake.auths > 0 &&
		     strstr(out, "Too many failed") == NULL &&
		     fake.auths > count(out, "\n235 ") + count(out, "\n535 ") +
				      count(out, "\n454 ")));
	bool closed = strstr(out, "\n221 ") != NULL ||
		      strstr(out, "\n421 ") != NULL ||
		      strncmp(out, "421 ", 4) == 0;
	bool asked = strstr(out, "\n354 ") != NULL ||
		     strstr(out, "\n334 ") != NULL || fake.tls ||
		     holds_bdat(in);
	must(replies <= lines + 2);
	if (!closed && !asked)
		must(replies == lines + 1);
	must(!again || (!fake.tls && strstr(out, "\n235 ") == NULL));
	return 0;
}
