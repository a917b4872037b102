#!/usr/bin/perl
# What RFCs 5321, 1870, 2034, 2920, 3030, 3207, 3461, 4954, 5802, 6152, 6531 and
# 8689 demand of a server, row by row (t/musts/, Pennypost::Must).
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;
use Pennypost::Must;

need('IO::Socket::SSL');

my $pp = Pennypost->new(daemons => ['smtpd'], users => { alice => undef,
	bob => undef, carol => undef, "j\xc3\xb6rg" => undef,
	postmaster => undef });
spew("$pp->{dir}/secrets", "carol:{PLAIN}carol's secret\n", 0600);
$pp->write_config('smtpd', secrets => "$pp->{dir}/secrets",
	refuse_networks => '127.0.0.66', errors_max => 100,
	message_size_max => 200000, auth_failure_delay => '0ms',
	auth_failures_max => 50, recipients_max => 100, grace_time => '1s');
$pp->start;

for my $rfc (qw(5321 1870 2034 2920 3030 3207 3461 4954 5802 6152 6531 8689)) {
	my ($shown, $named) = (0, 0);
	for my $row (Pennypost::Must::rows("t/musts/rfc$rfc.txt")) {
		my ($section, $what, $steps, $reason, $line) = @$row;
		if (defined $reason) {
			note("RFC $rfc $section: $what: $reason");
			$named++;
			next;
		}
		my $why = eval { Pennypost::Must::run($pp, $steps) } // $@;
		is($why, '', "RFC $rfc $section: $what")
		    or diag("t/musts/rfc$rfc.txt:$line");
		$shown++;
	}
	cmp_ok($shown, '>', 0, "RFC $rfc: $shown rows shown, $named named");
}
is($pp->stop('smtpd'), 0, 'and it ends in order');
done_testing;
