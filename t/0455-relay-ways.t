#!/usr/bin/perl
# Where a sender takes mail: MX records and what is wrong with them, addresses,
# TLS with and without proof, DANE, MTA-STS, and logging in.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use File::Temp;
use Pennypost;
use Pennypost::Dns;
use Pennypost::Drive;
use Pennypost::Peer;

my $dir = File::Temp->newdir;
my $net = network(1) =~ s/\.1\z//r;
my $text = "Subject: a\r\n\r\nb\r\n";
sub is_rcpt {
	my ($r, $outcome, $dsn, $re, $name) = @_;
	my $x = $r->{rcpt}[0];
	is("$x->{outcome} $x->{dsn}", "$outcome $dsn", $name) or diag $x->{text};
	like($x->{text}, $re, "$name: the text");
}

# ---- certificates: an authority, a host's, somebody's own ----
sub openssl {
	my ($st, $out) = Pennypost::run('openssl', @_);
	die "openssl @_: $out" if $st ne '0';
	return $out;
}
my @ec = qw(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes);
openssl('req', '-x509', @ec, '-subj', '/CN=Test CA', '-days', 2, '-keyout',
    "$dir/ca.key", '-out', "$dir/ca.crt");
sub certificate {
	my ($file, $name) = @_;
	openssl('req', '-x509', @ec, '-subj', "/CN=$name", '-days', 2, '-addext',
	    "subjectAltName=DNS:$name", '-addext', 'basicConstraints=CA:FALSE',
	    '-CA', "$dir/ca.crt", '-CAkey',
	    "$dir/ca.key", '-keyout', "$dir/$file.key", '-out', "$dir/$file.crt");
	return [ "$dir/$file.crt", "$dir/$file.key" ];
}
my $cert = certificate('good', 'mx1.x.example');
my ($st, $der) = Pennypost::run('openssl', 'x509', '-in', "$dir/good.crt",
    '-noout', '-fingerprint', '-sha256');
my ($hex) = $der =~ /=([0-9A-F:]+)/;
$hex =~ s/://g;

# Servers at addresses of their own, all at one port, that of the first, which
# all tests share the address of.
my %peer;
my $six = $peer{six} = eval { Pennypost::Peer->new(dir => "$dir", addr => '::1',
    greeting => \&who) };
delete $peer{six} unless $six;
my $port = $six ? $six->port : undef;
sub peer {
	my ($name, $n, %o) = @_;
	$peer{$name} = Pennypost::Peer->new(dir => "$dir", addr => "$net.$n",
	    port => $port, %o);
	$port = $peer{$name}->port;
}
peer(mx1 => 11, caps => ['STARTTLS'], tls => $cert);
peer(mx2 => 12);
peer(later => 13, greeting => "450 4.3.2 not now\r\n");
peer(grey => 14, reply => { RCPT => "450 4.7.1 greylisted\r\n" });
peer(badtls => 15, caps => ['STARTTLS'],
    reply => { STARTTLS => "220 go\r\nthis is no TLS\r\n" });

peer(req => 16, caps => [qw(STARTTLS REQUIRETLS)],
    tls => certificate('req', 'req.x.example'));
peer(other => 17, caps => [qw(STARTTLS REQUIRETLS)],
    tls => certificate('other', 'elsewhere.example'));
# The greeting of one that notes who is there.
sub who {
	my ($c, $self) = @_;
	$self->note(from => $c->peerhost);
	return "220 peer.example ESMTP\r\n";
}
peer(from => 18, greeting => \&who);
peer(idn => 19, caps => ['STARTTLS'],
    tls => certificate('idn', 'xn--mx-xka.example'));

