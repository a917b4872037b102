#!/usr/bin/perl
# QUIT after DELE, and kill -9 in the middle of it: of the child that changes the
# mailbox, of maildrop and that child, of the worker, of everything.  Whatever
# died, the mailbox has all messages or all that were not deleted, each whole,
# and those that were delivered meanwhile.  CRASHES=N rounds.
use strict;
use warnings;
use lib 't/lib';
use IO::Select;
use Test::More;
use Time::HiRes qw(sleep time);
use Pennypost;

my $rounds = $ENV{CRASHES} || ($ENV{TORTURE} ? 200 : 12);
my $seed = $ENV{SEED} || $$ ^ time;
srand $seed;
note("SEED=$seed");
my $pp = Pennypost->start(both => { mailbox_locks => 'fcntl dotlock' },
    smtpd => { retry_min => '200ms', retry_max => '1s' });
my $box = $pp->mailbox('bob');
is($pp->send('bob@example.org', message('first')) =~ /^250/, 1, 'a mailbox');
my $inode = (stat $box)[1];
my $delivered = 0;

# A mailbox of so many messages in the same file: "id length\n" says in each what
# it must be.
sub fill {
	my ($round, $n) = @_;
	open my $f, '+<:raw', $box or die "$box: $!";
	truncate $f, 0;
	my @id;
	for my $i (1 .. $n) {
		my $id = "r$round-m$i";
		my $body = join "\n", map { "$id line $_ " . 'x' x 60 }
		    1 .. 1 + int rand(rand() < 0.1 ? 8000 : 200);
		print $f "From a\@b.test Mon Jan  5 10:00:00 2026\n",
		    "Subject: $id\n\n$body\nend of $id ", length $body, "\n\n";
		push @id, $id;
	}
	close $f;
	return @id;
}

# What is in the mailbox, by what the file says; @bad: what is not whole.
sub contents {
	my (%have, @bad);
	my $text = $pp->mbox('bob');
	for my $m (split /^(?=From [^\n]+ \d{4}\n)/m, $text) {
		my ($id) = $m =~ /^Subject: (\S+)$/m;
		if (!defined $id || $have{$id}++) {
			push @bad, 'twice or nameless: ' . substr $m, 0, 60;
		} elsif ($id =~ /^r/) {
			my ($body, $end, $n) = $m =~
			    /\n\n(.*)\nend of (\S+) (\d+)\n\n\z/s;
			push @bad, "not whole: $id" unless defined $n &&
			    $end eq $id && length $body == $n &&
			    !grep { !/^\Q$id\E line / } split /\n/, $body;
		} elsif ($m !~ /^This is \Q$id\E\.$/m) {
			push @bad, "not whole: $id";
		}
	}
	return (\%have, @bad);
}

sub last_pid { (split ' ', Pennypost::Proc::read_file('/proc/loadavg'))[4] }

# The children of that process that were born since the process `since`.
sub children {
	my ($parent, $since) = @_;
	my $last = last_pid();
	my @pid = $last >= $since ? $since .. $last : 2 .. $last;
	return grep { ((Pennypost::Proc::stat_fields($_))[1] // 0) == $parent }
	    @pid;
}

# Says QUIT and kills, when the child is there or has been; '' or what QUIT was
# answered.
sub quit_and_kill {
	my ($p, $worker, $how, $delay) = @_;
	my ($maildrop) = $pp->pids('pop3d', 'maildrop');
	my $since = last_pid();
	my $end = time + 60 * slow();
	my @child;
	my $answer = IO::Select->new($p->{in});
	$p->say('QUIT');
	1 until @child = children($maildrop, $since) or
	    $answer->can_read(0) or time > $end;
	my $begun = time;
	1 while time < $begun + $delay;
	if ($how eq 'all') {
		$pp->kill_all('pop3d');
	} else {
		kill 'KILL', $how eq 'child' ? @child : $how eq 'worker' ?
		    $worker : $how eq 'maildrop' ?
		    ($maildrop, children($maildrop, $since)) : ();
	}
	my $line = $p->line // '';
	return ($line, time - $begun);
}

my ($took, %ended, %answers) = (0.02);
for my $round (1 .. $rounds) {
	my $how = (qw(child maildrop worker all none))[$round % 5];
	my @id = fill($round, 20 + int rand 100);
	my $p = $pp->pop3_as('bob');
	if ($p->{login} !~ /^\+OK/) {
		fail("round $round: logged in: $p->{login}");
		last;
	}
	my %gone;
	for my $i (0 .. $#id) {
		next unless rand() < ($round % 2 ? 0.5 : 0.05) || $i == 3;
		$gone{ $id[$i] } = 1 if $p->cmd('DELE ' . ($i + 1)) =~ /^\+OK/;
	}
	my ($worker) = $pp->pop3_as('bob')->{login} =~ /pid (\d+)/;
	my @new = map { "new-$round-$_" } 1 .. 2;
	my @sent = grep { $pp->send('bob@example.org', message($_)) =~ /^250/ }
	    $new[0];
	my ($answer, $time) = quit_and_kill($p, $worker, $how, rand() * $took);
	$took = ($took + $time) / 2 if $how eq 'none';
	push @sent, grep { $pp->send('bob@example.org', message($_)) =~ /^250/ }
	    $new[1];
	if ($how eq 'all') {
		my $why = $pp->launch('pop3d');
		is($why, '', "round $round: started again") or last;
	}
	# Whoever logs in finds it mended.
	my $login = '';
	ok(wait_for(15, sub {
		my $q = eval { $pp->pop3_as('bob') } or return '';
		$login = $q->{login};
		$q->cmd('QUIT') if $login =~ /^\+OK/;
		return $login =~ /^\+OK/;
	}), "round $round ($how): the next login") or diag($login), last;
	# A QUIT whose worker alone died is carried out nevertheless.
	ok(wait_for(10, sub {
		!-e "$box.lock" &&
		    !-s $pp->dir . '/mail/.pennypost/bob/journal';
	}), "round $round ($how): no dotlock stays, no journal");
	my (@missing, $have, @bad);
	ok(wait_for(10, sub {
		($have, @bad) = contents();
		@missing = grep { !$have->{$_} } @sent;
		return !@missing;
	}), "round $round ($how): what was delivered meanwhile is there")
	    or diag("@missing");
	my @lost = grep { !$gone{$_} && !$have->{$_} } @id;
	my @left = grep { $have->{$_} } keys %gone;
	my $what = !@left ? 'after' : @left == keys %gone ? 'before' : 'mixed';
	$what = 'mixed' if $answer =~ /^\+OK/ && $what ne 'after';
	$ended{$what}++;
	ok(!@bad && !@lost && $what ne 'mixed',
	    "round $round ($how): before or after ($what)") or
	    diag("lost: @lost\nleft: @left\nbad: @bad\nQUIT: $answer");
	is((stat $box)[1], $inode, "round $round ($how): the same inode");
}
my $mended = () = $pp->log('pop3d') =~
    /interrupted update was finished|that updated the mailbox .* died/g;
note("a child was killed $mended times, update took $took s; ",
    join ', ', map { "$_: $ended{$_}" } sort keys %ended);
is($pp->stop, 0, 'and all ends in order');
done_testing;
