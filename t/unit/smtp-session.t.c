/*
 * SMTP dialogues, each with the section that asks for it (RFC 5321 where no
 * other is named).  want: the start of each reply's last line, after the
 * greeting; there may be neither fewer nor more.
 */
#define _GNU_SOURCE
#include "t/unit/smtp_fake.h"

#include "t/unit/tap.h"

#define E "EHLO c.test\r\n"
#define M "MAIL FROM:<a@b.org>\r\n"
#define R "RCPT TO:<bob@example.org>\r\n"
#define D "DATA\r\n"
#define T "Subject: x\r\n\r\ntext\r\n.\r\n"
#define Q "QUIT\r\n"
#define BOB "AUTH PLAIN AGJvYgBib2ItcGFzcw==\r\n"
#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X1000 X100 X100 X100 X100 X100 X100 X100 X100 X100 X100

enum {
	CLEAR = 1,
	SUBMISSION = 2,
	SMTPS = 4,
	CERT = 8,
	GROUP = 16,
	MARKS = 32,
	FEW = 64
};

/* clang-format off */
static const struct {
	const char *cite, *in, *want;
	unsigned flags, delivered, queued;
} rows[] = {
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
	/* ---- SMTPUTF8, RFC 6531 ---- */
	{ "RFC 6531 3.5: not without the parameter",
	  E "MAIL FROM:<j\xc3\xb6@b>\r\n" M "RCPT TO:<j\xc3\xb6rg>\r\n" Q,
	  "250|553 5.6.7|250|553 5.6.7|221", 0, 0, 0 },
	{ "RFC 6531 3.3: addresses outside ASCII",
	  E "MAIL FROM:<j\xc3\xb6@b\xc3\xbc.org> SMTPUTF8\r\n"
	  "RCPT TO:<j\xc3\xb6rg@example.org>\r\n" D T Q,
	  "250|250|250|354|250|221", 0, 1, 0 },
	{ "RFC 6531 3.3: case of ASCII letters",
	  E "MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<\"J\xc3\xb6rG\"@EXAMPLE.org>\r\n" Q,
	  "250|250|250|221", 0, 0, 0 },
	{ "RFC 6531 3.3: no UTF-8; control characters",
	  E "MAIL FROM:<j\xf6@b> SMTPUTF8\r\nMAIL FROM:<j\xc0\xaf@b> SMTPUTF8\r\n"
	  "MAIL FROM:<j\xed\xa0\x80@b> SMTPUTF8\r\nMAIL FROM:<j\xc2\x85@b> SMTPUTF8\r\n" Q,
	  "250|501 5.1.7|501 5.1.7|501 5.1.7|501 5.1.7|221", 0, 0, 0 },
	{ "RFC 6531 3.4: the parameter has no value",
	  E "MAIL FROM:<a@b> SMTPUTF8=1\r\nMAIL FROM:<a@b> SMTPUTF8 SMTPUTF8\r\n" Q,
	  "250|501 5.5.4|501 5.5.4|221", 0, 0, 0 },
	{ "RFC 6531 3.4: it ends with the transaction",
	  E "MAIL FROM:<a@b> SMTPUTF8\r\nRSET\r\nMAIL FROM:<j\xc3\xb6@b>\r\n" Q,
	  "250|250|250|553 5.6.7|221", 0, 0, 0 },
	/* ---- DSN, RFC 3461 ---- */
	{ "RFC 3461 4.3, 4.4: RET and ENVID",
	  E "MAIL FROM:<a@b> RET=HDRS ENVID=QQ+2B314159\r\nRSET\r\n"
	  "MAIL FROM:<a@b> ret=full\r\nRSET\r\nMAIL FROM:<a@b> RET=ALL\r\n"
	  "MAIL FROM:<a@b> RET=FULL RET=FULL\r\nMAIL FROM:<a@b> ENVID=\r\n"
	  "MAIL FROM:<a@b> ENVID=a+0Db\r\nMAIL FROM:<a@b> ENVID=a+0\r\n"
	  "MAIL FROM:<a@b> ENVID=" X100 "\r\nRSET\r\nMAIL FROM:<a@b> ENVID=" X100 "x\r\n" Q,
	  "250|250|250|250|250|501 5.5.4|501|501|501|501|250|250|501|221", 0, 0, 0 },
	{ "RFC 3461 4.1, 4.2: NOTIFY and ORCPT",
	  E M "RCPT TO:<bob> NOTIFY=NEVER\r\nRCPT TO:<bob> NOTIFY=Success,delay ORCPT=rfc822;a+2Bb@c\r\n"
	  "RCPT TO:<bob> ORCPT=utf-8;b\\x{F6}@c\r\nRCPT TO:<bob> NOTIFY=NEVER,DELAY\r\n"
	  "RCPT TO:<bob> NOTIFY=\r\nRCPT TO:<bob> NOTIFY=SUCCESS,\r\nRCPT TO:<bob> ORCPT=bob\r\n"
	  "RCPT TO:<bob> ORCPT=;bob\r\nRCPT TO:<bob> ORCPT=rfc822;a+0Ab\r\n"
	  "RCPT TO:<bob> ORCPT=rfc822;" X100 X100 X100 X100 X100 "\r\n" Q,
	  "250|250|250|250|250|501 5.5.4|501|501|501|501|501|501|221", 0, 0, 0 },
	{ "RFC 3461 4.1: who wants to be told of a delivery is the queue's",
	  E M "RCPT TO:<bob> NOTIFY=SUCCESS\r\n" D T Q,
	  "250|250|250|354|250|221", 0, 0, 1 },
	/* ---- LIMITS, RFC 9422; NO-SOLICITING, RFC 3865 ---- */
	{ "RFC 9422 4.1: MAILMAX counts the bad ones too",
	  E "MAIL\r\nMAIL\r\nMAIL FROM:<a b>\r\nMAIL FROM:<a@b>\r\nRSET\r\nMAIL FROM:<a@b>\r\n",
	  "250|501|501|501|250|250|421 4.7.0", FEW, 0, 0 },
	{ "RFC 3865 2.3: SOLICIT",
	  E "MAIL FROM:<a@b> SOLICIT=org.example:OK,net.example:adv\r\n"
	  "MAIL FROM:<a@b> SOLICIT=org.example:OK\r\nRSET\r\n"
	  "MAIL FROM:<a@b> SOLICIT=1x\r\nMAIL FROM:<a@b> SOLICIT=a,,b\r\n" Q,
	  "250|550 5.7.1 SOLICIT=net.example:adv is|250|250|501 5.5.4|501|221", FEW, 0, 0 },
	{ "RFC 3865 2.3: the field in the message",
	  E M R D "Subject: x\r\nSolicitation: org.example:OK,\r\n net.example:ADV\r\n\r\n.\r\n" Q,
	  "250|250|250|354|550 5.7.1 SOLICIT=net.example:ADV|221", FEW, 0, 0 },
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
	/* ---- parameters ---- */
	{ "RFC 1870 6.1: SIZE",
	  E "MAIL FROM:<a@b> SIZE=100000\r\nRSET\r\nMAIL FROM:<a@b> size=100001\r\n"
	  "MAIL FROM:<a@b> SIZE=99999999999999999999\r\n" Q,
	  "250|250|250|552 5.3.4|552 5.3.4|221", 0, 0, 0 },
	{ "RFC 1870 4: syntax of SIZE",
	  E "MAIL FROM:<a@b> SIZE=\r\nMAIL FROM:<a@b> SIZE\r\nMAIL FROM:<a@b> SIZE=-1\r\n"
	  "MAIL FROM:<a@b> SIZE=1k\r\nMAIL FROM:<a@b> SIZE=1 SIZE=2\r\n" Q,
	  "250|501 5.5.4|501|501|501|501|221", 0, 0, 0 },
	{ "RFC 6152 2: BODY",
	  E "MAIL FROM:<a@b> BODY=8BITMIME\r\nRSET\r\nMAIL FROM:<a@b> body=7bit\r\nRSET\r\n"
	  "MAIL FROM:<a@b> BODY=9BIT\r\n" Q,
	  "250|250|250|250|250|501 5.5.4|221", 0, 0, 0 },
	{ "RFC 4954 5: AUTH=",
	  E "MAIL FROM:<a@b> AUTH=<>\r\nRSET\r\n"
	  "MAIL FROM:<e=mc2@b> AUTH=e+3Dmc2@example.com\r\nRSET\r\n"
	  "MAIL FROM:<a@b> AUTH=a+3d\r\nMAIL FROM:<a@b> AUTH=a+0D+0A@b\r\n"
	  "MAIL FROM:<a@b> AUTH=a+00\r\n" Q,
	  "250|250|250|250|250|501 5.5.4|501|501|221", 0, 0, 0 },
	{ "4.1.1.11: unknown parameters",
	  E "MAIL FROM:<a@b> FROB=1\r\nMAIL FROM:<a@b> BY=1;R\r\n" M
	  "RCPT TO:<bob> FROB\r\n" Q,
	  "250|555 5.5.4|555|250|555 5.5.4|221", 0, 0, 0 },
	{ "4.1.2: syntax of parameters",
	  E "MAIL FROM:<a@b> -x\r\nMAIL FROM:<a@b> =1\r\nMAIL FROM:<a@b> SIZE=1=2\r\n" Q,
	  "250|501|501|501|221", 0, 0, 0 },
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
	/* ---- groups, RFC 2920 ---- */
	{ "RFC 2920 3.1: MAIL RCPT RCPT DATA",
	  E M R "RCPT TO:<nobody>\r\n" D,
	  "250|250|250|550|354", GROUP, 0, 0 },
	{ "RFC 2920 3.1: DATA is the last", E M R D T Q, "250|250|250|421 4.7.0", GROUP, 0, 0 },
	{ "RFC 2920 3.1: a group behind the content",
	  E M R D MARK T M R D MARK T Q, "250|250|250|354|250|250|250|354|250|221",
	  MARKS, 2, 0 },
	{ "content after DATA was refused",
	  E D "Subject: x\r\n\r\n" Q,
	  "250|503|421 4.7.0", 0, 0, 0 },
	{ "the same, in one piece", E D "Subject: x\r\n\r\n" Q, "250|421 4.7.0", GROUP, 0, 0 },
	/* ---- BDAT, RFC 3030 ---- */
	{ "RFC 3030 4.1: one chunk",
	  E M R "BDAT 5 LAST\r\na\r\nb\n" Q,
	  "250|250|250|250 2.0.0 Ok: queued|221", 0, 1, 0 },
	{ "RFC 3030 4.2: chunks, the last one empty",
	  E M R "BDAT 3\r\nx\r\nbdat 0\r\nBDAT 2\r\n.\r" "BDAT 0 last\r\n" Q,
	  "250|250|250|250 2.0.0 3 octets|250 2.0.0 0 octets|250 2.0.0 2 octets|250 2.0.0 Ok|221",
	  0, 1, 0 },
	{ "RFC 3030 2: all in one group, and a second message behind it",
	  E M R "BDAT 3\r\nx\r\nBDAT 3 LAST\r\ny\r\n" M R "BDAT 1 LAST\r\nz" Q,
	  "250|250|250|250|250|250|250|250|221", GROUP, 2, 0 },
	{ "RFC 3030 2: after LAST",
	  E M R "BDAT 2 LAST\r\nabBDAT 6\r\nQUIT\r\n" Q,
	  "250|250|250|250|503 5.5.1|221", 0, 1, 0 },
	{ "RFC 3030 2: before MAIL and RCPT; the octets are no commands",
	  "BDAT 6\r\nQUIT\r\n" E "BDAT 6 LAST\r\nQUIT\r\n" M "BDAT 6\r\nQUIT\r\n" Q,
	  "503 5.5.1 HELO|250|503 5.5.1 MAIL|250|503 5.5.1 RCPT|221", 0, 0, 0 },
	{ "RFC 3030 2: no valid recipient, in one group",
	  E M "RCPT TO:<nobody>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n" Q,
	  "250|250|550|554 5.5.1|250|221", GROUP, 0, 0 },
	{ "RFC 3030 2: DATA after BDAT",
	  E M R "BDAT 1\r\nx" D R M "BDAT 1 LAST\r\ny" Q,
	  "250|250|250|250|503 5.5.1|503|503|250|221", 0, 1, 0 },
	{ "RFC 3030 2: RSET forgets the chunks",
	  E M R "BDAT 1\r\nx" "RSET\r\nBDAT 1 LAST\r\ny" M R "BDAT 1 LAST\r\nz" Q,
	  "250|250|250|250|250|503|250|250|250|221", 0, 1, 0 },
	{ "4.1.4: EHLO forgets the chunks", E M R "BDAT 1\r\nx" E D Q,
	  "250|250|250|250|250|503|221", 0, 0, 0 },
	{ "RFC 3030 2: NOOP between chunks",
	  E M R "BDAT 1\r\nxNOOP\r\nBDAT 1 LAST\r\ny" Q,
	  "250|250|250|250|250|250|221", 0, 1, 0 },
	{ "RFC 3030: syntax",
	  E M R "BDAT\r\nBDAT x\r\nBDAT -1\r\nBDAT 1 LAS\r\nBDAT 1 LAST x\r\n"
	  "BDAT 99999999999999999999\r\n" Q,
	  "250|250|250|501 5.5.4|501|501|501|501|501|221", 0, 0, 0 },
	{ "RFC 3030: a size that is none, and then content",
	  E M R "BDAT 0x6 LAST\r\nSubject: x\r\n" Q, "250|250|250|501 5.5.4|421 4.7.0", 0, 0, 0 },
	{ "the same, in one piece",
	  E M R "BDAT 0x6 LAST\r\nQUIT\r\n" Q, "250|250|250|421 4.7.0", GROUP, 0, 0 },
	{ "RFC 3030: client gone in a chunk", E M R "BDAT 10 LAST\r\nabc", "250|250|250", 0, 0, 0 },
	{ "RFC 3030: client gone between chunks", E M R "BDAT 3\r\nabc", "250|250|250|250", 0, 0, 0 },
	{ "RFC 3030 2: HELO will do", "HELO c\r\n" M R "BDAT 1 LAST\r\nx" Q,
	  "250|250|250|250|221", 0, 1, 0 },
	{ "RFC 3030 3: BINARYMIME not with DATA",
	  E "MAIL FROM:<a@b> BODY=BINARYMIME\r\n" R D "x\r\n" Q,
	  "250|250|250|503 5.5.1|421", 0, 0, 0 },
	{ "RFC 3030 3: RSET takes BINARYMIME back",
	  E "MAIL FROM:<a@b> BODY=BINARYMIME\r\n" R D "RSET\r\n" M R D T Q,
	  "250|250|250|503|250|250|250|354|250|221", 0, 1, 0 },
	{ "RFC 3030 3: a refused MAIL does not leave it",
	  E "MAIL FROM:<a@b> BODY=BINARYMIME FROB\r\n" M R D T Q,
	  "250|555|250|250|354|250|221", 0, 1, 0 },
	/* ---- STARTTLS, RFC 3207 ---- */
	{ "RFC 3207 4: STARTTLS",
	  E "STARTTLS\r\n" E M R D T Q,
	  "250|220 2.0.0|250|250|250|354|250|221", CERT, 1, 0 },
	{ "RFC 3207 4.2: all is forgotten", E "STARTTLS\r\n" M Q, "250|220|503|221", CERT, 0, 0 },
	{ "RFC 3207 4: no parameter", E "STARTTLS now\r\n" Q, "250|501 5.5.4|221", CERT, 0, 0 },
	{ "RFC 3207 4: not twice",
	  E "STARTTLS\r\n" E "STARTTLS\r\n" Q,
	  "250|220|250|503 5.5.1|221", CERT, 0, 0 },
	{ "RFC 3207 4: not inside a transaction",
	  E M "STARTTLS\r\n" Q,
	  "250|250|503|221", CERT, 0, 0 },
	{ "no certificate", E "STARTTLS\r\n" Q, "250|502 5.5.1|221", 0, 0, 0 },
	{ "RFC 3207 4.2: nothing may be sent behind it",
	  E "STARTTLS\r\nNOOP\r\n" Q,
	  "250|421 4.7.0", CERT | GROUP, 0, 0 },
	{ "RFC 8314 3: TLS from the start",
	  E M Q,
	  "250|530 5.7.0 Authentication|221", CERT | SMTPS, 0, 0 },
	/* ---- AUTH, RFC 4954 ---- */
	{ "RFC 4954 4: initial response",
	  E BOB M R D T Q,
	  "250|235 2.7.0|250|250|354|250|221", CLEAR, 1, 0 },
	{ "RFC 4954 4: AUTH PLAIN",
	  E "AUTH PLAIN\r\nAGJvYgBib2ItcGFzcw==\r\n" Q,
	  "250|334 |235 2.7.0|221", CLEAR, 0, 0 },
	{ "AUTH LOGIN",
	  E "auth login\r\nYm9i\r\nYm9iLXBhc3M=\r\n" Q,
	  "250|334 VXNlcm5hbWU6|334 UGFzc3dvcmQ6|235|221", CLEAR, 0, 0 },
	{ "AUTH LOGIN, with the name",
	  E "AUTH LOGIN Ym9i\r\nYm9iLXBhc3M=\r\n" Q,
	  "250|334 UGFzc3dvcmQ6|235|221", CLEAR, 0, 0 },
	{ "RFC 4954 4: not twice", E BOB BOB Q, "250|235|503 5.5.1|221", CLEAR, 0, 0 },
	{ "RFC 4954 4: not inside a transaction", E M BOB Q, "250|250|503 5.5.1|221", CLEAR, 0, 0 },
	{ "RFC 4954 4: not before EHLO", BOB Q, "503|221", CLEAR, 0, 0 },
	{ "RFC 4954 4: unknown mechanism",
	  E "AUTH FROB\r\nAUTH\r\n" Q,
	  "250|504 5.5.4|501 5.5.4|221", CLEAR, 0, 0 },
	{ "RFC 4954 4: cancelled",
	  E "AUTH PLAIN\r\n*\r\n" Q,
	  "250|334 |501 5.7.0|221", CLEAR, 0, 0 },
	{ "RFC 4954 4: no base64",
	  E "AUTH PLAIN !!!\r\nAUTH PLAIN\r\nxy\r\nAUTH PLAIN =\r\n" Q,
	  "250|501 5.5.2|334|501 5.5.2|501 5.5.2|221", CLEAR, 0, 0 },
	{ "RFC 4954 4: line of 12,289 octets",
	  E "AUTH PLAIN\r\n" X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000
	  X1000 X100 X100 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxxxx\r\n" Q,
	  "250|334|500 5.5.6|221", CLEAR, 0, 0 },
	{ "RFC 4954 6: wrong password",
	  E "AUTH PLAIN AGJvYgB4\r\n" Q,
	  "250|535 5.7.8|221", CLEAR, 0, 0 },
	{ "RFC 4954 6: temporary failure",
	  E "AUTH PLAIN AGxhdGVyAHg=\r\n" Q,
	  "250|454 4.7.0|221", CLEAR, 0, 0 },
	{ "the third failure closes",
	  E "AUTH PLAIN AGJvYgB4\r\nAUTH PLAIN AGJvYgB4\r\nAUTH PLAIN AGJvYgB4\r\n" Q,
	  "250|535|535|421 4.7.0", CLEAR, 0, 0 },
	{ "RFC 4954 6: not without TLS", E BOB Q, "250|538 5.7.11|221", CERT, 0, 0 },
	{ "client gone in AUTH", E "AUTH LOGIN\r\nYm9i\r\n", "250|334|334", CLEAR, 0, 0 },
	{ "authenticated: foreign recipients are taken",
	  E BOB M "RCPT TO:<x@elsewhere.net>\r\n" Q,
	  "250|235|250|250 2.1.5|221", CLEAR, 0, 0 },
	{ "RFC 6409 4.3: submission",
	  E M Q,
	  "250|530 5.7.0 Must issue|221", CERT | SUBMISSION, 0, 0 },
	{ "RFC 6409 4.3: submission after TLS",
	  E "STARTTLS\r\n" E M BOB M R D T Q,
	  "250|220|250|530 5.7.0 Auth|235|250|250|354|250|221", CERT | SUBMISSION, 1, 0 },
	{ "submission in clear, where allowed",
	  E M BOB M Q,
	  "250|530 5.7.0 Auth|235|250|221", CLEAR | SUBMISSION, 0, 0 },
};
/* clang-format on */

