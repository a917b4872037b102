#!/usr/bin/perl
# A mailbox that is not what it should be is never written: 4.2.0 for the
# sender, a line in the log, and the message stays with the sender.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Fcntl qw(S_ISFIFO);
use POSIX qw(mkfifo);
use Pennypost;

my $pp = Pennypost->start;
my $box = $pp->mailbox('bob');
my $victim = "$pp->{dir}/victim";
my $theirs = "From x\@y Sat Nov 21 00:00:00 2026\nSubject: theirs\n\n";

sub own { chown $pp->user_uid('bob'), $pp->user_gid('bob'), @_ if is_root() }
sub victim {
	spew($victim, $theirs, 0600);
	own($victim);
}
my @cases = (
	[ 'a symbolic link', sub { victim(); symlink $victim, $box } ],
	[ 'a dangling symbolic link', sub { symlink "$victim-new", $box } ],
	[ 'a hard link', sub { victim(); link $victim, $box } ],
	[ 'a FIFO', sub { mkfifo($box, 0600); own($box) } ],
	[ 'a directory', sub { mkdir $box; own($box) } ],
	[ 'writable for everybody', sub { spew($box, $theirs, 0666);
		chmod 0666, $box; own($box) } ],
);
push @cases, [ 'a device', sub {
	system('mknod', '-m', '600', $box, 'c', 1, 3) == 0 or die; own($box) } ],
    [ "somebody else's", sub { spew($box, $theirs, 0600);
	chown $pp->user_uid('carol'), -1, $box } ],
    [ "root's", sub { spew($box, $theirs, 0600) } ] if is_root();
if (is_root()) {
	pass('device and owner are tested');
} else {
	# Only root can make a device or give a file away.
	SKIP: { skip 'a device and a foreign owner need root', 1; }
}

for (@cases) {
	my ($name, $make) = @$_;
	$make->();
	my @before = lstat $box;
	my $at = length $pp->log('smtpd');
	my $r = $pp->send('bob@example.org', message("into $name"));
	like($r, qr/^4\d\d 4\.2\.0 /, "$name: 4.2.0");
	unlike($r, qr{/}, 'the sender is told no path');
	$pp->log_like('smtpd', qr{\Q$box\E}, 'the log names the mailbox',
	    after => $at);
	my @after = lstat $box;
	is("@after[1, 2, 3, 7]", "@before[1, 2, 3, 7]", 'nothing was changed');
	ok(!-e "$victim-new", 'nothing was made');
	is(slurp($victim), $theirs, 'nor written') if -e $victim;
	# Nothing is kept in the queue either: the sender keeps the message.
	my @queued = `find '$pp->{dir}/queue' -type f -size +0 ! -name lock`;
	is(scalar @queued, 0, 'nor queued') or diag(@queued);
	# And it is not handed out either.
	my $p = $pp->pop3_as('bob');
	like($p->{login}, qr/^-ERR|^\+OK/, 'POP3 answers');
	if ($p->{login} =~ /^\+OK/) {
		unlike($p->cmd('STAT'), qr/^\+OK [1-9]/, 'and shows nothing');
	}
	$p->cmd('QUIT');
	-d $box && !-l $box ? rmdir $box : unlink $box;
	unlink $victim;
}
like($pp->send('bob@example.org', message('good')), qr/^250 /,
    'a good mailbox after all that');
like($pp->mbox('bob'), qr/Subject: good/, 'is written');

# A group member that may read is no danger; a good one with mail is kept.
chmod 0660, $box;
like($pp->send('bob@example.org', message('group')), qr/^250 /,
    '0660, as Debian has it');

# The spool's own state directory.
SKIP: {
	my $state = "$pp->{dir}/mail/.pennypost";
	ok(-d $state, '.pennypost is there') or skip 'no state directory', 3;
	my @st = stat $state;
	is($st[4], $>, 'it belongs to whom it should');
	is($st[2] & 0022, 0, 'and others cannot write to it');
	chmod 0777, $state;
	my $p = $pp->pop3_as('alice');
	like($p->{login}, qr/^-ERR/, 'refused when others may write to it');
	chmod 0755, $state;
}
done_testing;
