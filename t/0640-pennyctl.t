#!/usr/bin/perl
# pennyctl mailbox.
use strict;
use warnings;
use lib 't/lib';
use Digest::MD5 qw(md5);
use Test::More;
use Pennypost;

my $pp = Pennypost->start;
my $ctl = Pennypost::top() . "/$ENV{O}/spool/pennyctl";
$ctl = "$ENV{O}/spool/pennyctl" unless -x $ctl;
my $conf = $pp->conf_file('pop3d');
my $box = $pp->mailbox('bob');
my $state = $pp->dir . '/mail/.pennypost/bob';

sub ctl {
	my $out = `$ctl -f $conf mailbox @_ 2>&1`;
	return ($? >> 8, $out);
}
sub is_ctl {
	my ($args, $code, $re, $name) = @_;
	my ($rc, $out) = ctl($args);
	ok($rc == $code && $out =~ $re, $name || $args) or diag("$rc: $out");
	return $out;
}
sub own {
	chown $pp->user_uid('bob'), $pp->user_gid('bob'), @_
	    if Pennypost::is_root();
}
sub write_box {
	open my $f, '>', $box or die "$box: $!";
	print $f @_;
	close $f;
	chmod 0600, $box;
	own($box);
}
sub put {
	my ($mode, $file, $text) = @_;
	open my $f, $mode, $file or die "$file: $!";
	print $f $text;
	close $f;
	own($file);
}
my @m = map { my $k = $_;
    "From a\@x Mon Jan  5 10:00:00 2026\nDelivered-To: bob\n" .
    "Received: from y\n\tby z; $k\nDate: Mon, 5 Jan 2026 10:00:00 +0000\n" .
    ($k == 1 ? "X-IMAPbase: 1234567 99\n" : '') .
    "Subject: $k\nX-UID: " . ($k + 10) . "\nX-UIDL: old-$k\n\nbody $k\n" .
    ('x' x 100 . "\n") x 20 . "\n" } 1 .. 1000;
write_box(@m);

is_ctl('verify bob', 0, qr/^bob: 1000 messages, no fault$/);
is_ctl('stat bob', 0, qr/^bob: 1000 messages, .* 0 in the index/);
is_ctl('reindex bob', 0, qr/^$/);
is_ctl('stat bob', 0, qr/1000 in the index, 1000 with unique-ids/);
is_ctl('verify bob', 0, qr/no fault/, 'verify with an index');
is_ctl('verify nobody-here', 2, qr/no such user/);
is_ctl('bad bob', 2, qr/^usage:/);
is_ctl('verify', 2, qr/^usage:/, 'no user');
is_ctl('uidl-import bob', 2, qr/^usage:/, 'no source');
is_ctl('uidl-import bob foo', 2, qr/unknown source/);

# Who.
is_ctl('who bob', 0, qr/^session: free\nmailbox: free\ndotlock: none\n$/);
my $p = $pp->pop3_as('bob');
my $out = is_ctl('who bob', 1, qr/^session: held for writing, pid \d+ on \S+ since \d{4}-/,
    'who holds the session');
