#!/usr/bin/perl
# One mailbox in company: our deliveries and POP3 sessions, procmail, mutt,
# Dovecot's deliveries and IMAP sessions, and a program that takes nothing but a
# dotlock, all at the same time.  Every message carries its number and a checksum
# of its body: nothing is lost, doubled or torn, and nothing else is deleted than
# what was named.
#
# With COMPANY=mailutils (t/0651) mailutils is there and mutt and Dovecot are
# not.  It takes nothing but dotlocks, and rewrites a mailbox by putting another
# file in its place: who has opened the old one before he has a lock, as these
# two do, writes where nobody reads, or reads what is no more and writes that
# (mailbox(5)).
#
# Numbers that end in 3 are deleted by POP3, those that end in 7 by mutt or by
# Dovecot.
use strict;
use warnings;
use lib 't/lib';
use Digest::MD5 qw(md5_hex);
use Fcntl qw(:DEFAULT :flock);
use POSIX qw(WNOHANG strftime);
use Test::More;
use Time::HiRes qw(sleep time);
use Pennypost;

my $seconds = $ENV{TORTURE} ? 60 : 5;
alarm((800 + $seconds) * slow());
my $pp = Pennypost->start(
    smtpd => { mailbox_locks => 'fcntl dotlock', retry_min => '1s',
	retry_max => '2s' },
    pop3d => { mailbox_locks => 'fcntl dotlock', errors_max => 1000 });
