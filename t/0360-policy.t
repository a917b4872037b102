#!/usr/bin/perl
# What smtpd.conf says about clients: networks, rates, the greeting, HELO,
# senders; and XCLIENT and XFORWARD from trusted ones.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use MIME::Base64;
use Time::HiRes qw(sleep time);
use Pennypost;

my $pp = Pennypost->new(daemons => ['smtpd']);
my $addr = $pp->addr;
# Loopback has addresses for everybody.
my ($bad, $relay, $proxy, $fast, $slow) = map { network($_) } 2 .. 6;
$pp->write_config('smtpd', grace_time => '1s',
	refuse_networks => [ "$bad/32", '192.0.2.66' ],
	relay_networks => $relay, xclient_networks => $proxy);
$pp->start;
sub from {
	my ($source, %o) = @_;
	return Pennypost::Talk->tcp($addr, $pp->port($o{to} || 'mx'),
	    kind => 'smtp', source => $source);
}

# ---- networks ----
my $s = from($bad);
like($s->reply, qr/^554 5\.7\.1 .*Access denied/, 'refuse_networks: 554');
$s->expect('EHLO c.test', qr/^503 5\.5\.1 /, 'nothing else is answered');
$s->expect('QUIT', qr/^221 /, 'but QUIT (RFC 5321 3.1)');
ok($s->closed, 'and closed');
$s = from($bad);
$s->reply;
like($s->reply(20 * Pennypost::slow()), qr/^421 4\.4\.2 /,
    'it is not waited for that long');
$pp->log_like('smtpd', qr/NOQUEUE: reject: CONNECT from localhost\[\Q$bad\E\]: 554 5\.7\.1 <.*>: Client host rejected: Access denied; proto=SMTP$/,
    'in the log as Postfix has it');
for my $c ([ $addr, qr/^550 5\.7\.1 .*Relay access denied/, 'anybody' ],
    [ $relay, qr/^250 2\.1\.5 /, 'relay_networks' ]) {
	my $r = from($c->[0]);
	$r->reply;
	$r->cmd('EHLO c.test');
	$r->cmd('MAIL FROM:<a@b.test>');
	$r->expect('RCPT TO:<x@elsewhere.test>', $c->[1], "relaying: $c->[2]");
}

# ---- XCLIENT ----
$s = from($addr);
$s->reply;
unlike($s->cmd('EHLO c.test'), qr/XCLIENT|XFORWARD/, 'not offered to anybody');
$s->expect('XCLIENT ADDR=192.0.2.1', qr/^550 5\.7\.0/, 'and refused');
$s->expect('XFORWARD ADDR=192.0.2.1', qr/^550 5\.7\.0/, 'XFORWARD too');
$s = from($proxy);
$s->reply;
my $ehlo = $s->cmd('EHLO c.test');
like($ehlo, qr/^250[ -]XCLIENT NAME ADDR PORT PROTO HELO\r?$/m, 'EHLO: XCLIENT');
like($ehlo, qr/^250[ -]XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r?$/m,
    'XFORWARD');
for my $c ([ 'XCLIENT', '5.5.4' ], [ 'XCLIENT LOGIN=alice', '5.5.4' ],
    [ 'XCLIENT ADDR=x', '5.5.4' ], [ 'XCLIENT NAME=a+0Ab.test', '5.5.4' ],
    [ 'XCLIENT COLOUR=red', '5.5.4' ], [ 'XCLIENT PORT=70000', '5.5.4' ],
    [ 'XCLIENT ADDR', '5.5.4' ]) {
	$s->expect($c->[0], qr/^501 \Q$c->[1]\E/, "$c->[0]: 501");
}
$s->cmd('MAIL FROM:<a@b.test>');
$s->expect('XCLIENT ADDR=192.0.2.1', qr/^503/, 'not within a transaction');
$s->expect('XFORWARD ADDR=192.0.2.1', qr/^503/, 'nor XFORWARD');
$s->cmd('RSET');
$s->expect('XCLIENT NAME=c.example ADDR=192.0.2.1 PORT=4711 PROTO=ESMTP HELO=h',
    qr/^220 mail\.example\.org ESMTP/, 'XCLIENT: a new greeting');
$pp->log_like('smtpd',
    qr/XCLIENT from localhost\[\Q$proxy\E\]: the client is c\.example\[192\.0\.2\.1\]$/,
    'logged');
$s->expect('MAIL FROM:<a@b.test>', qr/^503 5\.5\.1 Say/, 'a new session');
$s->cmd('EHLO d.test');
$s->cmd('MAIL FROM:<a@b.test>');
$s->expect('RCPT TO:<x@elsewhere.test>', qr/^550 5\.7\.1/,
    'rights are not announced');
$s->cmd('RCPT TO:<alice@example.org>');
$s->cmd('DATA');
$s->data(message('announced'));
like($pp->mbox('alice'), qr/^Received: from d\.test \(c\.example \[192\.0\.2\.1\]\)/m,
    'the trace names the client');
$s->expect('XCLIENT ADDR=IPV6:2001:db8::5 NAME=[UNAVAILABLE]', qr/^220/,
    'IPv6, and again');
$s->cmd('EHLO e.test');
$pp->log_like('smtpd', qr/client is unknown\[2001:db8::5\]$/, 'logged');
$s->expect('XCLIENT ADDR=192.0.2.66', qr/^554 5\.7\.1/,
    'whom we refuse is refused when announced');
