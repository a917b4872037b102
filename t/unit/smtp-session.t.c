/* SMTP dialogues of RFC 5321 itself: sequence, syntax, verbs, recipients,
 * limits, line ends; and what VRFY, VERB and HELP say. */
#define _GNU_SOURCE
#include "t/unit/smtp_dialogues.h"

/* clang-format off */
static const struct dialogue rows[] = {
	/* ---- sequence ---- */
	{ "3.1, 3.3, 4.1.1.10: a message",
	  E M R D T Q,
	  "250 HELP|250 2.1.0|250 2.1.5|354 |250 2.0.0|221 2.0.0", 0, 1, 0 },
	{ "4.1.1.1: HELO",
	  "HELO c.test\r\n" M R D T Q,
	  "250 mail.example.org|250 2.1.0|250 2.1.5|354 |250 2.0.0|221 2.0.0", 0, 1, 0 },
	{ "4.1.4: MAIL before HELO", M Q, "503 5.5.1|221", 0, 0, 0 },
	{ "4.1.4: RCPT before MAIL", E R Q, "250|503 5.5.1|221", 0, 0, 0 },
	{ "4.1.4: DATA before MAIL", E D Q, "250|503 5.5.1|221", 0, 0, 0 },
	{ "4.1.4: DATA before RCPT", E M D Q, "250|250|503 5.5.1|221", 0, 0, 0 },
	{ "3.3: no valid recipient",
	  E M "RCPT TO:<nobody@example.org>\r\n" D Q,
	  "250|250|550 5.1.1|554 5.5.1|221", 0, 0, 0 },
	{ "4.1.4: MAIL inside a transaction", E M M Q, "250|250|503 5.5.1|221", 0, 0, 0 },
	{ "4.1.4: EHLO is RSET", E M R E D Q, "250|250|250|250|503|221", 0, 0, 0 },
	{ "4.1.4: EHLO forgets recipients",
	  E M R E M "RCPT TO:<alice@example.org>\r\n" D T Q,
	  "250|250|250|250|250|250|354|250|221", 0, 1, 0 },
	{ "4.1.1.5: RSET forgets recipients",
	  E M R "RSET\r\n" M "RCPT TO:<alice@example.org>\r\n" D T Q,
	  "250|250|250|250|250|250|354|250|221", 0, 1, 0 },
	{ "4.1.1.5: RSET", E M R "RSET\r\n" D Q, "250|250|250|250 2.0.0|503|221", 0, 0, 0 },
	{ "4.1.4: NOOP HELP VRFY RSET before HELO",
	  "NOOP\r\nHELP\r\nVRFY x\r\nRSET\r\n" Q,
	  "250 2|214 2|252 2|250 2|221", 0, 0, 0 },
	{ "4.1.1.9: NOOP takes anything", "NOOP all this\r\n" Q, "250|221", 0, 0, 0 },
	{ "4.1.1.9: NOOP changes nothing",
	  E M R "NOOP\r\n" D T Q,
	  "250|250|250|250|354|250|221", 0, 1, 0 },
	{ "3.8: QUIT closes", "QUIT\r\nNOOP\r\n", "221", 0, 0, 0 },
	{ "3.3: two messages in a session",
	  E M R D T M R D T Q,
	  "250|250|250|354|250|250|250|354|250|221", 0, 2, 0 },
	{ "3.3: after DATA a new MAIL is needed",
	  E M R D T R Q,
	  "250|250|250|354|250|503|221", 0, 1, 0 },
	{ "4.1.1.4: client gone in DATA",
	  E M R D "Subject: x\r\n\r\nhalf",
	  "250|250|250|354", 0, 0, 0 },
	{ "4.1.1.4: client gone before the dot's CRLF",
	  E M R D "x\r\n.",
	  "250|250|250|354", 0, 0, 0 },
	{ "4.1.1.4: client gone inside the dot's CRLF",
	  E M R D "x\r\n.\r",
	  "250|250|250|354", 0, 0, 0 },
	/* ---- syntax ---- */
	{ "2.4: verbs in any case",
	  "ehlo c\r\nmAiL fRoM:<a@b>\r\nRcpt to:<bob@example.org>\r\ndata\r\n" T "quit\r\n",
	  "250|250|250|354|250|221", 0, 1, 0 },
	{ "people: blanks",
	  "ehlo  c \r\nmail from: a@b.org \r\nrcpt to: bob@example.org  \r\ndata \r\n" T
	  " quit\r\n",
	  "250|250|250|354|250|221", 0, 1, 0 },
	{ "people: no domain",
	  "helo 195.161.101.33\r\nMAIL FROM:<frol>\r\nRCPT TO:<bob>\r\n" D T Q,
	  "250|250|250|354|250|221", 0, 1, 0 },
	{ "4.1.1.1: EHLO without argument",
	  "EHLO\r\nHELO\r\n" Q,
	  "501 5.5.4|501 5.5.4|221", 0, 0, 0 },
	{ "4.1.3: EHLO with a literal",
	  "EHLO [192.0.2.1]\r\nEHLO [IPv6:2001:db8::1]\r\n" Q,
	  "250|250|221", 0, 0, 0 },
	{ "4.1.1: arguments where none may be",
	  E M R "DATA now\r\nRSET x\r\nQUIT x\r\n" Q,
	  "250|250|250|501 5.5.4|501|501|221", 0, 0, 0 },
	{ "4.1.1.2: syntax of MAIL",
	  E "MAIL\r\nMAIL a@b\r\nMAIL TO:<a@b>\r\nMAIL FROM\r\n" Q,
	  "250|501 5.5.4|501|501|501|221", 0, 0, 0 },
	{ "4.1.1.2: bad reverse-path",
	  E "MAIL FROM:<a b@c>\r\nMAIL FROM:<a@b\r\nMAIL FROM:\r\n" Q,
	  "250|501 5.1.7|501 5.1.7|501 5.1.7|221", 0, 0, 0 },
	{ "4.1.1.3: bad forward-path",
	  E M "RCPT TO:<>\r\nRCPT TO:<a@@b>\r\nRCPT\r\nRCPT FROM:<a>\r\n" Q,
	  "250|250|501 5.1.3|501 5.1.3|501 5.5.4|501|221", 0, 0, 0 },
	{ "4.1.1.2: null reverse-path",
	  E "MAIL FROM:<>\r\n" R D T Q,
	  "250|250|250|354|250|221", 0, 1, 0 },
	{ "4.5.1: postmaster",
	  E M "RCPT TO:<postmaster>\r\nRCPT TO:<POSTMASTER@Example.ORG>\r\n" D T Q,
	  "250|250|250|250|354|250|221", 0, 1, 0 },
	{ "C: source route",
	  E "MAIL FROM:<@x.y,@z:a@b>\r\nRCPT TO:<@q:bob@example.org>\r\n" Q,
	  "250|250|250|221", 0, 0, 0 },
	{ "4.2.4: unknown verb",
	  E "FROB\r\n\r\nXYZZY x y\r\n" Q,
	  "250|500 5.5.2|500 5.5.2|500|221", 0, 0, 0 },
	{ "4.2.4: what was meant",
	  E "RCTP TO:<x>\r\nEHL0 x\r\nHELOO x\r\nDATTA\r\nEXPM\r\nSXML\r\n" Q,
	  "250|500 5.5.2 Command not recognized: did you mean RCPT?|"
	  "500 5.5.2 Command not recognized: did you mean EHLO?|"
	  "500 5.5.2 Command not recognized: did you mean HELO?|"
	  "500 5.5.2 Command not recognized: did you mean DATA?|"
	  "500 5.5.2 Command not recognized: did you mean EXPN?|"
	  "500 5.5.2 Command not recognized: HELP|221", 0, 0, 0 },
	{ "people: backspace",
	  E "MAIK\b\bIL FROM:<a@b>\r\nNOOP \x7f\r\n" Q,
	  "250|500 5.5.2 A control|500 5.5.2 A control|221", 0, 0, 0 },
	/* ---- verbs that are refused ---- */
	{ "4.2.4: known, not served",
	  E "EXPN l\r\nETRN d\r\nATRN d\r\nTURN\r\nBURL u LAST\r\nSEND FROM:<a@b>\r\n"
	  "SOML FROM:<a@b>\r\nSAML FROM:<a@b>\r\nVERB\r\n" Q,
	  "250|502 5.7.0|502 5.5.1|502 5.5.1|502 5.5.1|502 5.5.1|502 5.5.1|502 5.5.1|502 5.5.1|"
	  "502 5.7.0|221", 0, 0, 0 },
	{ "sendmail: ONEX", E "ONEX\r\nONEX 1\r\n" Q, "250|250 2.0.0|501|221", 0, 0, 0 },
	{ "RFC 4405: SUBMITTER is no verb",
	  E "SUBMITTER x\r\n" Q,
	  "250|500 5.5.2 SUBMITTER is a parameter of MAIL (RFC 4405)|221", 0, 0, 0 },
	{ "RFC 4405 4: SUBMITTER",
	  E "MAIL FROM:<> SUBMITTER=a+2Bb@c.org\r\n" R D
	  "From: x@y\r\nSender: \"Q, <r\" (c) <A+b@C.org>\r\n\r\n.\r\n" Q,
	  "250|250|250|354|250|221", 0, 1, 0 },
	{ "RFC 4405 4.2: it does not match",
	  E "MAIL FROM:<a@b> SUBMITTER=a@b\r\n" R D
	  "From: a@b\r\nResent-From: c@d\r\n\r\n.\r\n" Q,
	  "250|250|250|354|550 5.7.1 Submitter does not match header|221", 0, 0, 0 },
	{ "RFC 4405 4.2: there is nothing to match",
	  E "MAIL FROM:<a@b> SUBMITTER=a@b\r\n" R "BDAT 3\r\nX: BDAT 17 LAST\r\n\r\n\r\nFrom: a@b\r\n\r\n" Q,
	  "250|250|250|250|554 5.7.7 Cannot verify submitter address|221", 0, 0, 0 },
	{ "RFC 4405 4: no address",
	  E "MAIL FROM:<a@b> SUBMITTER=x+0D@b\r\nMAIL FROM:<a@b> SUBMITTER=@b\r\n" Q,
	  "250|501 5.5.4|501|221", 0, 0, 0 },
	{ "3.5.3, 7.3: VRFY",
	  "VRFY bob\r\nVRFY nobody\r\nVRFY\r\n" Q,
	  "252 2.0.0|252 2.0.0|501 5.5.4|221", 0, 0, 0 },
	{ "3.5.1: VRFY, for users",
	  E BOB "VRFY bob\r\nVRFY <Bob@example.org>\r\nVRFY nobody SMTPUTF8\r\nVRFY x@elsewhere\r\n"
	  "VRFY later\r\nVRFY lost\r\nVRFY a b\r\nVRFY\r\n" Q,
	  "250|235|250 2.1.5 Mr bob <bob@example.org>|250 2.1.5 Mr bob <bob@example.org>|"
	  "550 5.1.1|551 5.1.6|450 4.3.0|450 4.3.0|553 5.1.3|501 5.5.4|221", CLEAR, 0, 0 },
	{ "RFC 6531 3.7.4.1: VRFY with SMTPUTF8",
	  E BOB "VRFY j\xc3\xb6rg SMTPUTF8\r\nVRFY SMTPUTF8\r\n" Q,
	  "250|235|250 2.1.5 Mr j\xc3\xb6rg <j\xc3\xb6rg@example.org>|550 5.1.1|221", CLEAR, 0, 0 },
	{ "3.5.2: EXPN, for users",
	  E BOB "EXPN bob\r\nEXPN stuff\r\nEXPN\r\nEXPN smith\r\nEXPN nobody-list\r\nEXPN a b\r\n" Q,
	  "250|235|250 2.1.5 Mr bob <bob@example.org>|550 5.1.1|501 5.5.4|550 5.1.1|450 4.3.0|553 5.1.3|221", CLEAR, 0, 0 },
	{ "3.5.2: EXPN of a list",
	  E BOB "EXPN staff\r\n" Q,
	  "250|235|250 2.1.5 <m64@example.org>|221", CLEAR, 0, 0 },
	{ "3.5.1: VRFY of full names and lists",
	  E BOB "VRFY Ann Smith\r\nVRFY smith\r\nVRFY smith@example.org\r\nVRFY staff\r\n" Q,
	  "250|235|250 2.1.5 Ann Smith <alice@example.org>|553 5.1.4 Bob ?x? Smith <bob@example.org>|550 5.1.1|"
	  "250 2.1.5 <staff@example.org>|221", CLEAR, 0, 0 },
	{ "3.4: 251 and 551",
	  E BOB "VRFY sent-on\r\nEXPN sent-on\r\nVRFY moved\r\nMAIL FROM:<bob@example.org>\r\n"
	  "RCPT TO:<moved>\r\nRCPT TO:<sent-on>\r\n" D T Q,
	  "250|235|251 2.1.5 User not local; will forward to <bob@elsewhere.example>|251 2.1.5|"
	  "551 5.1.6 User not local; please try <bob@elsewhere.example>|250|551 5.1.6|251 2.1.5|354|250 2.0.0|221", CLEAR, 0, 1 },
	{ "a list goes into the queue, alone or not",
	  "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<staff>\r\n" D T Q,
	  "250|250|250 2.1.5|354|250 2.0.0|221", 0, 0, 1 },
	{ "sendmail: VERB, for users",
	  E BOB "VERB\r\nVERB x\r\n" M R D T M R "RCPT TO:<alice>\r\n" D T Q,
	  "250|235|250 2.0.0|501|250|250|354|250 2.0.0 Ok|250|250|250|354|250 2.0.0 Ok|221",
	  CLEAR, 1, 1 },
	{ "4.1.1.8: HELP",
	  "HELP mail\r\nHELP expn\r\nHELP frob\r\n" Q,
	  "214 2.0.0|214 2.0.0|504 5.5.4|221", 0, 0, 0 },
	{ "other protocols", "GET / HTTP/1.1\r\nHost: x\r\n", "421 4.7.0", 0, 0, 0 },
	{ "other protocols, any method",
	  "BREW /pot HTTP/1.1\r\nHost: x\r\n",
	  "421 4.7.0", 0, 0, 0 },
	{ "other protocols, later", E "POST / x\r\n" Q, "250|421 4.7.0", 0, 0, 0 },
	{ "other protocols: SIP", "INVITE sip:b@x SIP/2.0\r\n", "421 4.7.0", 0, 0, 0 },
	{ "other protocols: an answer", "RTSP/1.0 200 OK\r\n", "421 4.7.0", 0, 0, 0 },
	{ "other protocols: SSH", "SSH-2.0-OpenSSH_9.2\r\n", "421 4.7.0", 0, 0, 0 },
	{ "other protocols: IMAP", "a1 LOGIN bob pass\r\n", "421 4.7.0", 0, 0, 0 },
	{ "other protocols: POP3", "USER bob\r\n", "421 4.7.0", 0, 0, 0 },
	{ "other protocols: a proxy's header", "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n",
	  "421 4.7.0", 0, 0, 0 },
	{ "other protocols: a header field", "Host: x\r\n", "421 4.7.0", 0, 0, 0 },
	{ "other protocols: Redis", "*1\r\n$4\r\nPING\r\n", "421 4.7.0", 0, 0, 0 },
	{ "who has said EHLO is a person, perhaps",
	  E "USER bob\r\nHost: x\r\na1 LOGIN x\r\n*1\r\n" Q, "250|500|500|500|500|221", 0, 0, 0 },
	{ "nor is a slip another protocol", "HELPO\r\nHELP: x\r\nfoo bar\r\n:\r\n*\r\n" Q,
	  "500|500|500|500|500|221", 0, 0, 0 },
	{ "SUBMITTER says that it is none, with a value, too",
	  "SUBMITTER\r\nSUBMITTER=a@b\r\n" Q,
	  "500 5.5.2 SUBMITTER is a parameter|500 5.5.2 SUBMITTER is a parameter|221", 0, 0, 0 },
	{ "TLS at a plain port", "\x16\x03\x01\x02\x00\x01", "421 4.7.0", 0, 0, 0 },
	/* ---- recipients ---- */
	{ "3.6: relaying",
	  E M "RCPT TO:<x@elsewhere.net>\r\nRCPT TO:<x%y.net@example.org>\r\n" Q,
	  "250|250|550 5.7.1 <x@elsewhere.net>: Relay access denied|"
	  "550 5.1.1 <x%y.net@example.org>: Recipient address rejected: User unknown in "
	  "local recipient table|"
	  "221", 0, 0, 0 },
	{ "4.2.4: cannot be known now",
	  E M "RCPT TO:<later>\r\n" Q,
	  "250|250|451 4.3.0|221", 0, 0, 0 },
	{ "the lookup role has gone",
	  E M "RCPT TO:<lost>\r\n" Q,
	  "250|250|451 4.3.0|221", 0, 0, 0 },
	{ "3.3: two recipients",
	  E M R "RCPT TO:<alice@example.org>\r\n" D T Q,
	  "250|250|250|250|354|250|221", 0, 0, 1 },
	{ "a recipient twice",
	  E M R "RCPT TO:<BOB@Example.org>\r\n" R D T Q,
	  "250|250|250|250|250|354|250|221", 0, 1, 0 },
	{ "one refused, one accepted",
	  E M R "RCPT TO:<nobody>\r\n" D T Q,
	  "250|250|250|550|354|250|221", 0, 1, 0 },
	/* ---- mailboxes ---- */
	{ "a busy mailbox: the queue",
	  E M "RCPT TO:<busy>\r\n" D T Q,
	  "250|250|250|354|250 2.0.0|221", 0, 0, 1 },
	{ "a full mailbox: the sender keeps it",
	  E M "RCPT TO:<full>\r\n" D T Q,
	  "250|250|250|354|452 4.2.2|221", 0, 0, 0 },
	{ "deliver has gone: the queue",
	  E M "RCPT TO:<down>\r\n" D T Q,
	  "250|250|250|354|250 2.0.0|221", 0, 0, 1 },
	{ "an unsafe mailbox: the sender keeps it",
	  E M "RCPT TO:<unsafe>\r\n" D T Q,
	  "250|250|250|354|450 4.2.0|221", 0, 0, 0 },
	{ "the user went away meanwhile",
	  E M "RCPT TO:<gone>\r\n" D T Q,
	  "250|250|250|354|550 5.1.1|221", 0, 0, 0 },
	/* ---- limits ---- */
	{ "4.5.3.1.4: line of 2048 octets",
	  E "NOOP " X1000 X1000 X10 X10 X10 X10 "x\r\n" Q,
	  "250|250|221", 0, 0, 0 },
	{ "4.5.3.1.4: line of 2049 octets",
	  E "NOOP " X1000 X1000 X10 X10 X10 X10 "xx\r\n" Q,
	  "250|500 5.5.2|221", 0, 0, 0 },
	{ "4.5.3.1: endless line, its tail is no command",
	  E X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000
	  X1000 X1000 X1000 X1000 X1000 X1000 "QUIT\r\n" Q,
	  "250|500 5.5.2|221", 0, 0, 0 },
	{ "4.5.3.1.1: local part of 65",
	  E "MAIL FROM:<" X10 X10 X10 X10 X10 X10 "xxxxx@b>\r\n" Q,
	  "250|501 5.1.7|221", 0, 0, 0 },
	{ "4.5.3.1.3: path of 300",
	  E M "RCPT TO:<b@" X10 X10 X10 X10 X10 X10 "." X10 X10 X10 X10 X10 X10 "." X10 X10 X10
	  X10 X10 X10 "." X10 X10 X10 X10 X10 X10 "." X10 X10 X10 X10 X10 X10 ">\r\n" Q,
	  "250|250|501 5.1.3|221", 0, 0, 0 },
	{ "4.1.1.1: EHLO of 1000",
	  "EHLO " X1000 "\r\n" M R D T Q,
	  "250|250|250|354|250|221", 0, 1, 0 },
	/* ---- line ends ---- */
	{ "people: LF, one command at a time",
	  "helo c\nmail from:<a@b>\nrcpt to:<bob>\nquit\n",
	  "250|250|250|221", 0, 0, 0 },
	{ "2.3.8: LF in a group",
	  "EHLO c\r\nNOOP\nNOOP\r\n" Q,
	  "250|500 5.5.2|250|221", GROUP, 0, 0 },
	{ "people: LF in a group, and no CR before",
	  "EHLO c\nNOOP\nNOOP\r\nNOOP\n" Q,
	  "250|250|250|500 5.5.2|221", GROUP, 0, 0 },
	{ "people: pasted",
	  "EHLO c\nMAIL FROM:<a@b>\nRCPT TO:<bob>\nDATA\nSubject: x\n\nt\n.\nQUIT\n",
	  "250|250|250|354 End data with <CR><LF>.<CR><LF> (or|250|221", GROUP, 1, 0 },
	{ "people: pasted, and DATA is refused",
	  "EHLO c\nMAIL FROM:<a@b>\nRCPT TO:<nobody>\nDATA\nRSET\n\nt\n.\nQUIT\n",
	  "250|250|550|421", GROUP, 0, 0 },
	{ "people: pasted behind STARTTLS",
	  "EHLO c\nSTARTTLS\nNOOP\n",
	  "250|421", GROUP | CERT, 0, 0 },
	{ "2.3.8: CR alone is no line end",
	  E "NOOP\rQUIT\r\n" Q,
	  "250|500 5.5.2 A <CR>|221", 0, 0, 0 },
	{ "2.3.8: CR CR LF",
	  E "NOOP\r\r\n" Q,
	  "250|500 5.5.2 A <CR>|221", 0, 0, 0 },
};
/* clang-format on */

