#!/usr/bin/perl
# Users of the system: getpwnam and shadow, in a mount namespace with files of
# its own, so that this machine's are not touched.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

need('root', 'unshare');
my ($st, $out) = run('unshare', '-m', 'true');
plan(skip_all => "unshare -m: $out") if $st ne '0';
if (!$ENV{PENNYPOST_NS}) {
	$ENV{PENNYPOST_NS} = 1;
	exec 'unshare', '-m', '--propagation', 'private', $^X, '-It/lib', $0;
}
my $dir = File::Temp->newdir('/tmp/pennypost-ns.XXXXXX');
my $hash = crypt 'dora-pass', '$6$abcdefgh$';
spew("$dir/passwd", slurp('/etc/passwd') .
    "dora:x:64011:64011:Dora:/home/dora:/bin/sh\n" .
    "erik:x:64012:64012:Erik:/home/erik:/bin/sh\n" .
    "toor:x:0:0:root:/root:/bin/sh\n", 0644);
spew("$dir/shadow", slurp('/etc/shadow') . "dora:$hash:19000:0:99999:7:::\n" .
    "erik:*:19000:0:99999:7:::\ntoor:$hash:19000:0:99999:7:::\n", 0640);
for (qw(passwd shadow)) {
	($st, $out) = run('mount', '--bind', "$dir/$_", "/etc/$_");
	plan(skip_all => "mount --bind: $out") if $st ne '0';
}
my $pp = Pennypost->start(both => { system_users => 'yes' });
like($pp->send('dora@example.org', message('to dora')), qr/^250 /,
    'a user of the system receives mail');
is((stat $pp->mailbox('dora'))[4], 64011, 'as herself');
my ($got) = $pp->fetch('dora');
like($got, qr/Subject: to dora/, 'and fetches it');
like($pp->pop3_as('erik', pass => '*')->{login}, qr/^-ERR \[AUTH\]/,
    "'*' in shadow: no login");
like($pp->pop3_as('toor', pass => 'dora-pass')->{login}, qr/^-ERR \[AUTH\]/,
    'uid 0: no login');
like($pp->pop3_as('alice')->{login}, qr/^\+OK/, "the users file's, too");
like($pp->send('nobody-at-all@example.org', message('x')), qr/^550 5\.1\.1 /,
    'unknown');
done_testing;
