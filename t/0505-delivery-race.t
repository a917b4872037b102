#!/usr/bin/perl
# A user who swaps his mailbox for links, FIFOs and directories as fast as he
# can while mail for him is delivered and fetched: nothing of anybody else's is
# written, made, handed out, or even opened for long; everybody else's mail goes
# on.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use POSIX qw(mkfifo);
use Time::HiRes qw(sleep time);
use Pennypost;

my $seconds = $ENV{TORTURE} ? 60 : 3;
my $pp = Pennypost->new(both => { workers_per_client => 100 });
my $dir = $pp->dir;
# As on hosts where the spool is like /tmp, and as in a home.
for my $how ([ 'a sticky spool', "$dir/spool/%u" ],
    [ 'a home', '%h/mbox' ]) {
	my ($name, $mailbox) = @$how;
	my $uid = $pp->user_uid('bob');
	mkdir $_ for "$dir/spool", "$dir/home", map "$dir/home/$_",
	    qw(alice bob carol);
	chmod 01777, "$dir/spool";
	chown $pp->user_uid($_), $pp->user_gid($_), "$dir/home/$_"
	    for qw(alice bob carol);
	$pp->write_config($_, mailbox => $mailbox) for qw(smtpd pop3d);
	$pp->start;
	(my $box = $mailbox) =~ s/%u/bob/;
	$box =~ s{%h}{$dir/home/bob};
	# Files that bob may write, but that are not his mailbox: everybody's,
	# and one of his own.
	my %victim = map { ("$dir/$name-$_" => "From a\@b Sat Nov 21 " .
	    "00:00:00 2026\nSubject: secret of $_\n\nx\n\n") }
	    qw(open own root);
	for my $f (keys %victim) {
		spew($f, $victim{$f}, $f =~ /open$/ ? 0666 : 0600);
		chmod 0666, $f if $f =~ /open$/;
		chown $uid, -1, $f if $f =~ /own$/;
	}
	my @links = (keys %victim, '/dev/null', "$dir/made-by-mistake");

	my $attacker = fork // die "fork: $!";
	if ($attacker == 0) {
		if (is_root()) {
			$) = join ' ', ($pp->user_gid('bob')) x 2;
			$( = $pp->user_gid('bob');
			($<, $>) = ($uid, $uid);
		}
		# Until it is killed.
		my $end = time + 300;
		my $n = 0;
		while (time < $end) {
			my $to = $links[$n % @links];
			my $kind = $n++ % 7;
			if ($kind < 3) {
				symlink $to, "$box.new";
			} elsif ($kind == 3) {
				link "$dir/$name-own", "$box.new";
			} elsif ($kind == 4) {
				mkfifo("$box.new", 0600);
			} elsif ($kind == 5) {
				mkdir $box;
				rmdir $box;
				next;
			} else {
				open my $f, '>', "$box.new";
			}
			rename "$box.new", $box or unlink "$box.new";
			select undef, undef, undef, 0.0005 if $n % 3 == 0;
			unlink $box if $n % 11 == 0;
		}
		POSIX::_exit(0);
	}
	my (%code, %shown, $pops);
	my $end = time + $seconds;
	my ($i, $alice) = (0, 0);
	# On a machine that has no time for us it takes longer.
	while (time < $end || $i < 20 && time < $end + 90) {
		my $r = $pp->send('bob@example.org', message('to bob'));
		$code{ substr $r, 0, 3 }++;
		$i++;
		my $p = $pp->pop3_as('bob');
		if ($p->{login} =~ /^\+OK/ && $p->cmd('STAT') =~ /^\+OK [1-9]/) {
			my $m = $p->cmd('RETR 1') =~ /^\+OK/ ? $p->multi : '';
			$shown{$1}++ if $m =~ /Subject: secret of (\w+)/;
			$p->cmd('DELE 1');
		}
		$p->cmd('QUIT');
		$pops++;
		next if $i % 10;
		$alice++ if $pp->send('alice@example.org',
		    message("good $i")) =~ /^250/;
	}
	kill 'KILL', $attacker;
	waitpid $attacker, 0;
	note("$name: $i messages, $pops sessions: ",
	    join ', ', map { "$_: $code{$_}" } sort keys %code);
	ok($i > 10, "$name: $i messages while the mailbox is swapped");
	is(join(' ', grep { !/^(?:250|4\d\d)$/ } keys %code), '',
	    "$name: each is delivered, or stays with its sender");
	is(slurp($_), $victim{$_}, "$name: $_ is as it was")
	    for sort keys %victim;
	ok(!-e "$dir/made-by-mistake", "$name: nothing was made");
	# A link to a file of his own whose other name goes between open and
	# fstat has one name again: that he is shown what is his is no harm.
	delete $shown{own};
	is(join(' ', %shown), '', "$name: no other file is handed out");
	(my $hers = $mailbox) =~ s/%u/alice/;
	$hers =~ s{%h}{$dir/home/alice};
	my $got = 0;
	wait_for(60, sub { # what found the mailbox busy comes from the queue
		$got = () = slurp($hers) =~ /^Subject: good/mg;
		$got >= $alice;
	});
	is($got, $alice, "$name: alice has all of hers");
	unlike($pp->log($_), qr/\b(?:died|killed|signal 31|breach)\b/,
	    "$name: $_: no role died") for qw(smtpd pop3d);
	is($pp->stop, 0, "$name: and all ends in order");
}
done_testing;
