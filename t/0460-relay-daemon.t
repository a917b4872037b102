#!/usr/bin/perl
# The whole daemon sends mail on: through its walls, to servers made here and to
# Postfix's smtp-sink and Postfix.
use strict;
use warnings;
use lib 't/lib';
use MIME::QuotedPrint ();
use Test::More;
use Pennypost;
use Pennypost::Dns;
use Pennypost::Peer;

my $pp = Pennypost->new(daemons => ['smtpd']);
my ($dir, $addr) = ($pp->dir, $pp->addr);
my $tls = Pennypost::Peer->new(dir => $dir, addr => $addr,
    caps => [qw(STARTTLS PIPELINING CHUNKING DSN)],
    tls => [ $pp->certificate('ecdsa') ]);
my $lmtp = Pennypost::Peer->new(dir => $dir, path => "$dir/lmtp.sock",
    lmtp => 1);
my $dead_port = hold_port($addr) // die $!;
my $dns = Pennypost::Dns->new($addr, dir => $dir, zone => {
	'x.example MX' => [ [ 10, 'mx.x.example' ] ],
	'mx.x.example A' => [$addr],
	'null.example MX' => [ [ 0, '' ] ],
});
$pp->write_config('smtpd', dns_servers => $dns->server,
	relay_mx_port => $tls->port, relay_networks => '127.0.0.0/8',
	relay_ip => 'ipv4', retry_min => '1s', relay_reply_timeout => '20s',
	transport => [ "lmtp.example lmtp:unix:$dir/lmtp.sock",
	    "dead.example smtp:$addr:$dead_port" ]);
$pp->start;

my $body = message('onward');
like($pp->send('b@x.example', $body, from => 'alice@example.org'), qr/^250/,
    'mail for another host is taken');
ok(Pennypost::wait_for(20, sub { $tls->messages }), 'and sent on');
like(($tls->messages)[0], qr/\nReceived: .*onward|^Received: .*onward/s,
    'with its trace and content');
is((grep { $_->[0] eq 'tls' } $tls->all)[0][1], 'mx.x.example',
    'by TLS, from inside of the sandbox');
$pp->log_like('smtpd', qr{smtp\[\d+\]: [0-9A-F]+: to=<b\@x\.example>, relay=mx\.x\.example\[\Q$addr\E\]:\d+, delay=[\d.]+, delays=[\d.]+/[\d.]+/[\d.]+/[\d.]+, dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: queued as 1234\)},
    'logged as Postfix does');
my $long = "Gr\xc3\xbc\xc3\x9fe \xff\n" x 30_000;
like($pp->send('eight@x.example', message('eight') . $long,
    from => 'alice@example.org'), qr/^250/, 'octets of eight bits');
ok(Pennypost::wait_for(30, sub { 2 == (() = $tls->messages) }),
    'are taken on to a server without 8BITMIME');
my ($eight) = ($tls->messages)[-1] =~ /\r\n\r\n(.*)/s;
like(($tls->messages)[-1],
    qr/\r\nContent-Transfer-Encoding: quoted-printable\r\n/, 'encoded');
$eight = MIME::QuotedPrint::decode($eight =~ s/\r\n/\n/gr);
ok(index($eight, $long) >= 0, 'and come back as they were');
my @walls = grep { $_->[1] eq 'sender' } $pp->procs('smtpd');
cmp_ok(scalar @walls, '>', 0, 'a sender is there');
for (@walls) {
	my $st = Pennypost::Proc::status($_->[0]);
	is($st->{Seccomp}, ($ENV{V} || '') eq 'asan' ? 0 : 2, 'in its sandbox');
	is((split ' ', $st->{Uid})[0], $pp->role_uid('smtpd', 'relay'),
	    'as a user of its own') if is_root();
	is(readlink("/proc/$_->[0]/root"), "$dir/empty", 'sees no file')
	    if is_root();
}
like($pp->send('c@lmtp.example', $body, from => 'alice@example.org'),
    qr/^250/, 'one for a Unix socket');
ok(Pennypost::wait_for(20, sub { $lmtp->messages }), 'arrives there by LMTP');
my @dialer = grep { $_->[1] eq 'dialer' } $pp->procs('smtpd');
is(scalar @dialer, 1, 'through a process that connects');
like($pp->send('d@null.example', $body, from => 'alice@example.org'),
    qr/^250/, 'one for a domain that takes no mail');
