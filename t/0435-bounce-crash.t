#!/usr/bin/perl
# kill -9 at any moment: what failed is reported at least once, what can be
# delivered is.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep);
use Pennypost;

my $pp = Pennypost->start(smtpd => { retry_min => '100ms', retry_max => '300ms',
	queue_lifetime => '1s', delay_warning => '500ms' });
mkdir $pp->mailbox('bob') or die $!; # cannot be written

my %id;
my ($n, $kills) = (60, 5);
my $s = $pp->smtp;
$s->cmd('EHLO client.test');
for my $i (1 .. $n) {
	$s->cmd('MAIL FROM:<alice@example.org>');
	$s->cmd("RCPT TO:<$_\@example.org> NOTIFY=SUCCESS,FAILURE,DELAY")
	    for qw(bob carol);
	$s->cmd('DATA');
	my $r = $s->data(message("crash $i"));
	$id{$1} = $i if $r =~ /^250 .*queued as (\w+)/;
}
is(scalar keys %id, $n, "$n messages that fail for one of two");
sub done_with { !grep { !m{/\.} } glob "$pp->{dir}/queue/active/*" }
# Each time while some are told: seen by what is in the mailbox by then.
for my $k (1 .. $kills) {
	my $before = length $pp->mbox('alice');
	wait_for(2, sub { length $pp->mbox('alice') > $before + 3000 * $k ||
	    done_with() });
	$pp->kill_all('smtpd');
	is($pp->launch('smtpd'), '', "started again after kill -9 ($k)");
}
ok(wait_for(60, \&done_with), 'all are done with');
my %seen;
for my $report (split /^(?=From )/m, $pp->mbox('alice')) {
	my ($about) = $report =~ /^Final-Log-ID: (\w+)$/m or next;
	$seen{$about}{$1}++ while $report =~ /^Action: (\w+)$/mg;
}
is(scalar(grep { $seen{$_}{failed} } keys %id), $n,
    'each was reported as failed');
is(scalar(grep { $seen{$_}{delivered} } keys %id), $n,
    'and as delivered to the other');
my $carol = $pp->mbox('carol');
is(scalar(grep { $carol =~ /^Subject: crash $_$/m } values %id), $n,
    'who has it');
is(scalar(grep { !$id{$_} } keys %seen), 0, 'nothing else was reported');
done_testing;
