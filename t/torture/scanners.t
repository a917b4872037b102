#!/usr/bin/perl
# Programs that look for weaknesses: nmap's smtp-* scripts, sslscan, testssl.sh.
# What these may find, and why, stands below; anything else is a failure.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

need('nmap', 'sslscan', 'testssl');

my $pp = Pennypost->start(rsa => 1, both => { workers_per_client => 100,
	errors_max => 1000, grace_time => '1s' });
my $at = $pp->addr;

# ---- nmap ----
sub nmap {
	my ($script, @more) = @_;
	my ($st, $out) = run({ seconds => 120 }, 'nmap', '-Pn', '-n', '-sT',
	    '-p', $pp->port('mx'), '--script', "+$script", @more, $at);
	is($st, 0, "nmap $script ran");
	like($out, qr/\d+\/tcp +open/, 'and reached the port');
	return $out;
}
my $out = nmap('smtp-open-relay',
    '--script-args', 'smtp-open-relay.domain=example.org');
like($out, qr/smtp-open-relay: Server doesn't seem to be an open relay, all tests failed/,
    'no open relay: all refused') or diag($out);
$out = nmap('smtp-commands');
like($out, qr/smtp-commands:.*PIPELINING/s, 'EHLO is understood');
$out = nmap('smtp-enum-users',
    '--script-args', 'smtp-enum-users.methods={VRFY,EXPN,RCPT}');
unlike($out, qr/^\|_? +(?:alice|bob|carol)\b/m, 'no user is found by VRFY or EXPN')
    or diag($out);
$out = nmap('smtp-ntlm-info');
unlike($out, qr/Target_Name/, 'NTLM tells nothing');
for my $cve (qw(2010-4344 2011-1720 2011-1764)) {
	$out = nmap("smtp-vuln-cve$cve");
	unlike($out, qr/State: (?:LIKELY )?VULNERABLE/, "no CVE-$cve")
	    or diag($out);
}
unlike($pp->log('smtpd'), qr/died by signal/, 'no worker died of it');

# ---- sslscan ----
for my $how ([ 'smtps' ], [ 'mx', '--starttls-smtp' ],
    [ 'pop3s' ], [ 'pop3', '--starttls-pop3' ]) {
	my ($port, @arg) = @$how;
	my ($st, $text) = run({ seconds => 120 }, 'sslscan', '--no-colour',
	    @arg, "$at:" . $pp->port($port));
	is($st, 0, "sslscan @arg $port");
	like($text, qr/TLSv1\.3 +enabled/, 'TLS 1.3');
	unlike($text, qr/(?:SSLv2|SSLv3|TLSv1\.0|TLSv1\.1) +enabled/,
	    'nothing before TLS 1.2');
	unlike($text, qr/(?:Preferred|Accepted) .*(?:RC4|DES|NULL|EXP|anon|MD5)/,
	    'no weak cipher') or diag($text);
	unlike($text, qr/Compression enabled/, 'no compression');
	unlike($text, qr/(?<!not )vulnerable to heartbleed/, 'no Heartbleed');
	unlike($text, qr/Insecure session renegotiation supported/,
	    'renegotiation');
}

# ---- testssl.sh ----
# Findings that are allowed.
my %allowed = (
	cert_expirationStatus => 'the certificate of this test is for two days',
	cert_notAfter      => 'the certificate of this test is for two days',
	cert_revocation    => 'it is signed by itself: no CA, no list',
	cipherlist_AVERAGE => 'CBC suites of TLS 1.2, for clients without ' .
	    'AES-GCM; never preferred',
	LUCKY13            => 'said of every CBC suite; OpenSSL has had the ' .
	    'countermeasure since 1.0.1e',
	RC4                => 'its openssl has no RC4 to ask with; sslscan ' .
	    'above asks by itself',
	engine_problem     => 'a note about its own openssl',
);
for my $how ([ 'smtps' ], [ 'mx', '-t', 'smtp' ]) {
	my ($port, @arg) = @$how;
	my $csv = "$pp->{dir}/$port.csv";
	my ($st, $text) = run({ seconds => 200, env => { TERM => 'dumb' } },
	    'testssl', '--quiet', '--color', '0', '--warnings', 'batch',
	    '--nodns', 'min', '--fast', '--sneaky', '-p', '-s', '-f', '-S', '-U',
	    '--csvfile', $csv, @arg, "$at:" . $pp->port($port));
	ok(-s $csv, "testssl.sh @arg $port wrote its findings ($st)")
	    or diag(substr $text, -2000);
	my @bad;
	for (-e $csv ? split /\n/, slurp($csv) : ()) {
		my @f = /"([^"]*)"/g;
		next if @f < 5 || $f[3] !~ /^(?:LOW|MEDIUM|HIGH|CRITICAL|WARN)$/;
		(my $id = $f[0]) =~ s/ <.*//;
		note("$f[3] $id: $f[4]: ", $allowed{$id}) if $allowed{$id};
		next if $allowed{$id};
		push @bad, "$f[3] $id: $f[4]";
	}
	is(join("\n", @bad), '', 'nothing but what is allowed');
}
is($pp->stop, 0, 'and both end in order');
done_testing;
