#!/usr/bin/perl
# Deliveries to one mailbox without a pause keep nobody out of it: not our own
# POP3 sessions (the turnstile, spool/lock.h), and not a program that looks for
# the dotlock once a second (spool/pace.h).
use strict;
use warnings;
use lib 't/lib';
use Fcntl;
use Test::More;
use Time::HiRes qw(sleep time);
use Pennypost;

my $pp = Pennypost->start(
    both => { mailbox_locks => 'fcntl dotlock' },
    pop3d => { errors_max => 1000 });
my $box = $pp->mailbox('bob');
chmod 01777, $pp->dir . '/mail';
ok($pp->send('bob@example.org', message('the first')) =~ /^250/,
    'there is a mailbox');

# Each keeps one connection and sends message after message.
my $until = time + 300;
my $stop = $pp->dir . '/stop';
my @pid;
for my $n (1 .. 4) {
	my $pid = fork // die "fork: $!";
	push @pid, $pid;
	next if $pid;
	my $bad = 0;
	while (!-e $stop && time < $until) {
		my $s = $pp->smtp;
		$s->cmd('EHLO client.test');
		for (1 .. 50) {
			last if -e $stop;
			$s->cmd('MAIL FROM:<s@client.test>');
			$s->cmd('RCPT TO:<bob@example.org>');
			last unless $s->cmd('DATA') =~ /^354/;
			$bad++ unless $s->data(message("from $n")) =~ /^250/;
		}
		$s->cmd('QUIT');
	}
	POSIX::_exit($bad ? 1 : 0);
}
sub grown { my $n = -s $box; return wait_for(60, sub { -s $box > $n + 4000 }) }
ok(grown(), 'it is written all the time');

# A program of the last century: once a second.
my @tries;
for my $round (1 .. 3) {
	my ($try, $got) = (0, 0);
	grown() or last;
	while (!$got && $try < 40) {
		$try++;
		$got = sysopen my $l, "$box.lock", O_CREAT | O_EXCL | O_WRONLY, 0444;
		sleep 1 unless $got;
	}
	push @tries, $got ? $try : 'none';
	unlink "$box.lock" if $got;
}
ok(!grep({ $_ eq 'none' } @tries), 'who looks once a second gets the dotlock');
note("after @tries tries");
ok(grown(), 'and it is written again');

# Logins that read, and delete.
my (@bad, @took);
for my $round (1 .. 5) {
	my $t = time;
	my $p = $pp->pop3_as('bob');
	push @bad, $p->{login} unless $p->{login} =~ /^\+OK/;
	my ($n) = $p->cmd('STAT') =~ /^\+OK (\d+)/;
	$p->cmd('RETR 1') =~ /^\+OK/ && defined $p->multi or push @bad, 'RETR';
	my $r = $p->cmd('DELE ' . ($n || 1));
	push @bad, $r unless $r =~ /^\+OK/;
	$r = $p->cmd('QUIT');
	push @bad, $r unless $r =~ /^\+OK/;
	push @took, sprintf '%.2f', time - $t;
}
is("@bad", '', 'POP3 sessions read and delete at the same time');
note("in @took seconds");
spew($stop, '');
my $failed = 0;
for (@pid) {
	waitpid $_, 0;
	$failed++ if $?;
}
is($failed, 0, 'nothing was refused meanwhile');
ok(wait_for(60, sub { !grep { -f } glob $pp->dir . '/queue/*/*' }),
    'and all is delivered');
done_testing;
