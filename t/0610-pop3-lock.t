#!/usr/bin/perl
# One session at a time; the lock dies with its process.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use Pennypost;

my $pp = Pennypost->start;
$pp->send('bob@example.org', message("m$_")) for 1 .. 3;

my $p = $pp->pop3_as('bob');
like($p->{login}, qr/^\+OK/, 'the first login');
my $q = $pp->pop3_as('bob');
like($q->{login}, qr/^-ERR \[IN-USE\]/, 'the second: [IN-USE]');
like($q->{login}, qr/pid \d+ .*\d{4}-\d\d-\d\d \d\d:\d\d/,
    'and says who has it since when');
my ($holder) = $q->{login} =~ /pid (\d+)/;
my %worker = map { $_ => 1 } $pp->pids('pop3d', 'worker');
ok($worker{$holder // 0}, 'the pid is the worker that serves the first')
    or diag($q->{login});
like($pp->pop3_as('alice')->{login}, qr/^\+OK/, 'another user is free');

# QUIT frees it at once.
$p->cmd('QUIT');
$q = $pp->pop3_as('bob');
like($q->{login}, qr/^\+OK/, 'free after QUIT');

# So does a client that vanishes, and kill -9 of the worker.
for my $how (qw(close abort kill)) {
	my ($pid) = map { $_->[0] } grep { $_->[1] eq 'worker' &&
	    $_->[2] =~ /\bbob\b|127\./ } $pp->procs('pop3d');
	if ($how eq 'kill') {
		my $r = $pp->pop3_as('bob');
		($pid) = $r->{login} =~ /pid (\d+)/;
		ok($pid, 'the holder is known') or next;
		kill 'KILL', $pid;
	} else {
		$q->$how;
	}
	my $t = time;
	my $free = wait_for(2, sub {
		($q = $pp->pop3_as('bob'))->{login} =~ /^\+OK/;
	});
	ok($free, "free after $how");
	note(sprintf '%.3f s', time - $t);
	$q->cmd('NOOP');
}

# A deletion by a session that was killed does not happen; one that was
# confirmed did.
$q->cmd('DELE 1');
my $r = $pp->pop3_as('bob');
my ($pid) = $r->{login} =~ /pid (\d+)/;
kill 'KILL', $pid if $pid;
ok(wait_for(2, sub { ($q = $pp->pop3_as('bob'))->{login} =~ /^\+OK/ }),
    'killed with a deletion marked');
like($q->cmd('STAT'), qr/^\+OK 3 /, 'all three are there');

# A delivery never waits for a session.
my $t = time;
like($pp->send('bob@example.org', message('m4')), qr/^250/,
    'a delivery during a session');
cmp_ok(time - $t, '<', 20 * slow(), 'does not wait');
like($pp->mbox('bob'), qr/Subject: m4/, 'it is in the mailbox');

# Another daemon's session counts, too: the lock is on the file system.
my $two = Pennypost->new(daemons => ['pop3d'],
    pop3d => { mailbox => "$pp->{dir}/mail/%u" });
$two->start;
like($two->pop3_as('bob')->{login}, qr/^-ERR \[IN-USE\]/,
    'another pop3d sees the same lock');
$q->cmd('QUIT');
like($two->pop3_as('bob')->{login}, qr/^\+OK/, 'and that it is gone');

# kill -9 of the whole daemon in a session.
$two->pop3_as('bob');
my $held = $two->pop3_as('alice');
$two->kill_all('pop3d');
ok(wait_for(2, sub { $pp->pop3_as('alice')->{login} =~ /^\+OK/ }),
    'free after kill -9 of everything');
# What is wrong beside the mailbox is told by its name, as what somebody has to
# do something about.
my $state = $pp->dir . '/mail/.pennypost/bob';
$pp->send('bob@example.org', message("n$_")) for 1 .. 2;
ok(wait_for(5, sub { ($q = $pp->pop3_as('bob'))->{login} =~ /^\+OK/ }), 'free');
spew("$state/journal", '', 0);
my $from = length $pp->log('pop3d');
$q->cmd('DELE 1');
$q->expect('QUIT', qr/^-ERR \[SYS\/PERM\] The marked messages could not/,
    'a journal that may not be written');
$pp->log_like('pop3d', qr{\Q$state\E/journal: permission denied},
    'its name is in the log', after => $from);
unlink "$state/journal";
ok(wait_for(5, sub { ($q = $pp->pop3_as('bob'))->{login} =~ /^\+OK/ }),
    'all is well without it');
$q->cmd('QUIT');
unlink "$state/lock";
mkdir "$state/lock";
like($pp->pop3_as('bob')->{login}, qr/^-ERR \[SYS\/PERM\]/,
    'a directory for a lock file');
$pp->log_like('pop3d', qr{\Q$state\E/lock: }, 'its name is in the log',
    after => $from);

done_testing;
