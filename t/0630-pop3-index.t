#!/usr/bin/perl
# The index of a mailbox: what a session sees does not depend on it.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->start(pop3d => { errors_max => 1000 });
my $box = $pp->mailbox('bob');
my $index = $pp->dir . '/mail/.pennypost/bob/index';
my $uidl = $pp->dir . '/mail/.pennypost/bob/uidl';

sub text {
	my $k = shift;
	my $what = $k % 50 == 7 ? 7 : $k; # some are equal
	return "From a\@x Mon Jan  5 10:00:00 2026\nSubject: number $what\n\n" .
	    "text $what\n" . ('x' x ($what * 13 % 3000) . "\n") . "\n";
}
sub put {
	my ($mode, @k) = @_;
	my $new = !-e $box;
	open my $f, $mode, $box or die "$box: $!";
	print $f map { text($_) } @k;
	close $f;
	return unless $new;
	chmod 0600, $box;
	chown $pp->user_uid('bob'), $pp->user_gid('bob'), $box
	    if Pennypost::is_root();
}
# What a client sees of the mailbox.
sub seen {
	my $p = $pp->pop3_as('bob');
	return $p->{login} unless $p->{login} =~ /^\+OK/;
	my $all = $p->cmd('STAT') . "\n";
	for my $c ('LIST', 'UIDL') {
		return "$c failed" unless $p->cmd($c) =~ /^\+OK/;
		$all .= $p->multi;
	}
	$p->cmd('QUIT');
	return $all;
}
sub inode { (stat $index)[1] // 0 }
# The same with the index there is and with none.
sub same {
	my $what = shift;
	my $with = seen();
	unlink $index;
	my $without = seen();
	ok($with eq $without && $with =~ /^\+OK \d+ \d+\n/, $what)
	    or diag(substr($with, 0, 300), substr($without, 0, 300));
	return $with;
}

put('>', 1 .. 400);
seen();
is(inode(), 0, 'a small mailbox needs no index');
put('>>', 401 .. 2000);
my $first = seen();
my $was = inode();
ok($was, 'a large one gets one');
is((stat $index)[2] & 0777, 0600, 'that nobody else reads');
is((stat $index)[4], (stat $box)[4], 'and its owner owns') if Pennypost::is_root();
is(seen(), $first, 'the next session sees the same');
is(inode(), $was, 'in the same index');
my ($copies) = $first =~ /^57 [0-9a-f]{32}(\.\d+)\r$/m;
is($copies, '.2', 'an equal message is told apart');

put('>>', 2001 .. 2010);
like(my $grown = seen(), qr/^\+OK 2010 /, 'it grew');
is(inode(), $was, 'the index serves still');
like($grown, qr/^2007 [0-9a-f]{32}\.41\r$/m, 'an equal message behind it');
{
	my $p = $pp->pop3_as('bob');
	$p->expect('UIDL 2007', qr/^\+OK 2007 [0-9a-f]{32}\.41$/,
		'nor does it matter whether it is asked for alone');
	$p->cmd('QUIT');
	$p = $pp->pop3_as('bob');
	$p->cmd("DELE $_") for 1 .. 60, 1957;
	$p->expect('UIDL', qr/^\+OK/);
	my $ids = $p->multi;
	like($ids, qr/^2007 [0-9a-f]{32}\.41\r$/m,
		'or whether equal ones before it are marked');
	is(() = $ids =~ /^\d+ /mg, 2010 - 61, 'which are not listed');
	unlike($ids, qr/^(?:60|1957) /m, 'and no others are left out');
	$p->cmd('RSET');
	$p->cmd('QUIT');
	$p = $pp->pop3_as('bob');
	$p->expect("UIDL $_", qr/^\+OK/) for 1 .. 7;
	$p->expect('UIDL', qr/^\+OK/);
	like($p->multi, qr/^2007 [0-9a-f]{32}\.41\r$/m,
		'or whether some were asked for before');
	$p->cmd('QUIT');
}
is(same('with the index, and without'), $grown, 'nothing else changed');

# Removing messages carries it along.
for my $which ([5], [2010], [1, 3, 57, 300, 1999]) {
	seen();
	my $before = inode();
	my $p = $pp->pop3_as('bob');
	$p->cmd("DELE $_") for @$which;
	like($p->cmd('QUIT'), qr/^\+OK/, "DELE @$which");
	is(inode(), $before, 'the index stays');
	same("it is right after DELE @$which");
}

# Another program.
seen();
my $mail = slurp($box);
my @m = split /(?=^From a\@x )/m, $mail;
splice @m, 100, 1;
open my $f, '+<', $box or die;
print $f @m;
truncate $f, tell $f;
close $f;
same('a message in the middle was removed by another program');
seen();
put('>', 1 .. 5);
same('the mailbox was replaced by a small one');
put('>', map { $_ * 3 } 1 .. 1500);
same('and by a large one');
put('>>', 3);
my $nolf = slurp($box) =~ s/\n\n\z//r;
put('>');
open $f, '>>', $box or die;
print $f $nolf;
close $f;
seen();
open $f, '>>', $box or die;
print $f "\n\n";
close $f;
put('>>', 4);
same('the last message was torn');

# What is no index.
seen();
my $good = slurp($index);
for my $bad (
	[ 'empty', '' ],
	[ 'text', "hello\n" x 5000 ],
	[ 'cut short', substr($good, 0, 9000) ],
	[ 'zeros', "\0" x length $good ],
	[ 'a changed octet', do {
		my $g = $good;
		substr($g, 4096 + 30, 1) ^= "\1";
		$g
	} ],
	[ 'its blocks exchanged', substr($good, 0, 4096) .
	    substr($good, 8192, 4096) . substr($good, 4096, 4096) .
	    substr($good, 12288) ],
    ) {
	my $want = seen();
	open my $i, '+<', $index or die "$index: $!";
	print $i $bad->[1];
	truncate $i, length $bad->[1];
	close $i;
	is(seen(), $want, "$bad->[0]: not believed");
	is(seen(), $want, '... and mended');
}

# A message that was written over where it lies.
seen();
my $p = $pp->pop3_as('bob');
my $all = slurp($box);
my $at = index $all, "text 300\n";
open $f, '+<', $box or die;
seek $f, $at, 0;
print $f 'TEXT';
close $f;
my $n = () = substr($all, 0, $at) =~ /^From a/mg;
$p->expect("DELE $n", qr/^-ERR \[SYS\/TEMP\]/, 'another message is there now');
$p->cmd('QUIT');
is(slurp($box) =~ s/TEXT/text/r, $all, 'it is not deleted');
$p = $pp->pop3_as('bob');
$p->expect("DELE $n", qr/^\+OK/, 'the next session sees it as it is');
$p->cmd('QUIT');
unlike(slurp($box), qr/^(?i:text) 300$/m, 'and deletes it');

# Imported unique-ids.
my $ours = seen();
my %id = map { /^(\d+) (\S{32,})\r$/ ? ($2 => $1) : () } split /\n/, $ours;
my @key = (sort keys %id)[0, 5, 9];
sub imported {
	open my $u, '>', $uidl or die "$uidl: $!";
	print $u @_;
	close $u;
	chown $pp->user_uid('bob'), $pp->user_gid('bob'), $uidl
	    if Pennypost::is_root();
}
imported(map { "$_ old-$id{$_}\n" } @key);
my $now = seen();
like($now, qr/^$id{$_} old-$id{$_}\r$/m, 'an imported unique-id') for @key;
is(() = $now =~ /old-/g, 3, 'and no others');
$p = $pp->pop3_as('bob');
$p->expect("UIDL $id{$key[1]}", qr/^\+OK $id{$key[1]} old-$id{$key[1]}$/);
$p->cmd('QUIT');
for my $bad ("$key[0] has a blank\n", "$key[0]\n", "xyz abc\n", "$key[0] a",
    "$key[1] b\n$key[0] a\n", "$key[0] " . 'a' x 71 . "\n") {
	imported($bad);
	is(seen(), $ours, 'a damaged file is not used');
}
$pp->log_like('pop3d', qr/imported unique-ids of .* not used/,
    'and that is logged');

done_testing;