/* Replies to the commands after the greeting: the last line of each. */
static unsigned
replies(const char *out, const char *last[], unsigned max)
{
	unsigned n = 0;

	for (const char *p = out; *p != '\0'; p = strchr(p, '\n') + 1) {
		if (strlen(p) > 4 && p[3] == ' ' && n < max)
			last[n++] = p;
		if (strchr(p, '\n') == NULL)
			break;
	}
	return n;
}

static bool
as_wanted(const char *out, const char *want, bool greeted)
{
	const char *last[200];
	unsigned n = replies(out, last, NELEM(last));
	struct view rest = view_of(want);
	unsigned i = 0;
	bool more = true;

	if (n == 0 || strncmp(last[i++], "220 mail.example.org ESMTP", 26) != 0)
		return !greeted;
	for (; more; i++) {
		struct view w = view_split(&rest, '|', &more);
		if (i >= n || strncmp(last[i], w.p, w.n) != 0)
			return false;
	}
	return i == n;
}

static void
set_listener(unsigned flags)
{
	static char anything, unwanted[] = "net.example:ADV";

	fake_listener.type = flags & SUBMISSION ? LISTEN_SUBMISSION
			     : flags & SMTPS	? LISTEN_SMTPS
						: LISTEN_MX;
	fake_listener.plaintext_auth = flags & CLEAR;
	fake_worker.tls = flags & CERT ? (void *)&anything : NULL;
	fake_settings.mails_per_session = flags & FEW ? 4 : 1000;
	fake_settings.no_soliciting = flags & FEW ? unwanted : unwanted + 15;
}

