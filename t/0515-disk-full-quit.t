#!/usr/bin/perl
# QUIT on a disk that is really full, a small ext4 on a loop device: the mailbox
# is as before or as after, the answer says which, and what needs no room works.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

need('root', 'mount', 'mkfs.ext4');
our $pp = Pennypost->new; # lives until the END below
my $fs = "$pp->{dir}/mail";
my $image = "$pp->{dir}/image";
open my $f, '>', $image or die "$image: $!";
truncate $f, 12 << 20;
close $f;
my ($st, $out) = run('mkfs.ext4', '-q', '-m', '0', '-N', '64', '-O',
    '^has_journal', $image);
plan(skip_all => "mkfs.ext4: $out") if $st ne '0';
($st, $out) = run('mount', '-o', 'loop', $image, $fs);
plan(skip_all => "cannot mount a loop device: $out") if $st ne '0';
END { system 'umount', '-l', $fs if defined $fs && -d $fs }
chown 0, 8, $fs;
chmod 02775, $fs;
$pp->start;
my $box = $pp->mailbox('bob');

# Messages of that many octets; the text of each says which it is.
sub mailbox {
	my @size = @_;
	my $i = 0;
	return map { $i++; "From a\@x Mon Jan  5 10:00:00 2026\nSubject: m$i\n\n" .
	    join('', map { "m$i line $_ " . 'x' x 80 . "\n" } 1 .. $_ / 92) .
	    "\n" } @size;
}
sub put {
	spew($box, join('', @_), 0600);
	chown $pp->user_uid('bob'), $pp->user_gid('bob'), $box;
}
# Leaves that many octets, no more.
sub fill_up {
	my $leave = shift;
	unlink "$fs/fill";
	open my $fill, '>', "$fs/fill" or die;
	1 while syswrite $fill, 'x' x 65536;
	1 while syswrite $fill, 'x' x 1024;
	# In whole blocks of the file system.
	truncate $fill, (-s $fill) - $leave if $leave;
	close $fill;
}

my (%ended, $inode);
for my $case (
	# what is left, sizes, what goes
	[ 0, [ (3000) x 200 ], sub { $_[0] % 2 }, 'every second, no room' ],
	[ 0, [ 500, (20000) x 60 ], sub { $_[0] == 1 }, 'a small one, no room' ],
	[ 8192, [ 500, (20000) x 60 ], sub { $_[0] == 1 }, 'and 8 KiB' ],
	[ 90_000, [ 500, (20000) x 60 ], sub { $_[0] == 1 }, 'and 88 KiB' ],
	[ 400_000, [ 500, (20000) x 60 ], sub { $_[0] == 1 }, 'and 400 KB' ],
	[ 0, [ (3000) x 100 ], sub { $_[0] > 50 }, 'the last ones, no room' ],
	[ 0, [ (3000) x 100 ], sub { 1 }, 'all, no room' ],
    ) {
	my ($leave, $size, $goes, $name) = @$case;
	unlink "$fs/fill";
	unlink $box, glob "$fs/.pennypost/bob/*";
	my @m = mailbox(@$size);
	put(@m);
	# What a session needs beside is there.
	my $p = $pp->pop3_as('bob');
	$p->cmd('QUIT');
	$inode = (stat $box)[1];
	fill_up($leave);
	$p = $pp->pop3_as('bob');
	like($p->{login}, qr/^\+OK/, "$name: login");
	my %gone;
	for my $i (1 .. @m) {
		next unless $goes->($i);
		$gone{$i} = 1 if $p->cmd("DELE $i") =~ /^\+OK/;
	}
	my $bye = $p->cmd('QUIT');
	my $after = join '', map { $gone{ $_ + 1 } ? () : $m[$_] } 0 .. $#m;
	my $now = $pp->mbox('bob');
	my $what = $now eq $after ? 'after' : $now eq join('', @m) ? 'before' :
	    'neither';
	$ended{$what}++;
	is($what, $bye =~ /^\+OK/ ? 'after' : 'before',
	    "$name: what QUIT says is so ($what)") or diag($bye);
	like($bye, qr/^(?:\+OK|-ERR \[SYS\/TEMP\])/, "$name: $bye");
	is((stat $box)[1], $inode, "$name: the same file");
	ok(!-s "$fs/.pennypost/bob/journal", "$name: no journal is left");
	# Where it needs no room, it is done.
	is($what, 'after', "$name: it needs none") if $name =~ /^(?:the last|all)/;
	unlink "$fs/fill";
	next if $what eq 'after';
	$p = $pp->pop3_as('bob');
	$p->cmd("DELE $_") for keys %gone;
	like($p->cmd('QUIT'), qr/^\+OK/, "$name: with room it is done");
	is($pp->mbox('bob'), $after, "$name: as asked");
}
cmp_ok($ended{after} || 0, '>=', 3, 'some were done');
note(join ', ', map { "$_: $ended{$_}" } sort keys %ended);
$pp->log_like('pop3d', qr/no space|full/i, 'the log says why')
    if $ended{before};
is($pp->stop, 0, 'all ends in order');
done_testing;
