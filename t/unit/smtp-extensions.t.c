/* SMTP dialogues of the extensions: their parameters and verbs, groups of
 * commands, TLS, logins; and what of it is kept with the envelope. */
#define _GNU_SOURCE
#include "t/unit/smtp_dialogues.h"

/* clang-format off */
static const struct dialogue rows[] = {
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
	dialogues(rows, NELEM(rows));
	kept();
	return done_testing();
}
