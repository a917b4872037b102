#!/usr/bin/perl
# The queue: several recipients, a mailbox that is busy, and a restart.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Fcntl qw(F_SETLKW F_WRLCK SEEK_SET);
use POSIX ();
use Time::HiRes qw(sleep time);
use Pennypost;

my $pp = Pennypost->start(smtpd => { mailbox_lock_wait => '500ms',
	retry_min => '500ms', retry_max => '1s' });

sub queue_files {
	my $dir = "$pp->{dir}/queue";
	my @f = `find '$dir' -type f ! -name lock ! -name deposit ! -name '.*'`;
	chomp @f;
	return @f;
}

# Several recipients: one 250, in every mailbox, once.
my $r = $pp->send([ map "$_\@example.org", qw(alice bob carol) ],
    message('for all'));
like($r, qr/^250 2\.0\.0 /, 'three recipients');
for my $u (qw(alice bob carol)) {
	ok(wait_for(10, sub { $pp->mbox($u) =~ /Subject: for all/ }),
	    "$u has it");
	my @n = $pp->mbox($u) =~ /^Subject: for all$/mg;
	is(scalar @n, 1, 'once');
	like($pp->mbox($u), qr/^X-Original-To: $u\@example\.org$/m,
	    'with the own X-Original-To');
	unlike($pp->mbox($u), qr/^(?:X-Original-To|Delivered-To): (?!$u)/m,
	    'and without the others');
}
ok(wait_for(10, sub { !queue_files() }), 'the queue is empty again')
    or diag(join "\n", queue_files());
$r = $pp->send([ 'bob@example.org', 'bob@example.org' ], message('twice'));
like($r, qr/^250 /, 'the same recipient twice');
ok(wait_for(10, sub { $pp->mbox('bob') =~ /Subject: twice/ }), 'is delivered');

# A large one for several.
my $big = message('large') . ('x' x 70 . "\r\n") x 30000;
like($pp->send([ map "$_\@example.org", qw(alice bob) ], $big), qr/^250 /,
    '2 MB for two');
for my $u (qw(alice bob)) {
	ok(wait_for(20, sub { length $pp->mbox($u) > 2_000_000 }), "$u has it");
	my ($got) = ($pp->fetch($u))[-1];
	ok(substr($got, -length $big) eq $big, 'unchanged');
}

# A mailbox that another program holds: the message is durable in the queue
# before 250, and arrives when the lock is gone.
my ($holder, $hold, $ready, $tell, $wait);
sub lock_mailbox {
	my $user = shift;
	# In a process of its own: a lock of ours would end when we read the
	# mailbox.
	pipe $ready, $tell;
	pipe $wait, $hold;
	$holder = fork // die "fork: $!";
	if ($holder == 0) {
		close $hold;
		open my $f, '+<', $pp->mailbox($user) or die $!;
		# struct flock of 64-bit Linux
		my $l = pack 's s x4 q q i x4', F_WRLCK, SEEK_SET, 0, 0, 0;
		syswrite $tell, fcntl($f, F_SETLKW, $l) ? 'y' : 'n';
		sysread $wait, my ($x), 1;
		POSIX::_exit(0);
	}
	close $_ for $tell, $wait;
	sysread $ready, my ($answer), 1;
	return $answer eq 'y';
}
sub unlock_mailbox {
	close $hold;
	return waitpid($holder, 0) == $holder;
}
ok(lock_mailbox('bob'), 'another program locks the mailbox');
my $t = time;
$r = $pp->send('bob@example.org', message('while busy'));
like($r, qr/^250 /, 'a message for it is accepted');
cmp_ok(time - $t, '<', 20 * slow(), 'without waiting long');
unlike(slurp($pp->mailbox('bob')), qr/while busy/, 'it is not in the mailbox');
cmp_ok(scalar queue_files(), '>', 0, 'but in the queue');
$pp->log_like('smtpd', qr/status=deferred/, 'and deferred in the log');

# kill -9 of everything, and again: it is still there.
$pp->kill_all('smtpd');
cmp_ok(scalar queue_files(), '>', 0, 'in the queue after kill -9');
is($pp->launch('smtpd'), '', 'smtpd starts again');
ok(unlock_mailbox(), 'the lock is gone');
ok(wait_for(15, sub { $pp->mbox('bob') =~ /while busy/ }), 'it arrives');
ok(wait_for(10, sub { !queue_files() }), 'and leaves the queue');
my @n = $pp->mbox('bob') =~ /^Subject: while busy$/mg;
is(scalar @n, 1, 'once');

# Two daemons on one queue: one hands out, the other one only deposits.
my $two = Pennypost->start(daemons => ['smtpd'], smtpd => {
	queue_directory => "$pp->{dir}/queue", mailbox => "$pp->{dir}/mail/%u" });
$two->log_like('smtpd', qr/another process hands out the queue/,
    'a second smtpd on this queue says so');
like($two->send([ 'alice@example.org', 'carol@example.org' ],
    message('by the second')), qr/^250 /, 'and takes mail');
ok(wait_for(15, sub { $pp->mbox('carol') =~ /by the second/ }),
    'which the first one delivers');
is($two->stop, 0, 'the second stops');

# What lies in the queue directory and is none of ours does no harm.
$pp->stop('smtpd');
my $q = "$pp->{dir}/queue";
my $junk = sub {
	my ($name, $text) = @_;
	spew("$q/$name", $text, 0600);
	chown $pp->role_uid('smtpd', 'queue'), -1, "$q/$name" if is_root();
};
$junk->('0123456789ABCDEF', "rubbish\n");
$junk->('FEDCBA9876543210', '');
$junk->('ABCDEF0123456789', "\0" x 100000);
symlink '/etc/passwd', "$q/1111111111111111";
is($pp->launch('smtpd'), '', 'starts with rubbish in the queue');
like($pp->send([ 'alice@example.org', 'bob@example.org' ],
    message('after rubbish')), qr/^250 /, 'and works');
ok(wait_for(10, sub { $pp->mbox('alice') =~ /after rubbish/ }), 'delivers');
unlike($pp->mbox($_), qr/root:/, 'nothing of it is mail') for qw(alice bob);
done_testing;
