#!/usr/bin/perl
# kill -9 at random moments of a live load: deliveries and POP3 sessions with
# deletions on one mailbox, and in each of 200 rounds one process of either
# daemon, or all of one, is killed.  Every message carries its number and a
# checksum of its body.
#
# What was answered with 250 is there, whole, unless its deletion was asked for;
# what was confirmed as deleted does not come back; a kill doubles at most what
# was in flight.
use strict;
use warnings;
use lib 't/lib';
use Digest::MD5 qw(md5_hex);
use Test::More;
use Time::HiRes qw(sleep time);
BEGIN { $ENV{TEST_SECONDS} ||= 2400 }
use Pennypost;

my $rounds = $ENV{ROUNDS} || 200;
my $seed = $ENV{SEED} || $$ ^ time;
srand $seed;
note("SEED=$seed");
my $pp = Pennypost->start(
    both => { mailbox_locks => 'fcntl dotlock' },
    smtpd => { retry_min => '300ms', retry_max => '1s', workers_idle => 4 },
    pop3d => { errors_max => 1000, workers_idle => 3 });
my $dir = $pp->dir;
my $box = $pp->mailbox('bob');
my %pid; # client => pid
like($pp->send('bob@example.org', text('m0')), qr/^250/, 'a mailbox');
my $inode = (stat $box)[1];

sub body {
	my $id = shift;
	my $n = hex(substr md5_hex($id), 0, 4) % 100;
	$n *= 300 if $n < 3;
	return join '', map { "$id line $_ " . 'x' x 50 . "\r\n" } 1 .. 1 + $n;
}
sub text {
	my $id = shift;
	my $b = body($id);
	return "From: a\@b.test\r\nSubject: $id\r\nX-Sum: " . md5_hex($b) .
	    "\r\n\r\n$b";
}
# A client that goes on until it is killed, whatever it is answered.
sub client {
	my ($name, $do) = @_;
	my $pid = fork // die "fork: $!";
	return $pid{$name} = $pid if $pid;
	open my $note, '>>', "$dir/note.$name" or POSIX::_exit(1);
	my $end = time + 2300;
	srand($seed ^ $$);
	for (my $n = 1; time < $end && getppid != 1; $n++) {
		eval {
			$do->("$name-$n", sub { syswrite $note, "@_\n" });
			1;
		} or sleep 0.02;
	}
	POSIX::_exit(0);
}
sub deliver {
	my ($id, $say) = @_;
	my $r = $pp->send('bob@example.org', text($id));
	$say->('sent', $id) if $r =~ /^250/;
	sleep 0.03 * rand;
}
# Retrieves some, deletes about two thirds of what is there.
sub session {
	my (undef, $say) = @_;
	my $p = $pp->pop3_as('bob');
	return sleep 0.05 unless $p->{login} =~ /^\+OK/;
	my ($n) = $p->cmd('STAT') =~ /^\+OK (\d+)/ or return;
	my @gone;
	for my $i (1 .. ($n > 400 ? 400 : $n)) {
		$p->cmd("TOP $i 0") =~ /^\+OK/ or return;
		my ($id) = $p->multi =~ /^Subject: (\S+)\r$/m or
		    return $say->('torn', "message $i");
		next if $id eq 'm0' || hex(substr md5_hex($id), 5, 2) % 3 == 0;
		push @gone, $id if $p->cmd("DELE $i") =~ /^\+OK/;
	}
	$say->('asked', $_) for @gone;
	return unless $p->cmd('QUIT') =~ /^\+OK/;
	$say->('gone', $_) for @gone;
}

client("s$_", \&deliver) for 1 .. 3;
client("p$_", \&session) for 1 .. 2;
my %killed;
for my $round (1 .. $rounds) {
	my $d = rand() < 0.5 ? 'smtpd' : 'pop3d';
	sleep 0.05 + 0.4 * rand;
	if ($round % 5 == 0) {
		$pp->kill_all($d);
		$killed{"all of $d"}++;
		my $why = $pp->launch($d);
		next if $why eq '';
		fail("round $round: $d started again: $why");
		last;
	}
	my %of;
	push @{ $of{ $_->[1] } }, $_->[0]
	    for grep { $_->[1] ne 'master' } $pp->procs($d);
	# Those that write to the mailbox twice as often.
	my @role = sort keys %of;
	push @role, grep { /^(?:append|maildrop|update|deliver)/ } @role;
	my $role = $role[ rand @role ];
	kill 'KILL', $of{$role}[ rand @{ $of{$role} } ];
	$killed{"$d $role"}++;
}
kill 'KILL', values %pid;
waitpid $_, 0 for values %pid;

ok(wait_for(60, sub {
	eval { $pp->send('bob@example.org', text('last-1')) } =~ /^250/;
}), 'smtpd serves');
my $p;
ok(wait_for(60, sub {
	$p = eval { $pp->pop3_as('bob') };
	return 1 if $p && $p->{login} =~ /^\+OK/;
	sleep 0.2;
	return '';
}), 'pop3d serves') or diag($p && $p->{login});
ok(wait_for(90, sub { !grep { -f } glob "$dir/queue/*/*" }), 'nothing is queued');
$p->cmd('QUIT');
is((stat $box)[1], $inode, 'the mailbox is the same file');

my %note;
for my $file (glob "$dir/note.*") {
	/^(\w+) (.+)/ and $note{$1}{$2}++ for split /\n/, slurp($file);
}
is(join(' ', sort keys %{ $note{torn} || {} }), '', 'no session saw anything torn');
my (%there, @broken);
for my $m (split /^(?=From [^\n]+ \d{4}\n)/m, slurp($box)) {
	my ($id) = $m =~ /^Subject: (\S+)$/m;
	my ($sum, $b) = $m =~ /^X-Sum: (\w+)\n(?:[^\n]+\n)*\n(.*)\n\z/ms;
	$there{ $id // 'nameless' }++;
	push @broken, $id // substr $m, 0, 80
	    unless defined $b && md5_hex($b =~ s/\n/\r\n/gr) eq $sum;
}
my @lost = grep { !$there{$_} && !$note{asked}{$_} } sort keys %{ $note{sent} };
# One that was doubled in flight has a twin that nobody asked to delete.
my %doubled = map { $_ => 1 } grep { $there{$_} > 1 } keys %there;
my @back = grep { $there{$_} } sort keys %{ $note{gone} };
my $kills = 0;
$kills += $_ for values %killed;
is("@broken", '', 'every message is whole');
is("@lost", '', 'none that was acknowledged is lost');
is("@back", '', 'none that was confirmed as deleted is back');
cmp_ok(keys %doubled, '<=', $kills / 10, 'hardly one is there twice');
cmp_ok(keys %{ $note{sent} }, '>', $rounds, 'there was a load');
cmp_ok(keys %{ $note{gone} }, '>', $rounds / 2, 'and deletions');
is($kills, $rounds, 'all rounds');
my ($rc, $out) = run("$ENV{O}/spool/pennyctl", '-f', $pp->conf_file('pop3d'),
    'mailbox', 'verify', 'bob');
is($rc, 0, 'pennyctl finds no fault') or diag($out);
note(scalar(keys %{ $note{sent} }), ' messages, ', scalar(keys %{ $note{gone} }),
    ' confirmed as deleted, ', scalar(keys %doubled), ' doubled');
note("killed: $_: $killed{$_}") for sort keys %killed;
is($pp->stop, 0, 'and all ends in order');
done_testing;
