#!/usr/bin/perl
# kill -9 of everything, or of single roles, at random moments: every message
# that got its 250 is in every mailbox, whole.  CRASHES=N rounds.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use Pennypost;

my $rounds = $ENV{CRASHES} || ($ENV{TORTURE} ? 60 : 6);
my $seed = $ENV{SEED} || $$ ^ time;
srand $seed;
note("SEED=$seed");
my $pp = Pennypost->start(smtpd => { retry_min => '300ms', retry_max => '1s',
	workers_idle => 6 });
my $acks = "$pp->{dir}/acks";

# Clients in processes of their own.  What was answered with 250 is noted.
sub client {
	my ($n, $round) = @_;
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	open my $ack, '>>', $acks or die $!;
	srand $seed + $n + 100 * $round;
	my $failed = 0;
	eval {
		for my $i (1 .. 2000) {
			my $id = "r$round-c$n-$i";
			my @to = $i % 3 ? [ qw(alice bob carol) ]->[rand 3] :
			    qw(alice bob carol);
			my $text = message($id) . ('x' x 60 . "\r\n") x
			    ([ 0, 1, 20, 1500 ]->[rand 4]) . "end of $id\r\n";
			my $r = eval { $pp->send([ map "$_\@example.org",
			    @to ], $text) } // '';
			syswrite $ack, "$id @to\n" if $r =~ /^250/;
			next if $r =~ /^\d/;
			last if ++$failed > 40;
			sleep 0.02;
		}
	};
	POSIX::_exit(0);
}
# In every other round single processes die and are replaced.
sub kill_some {
	my $end = time + 0.5 + rand 1.5;
	my $n = 0;
	while (time < $end) {
		my @p = grep { $_->[1] ne 'master' } $pp->procs('smtpd');
		# Each role as likely as any other.
		my %of;
		push @{ $of{ $_->[1] } }, $_->[0] for @p;
		my @roles = sort keys %of;
		my $of = $of{ $roles[ rand @roles ] } or next;
		kill 'KILL', $of->[ rand @$of ];
		$n++;
		sleep 0.05 + rand 0.3;
	}
	return $n;
}
sub acked { return -e $acks ? scalar(() = slurp($acks) =~ /\n/g) : 0 }
my $singles = 0;
for my $round (1 .. $rounds) {
	my @clients = map { client($_, $round) } 1 .. 4;
	# Something is promised in each round, however busy the machine is.
	my $before = acked();
	wait_for(60, sub { acked() > $before + 5 });
	if ($round % 2) {
		sleep rand 1.5;
		$pp->kill_all('smtpd');
		waitpid $_, 0 for @clients;
		my $why = $pp->launch('smtpd');
		is($why, '', "round $round: killed and started again");
		last if $why;
		next;
	}
	$singles += kill_some();
	kill 'KILL', @clients;
	waitpid $_, 0 for @clients;
	# Who dies again and again is away for longer and longer.
	ok(wait_for(120, sub {
		eval { $pp->send('alice@example.org', message('again')) } =~
		    /^250/;
	}), "round $round: it serves after single processes were killed")
	    or last;
}
cmp_ok($singles, '>', 0, "$singles processes were killed by themselves");

my %want;
for (split /\n/, slurp($acks)) {
	my ($id, @to) = split;
	$want{$_}{$id} = 1 for @to;
}
my ($acked) = scalar map { keys %$_ } values %want;
cmp_ok($acked, '>', 5 * $rounds, "$acked deliveries were promised");
for my $u (qw(alice bob carol)) {
	my @missing;
	ok(wait_for(90, sub {
		my %have = map { $_ => 1 }
		    $pp->mbox($u) =~ /^end of (r\S+)$/mg;
		@missing = grep { !$have{$_} } keys %{ $want{$u} };
		return !@missing;
	}), "$u has every message that got its 250")
	    or diag("missing: @missing[0 .. ($#missing > 9 ? 9 : $#missing)]");
	my $bad = 0;
	my @m = $pp->fetch($u);
	for (@m) {
		my ($id) = /^Subject: (\S+)\r$/m;
		next if ($id // '') eq 'again';
		$bad++ unless defined $id && /\r\nend of \Q$id\E\r\n\z/;
	}
	is($bad, 0, "and all " . @m . " in the mailbox are whole");
}
done_testing;