my ($pid) = $out =~ /pid (\d+)/;
# Nobody but root may look at the descriptors of a worker, who is not dumpable.
like($out, qr/open in process $pid \(/, 'and its process')
    if Pennypost::is_root();
$p->cmd('QUIT');

# Unique-ids.
sub uidl {
	my $s = $pp->pop3_as('bob');
	$s->cmd('UIDL');
	my %id = map { /^(\d+) (\S+)/ ? ($1 => $2) : () } split /\n/, $s->multi;
	$s->cmd('QUIT');
	return \%id;
}
is_ctl('uidl-import bob x-uidl', 0, qr/^bob: 1000 of 1000/);
my $id = uidl();
is($id->{7}, 'old-7', 'X-UIDL');
is_ctl('uidl-import bob dovecot', 0, qr/1000 of 1000/);
$id = uidl();
is($id->{7}, sprintf('%08x%08x', 17, 1234567), 'Dovecot');
is_ctl('uidl-import bob popa3d', 0, qr/1000 of 1000/);
$id = uidl();
my @md5 = unpack 'C*', md5("Delivered-To: bob\nReceived: from y\n\tby z; 7\n");
is($id->{7}, join('', map { sprintf '%02x', $md5[$_] } 3, 2, 1, 0, 7, 6, 5, 4),
    'popa3d');
is(keys %{ { reverse %$id } }, 1000, 'all different');
is_ctl('verify bob', 0, qr/no fault/, 'verify with imported unique-ids');
put('>', "$state/uidl", "nonsense\n");
is_ctl('verify bob', 1, qr/^bob: uidl: /, 'a damaged uidl is found');
is_ctl('repair bob', 0, qr/^bob: set uidl aside.*\nbob: 1000 messages, no fault$/);
ok(-e "$state/uidl.bad" && !-e "$state/uidl", 'it was set aside');

# Damage.
my $index = slurp("$state/index");
substr($index, 4096 * 5 + 100, 1) ^= "\1";
put('>', "$state/index", $index);
is_ctl('verify bob', 1, qr/^bob: index: message \d+: /, 'a damaged index');
put('>>', $box, "From torn\@x Mon Jan  5 10:00:00 2026\n\nno end");
is_ctl('verify bob', 1, qr/octet \d+: the last message has no blank line/,
    'a torn tail');
is_ctl('repair bob', 0, qr/closed the last message\nbob: 1001 messages, no fault/);
is(substr(slurp($box), -8), "no end\n\n", 'it has its blank line');
put('>', "$state/journal", 'x');
is_ctl('verify bob', 1, qr/^bob: journal: /, 'an update that was cut short');
is_ctl('repair bob', 0, qr/no fault/, 'repaired');
write_box("this is no mbox\n");
is_ctl('verify bob', 1, qr/octet 0: no From_ line/, 'no mbox');
is_ctl('repair bob', 2, qr/this is no mbox/, 'which nothing can repair');
is(slurp($box), "this is no mbox\n", 'and nothing changes');
my $whole = "From a\@x Mon Jan  5 10:00:00 2026\nSubject: a\n\nb\n\n";
my $zeros = sub { "\0" x (512 - length($_[0]) % 512) };
write_box("\0" x 512 . "rest\n\n");
is_ctl('verify bob', 1, qr/no From_ line: .*; repair mends/,
    'a power cut took the first sector');
is_ctl('repair bob', 0,
    qr/a power cut left of a message.*\nbob: 1 messages, no fault/);
write_box($whole . $zeros->($whole) . "rest\n\n$whole");
is_ctl('repair bob', 0,
    qr/a power cut left of a message.*\nbob: 3 messages, no fault/,
    'a sector in the middle');
like(slurp($box), qr/\A\Q$whole\EFrom - .*\nSubject: \(the rest of .*\n\n\[zeros\]\0+rest\n\n\Q$whole\E\z/,
    'nothing but zeros was written over');
is_ctl('repair bob', 0, qr/\Abob: 3 messages, no fault/, 'once');
write_box('');
is_ctl('verify bob', 0, qr/0 messages, no fault/, 'an empty one');
is_ctl('reindex bob', 0, qr/^$/, 'and its index');

# Each thing beside the mailbox that is not as it should be has its name.
write_box(@m[0 .. 199]);
$p = $pp->pop3_as('bob');
$p->cmd($_) for 'UIDL', 'QUIT';
is_ctl('reindex bob', 0, qr/^$/);
$index = slurp("$state/index");
my %unfit = (
	fifo => sub { system('mkfifo', '-m', '600', $_[0]) == 0 or die; own($_[0]) },
	directory => sub { mkdir $_[0], 0700; own($_[0]) },
	'symbolic link' => sub { symlink '/etc/hostname', $_[0] },
	'second link' => sub { put('>', "$state/other", ''); link "$state/other", $_[0] },
);
for my $name (qw(lock append login index uidl)) {
	for my $what (sort keys %unfit) {
		unlink "$state/$name", "$state/other";
		$unfit{$what}->("$state/$name");
		is_ctl('verify bob', 1, qr/^bob: $name: is no plain file/m,
		    "verify: $name is a $what");
		is_ctl('repair bob', 0, qr/^bob: set $name aside as $name\.bad\n(?:.*\n)*bob: 200 messages, no fault$/m,
		    "repair: $name is a $what");
		-d "$state/$name.bad" ? rmdir "$state/$name.bad" :
		    unlink "$state/$name.bad";
		unlink "$state/other";
	}
}
$p = $pp->pop3_as('bob');
like($p->{login}, qr/^\+OK/, 'and the user can log in');
$p->cmd('QUIT'); # or it has the mailbox a moment longer

# An index with right entries and wrong sums.
sub sum {	# spool/journal.c
	use integer;
	my $text = shift;
	my @lane = (1, 2, 3, 4);
	my $mix = sub {
		my $l = ($_[0] ^ $_[1]) * -7046029254386353131;
		return $l << 31 | ($l >> 33 & 2147483647);
	};
	my $n = length $text;
	$text .= "\0" x (32 - $n % 32);
	my @word = unpack 'q*', $text;
	for my $i (0 .. $#word) {
		$lane[$i % 4] = $mix->($lane[$i % 4], $word[$i]);
	}
	my $all = $n;
	$all = $mix->($all, $_) for @lane;
	return $all ^ ($all >> 29 & (1 << 35) - 1);
}
is_ctl('reindex bob', 0, qr/^$/);
$index = slurp("$state/index");
my @h = unpack 'q18', $index; # struct index_head
is(sum(substr $index, 0, 136), $h[17], 'its header has this sum');
for ([ 6, qr/index: its messages have \d+ octets by POP3, not \d+ as it says/ ],
    [ 4, qr/index: 0 of its messages equal others, not 1 as it says/ ]) {
	my ($field, $re) = @$_;
	my @lie = @h;
	$lie[$field]++;
	my $head = pack 'q17', @lie;
	put('+<', "$state/index", $head . pack 'q', sum($head));
	is_ctl('verify bob', 1, qr/^bob: $re$/m, "verify: index, field $field");
	put('+<', "$state/index", substr $index, 0, 144);
}
is_ctl('verify bob', 0, qr/no fault/, 'as it was');

# Two messages must not have one imported unique-id.
put('>', "$state/uidl", join '', map { $_ x 32 . " same\n" } 0, 1);
is_ctl('verify bob', 1, qr/^bob: uidl: same is there twice$/m);
is_ctl('repair bob', 0, qr/set uidl aside/);

# Zeros in the place of a From_ line.
write_box($whole . $zeros->($whole) . "rest\n\n$whole");
my $at = length $whole;
is_ctl('verify bob', 1, qr/^bob: mailbox: octet $at: a power cut took a From_/m);

# A delivery that died.
write_box($whole);
like($pp->send('bob@example.org', message('fills the record')), qr/^250/);
my $record = slurp("$state/append");
is(substr($record, 0, 8), "\0" x 8, 'a record that is void');
put('+<', "$state/append", '1apynnep'); # its magic
truncate $box, length($whole) + 200;
is_ctl('verify bob', 1, qr/^bob: append: a delivery died behind octet $at;/m);
is_ctl('repair bob', 0,
    qr/cut off 200 octets of a delivery.*\nbob: 1 messages, no fault/);
is(slurp($box), $whole, 'nothing else is gone');

# Repair keeps out who has the dotlock, and leaves none behind.
$pp->write_config('pop3d', mailbox_locks => 'fcntl dotlock',
    mailbox_lock_wait => '100ms');
put('>>', $box, 'torn');
put('>', "$box.lock", "0\n");
is_ctl('repair bob', 2, qr/\Q$box.lock\E: another program has it/);
is(slurp($box), $whole . 'torn', 'nothing was written');
unlink "$box.lock";
is_ctl('repair bob', 0, qr/closed the last message\nbob: 1 messages, no fault/);
ok(!-e "$box.lock", 'no dotlock is left');
put('>>', $box, 'torn');
my $dead = fork // die "fork: $!";
exit 0 if $dead == 0;
waitpid $dead, 0;
chomp(my $host = `hostname`);
put('>', "$box.lock", "$dead $host " . time . "\n");
is_ctl('repair bob', 0, qr/no fault/, 'a dotlock of the dead is no hindrance');
ok(!-e "$box.lock", 'it is gone');

# On a terminal long work shows how far it is, in a single message, too.
SKIP: {
	skip 'no script', 8 unless have('script');
	open my $f, '>:raw', $box or die "$box: $!";
	print $f "From a\@x Mon Jan  5 10:00:00 2026\nSubject: big\n\nx";
	seek $f, 300 << 20, 1;
	print $f "\n\n";
	close $f;
	for my $verb (qw(stat repair reindex verify)) {
		my ($st, $tty) = run('script', '-qec',
		    "$ctl -f $conf mailbox $verb bob", '/dev/null');
		my %percent = map { $_ => 1 } $tty =~ /\roctets: (\d+) %/g;
		cmp_ok(keys %percent, '>', 10, "$verb: shows how far it is")
		    or diag($tty);
		unlike(`$ctl -f $conf mailbox $verb bob 2>&1`, qr/%/,
		    'but only there');
		unlink "$state/index"; # or stat had nothing to do
	}
}

done_testing;
