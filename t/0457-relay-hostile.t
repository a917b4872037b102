#!/usr/bin/perl
# Servers that mean harm, or are broken: a sender survives them in bounded time
# and memory, and nothing of theirs reaches a log or a report unharmed.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use File::Temp;
use Time::HiRes qw(time);
use Pennypost;
use Pennypost::Drive;
use Pennypost::Peer;

my $dir = File::Temp->newdir;
my $addr = network(1);
my $text = "Subject: a\r\n\r\nb\r\n";
my $d = Pennypost::Drive->new("$dir", relay_reply_timeout => '500ms',
    relay_connect_timeout => '2s');
my $patient = Pennypost::Drive->new("$dir");
sub flood { # until the client hangs up
	my ($c, $what) = @_;
	my $n = 0;
	while (my $w = syswrite $c, $what) {
		last if ($n += $w) > 300_000_000;
	}
	return;
}
sub drip {
	my ($c, $what) = @_;
	for (1 .. 600) {
		syswrite $c, $what or return;
		select undef, undef, undef, 0.1;
	}
	return;
}
my @evil = (
	[ 'an endless line', sub { flood($_[0], 'x' x 65536) } ],
	[ 'an endless reply', sub { flood($_[0], "250-more\r\n" x 5000) } ],
	[ 'endless NULs', sub { flood($_[0], "\0" x 65536) } ],
	[ 'lines of a megabyte', sub { flood($_[0], '250-' . 'y' x 1048576 . "\r\n") } ],
	[ 'octets one by one', sub { drip($_[0], '2') } ],
	[ 'lines one by one', sub { drip($_[0], "250-x\r\n") } ],
	[ 'silence', sub { sleep 60; undef } ],
	[ 'the end', sub { undef } ],
	[ 'half a line', sub { syswrite $_[0], '250'; undef } ],
	[ 'another protocol', sub { syswrite $_[0], "HTTP/1.1 400 Bad\r\n\r\n"; undef } ],
	[ 'two codes', sub { syswrite $_[0], "250-a\r\n550 b\r\n"; undef } ],
	[ 'noise', sub { flood($_[0], pack 'C*', map { $_ % 256 } 1 .. 65536) } ],
	[ 'an empty line', sub { syswrite $_[0], "\r\n"; undef } ],
	[ 'a code of 999', sub { syswrite $_[0], "999 what\r\n"; undef } ],
);
my @where = ('greeting', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'end');
for my $e (@evil) {
	my ($name, $do) = @$e;
	# Slow ones at two places only.
	for my $at ($name =~ /one by one|silence/ ? ('greeting', 'end') :
	    $name =~ /endless|mega|noise/ ? ('EHLO', 'RCPT', 'end') : @where) {
		my $p = Pennypost::Peer->new(dir => "$dir", addr => $addr,
		    caps => ['PIPELINING'],
		    $at eq 'greeting' ? (greeting => $do) :
		    $at eq 'end' ? (finish => $do) : (reply => { $at => $do }));
		my $t0 = time;
		my $r = $d->send("smtp:$addr:" . $p->port, $text, 'b@x.example',
		    'c@x.example');
		is(join(' ', map { $_->{outcome} } @{ $r->{rcpt} }),
		    'deferred deferred', "$name at $at: put off");
		cmp_ok(time - $t0, '<', 45 * slow(), 'in time');
		unlike(join('', map { $_->{text} } @{ $r->{rcpt} }),
		    qr/[^\x20-\x7e]/, 'with a text of ours');
		$p->end;
	}
}
# Texts that would do something to a terminal, a log or a report.
my $p = Pennypost::Peer->new(dir => "$dir", addr => $addr, reply => {
	RCPT => "550 5.1.1 \e[2J\0\x07\xff\xc3\xa4 <evil>\r\n" });
my $r = $patient->send("smtp:$addr:" . $p->port, $text, 'b@x.example');
is($r->{rcpt}[0]{text}, '550 5.1.1 ?[2J????? <evil>',
    'control characters and what is not UTF-8 are gone');
$p = Pennypost::Peer->new(dir => "$dir", addr => $addr, reply => {
	RCPT => "550 5.1.1 " . 'long ' x 1000 . "\r\n" });
$r = $patient->send("smtp:$addr:" . $p->port, $text, 'b@x.example');
is("$r->{rcpt}[0]{outcome} " . length $r->{rcpt}[0]{text}, 'bounced 399',
    'a long text is cut');
# A status code that does not fit its reply.
$p = Pennypost::Peer->new(dir => "$dir", addr => $addr, reply => {
	RCPT => "550 2.0.0 fine\r\n" });
$r = $patient->send("smtp:$addr:" . $p->port, $text, 'b@x.example');
is($r->{rcpt}[0]{dsn}, '5.0.0', 'a status code of another class is none');
# 2xx where content was to be asked for.
$p = Pennypost::Peer->new(dir => "$dir", addr => $addr,
    reply => { DATA => "250 fine already\r\n" });
$r = $patient->send("smtp:$addr:" . $p->port, $text, 'b@x.example');
is($r->{rcpt}[0]{outcome}, 'deferred', '250 to DATA sends nothing');
# Something behind the reply to STARTTLS, in clear (CVE-2011-0411).
my $rest = Pennypost::Peer->new(dir => "$dir", addr => $addr,
    caps => ['STARTTLS'], reply => { STARTTLS =>
	"220 go\r\n250-x\r\n250 AUTH PLAIN\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n" });
my $strict = Pennypost::Drive->new("$dir", relay_reply_timeout => '2s',
    relay_tls => 'must');
$r = $strict->send("smtp:$addr:" . $rest->port, $text, 'b@x.example');
is($r->{rcpt}[0]{outcome}, 'deferred',
    'replies in clear behind STARTTLS are not taken for replies in TLS');
is($strict->end, 0, 'that sender lives');
my ($rss) = Pennypost::slurp("/proc/$d->{pid}/status") =~ /VmHWM:\s+(\d+)/;
cmp_ok($rss, '<', 60_000, "memory is bounded ($rss KiB)")
    unless ($ENV{V} || '') eq 'asan';
is($d->end, 0, 'the sender lives through all of it');
done_testing;
