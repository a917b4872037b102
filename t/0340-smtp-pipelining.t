#!/usr/bin/perl
# RFC 2920: groups of commands in one packet; one reply each, in order.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->start(daemons => ['smtpd']);

my $s = $pp->smtp;
$s->cmd('EHLO c.test');
$s->raw(join '', map "$_\r\n", 'MAIL FROM:<a@client.test>',
    'RCPT TO:<bob@example.org>', 'RCPT TO:<nobody@example.org>',
    'RCPT TO:<carol@example.org>', 'DATA');
my @r = map { $s->reply } 1 .. 5;
is(join(' ', map { substr $_, 0, 3 } @r), '250 250 550 250 354',
    'a group gets one reply each');
$s->raw(message('grouped') . ".\r\nMAIL FROM:<b\@client.test>\r\n" .
    "RCPT TO:<bob\@example.org>\r\nDATA\r\n");
@r = map { $s->reply } 1 .. 4;
is(join(' ', map { substr $_, 0, 3 } @r), '250 250 250 354',
    'the next group comes right behind the content');
$s->raw(message('second') . ".\r\nQUIT\r\n");
@r = map { $s->reply } 1 .. 2;
is(join(' ', map { substr $_, 0, 3 } @r), '250 221', 'QUIT, too');
ok($s->closed, 'closed');
wait_for(5, sub { $pp->mbox('carol') ne '' }); # through the queue
for my $u (qw(bob carol)) {
	ok(wait_for(10, sub { $pp->mbox($u) =~ /Subject: grouped/ }),
	    "delivered to $u");
}
like($pp->mbox('bob'), qr/Subject: second/, 'and the second');

# No valid recipient and DATA in the same group: refused, and what follows is
# not content.
$s = $pp->smtp;
$s->cmd('EHLO c.test');
$s->raw(join '', map "$_\r\n", 'MAIL FROM:<a@client.test>',
    'RCPT TO:<nobody@example.org>', 'DATA');
@r = map { $s->reply } 1 .. 3;
like($r[2], qr/^(?:503|554) 5\.5\.1 /, 'DATA without a recipient in a group');
$s->expect('RSET', qr/^250 /);

# A whole session in one packet, octet by octet, and in odd pieces.
my $whole = join '', map "$_\r\n", 'EHLO c.test', 'MAIL FROM:<a@client.test>',
    'RCPT TO:<alice@example.org>';
for my $piece (1, 2, 7, 1000) {
	$s = $pp->smtp;
	$s->raw($_) for $whole =~ /(.{1,$piece})/gs;
	@r = map { $s->reply } 1 .. 3;
	like($r[2], qr/^250 2\.1\.5/, "in pieces of $piece");
}

# What must be waited for: nothing may stand behind it in the same packet.
$s = $pp->smtp;
$s->cmd('EHLO c.test');
$s->raw("STARTTLS\r\nMAIL FROM:<injected\@client.test>\r\n");
my $r = $s->reply;
if ($r =~ /^220/) {
	ok($s->handshake, 'the handshake works');
	$s->expect('RCPT TO:<bob@example.org>', qr/^503 /,
	    'what was injected before it is forgotten');
} else {
	like($r, qr/^(?:421|503|554) /, 'STARTTLS must be waited for');
}

# Commands behind DATA in the same packet as DATA's own: they are content, once
# 354 was given; a server may refuse instead.
$s = $pp->smtp;
$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@client.test>',
    'RCPT TO:<alice@example.org>';
$s->raw("DATA\r\nSubject: early\r\n\r\nx\r\n.\r\n");
$r = $s->reply;
like($r, qr/^(?:354|421|503|554) /, 'content before 354');
done_testing;
