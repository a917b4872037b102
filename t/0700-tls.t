#!/usr/bin/perl
# STARTTLS, STLS, TLS from the start; versions, key types, and what was sent
# before the handshake.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

need('IO::Socket::SSL');
my $pp = Pennypost->start(rsa => 1);

for my $v (qw(TLSv1_2 TLSv1_3)) {
	for my $kind (qw(ecdsa rsa)) {
		my ($cert) = $pp->certificate($kind);
		# The signature algorithms choose the certificate.
		my %ssl = (SSL_version => $v, SSL_verify_mode => 1,
		    SSL_ca_file => $cert, SSL_verifycn_name =>
		    'mail.example.org', SSL_verifycn_scheme => 'smtp');
		if ($v eq 'TLSv1_2') {
			$ssl{SSL_cipher_list} = $kind eq 'rsa' ?
			    'ECDHE-RSA-AES128-GCM-SHA256' :
			    'ECDHE-ECDSA-AES128-GCM-SHA256';
		} else {
			$ssl{SSL_create_ctx_callback} = sub {
				my $alg = $kind eq 'rsa' ? 'RSA-PSS+SHA256' :
				    'ECDSA+SHA256';
				Net::SSLeay::CTX_set1_sigalgs_list(
				    $_[0], $alg)
				    if Net::SSLeay->can('CTX_set1_sigalgs_list');
			};
			next if $kind eq 'rsa' &&
			    !Net::SSLeay->can('CTX_set1_sigalgs_list');
		}
		my $s = $pp->smtp;
		$s->cmd('EHLO c.test');
		ok($s->starttls(%ssl), "STARTTLS, $v, $kind")
		    or diag($s->{tls_error});
		$s->expect('MAIL FROM:<a@b.test>', qr/^503 5\.5\.1 /,
		    'the state was reset (RFC 3207 4.2)');
		my $e = $s->expect('EHLO c.test', qr/^250-/);
		unlike($e, qr/STARTTLS/, 'no STARTTLS inside TLS');
		like($e, qr/^250[- ]AUTH PLAIN LOGIN/m, 'but AUTH');
		$s->expect('STARTTLS', qr/^(?:503|554) 5\.5\.1 /, 'nor again');
		$s->cmd('QUIT');

		my $p = $pp->pop3;
		ok($p->starttls(%ssl), "STLS, $v, $kind")
		    or diag($p->{tls_error});
		$p->expect('STLS', qr/^-ERR /, 'no STLS inside TLS');
		$p->cmd('CAPA');
		unlike($p->multi, qr/STLS/, 'nor in CAPA');
		$p->expect('USER bob', qr/^\+OK/);
		$p->expect('PASS bob-pass', qr/^\+OK/);
		$p->cmd('QUIT');

		for my $what (qw(smtps pop3s)) {
			my $c = $pp->connect($what, tls => \%ssl);
			ok($c->{tls}, "$what, $v, $kind")
			    or diag($c->{tls_error});
			like($c->reply, qr/^(?:220|\+OK) /, 'greeting inside');
			$c->cmd('QUIT');
		}
	}
}
# openssl, because not every Net::SSLeay can choose signature algorithms.
for my $alg ('rsa_pss_rsae_sha256', 'ecdsa_secp256r1_sha256',
    'rsa_pss_rsae_sha384', 'rsa_pss_rsae_sha512') {
	my ($st, $out) = run({ input => "QUIT\r\n" }, 'openssl', 's_client',
	    '-connect', $pp->addr . ':' . $pp->port('smtps'), '-tls1_3',
	    '-sigalgs', $alg, '-ign_eof');
	like($out, qr/^220 mail/m, "TLS 1.3 with $alg");
}
for my $c ('ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305') {
	my ($st, $out) = run({ input => "QUIT\r\n" }, 'openssl', 's_client',
	    '-connect', $pp->addr . ':' . $pp->port('pop3s'), '-tls1_2',
	    '-cipher', $c, '-ign_eof');
	like($out, qr/^\+OK/m, "TLS 1.2 with $c");
}

# What is too old or too weak.
for my $o ([ '-tls1', 'TLS 1.0' ], [ '-tls1_1', 'TLS 1.1' ],
    [ '-tls1_2 -cipher AES128-SHA', 'RSA key exchange' ]) {
	my ($st, $out) = run({ input => "QUIT\r\n" }, 'openssl', 's_client',
	    '-connect', $pp->addr . ':' . $pp->port('smtps'),
	    split(/ /, $o->[0]), '-ign_eof');
	unlike($out, qr/^220 /m, "$o->[1] is refused");
}

# Nothing that was sent before the handshake survives it.
my $s = $pp->smtp;
$s->cmd('EHLO c.test');
$s->raw("STARTTLS\r\nEHLO evil.test\r\nMAIL FROM:<evil\@evil.test>\r\n");
my $r = $s->reply;
if ($r =~ /^220/ && $s->handshake) {
	$s->expect('EHLO c.test', qr/^250-/);
	$s->expect('RCPT TO:<bob@example.org>', qr/^503 /,
	    'SMTP: injected commands are gone');
} else {
	like($r, qr/^(?:220|421|501|503|554) ?/, 'SMTP: injection is refused');
}
my $p = $pp->pop3;
$p->raw("STLS\r\nUSER bob\r\nPASS bob-pass\r\n");
$r = $p->reply;
if ($r =~ /^\+OK/ && $p->handshake) {
	$p->expect('STAT', qr/^-ERR /, 'POP3: injected commands are gone');
} else {
	like($r, qr/^(?:\+OK|-ERR)/, 'POP3: injection is refused');
}
# A name that was given in the clear is not remembered.
$p = $pp->pop3;
$p->cmd('USER bob');
ok($p->starttls, 'STLS after USER');
$p->expect('PASS bob-pass', qr/^-ERR /, 'USER was forgotten');

# Rubbish instead of a handshake, half a handshake, none at all.
for my $what (qw(smtps pop3s)) {
	my $c = $pp->connect($what);
	$c->raw("EHLO c.test\r\n" . "\0" x 100);
	ok($c->closed, "$what: rubbish ends the connection");
	$c = $pp->connect($what);
	$c->raw("\x16\x03\x01\x02\x00\x01");
	$c->close;
	ok($pp->connect($what, tls => 1)->{tls}, 'and harms nobody');
}
# A second handshake (renegotiation) in TLS 1.2.
{
	my ($st, $out) = run({ input => "R\n" }, 'openssl', 's_client',
	    '-connect', $pp->addr . ':' . $pp->port('smtps'), '-tls1_2');
	unlike($out, qr/verify return.*verify return.*RENEGOTIATING.*250/s,
	    'renegotiation is not served');
}
# A whole message over TLS, large.
my $big = message('big over TLS') . ('x' x 76 . "\r\n") x 20000;
like($pp->send('bob@example.org', $big, starttls => 1), qr/^250/,
    '1.5 MB over TLS');
my ($got) = $pp->fetch('bob', to => 'pop3s', tls => 1);
ok(substr($got, -length $big) eq $big, 'and back');
like($pp->mbox('bob'), qr/with ESMTPS/, 'Received says ESMTPS (RFC 3848)');
done_testing;
