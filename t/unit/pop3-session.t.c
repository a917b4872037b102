/* The POP3 session, where a transcript does not show it: updates, timeouts,
 * TLS, unique-ids, octet counts, other programs (pop3d/session.c). */
#define _GNU_SOURCE
#include "t/unit/pop3_client.h"

#include "spool/lock.h"

static void
test_quit(void)
{
	struct client c;
	char log[4096];
	uint64_t second = (uint64_t)(strstr(two + 1, "\nFrom b") + 1 - two);

	client_start(&c);
	say(&c,
	    "USER alice\r\nPASS alice-pass\r\nDELE 2\r\nDELE 1\r\nQUIT\r\n");
	char *got = hear(&c, NULL, NULL);
	client_end(&c, log, sizeof(log));
	ok(strstr(got, "+OK 2 messages deleted") != NULL, "QUIT says how many");
	free(got);
	ok(seen->commits == 1 && seen->dels == 2, "RFC 1939 6: one update");
	ok(seen->del[0].offset == 0 && seen->del[0].length == second &&
		seen->del[1].offset == second &&
		seen->del[1].length == strlen(two) - second,
	    "ascending, with the extents of the scan");
	ok(memcmp(seen->del[0].uid, seen->del[1].uid, 16) != 0 &&
		seen->size == strlen(two),
	    "with unique-ids and the size");
	ok(strstr(log, "del=2/2, size=68") != NULL, "logged");

	commit_status = ERR_CHANGED;
	client_start(&c);
	say(&c, "USER alice\r\nPASS alice-pass\r\nDELE 1\r\nQUIT\r\n");
	got = hear(&c, NULL, NULL);
	client_end(&c, log, sizeof(log));
	ok(strstr(got, "-ERR [SYS/TEMP] The mailbox was changed") != NULL,
	    "RFC 1939 6: -ERR when nothing was removed");
	ok(strstr(log, "del=0/2") != NULL,
	    "and the log does not say otherwise");
	free(got);

	commit_status = ERR_IO;
	client_start(&c);
	say(&c, "USER alice\r\nPASS alice-pass\r\nDELE 1\r\nQUIT\r\n");
	got = hear(&c, NULL, NULL);
	client_end(&c, log, sizeof(log));
	ok(strstr(got, "-ERR [SYS/TEMP] It is not certain") != NULL,
	    "nothing is claimed when the update died");
	free(got);
	commit_status = OK;
}

static void
test_no_update(void)
{
	struct client c;
	char log[4096];

	client_start(&c);
	say(&c, "USER alice\r\nPASS alice-pass\r\nDELE 1\r\n");
	shutdown(c.fd, SHUT_WR);
	free(hear(&c, NULL, NULL));
	client_end(&c, log, sizeof(log));
	ok(seen->commits == 0, "RFC 1939 6: a dropped line deletes nothing");
	ok(strstr(log, "Disconnected: Connection closed top=") != NULL,
	    "and is logged");

	settings.idle_timeout = 100;
	client_start(&c);
	say(&c, "USER alice\r\nPASS alice-pass\r\nDELE 1\r\n");
	char *got = hear(&c, NULL, NULL);
	ok(strstr(got, "+OK Message 1") != NULL && strstr(got, "-ERR") == NULL,
	    "RFC 1939 3: idle timeout closes without a word");
	free(got);
	client_end(&c, log, sizeof(log));
	ok(seen->commits == 0 && strstr(log, "Inactivity top=") != NULL,
	    "and deletes nothing");
	settings.idle_timeout = 3000;

	settings.command_timeout = 100;
	client_start(&c);
	free(hear(&c, NULL, NULL));
	client_end(&c, log, sizeof(log));
	ok(strstr(log, "Disconnected: Inactivity (no auth attempts in 0 secs)"),
	    "the greeted that says nothing is put out sooner");
	settings.command_timeout = 2000;
}

