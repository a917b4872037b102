#!/usr/bin/perl
# The private keys are in the memory of the key roles and of nobody else.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

need('root', 'openssl', 'IO::Socket::SSL');
plan(skip_all => 'a sanitizer maps terabytes and keeps what was freed')
    if ($ENV{V} || '') eq 'asan';
my $pp = Pennypost->start(rsa => 1);

sub handshakes {
	for my $v (qw(TLSv1_2 TLSv1_3)) {
		for my $what (qw(smtps pop3s)) {
			my $s = $pp->connect($what, tls => { SSL_version => $v });
			ok($s->{tls}, "$what, $v") or diag($s->{tls_error});
			$s->reply;
			$s->cmd('QUIT');
		}
	}
}

# What to look for: the secret numbers, most and least significant octet first
# (as OpenSSL's BIGNUM has them), and each line of the PEM file.
my %secret;
for my $kind (qw(ecdsa rsa)) {
	my ($cert, $key) = $pp->certificate($kind);
	my ($st, $text) = run('openssl', 'pkey', '-in', $key, '-noout', '-text');
	is($st, 0, "$kind: openssl reads the key");
	for my $name ($kind eq 'ecdsa' ? 'priv' :
	    qw(privateExponent prime1 prime2 exponent1 exponent2)) {
		my ($hex) = $text =~ /^\Q$name\E:\n((?:    [0-9a-f:]+\n)+)/m
		    or die "no $name in $text";
		$hex =~ s/[^0-9a-f]//g;
		my $n = pack 'H*', $hex;
		$n =~ s/^\0+//;
		# A part of it is enough to notice.
		$secret{"$kind $name"} = substr $n, 0, 16;
		$secret{"$kind $name, reversed"} =
		    reverse substr $n, 0, 16;
	}
	my @pem = grep { !/---/ } split /\n/, slurp($key);
	$secret{"$kind PEM"} = substr $pem[1], 0, 40;
}

# The names of secrets that a process holds.
sub holds {
	my $pid = shift;
	my %found;
	my $octets = Pennypost::Proc::memory($pid, sub {
		my $piece = shift;
		for (keys %secret) {
			$found{$_} = 1 if index($piece, $secret{$_}) >= 0;
		}
	});
	return ($octets, sort keys %found);
}

sub search {
	my $when = shift;
	for my $d (qw(smtpd pop3d)) {
		for ($pp->procs($d)) {
			my ($pid, $role) = @$_;
			my ($octets, @found) = holds($pid);
			next unless Pennypost::Proc::same($_);
			ok($octets > 100_000, "$d $role: memory was read");
			if ($role eq 'key') {
				ok(@found > 0, "$d key holds the keys $when");
			} else {
				is("@found", '', "$d $role holds none $when");
			}
		}
	}
}
handshakes();
my @open = map { $pp->connect($_, tls => 1) } qw(smtps pop3s);
search('after handshakes');
# The key roles of before stay, as somebody is still connected.
$pp->reload_done($_) for qw(smtpd pop3d);
handshakes();
search('after a reload');
done_testing;
