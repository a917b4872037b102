#!/usr/bin/perl
# Several certificates: each client gets that of the name it asks for (SNI), and
# the OCSP response that lies beside it.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->new(daemons => ['smtpd', 'pop3d']);
my $dir = $pp->dir;
my ($d_crt, $d_key) = $pp->certificate('ecdsa');

sub openssl {
	my ($st, $out) = run('openssl', @_);
	die "openssl @_: $out" if $st;
	return $out;
}
# ---- a small authority with an OCSP responder's index ----
openssl(qw(req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes
    -days 30 -subj /CN=ca.test), '-keyout', "$dir/ca.key", '-out', "$dir/ca.crt");
my $serial = 4096;
sub certificate {
	my ($file, @names) = @_;
	my $san = join ',', map { "DNS:$_" } @names;
	openssl(qw(req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes),
	    '-subj', "/CN=$names[0]", '-keyout', "$dir/$file.key", '-out',
	    "$dir/$file.csr");
	spew("$dir/$file.ext", "subjectAltName=$san\n");
	openssl('x509', '-req', '-days', 30, '-in', "$dir/$file.csr", '-CA',
	    "$dir/ca.crt", '-CAkey', "$dir/ca.key", '-set_serial', ++$serial,
	    '-extfile', "$dir/$file.ext", '-out', "$dir/$file.crt");
	chmod 0600, "$dir/$file.key";
	return $serial;
}
my $a = certificate('a', 'mx.a.test', '*.wild.test');
my $b = certificate('b', 'mx.b.test');
sub ocsp {
	my ($file, $number, $state, @more) = @_;
	my $gone = $state eq 'R' ? '250101000000Z' : '';
	spew("$dir/index", sprintf "%s\t350101000000Z\t%s\t%04X\tunknown\t/CN=x\n",
	    $state, $gone, $number);
	openssl('ocsp', '-issuer', "$dir/ca.crt", '-cert', "$dir/$file.crt",
	    '-no_nonce', '-reqout', "$dir/$file.req");
	openssl('ocsp', '-index', "$dir/index", '-rsigner', "$dir/ca.crt", '-rkey',
	    "$dir/ca.key", '-CA', "$dir/ca.crt", '-reqin', "$dir/$file.req",
	    '-respout', "$dir/$file.ocsp", @more);
}
ocsp('a', $a, 'V', '-ndays', 3);
ocsp('b', $b, 'R', '-ndays', 3);

my @tls = ("$d_crt $d_key", "$dir/a.crt $dir/a.key $dir/a.ocsp",
    "$dir/b.crt $dir/b.key $dir/b.ocsp");
$pp->write_config($_, tls_certificate => [ @tls ], tls_check_interval => '1s')
    for 'smtpd', 'pop3d';
$pp->start;

# What openssl is shown: (subject, all it says).
sub shown {
	my ($port, $name, @more) = @_;
	my ($st, $out) = run({ input => "QUIT\r\n" }, 'openssl', 's_client',
	    '-connect', $pp->addr . ':' . $pp->port($port), '-status',
	    '-ign_eof', defined $name ? ('-servername', $name) : '-noservername',
	    @more);
	return ($out =~ /^subject=(.*)$/m, $out);
}
for my $port ('smtps', 'pop3s') {
	for my $v ('-tls1_2', '-tls1_3') {
		for my $c ([ 'mx.a.test', 'mx.a.test' ], [ 'MX.A.TEST', 'mx.a.test' ],
		    [ 'x.wild.test', 'mx.a.test' ], [ 'mx.b.test', 'mx.b.test' ],
		    [ 'x.y.wild.test', 'mail.example.org' ],
		    [ 'unknown.test', 'mail.example.org' ],
		    [ undef, 'mail.example.org' ]) {
			my ($is) = shown($port, $c->[0], $v);
			like($is, qr/CN ?= ?\Q$c->[1]\E$/, "$port $v: " .
			    ($c->[0] // 'no name') . " gets $c->[1]");
		}
	}
	my (undef, $out) = shown($port, 'mx.a.test');
	like($out, qr/OCSP Response Status: successful.*Cert Status: good/s,
	    "$port: with its OCSP response");
	(undef, $out) = shown($port, 'mx.b.test');
	like($out, qr/OCSP response: no response sent/, 'not with one that says revoked');
	(undef, $out) = shown($port, undef);
	like($out, qr/OCSP response: no response sent/, 'nor with somebody else\'s');
}
$pp->log_like('smtpd', qr/b\.ocsp does not say that the certificate is good; the certificate is shown without it/,
    'the log says so');
# STARTTLS takes the same way.
my (undef, $out) = shown('mx', 'mx.b.test', '-starttls', 'smtp');
like($out, qr/^subject=.*mx\.b\.test$/m, 'by STARTTLS, too');

# ---- renewed by itself; a wrong one is left out ----
ocsp('b', $b, 'V', '-ndays', 3);
ok(wait_for(40, sub { (shown('smtps', 'mx.b.test'))[1] =~ /Cert Status: good/ }),
    'a new response is taken up by itself');
rename "$dir/a.ocsp", "$dir/b.ocsp";
ok(wait_for(40, sub { (shown('smtps', 'mx.b.test'))[1] =~ /no response sent/ }),
    'one for another certificate is not shown');
$pp->log_like('smtpd', qr/b\.ocsp is about another certificate; fetch it again/,
    'the log says that');
$pp->log_like('smtpd', qr/a\.ocsp: No such file or directory; the certificate is shown without it/,
    'and that one is missing');
spew("$dir/b.ocsp", 'no DER');
$pp->log_like('smtpd', qr/b\.ocsp is no OCSP response in DER/, 'and that one is none');
is((shown('smtps', 'mx.b.test'))[0] =~ /mx\.b\.test/, 1, 'mail goes on');

# ---- -t ----
my (undef, $said) = run($pp->program('smtpd'), '-t', '-f', $pp->conf_file('smtpd'));
like($said, qr/warning: \S+a\.ocsp: No such file.*without an OCSP response/,
    '-t warns of the missing one');
# ---- two of a kind ----
$pp->stop($_) for 'smtpd', 'pop3d';
certificate('c', '*.WILD.test', 'mx.a.test');
$pp->write_config('smtpd', tls_certificate => [ @tls, "$dir/c.crt $dir/c.key" ]);
my ($st, $why) = run($pp->program('smtpd'), '-e', '-f', $pp->conf_file('smtpd'));
isnt($st, 0, 'two ECDSA certificates for the same names: refused');
like($why, qr/c\.crt and another certificate for the same names are of one kind/,
    'with the file');
done_testing;