static void
dialogues(void)
{
	for (size_t i = 0; i < NELEM(rows); i++) {
		set_listener(rows[i].flags);
		for (int mode = BY_LINE; mode <= BY_OCTET; mode++) {
			fake.mode = rows[i].flags & GROUP   ? AT_ONCE
				    : rows[i].flags & MARKS ? BY_MARK
							    : mode;
			fake_session(view_of(rows[i].in));
			bool good = as_wanted(buf_cstr(&fake.out), rows[i].want,
					true) &&
				    fake.delivered == rows[i].delivered &&
				    fake.queued == rows[i].queued;
			if (!ok(good, "%s%s", rows[i].cite,
				mode == BY_OCTET ? ", octet by octet" : ""))
				printf("# want %s\n# %u delivered, %u queued, "
				       "got:\n# %s\n",
				    rows[i].want, fake.delivered, fake.queued,
				    buf_cstr(&fake.out));
			if (rows[i].flags & (GROUP | MARKS))
				break;
		}
	}
	set_listener(0);
	fake.mode = BY_LINE;
}

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
		    "delivered now\r\n250-2.1.5 <alice>: in the queue, to be "
		    "delivered now\r\n250 2.0.0 Ok: ") != NULL,
	    "VERB: a line for each recipient");
	set_listener(0);
	fake_session(view_of("HELP\r\nHELP expn\r\nHELP turn\r\n"));
	ok(strstr(buf_cstr(&fake.out),
	       "214-2.0.0 EXPN list [SMTPUTF8]\r\n214-2.0.0 Asks for the "
	       "members of a list. RFC 5321 4.1.1.7\r\n214 2.0.0 Not here "
	       "and now: you may not know") != NULL,
	    "HELP tells why a verb is refused");
}

