/* POP3 dialogues, typed ahead: states, arguments, what is said and logged
 * (pop3d/session.c and what hangs on it). */
#define _GNU_SOURCE
#include "t/unit/pop3_client.h"

#define GREETING "+OK mx.example pennypost POP3 server ready\n"
#define IN "USER alice\nPASS alice-pass\n"
#define IN_OK GREETING "+OK*\n+OK 2 messages (68 octets)\n"

/* Lines with * at their end are the beginning of what must come. */
struct dialogue {
	const char *name; /* with the RFC section that asks for it */
	const char *says, *wants;
	const char *log; /* must be in it; may be NULL */
};

/* clang-format off */
static const struct dialogue dialogues[] = {
{ "RFC 1939 4: QUIT before login is no update", "QUIT\n", GREETING "+OK*\n",
  "pop3-login: Disconnected: Logged out (no auth attempts in 0 secs): user=<>, rip=192.0.2.9, lip=192.0.2.1, session=<" },
{ "RFC 1939 3: commands in any case", "uSeR alice\npAsS alice-pass\nstat\nquit\n",
  IN_OK "+OK 2 68\n+OK*\n",
  "pop3-login: Login: user=<alice>, method=PLAIN, rip=192.0.2.9, lip=192.0.2.1, mpid=" },
{ "RFC 1939 7: blanks are part of a password", "USER alice\nPASS a pass \nQUIT\n", IN_OK "+OK*\n", NULL },
{ "RFC 1939 7: and one blank more is another password", "USER alice\nPASS  a pass \nQUIT\n", GREETING "+OK*\n-ERR [AUTH]*\n+OK*\n",
  "pop3-login: Disconnected (auth failed, 1 attempts in 0 secs): user=<alice>, method=PLAIN, rip=192.0.2.9, lip=192.0.2.1, session=<" },
{ "RFC 1939 7: PASS needs a USER before it", "PASS alice-pass\nQUIT\n", GREETING "-ERR*\n+OK*\n", NULL },
{ "RFC 1939 7: after a failed PASS, USER again", "USER alice\nPASS no\nPASS alice-pass\n" IN "QUIT\n",
  GREETING "+OK*\n-ERR [AUTH]*\n-ERR USER*\n+OK*\n+OK 2 messages (68 octets)\n+OK*\n", NULL },
{ "a login does not hide the failures before it", "USER bob\nPASS no\n" IN "QUIT\n", GREETING "+OK*\n-ERR [AUTH]*\n+OK*\n+OK 2*\n+OK*\n",
  "pop3-login: Aborted login (auth failed, 1 attempts in 0 secs): user=<bob>, method=PLAIN, rip=192.0.2.9, lip=192.0.2.1, session=<" },
{ "RFC 3206 5: the same reply for an unknown user", "USER nobody\nPASS no\nQUIT\n", GREETING "+OK*\n-ERR [AUTH] Authentication failed.\n+OK*\n", NULL },
{ "RFC 3206 4: [SYS/TEMP] where it cannot be checked", "USER later\nPASS no\nQUIT\n", GREETING "+OK*\n-ERR [SYS/TEMP]*\n+OK*\n", NULL },
{ "after auth_failures_max tries the session ends", "USER a\nPASS n\nUSER a\nPASS n\nUSER a\nPASS n\nNOOP\n",
  GREETING "+OK*\n-ERR [AUTH]*\n+OK*\n-ERR [AUTH]*\n+OK*\n-ERR [AUTH]*\n",
  "Disconnected (auth failed, 3 attempts in " },
{ "an empty password or name is none", "USER\nUSER alice\nPASS\nQUIT\n", GREETING "-ERR*\n+OK*\n-ERR*\n+OK*\n", NULL },
{ "a user name cannot forge a log line", "USER a>, rip=1.2.3.4, [x\nPASS n\n", GREETING "+OK*\n-ERR [AUTH]*\n",
  "user=<a?? rip=1.2.3.4? ?x>, method=PLAIN, rip=192.0.2.9," },
{ "RFC 2449 8.1.2: [IN-USE] says who, and login may be tried again", "USER busy\nPASS alice-pass\nSTAT\n" IN "QUIT\n",
  GREETING "+OK*\n-ERR [IN-USE] Mailbox locked by pid 7 on h since 2026.\n-ERR STAT comes after*\n+OK*\n+OK 2*\n+OK*\n", "Mailbox in use" },
{ "RFC 3206 4: [SYS/PERM] for a mailbox that will not do", "USER unsafe\nPASS alice-pass\nQUIT\n", GREETING "+OK*\n-ERR [SYS/PERM]*\n+OK*\n", NULL },
{ "RFC 3206 4: [SYS/TEMP] when the role has gone", "USER down\nPASS alice-pass\nQUIT\n", GREETING "+OK*\n-ERR [SYS/TEMP]*\n+OK*\n", NULL },
{ "no mailbox file is an empty maildrop", "USER empty\nPASS alice-pass\nSTAT\nLIST\nUIDL\nRETR 1\nRSET\nQUIT\n",
  GREETING "+OK*\n+OK 0 messages (0 octets)\n+OK 0 0\n+OK*\n.\n+OK*\n.\n-ERR No such*\n+OK*\n+OK*\n", NULL },
{ "RFC 1939 5: TRANSACTION commands before login", "STAT\nLIST\nRETR 1\nDELE 1\nQUIT\n",
  GREETING "-ERR STAT comes after*\n-ERR LIST comes*\n-ERR RETR*\n-ERR DELE*\n+OK*\n", NULL },
{ "RFC 1939 4, RFC 5034 4: USER, PASS, AUTH after login", IN "USER x\nPASS x\nAUTH PLAIN\nSTLS\nQUIT\n",
  IN_OK "-ERR USER comes before*\n-ERR PASS*\n-ERR AUTH*\n-ERR STLS*\n+OK*\n", NULL },
{ "RFC 1939 5: STAT, LIST, NOOP", IN "STAT\nLIST\nLIST 1\nLIST 2\nNOOP\nQUIT\n",
  IN_OK "+OK 2 68\n+OK 2 messages (68 octets)\n1 28\n2 40\n.\n+OK 1 28\n+OK 2 40\n+OK*\n+OK*\n", NULL },
{ "arguments that are no message", IN "LIST 0\nLIST 3\nLIST -1\nRETR 99999999999999999999999999\nDELE one\nQUIT\n",
  IN_OK "-ERR Messages are numbered from 1.\n-ERR No such message; there are 2.\n-ERR*digits*\n-ERR No such*\n-ERR*digits*\n+OK*\n", NULL },
{ "too many or too few arguments", IN "RETR\nRETR 1 2\nSTAT 1\nDELE 1 2\nQUIT\n",
  IN_OK "-ERR RETR needs an argument: RETR message\n-ERR*\n-ERR STAT takes no argument.\n-ERR*\n+OK*\n", NULL },
{ "RFC 1939 5: RETR, byte-stuffed, From_ unquoted", IN "RETR 1\nRETR 2\nQUIT\n",
  IN_OK "+OK 28 octets\nSubject: one\n\nbody\n..dot\n.\n+OK 40 octets\nSubject: two\n\nFrom here\n...two\nlast\n.\n+OK*\n",
  ": Disconnected: Logged out top=0/0, retr=2/70, del=0/2, size=68" },
{ "RFC 1939 7: TOP with 0, 1 and many lines", IN "TOP 1 0\nTOP 1 1\nTOP 2 99999999999\nQUIT\n",
  IN_OK "+OK*\nSubject: one\n\n.\n+OK*\nSubject: one\n\nbody\n.\n+OK*\nSubject: two\n\nFrom here\n...two\nlast\n.\n+OK*\n", NULL },
{ "TOP 1, as people type it, is TOP 1 0", IN "top 1\nQUIT\n", IN_OK "+OK*\nSubject: one\n\n.\n+OK*\n", NULL },
{ "TOP with a wrong number of lines", IN "TOP 1 -1\nTOP 1 x\nTOP 1 2 3\nTOP\nQUIT\n", IN_OK "-ERR*\n-ERR*\n-ERR*\n-ERR*\n+OK*\n", NULL },
{ "RFC 1939 5: DELE marks, RSET unmarks", IN "DELE 1\nSTAT\nLIST\nRETR 1\nDELE 1\nTOP 1 0\nUIDL 1\nRSET\nSTAT\nQUIT\n",
  IN_OK "+OK*\n+OK 1 40\n+OK 1 messages (40 octets)\n2 40\n.\n-ERR Message 1 is marked*\n-ERR Message 1*\n-ERR Message 1*\n-ERR Message 1*\n+OK*\n+OK 2 68\n+OK*\n", NULL },
{ "unknown commands, then too many of them", "FOO\n\nHELO x\n\x7f\nBAR\nNOOP\n",
  GREETING "-ERR Unknown*\n-ERR An empty*\n-ERR Unknown*\n-ERR The line holds control*\n-ERR Too many*\n",
  "Disconnected: Too many wrong commands" },
{ "a typed backspace is told", IN "STAX\bT\nSTAT\nQUIT\n", IN_OK "-ERR The line holds control*\n+OK 2 68\n+OK*\n", NULL },
{ "RFC 1939 7: no APOP in the greeting, and none here", "APOP alice c4c9334bac560ecc979e58001b3e22fb\nQUIT\n", GREETING "-ERR APOP*\n+OK*\n", NULL },
{ "HTTP as the first line ends it", "POST / HTTP/1.1\nUSER alice\n", GREETING "-ERR This is POP3*\n", "HTTP instead of POP3" },
{ "HELP names the commands", "HELP\nQUIT\n", GREETING "+OK USER name, PASS password, AUTH*\n+OK*\n", NULL },
{ "RFC 2449 5: CAPA before and after login", "CAPA\n" IN "CAPA\nQUIT\n",
  GREETING "+OK*\nTOP\nUSER\nSASL PLAIN LOGIN\nRESP-CODES\nAUTH-RESP-CODE\nPIPELINING\nEXPIRE NEVER\nUIDL\nUTF8 USER\nLANG\nIMPLEMENTATION pennypost\n.\n"
  "+OK*\n+OK 2*\n+OK*\nTOP\nUSER\nSASL PLAIN LOGIN\nRESP-CODES\nAUTH-RESP-CODE\nPIPELINING\nEXPIRE NEVER\nUIDL\nUTF8 USER\nLANG\nIMPLEMENTATION pennypost\n.\n+OK*\n", NULL },
{ "RFC 5034 4: AUTH PLAIN with an initial response", "AUTH PLAIN AGFsaWNlAGFsaWNlLXBhc3M=\nSTAT\nQUIT\n", GREETING "+OK 2 messages (68 octets)\n+OK 2 68\n+OK*\n", "Login: user=<alice>, method=PLAIN, " },
{ "RFC 5034 4: and without one", "AUTH plain\nAGFsaWNlAGFsaWNlLXBhc3M=\nQUIT\n", GREETING "+ \n+OK 2*\n+OK*\n", NULL },
{ "AUTH LOGIN", "AUTH LOGIN\nYWxpY2U=\nYWxpY2UtcGFzcw==\nQUIT\n", GREETING "+ VXNlcm5hbWU6\n+ UGFzc3dvcmQ6\n+OK 2*\n+OK*\n", "method=LOGIN, " },
{ "RFC 5034 4: * cancels, bad base64 is refused", "AUTH PLAIN\n*\nAUTH PLAIN\n=AAA\nAUTH PLAIN AGFsaWNlAGFsaWNlLXBhc3M\nQUIT\n",
  GREETING "+ \n-ERR*cancel*\n+ \n-ERR*\n-ERR*\n+OK*\n", NULL },
{ "AUTH with an unknown mechanism, and alone", "AUTH X\nAUTH\nQUIT\n", GREETING "-ERR*\n+OK*\nPLAIN\nLOGIN\n.\n+OK*\n", NULL },
{ "AUTH that ends in the middle", "AUTH PLAIN\n", GREETING "+ \n", "Disconnected: Connection closed (no auth" },
{ "a failed AUTH forgets USER", "USER alice\nAUTH PLAIN AGEAYg==\nPASS alice-pass\nQUIT\n", GREETING "+OK*\n-ERR [AUTH]*\n-ERR USER*\n+OK*\n", NULL },
{ "RFC 6856 3: languages are listed", "LANG\n" IN "LANG\nQUIT\n",
  GREETING "+OK Languages follow.\nen English\nru Русский\nzh 中文\nde Deutsch\nfr Français\nes Español\n.\n+OK*\n+OK 2*\n"
  "+OK Languages follow.\nen English\nru Русский\nzh 中文\nde Deutsch\nfr Français\nes Español\n.\n+OK*\n", NULL },
{ "RFC 6856 3: a language, from its own reply on, in both states", "LANG de\nFOO\n" IN "STAT\nRETR 7\nlang fr\nRETR 7\nQUIT\n",
  GREETING "+OK de Antworten kommen ab jetzt auf Deutsch.\n-ERR Unbekannter Befehl; HELP nennt die vorhandenen.\n+OK Bitte das Kennwort senden.\n"
  "+OK 2 Nachrichten (68 Oktette)\n+OK 2 68\n-ERR Diese Nachricht gibt es nicht; vorhanden sind 2.\n+OK fr Les réponses*\n"
  "-ERR Ce message n'existe pas ; il y en a 2.\n+OK Au revoir.\n", NULL },
{ "RFC 6856 3: an unknown language changes nothing", "LANG es\nLANG uga\nLANG de fr\nQUIT\n",
  GREETING "+OK es *\n-ERR Idioma desconocido*\n-ERR Idioma*\n+OK Adiós.\n", NULL },
{ "RFC 6856 3: LANG * is the administrator's, i-default English", "LANG *\nNOOP\nLANG i-default\nNOOP\nQUIT\n",
  GREETING "+OK de *\n-ERR NOOP kommt nach der Anmeldung.\n+OK en *\n-ERR NOOP comes after*\n+OK*\n", NULL },
{ "RFC 4647 3.4: LANG zh-Hant-TW is zh", "LANG zh-Hant-TW\nQUIT\n", GREETING "+OK zh 从现在起以中文答复。\n+OK 再见。\n", NULL },
{ "response codes are in no language", "LANG ru\nUSER x\nPASS y\nUSER busy\nPASS alice-pass\nUSER down\nPASS alice-pass\n",
  GREETING "+OK ru *\n+OK Отправьте пароль.\n-ERR [AUTH] Войти*\n+OK*\n-ERR [IN-USE] Почтовый ящик занят: процесс 7 на h с 2026.\n"
  "+OK*\n-ERR [SYS/TEMP] Почтовый ящик сейчас нельзя открыть*\n", NULL },
{ "RFC 6856 2.1: UTF8 has no argument and comes before login", "UTF8 x\nUTF8\nUTF8\n" IN "UTF8\nQUIT\n",
  GREETING "-ERR*\n+OK*\n+OK*\n+OK*\n+OK 2*\n-ERR UTF8 comes before*\n+OK*\n", NULL },
{ "RFC 6856 2.2: names and passwords in UTF-8, before UTF8, too", "USER Zoë\nPASS größe\nUSER Zo\xeb\nUSER x\nPASS gr\xf6\nPASS y\nQUIT\n",
  GREETING "+OK*\n-ERR [AUTH]*\n-ERR The name is not valid UTF-8.\n+OK*\n-ERR The password is not valid UTF-8.\n-ERR USER comes*\n+OK*\n", NULL },
{ "LAST is off by default", IN "LAST\nHELP\nQUIT\n", IN_OK "-ERR Unknown*\n+OK STAT*, RSET, LANG*\n+OK*\n", NULL },
{ "RFC 2449 8.1.1: [LOGIN-DELAY] says how long", "USER early\nPASS alice-pass\n" IN "QUIT\n",
  GREETING "+OK*\n-ERR [LOGIN-DELAY] The last*; wait 17 seconds.\n+OK*\n+OK 2*\n+OK*\n", "Login delay, 17 seconds too early" },
{ "STLS where TLS is not set up", "STLS\nQUIT\n", GREETING "-ERR TLS is not*\n+OK*\n", NULL },
};
/* clang-format on */

