#!/usr/bin/perl
# Kinds of listeners: LMTP (RFC 2033), Unix sockets, IPv6, clients announced by
# the PROXY protocol.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Socket::UNIX;
use Pennypost;

my $pp = Pennypost->new(daemons => ['smtpd']);
my ($dir, $addr) = ($pp->dir, $pp->addr);
mkdir "$dir/run" or die $!;
chmod 0755, "$dir/run";
my %port = (lmtp => 2424, proxy => 2526, proxys => 2527,
    six => hold_port('::1') // 2525);
$pp->write_config('smtpd',
	listen => [ "mx $addr:" . $pp->port('mx'),
		"lmtp $addr:$port{lmtp}",
		"mx unix:$dir/run/smtp 0666",
		"lmtp unix:$dir/run/lmtp 0600",
		"mx $addr:$port{proxy} proxy",
		"smtps $addr:$port{proxys} proxy",
		"mx [::1]:$port{six}" ],
	proxy_networks => "$addr/32",
	workers_per_client => 3, grace_time => "1s");
# What a dead server left behind.
my $old = IO::Socket::UNIX->new(Local => "$dir/run/smtp", Listen => 1);
close $old;
$pp->start;

sub tcp { Pennypost::Talk->tcp($addr, @_, kind => 'smtp', source => $addr) }
sub local_talk {
	my $sock = IO::Socket::UNIX->new(Peer => "$dir/run/$_[0]") or return;
	return bless { in => $sock, out => $sock, sock => $sock, buf => '',
		kind => 'smtp', seconds => Pennypost::most(20) },
	    'Pennypost::Talk';
}
# A session that was greeted.  Who has said QUIT or gone counts until the pool
# has heard of it; till then there is one too many.
sub greeted {
	my ($connect) = @_;
	my $s;
	my $g = '';
	wait_for(30, sub {
		$s = $connect->();
		$g = $s->reply;
		return $g !~ /^421 4\.7\.0/;
	});
	like($g, qr/^220/, $_[1] || 'there is room');
	return $s;
}

# ---- LMTP ----
my $l = tcp($port{lmtp});
like($l->reply, qr/^220 mail\.example\.org LMTP /, 'LMTP: greeting');
for my $v (qw(HELO EHLO)) {
	$l->expect("$v c.test", qr/^500 5\.5\.1 .*LHLO/,
	    "$v is 500 there (RFC 2033 4.1)");
}
$l->expect('MAIL FROM:<a@b.test>', qr/^503 5\.5\.1 Say LHLO/, 'LHLO first');
my $lhlo = $l->cmd('LHLO c.test');
like($lhlo, qr/^250[ -]$_$/m, "LHLO shows $_ (RFC 2033 5)")
    for qw(PIPELINING ENHANCEDSTATUSCODES 8BITMIME);
my $help = $l->cmd('HELP');
like((split /and these/, $help)[0], qr/\bLHLO\b/, 'HELP offers LHLO');
unlike((split /and these/, $help)[0], qr/\bEHLO\b/, 'and not EHLO');
$l->expect('MAIL FROM:<a@b.test>', qr/^250/, 'MAIL');
$l->expect('RCPT TO:<nobody@example.org>', qr/^550 5\.1\.1/, 'an unknown user');
$l->expect('DATA', qr/^503 5\.5\.1/,
    'DATA without a valid recipient is 503 (RFC 2033 4.2)');
$l->expect("RCPT TO:<$_\@example.org>", qr/^250/, "RCPT $_")
    for qw(alice bob alice carol);
$l->expect('DATA', qr/^354/, 'DATA');
mkdir $pp->mailbox('bob') or die $!; # cannot be a mailbox
my @r = ($l->data(message('lmtp')), map { $l->reply } 1 .. 3);
like($r[0], qr/^250 2\.1\.5 <alice\@example\.org>/, 'alice: delivered');
like($r[1], qr/^450 4\.2\.0 <bob\@example\.org>/, 'bob: not');
like($r[2], qr/^250 2\.1\.5 <alice\@/,
    'alice was named twice: a reply for each RCPT');
like($r[3], qr/^250 2\.1\.5 <carol\@/, 'carol: delivered');
$l->expect('NOOP', qr/^250 2\.0\.0/, 'and no reply more');
rmdir $pp->mailbox('bob');
my @box = $pp->mbox('alice') =~ /^Subject: lmtp$/mg;
is(scalar @box, 1, 'she has it once');
like($pp->mbox('carol'), qr/ with LMTP id /, 'Received says LMTP (RFC 3848)');
is(scalar(() = glob "$dir/queue/active/*"), 0, 'nothing is in the queue');
# Content that nobody gets: a reply for each, and the session goes on.
$l->cmd('MAIL FROM:<a@b.test>');
$l->cmd("RCPT TO:<$_\@example.org>") for qw(alice carol);
$l->cmd('DATA');
my $hops = join '', map { "Received: $_\r\n" } 1 .. 101;
@r = ($l->data("$hops\r\nx\r\n"), $l->reply);
like($_, qr/^554 5\.4\.6/, 'a loop: refused for each recipient') for @r;
$l->expect('QUIT', qr/^221/, 'and QUIT is still answered');

# ---- Unix sockets ----
ok(-S "$dir/run/smtp", 'a stale socket is replaced');
is((stat "$dir/run/lmtp")[2] & 0777, 0600, 'permissions as configured');
is((stat "$dir/run/smtp")[2] & 0777, 0666, 'of each');
my $u = local_talk('smtp');
like($u->reply, qr/^220 .* ESMTP/, 'SMTP over a Unix socket');
$u->cmd('EHLO me');
$u->cmd('MAIL FROM:<me@b.test>');
$u->expect('RCPT TO:<carol@example.org>', qr/^250/, 'recipient');
$u->cmd('RCPT TO:<x@elsewhere.test>');
$u->cmd('DATA');
like($u->data(message('local')), qr/^250/, 'message');
$u->cmd('QUIT');
wait_for(20, sub { $pp->mbox('carol') =~ /^Subject: local$/m }); # by the queue
like($pp->mbox('carol'), qr/^Received: from me \(localhost \[local\]\)/m,
    'the trace says local');
$pp->log_like('smtpd', qr/smtpd\[\d+\]: connect from localhost\[local\]$/,
    'the log, too');
$pp->log_like('smtpd', qr/: client=localhost\[local\], uid=$>$/,
    'and who it was');
my @held = map { greeted(sub { local_talk('smtp') }) } 1 .. 3;
my $one_more = local_talk('smtp');
like($one_more->reply, qr/^421 4\.7\.0/, 'users are limited, too');
@held = ();

# ---- IPv6 ----
SKIP: {
	my $s6 = eval { require IO::Socket::IP;
		IO::Socket::IP->new(PeerHost => '::1',
		    PeerPort => $port{six}, Timeout => 60) };
	skip 'no IPv6 here', 1 unless $s6;
	like(scalar <$s6>, qr/^220 /, 'IPv6');
	$pp->log_like('smtpd', qr/connect from localhost\[::1\]$/, 'and logged');
}

# ---- PROXY ----
my $v2 = "\r\n\r\n\0\r\nQUIT\n";
sub v2 { "$v2\x21\x11\0\x0c" . pack('C4C4nn', @_) }
sub proxied {
	my ($header, %o) = @_;
	my $s = tcp($o{port} || $port{proxy}, %o);
	$s->raw($header);
	return $s;
}
my $p = proxied("PROXY TCP4 192.0.2.7 192.0.2.8 4711 25\r\n");
like($p->reply, qr/^220/, 'PROXY version 1');
$pp->log_like('smtpd', qr/proxy \[\Q$addr\E\] announces \[192\.0\.2\.7\]:4711$/,
    'who announced it is logged');
$pp->log_like('smtpd', qr/connect from unknown\[192\.0\.2\.7\]$/,
    'and the client by its address');
$p->cmd('EHLO c.test');
$p->cmd('MAIL FROM:<a@b.test>');
$p->cmd('RCPT TO:<alice@example.org>');
$p->cmd('DATA');
$p->data(message('proxied'));
like($pp->mbox('alice'), qr/^Received: from c\.test \(unknown \[192\.0\.2\.7\]\)/m,
    'and in the trace');
my @more = map { greeted(sub {
	proxied(v2(192, 0, 2, 7, 192, 0, 2, 8, 1, 25)) }) } 1 .. 2;
like(proxied(v2(192, 0, 2, 7, 192, 0, 2, 8, 1, 25))->reply, qr/^421 4\.7\.0/,
    'the announced client is what is limited');
like(proxied(v2(192, 0, 2, 9, 192, 0, 2, 8, 1, 25))->reply, qr/^220/,
    'another one is not: version 2');
greeted(sub { proxied("PROXY UNKNOWN\r\n") }, 'UNKNOWN: the proxy itself');
greeted(sub { proxied("$v2\x20\0\0\0") }, 'LOCAL: a health check');
@more = ();
# One octet at a time, and the first command right behind the header.
$p = tcp($port{proxy});
$p->drip("PROXY TCP6 2001:db8::7 2001:db8::8 4711 25\r\n");
like($p->reply, qr/^220/, 'in single octets');
$pp->log_like('smtpd', qr/connect from unknown\[2001:db8::7\]$/, 'IPv6');
$p = greeted(sub { proxied("PROXY TCP4 192.0.2.7 192.0.2.8 4711 25\r\nNOOP\r\n") },
    'what follows the header');
like($p->reply, qr/^250/, 'is read as commands');
for my $bad ([ 'no header' => "EHLO c.test\r\n" ],
    [ 'a bad port' => "PROXY TCP4 192.0.2.7 192.0.2.8 4711 99999\r\n" ],
    [ 'a bad length' => "$v2\x21\x11\0\x04abcd" ],
    [ 'no end' => 'PROXY ' . 'x' x 200 ]) {
	my $s = proxied($bad->[1]);
	ok($s->closed, "closed without a word: $bad->[0]");
}
$pp->log_like('smtpd', qr/warning: no PROXY header from \[\Q$addr\E\]: what it sent/,
    'and logged');
my $stranger = Pennypost::Talk->tcp($addr, $port{proxy}, kind => 'smtp',
    source => '127.0.0.1');
$stranger->raw("PROXY TCP4 192.0.2.7 192.0.2.8 4711 25\r\n");
ok($stranger->closed, 'nobody else may announce');
$pp->log_like('smtpd', qr/PROXY listener from \[127\.0\.0\.1\], which is not in/,
    'logged');
my $m = $pp->smtp;
$m->expect('PROXY TCP4 192.0.2.7 192.0.2.8 1 2', qr/^421 /,
    'on other listeners it is no SMTP');
SKIP: {
	skip 'no IO::Socket::SSL', 2 unless have('IO::Socket::SSL');
	my $s = proxied("PROXY TCP4 192.0.2.77 192.0.2.8 4711 465\r\n",
	    port => $port{proxys});
	$s->handshake;
	like($s->reply, qr/^220/, 'the header goes before TLS');
	$pp->log_like('smtpd', qr/connect from unknown\[192\.0\.2\.77\]$/, 'logged');
}
is($pp->stop('smtpd'), 0, 'it ends in order');

# ---- what must not be ----
for my $c ([ "$dir/nowhere/smtp", qr/No such file/ ],
    [ "$dir/open/smtp", qr/writable for nobody else/ ],
    [ "$dir/run/file", qr/it is no socket/ ]) {
	mkdir "$dir/open";
	chmod 0777, "$dir/open";
	spew("$dir/run/file", 'x');
	$pp->write_config('smtpd', listen => "mx unix:$c->[0]");
	my $why = $pp->launch('smtpd');
	like($why, $c->[1], "refused: $c->[0]");
	$pp->stop('smtpd') unless $why;
}
is(slurp("$dir/run/file"), 'x', 'a file is left alone');
done_testing();