$s->expect('QUIT', qr/^221 /, 'QUIT');
ok($s->closed, 'and closed');
$s = from($proxy);
$s->reply;
$s->cmd('EHLO c.test');
$s->expect('XFORWARD NAME=f.example ADDR=192.0.2.9 IDENT=4F+2BA SOURCE=REMOTE',
    qr/^250 2\.0\.0/, 'XFORWARD');
$s->cmd('MAIL FROM:<a@b.test>');
$s->cmd('RCPT TO:<alice@example.org>');
$pp->log_like('smtpd', qr/: client=localhost\[\Q$proxy\E\], orig_queue_id=4F\+A, orig_client=f\.example\[192\.0\.2\.9\]$/,
    'where it came from is in the log');

# ---- whose sender ----
sub login {
	my $t = from($addr, to => 'submission');
	$t->reply;
	$t->cmd('EHLO c.test');
	$t->cmd('AUTH PLAIN ' . encode_base64("\0alice\0alice-pass", ''));
	return $t;
}
$s = login();
for my $good ('alice@example.org', 'alice+news@example.org', 'ALICE@Example.Org',
    'postmaster@example.org', '') {
	$s->expect("MAIL FROM:<$good>", qr/^250/, "alice may send as <$good>");
	$s->cmd('RSET');
}
for my $no ('bob@example.org', 'alice@elsewhere.test', 'bob+alice@example.org',
    'nobody@example.org') {
	$s->expect("MAIL FROM:<$no>", qr/^553 5\.7\.1 .*not owned by user alice/,
	    "and not as <$no>");
}
$pp->log_like('smtpd', qr/NOQUEUE: reject: MAIL from .*553 5\.7\.1 <bob\@example\.org>: Sender address rejected/,
    'logged');
$_->close for $s;
is($pp->stop('smtpd'), 0, 'stopped');

# ---- the other choices ----
$pp->write_config('smtpd', helo_required => 'no', helo_syntax => 'strict',
	submission_senders => 'any', greet_delay => '1s',
	client_message_rate => '2/1m');
is($pp->launch('smtpd'), '', 'other settings');
my $t0 = time;
$s = from($slow);
like($s->reply, qr/^220/, 'a client that waits is greeted');
cmp_ok(time - $t0, '>=', 0.95, 'after the delay');
$s->expect('MAIL FROM:<a@b.test>', qr/^250/, 'helo_required no: without HELO');
$s->cmd('RCPT TO:<bob@example.org>');
$s->cmd('DATA');
$s->data(message('no helo'));
like($pp->mbox('bob'), qr/^Received: from unknown \(localhost \[127/m,
    'its trace has a name all the same');
for my $n ('a..b', '[1.2.3]', '-x.test', 'a b', '*') {
	$s->expect("EHLO $n", qr/^501 5\.5\.2 .*Helo command rejected/,
	    "helo_syntax strict: $n");
}
for my $n ('c.test', '[192.0.2.1]', '[IPv6:2001:db8::1]', 'localhost') {
	$s->expect("EHLO $n", qr/^250/, "strict: $n is good");
}
$s->expect('MAIL FROM:<a@b.test>', qr/^250/, 'client_message_rate: the second');
$s->cmd('RSET');
$s->expect('MAIL FROM:<a@b.test>', qr/^450 4\.7\.1/, 'and no third');
$pp->log_like('smtpd', qr/warning: Message delivery request rate limit exceeded: 3 from localhost\[\Q$slow\E\] for service smtpd$/,
    'logged');
# One is early enough, wherever it has to wait for its turn.
ok(wait_for(60, sub {
	$s = from($fast);
	$s->raw("EHLO early.test\r\nMAIL FROM:<a\@b.test>\r\n");
	return $s->reply =~ /^554 5\.5\.1 .*Protocol error/;
}), 'an early talker is refused');
ok($s->closed, 'and nothing of it was read as a command');
$pp->log_like('smtpd', qr/PREGREET \d+ after \d\.\d\d from localhost\[\Q$fast\E\]: EHLO early\.test/,
    'in the log as postscreen has it');
ok(quick(0.9, sub { from($relay)->reply =~ /^220/ }),
    'relay_networks need not wait');
$s = login();
$s->expect('MAIL FROM:<anybody@elsewhere.test>', qr/^250/,
    'submission_senders any');
$s->close;
$pp->stop('smtpd');

$pp->write_config('smtpd', greet_delay => undef, helo_required => undef,
	client_message_rate => undef,
	client_connection_rate => '3/' . 8 * slow() . 's');
is($pp->launch('smtpd'), '', 'connection rate');
# A window may end in between, once.
my ($served, $r) = (0, '');
for (1 .. 7) {
	$s = from($fast);
	$r = $s->reply;
	last if $r !~ /^220/;
	$served++;
	$s->cmd('QUIT');
}
cmp_ok($served, '>=', 3, "$served connections are served");
like($r, qr/^421 4\.7\.0 .*too often/, 'the next is too many');
ok($s->closed, 'closed');
$pp->log_like('smtpd', qr/warning: Connection rate limit exceeded: 4 from localhost\[\Q$fast\E\] for service smtpd$/,
    'in the log as Postfix has it');
like(from($slow)->reply, qr/^220/, 'others are not concerned');
ok(wait_for(60, sub { sleep 0.3; from($fast)->reply =~ /^220/ }),
    'and later it may come again');
done_testing();