/* Takes CR before LF away; false if an LF has none. */
static bool
unwire(char *text)
{
	bool good = true;
	char *to = text;

	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '\r' && p[1] == '\n')
			continue;
		if (*p == '\n' && (p == text || p[-1] != '\r'))
			good = false;
		*to++ = *p;
	}
	*to = '\0';
	return good;
}

/* "-ERR*digits*": the pieces between stars in this order. */
static bool
line_like(struct view got, struct view want)
{
	bool star;
	struct view piece = view_split(&want, '*', &star);

	if (got.n < piece.n || memcmp(got.p, piece.p, piece.n) != 0)
		return false;
	got.p += piece.n;
	got.n -= piece.n;
	while (star) {
		piece = view_split(&want, '*', &star);
		if (piece.n == 0 && !star)
			return true;
		const char *at = memmem(got.p, got.n, piece.p, piece.n);
		if (at == NULL)
			return false;
		got.n -= (size_t)(at + piece.n - got.p);
		got.p = at + piece.n;
	}
	return got.n == 0;
}

static bool
like(const char *got, const char *want)
{
	struct view g = view_of(got), w = view_of(want);

	while (g.n > 0 && w.n > 0)
		if (!line_like(
			view_split(&g, '\n', NULL), view_split(&w, '\n', NULL)))
			return false;
	return g.n == 0 && w.n == 0;
}

