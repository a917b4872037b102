#!/usr/bin/perl
# SMTP verbs, their order and their reply codes (RFC 5321 4.1.4, 4.3.2).
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->start(daemons => ['smtpd'],
    smtpd => { errors_max => 1000 });
my $s = $pp->smtp;

# Before EHLO.
$s->expect('MAIL FROM:<a@b.test>', qr/^503 5\.5\.1 /, 'MAIL before EHLO');
$s->expect('RCPT TO:<bob@example.org>', qr/^503 5\.5\.1 /,
    'RCPT before EHLO');
$s->expect('DATA', qr/^503 5\.5\.1 /, 'DATA before EHLO');
$s->expect('NOOP', qr/^250 2\.0\.0 /, 'NOOP before EHLO');
$s->expect('NOOP with words', qr/^250 2\.0\.0 /, 'NOOP with an argument');
$s->expect('RSET', qr/^250 2\.0\.0 /, 'RSET before EHLO');
$s->expect('VRFY bob', qr/^2(?:50|52) /, 'VRFY before EHLO');
$s->expect('HELP', qr/^214[ -]/);
$s->expect('HELP MAIL', qr/^214[ -].*MAIL FROM:/s);
$s->expect('HELP NOSUCH', qr/^50[0-4] /);
$s->expect('EHLO', qr/^501 5\.5\.4 /, 'EHLO without a name');
$s->expect('HELO', qr/^501 5\.5\.4 /, 'HELO without a name');

# EHLO and what it promises.
my $ehlo = $s->expect('EHLO client.test', qr/^250-mail\.example\.org/);
like($ehlo, qr/^250[- ]\Q$_\E$/m, "EHLO says $_")
    for 'PIPELINING', 'SIZE 52428800', '8BITMIME', 'ENHANCEDSTATUSCODES',
    'STARTTLS', 'CHUNKING', 'BINARYMIME', 'DSN', 'SMTPUTF8', 'SUBMITTER',
    'NO-SOLICITING', 'LIMITS MAILMAX=10000 RCPTMAX=1000';
unlike($ehlo, qr/BURL|ETRN|ATRN|TURN|SEND/,
    'and nothing that is not there');
unlike($ehlo, qr/AUTH/, 'no AUTH without TLS');
like($ehlo, qr/\A(?:250-[^\n]+\n)+250 [^\n]+\z/, 'in the right form');
$s->expect('HELO client.test', qr/^250 [^\n]*\z/, 'HELO: one line');
$s->expect('ehlo CLIENT.TEST', qr/^250-/, 'verbs in lower case');
$s->expect('EHLO [127.0.0.1]', qr/^250-/, 'an address literal');
$s->expect('EHLO [IPv6:::1]', qr/^250-/, 'an IPv6 literal');

# The transaction.
$s->expect('RCPT TO:<bob@example.org>', qr/^503 5\.5\.1 /,
    'RCPT before MAIL');
$s->expect('DATA', qr/^503 5\.5\.1 /, 'DATA before MAIL');
$s->expect('MAIL', qr/^50[01] 5\.5\.[24] /, 'MAIL without an argument');
$s->expect('MAIL FROM:', qr/^501 5\.(?:5\.4|1\.7) /,
    'MAIL FROM: without a path');
$s->expect('MAIL FROM:<a@b.test>', qr/^250 2\.1\.0 /);
$s->expect('MAIL FROM:<c@d.test>', qr/^503 5\.5\.1 /, 'nested MAIL');
$s->expect('DATA', qr/^(?:503 5\.5\.1|554 5\.5\.1) /, 'DATA without RCPT');
$s->expect('RCPT TO:<bob@example.org>', qr/^250 2\.1\.5 /);
$s->expect('RCPT TO:<carol@example.org>', qr/^250 2\.1\.5 /);
$s->expect('RSET', qr/^250 2\.0\.0 /);
$s->expect('RCPT TO:<bob@example.org>', qr/^503 5\.5\.1 /,
    'RSET forgets the sender');
$s->expect('MAIL FROM:<>', qr/^250 2\.1\.0 /, 'the null reverse-path');
$s->expect('RCPT TO:<bob@example.org>', qr/^250 2\.1\.5 /);
$s->expect('EHLO client.test', qr/^250-/, 'EHLO in a transaction');
$s->expect('DATA', qr/^503 5\.5\.1 /, 'EHLO ends it (4.1.4)');
$s->expect('DATA now', qr/^501 5\.5\.4 /, 'DATA takes no argument');
$s->expect('RSET now', qr/^501 5\.5\.4 /, 'RSET takes no argument');
$s->expect('QUIT now', qr/^501 5\.5\.4 /, 'QUIT takes no argument');
$s->expect('STARTTLS now', qr/^501 5\.5\.4 /, 'STARTTLS takes no argument');