/* RFC 5321 7.3: the same work for known and unknown users; and none for those
 * who may not know. */
static void
vrfy(void)
{
	static const char *const names[] = { "bob", "nobody" };
	char in[100];

	for (int i = 0; i < 2; i++) {
		for (int shown = 0; shown < 2; shown++) {
			fake_settings.vrfy = shown ? VRFY_ALL : VRFY_NONE;
			snprintf(in, sizeof(in), "VRFY %s\r\nEXPN %s\r\n",
			    names[i], names[i]);
			fake_session(view_of(in));
			ok(fake.lookups == (shown ? 3 : 0) &&
				(strstr(buf_cstr(&fake.out), "252 ") != NULL) ==
				    !shown,
			    "VRFY %s: %u lookups", names[i], fake.lookups);
		}
	}
	/* RFC 6531 3.7.4.2 */
	fake_settings.vrfy = VRFY_ALL;
	fake_session(view_of("VRFY J\xc3\xb6rg\r\nVRFY j\xc3\xb6rg SMTPUTF8\r\n"
			     "VRFY nob\xc3\xb6"
			     "dy SMTPUTF8\r\n"));
	ok(strstr(buf_cstr(&fake.out),
	       "\r\n252 2.6.8 That user's address needs VRFY with SMTPUTF8\r\n"
	       "250 2.1.5 Mr j\xc3\xb6rg <j\xc3\xb6rg@example.org>\r\n"
	       "550 5.1.1 <nob??dy>: No such user here\r\n") != NULL,
	    "VRFY: UTF-8 goes only to those who want it");
	fake_settings.vrfy = VRFY_AUTHENTICATED;
	set_listener(CLEAR);
	fake_session(
	    view_of(E BOB "VERB\r\n" M R D T M R "RCPT TO:<alice>\r\n" D T));
	ok(strstr(buf_cstr(&fake.out),
	       "\r\n250-2.1.5 <bob@example.org>: delivered to the mailbox\r\n"
	       "250 2.0.0 Ok: queued as ") != NULL &&
		strstr(buf_cstr(&fake.out),
		    "\r\n250-2.1.5 <bob@example.org>: in the queue, to be "
		    "delivered to the mailbox now\r\n"
		    "250-2.1.5 <alice>: in the queue, to be delivered to the "
		    "mailbox now\r\n250 2.0.0 Ok: ") != NULL,
	    "VERB: a line for each recipient");
	set_listener(0);
	fake_session(view_of("HELP\r\nHELP expn\r\nHELP turn\r\n"));
	ok(strstr(buf_cstr(&fake.out),
	       "214-2.0.0 EXPN list [SMTPUTF8]\r\n214-2.0.0 Asks for the "
	       "members of a list. RFC 5321 4.1.1.7\r\n214 2.0.0 Not here "
	       "and now: you may not know") != NULL,
	    "HELP tells why a verb is refused");
}

int
main(void)
{
	fake_start();
	dialogues(rows, NELEM(rows));
	vrfy();
	return done_testing();
}
