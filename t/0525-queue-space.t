#!/usr/bin/perl
# MAIL asks whether the queue's disk has room: queue_free_min and SIZE.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

# More than any disk has.
my $pp = Pennypost->start(daemons => ['smtpd'],
	smtpd => { queue_free_min => '8000000000G' });
my $s = $pp->smtp;
$s->cmd('EHLO client.test');
like($s->cmd('MAIL FROM:<a@client.test>'),
    qr/^452 4\.3\.1 Insufficient system storage/, 'less than queue_free_min');
like($s->cmd('MAIL FROM:<a@client.test> SIZE=1'), qr/^452 4\.3\.1 /,
    'whatever the size');
like($s->cmd('RCPT TO:<bob@example.org>'), qr/^503 /, 'nothing was begun');
like($s->cmd('NOOP'), qr/^250 /, 'the session goes on');
$pp->log_like('smtpd',
    qr/reject: MAIL from .*: 452 4\.3\.1 Insufficient system storage/, 'log');
$s->cmd('QUIT');
$pp->stop;

SKIP: {
	skip 'needs root and mount', 9 unless is_root() && have('mount');
	my $fs = "$pp->{dir}/small";
	mkdir $fs or die $!;
	my ($st, $out) = run('mount', '-t', 'tmpfs', '-o',
	    'size=8m,mode=0700,uid=' . $pp->role_uid('smtpd', 'queue'),
	    'tmpfs', $fs);
	skip "cannot mount a tmpfs: $out", 9 if $st ne '0';
	$pp->write_config('smtpd', queue_free_min => '1M',
	    queue_directory => $fs);
	is($pp->launch('smtpd'), '', 'smtpd with a queue of 8 MB');
	$s = $pp->smtp;
	$s->cmd('EHLO client.test');
	like($s->cmd('MAIL FROM:<a@client.test> SIZE=1000'), qr/^250 /,
	    'room for a small message');
	$s->cmd('RSET');
	like($s->cmd('MAIL FROM:<a@client.test> SIZE=7500000'),
	    qr/^452 4\.3\.1 /, 'none for what would leave too little');
	like($s->cmd('MAIL FROM:<a@client.test> SIZE=5000000'), qr/^250 /,
	    'room for what leaves enough');
	$s->cmd('RSET');
	spew("$fs/fill", 'x' x (7 << 20));
	ok(wait_for(10, sub {
		my $r = $s->cmd('MAIL FROM:<a@client.test>');
		$s->cmd('RSET') if $r =~ /^250/;
		$r =~ /^452 4\.3\.1 /;
	}), 'when the disk fills, small ones are refused soon');
	unlink "$fs/fill";
	like($s->cmd('MAIL FROM:<a@client.test>'), qr/^250 /,
	    'and taken at once when there is room again');
	like($s->cmd('RCPT TO:<bob@example.org>'), qr/^250 /, 'RCPT');
	like($s->cmd('DATA'), qr/^354 /, 'DATA');
	like($s->data(message('room')), qr/^250 /, 'delivered');
	$s->cmd('QUIT');
	$pp->stop;
	run('umount', '-l', $fs);
}
done_testing;
