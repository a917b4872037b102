#!/usr/bin/perl
# The mechanisms that need a secret or a certificate, through both daemons.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Digest::MD5 qw(md5_hex);
use Pennypost;
use Pennypost::Sasl;

need('IO::Socket::SSL', 'Net::SSLeay');

# ---- the daemons ----

my $net = '127.0.0.0/8';
my $pp = Pennypost->new(users => { alice => undef, bob => '*', carol => undef,
	locked => '!', dave => undef, "j\xc3\xb6rg" => crypt("caf\xc3\xa9",
	'$6$rounds=1000$pennypost$'), eve => crypt("m\xc2\xb2",
	'$6$rounds=1000$pennypost$'), frank => crypt("x\xee\x80\x80",
	'$6$rounds=1000$pennypost$') }, rsa => 1,
    both => { auth_failures_max => 50, errors_max => 1000 });
my $dir = $pp->{dir};
spew("$dir/users", slurp("$dir/users") .
    "toor:*:0:0:x:/root\n", 0600);
spew("$dir/secrets", "# secrets\nalice:{PLAIN}alice's secret\n" .
    file_line('bob', 'SHA-256', 'bob-secret') .
    file_line('bob', 'SHA-1', 'bob-secret') . "locked:{PLAIN}locked-secret\n" .
    "toor:{PLAIN}toor-secret\nghost:{PLAIN}ghost-secret\n" .
    # The accent stands behind its letter.
    "jo\xcc\x88rg:{PLAIN}cafe\xcc\x81\n" .
    file_line('eve', 'SHA-256', 'm2'), 0600);
sub openssl {
	my ($st, $out) = run('openssl', @_);
	die "openssl @_: $out" if $st ne '0';
}
# A CA for clients, and one that nobody trusts; certificates.
for my $ca ('ca', 'other') {
	openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt',
	    'ec_paramgen_curve:prime256v1', '-nodes', '-days', 2, '-subj',
	    "/CN=$ca", '-keyout', "$dir/$ca.key", '-out', "$dir/$ca.pem");
}
sub certificate {
	my ($name, $ca, $subject, $san, $usage) = @_;
	openssl('req', '-newkey', 'ec', '-pkeyopt',
	    'ec_paramgen_curve:prime256v1', '-nodes', '-subj', $subject,
	    '-keyout', "$dir/$name.key", '-out', "$dir/$name.csr");
	spew("$dir/ext", ($san ? "subjectAltName=$san\n" : '') .
	    'extendedKeyUsage=' . ($usage || 'clientAuth') . "\n");
	openssl('x509', '-req', '-in', "$dir/$name.csr", '-CA', "$dir/$ca.pem",
	    '-CAkey', "$dir/$ca.key", '-CAcreateserial', '-days', 2,
	    '-extfile', "$dir/ext", '-out', "$dir/$name.crt");
	return ($name => { SSL_cert_file => "$dir/$name.crt",
		SSL_key_file => "$dir/$name.key" });
}
my %cert = (
	certificate('cmail', 'ca', '/CN=whoever', 'email:carol@example.org'),
	certificate('cname', 'ca', '/CN=carol'),
	certificate('cforeign', 'ca', '/CN=carol', 'email:carol@evil.test'),
	certificate('ctwo', 'ca', '/CN=carol',
	    'email:carol@example.org,email:alice@example.org'),
	certificate('ctwonames', 'ca', '/CN=carol/CN=alice'),
	certificate('cother', 'other', '/CN=carol'),
	certificate('cserver', 'ca', '/CN=carol', undef, 'serverAuth'),
	certificate('cnobody', 'ca', '/CN=nobody-here'),
	certificate('ctoor', 'ca', '/CN=toor'),
);
for my $d (qw(smtpd pop3d)) {
	$pp->write_config($d, secrets => "$dir/secrets",
	    tls_client_ca => "$dir/ca.pem", local_domains => 'example.org',
	    $d eq 'pop3d' ? (apop => 'yes') : ());
}
$pp->start;

# ---- talking ----

sub session { sasl_session($pp, @_) }

