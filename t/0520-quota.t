#!/usr/bin/perl
# quota: how large a mailbox may be.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->start(smtpd => { quota => '20K' });
my $box = $pp->mailbox('bob');
my $body = join "\n", map { 'x' x 60 } 1 .. 100;
my ($n, $last) = (0, '');
while (($last = $pp->send('bob@example.org', message('m' . ++$n, $body)))
    =~ /^250/) {
	cmp_ok(-s $box, '<=', 20480, "message $n fits");
	last if $n > 5;
}
like($last, qr/^452 4\.2\.2 /, 'then the mailbox is full');
my $size = -s $box;
is($n, 4, 'after three messages');
unlike($pp->mbox('bob'), qr/Subject: m4/, 'nothing of the fourth is there');
like($pp->send('bob@example.org', message('tiny', 'x')), qr/^250/,
    'a small one still fits');
like($pp->send('alice@example.org', message('other', $body)), qr/^250/,
    'another mailbox is not full');
like($pp->send('alice@example.org', message('huge', map { $body } 1 .. 5)),
    qr/^552 5\.2\.2 /, 'a message larger than that is refused for good');
is(() = glob("$pp->{dir}/queue/*/*"), 0, 'nothing was queued');

# Said at RCPT already: what is full, and what could never fit.
my $full = $pp->mailbox('bob');
my $was = -s $full;
open my $f, '>>', $full or die "$full: $!";
print $f "From x\@y Mon Jan  5 10:00:00 2026\n\n", "fill\n" x 4000, "\n";
close $f;
my $s = $pp->smtp;
$s->cmd('EHLO c.test');
$s->expect('MAIL FROM:<a@b.test>', qr/^250/);
$s->expect('RCPT TO:<bob@example.org>', qr/^452 4\.2\.2 <bob\@example\.org>: The mailbox is full/);
$s->expect('RCPT TO:<carol@example.org>', qr/^250/, 'another one is not');
$s->cmd('RSET');
$s->expect('MAIL FROM:<a@b.test> SIZE=30000', qr/^250/);
$s->expect('RCPT TO:<carol@example.org>', qr/^552 5\.2\.2 /, 'too large for any');
$s->cmd('RSET');
$s->expect('MAIL FROM:<a@b.test> SIZE=19000', qr/^250/);
$s->expect('RCPT TO:<carol@example.org>', qr/^250/, 'it would fit');
$s->cmd('QUIT');
truncate $full, $was;

# Room again.
my $p = $pp->pop3_as('bob');
$p->cmd('DELE 1');
$p->cmd('QUIT');
like($pp->send('bob@example.org', message('again', $body)), qr/^250/,
    'room after a deletion');
cmp_ok(-s $box, '<=', 20480, 'and the limit is kept');

done_testing;