# Two messages in one session.
for my $n (1, 2) {
	$s->cmd($_) for 'MAIL FROM:<a@b.test>', 'RCPT TO:<bob@example.org>',
	    'DATA';
	like($s->data(message("number $n")), qr/^250 2\.0\.0 /,
	    "message $n of the session");
}
like($pp->mbox('bob'), qr/Subject: number 1\n.*\nFrom .*Subject: number 2\n/s,
    'both delivered, in order');
$s->expect('RCPT TO:<bob@example.org>', qr/^503 /,
    'a message ends its transaction');

# What is no verb.
$s->expect('', qr/^500 5\.5\.2 /, 'an empty line');
$s->expect('FOO bar', qr/^500 5\.5\.2 /, 'an unknown verb');
$s->expect('MAILFROM:<a@b.test>', qr/^500 5\.5\.2 /, 'a glued verb');
$s->expect("NO\0OP", qr/^500 5\.5\.2 /, 'a verb with NUL');
$s->expect("\xff\xfe", qr/^500 5\.5\.2 /, 'octets');
$s->expect('GET / HTTP/1.1', qr/^(?:500|421|502) /, 'another protocol');

for my $x ("\x03\0\0\x13\x0e", "\0\0\0\x85\xffSMB", "SSH-2.0-x") {
	my $o = $pp->smtp;
	$o->expect($x, qr/^421 4\.7\.0 /, 'the first line of another protocol');
}

# Verbs of the notes that are not here yet: the right code, not "unknown".
$s = $pp->smtp;
$s->cmd('EHLO c.test');
for my $v ('EXPN staff', 'SEND FROM:<a@b.test>', 'SOML FROM:<a@b.test>',
    'SAML FROM:<a@b.test>', 'TURN', 'ETRN example.org', 'ATRN example.org',
    'BDAT 0 LAST', 'BURL imap://x LAST',
    'SUBMITTER a@b.test') {
	my $r = $s->cmd($v);
	like($r, qr/^50[0234] 5\.\d\.\d /, "$v is refused");
}
$s->expect('VERB', qr/^250 2\.0\.0 /, 'VERB, from this host');
$s->cmd($_) for 'MAIL FROM:<a@b.test>', 'RCPT TO:<bob@example.org>', 'DATA';
like($s->data(message('verb')), qr/^250-2\.1\.5 <bob\@example\.org>: delivered to the mailbox\n250 2\.0\.0 Ok/,
    'tells what became of the message');
my $u = $pp->smtp(to => 'submission');
$u->cmd('EHLO c.test');
$u->cmd('AUTH PLAIN AGJvYgBib2ItcGFzcw==');
$u->expect('VRFY bob', qr/^250 2\.1\.5 Bob <bob\@example\.org>/,
    'VRFY, for a user');
$u->expect('VRFY nobody', qr/^550 5\.1\.1 /);
$u->expect('EXPN carol', qr/^250 2\.1\.5 Carol <carol\@example\.org>/);
$s->expect('VRFY bob', qr/^25[02] /, 'VRFY of a user');
$s->expect('VRFY <bob@example.org>', qr/^25[02] /, 'VRFY of an address');
$s->expect('VRFY nobody-here', qr/^(?:550 5\.1\.1|252 2\.\d\.\d) /,
    'VRFY of nobody');
$s->expect('VRFY', qr/^501 5\.5\.4 /, 'VRFY without an argument');
$s->expect('NOOP', qr/^250 /, 'and the session lives');
$s->expect('QUIT', qr/^221 2\.0\.0 /);
ok($s->closed, 'QUIT closes');

# ---- the mechanisms as programs of before RFC 2554 look for them ----
my $two = Pennypost->start(daemons => ['smtpd'],
    smtpd => { sasl_old_clients => 'no' });
for ([ $pp, 'as usual' ], [ $two, 'sasl_old_clients no' ]) {
	my $lines = $_->[0]->smtp(to => 'submission')->cmd('EHLO c.test');
	like($lines, qr/^250-AUTH PLAIN LOGIN$/m, "$_->[1]: AUTH");
	is($lines =~ /^250-AUTH=PLAIN LOGIN$/m ? 1 : 0, $_->[0] == $pp ? 1 : 0,
	    "$_->[1]: AUTH=");
}
done_testing;