my $dns = Pennypost::Dns->new("$net.1", dir => "$dir", ad => 1,
    big => { 'big.example MX' => 1 }, zone => {
	'mx1.x.example A' => ["$net.11"], 'mx2.x.example A' => ["$net.12"],
	'later.x.example A' => ["$net.13"], 'grey.x.example A' => ["$net.14"],
	'badtls.x.example A' => ["$net.15"],
	'none.x.example A' => ["$net.99"],
	'self.x.example A' => ["$net.2"],
	'x.example MX' => [ [ 20, 'mx2.x.example' ], [ 10, 'mx1.x.example' ] ],
	'dead.example MX' => [ [ 10, 'none.x.example' ], [ 20, 'mx2.x.example' ] ],
	'busy.example MX' => [ [ 1, 'later.x.example' ], [ 2, 'mx2.x.example' ] ],
	'grey.example MX' => [ [ 1, 'grey.x.example' ], [ 2, 'mx2.x.example' ] ],
	'null.example MX' => [ [ 0, '' ] ],
	'nomx.example A' => ["$net.12"],
	'loop.example CNAME' => ['pool.example'],
	'pool.example CNAME' => ['loop.example'],
	'alias.example CNAME' => ['x.example'],
	'me.example MX' => [ [ 10, 'mail.example.org' ], [ 20, 'mx2.x.example' ] ],
	'backup.example MX' => [ [ 10, 'mx2.x.example' ], [ 20, 'mail.example.org' ] ],
	'here.example MX' => [ [ 10, 'self.x.example' ] ],
	'fail.example MX' => 'SERVFAIL',
	'nohost.example MX' => [ [ 10, 'nowhere.x.example' ] ],
	'big.example MX' => [ [ 10, 'mx2.x.example' ] ],
	'tls.example MX' => [ [ 10, 'mx1.x.example' ] ],
	'bad.example MX' => [ [ 10, 'badtls.x.example' ] ],
	'req.x.example A' => ["$net.16"],
	'other.x.example A' => ["$net.17"],
	'from.x.example A' => ["$net.18"],
	'dual.x.example A' => ["$net.18"],
	'dual.x.example AAAA' => ['::1'],
	'dual6.x.example A' => ["$net.18"],
	'dual6.x.example AAAA' => ['::2'],
	'req.example MX' => [ [ 10, 'req.x.example' ] ],
	'other.example MX' => [ [ 10, 'other.x.example' ] ],
	'both.example MX' =>
	    [ [ 10, 'mx2.x.example' ], [ 20, 'req.x.example' ] ],
	'half.example MX' =>
	    [ [ 10, 'mx2.x.example' ], [ 20, 'none.x.example' ] ],
	'from.example MX' => [ [ 10, 'from.x.example' ] ],
	'dual.example MX' => [ [ 10, 'dual.x.example' ] ],
	'dual6.example MX' => [ [ 10, 'dual6.x.example' ] ],
	'xn--bcher-kva.example MX' => [ [ 10, 'xn--mx-xka.example' ] ],
	'xn--mx-xka.example A' => ["$net.19"],
	'plain.example MX' => [ [ 10, 'mx2.x.example' ] ],
});
my %way = (dns_servers => $dns->server, relay_mx_port => $port,
    relay_ip => 'ipv4', relay_tls => 'none');
sub drive { Pennypost::Drive->new("$dir", %way, @_) }

# ---- MX ----
my $d = drive(listen => "mx $net.2:$port");
my $r = $d->send('-', $text, 'b@x.example');
is($r->{remote}, "mx1.x.example[$net.11]:$port", 'the one preferred');
$r = $d->send('mx:dead.example', $text, 'b@dead.example');
is($r->{remote}, "mx2.x.example[$net.12]:$port", 'the next one, if it is dead');
is_rcpt($r, 'sent', '2.0.0', qr/queued/, 'sent there');
$r = $d->send('mx:busy.example', $text, 'b@busy.example');
is_rcpt($r, 'sent', '2.0.0', qr/queued/, 'or greets with 4xx');
$r = $d->send('mx:grey.example', $text, 'b@grey.example');
is_rcpt($r, 'sent', '2.0.0', qr/queued/, 'or puts the recipient off');
$r = $d->send('mx:null.example', $text, 'b@null.example');
is_rcpt($r, 'bounced', '5.1.10', qr/null MX/, 'null MX (RFC 7505)');
$r = $d->send('mx:nomx.example', $text, 'b@nomx.example');
is_rcpt($r, 'sent', '2.0.0', qr/queued/, 'no MX: the address');
$r = $d->send('mx:unknown.example', $text, 'b@unknown.example');
is_rcpt($r, 'bounced', '5.1.2', qr/no domain/, 'no such domain');
$r = $d->send('mx:loop.example', $text, 'b@loop.example');
is_rcpt($r, 'deferred', '4.4.3', qr/cannot tell/, 'aliases in a loop');
is($r->{verdict}, 'down', 'that destination is down');
cmp_ok(scalar(grep { /^(?:loop|pool)\.example MX/ } $dns->asked), '<', 30,
    'which is soon seen');
