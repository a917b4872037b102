#!/usr/bin/perl
# A full disk: nothing of the message stays, nothing that was there suffers, the
# sender is told to come back, and it works when there is room again.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

need('root', 'mount');
our $pp = Pennypost->new; # lives until the END below
my $fs = "$pp->{dir}/mail";
my ($st, $out) = run('mount', '-t', 'tmpfs', '-o', 'size=400k,mode=2775,gid=8',
    'tmpfs', $fs);
plan(skip_all => "cannot mount a tmpfs: $out") if $st ne '0';
END { system 'umount', '-l', $fs if defined $fs && -d $fs }

$pp->start;
my $first = message('first');
like($pp->send('bob@example.org', $first), qr/^250 /, 'there is room');
my $before = $pp->mbox('bob');
my $big = message('big') . ('x' x 70 . "\r\n") x 9000;
my $r = $pp->send('bob@example.org', $big);
like($r, qr/^4\d\d 4\.(?:2\.2|3\.1) |^250 /, 'no room: told to come back, or queued');
is($pp->mbox('bob'), $before, 'nothing of it is in the mailbox');
$pp->log_like('smtpd', qr/\bno space|\bfull|No space/i, 'the log says why');
like($pp->send('bob@example.org', message('small')), qr/^250 /,
    'a small one still fits');
$before = $pp->mbox('bob');

# Not even a first octet for a new mailbox.
open my $fill, '>', "$fs/fill" or die;
my $rest = $pp->mbox_lock('bob'); # the big one is tried again, and takes room
1 while syswrite $fill, 'x' x 4096;
1 while syswrite $fill, 'x';
close $rest;
$r = $pp->send('carol@example.org', message('to carol'));
like($r, qr/^(?:4\d\d 4\.|250 )/, 'no room for a new mailbox');
$r = $pp->send('bob@example.org', message('x') . ('y' x 70 . "\r\n") x 100);
like($r, qr/^(?:4\d\d 4\.|250 )/, 'nor for 7 KB');
is($pp->mbox('bob'), $before, 'the mailbox is as before');

# POP3 reads on a full disk, and deletes.
my $p = $pp->pop3_as('bob');
like($p->{login}, qr/^\+OK/, 'login on a full disk');
like($p->cmd('RETR 1'), qr/^\+OK/, 'RETR');
is((sent_part($p->multi))[1], $first, 'gives the message');
$p->cmd('DELE 2');
like($p->cmd('QUIT'), qr/^(?:\+OK|-ERR)/, 'deleting is done or refused');
like($pp->mbox('bob'), qr/\A.*Subject: first\n/s, 'the first is there');

close $fill;
unlink "$fs/fill";
like($pp->send('carol@example.org', message('room again')), qr/^250 /,
    'there is room again');
ok(wait_for(10, sub { $pp->mbox('carol') =~ /room again/ }), 'delivered');
$pp->stop;
done_testing;
