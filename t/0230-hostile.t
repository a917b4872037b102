#!/usr/bin/perl
# A worker that has been broken into (t/hostile/attack.h): no role dies, no
# other session fails or waits, nothing is delivered, relayed or opened.
use strict;
use warnings;
use lib 't/lib';
use IO::Socket::IP;
use Socket qw(SOL_SOCKET SO_RCVTIMEO);
use Test::More;
use Time::HiRes qw(sleep time);

my $bin;
BEGIN {
	$bin = ($ENV{O} || 'build/plain') . '/t/hostile';
	$ENV{ uc $_ } = "$bin/$_" for qw(smtpd pop3d);
}
use Pennypost;

for (qw(smtpd pop3d)) {
	die "$bin/$_ is not built: make check-built\n" unless -x "$bin/$_";
}

my %hash = map { $_ => crypt("$_-pass", '$1$pennypos$') } qw(alice bob carol);
my $pp = Pennypost->start(users => \%hash, both => {
	auth_failure_delay => '0ms', workers_per_client => 200,
	sessions_per_worker => 1000, log_verbose => 'no' });

# Who is there.  One that was just forked, for a deletion or to send, has its
# parent's title, and one that ends has none: until they are gone, or, without
# $want, until nobody comes or goes.
sub roles_of {
	my ($d, $want) = @_;
	my ($was, $now) = ('', '');
	wait_for(30, sub {
		$was = $want // $now;
		$now = join ' ', sort map { "$_->[1]:$_->[0]" }
		    grep { $_->[1] !~ /^(?:worker|pool|sender|unknown)$/ }
		    $pp->procs($d);
		sleep 0.2 if $now ne $was;
		return $now eq $was;
	});
	return $now;
}
my %roles;
for my $d (qw(smtpd pop3d)) {
	$roles{$d} = roles_of($d);
	like $roles{$d}, qr/auth:\d+.*log:\d+/, "$d has captured workers";
}

# An honest client all the while: each answer within two seconds.
sub honest {
	my ($d) = @_;
	pipe my $r, my $w;
	pipe my $stop_r, my $stop_w;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		close $stop_w;
		my ($n, $slowest, $bad) = (0, 0, '');
		my $rin = '';
		vec($rin, fileno $stop_r, 1) = 1;
		until (select my $x = $rin, undef, undef, 0.02) {
			my $t = time;
			my $got = eval {
				if ($d eq 'smtpd') {
					return $pp->send('bob@example.org',
					    message('honest'));
				}
				my $c = $pp->pop3;
				$c->cmd('USER bob');
				my $l = $c->cmd('PASS bob-pass');
				$c->cmd('QUIT');
				$l =~ /^\+OK/ ? "250 $l" : $l;
			} // $@;
			$n++;
			$bad .= "[$got]" if $got !~ /^250/;
			$slowest = time - $t if time - $t > $slowest;
		}
		syswrite $w, "$n $slowest $bad\n";
		POSIX::_exit(0);
	}
	close $w;
	close $stop_r;
	return sub {
		close $stop_w;
		my $line = <$r> // '';
		waitpid $pid, 0;
		return $line =~ /^(\d+) (\S+) (.*)$/;
	};
}

sub attack_once {
	my ($d, $target, $mode, $start, $login) = @_;
	my $port = $pp->port($d eq 'smtpd' ? 'mx' : 'pop3');
	my $s = IO::Socket::IP->new(PeerHost => $pp->addr, PeerPort => $port,
	    Timeout => 10) or return "no connection: $!";
	print $s "HOSTILE $target $mode $start $login\r\n";
	my $got = '';
	# A worker that hangs is named, not waited for.
	setsockopt $s, SOL_SOCKET, SO_RCVTIMEO,
	    pack('l!l!', 40 * Pennypost::slow(), 0);
	while (defined(my $line = <$s>)) {
		# The machine is so busy that the worker, which looks for our
		# line for a moment only, has taken us for an honest client.
		return "NEXT $start" if $line =~ /^(?:220 |\+OK )/;
		return $1 if $line =~ /((?:DONE|NEXT|SILENT|NOCHANNEL) \d+)/;
		$got .= $line;
	}
	return $!{EAGAIN} ? 'hangs' : 'closed';
}

# All of one mode against one role.  Gives undef or what went wrong.
sub attack {
	my ($d, $target, $mode, $login) = @_;
	my $start = 0;
	for (1 .. 20000) {
		my $r = attack_once($d, $target, $mode, $start, $login // '');
		return undef if $r =~ /^DONE/;
		# The pool kills a worker that talks nonsense to it: nobody is
		# left to answer, and the attack goes on with the next one.
		if ($r eq 'closed' && $target =~ /^(?:pool|log)$/) {
			return undef if ++$start > 60;
			next;
		}
		return "$mode $start: $r" if $r !~ /^NEXT (\d+)$/;
		$start = $1;
	}
	return "$mode does not end";
}

my %targets = (
	smtpd => [qw(log pool key auth lookup deliver append queue right)],
	pop3d => [qw(log pool key auth maildrop)],
);
for my $d (qw(smtpd pop3d)) {
	for my $target (@{ $targets{$d} }) {
		my $login = $target =~ /^(?:right|maildrop)$/ ?
		    'carol carol-pass' : '';
		my $stop = honest($d);
		my @wrong = grep { defined } map {
			attack($d, $target, $_, $login)
		} qw(mutate random fds flood shutdown stall);
		my ($n, $slowest, $bad) = $stop->();
		is "@wrong", '', "$d: a captured worker against $target";
		ok $n > 0 && $bad eq '', "$d: $n honest sessions meanwhile"
		    or diag substr($bad // '', 0, 400);
		ok $slowest < 10 * Pennypost::slow(),
		    "$d: none of them waited" or diag $slowest;
		is roles_of($d, $roles{$d}), $roles{$d},
		    "$d: no role died of $target";
		note("slowest honest session: $slowest s");
	}
}

# What was sent by captured workers went nowhere.
my $alice = -e $pp->mailbox('alice') ? -s $pp->mailbox('alice') : 0;
is $alice, 0, 'nothing was delivered to alice';
ok !-s $pp->mailbox('carol') , 'nothing was delivered to carol';
ok wait_for(10, sub { !grep { -f } map { glob "$_/*" }
    glob($pp->dir . '/queue/active') }), 'nothing stays in the queue';
my $mbox = $pp->mbox('bob');
my $froms = () = $mbox =~ /^From /mg;
my $honest = () = $mbox =~ /^Delivered-To: bob\@example.org$/mg;
is $froms, $honest, 'bob has the honest messages and nothing else';
unlike $pp->log('smtpd'), qr/foreign\.example.*status=sent/, 'nothing relayed';
is $pp->stop, 0, 'and both end in order';
done_testing;