$r = $d->send('mx:alias.example', $text, 'b@alias.example');
is_rcpt($r, 'sent', '2.0.0', qr/queued/, 'an alias');
$r = $d->send('mx:me.example', $text, 'b@me.example');
is_rcpt($r, 'bounced', '5.4.6', qr/loops back/, 'the best MX is this host');
$r = $d->send('mx:backup.example', $text, 'b@backup.example');
is_rcpt($r, 'sent', '2.0.0', qr/queued/, 'as a backup MX: to the better one');
$r = $d->send('mx:here.example', $text, 'b@here.example');
is_rcpt($r, 'bounced', '5.4.6', qr/loops back/, 'or its address is ours');
$r = $d->send('mx:fail.example', $text, 'b@fail.example');
is_rcpt($r, 'deferred', '4.4.3', qr/cannot tell/, 'SERVFAIL');
$r = $d->send('mx:nohost.example', $text, 'b@nohost.example');
is_rcpt($r, 'bounced', '5.4.4', qr/has no address/, 'an MX without address');
$r = $d->send('mx:big.example', $text, 'b@big.example');
is_rcpt($r, 'sent', '2.0.0', qr/queued/, 'an answer that was cut');
ok((grep { $_ eq 'big.example MX tcp' } $dns->asked), 'is asked for by TCP');
$r = $d->send("mx:[$net.12]", $text, "b\@[$net.12]");
is_rcpt($r, 'sent', '2.0.0', qr/queued/, 'an address literal');
$d->end;

# ---- transport and smarthost ----
$d = drive(relay => "mx2.x.example:$port", transport => [
	'x.example mx', ".sub.example smtp:$net.14:$port" ]);
is($d->send('-', $text, 'b@any.example')->{remote},
    "mx2.x.example[$net.12]:$port", 'the smarthost');
is($d->send('-', $text, 'b@X.example')->{remote},
    "mx1.x.example[$net.11]:$port", 'but for what transport says');
is($d->send('-', $text, 'b@a.b.sub.example')->{remote},
    "$net.14" . "[$net.14]:$port", 'of all below a domain, too');
is($d->send('-', $text, 'b@sub.example')->{remote},
    "mx2.x.example[$net.12]:$port", 'and not of the domain itself');
$d->end;

# ---- TLS ----
sub tls { scalar grep { $_->[0] eq 'tls' } $peer{ $_[0] }->all }
sub forget { $_->forget for values %peer }
forget();
$d = drive(relay_tls => 'may');
is_rcpt($d->send('mx:tls.example', $text, 'b@t'), 'sent', '2.0.0', qr/queued/,
    'may: a certificate that nobody knows will do');
is(tls('mx1'), 1, 'by TLS');
is((map { $_->[1] } grep { $_->[0] eq 'tls' } $peer{mx1}->all)[0],
    'mx1.x.example', 'which asks for that name (SNI)');
is_rcpt($d->send('mx:plain.example', $text, 'b@t'), 'sent', '2.0.0',
    qr/queued/, 'may: none will do, too');
is_rcpt($d->send('mx:bad.example', $text, 'b@t'), 'sent', '2.0.0',
    qr/queued/, 'may: a handshake that fails is done without');
is($peer{badtls}->connections, 2, 'on a connection of its own');
$d->end;
$d = drive(relay_tls => 'must');
is_rcpt($d->send('mx:tls.example', $text, 'b@t'), 'sent', '2.0.0', qr/queued/,
    'must: any certificate');
is_rcpt($d->send('mx:plain.example', $text, 'b@t'), 'deferred', '4.7.4',
    qr/TLS is required/, 'must: the message waits');
is_rcpt($d->send('mx:bad.example', $text, 'b@t'), 'deferred', '4.7.5',
    qr/handshake .* failed/, 'must: so it does when the handshake fails');
$d->end;
$d = drive(relay_tls => 'verify');
is_rcpt($d->send('mx:tls.example', $text, 'b@t'), 'deferred', '4.7.5',
    qr/handshake .* failed: .*(?:issuer|certificate)/,
    'verify: an unknown authority');
$d->end;
$d = drive(relay_tls => 'verify', relay_tls_ca => "$dir/ca.crt");
is_rcpt($d->send('mx:tls.example', $text, 'b@t'), 'sent', '2.0.0', qr/queued/,
    'verify: a known one');
is_rcpt($d->send("smtp:$net.11:$port", $text, 'b@t'), 'deferred', '4.7.5',
    qr/failed: .*IP address mismatch/i, 'verify: not that of another name');
$d->end;