$pp->log_like('smtpd',
    qr{to=<d\@null\.example>, relay=none, .*, dsn=5\.1\.10, status=bounced \(.*null MX}, 'bounces', seconds => 20);
ok(Pennypost::wait_for(20, sub { ($pp->mbox('alice') // '') =~ /5\.1\.10/ }),
    'and its sender has the report');
like($pp->send('e@dead.example', $body, from => 'alice@example.org'),
    qr/^250/, 'one for a dead host');
$pp->log_like('smtpd',
    qr{to=<e\@dead\.example>, .*dsn=4\.4\.1, status=deferred \(connect to .*refused}, 'waits', seconds => 20);
# ---- REQUIRETLS (RFC 8689): from the client to the next server ----
my $q = $pp->smtp;
unlike($q->cmd('EHLO c.test'), qr/REQUIRETLS/, 'not offered in clear');
$q->expect('MAIL FROM:<alice@example.org> REQUIRETLS', qr/^530 5\.7\.10 /,
    'nor taken');
SKIP: {
	skip 'no TLS', 5 unless $q->starttls;
	like($q->cmd('EHLO c.test'), qr/^250[ -]REQUIRETLS\r?$/m,
	    'but inside TLS');
	$q->expect('MAIL FROM:<alice@example.org> RET=FULL REQUIRETLS', qr/^250/,
	    'it is taken');
	$q->cmd('RCPT TO:<secret@x.example>');
	$q->cmd('DATA');
	$q->data(message('confidential') . "no word of this may return\r\n");
	$pp->log_like('smtpd',
	    qr{to=<secret\@x\.example>, .*dsn=5\.7\.\d+, status=bounced \(.*REQUIRETLS},
	    'a server that has not proved itself is not given it', seconds => 20);
	ok(Pennypost::wait_for(20, sub {
		($pp->mbox('alice') // '') =~ /secret\@x\.example/ }),
	    'its sender has the report');
	unlike($pp->mbox('alice') // '', qr/no word of this/,
	    'which has the header only');
}
$q->close;
# ---- another generation ----
my $at = length $pp->log('smtpd');
kill 'HUP', $pp->master('smtpd');
$pp->log_line('smtpd', qr/reloaded|settings|configuration/i, after => $at);
for my $role (qw(relay dialer)) {
	ok(Pennypost::wait_for(20, sub { 1 == $pp->pids('smtpd', $role) }),
	    "one $role is left after a reload");
}
$tls->forget;
like($pp->send('b@x.example', $body, from => 'alice@example.org'), qr/^250/,
    'after a reload');
ok(Pennypost::wait_for(20, sub { $tls->messages }), 'mail is sent on as before');
# ---- a relay that dies ----
for (grep { $_->[1] eq 'sender' || $_->[1] eq 'relay' } $pp->procs('smtpd')) {
	kill 'KILL', $_->[0];
}
$tls->forget;
like($pp->send('b@x.example', $body, from => 'alice@example.org'), qr/^250/,
    'after relay was killed');
ok(Pennypost::wait_for(40, sub { $tls->messages }), 'mail is sent on, too');
unlike($pp->log('smtpd'), qr/died by signal 31/, 'nobody ran into a wall');
is($pp->stop('smtpd'), 0, 'all end in order');

# ---- a program that nobody here wrote ----
SKIP: {
	my $sink = Pennypost::Peer->sink(dir => $dir, addr => $addr) or
	    skip 'no smtp-sink', 3;
	my $port = $sink->port;
	$pp->write_config('smtpd', relay => "$addr:$port", transport => undef);
	$pp->start;
	my $s = $pp->smtp;
	$s->cmd('EHLO c.test');
	for my $i (1 .. 20) {
		$s->cmd('MAIL FROM:<alice@example.org>');
		$s->cmd("RCPT TO:<u$_\@d$i.example>") for 1, 2;
		$s->cmd('DATA');
		$s->data(message("m$i"));
	}
	$s->cmd('QUIT');
	ok(Pennypost::wait_for(40, sub {
		40 == (() = $pp->log('smtpd') =~
		    /to=<u\d\@d\d+\.example>, relay=\Q$addr\E\[\Q$addr\E\]:$port, .*status=sent/g);
	}), 'smtp-sink has 20 messages for 40 recipients');
	ok(Pennypost::wait_for(20, sub {
		my ($st, $out) = Pennypost::run('sh', '-c',
		    "find $dir/queue -type f | grep -Ec '/[0-9A-F]{10,}'");
		return $out =~ /^0/;
	}), 'the queue is empty');
	is($pp->stop('smtpd'), 0, 'all end in order');
	$sink->end;
}
done_testing;