static void
test_tls(void)
{
	struct client c;
	char log[4096];

	listener.plaintext_auth = false;
	have_tls = true;
	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	say(&c, "CAPA\r\n");
	char *got = hear(&c, ".\r\n", NULL);
	ok(strstr(got, "\r\nSTLS\r\n") != NULL &&
		!strstr(got, "\r\nUSER\r\n") && !strstr(got, "SASL"),
	    "RFC 2595 2.2: no password mechanisms before TLS");
	free(got);
	answers(&c, "USER alice\r\n", "-ERR Passwords are not taken in clear");
	answers(&c, "PASS alice-pass\r\n", "-ERR Passwords");
	answers(&c, "AUTH PLAIN AGEAYg==\r\n", "-ERR Passwords");
	ok(seen->auths == 0, "and none is tried");
	say(&c, "STLS\r\nUSER mallory\r\n");
	free(hear(&c, "\r\n", NULL));
	answers(&c, "PASS alice-pass\r\n", "-ERR USER comes first");
	ok(seen->discarded, "RFC 2595 4: what came before TLS is gone");
	answers(&c, "STLS\r\n", "-ERR TLS is active");
	say(&c, "CAPA\r\n");
	got = hear(&c, ".\r\n", NULL);
	ok(!strstr(got, "STLS") && strstr(got, "\r\nUSER\r\n") &&
		strstr(got, "\r\nSASL PLAIN LOGIN\r\n"),
	    "RFC 2595 4: the list changes with TLS");
	free(got);
	answers(&c, "USER alice\r\n", "+OK");
	answers(&c, "PASS alice-pass\r\n", "+OK 2 messages");
	client_end(&c, log, sizeof(log));
	ok(strstr(log, ", TLS, session=<") != NULL, "TLS is logged");

	client_start(&c);
	say(&c, "USER alice\r\n");
	shutdown(c.fd, SHUT_WR);
	free(hear(&c, NULL, NULL));
	ok(!client_end(&c, log, sizeof(log)) &&
		strstr(log, "pop3-login: Aborted login (tried to use disallowed"
			    " plaintext auth): user=<>, rip=192.0.2.9"),
	    "logged for fail2ban, and the worker ends");

	listener.plaintext_auth = true;
	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "USER alice\r\n", "+OK");
	answers(&c, "STLS\r\n", "+OK");
	answers(&c, "PASS alice-pass\r\n", "-ERR USER comes first");
	client_end(&c, log, sizeof(log));
	ok(seen->auths == 0, "a USER before STLS is forgotten");
	have_tls = false;

	listener.type = LISTEN_POP3S;
	client_start(&c);
	got = hear(&c, NULL, NULL);
	ok(got[0] == '\0', "without a certificate POP3S says nothing");
	free(got);
	client_end(&c, log, sizeof(log));
	listener.type = LISTEN_POP3;
}

/* Unique-ids: alike over sessions, different for equal messages. */
static void
test_uidl(void)
{
	static const char same[] =
	    "From a@x Mon Jan  5 10:00:00 2026\nSubject: s\n\nx\n\n";
	char text[4 * sizeof(same) + sizeof(two)], log[1000];
	struct client c;

	snprintf(text, sizeof(text), "%s%s%s%s", same, two, same, same);
	put_mailbox(text);
	char *first = NULL;
	for (int i = 0; i < 2; i++) {
		client_start(&c);
		say(&c, "USER alice\r\nPASS alice-pass\r\nUIDL\r\n"
			"UIDL 4\r\nDELE 1\r\nUIDL 5\r\nUIDL\r\nNOOP\r\n");
		shutdown(c.fd, SHUT_WR);
		char *got = hear(&c, NULL, NULL);
		client_end(&c, log, sizeof(log));
		if (i == 1)
			ok(strcmp(first, got) == 0, "the same at next login");
		free(first);
		first = got;
	}
	char uid[40] = "";
	const char *one = strstr(first, "follow.\r\n1 ");
	if (ok(one != NULL, "UIDL lists"))
		memcpy(uid, one + 11, 32);
	ok(strspn(uid, "0123456789abcdef") == 32, "RFC 1939 7: printable");
	snprintf(text, sizeof(text),
	    "\r\n4 %s.2\r\n5 %s.3\r\n.\r\n+OK 4 %s.2"
	    "\r\n",
	    uid, uid, uid);
	ok(strstr(first, text) != NULL, "copies are told apart");
	snprintf(text, sizeof(text), "+OK 5 %s.3\r\n", uid);
	const char *again = strstr(first, text);
	ok(again != NULL, "after DELE, too");
	snprintf(text, sizeof(text), "\r\n1 %s\r\n", uid);
	ok(again != NULL && strstr(again, text) == NULL,
	    "RFC 1939 7: a marked message is not listed");
	free(first);
	put_mailbox(two);
}

/* LIST == octets of RETR before byte-stuffing, also over pieces. */
static void
test_large(void)
{
	size_t n = 0, cap = 3 << 20, len;
	char *text = malloc(cap), log[1000], want[64];
	struct client c;

	n += (size_t)snprintf(
	    text, cap, "From a@x Mon Jan  5 10:00:00 2026\nSubject: big\n\n");
	for (unsigned i = 0; n < cap - 200; i++) {
		unsigned w = (i * 7919u) % 90;
		static const char *const starts[] = { "", ".", "..", ">From ",
			">>From ", "From", ">", "\r" };
		n += (size_t)snprintf(text + n, cap - n, "%s%.*s\n",
		    starts[i % NELEM(starts)], (int)w,
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    "xx"
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	}
	snprintf(text + n, cap - n, "\n");
	put_mailbox(text);
	free(text);
	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "USER alice\r\n", "+OK");
	answers(&c, "PASS alice-pass\r\n", "+OK 1 messages");
	say(&c, "LIST 1\r\n");
	text = hear(&c, "\r\n", NULL);
	unsigned long listed = strtoul(text + 6, NULL, 10);
	free(text);
	say(&c, "RETR 1\r\n");
	text = hear(&c, "\r\n.\r\n", &len);
	snprintf(want, sizeof(want), "+OK %lu octets\r\n", listed);
	ok(strncmp(text, want, strlen(want)) == 0, "%.*s",
	    (int)strcspn(text, "\r"), text);
	size_t octets = len - strlen(want) - 3, bare = 0;
	for (size_t i = strlen(want); i + 3 < len; i++) {
		octets -= text[i] == '.' && text[i - 1] == '\n';
		bare += text[i] == '\n' && text[i - 1] != '\r';
	}
	ok(listed == octets, "LIST %lu, RETR %zu", listed, octets);
	ok(bare == 0, "every line ends in CRLF");
	free(text);
	client_end(&c, log, sizeof(log));
	put_mailbox(two);
}

