#!/usr/bin/perl
# Many connections at once, for tests: many.pl ADDRESS PORT COUNT hold|quit
# Opens COUNT connections as fast as it can, from many loopback addresses,
# waits until each has its greeting, sends QUIT (hold: only after all were
# greeted), and says on one line what became of them.
use strict;
use warnings;
use Errno qw(EINPROGRESS EAGAIN);
use Fcntl qw(F_SETFL O_NONBLOCK);
use IO::Poll qw(POLLIN POLLOUT POLLERR POLLHUP);
use Socket;
use Time::HiRes qw(time sleep);

my ($addr, $port, $count, $mode) = @ARGV;
my $to = pack_sockaddr_in($port, inet_aton($addr));
my $poll = IO::Poll->new;
my (%state, %sock, %n);
$n{$_} = 0 for qw(served refused closed error bye);
my $start = time;
for my $i (1 .. $count) {
	socket my $s, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
	fcntl $s, F_SETFL, O_NONBLOCK;
	bind $s, pack_sockaddr_in(0,
	    inet_aton(sprintf '127.1.%d.%d', $i / 200, 1 + $i % 200))
	    or die "bind: $!";
	if (!connect($s, $to) && $! != EINPROGRESS) {
		$n{refused}++;
		next;
	}
	$sock{$s} = $s;
	$state{$s} = '';
	$poll->mask($s => POLLIN);
}
my $opened = time - $start;
# A busy machine needs its time, all the more with sanitizers.
my $last = $start + 90 * (($ENV{V} // '') eq 'asan' ? 4 : 1);
while (%sock && time < $last) {
	$poll->poll(1);
	for my $s ($poll->handles(POLLIN | POLLERR | POLLHUP)) {
		my $r = sysread $s, my $b, 4096;
		if (!$r) {
			next if !defined $r && $! == EAGAIN;
			$n{ defined $r ? 'closed' : 'refused' }++
			    if $state{$s} !~ /bye/;
			$n{bye}++ if $state{$s} =~ /bye/;
			drop($s);
			next;
		}
		if ($state{$s} eq '') {
			if ($b =~ /^(?:220|\+OK)/) {
				$n{served}++;
				$state{$s} = 'greeted';
				$n{seconds} = time - $start;
			} else {
				$n{error}++;
				drop($s);
				next;
			}
			quit($s) if $mode eq 'quit';
		}
	}
	if ($mode eq 'hold' && $n{served} && !grep { $_ eq '' } values %state) {
		$mode = 'held';
		quit($_) for values %sock;
	}
}
printf "served=%d refused=%d closed=%d error=%d bye=%d left=%d " .
    "opened=%.2f seconds=%.2f\n", @n{qw(served refused closed error bye)},
    scalar keys %sock, $opened, $n{seconds} // -1;

sub quit {
	my $s = shift;
	syswrite $s, "QUIT\r\n";
	$state{$s} = 'bye';
}
sub drop {
	my $s = shift;
	$poll->remove($s);
	delete $sock{$s};
	delete $state{$s};
	close $s;
}
