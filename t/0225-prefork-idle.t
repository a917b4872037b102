#!/usr/bin/perl
# A connection wakes one of 1,000 idle workers, not all.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep);
use Pennypost;

my $idle = slow() > 1 ? 100 : 1000;
my $pp = Pennypost->start(daemons => ['smtpd'], smtpd => {
	workers_idle => $idle, workers_max => $idle + 100,
	workers_per_client => 1000, sessions_per_worker => 10000 });
ok(wait_for(60, sub { $pp->pids('smtpd', 'worker') >= $idle }),
    "$idle workers are idle") or diag(scalar $pp->pids('smtpd', 'worker'));
sub switches {
	my %n = map { $_ => Pennypost::Proc::switches($_) }
	    $pp->pids('smtpd', 'worker');
	return \%n;
}
# Until all of them wait.
my $calm = '';
ok(wait_for(60, sub {
	my $was = $calm;
	sleep 1;
	my $n = switches();
	$calm = join ' ', map { "$_:$n->{$_}" } sort keys %$n;
	return $calm eq $was;
}), 'and wait');
$pp->smtp->cmd('QUIT') for 1 .. 5;
my $before = switches();
my $n = 200;
for (1 .. $n) {
	my $s = $pp->connect('mx');
	$s->reply;
	$s->close;
}
my $after = switches();
my ($sum, $woken) = (0, 0);
for (grep { defined $before->{$_} } keys %$after) {
	$sum += $after->{$_} - $before->{$_};
	$woken++ if $after->{$_} > $before->{$_};
}
note("$woken workers woke up");
# 3 where it waits for the pool, for the client, and for the next one; more when
# others keep it waiting.  A herd would be hundreds.
cmp_ok($sum / $n, '<=', 10, 'few voluntary context switches a connection');
cmp_ok($sum, '>', 0, 'and they were counted');
done_testing;
