#!/usr/bin/perl
# Names of clients and blocklists, asked from a DNS server made here.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Socket::INET;
use Time::HiRes qw(time);
use Pennypost;
use Pennypost::Dns;

my $pp = Pennypost->new(daemons => ['smtpd']);
my $addr = $pp->addr;
my $proxy = network(2);
# ---- the server: NAME TYPE => data; what is not here is NXDOMAIN ----
sub ptr { [ 12, join '', map({ chr(length) . $_ } split /\./, $_[0]), "\0" ] }
sub ipv4 { [ 1, pack 'C4', split /\./, $_[0] ] }
my %zone = (
	'1.2.0.192.in-addr.arpa'  => ptr('good.example'),
	'good.example'            => ipv4('192.0.2.1'),
	'2.2.0.192.in-addr.arpa'  => ptr('good.example'), # a liar
	'3.2.0.192.in-addr.arpa'  => 'SERVFAIL',
	'4.2.0.192.in-addr.arpa'  => 'SILENCE',
	'5.2.0.192.in-addr.arpa'  => ptr("evil\r\nX: y.example"),
	'6.2.0.192.bl.example'    => ipv4('127.0.0.2'),
	'7.2.0.192.bl.example'    => ipv4('127.255.255.254'),
	'8.2.0.192.bl.example'    => ipv4('203.0.113.1'),
	'9.2.0.192.bl.example'    => 'SILENCE',
	(join '.', split(//, '7000000000000000000000008bd01002'), 'ip6.arpa') =>
	    ptr('six.example'),
	'six.example' => [ 28, pack 'H*', '20010db8000000000000000000000007' ],
);
my $dns = IO::Socket::INET->new(Proto => 'udp', LocalAddr => $addr,
    LocalPort => 0) or die $!;
my $log = $pp->dir . '/dns.log';
my $pid = fork // die;
if ($pid == 0) {
	$SIG{TERM} = 'DEFAULT';
	alarm 600 * Pennypost::slow();
	open my $out, '>>', $log;
	$out->autoflush;
	while (my $from = $dns->recv(my $q, 512)) {
		my ($id, $at, @label) = (substr($q, 0, 2), 12);
		while (my $l = ord substr $q, $at, 1) {
			push @label, substr $q, $at + 1, $l;
			$at += 1 + $l;
		}
		my $type = unpack 'n', substr $q, $at + 1, 2;
		my $question = substr $q, 12, $at + 5 - 12;
		my $name = lc join '.', @label;
		print $out "$name $type\n";
		my $r = $zone{$name};
		next if ($r // '') eq 'SILENCE';
		my $code = !defined $r ? 3 : ref $r ? 0 : 2;
		my $rr = ref $r && $r->[0] == $type ?
		    "\xc0\x0c" . pack('nnNn', $type, 1, 60, length $r->[1]) .
		    $r->[1] : '';
		# A forged answer first: another id.
		$dns->send(pack('n', 1 + unpack 'n', $id) . pack('nnnnn',
		    0x8180, 1, 1, 0, 0) . $question . "\xc0\x0c" .
		    pack('nnNn', 1, 1, 60, 4) . "\x7f\0\0\2", 0, $from);
		$dns->send($id . pack('nnnnn', 0x8180 | $code, 1, $rr ne '', 0, 0) .
		    $question . $rr, 0, $from);
	}
	POSIX::_exit(0);
}
my $server = $addr . ':' . $dns->sockport;
$pp->write_config('smtpd', reverse_dns => 'yes', dns_servers => $server,
	dnsbl => 'bl.example', xclient_networks => $proxy, grace_time => '1s');
$pp->start;
# A session of that client.
sub client {
	my ($ip) = @_;
	my $s = Pennypost::Talk->tcp($addr, $pp->port('mx'), kind => 'smtp',
	    source => $proxy);
	$s->reply;
	$s->cmd("XCLIENT ADDR=$ip");
	$s->cmd('EHLO c.test');
	$s->cmd('MAIL FROM:<a@b.test>');
	return $s;
}
my $s = client('192.0.2.1');
$s->expect('RCPT TO:<alice@example.org>', qr/^250/, 'a client with a name');
$s->cmd('DATA');
$s->data(message('named'));
like($pp->mbox('alice'), qr/^Received: from c\.test \(good\.example \[192\.0\.2\.1\]\)/m,
    'the trace has it');
$pp->log_like('smtpd', qr/: client=good\.example\[192\.0\.2\.1\]$/, 'the log, too');
for my $c ([ '192.0.2.2', 'a name that does not lead back' ],
    [ '192.0.2.3', 'SERVFAIL' ], [ '192.0.2.5', 'a name with a line end' ],
    [ '192.0.2.77', 'NXDOMAIN' ]) {
	client($c->[0])->expect('RCPT TO:<alice@example.org>', qr/^250/,
	    "taken: $c->[1]");
	$pp->log_like('smtpd', qr/: client=unknown\[\Q$c->[0]\E\]$/, 'as unknown');
}
client('IPV6:2001:db8::7')->cmd('RCPT TO:<alice@example.org>');
$pp->log_like('smtpd', qr/: client=six\.example\[2001:db8::7\]$/, 'IPv6');
my $before = () = slurp($log) =~ /^1\.2\.0\.192\.in-addr/mg;
client('192.0.2.1')->close;
is(scalar(() = slurp($log) =~ /^1\.2\.0\.192\.in-addr/mg), $before,
    'it is not asked again');

# ---- lists ----
$s = client('192.0.2.6');
$s->expect('RCPT TO:<alice@example.org>',
    qr/^554 5\.7\.1 Service unavailable; Client host \[192\.0\.2\.6\] blocked using bl\.example/,
    'listed: 554');
$pp->log_like('smtpd', qr/NOQUEUE: reject: RCPT from unknown\[192\.0\.2\.6\]: 554 5\.7\.1 Service unavailable; Client host \[192\.0\.2\.6\] blocked using bl\.example; from=<a\@b\.test> to=<alice\@example\.org>/,
    'in the log as Postfix has it');
$s->expect('RCPT TO:<postmaster@example.org>', qr/^250/,
    'postmaster can be told (RFC 5321 4.5.1)');
client($_)->expect('RCPT TO:<alice@example.org>', qr/^250/, "$_: not a listing")
    for '192.0.2.7', '192.0.2.8';
# ---- silence holds up nobody else ----
my ($silent, $t0);
ok(quick(2, sub {
	$silent = Pennypost::Talk->tcp($addr, $pp->port('mx'), kind => 'smtp',
	    source => $proxy);
	$silent->reply;
	$silent->say('XCLIENT ADDR=192.0.2.4');
	$t0 = time;
	return client('192.0.2.1')->cmd('RCPT TO:<bob@example.org>') =~ /^250/;
}), 'while one waits for DNS another is served at once');
like($silent->reply, qr/^220/, 'a silent server is given up');
cmp_ok(time - $t0, '<', 30 * slow(), 'within seconds');
$silent->close;
is($pp->stop('smtpd'), 0, 'stopped');

$pp->write_config('smtpd', reverse_dns => 'required', dnsbl => undef);
is($pp->launch('smtpd'), '', 'reverse_dns required');
client('192.0.2.1')->expect('RCPT TO:<alice@example.org>', qr/^250/, 'a name');
client('192.0.2.2')->expect('RCPT TO:<alice@example.org>', qr/^550 5\.7\.25 /,
    'none: 550');
client('192.0.2.3')->expect('RCPT TO:<alice@example.org>', qr/^450 4\.7\.25 /,
    'DNS cannot tell: 450');
kill 'TERM', $pid;
waitpid $pid, 0;

# ---- what is too long for UDP is asked by TCP ----
mkdir $pp->dir . '/cut' or die $!;
my %big = map { $_ => 1 } '1.2.0.192.in-addr.arpa PTR', 'good.example A',
    '2.2.0.192.in-addr.arpa PTR', '3.2.0.192.in-addr.arpa PTR',
    '6.2.0.192.bl.example A';
my $cut = Pennypost::Dns->new($addr, dir => $pp->dir . '/cut', big => \%big,
    mute => { '3.2.0.192.in-addr.arpa PTR' => 1 }, zone => {
	'1.2.0.192.in-addr.arpa PTR' => [ 'good.example',
	    map { "n$_.a-long-name-so-that-it-is-not-small.example" } 1 .. 900 ],
	'good.example A' => [ '192.0.2.1' ],
	'3.2.0.192.in-addr.arpa PTR' => [ 'good.example' ],
	'6.2.0.192.bl.example A' => [ '127.0.0.2' ],
});
$pp->write_config('smtpd', dns_servers => $cut->server, dnsbl => 'bl.example');
$pp->stop('smtpd');
is($pp->launch('smtpd'), '', 'answers that are cut');
client('192.0.2.1')->expect('RCPT TO:<alice@example.org>', qr/^250/,
    'a name, and its address, by TCP');
for my $q ('1.2.0.192.in-addr.arpa PTR', 'good.example A') {
	ok((grep { $_ eq "$q tcp" } $cut->asked), "$q was asked so");
}
client('192.0.2.2')->expect('RCPT TO:<alice@example.org>', qr/^550 5\.7\.25 /,
    'by TCP, there is none');
client('192.0.2.6')->expect('RCPT TO:<alice@example.org>',
    qr/^554 5\.7\.1 .*bl\.example/, 'a listing by TCP');
client('192.0.2.3')->expect('RCPT TO:<alice@example.org>', qr/^450 4\.7\.25 /,
    'a server that is mute by TCP is given up');
$cut->end;
client('192.0.2.88')->expect('RCPT TO:<alice@example.org>', qr/^450 4\.7\.25 /,
    'no server there');
$pp->write_config('smtpd', local_part_case => 'exact');
$pp->stop('smtpd');
is($pp->launch('smtpd'), '', 'local_part_case exact');
$s = $pp->smtp;
$s->cmd('EHLO c.test');
$s->cmd('MAIL FROM:<>');
$s->expect("RCPT TO:<$_->[0]\@example.org>", qr/^$_->[1]/, "$_->[0]: $_->[1]")
    for [ 'Alice', 550 ], [ 'ALICE+x', 550 ], [ 'alice+X', 250 ],
    [ 'PostMaster', 250 ];
done_testing();
