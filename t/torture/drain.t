#!/usr/bin/perl
# 10,000 messages to 200 destinations, through the whole daemon and real SMTP;
# 10 destinations are dead, which means that they take connections and say
# nothing.  They delay nobody else, nor local mail.  DRAIN=N messages.
use strict;
use warnings;
use lib 't/lib';
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);
use Pennypost;
use Pennypost::Peer;

my $many = $ENV{DRAIN} || 10_000;
my ($places, $dead) = (200, 10);

my $pp = Pennypost->new(daemons => ['smtpd']);
my ($dir, $addr) = ($pp->dir, $pp->addr);
# One sink behind all that live: a destination is a name.
my $sink = Pennypost::Peer->sink(dir => $dir, addr => $addr) or
    plan skip_all => 'no smtp-sink';
my $port = $sink->port;
my @mute = map { IO::Socket::INET->new(LocalAddr => $addr, Listen => 100)
	or die $! } 1 .. $dead;
my @transport = map { my $i = $_; "d$i.test smtp:$addr:" .
	($i < $dead ? $mute[$i]->sockport : $port) } 0 .. $places - 1;
$pp->write_config('smtpd', transport => \@transport,
	relay_networks => '127.0.0.0/8', relay_tls => 'none',
	relay_reply_timeout => '600s', sessions_per_worker => 1000,
	workers_idle => 6, log_style => 'postfix');
$pp->start;

my $each = $many / $places;
my @feeders;
my $begin = time;
for my $f (0 .. 3) {
	my $child = fork // die "fork: $!";
	if (!$child) {
		my ($s, $bad, $n) = (undef, 0, 0);
		for (my $i = $f; $i < $many; $i += 4) {
			if ($n++ % 50 == 0) { # as a session's are bounded
				$s->cmd('QUIT') if $s;
				$s = $pp->smtp;
				$s->cmd('EHLO c.test');
			}
			my $d = $i % $places;
			$s->cmd('MAIL FROM:<alice@example.org>');
			$s->cmd("RCPT TO:<u$i\@d$d.test>");
			$s->cmd('DATA');
			$bad++ unless $s->data(message("m$i")) =~ /^250/;
		}
		POSIX::_exit($bad ? 1 : 0);
	}
	push @feeders, $child;
}
my ($local, $slowest) = (0, 0);
# One local message after another, while all that goes on.
# What the sink has had it says itself: a log under load loses lines.
my $sent = 0;
my $want = $each * ($places - $dead);
my $end = time + 900;
while ($sent < $want && time < $end) {
	my $t = time;
	$local++ if $pp->send('bob@example.org', message('local')) =~ /^250/;
	my $took = time - $t;
	$slowest = $took if $took > $slowest;
	($sent) = slurp("$dir/sink.log") =~ /.*mesg=(\d+)/s;
	$sent //= 0;
	sleep 0.1;
}
my $took = time - $begin;
waitpid($_, 0), is($?, 0, 'a client had all its messages taken')
    for @feeders;
cmp_ok($sent, '>=', $want, 'each message for those who live is sent');
note(sprintf '%d messages in %.0f s, %d local ones meanwhile, the slowest %.2f s',
    $sent, $took, $local, $slowest);
# None of the dead has been given up by then: they took nothing from others.
my $waiting = () = glob "$dir/queue/active/*";
ok(wait_for(60, sub {
	($waiting = () = glob "$dir/queue/active/*") == $each * $dead
}), 'those for the dead wait') or diag("$waiting wait");
is(() = $pp->mbox('bob') =~ /^Subject: local$/mg, $local,
    'local mail is all there');
is($pp->stop('smtpd'), 0, 'all end in order');
done_testing;