static void
append(const char *text)
{
	lseek(mailbox, 0, SEEK_END);
	if (write(mailbox, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
}

/* Other programs change the mailbox while it is open. */
static void
test_company(void)
{
	char log[2000];
	struct client c;

	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "USER alice\r\n", "+OK");
	answers(&c, "PASS alice-pass\r\n", "+OK 2 messages");
	append("From c@x Mon Jan  5 10:00:02 2026\nSubject: new\n\nx\n\n");
	answers(&c, "STAT\r\n", "+OK 2 68");
	answers(&c, "LIST 3\r\n", "-ERR No such message; there are 2.");
	say(&c, "RETR 2\r\n");
	char *got = hear(&c, ".\r\n", NULL);
	ok(strncmp(got, "+OK 40", 6) == 0, "new mail does not disturb");
	free(got);

	/* Another program holds the lock. */
	int fd = open(mailbox_name, O_RDWR | O_CLOEXEC);
	ok(lock_try(fd, true) == OK,
	    "no lock is held while a client is waited for");
	answers(&c, "RETR 1\r\n", "-ERR [SYS/TEMP] Another program");
	answers(&c, "DELE 1\r\n", "-ERR [SYS/TEMP] Another program");
	answers(&c, "STAT\r\n", "+OK 2 68");
	close(fd);
	answers(&c, "DELE 1\r\n", "+OK");

	/* It is rewritten: one octet more in the first header. */
	if (ftruncate(mailbox, 0) == -1)
		abort();
	append(
	    "From a@x Mon Jan  5 10:00:00 2026\nSubject: ones\n\nbody\n.dot\n\n"
	    "From b@x Mon Jan  5 10:00:01 2026\nSubject: two\n\n"
	    ">From here\n..two\nlast\n\n");
	answers(&c, "RETR 2\r\n", "-ERR [SYS/TEMP] The mailbox was changed");
	answers(&c, "UIDL\r\n", "-ERR [SYS/TEMP] The mailbox was changed");
	answers(&c, "QUIT\r\n", "-ERR [SYS/TEMP] The mailbox was changed");
	client_end(&c, log, sizeof(log));
	ok(seen->commits == 0, "nothing is deleted then");
	put_mailbox(two);

	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "USER alice\r\n", "+OK");
	answers(&c, "PASS alice-pass\r\n", "+OK 2 messages");
	if (ftruncate(mailbox, 10) == -1)
		abort();
	answers(&c, "TOP 1 0\r\n", "-ERR [SYS/TEMP] The mailbox was changed");
	client_end(&c, log, sizeof(log));

	put_mailbox("This is no mbox.\n");
	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "USER alice\r\n", "+OK");
	answers(&c, "PASS alice-pass\r\n", "-ERR [SYS/PERM]");
	client_end(&c, log, sizeof(log));
	char path[100];
	snprintf(path, sizeof(path), "Error: mailbox %s does not begin with",
	    mailbox_name);
	ok(strstr(log, path) != NULL, "the log names the file");
	put_mailbox(two);
}

static void
test_limits(void)
{
	char log[2000], line[6000];
	struct client c;

	over_limit = true;
	client_start(&c);
	char *got = hear(&c, NULL, NULL);
	ok(strncmp(got, "-ERR [SYS/TEMP] Too many connections", 36) == 0,
	    "over the limit of its address: told and closed");
	free(got);
	client_end(&c, log, sizeof(log));
	over_limit = false;

	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	memset(line, 'x', sizeof(line));
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	answers(&c, line, "-ERR The line is too long.");
	memset(line, 'x', sizeof(line));
	memcpy(line, "USER ", 5);
	memcpy(line + 400, "\r\n", 3);
	answers(&c, line, "-ERR The name is too long.");
	answers(&c, "NO\rOP\r\n", "-ERR A line ends with CR and LF");
	client_end(&c, log, sizeof(log));

	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "CAPA x\r\n", "-ERR");
	client_end(&c, log, sizeof(log));
	client_start(&c);
	say(&c, "NOOP\r\n");
	shutdown(c.fd, SHUT_WR);
	free(hear(&c, NULL, NULL));
	ok(!client_end(&c, log, sizeof(log)), "misbehaved: the worker ends");
	client_start(&c);
	say(&c, "HELP\r\nQUIT\r\n");
	free(hear(&c, NULL, NULL));
	ok(client_end(&c, log, sizeof(log)),
	    "anonymous, plain, polite: the worker goes on");
}

int
main(void)
{
	clients_begin();
	test_quit();
	test_no_update();
	test_tls();
	test_uidl();
	test_large();
	test_company();
	test_limits();
	return clients_done();
}
