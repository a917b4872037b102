#!/usr/bin/perl
# What an idle session costs: the pages that its worker does not share with the
# pool, also when the pool has come and gone a while.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

need('root'); # a worker's pages are nobody else's business
plan(skip_all => 'sanitizers have memory of their own') if slow() > 1;
my $sessions = 20;
my %big = (workers_per_client => 120, workers_max => 200, workers_idle => 10);
my $pp = Pennypost->start(smtpd => { %big, sessions_per_worker => 3 },
    pop3d => {%big});

# KiB that nobody shares with it.
sub private {
	my $s = Pennypost::Proc::read_file("/proc/$_[0]/smaps_rollup") // return;
	my $sum = 0;
	$sum += $_ for $s =~ /^Private_(?:Clean|Dirty): +(\d+) kB$/mg;
	return $sum;
}
sub median {
	my @s = sort { $a <=> $b } @_;
	return $s[ @s / 2 ];
}

for (['smtpd', sub { $pp->smtp(to => 'submission') },
    'EHLO client.test'],
    ['pop3d', sub { $pp->pop3 }, 'CAPA']) {
	my ($d, $connect, $hello) = @$_;
	my $session = sub {
		my $s;
		# Those who have just gone count until the pool has heard of it.
		wait_for(60, sub {
			$s = $connect->();
			return $s->{greeting} =~ /^(?:220 |\+OK)/;
		});
		$s->cmd($hello);
		$s->multi if $d eq 'pop3d';
		return $s;
	};
	# Many at a time, so that the pool's heap has seen something.
	for (1 .. 2) {
		$_->close for map { $session->() } 1 .. 90;
	}
	my @idle = map { $session->() } 1 .. $sessions;
	my @kib;
	# What a session of before needed is given back after a while.
	ok(wait_for(30, sub {
		@kib = map { private($_->[0]) // () }
		    grep { $_->[2] =~ /worker \d/ } $pp->procs($d);
		return @kib == $sessions && median(@kib) <= 120;
	}), "$d: an idle session has 120 KiB of its own at most") or
	    diag("@kib");
	note("$d: @kib KiB");
}
$pp->stop;
done_testing;