# ---- REQUIRETLS (RFC 8689) ----
sub required {
	my ($d, $hop, %o) = @_;
	forget();
	return $d->send_as($hop, $o{sender} // 'a@b', 'REQUIRETLS', $text, 'b@t');
}
sub mail_of { join '', grep { /^MAIL/ } $peer{ $_[0] }->commands }
my %proof = (relay_tls_ca => "$dir/ca.crt", dns_validates => 'yes');
$d = drive(relay_tls => 'may', %proof);
is_rcpt(required($d, 'mx:req.example'), 'sent', '2.0.0', qr/queued/,
    'REQUIRETLS: a host that has it and proves its name');
like(mail_of('req'), qr/ REQUIRETLS$/, 'it is passed on');
is_rcpt(required($d, 'mx:tls.example'), 'bounced', '5.7.30', qr/REQUIRETLS/,
    'REQUIRETLS: a server that does not offer it');
is(mail_of('mx1'), '', 'hears nothing of the message');
is_rcpt(required($d, 'mx:plain.example'), 'bounced', '5.7.10',
    qr/TLS is required/, 'REQUIRETLS: nor by one without TLS');
is_rcpt(required($d, 'mx:other.example'), 'bounced', '5.7.10',
    qr/handshake .* failed/, 'REQUIRETLS: nor one with another name');
is_rcpt(required($d, 'mx:both.example'), 'sent', '2.0.0', qr/queued/,
    'REQUIRETLS: the next host has it');
is_rcpt(required($d, 'mx:half.example'), 'deferred', '4.4.1', qr/refused/,
    'REQUIRETLS: a host that is down may have it');
is_rcpt(required($d, 'mx:plain.example', sender => ''), 'sent', '2.0.0',
    qr/queued/, 'REQUIRETLS: a report is not lost for it');
unlike(mail_of('mx2'), qr/REQUIRETLS/, 'it goes without');
is_rcpt(required($d, 'mx:req.example', sender => ''), 'sent', '2.0.0',
    qr/queued/, 'a report where it is offered');
like(mail_of('req'), qr/ REQUIRETLS$/, 'goes with it');
is_rcpt($d->send('mx:req.example', $text, 'b@t'), 'sent', '2.0.0',
    qr/queued/, 'a message that does not ask for it');
unlike(mail_of('req') =~ s/.*REQUIRETLS//r, qr/REQUIRETLS/, 'goes without');
$d->end;
$d = drive(relay_tls => 'verify', relay_tls_ca => "$dir/ca.crt");
is_rcpt($d->send('mx:req.example', $text, 'b@t'), 'sent', '2.0.0', qr/queued/,
    'an ordinary message, to be verified');
is_rcpt(required($d, 'mx:req.example'), 'bounced', '5.7.10',
    qr/neither DNSSEC nor MTA-STS/, 'REQUIRETLS: who says that it is the host?');
$d->end;

# ---- TLS-Required: No ----
my $optional = "Subject: a\r\ntls-required: no\r\n\r\nb\r\n";
mkdir "$dir/sts0";
Pennypost::spew("$dir/sts0/plain.example", "version: STSv1\r\nmode: enforce\r\n" .
    "mx: mx2.x.example\r\nmax_age: 86400\r\n");
$d = drive(relay_tls => 'may', mta_sts_policies => "$dir/sts0");
is_rcpt($d->send('mx:plain.example', $text, 'b@t'), 'deferred', '4.7.4',
    qr/TLS is required/, 'a policy that is broken');
is_rcpt($d->send('mx:plain.example', $optional, 'b@t'), 'sent', '2.0.0',
    qr/queued/, 'does not keep the message about that');
is_rcpt($d->send('mx:plain.example', "\r\n$optional", 'b@t'), 'deferred',
    '4.7.4', qr/TLS is required/, 'the header only');
$d->end;
$d = drive(relay_tls => 'must');
is_rcpt($d->send('mx:plain.example', $optional, 'b@t'), 'deferred', '4.7.4',
    qr/TLS is required/, 'what the administrator wants, counts');
$d->end;

# ---- domains that are not ASCII ----
forget();
$d = drive(relay_tls => 'verify', relay_tls_ca => "$dir/ca.crt");
is_rcpt($d->send('-', $text, "b\@B\xc3\xbccher.example"), 'sent', '2.0.0',
    qr/queued/, 'a U-label: DNS and certificate have its A-label');
is((map { $_->[1] } grep { $_->[0] eq 'tls' } $peer{idn}->all)[0],
    'xn--mx-xka.example', 'SNI, too');
like(join("\n", $peer{idn}->commands), qr/^RCPT TO:<b\@xn--bcher-kva\.example>$/m,
    'and the address, without SMTPUTF8');
$d->end;

# ---- IPv4, IPv6, and where from ----
SKIP: {
	skip 'no IPv6', 6 unless $six;
	for my $c ([ ipv6_first => '::1' ], [ ipv4_first => "$net.18" ],
	    [ ipv6 => '::1' ], [ ipv4 => "$net.18" ]) {
		$d = drive(relay_ip => $c->[0]);
		is($d->send('mx:dual.example', $text, 'b@t')->{remote},
		    "dual.x.example[$c->[1]]:$port", "relay_ip $c->[0]");
		$d->end;
	}
	$d = drive(relay_ip => 'ipv6_first');
	$r = $d->send('mx:dual6.example', $text, 'b@t');
	is($r->{remote}, "dual6.x.example[$net.18]:$port",
	    'an address of the other kind, if the first does not answer');
	$d->end;
}
forget();
$d = drive(relay_source => "$net.77");
is_rcpt($d->send('mx:from.example', $text, 'b@t'), 'sent', '2.0.0', qr/queued/,
    'relay_source');
is((map { $_->[1] } grep { $_->[0] eq 'from' } $peer{from}->all)[0], "$net.77",
    'the server sees that address');
$d->end;

# ---- DANE ----
my $zone = { 'mx1.x.example A' => ["$net.11"], 'mx2.x.example A' => ["$net.12"],
    'x.example MX' => [ [ 10, 'mx1.x.example' ] ],
    'p.example MX' => [ [ 10, 'mx2.x.example' ] ] };
sub dane {
	my ($tlsa, %o) = @_;
	my %z = (%$zone, ref $tlsa ? map({ ("_$port._tcp.$_.x.example TLSA" => $tlsa) }
	    qw(mx1 mx2)) : map { ("_$port._tcp.$_.x.example TLSA" => $tlsa) } 'mx1');
	mkdir "$dir/dns" . ++our $dns_n;
	our $server = Pennypost::Dns->new("$net.1", dir => "$dir/dns$dns_n",
	    ad => $o{ad} // 1, zone => \%z);
	return drive(relay_tls => 'may', dns_validates => 'yes',
	    dns_servers => $server->server);
}
$d = dane(["3 0 1 $hex"]);
is_rcpt($d->send('mx:x.example', $text, 'b@t'), 'sent', '2.0.0', qr/queued/,
    'DANE: the certificate is the one');
is_rcpt($d->send('mx:p.example', $text, 'b@t'), 'deferred', '4.7.4',
    qr/TLS is required/, 'DANE: a host that has lost its TLS');
$d->end;
$d = dane([ '3 0 1 ' . '00' x 32 ]);
is_rcpt($d->send('mx:x.example', $text, 'b@t'), 'deferred', '4.7.5',
    qr/handshake .* failed/, 'DANE: another one');
$d->end;
$d = dane([ '3 0 1 ' . '00' x 32 ], ad => 0);
is_rcpt($d->send('mx:x.example', $text, 'b@t'), 'sent', '2.0.0', qr/queued/,
    'DANE: records that nobody validated say nothing');
$d->end;
$d = dane([ '3 0 1 ' . '00' x 32 ],
    ad => { 'x.example' => 1, 'mx1.x.example' => 1 });
is_rcpt($d->send('mx:x.example', $text, 'b@t'), 'sent', '2.0.0', qr/queued/,
    'DANE: not even if all else was');
$d->end;
$d = dane([ '1 0 1 ' . '00' x 32 ]);
is_rcpt($d->send('mx:x.example', $text, 'b@t'), 'sent', '2.0.0', qr/queued/,
    'DANE: none that SMTP can use: any TLS');
is_rcpt($d->send('mx:p.example', $text, 'b@t'), 'deferred', '4.7.4',
    qr/TLS is required/, 'but TLS');
$d->end;
$d = dane('SERVFAIL');
is_rcpt($d->send('mx:x.example', $text, 'b@t'), 'deferred', '4.7.5',
    qr/cannot tell now the TLSA/, 'DANE: they cannot be asked for');
$d->end;

# ---- MTA-STS ----
mkdir "$dir/sts";
sub policy {
	my ($domain, $mode, @mx) = @_;
	Pennypost::spew("$dir/sts/$domain", join '', map { "$_\r\n" }
	    'version: STSv1', "mode: $mode", map({ "mx: $_" } @mx),
	    'max_age: 86400');
}
policy('tls.example', 'enforce', '*.x.example');
policy('x.example', 'enforce', 'other.x.example');
policy('plain.example', 'testing', 'mx2.x.example');
policy('dead.example', 'enforce', 'mx2.x.example');
Pennypost::spew("$dir/sts/broken.example", "mode: enforce\n");
$d = drive(relay_tls => 'may', mta_sts_policies => "$dir/sts",
    relay_tls_ca => "$dir/ca.crt");
is_rcpt($d->send('mx:tls.example', $text, 'b@t'), 'sent', '2.0.0', qr/queued/,
    'MTA-STS: a host that is named and proves it');
is_rcpt($d->send('mx:x.example', $text, 'b@t'), 'deferred', '4.7.5',
    qr/policy of x\.example does not name mx/, 'MTA-STS: one that is not');
is_rcpt($d->send('mx:plain.example', $text, 'b@t'), 'sent', '2.0.0',
    qr/queued/, 'MTA-STS: testing only');
is_rcpt($d->send('mx:dead.example', $text, 'b@t'), 'deferred', '4.7.4',
    qr/TLS is required/, 'MTA-STS: no TLS there');
$d->end;
$d = drive(relay_tls => 'may', mta_sts_policies => "$dir/sts");
is_rcpt($d->send('mx:tls.example', $text, 'b@t'), 'deferred', '4.7.5',
    qr/handshake .* failed/, 'MTA-STS: an unknown authority');
$d->end;

# ---- logging in ----
sub b64 { require MIME::Base64; MIME::Base64::encode_base64($_[0], '') }
Pennypost::spew("$dir/secret", "s3cret\n", 0600);
sub smarthost {
	my ($mechs, %reply) = @_;
	our $host = Pennypost::Peer->new(dir => "$dir", addr => "$net.30",
	    caps => ["AUTH $mechs"], reply => \%reply);
	return drive(relay => "$net.30:" . $host->port . ' alice',
	    relay_secret => "$dir/secret");
}
our $host;
$d = smarthost('PLAIN LOGIN', AUTH => "235 2.7.0 in\r\n");
is_rcpt($d->send('relay', $text, 'b@t'), 'sent', '2.0.0', qr/queued/, 'PLAIN');
is(($host->commands)[1], 'AUTH PLAIN ' . b64("\0alice\0s3cret"), 'as it is');
$d->end;
$d = smarthost('LOGIN', AUTH => '334 ' . b64('Username:') . "\r\n",
    b64('alice') => '334 ' . b64('Password:') . "\r\n",
    b64('s3cret') => "235 2.7.0 in\r\n");
is_rcpt($d->send('relay', $text, 'b@t'), 'sent', '2.0.0', qr/queued/, 'LOGIN');
$d->end;
require Digest::HMAC_MD5;
my $answer = b64('alice ' . Digest::HMAC_MD5::hmac_md5_hex('<1.2@x>', 's3cret'));
$d = smarthost('PLAIN CRAM-MD5', AUTH => '334 ' . b64('<1.2@x>') . "\r\n",
    $answer => "235 2.7.0 in\r\n");
is_rcpt($d->send('relay', $text, 'b@t'), 'sent', '2.0.0', qr/queued/,
    'CRAM-MD5, which is better than PLAIN');
$d->end;
$d = smarthost('SCRAM-SHA-256 PLAIN', AUTH => "235 2.7.0 in\r\n");
is_rcpt($d->send('relay', $text, 'b@t'), 'deferred', '4.7.0',
    qr/did not prove/, 'SCRAM: a server that does not know the password');
$d->end;
$d = smarthost('PLAIN', AUTH => "535 5.7.8 no\r\n");
is_rcpt($d->send('relay', $text, 'b@t'), 'deferred', '4.7.8', qr/^535/,
    'a wrong password makes messages wait, not bounce');
$d->end;
$d = smarthost('GSSAPI');
is_rcpt($d->send('relay', $text, 'b@t'), 'deferred', '4.7.0', qr/no way/,
    'no mechanism that is known');
$d->end;
$way{relay_tls} = 'may';
$d = smarthost('PLAIN LOGIN', AUTH => "235 in\r\n");
is_rcpt($d->send('relay', $text, 'b@t'), 'deferred', '4.7.0',
    qr/must not be shown without TLS/, 'the password is not shown without TLS');
ok(!(grep { /^AUTH/ } $host->commands), 'at all');
$d->end;
done_testing;
