#!/usr/bin/perl
# Sizes and counts of RFC 5321 4.5.3, timeouts, errors of clients.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Pennypost;

my $pp = Pennypost->start(daemons => ['smtpd'], smtpd => {
	message_size_max => 100000, errors_max => 10, recipients_max => 100 });
sub session {
	my $s = $pp->smtp;
	$s->cmd($_) for 'EHLO c.test', @_;
	return $s;
}
my @to_bob = ('MAIL FROM:<a@client.test>', 'RCPT TO:<bob@example.org>');

# Lines (4.5.3.1.4: 512 octets with CRLF must be taken).
my $s = session();
$s->expect('NOOP ' . 'x' x 505, qr/^250 /, 'a line of 512 octets');
$s->expect('NOOP ' . 'x' x 20000, qr/^500 5\.5\.[26] /, 'a line of 20,000');
$s->expect('NOOP', qr/^250 /, 'its tail was no command');
$s->raw('NOOP ' . 'x' x 3_000_000 . "\r\n");
like($s->reply, qr/^500 5\.5\.[26] /, 'a line of 3 MB');
$s->expect('NOOP', qr/^250 /, 'and after it');
$s->drip("NOOP\r\n");
like($s->reply, qr/^250 /, 'a command octet by octet');

# Local part of 64, domain of 255, path of 256 octets.
my $domain = join '.', ('d' x 60) x 3;
$s->expect('MAIL FROM:<' . 'l' x 64 . "\@$domain>", qr/^250 /,
    'local part of 64 octets, path of 249');
$s->expect('RCPT TO:<bob@example.org>', qr/^250 /);
$s->cmd('DATA');
like($s->data(message('long sender')), qr/^250 /, 'delivered');

# 100 recipients must be taken; more may be refused with 452.
$s = session('MAIL FROM:<a@client.test>');
my @r = map { $s->cmd("RCPT TO:<bob+$_\@example.org>") } 1 .. 100;
is(scalar(grep { /^250 / } @r), 100, '100 recipients');
$s->expect('RCPT TO:<bob+101@example.org>', qr/^452 4\.5\.3 /,
    'the 101st: 452 (4.5.3.1.10)');
$s->expect('NOOP', qr/^250 /, 'the transaction goes on');

# Message size, announced or not.
$s = session();
$s->expect('MAIL FROM:<a@client.test> SIZE=100001', qr/^552 5\.3\.4 /,
    'announced too large');
$s = session(@to_bob, 'DATA');
my $before = length $pp->mbox('bob');
like($s->data("Subject: x\r\n\r\n" . ('y' x 98 . "\r\n") x 1100),
    qr/^552 5\.3\.4 /, 'too large without a word');
is(length $pp->mbox('bob'), $before, 'nothing of it is kept');
$s->expect('MAIL FROM:<a@client.test>', qr/^250 /, 'the session goes on');

# A message of 3 MB over the limit costs its sender, not us.
$s = session(@to_bob, 'DATA');
like($s->data('' . ('y' x 998 . "\r\n") x 3000), qr/^552 /, '3 MB: read and refused');

# Errors: after errors_max 421.
$s = session();
my $n = 0;
my $r;
while ($n++ < 30) {
	$r = $s->cmd('NONSENSE');
	last unless $r =~ /^500/;
}
like($r, qr/^421 4\.7\.0 /, 'too many errors: 421');
cmp_ok($n, '<=', 11, "after $n");
ok($s->closed, 'and closed');
$pp->log_like('smtpd', qr/too many errors after \S+ from \S+\[127\./,
    'and logged');
$s = session('MAIL FROM:<a@client.test>');
$n = 0;
while ($n++ < 30) {
	$r = $s->cmd("RCPT TO:<no$n\@example.org>");
	last unless $r =~ /^550/;
}
like($r, qr/^421 4\.7\.0 /, 'guessing recipients counts as errors');

# Gone.
$s = session(@to_bob, 'DATA');
$s->raw("Subject: gone\r\n\r\nmore\r\n");
$s->abort;
$pp->log_like('smtpd', qr/lost connection after DATA/, 'gone in DATA');
is(length $pp->mbox('bob'), $before, 'and nothing was delivered');
$s = session(@to_bob, 'DATA');
$s->raw("Subject: half\r\n\r\nmore\r\n.\r");
my $at = length $pp->log('smtpd');
$s->close;
$pp->log_like('smtpd', qr/lost connection after DATA/, 'gone in its end',
    after => $at);
is(length $pp->mbox('bob'), $before, 'nor after half an end of data');

# A client that does not read its replies.
$s = $pp->connect('mx');
$s->raw("EHLO c.test\r\n") for 1 .. 1000;
is($pp->smtp->{greeting} =~ /^220/, 1, 'others are served meanwhile');

# Idle, for longer than this test itself may have to wait for its turn.
my $idle = 5 * slow();
$s->abort;
$pp->write_config('smtpd', command_timeout => "${idle}s",
    data_timeout => "${idle}s");
$pp->reload_done('smtpd');
$s = session();
my $d = session(@to_bob, 'DATA');
my $t = time;
$d->raw("Subject: never finished\r\n\r\nmore");
like($s->reply(60), qr/^421 4\.4\.2 /, 'an idle client gets 421');
cmp_ok(time - $t, '<', 60 * slow(), 'after command_timeout');
ok($s->closed, 'and is closed');
$pp->log_like('smtpd', qr/timeout after EHLO from \S+\[127\./, 'logged');
like($d->reply(60), qr/^421 4\.4\.2 |^$/, 'idle in DATA');
is(length $pp->mbox('bob'), $before, 'nothing was delivered');
$pp->log_like('smtpd', qr/timeout after DATA/, 'logged');
done_testing;