my $dir = $pp->dir;
my $box = $pp->mailbox('bob');
my ($uid, $gid) = ($pp->user_uid('bob'), $pp->user_gid('bob'));
my $notes = "$dir/notes";
mkdir $notes;
chmod 0777, $notes;
chmod 01777, "$dir/mail";
my $mailutils = ($ENV{COMPANY} // '') eq 'mailutils';
my $until = time + $seconds;
my $deadline = $until + 240;
my %name;

sub bob {
	return unless Pennypost::is_root();
	$( = $gid;
	$) = "$gid $gid";
	$< = $uid;
	$> = $uid;
}
sub body {
	my $n = shift;
	srand $n;
	return join '', map { join('', map { chr(97 + rand 26) } 1 .. 60) . "\n" }
	    1 .. 1 + rand 40;
}
sub text {
	my $n = shift;
	my $b = body($n);
	# As real ones have: Dovecot tells messages it has not marked yet from
	# each other by nothing but Date, Message-ID, Received and Delivered-To.
	return "From: w\@x\nDate: Mon, 5 Jan 2026 10:00:00 +0000\n" .
	    "Message-ID: <$n\@x>\nSubject: number-$n\nX-Sum: " . md5_hex($b) .
	    "\n\n$b";
}
# Each worker notes what was done for certain.
sub worker {
	my ($name, $do) = @_;
	my $pid = fork // die "fork: $!";
	$name{$pid} = $name if $pid;
	return $pid if $pid;
	alarm((600 + $seconds) * slow());
	my $n = 0;
	open my $note, '>', "$notes/$name" or die;
	$note->autoflush(1);
	my $ok = eval {
		# On a machine that has no time for us it takes longer.
		while (time < $until || time < $until + 240 && !enough()) {
			my @done = $do->(++$n);
			print $note "$_\n" for @done;
		}
		1;
	};
	print STDERR "# $name: $@" unless $ok;
	POSIX::_exit($ok ? 0 : 1);
}
sub noted {
	my $name = shift;
	my @lines = -e "$notes/$name" ? split /\n/, slurp("$notes/$name") : ();
	return @lines;
}

# Has enough come to say anything?
sub enough {
	my @n = map { noted($_) } qw(smtp1 smtp2 procmail dotlock);
	return @n > 25 && grep { /^gone/ } noted('pop3');
}

my %base = (smtp1 => 1_000_000, smtp2 => 2_000_000, procmail => 3_000_000,
    dotlock => 4_000_000, dovecot => 5_000_000, mailutils => 6_000_000);
my @pid;
if ($mailutils) {
	# Where an IMAP server has numbered messages it numbers them all again,
	# each time.
	spew($box, "From i\@x Mon Jan  5 10:00:00 2026\n" .
	    text(9_000_001) =~ s/^Date:/X-IMAPbase: 1 0000000001\nDate:/mr . "\n",
	    0600);
	chown $uid, $gid, $box;
}
for my $name ('smtp1', 'smtp2') {
	push @pid, worker($name, sub {
		my $id = $base{$name} + shift;
		my $m = text($id) =~ s/\n/\r\n/gr;
		my $r = $pp->send('bob@example.org', $m);
		sleep 0.05;
		return $r =~ /^250/ ? $id : ();
	});
}
SKIP: {
	skip 'no procmail', 1 unless Pennypost::have('procmail');
	open my $rc, '>', "$dir/procmailrc" or die;
	print $rc "LINEBUF=8192\nDEFAULT=$box\nLOCKSLEEP=1\nLOCKTIMEOUT=60\n:0:\n$box\n";
	close $rc;
	push @pid, worker('procmail', sub {
		my $id = $base{procmail} + shift;
		my $pid = open my $to, '|-';
		if (!$pid) {
			bob();
			open STDERR, '>', "$notes/procmail.err";
			exec 'procmail', '-f', 'p@x', '-m', "ORGMAIL=$box",
			    "$dir/procmailrc" or POSIX::_exit(127);
		}
		print $to text($id);
		close $to;
		sleep 0.02;
		return $? == 0 ? $id : ();
	});
	pass 'procmail takes part';
}
SKIP: {
	last SKIP unless $mailutils;
	skip 'no movemail of mailutils', 1
	    unless Pennypost::have('movemail.mailutils');
	mkdir "$dir/mailutils";
	chown $uid, $gid, "$dir/mailutils";
	my $inode = (stat $box)[1];
	open my $replaced, '>', "$notes/replaced" or die;
	$replaced->autoflush(1);
	push @pid, worker('mailutils', sub {
		my $id = $base{mailutils} + shift;
		my $from = "$dir/mailutils/$id";
		my $pid = fork // die;
		if (!$pid) {
			bob();
			open STDIN, '<', '/dev/null';
			open STDERR, '>>', "$notes/mailutils.err";
			spew($from, "From m\@x Mon Jan  5 10:00:00 2026\n" .
			    text($id) . "\n", 0600);
			exec 'timeout', '60', 'movemail.mailutils', $from, "mbox:$box"
			    or POSIX::_exit(127);
		}
		waitpid $pid, 0;
		my $done = $? == 0;
		unlink $from;
		my $now = (stat $box)[1] // 0;
		print $replaced "$now\n" if $now != $inode;
		$inode = $now;
		sleep 0.05;
		return $done ? $id : ();
	});
	pass 'mailutils takes part';
}
# Nothing but the dotlock, as in the last century.
push @pid, worker('dotlock', sub {
	my $id = $base{dotlock} + shift;
	bob();
	while (!sysopen(my $l, "$box.lock", O_CREAT | O_EXCL | O_WRONLY, 0444)) {
		return () if time > $until + 270;
		sleep 0.01 + rand 0.02;
	}
	open my $f, '>>', $box or die "$box: $!";
	print $f 'From d@x ' . strftime('%a %b %e %H:%M:%S %Y', gmtime) . "\n" .
	    text($id) . "\n";
	close $f;
	unlink "$box.lock";
	sleep 0.03;
	return $id;
});
SKIP: {
	last SKIP if $mailutils;
	skip 'no mutt or script', 1
	    unless Pennypost::have('mutt') && Pennypost::have('script');
	# mutt wants a user that the system knows.
	open my $rc, '>', "$dir/passwd" or die;
	print $rc "root:x:0:0::/:/bin/sh\nbob:x:$uid:${gid}::$dir:/bin/sh\n";
	close $rc;
	open $rc, '>', "$dir/muttrc" or die;
	print $rc "set quit=yes delete=yes confirmappend=no mark_old=no\n",
	    "set folder=$dir spoolfile=$box record= header_cache=\n",
	    "set sleep_time=0 mail_check=0 move=no wait_key=no sort=mailbox-order\n",
	    "push '<delete-pattern>~s number-[0-9]*7\$<enter><sync-mailbox><exit>'\n";
	close $rc;
	close $rc;
	chmod 0644, "$dir/passwd", "$dir/muttrc";
	push @pid, worker('mutt', sub {
		sleep 0.7;
		my $pid = fork // die;
		if (!$pid) {
			$ENV{TERM} = 'vt100';
			$ENV{HOME} = $dir;
			open STDIN, '<', '/dev/null';
			open STDOUT, '>', "$notes/mutt.out";
			open STDERR, '>&', \*STDOUT;
			my @as = Pennypost::is_root() ? ('unshare', '-m', 'sh',
			    '-c', "mount --bind $dir/passwd /etc/passwd && " .
			    "exec setpriv --reuid $uid --regid $gid " .
			    '--clear-groups "$@"', 'sh') : ();
			exec 'timeout', '20', @as, 'script', '-qec',
			    "mutt -F $dir/muttrc -f $box", '/dev/null'
			    or POSIX::_exit(127);
		}
		waitpid $pid, 0;
		return "ran $?";
	});
	pass 'mutt takes part';
}
SKIP: {
	last SKIP if $mailutils;
	skip 'Dovecot is not installed', 1
	    unless Pennypost::is_root() && -x '/usr/lib/dovecot/dovecot-lda' &&
	    -x '/usr/lib/dovecot/imap';
	my $home = "$dir/dovecot";
	mkdir $home;
	chown $uid, $gid, $home;
	# The locks of Debian's 10-mail.conf.  With procmail, which takes them the
	# other way round, somebody has to give up now and then.
	spew("$dir/dovecot.conf", "mail_location = mbox:$home/mail:INBOX=$box\n" .
	    "mbox_write_locks = fcntl dotlock\nfirst_valid_uid = 1\nssl = no\n" .
	    "mbox_lock_timeout = 5 secs\nmail_fsync = never\n", 0644);
	my @as = ('timeout', '-s', 'KILL', 60 * slow(), 'env', "HOME=$home",
	    'USER=bob', 'setpriv', '--reuid', $uid,
	    '--regid', $gid, '--clear-groups');
	push @pid, worker('dovecot', sub {
		my $id = $base{dovecot} + shift;
		my ($st) = run({ input => text($id) }, 'sh', '-c',
		    'cat | exec "$@"', 'sh', @as,
		    '/usr/lib/dovecot/dovecot-lda', '-c', "$dir/dovecot.conf",
		    '-f', 'd@x');
		sleep 0.05;
		return $st eq '0' ? $id : ();
	});
	push @pid, worker('imap', sub {
		sleep 0.8;
		my $c = Pennypost::Talk->program('imap', @as,
		    '/usr/lib/dovecot/imap', '-c', "$dir/dovecot.conf");
		my $ask = sub {
			$c->say("a $_[0]");
			my @lines;
			while (defined(my $l = $c->line)) {
				return ($l, @lines) if $l =~ /^a /;
				push @lines, $l;
			}
			return '';
		};
		$c->line;
		my ($ok) = $ask->('SELECT INBOX');
		return "no: $ok" unless $ok =~ /^a OK/;
		($ok, my @found) = $ask->('SEARCH SUBJECT "number-"');
		($ok, my @head) =
		    $ask->('FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]');
		my ($n, @seven);
		for (@head) {
			$n = $1 if /^\* (\d+) FETCH/;
			push @seven, $n if /^Subject: number-\d*7$/;
		}
		$ask->("STORE $_ +FLAGS.SILENT (\\Deleted)") for @seven;
		($ok) = $ask->('EXPUNGE');
		$ask->('LOGOUT');
		return 'expunged ' . @seven . " $ok";
	});
	pass 'Dovecot takes part';
}
my %torn;
push @pid, worker('pop3', sub {
	my $p = $pp->pop3_as('bob');
	return () unless $p->{login} =~ /^\+OK/;
	my ($n) = $p->cmd('STAT') =~ /^\+OK (\d+)/;
	my (@gone, @say);
	$p->cmd('UIDL') =~ /^\+OK/ and $p->multi;
	for my $i (1 .. $n || 0) {
		last unless $p->cmd("TOP $i 0") =~ /^\+OK/;
		my ($id) = $p->multi =~ /^Subject: number-(\d+)\r$/m;
		push @say, "torn $i" unless $id;
		next unless $id && $id =~ /3$/;
		last unless $p->cmd("RETR $i") =~ /^\+OK/;
		my $m = $p->multi =~ s/\r\n/\n/gr;
		my ($sum, $b) = $m =~ /^X-Sum: (\w+)\n(?:[^\n]+\n)*\n(.*)\z/ms;
		push @say, "torn $id" unless $b && md5_hex($b) eq $sum;
		push @gone, $id if $p->cmd("DELE $i") =~ /^\+OK/;
	}
	my $bye = $p->cmd('QUIT');
	sleep 0.1;
	return (@say, map { "gone $_" } $bye =~ /^\+OK/ ? @gone : ());
});
my $bad = 0;
for my $pid (@pid) {
	# A worker that hangs in spite of all limits is named and ended.
	my $left = $deadline - time;
	if (!wait_for($left > 1 ? $left : 1,
	    sub { waitpid($pid, WNOHANG) == $pid })) {
		diag("$name{$pid} does not end");
		kill 'KILL', $pid;
		waitpid $pid, 0;
	}
	$bad++ if $?;
}
is($bad, 0, 'all came to their end');

# What must be there.
my (%sent, %gone, %there);
$sent{$_} = 1 for map { noted($_) } keys %base;
my @pop = noted('pop3');
/^gone (\d+)/ and $gone{$1}++ for @pop;
is(join(' ', grep { /^torn/ } @pop), '', 'POP3 saw nothing torn');
# What found the mailbox busy for too long comes from the queue.
ok(wait_for(60, sub { !grep { -f } glob "$dir/queue/*/*" }), 'nothing is queued');
my $p = $pp->pop3_as('bob');
my ($n) = $p->cmd('STAT') =~ /^\+OK (\d+)/;
my @broken;
for my $i (1 .. $n) {
	$p->cmd("RETR $i");
	my $m = $p->multi =~ s/\r\n/\n/gr;
	my ($id) = $m =~ /^Subject: number-(\d+)$/m;
	my ($sum, $b) = $m =~ /^X-Sum: (\w+)\n(?:[^\n]+\n)*\n(.*)\z/ms;
	$there{ $id // "?$i" }++;
	push @broken, $id // "?$i"
	    unless $id && $b && md5_hex($b) eq $sum;
}
$p->cmd('QUIT');
my @lost = grep { !$there{$_} && !$gone{$_} && !/7$/ } sort keys %sent;
my @twice = grep { $there{$_} > 1 } sort keys %there;
my @back = grep { $there{$_} } sort keys %gone;
my @wrong = grep { !/3$/ } sort keys %gone;
my $seven = grep { /7$/ && !$there{$_} } keys %sent;
is("@broken", '', 'no message is torn');
is("@lost", '', 'none is lost');
is("@twice", '', 'none is there twice');
is("@back", '', 'none that was deleted is back');
is("@wrong", '', 'no other was deleted');
cmp_ok(keys %sent, '>', 20, 'there were some');
cmp_ok(keys %gone, '>', 0, 'POP3 deleted some');
cmp_ok($seven, '>', 0, 'mutt, too') if $ENV{TORTURE} && noted('mutt');
cmp_ok(scalar(noted('replaced')), '>', 0, 'the file was another now and then')
    if noted('mailutils');
note(scalar(keys %sent) . ' messages, ' . scalar(keys %gone) .
    " deleted by POP3, $seven by mutt in " . scalar(noted('mutt')) . ' runs');
note('Dovecot: ', join '; ', noted('imap')) if noted('imap');
note('by ', join ', ', map { "$_ " . scalar(noted($_)) } sort keys %base);
note('lost ' . @lost . ', doubled ' . @twice . ', torn ' . @broken);
done_testing;
