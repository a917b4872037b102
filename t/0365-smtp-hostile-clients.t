#!/usr/bin/perl
# Clients that want our memory or our time: a connection's memory is bounded,
# whatever it sends, and two hundred who only hold on keep nobody out.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Socket::INET;
use Time::HiRes qw(time sleep);
use Pennypost;

my $pp = Pennypost->start(daemons => ['smtpd'],
    users => { (map { $_ => undef } qw(alice bob carol)),
	map { ("user$_" => '*') } 1 .. 1200 }, smtpd => {
	message_size_max => '1M', errors_max => 1000, workers_per_client => 40 });

# What the largest worker has for itself, in KiB.
sub resident {
	my ($most) = 0;
	for my $pid ($pp->pids('smtpd', 'worker')) {
		my $f = "/proc/$pid/status";
		open my $h, '<', $f or next;
		my ($kib) = join('', <$h>) =~ /^RssAnon:\s+(\d+)/m or next;
		$most = $kib if $kib > $most;
	}
	return $most;
}
my $before = resident();
ok($before > 0, "a worker has $before KiB of its own");
# Two pieces of a message, buffers, and 1,000 recipients with all they may have.
my $bound = $before + 1536 * Pennypost::slow() ** 2;

my @attacks = (
	[ 'an endless line', sub {
		my $s = shift;
		$s->raw('x' x 65536) for 1 .. 320;
		$s->raw("\r\n");
		like($s->reply, qr/^500 5\.5\.2 /, 'is refused');
	} ],
	[ 'an endless header', sub {
		my $s = shift;
		$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@c.test>',
		    'RCPT TO:<bob@example.org>', 'DATA';
		$s->raw('X: ' . 'x' x 65533) for 1 .. 320;
		$s->raw("\r\n\r\n.\r\n");
		like($s->reply, qr/^552 5\.3\.4 /, 'is too large');
	} ],
	[ 'a flood of header fields', sub {
		my $s = shift;
		$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@c.test>',
		    'RCPT TO:<bob@example.org>', 'DATA';
		$s->raw("From: a\@b\r\n" x 6000) for 1 .. 300;
		$s->raw("\r\n.\r\n");
		like($s->reply, qr/^552 5\.3\.4 /, 'is too large');
	} ],
	[ 'a flood of recipients', sub {
		my $s = shift;
		$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@c.test>';
		my %code;
		for my $n (0 .. 23) {
			$s->raw(join '', map { 'RCPT TO:<user' . (50 * $n + $_) .
			    '@example.org> ORCPT=rfc822;' . 'x' x 480 . "\r\n" }
			    1 .. 50);
			$code{substr $s->reply, 0, 9}++ for 1 .. 50;
		}
		is($code{'250 2.1.5'}, 1000, '1,000 are taken');
		is($code{'452 4.5.3'}, 200, 'and the rest is told to wait');
	} ],
	[ 'a chunk without end', sub {
		my $s = shift;
		$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@c.test>',
		    'RCPT TO:<bob@example.org>';
		$s->raw("BDAT 20971520 LAST\r\n");
		$s->raw("x" x 65536) for 1 .. 320;
		like($s->reply, qr/^552 5\.3\.4 /, 'is too large');
	} ],
);
for (@attacks) {
	my ($name, $code) = @$_;
	my $s = $pp->smtp;
	$code->($s);
	my $most = resident();
	cmp_ok($most, '<', $bound, "$name: $most KiB");
	like($s->cmd('NOOP'), qr/^250 /, 'and the session lives');
	$s->cmd('QUIT');
}

# A message of exactly the limit is none of these, for one or for two.
my $full = "Subject: full\r\n\r\n" . "0123456789abcd\r\n" x 65535;
$full = substr($full, 0, 1048576 - 2) . "\r\n";
like($pp->send($_, $full), qr/^250 2\.0\.0 /, 'as large as can be')
    for 'bob@example.org', ['bob@example.org', 'carol@example.org'];

# Two hundred from ten addresses, each with half a command.
my ($net) = $pp->addr =~ /^(127\.\d+\.\d+)\./;
my @slow;
for my $n (0 .. 199) {
	my $c = IO::Socket::INET->new(PeerAddr => $pp->addr,
	    PeerPort => $pp->port('mx'), LocalAddr => "$net." . (240 + $n % 10),
	    Timeout => 60) or last;
	syswrite $c, 'EHL';
	push @slow, $c;
}
is(scalar @slow, 200, 'two hundred slow clients');
my $fastest = 1e9;
for my $try (1 .. 5) {
	my $start = time;
	my $s = $pp->smtp;
	my $took = time - $start;
	$fastest = $took if $took < $fastest;
	like($s->cmd('EHLO c.test'), qr/^250/, 'and served');
	syswrite $_, 'O' for @slow[0 .. 99];
	$s->cmd('QUIT');
}
cmp_ok($fastest, '<', 1 * Pennypost::slow(),
    sprintf 'an honest client is greeted after %.0f ms', $fastest * 1000);
$_->close for @slow;
done_testing;
