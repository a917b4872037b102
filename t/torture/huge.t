#!/usr/bin/perl
# Mailboxes of 100 GiB (sparse: a hundred messages with a hole of 1 GiB each) and
# of ten million messages: they open, list, give, delete and take mail, and the
# processes of a session stay small.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
BEGIN { $ENV{TEST_SECONDS} ||= 2400 }
use Pennypost;

my $gib = $ENV{HUGE_GIB} || 100;
my $many = $ENV{HUGE_MESSAGES} || 10_000_000;
my $small = 64 * Pennypost::slow(); # MiB for a process of a session

# The many are real octets, and are moved once.
my ($df) = (split ' ', (`df -kP \${TMPDIR:-/tmp}`)[-1])[3];
plan(skip_all => "needs 4 GiB of disk, there are $df KiB") if $df < 4 << 20;
my $pp = Pennypost->start(pop3d => { errors_max => 1000 });
my $box = $pp->mailbox('bob');
my $from = "From a\@x.test Mon Jan  5 10:00:00 2026\n";

# Polls the daemon's processes while the code runs: the largest of each role.
sub watched {
	my ($what, $code) = @_;
	my $parent = $$;
	my $file = $pp->dir . '/peak';
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		my %peak;
		$SIG{TERM} = sub {
			spew($file, join '', map { "$_ $peak{$_}\n" } keys %peak);
			POSIX::_exit(0);
		};
		while (getppid == $parent) {
			for my $p ($pp->procs('pop3d')) {
				my $s = Pennypost::Proc::read_file(
				    "/proc/$p->[0]/smaps_rollup") // next;
				my $kib = 0;
				$s =~ /^$_:\s+(\d+)/m and $kib += $1
				    for qw(Private_Clean Private_Dirty);
				$peak{ $p->[1] } = $kib
				    if $kib > ($peak{ $p->[1] } // 0);
			}
			sleep 0.02;
		}
		POSIX::_exit(0);
	}
	my $begun = time;
	my $r = $code->();
	my $took = time - $begun;
	sleep 0.1;
	kill 'TERM', $pid;
	waitpid $pid, 0;
	my %peak = slurp($file) =~ /^(\S+) (\d+)$/mg;
	my ($top) = sort { $peak{$b} <=> $peak{$a} } keys %peak;
	ok($r, sprintf('%s: %.2f s; MiB of their own: %s', $what, $took,
	    join ', ', map { sprintf '%s %.1f', $_, $peak{$_} / 1024 }
	    grep { /^(?:worker|maildrop)$/ } sort keys %peak));
	cmp_ok($peak{$top}, '<', $small << 10, "... so all are small");
	return $r;
}
sub own {
	chmod 0600, $box;
	chown $pp->user_uid('bob'), $pp->user_gid('bob'), $box
	    if Pennypost::is_root();
	# An index is trusted when the mailbox is older than it.
	utime time - 100, time - 100, $box;
}
my $p;
sub login {
	# The first time it is read as fast as the machine can.
	$p = $pp->connect('pop3', seconds => 600);
	$p->line;
	$p->cmd('USER bob');
	return $p->cmd('PASS bob-pass') =~ /^\+OK/;
}
sub uidl_all {
	my $n = shift;
	$p->cmd('UIDL') =~ /^\+OK/ or return 0;
	my $lines = 0;
	while (defined(my $l = $p->line)) {
		return $lines == $n if $l eq '.';
		$lines++;
	}
	return 0;
}

# ---- 100 GiB ----
{
	open my $f, '>', $box or die "$box: $!";
	for my $i (1 .. $gib) {
		print $f $from, "Subject: m$i\n\nbegin $i\n";
		seek $f, 1 << 30, 1 or die "seek: $!";
		print $f "\nend $i\n\n";
	}
	close $f or die "$box: $!";
	own();
}
my $blocks = (stat $box)[12];
cmp_ok(-s $box, '>', $gib << 30, "a mailbox of $gib GiB");
cmp_ok($blocks, '<', 1 << 20, 'that takes no room');
watched("first login to $gib GiB", \&login);
like($p->cmd('STAT'), qr/^\+OK $gib (\d+)$/, 'STAT');
watched('UIDL', sub { uidl_all($gib) });
like($p->cmd("LIST $gib"), qr/^\+OK $gib 10737\d+$/, 'LIST');
like($p->cmd("TOP $gib 1"), qr/^\+OK/, 'TOP');
like($p->multi, qr/^Subject: m$gib\r\n\r\nbegin $gib\r\n/m, 'gives the last');
$p->cmd('QUIT');
watched('login again', \&login);
$p->cmd("DELE $gib");
watched('QUIT with the last one deleted', sub { $p->cmd('QUIT') =~ /^\+OK/ });
is(-s $box < $gib << 30, 1, 'it is shorter');
like($pp->send('bob@example.org', message('behind it')), qr/^250/,
    'a delivery behind that');
watched('login once more', \&login);
like($p->cmd("RETR $gib"), qr/^\+OK/, 'RETR');
like($p->multi, qr/^This is behind it\.\r$/m, 'gives it');
$p->cmd('QUIT');
is((stat $box)[12] < 1 << 20, 1, 'it still takes no room');
unlink $box;

# ---- ten million ----
{
	open my $f, '>', $box or die "$box: $!";
	for my $i (1 .. $many) {
		print $f $from, "Subject: m$i\n\ntext $i\n\n";
	}
	close $f or die "$box: $!";
	own();
}
note(sprintf '%d messages, %d MiB', $many, (-s $box) >> 20);
watched("first login to $many messages", \&login);
like($p->cmd('STAT'), qr/^\+OK $many \d+$/, 'STAT');
watched('first UIDL of all', sub { uidl_all($many) });
$p->cmd('QUIT');
watched('login again', \&login);
watched('UIDL again', sub { uidl_all($many) });
my $half = int($many / 2);
like($p->cmd("RETR $half"), qr/^\+OK/, 'RETR');
like($p->multi, qr/^text $half\r$/m, 'gives the right one');
my $every = int($many / 2000);
my $asked = 0;
for (my $i = $every; $i <= $many; $i += $every) {
	$asked += $p->cmd("DELE $i") =~ /^\+OK/;
}
cmp_ok($asked, '>=', 2000, 'every so many is deleted');
watched("QUIT with $asked deleted", sub { $p->cmd('QUIT') =~ /^\+OK/ });
watched('login', \&login);
my $left = $many - $asked;
like($p->cmd('STAT'), qr/^\+OK $left \d+$/, 'they are gone');
like($p->cmd("TOP $left 1"), qr/^\+OK/, 'the last');
my $last = $many % $every ? $many : $many - 1;
like($p->multi, qr/^Subject: m$last\r$/m, 'is the right one');
$p->cmd('QUIT');
my ($rc, $out) = run({ seconds => 300 }, "$ENV{O}/spool/pennyctl", '-f',
    $pp->conf_file('pop3d'), 'mailbox', 'verify', 'bob');
is($rc, 0, 'pennyctl finds no fault') or diag($out);
unlink $box;
is($pp->stop, 0, 'all ends in order');
done_testing;
