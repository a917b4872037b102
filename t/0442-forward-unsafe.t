#!/usr/bin/perl
# A .forward that must not be used is not, and the log says why; what a user
# puts in its place cannot make the server hang, write, or act as another.
# Then: processes that die while mail is forwarded lose nothing.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use POSIX qw(mkfifo O_WRONLY O_NONBLOCK);
use Pennypost;

my $pp = Pennypost->start(shell => '/bin/sh', daemons => ['smtpd'],
    smtpd => { retry_min => '500ms', retry_max => '1s',
    queue_deliveries => 8 });
my $home = $pp->make_home('bob');
my $file = "$home/.forward";
my $other = "$home/other";
my @bob = ($pp->user_uid('bob'), $pp->user_gid('bob'));
my @carol = ($pp->user_uid('carol'), $pp->user_gid('carol'));

sub forward {
	my ($text, $mode, @own) = @_;
	replace($file, $text, $mode, @own ? @own : @bob);
}
sub list {
	my ($text, $mode) = @_;
	spew($other, $text, $mode // 0644);
	chown @bob, $other if is_root();
}
sub delivered {
	my ($user, $subject) = @_;
	return wait_for(20, sub { -e $pp->mailbox($user) &&
	    $pp->mbox($user) =~ /^Subject: \Q$subject\E$/m });
}
sub drained {
	ok(wait_for(60, sub { !(() = glob "$pp->{dir}/queue/active/*") }),
	    $_[0]) or diag($pp->log('smtpd') =~ s/.*(?=(?:.*\n){12}\z)//sr);
}

my @cases = (
	[ 'writable for the group', qr/writable/,
	    sub { forward("alice\n", 0664) } ],
	[ 'writable for everybody', qr/writable/,
	    sub { forward("alice\n", 0646) } ],
	[ 'a symbolic link', qr/symbolic link/, sub {
		spew($other, "alice\n", 0644); chown @bob, $other if is_root();
		symlink $other, $file } ],
	[ 'a dangling link', qr/symbolic link/,
	    sub { symlink "$home/none", $file } ],
	[ 'a hard link', qr/more than one name/, sub {
		spew($other, "alice\n", 0644); chown @bob, $other if is_root();
		link $other, $file } ],
	[ 'a FIFO', qr/not a regular file/, sub { mkfifo($file, 0600);
		chown @bob, $file if is_root() } ],
	[ 'a directory', qr/not a regular file/, sub { mkdir $file } ],
	[ 'too large', qr/too large/,
	    sub { forward("alice\n" . "# more\n" x 5000, 0644) } ],
	[ 'of too many targets', qr/too many/,
	    sub { forward("alice\n" x 501, 0644) } ],
	[ 'with a NUL', qr/:1: /, sub { forward("al\0ice\n", 0644) } ],
	[ 'including what is no list', qr/:1: not an address/,
	    sub { forward("alice\n:include:/etc/passwd\n", 0644) } ],
	(map { my ($how, $re, $make) = @$_;
	    [ "with a list $how", $re, sub {
		forward("alice\n:include:$other\n", 0644);
		$make->() } ] }
	    [ 'that is not there', qr/\Q$other\E: there is no such/, sub {} ],
	    [ 'with a command', qr/\Q$other\E:2: commands/,
		sub { list("carol\n|/bin/true\n") } ],
	    [ 'that includes itself', qr/\Q$other\E:1: commands/,
		sub { list(":include:$other\n") } ],
	    [ 'that others may write', qr/\Q$other\E is writable/,
		sub { list("carol\n", 0666) } ],
	    [ 'that is a link', qr/\Q$other\E is a symbolic/,
		sub { symlink '/etc/hosts', $other } ],
	    [ 'that is a FIFO', qr/\Q$other\E is not a regular/,
		sub { mkfifo($other, 0600);
		    chown @bob, $other if is_root() } ],
	    [ 'that is endless', qr{/dev/zero is not a regular},
		sub { forward("alice\n:include:/dev/zero\n", 0644) } ],
	    [ 'of too many', qr/\Q$other\E:500: too many/,
		sub { list("carol\n" x 500) } ]),
);
if (is_root()) {
	push @cases, [ "somebody else's", qr/somebody else/,
	    sub { forward("alice\n", 0644, @carol) } ],
	    [ "with somebody else's list", qr/\Q$other\E belongs to some/, sub {
		forward("alice\n:include:$other\n", 0644);
		list("carol\n"); chown @carol, $other } ],
	    [ 'with a list closed to its owner', qr/\Q$other\E cannot be/, sub {
		forward("alice\n:include:$other\n", 0644);
		list("carol\n", 0000) } ],
	    [ 'a device', qr/not a regular file/, sub {
		system('mknod', $file, 'c', 1, 5); chown @bob, $file } ],
	    [ 'closed to its owner', qr/cannot be opened/,
	    sub { forward("alice\n", 0000) } ],
	    [ 'in a closed home', undef, sub { forward("alice\n", 0644);
		chmod 0000, $home } ];
}
for (@cases) {
	my ($name, $re, $make) = @$_;
	$make->();
	my $at = length $pp->log('smtpd');
	like($pp->send('bob@example.org', message($name),
	    from => 'carol@example.org'), qr/^250 /, "$name: accepted");
	ok(delivered('bob', $name), 'and delivered to the mailbox');
	$pp->log_like('smtpd', qr{\Q$file\E.*ignored.*|\Q$file\E$re},
	    'the log names the file', after => $at) if $re;
	$pp->log_like('smtpd', $re, 'and says why', after => $at) if $re;
	is(() = substr($pp->log('smtpd'), $at) =~ /warning: the process that/g,
	    0, 'by a process that does not die of it');
	chmod 0755, $home;
	-d $file && !-l $file ? rmdir $file : unlink $file;
	unlink $other;
}
drained('nothing is left');
ok(!-e $pp->mailbox('alice'), 'nobody else got any of it');

# root's own file for a user is good.
SKIP: {
	skip 'a file of root needs root', 1 unless is_root();
	forward("alice\n", 0644, 0, 0);
	$pp->send('bob@example.org', message('by root'));
	ok(delivered('alice', 'by root'), "one of root's is used");
}

# Files that mail is written to: only what is one, as the user.
my $theirs = "$pp->{dir}/theirs";
my @files = ([ 'a link', sub { spew($other, "old\n", 0600);
	chown @bob, $other if is_root(); symlink $other, "$home/to" },
	$other ],
    [ 'a file of two names', sub { spew($other, "old\n", 0600);
	chown @bob, $other if is_root(); link $other, "$home/to" }, $other ],
    [ 'a FIFO to write to', sub { mkfifo("$home/to", 0600);
	chown @bob, "$home/to" if is_root() }, undef ],
    [ 'a program', sub { spew("$home/to", "old\n", 0700);
	chown @bob, "$home/to" if is_root() }, "$home/to" ]);
push @files, [ "somebody else's file", sub { spew($theirs, "old\n", 0600);
	chown @carol, $theirs; rename $theirs, "$home/to" }, "$home/to" ]
    if is_root();
forward("$home/to\n", 0644);
for (@files) {
	my ($name, $make, $look) = @$_;
	$make->();
	my $at = length $pp->log('smtpd');
	$pp->send('bob@example.org', message($name),
	    from => 'carol@example.org');
	$pp->log_like('smtpd', qr/dsn=5\.2\.0, status=bounced/,
	    "$name is not written", after => $at, seconds => 20);
	is(slurp($look), "old\n", 'it is as it was') if $look;
	unlink "$home/to", $other;
}
drained('the senders were told');

# Without a shell that is one.
$pp->stop;
spew("$pp->{dir}/users", slurp("$pp->{dir}/users") =~
    s{/bin/sh$}{/usr/sbin/nologin}mgr, 0600);
$pp->start;
forward("|/bin/true\n", 0644);
my $at = length $pp->log('smtpd');
$pp->send('bob@example.org', message('no shell'), from => 'carol@example.org');
$pp->log_like('smtpd', qr/dsn=5\.7\.1, status=bounced/,
    'who may not log in may not run commands', after => $at, seconds => 20);
drained('its sender was told');
$pp->stop;
spew("$pp->{dir}/users", slurp("$pp->{dir}/users") =~
    s{/usr/sbin/nologin$}{/bin/sh}mgr, 0600);
$pp->start;

# ---- what acts as a user is in a sandbox, but for the command ----

my $held = "$home/held";
mkfifo($held, 0600);
chown @bob, $held if is_root();
my $waits = "$pp->{dir}/waits";
spew($waits, "#!/bin/sh\necho \$\$ \$PPID >$home/pids\nread x <$held\n", 0755);
forward("|$waits\n", 0644);
$pp->send('bob@example.org', message('held'), from => 'carol@example.org');
ok(wait_for(30, sub { -s "$home/pids" }), 'a command runs');
my ($command, $feeder) = split ' ', slurp("$home/pids");
# It takes its filter on behind the fork: the command may be quicker.
my $filter = ($ENV{V} || '') eq 'asan' ? 0 : 2;
ok(wait_for(30, sub {
	Pennypost::Proc::status($feeder)->{Seccomp} == $filter }),
    'who gives it the message has a filter');
my %is = map { $_ => Pennypost::Proc::status($_) } $command, $feeder;
ok(!Pennypost::Proc::dumpable($feeder), 'and cannot be looked into')
    unless is_root();
is($is{$command}{Seccomp}, 0, 'the command has none');
is($is{$_}{NoNewPrivs}, 1, 'but gets no more rights') for $command, $feeder;
is(hex $is{$command}{$_}, 0, "it has none: $_")
    for qw(CapPrm CapEff CapInh CapAmb), is_root() ? 'CapBnd' : ();
# Lets all of them go on.
sub release {
	link $held, "$held.old";
	replace($held, "\n", 0644);
	ok(wait_for(60, sub {
		sysopen my $f, "$held.old", O_WRONLY | O_NONBLOCK;
		!(() = glob "$pp->{dir}/queue/active/*") }), $_[0]);
	unlink $held, "$held.old";
}
release('it goes on');

# More of them than there are turns, which never end.
mkfifo($held, 0600);
chown @bob, $held if is_root();
unlink "$home/pids";
spew($waits, "#!/bin/sh\necho \$1 >>$home/pids\nread x <$held\n", 0755);
forward(join('', map "|$waits $_\n", 1 .. 12), 0644);
$pp->send('bob@example.org', message('all'), from => 'carol@example.org');
ok(wait_for(30, sub { -e "$home/pids" && slurp("$home/pids") =~ /\d\n\d/ }),
    'a user has commands that do not end');
$pp->send('carol@example.org', message('meanwhile'));
ok(delivered('carol', 'meanwhile'), "others' mail goes past them");
is(() = slurp("$home/pids") =~ /\d\n/g, 2, 'which have a quarter of the turns');
release('they end in the end');
is(join(' ', sort { $a <=> $b } split ' ', slurp("$home/pids")),
    join(' ', 1 .. 12), 'each has run once');

# ---- processes that die ----

my $script = "$pp->{dir}/script";
spew($script, "#!/bin/sh\ncat >/dev/null\nsleep 0.1\necho x >>$home/done\n",
    0755);
forward("alice\n|$script\n", 0644);
my $n = 9;
my $sent = 0;
for my $i (1 .. $n) {
	my $r = eval { $pp->send('bob@example.org', message("crash $i"),
	    from => 'carol@example.org') } // '';
	$sent++ if $r =~ /^250 /;
	my $role = (qw(queue deliver runner))[$i / 3 % 3];
	my ($pid) = $pp->pids('smtpd', $role);
	kill 'KILL', $pid if $pid && $i % 3 == 0;
	wait_for(60, sub {
		eval { $pp->send('carol@example.org', message('up')) =~ /^250/ }
	}) if $i % 3 == 0;
}
ok($sent > 3, "$sent of $n messages accepted while roles are killed");
drained('all leave the queue in the end');
my %got;
my $alice = $pp->mbox('alice');
$got{$_} = 1 for $alice =~ /^Subject: crash (\d+)$/mg;
cmp_ok(scalar keys %got, '>=', $sent, 'each was forwarded');
cmp_ok((() = slurp("$home/done") =~ /x/g), '>=', $sent,
    'and the command had each');

done_testing;
