#!/usr/bin/perl
# kill -9 of everything, or of single processes, at random moments, while mail
# goes everywhere: to users, through aliases and lists, through ~/.forward, to
# other hosts that take it, refuse it, or say later.  Whatever got its 250 is in
# the mailbox, with the other host, or reported to its sender.
# CRASHES=N rounds.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use Pennypost;
use Pennypost::Peer;

my $rounds = $ENV{CRASHES} || ($ENV{TORTURE} ? 50 : 3);
my $seed = $ENV{SEED} || $$ ^ time;
srand $seed;
note("SEED=$seed");

my $pp = Pennypost->new(daemons => ['smtpd']);
my ($dir, $addr) = ($pp->dir, $pp->addr);
# A host that has moods, by which none is refused for ever.
my $moody = Pennypost::Peer->new(dir => $dir, addr => $addr,
    caps => [qw(PIPELINING)], finish => sub {
	my $x = rand;
	return $x < 0.15 ? "451 4.3.0 later\r\n" :
	    $x < 0.2 ? undef : "250 2.0.0 Ok: queued as 1\r\n";
}, reply => {
	'RCPT TO:<no' => "550 5.1.1 nobody here\r\n",
	'RCPT TO:<far' => sub {
		rand() < 0.15 ? "450 4.2.0 later\r\n" : "250 2.1.5 Ok\r\n" },
	'MAIL' => sub { rand() < 0.05 ? undef : "250 2.1.0 Ok\r\n" },
});
my $home = $pp->make_home('bob');
spew("$home/.forward", "carol\n", 0644);
chown $pp->user_uid('bob'), $pp->user_gid('bob'), "$home/.forward"
    if is_root();
spew("$dir/aliases", "nick: alice\nlist: alice, carol\n" .
    "owner-list: alice\npostmaster: alice\n", 0644);
$pp->write_config('smtpd', aliases => "$dir/aliases",
	relay => "$addr:" . $moody->port, relay_networks => '127.0.0.0/8',
	relay_tls => 'none', retry_min => '200ms', retry_max => '800ms',
	workers_idle => 6, alias_user => is_root() ? 'nobody' : undef);
$pp->start;

# Where it goes: [recipient, mailbox or other host or report].
my @ways = (
	[ 'alice@example.org', 'alice' ], [ 'nick@example.org', 'alice' ],
	[ 'list@example.org', 'alice', 'carol' ],
	[ 'bob@example.org', 'carol' ],
	[ 'far@x.test', 'far' ], [ 'far@y.test', 'far' ],
	[ 'no@x.test', 'report' ],
);
my $acks = "$dir/acks";
sub client {
	my ($n, $round) = @_;
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	open my $ack, '>>', $acks or die $!;
	srand $seed + $n + 100 * $round;
	my $failed = 0;
	eval {
		for my $i (1 .. 300) {
			my $id = "r${round}c${n}m$i";
			my %to = map { $_->[0] => $_ }
			    map { $ways[ rand @ways ] } 0 .. rand 3;
			my $r = eval { $pp->send([ sort keys %to ],
			    message($id, "end of $id"),
			    from => 'alice@example.org') } // '';
			if ($r =~ /^250 .*?([0-9A-F]{14,})/) {
				my $as = $1;
				syswrite $ack, join(' ', $id, $as,
				    map { my ($a, @w) = @{ $to{$_} };
					map { "$_/$a" } @w } sort keys %to) . "\n";
			} elsif ($r !~ /^\d/) {
				last if ++$failed > 40;
				sleep 0.02;
			}
		}
	};
	POSIX::_exit(0);
}
my $singles = 0;
sub kill_some {
	my $end = time + 0.5 + rand 1.5;
	while (time < $end) {
		my @p = grep { $_->[1] ne 'master' } $pp->procs('smtpd');
		my %of;
		push @{ $of{ $_->[1] } }, $_->[0] for @p;
		my @roles = sort keys %of;
		my $of = $of{ $roles[ rand @roles ] } or next;
		kill 'KILL', $of->[ rand @$of ];
		$singles++;
		sleep 0.05 + rand 0.3;
	}
}
sub acked { return -e $acks ? scalar(() = slurp($acks) =~ /\n/g) : 0 }
for my $round (1 .. $rounds) {
	my @clients = map { client($_, $round) } 1 .. 3;
	my $why = '';
	# Something is promised in each round, however busy the machine is.
	my $before = acked();
	wait_for(60, sub { acked() > $before + 10 });
	if ($round % 2) {
		sleep rand 1.5;
		$pp->kill_all('smtpd');
	} else {
		kill_some();
	}
	if ($round % 2) {
		waitpid $_, 0 for @clients;
		is($why = $pp->launch('smtpd'), '',
		    "round $round: killed and started again");
	} else {
		kill 'KILL', @clients;
		waitpid $_, 0 for @clients;
		ok(wait_for(120, sub {
			eval { $pp->send('alice@example.org', message('again')) } =~
			    /^250/;
		}), "round $round: it serves after single processes were killed")
		    or last;
	}
	last if $why;
}
ok($rounds == 1 || $singles > 0, "$singles processes were killed by themselves");

my (%want, %queued, $promised);
for (split /\n/, slurp($acks)) {
	my ($id, $as, @to) = split;
	next unless @to && $to[-1] =~ m{/.*@};
	$queued{$id} = $as;
	for (@to) {
		my ($way) = m{^(\w+)/};
		$want{$way}{$id} = 1;
		$promised++;
	}
}
cmp_ok($promised // 0, '>', 10 * $rounds, "$promised deliveries were promised");
note(join ', ', map { "$_: " . keys %{ $want{$_} } } sort keys %want);
sub missing {
	my ($way) = @_;
	my %have;
	if ($way eq 'far') {
		%have = map { /^end of (r\w+)\r$/m ? ($1 => 1) : () }
		    $moody->messages;
	} elsif ($way eq 'report') {
		my %as = reverse %queued;
		%have = map { ($as{$_} // '') => 1 }
		    $pp->mbox('alice') =~ /^Final-Log-ID: (\w+)/mg;
	} else {
		%have = map { $_ => 1 } $pp->mbox($way) =~ /^end of (r\w+)$/mg;
	}
	return grep { !$have{$_} } sort keys %{ $want{$way} };
}
for my $way (sort keys %want) {
	my @missing;
	# The moody host takes its time when it has been killed 50 times.
	ok(wait_for(300, sub { !(@missing = missing($way)) }),
	    "$way: all that was promised is there")
	    or diag("missing: @missing[0 .. ($#missing > 9 ? 9 : $#missing)]");
}
ok(wait_for(60, sub { !(() = glob "$dir/queue/active/*") }),
    'the queue is empty');
is(scalar(() = glob "$dir/queue/damaged/*"), 0, 'nothing was damaged');
unlike($pp->log('smtpd'), qr/died by signal 31/, 'nobody ran into a wall');
done_testing;
