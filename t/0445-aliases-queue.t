#!/usr/bin/perl
# Aliases and lists, where the queue sends their mail on: users, nested lists,
# commands and files as alias_user, the owner as sender, loops.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->new(shell => '/bin/sh', daemons => ['smtpd']);
my $aliases = "$pp->{dir}/aliases";
my $out = "$pp->{dir}/out";
mkdir $out;
chmod 01777, $out;
my $tool = "$pp->{dir}/tool";
spew($tool, "#!/bin/sh\nid -u >>$out/uid\ncat >>$out/in\n", 0755);
spew($aliases, <<"END", 0644);
staff: alice, inner
inner: bob, \\carol, alice
owner-staff: alice
runs: "|$tool"
saves: $out/saved
gone: "|$tool gone"
END
$pp->write_config('smtpd', aliases => $aliases,
    alias_user => is_root() ? 'nobody' : scalar(getpwuid $>),
    retry_min => '1s', retry_max => '2s');
$pp->start;

sub send_to {
	my ($to, $subject) = @_;
	like($pp->send($to, message($subject), from => 'carol@example.org'),
	    qr/^250 /, "$subject: accepted");
}
sub drained {
	ok(wait_for(30, sub { !(() = glob "$pp->{dir}/queue/active/*") }),
	    $_[0] // 'the queue is empty again') or
	    diag($pp->log('smtpd') =~ s/.*(?=(?:.*\n){12}\z)//sr);
}

send_to('staff@example.org', 'to the list');
drained();
is(() = $pp->mbox($_) =~ /^Subject: to the list$/mg, 1, "$_ has it once")
    for qw(alice bob carol);
like($pp->mbox('bob'), qr/^From owner-staff\@example\.org /, 'from its owner');
like($pp->mbox('bob'), qr/^Delivered-To: staff\@example\.org$/m,
    'through the list');

# A member who forwards.
my $home = $pp->make_home('bob');
spew("$home/.forward", "alice\n", 0644);
chown $pp->user_uid('bob'), $pp->user_gid('bob'), "$home/.forward"
    if is_root();
send_to('inner@example.org', 'forwarded');
drained();
is(() = $pp->mbox('alice') =~ /^Subject: forwarded$/mg, 2,
    'a member forwards to another');
unlike($pp->mbox('bob'), qr/^Subject: forwarded$/m, 'and keeps none');

# A member who forwards back to the list.
spew("$home/.forward", "inner\n", 0644);
my $at = length $pp->log('smtpd');
send_to('inner@example.org', 'round');
$pp->log_like('smtpd', qr/dsn=5\.4\.6, status=bounced/,
    'a list and a user in a circle end', after => $at, seconds => 20);
drained();
is(() = $pp->mbox('alice') =~ /^Subject: round$/mg, 1, 'others have it once');
unlink "$home/.forward";

send_to('runs@example.org', 'a command');
drained();
like(slurp("$out/in"), qr/^Subject: a command$/m, 'an alias runs a command');
my $nobody = is_root() ? getpwnam 'nobody' : $>;
is(slurp("$out/uid"), "$nobody\n", 'as alias_user');
send_to('saves@example.org', 'a file');
drained();
like(slurp("$out/saved"), qr/^Subject: a file$/m, 'or appends to a file');
is((stat "$out/saved")[4], $nobody, 'of that user');

# What the administrator has taken back is not run, whatever the queue says.
replace($tool, "#!/bin/sh\nexit 75\n", 0755);
send_to('gone@example.org', 'taken back');
$pp->log_like('smtpd', qr/status=deferred \(temporary failure/,
    'a command that is to be tried again', seconds => 20);
replace($aliases, slurp($aliases) =~ s/^gone.*\n//mr, 0644);
my $no_more = qr/status=deferred \(not sent there any more/;
$pp->log_like('smtpd', $no_more, 'is not run when it stands there no more',
    seconds => 20);
# Only now: the last attempt before may have been about to run it.
replace($tool, "#!/bin/sh\ntouch $out/ran\n", 0755);
$pp->log_like('smtpd', $no_more, 'again and again', seconds => 20,
    after => length $pp->log('smtpd'));
ok(!-e "$out/ran", 'really not');
replace($aliases, slurp($aliases) . qq{gone: "|$tool gone"\n}, 0644);
drained('until it does again');
ok(-e "$out/ran", 'then it is');

done_testing;