/* crlf: else the lines end in LF, as typed into openssl s_client. */
static void
run_dialogue(const struct dialogue *d, bool crlf)
{
	char log[4096], line[4096];
	struct client c;
	size_t n = 0;

	for (const char *p = d->says; *p != '\0'; p++) {
		if (*p == '\n' && crlf)
			line[n++] = '\r';
		line[n++] = *p;
	}
	line[n] = '\0';
	client_start(&c);
	say(&c, line);
	shutdown(c.fd, SHUT_WR);
	char *got = hear(&c, NULL, NULL);
	bool again = client_end(&c, log, sizeof(log));
	bool wire = unwire(got);
	if (!ok(wire && like(got, d->wants), "%s (%s)", d->name,
		crlf ? "CRLF" : "LF"))
		printf("# got:\n%s# wanted:\n%s# log:\n%s", got, d->wants, log);
	if (d->log != NULL && !ok(strstr(log, d->log) != NULL, "its log line"))
		printf("# log: %s# wanted: %s\n", log, d->log);
	ok(seen->commits == 0 || seen->dels > 0, "no update without DELE");
	ok(!again || seen->auths == 0, "who has logged in is the last");
	free(got);
}

int
main(void)
{
	clients_begin();
	for (size_t i = 0; i < NELEM(dialogues); i++) {
		run_dialogue(&dialogues[i], true);
		run_dialogue(&dialogues[i], false);
	}
	return clients_done();
}