/* What is kept with the envelope, and said in the trace header. */
static void
kept(void)
{
	static const struct {
		const char *in, *params, *trace;
	} cases[] = {
		{ E "MAIL FROM:<a@b> RET=hdrs ENVID=x+2By SMTPUTF8\r\n"
		    "RCPT TO:<bob> ORCPT=rfc822;b NOTIFY=delay,failure\r\n",
		    "SMTPUTF8 RET=HDRS ENVID=x+2By|NOTIFY=DELAY,FAILURE "
		    "ORCPT=rfc822;b",
		    "with UTF8SMTP id " },
		{ E M "RCPT TO:<bob> NOTIFY=NEVER\r\n", "|NOTIFY=NEVER",
		    "with ESMTP id " },
		{ E "MAIL FROM:<a@b> SOLICIT=net.example:ADV\r\n" R, "|",
		    "with ESMTP (SOLICIT=net.example:ADV) id " },
		{ E BOB "MAIL FROM:<a@b> SMTPUTF8\r\n" R, "SMTPUTF8|",
		    "with UTF8SMTPA id " },
	};

	set_listener(CLEAR);
	for (size_t i = 0; i < NELEM(cases); i++) {
		char in[1000];
		snprintf(in, sizeof(in), "%sRCPT TO:<alice>\r\nDATA\r\n.\r\n",
		    cases[i].in);
		fake_session(view_of(in));
		ok(strcmp(fake.params, cases[i].params) == 0, "kept: %s",
		    cases[i].params);
		if (!ok(strstr(buf_cstr(&fake.content), cases[i].trace) != NULL,
			"trace: %s", cases[i].trace))
			printf("# %s\n", buf_cstr(&fake.content));
	}
	set_listener(0);
}

int
main(void)
{
	fake_start();
	dialogues();
	vrfy();
	kept();
	return done_testing();
}
