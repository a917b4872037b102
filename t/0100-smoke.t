#!/usr/bin/perl
# One message goes in at smtpd and comes out at pop3d.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->start;
pass('both are ready');

my $s = $pp->smtp;
like($s->{greeting}, qr/^220 mail\.example\.org ESMTP/, 'greeting');
$s->expect('EHLO client.test', qr/^250-mail\.example\.org/);
$s->expect('MAIL FROM:<a@client.test>', qr/^250 2\.1\.0 /);
$s->expect('RCPT TO:<bob@example.org>', qr/^250 2\.1\.5 /);
$s->expect('DATA', qr/^354 /);
my $sent = message('hello');
like($s->data($sent), qr/^250 2\.0\.0 .*queued as [0-9A-F]+/i, 'accepted');
$s->expect('QUIT', qr/^221 2\.0\.0 /);
ok($s->closed, 'and closed');

my $mbox = $pp->mbox('bob');
like($mbox, qr/\AFrom a\@client\.test \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\n/,
    'the mailbox begins with a From_ line');
like($mbox, qr/^Return-Path: <a\@client\.test>$/m, 'Return-Path');
like($mbox, qr/^X-Original-To: bob\@example\.org$/m, 'X-Original-To');
like($mbox, qr/^Delivered-To: bob\@example\.org$/m, 'Delivered-To');
like($mbox, qr/^Received:\ from\ client\.test\ \(.*\[127\.0\.0\.1\]\)\n
    [ \t]+by\ mail\.example\.org.*with\ ESMTP/mx, 'Received');
unlike($mbox, qr/\r/, 'lines end in LF');
like($mbox, qr/\n\n\z/, 'and the message in a blank line');
my @st = stat $pp->mailbox('bob');
is($st[2] & 07777, 0600, 'made 0600');
is($st[4], $pp->user_uid('bob'), 'and belongs to its user');

my $p = $pp->pop3;
like($p->{greeting}, qr/^\+OK /, 'pop3 greeting');
$p->expect('USER bob', qr/^\+OK/);
$p->expect('PASS bob-pass', qr/^\+OK/);
like($p->cmd('STAT'), qr/^\+OK 1 (\d+)$/, 'one message');
my ($size) = $p->cmd('LIST 1') =~ /^\+OK 1 (\d+)$/;
like($p->cmd('RETR 1'), qr/^\+OK/, 'RETR');
my $got = $p->multi;
is(length $got, $size, 'LIST gave the exact number of octets');
is((sent_part($got))[1], $sent, 'the same octets come out');
$p->expect('DELE 1', qr/^\+OK/);
$p->expect('QUIT', qr/^\+OK/);
is($pp->mbox('bob'), '', 'deleted');
is((stat $pp->mailbox('bob'))[1], $st[1], 'and the inode is the same');

is($pp->stop('smtpd'), 0, 'smtpd stops');
is($pp->stop('pop3d'), 0, 'pop3d stops');
ok(!$pp->{left}{$_}, "$_ leaves nobody behind") for qw(smtpd pop3d);
done_testing;