my %offer = (
	smtp => sub { ($_[0]->cmd('EHLO c.test') =~ /^250[- ]AUTH (.*?)\r?$/m)[0] },
	pop3 => sub { $_[0]->cmd('CAPA'); ($_[0]->multi =~ /^SASL (.*?)\r?$/m)[0] },
);
my $safe = 'SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5';
for my $kind (qw(smtp pop3)) {
	my $s = session($kind);
	is($offer{$kind}->($s), "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS " .
	    "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN",
	    "$kind: offered under TLS");
	$s = session($kind, tls => $cert{cmail});
	like($offer{$kind}->($s), qr/ EXTERNAL /, 'EXTERNAL with a certificate');
	$s = session($kind, plain => 1);
	my $o = $offer{$kind}->($s);
	is($o, $kind eq 'smtp' ? $safe : "$safe PLAIN LOGIN",
	    "$kind: offered without TLS");
	for my $h ('SHA-1', 'SHA-256') {
		for my $u ([ 'alice', "alice's secret" ], [ 'bob', 'bob-secret' ],
		    [ 'ALICE', "alice's secret" ]) {
			for my $cb ('', 'tls-exporter', 'tls-server-end-point') {
				my $t = session($kind);
				my $r = scram($t, $h, @$u, cb => $cb);
				ok(yes($r) && $last{server},
				    "$kind SCRAM-$h $u->[0] $cb") or diag($r);
			}
		}
		my $t = session($kind, tls => { SSL_version => 'TLSv1_2' });
		ok(yes(scram($t, $h, 'alice', "alice's secret", cb =>
			    'tls-server-end-point')), "$kind $h TLS 1.2");
		$t = session($kind, tls => { SSL_version => 'TLSv1_2' });
		ok(refused(scram($t, $h, 'alice', "alice's secret", cb =>
			    'tls-exporter', data => 'x' x 32)),
		    "$kind $h TLS 1.2 has no exporter");
		$t = session($kind, plain => 1);
		ok(yes(scram($t, $h, 'bob', 'bob-secret', flag => 'y', ir => 0)),
		    "$kind $h without TLS, 'y'");
		$t = session($kind);
		ok(yes(scram($t, $h, 'alice', "alice's secret",
			    authzid => 'alice')), "$kind $h authzid: oneself");
	}
	# SASLprep: however it is typed.
	for my $u ("jo\xcc\x88rg", "J\xc3\x96R\xc2\xadG") {
		my $name = join '', map { sprintf '%02x', ord } split //, $u;
		ok(yes(scram(session($kind), 'SHA-256', $u, "caf\xc3\xa9")),
		    "$kind SCRAM: name $name");
		for my $pass ("caf\xc3\xa9", "cafe\xcc\x81\xe2\x80\x8d") {
			ok(yes(session($kind)->cmd('AUTH PLAIN ' .
				    b64("\0$u\0$pass"))), "$kind PLAIN: $name");
		}
	}
	ok(yes(session($kind)->cmd('AUTH PLAIN ' . b64("\0eve\0m\xc2\xb2"))),
	    "$kind PLAIN: a hash of what SASLprep would change");
	ok(yes(scram(session($kind), 'SHA-256', 'eve', 'm2')),
	    "$kind SCRAM: keys of what SASLprep made");
	ok(refused(session($kind)->cmd('AUTH PLAIN ' . b64("\0eve\0m2"))),
	    "$kind PLAIN: not the other way");
	ok(refused(session($kind)->cmd('AUTH PLAIN ' .
		    b64("\0frank\0x\xee\x80\x80"))),
	    "$kind PLAIN: a prohibited character");
	my $t = session($kind);
	my @a = ('SHA-256', 'alice', "alice's secret");
	my %wrong = (
		'downgrade'      => [ @a, flag => 'y' ],
		'another nonce'  => [ @a, nonce => 'abc' ],
		'wrong proof'    => [ @a, proof => b64('x' x 32) ],
		'wrong password' => [ @a[0, 1], 'nonsense' ],
		'other binding'  => [ @a, cb => 'tls-exporter', data => 'x' x 32 ],
		'another gs2'    => [ @a, gs2 => 'y,,' ],
		'tls-unique'     => [ @a, cb => 'tls-unique', data => 'x' x 12 ],
		'p= without -PLUS' => [ @a, cb => 'tls-exporter', plus => '' ],
		'n with -PLUS'   => [ @a, plus => '-PLUS' ],
		'for another'    => [ @a, authzid => 'bob' ],
		'no such user'   => [ 'SHA-256', 'nobody-here', 'x' ],
		'no secret'      => [ 'SHA-256', 'carol', 'carol-pass' ],
		'a comma'        => [ 'SHA-256', 'a,b=c', 'x' ],
		'locked'         => [ 'SHA-256', 'locked', 'locked-secret' ],
		'uid 0'          => [ 'SHA-256', 'toor', 'toor-secret' ],
		'only a secret'  => [ 'SHA-1', 'ghost', 'ghost-secret' ],
	);
	my %reply;
	for (sort keys %wrong) {
		my $r = scram($t, @{ $wrong{$_} });
		ok(refused($r), "$kind: $_") or diag($r);
		ok(!$last{server}, 'and no signature of the server');
		$reply{$r}++;
	}
	is(scalar keys %reply, 1, "$kind: all refusals look alike");
	ok(yes(scram($t, @a)), "$kind: and after them it works") if $t;
	# Neither salt nor iterations tell who exists; and they stay.
	my %shape;
	for my $u ('alice', 'nobody-here', 'nobody-here', 'Nobody-Here') {
		scram(session($kind), 'SHA-256', $u, 'x');
		push @{ $shape{lc $u} }, [ @last{qw(salt iterations)} ];
	}
	my ($known, @unknown) = (@{ $shape{alice} }, @{ $shape{'nobody-here'} });
	is($unknown[0][0], $_->[0], 'the salt of nobody stays') for @unknown;
	is($unknown[0][1], $known->[1], 'as many iterations');
	is(length $unknown[0][0], length $known->[0], 'as long a salt');
	isnt($unknown[0][0], $known->[0], 'not the same');
	our %salt;
	$salt{$kind} = $unknown[0][0];
	# Malformed ones are no tries.
	my $bad = $kind eq 'smtp' ? qr/^501 5\.5\.2 / : qr/^-ERR [^\[]/;
	my $m = session($kind);
	like($m->cmd('AUTH SCRAM-SHA-256 ' . (b64($_) || '=')), $bad, "malformed: $_")
	    for '', 'n', 'n,', 'n,,', 'n,,n=a', 'n,,r=a,n=a', 'n,,n=,r=a',
	    'n,,n=a,r=', 'q,,n=a,r=b', 'p=,,n=a,r=b', 'n,b=c,n=a,r=b',
	    'n,,m=x,n=a,r=b', 'n,,n=a=2c,r=b', 'n,,n=a=,r=b', 'n,,n=a=3,r=b',
	    "n,,n=a\0b,r=c", 'n,,n=a,r=b c', 'n,,n=a,r=b,m=c', 'n,,n=a,r=b,',
	    'n,,n=a,r=' . 'x' x 513, 'n,,n=' . 'x' x 256 . ',r=b';
	$m->cmd('AUTH SCRAM-SHA-256 ' . b64('n,,n=alice,r=abc'));
	like($m->cmd(b64($_)), $bad, 'malformed final: ' . ($_ || 'empty')),
	    $m->cmd('AUTH SCRAM-SHA-256 ' . b64('n,,n=alice,r=abc'))
	    for '', 'x', 'c=biws', 'c=biws,r=a', 'r=a,c=biws,p=x',
	    'c=biws,r=a,p=x', 'c=biws,r=a,p=' . b64('x' x 31),
	    'c=biws,r=a,p=' . b64('x' x 33), 'c=biws,r=a,q,p=' . b64('x' x 32);
	like($m->cmd('*'), qr/^501 5\.7\.0 |^-ERR /, 'cancelled');
	ok(yes(scram($m, @a)), 'and then again');
	$m = session($kind);
	my $r = scram($m, @a, last => b64('x'));
	like($r, $bad, 'something in the last answer');
	is($offer{$kind}->($m) ? 1 : 0, 1, 'and nobody is logged in');

	# CRAM-MD5
	my $cram = sub {
		my ($c, $u, $secret, $spoil) = @_;
		my $stamp = decoded($c->cmd('AUTH CRAM-MD5')) // return '';
		return 'stamp' unless $stamp =~ /^<[0-9a-f]{32}\.\d+\@mail\.example\.org>$/;
		return $c->cmd(b64("$u " . ($spoil // hmac_md5_hex($stamp, $secret))));
	};
	ok(yes($cram->(session($kind), 'alice', "alice's secret")), "$kind CRAM-MD5");
	$m = session($kind);
	ok(refused($cram->($m, 'alice', 'wrong')), 'wrong secret');
	ok(refused($cram->($m, 'bob', 'bob-secret')), 'only SCRAM keys');
	ok(refused($cram->($m, 'nobody-here', 'x')), 'nobody');
	ok(refused($cram->($m, 'a b', 'x')), 'a blank in the name');
	like($cram->($m, 'alice', 'x', $_), $bad, "malformed digest $_")
	    for '', 'abc', 'A' x 32, 'g' x 32, 'a' x 33;
	like($m->cmd('AUTH CRAM-MD5 YWJj'), qr/^501 5\.7\.0 |^-ERR /,
	    'no initial response');

	# EXTERNAL
	my $external = sub {
		my ($name, $authzid) = @_;
		my $c = session($kind, tls => $cert{$name} || 1);
		return $c->cmd('AUTH EXTERNAL ' . ($authzid ? b64($authzid) : '='));
	};
	ok(yes($external->($_)), "$kind EXTERNAL: $_") for qw(cmail cname);
	ok(yes($external->('cmail', $_)), "as $_")
	    for 'carol', 'carol@example.org';
	ok(refused($external->('cmail', 'alice')), 'as somebody else');
	ok(refused($external->($_)), "refused: $_")
	    for qw(cforeign cnobody ctoor);
	my $none = $kind eq 'smtp' ? qr/^504 5\.5\.4 / : qr/^-ERR Unknown/;
	like($external->($_), $none, "not possible: $_")
	    for qw(none ctwo ctwonames cother cserver);
}
our %salt;
is($salt{smtp}, $salt{pop3}, 'both daemons give nobody the same salt');

sub hmac_md5_hex {
	my ($text, $key) = @_;
	$key = pack('H*', md5_hex($key)) if length $key > 64;
	$key .= "\0" x (64 - length $key);
	return md5_hex(($key ^ ("\x5c" x 64)) .
	    pack('H*', md5_hex(($key ^ ("\x36" x 64)) . $text)));
}

# APOP.
my $p = session('pop3');
my ($stamp) = $p->{greeting} =~ /(<[0-9a-f]{32}\.\d+\@mail\.example\.org>)\r?$/;
ok($stamp, 'the greeting has a timestamp');
like($p->cmd('APOP alice'), qr/^-ERR [^\[]/, 'APOP without a digest');
like($p->cmd('APOP alice ' . 'A' x 32), qr/^-ERR [^\[]/, 'in upper case');
ok(refused($p->cmd('APOP alice ' . md5_hex("${stamp}wrong"))), 'a wrong one');
ok(refused($p->cmd('APOP bob ' . md5_hex("${stamp}bob-secret"))), 'no secret');
ok(refused($p->cmd('APOP nobody ' . md5_hex("${stamp}x"))), 'nobody');
ok(refused($p->cmd('APOP toor ' . md5_hex("${stamp}toor-secret"))), 'uid 0');
ok(yes($p->cmd('APOP alice ' . md5_hex("${stamp}alice's secret"))), 'APOP');
for my $pass ("caf\xc3\xa9", "cafe\xcc\x81") {
	my $q = session('pop3');
	my ($s) = $q->{greeting} =~ /(<.*>)/;
	ok(yes($q->cmd("APOP j\xc3\xb6r\xc2\xadg " . md5_hex("$s$pass"))),
	    'APOP: the secret as it is, and as SASLprep leaves it');
}
isnt(session('pop3')->{greeting}, $p->{greeting}, 'the next one is another');

# ---- programs of others ----

SKIP: {
	skip 'gsasl is not installed', 1 unless have('gsasl');
	my $gsasl = sub {
		my ($mech, @o) = @_;
		my ($st, $out) = run('gsasl', '--smtp', '--connect',
		    "$pp->{addr}:" . $pp->port('mx'), '-m', $mech, '-a', 'alice',
		    '--x509-ca-file=', $mech =~ /^[PL]/ ? () :
		    ('-p', "alice's secret"),
		    @o);
		return $out;
	};
	for my $m (qw(SCRAM-SHA-1 SCRAM-SHA-256 CRAM-MD5)) {
		my $out = $gsasl->($m, '--no-cb');
		like($out, qr/^220 2\.0\.0.*^235 2\.7\.0/ms, "gsasl: $m")
		    or diag($out);
		like($gsasl->($m, '--no-starttls'), qr/^235 2\.7\.0/m,
		    "gsasl: $m without TLS");
	}
	for my $m (qw(SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS)) {
		my $out = $gsasl->($m);
		like($out, qr/^235 2\.7\.0/m, "gsasl: $m") or diag($out);
	}
	for my $m (qw(PLAIN LOGIN)) {
		my $out = $gsasl->($m, '-p', 'alice-pass', '-z', 'alice');
		like($out, qr/^235 2\.7\.0/m, "gsasl: $m") or diag($out);
	}
	my $out = $gsasl->('EXTERNAL', "--x509-cert-file=$dir/cmail.crt",
	    "--x509-key-file=$dir/cmail.key", '-z', 'carol');
	like($out, qr/^235 2\.7\.0/m, 'gsasl: EXTERNAL') or diag($out);
	my ($st, $made) = run('gsasl', '--mkpasswd', '-m', 'SCRAM-SHA-256', '-p',
	    'made by gsasl');
	spew("$dir/secrets", slurp("$dir/secrets") . "dave:$made", 0600);
	ok(yes(scram(session('pop3'), 'SHA-256', 'dave', 'made by gsasl')),
	    'a line made by gsasl --mkpasswd; the file is read again');
}
SKIP: {
	skip 'swaks is not installed', 2 unless have('swaks');
	for my $m ('CRAM-MD5') {
		my ($st, $out) = run('swaks', '--server', $pp->{addr}, '--port',
		    $pp->port('mx'), '--auth', $m, '--auth-user', 'alice',
		    '--auth-password', "alice's secret", '--to', 'bob@example.org',
		    '--from', 'alice@example.org', '--quit-after', 'AUTH');
		like($out, qr/^<[-~] *235 2\.7\.0/m, "swaks: $m") or diag($out);
	}
}
for my $m (qw(cram-md5 scram-sha-1 scram-sha-256 apop)) {
	SKIP: {
		skip 'mpop is not installed', 1 unless have('mpop');
		$pp->pop3_free('alice'); # the last one need not wait for its QUIT
		my ($st, $out) = run('mpop', '--host=' . $pp->{addr}, '--port=' .
		    $pp->port('pop3'), '--user=alice', "--auth=$m",
		    "--passwordeval=printf %s \"alice's secret\"", '--keep=on',
		    "--delivery=mbox,$dir/mpop.mbox", '--tls=off',
		    "--uidls-file=$dir/uidls");
		skip "mpop knows no $m", 1 if $out =~ /not supported|unknown/i &&
		    $m =~ /scram/;
		is($st, 0, "mpop: $m") or diag($out);
	}
}
SKIP: {
	skip 'fetchmail is not installed', 1 unless have('fetchmail');
	$pp->pop3_free('alice');
	spew("$dir/fetchmailrc", "poll $pp->{addr} service " . $pp->port('pop3') .
	    " proto apop user alice password \"alice's secret\" sslproto '' " .
	    "keep mda /bin/true\n", 0600);
	my ($st, $out) = run({ env => { HOME => $dir } }, 'fetchmail', '-v', '-f',
	    "$dir/fetchmailrc", '--check', '--nosyslog', '-i', "$dir/fetchids",
	    '--pidfile', "$dir/fetch.pid");
	like($out, qr/APOP alice.*\n.*\+OK/, 'fetchmail: APOP') or diag($out);
}

# ---- errors in the file ----

my $cfg = $pp->conf_file('pop3d');
for ([ "alice\n", ':1: not name:{PLAIN}secret' ],
    [ "# x\n\nalice:{MD5}x\n", ':3: form {MD5} is not supported' ],
    [ "alice:{PLAIN}\n", ':1: a secret has 1 to 1024 octets' ],
    [ "alice:{PLAIN}x\nALICE:{PLAIN}y\n", ':2: user \'alice\' has such' ],
    [ "alice:{SCRAM-SHA-1}4096,x,y,z\n", ':1: not {SCRAM-SHA-1}iter' ],
    [ "a/b:{PLAIN}x\n", ':1: no name for a user' ],
    [ "alice:{PLAIN}x \n", ':1: the secret begins or ends with a blank' ],
    [ "*:{PLAIN}short\n", ":1: of '*' there is only" ]) {
	my ($text, $want) = @$_;
	spew("$dir/secrets", $text, 0600);
	my ($st, $out) = run($pp->program('pop3d'), '-t', '-f', $cfg);
	like($out, qr/\Q$dir\E\/secrets\Q$want\E/, "pop3d -t: $want");
}
chmod 0644, "$dir/secrets";
my ($st, $out) = run($pp->program('pop3d'), '-t', '-f', $cfg);
like($out, qr/secrets: mode 0644: others can read the secrets file/,
    'a file that others can read');
done_testing;
