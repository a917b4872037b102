#!/usr/bin/perl
# Aliases: who exists, who is told what, what happens when the file changes,
# and where mail for lists goes.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my ($aliases, $virtual, $list, $domains);
my $pp = Pennypost->new(daemons => ['smtpd'], smtpd => {
	errors_max => 1000, local_domains => 'example.org b.example',
	postmaster => 'root', retry_min => '1s', retry_max => '2s' });
$aliases = "$pp->{dir}/aliases";
$virtual = "$pp->{dir}/virtual";
$list = "$pp->{dir}/chess.list";
$domains = "$pp->{dir}/domains";
spew($aliases, my $first = <<END, 0644);
# what the tests use
root: alice
staff: alice, Bob+x,
	inner # and more
inner: carol, bob
owner-staff: carol
chess: :include:$list
gone: :moved: new\@elsewhere.example
"john doe": bob
self: bob
program: "|/bin/cat > /dev/null"
loop: pool
pool: loop
END
spew($virtual, <<END, 0644);
info\@virt.example alice, bob
alias\@virt.example bob
\@virt2.example carol
old\@virt.example :moved: new\@elsewhere.example
END
spew($domains, "# ours, too\nVirt.example\n\nvirt2.example # this, too\n", 0644);
spew($list, "# the members\nalice\nBob Smith <bob>\nx y z\n" .
    join('', map "m$_\@members.example\n", 1 .. 200), 0644);
my $lmtp = 2424;
my %more = (aliases => $aliases, virtual => $virtual,
    virtual_domains => $domains, vrfy => 'authenticated',
    listen => [ (map "$_ " . $pp->addr . ':' . $pp->port($_) .
	($_ eq 'submission' ? ' plaintext_auth' : ''), qw(mx submission)),
	'lmtp ' . $pp->addr . ":$lmtp" ]);
$pp->write_config('smtpd', %more);

# ---- smtpd -t ----
sub check {
	my $conf = $pp->conf_file('smtpd');
	return run(Pennypost->program('smtpd'), '-t', '-f', $conf);
}
my ($st, $out) = check();
isnt($st, 0, 'smtpd -t: a loop is an error');
like($out, qr{^smtpd: \Q$aliases\E:12: alias loop: loop -> pool -> loop$}m,
    'with file and line');
like($out, qr{^smtpd: \Q$aliases\E:13: alias loop: pool -> loop -> pool$}m,
    'each of them');
spew($aliases, "root: alice\nbad: b c\nworse\n", 0644);
($st, $out) = check();
isnt($st, 0, 'mistakes');
like($out, qr{^smtpd: \Q$aliases\E:2: 'bad': }m, 'the first');
like($out, qr{^smtpd: \Q$aliases\E:3: no ':' }m, 'and the second');
spew($aliases, "root: nobody-here\n", 0644);
($st, $out) = check();
like($out, qr/mail for (?:root|postmaster) reaches nobody/, 'a warning');
spew($aliases, "x: :include:$list\nroot: alice\n", 0644);
chmod 0664, $list;
($st, $out) = check();
isnt($st, 0, 'a list that others may write');
like($out, qr{\Q$aliases\E:1: \Q$list\E: mode 0664: others can change},
    'is named');
chmod 0644, $list;
spew($aliases, "bob: root\n", 0644);
($st, $out) = check();
isnt($st, 0, 'nobody has postmaster\'s mail');
like($out, qr/postmaster root: .* root: USER/, 'and what to do');
# Nobody serves with a file that has a mistake.
spew($aliases, "x\n", 0644);
my ($rc, $said) = run(Pennypost->program('smtpd'), '-e', '-f',
    $pp->conf_file('smtpd'));
isnt($rc, 0, 'smtpd does not start with a mistake');
like($said, qr{\Q$aliases\E:1: no ':'}, 'and says which');
spew($aliases, $first, 0644);
$pp->start;

# ---- RCPT ----
sub transaction {
	my $s = $pp->smtp(@_);
	$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@client.test>';
	return $s;
}
my $s = transaction();
my $yes = qr/^250 2\.1\.5 /;
my $unknown = qr/^550 5\.1\.1 /;
for (
	[ 'staff@example.org', $yes ], [ 'STAFF@B.Example', $yes ],
	[ 'staff+tag', $yes ], [ '"John Doe"@example.org', $yes ],
	[ 'root@example.org', $yes, 'root is an alias' ],
	[ 'postmaster', $yes, 'and postmaster is root' ],
	[ 'postmaster@virt.example', $yes, 'in every domain' ],
	[ 'alice@example.org', $yes, 'a user' ],
	[ 'staf@example.org', $unknown ],
	[ 'gone@example.org',
		qr/^551 5\.1\.6 User not local; please try <new\@elsewhere\.example>/ ],
	[ 'info@virt.example', $yes ], [ 'INFO+x@VIRT.example', $yes ],
	[ 'alice@virt.example', $unknown, 'a user in a virtual domain' ],
	[ 'anybody@virt2.example', $yes, 'a catch-all' ],
	[ 'old@virt.example', qr/^551 5\.1\.6 / ],
	[ 'info@elsewhere.example', qr/^550 5\.7\.1 / ],
    ) {
	my ($to, $re, $name) = @$_;
	$s->expect("RCPT TO:<$to>", $re, $name || $to);
}

# ---- VRFY and EXPN ----
$s->expect('VRFY staff', qr/^252 2\.0\.0 /, 'VRFY tells nobody');
$s->expect('EXPN staff', qr/^502 5\.7\.0 /, 'nor EXPN');
my $u = $pp->smtp(to => 'submission');
$u->cmd($_) for 'EHLO c.test', 'AUTH PLAIN AGFsaWNlAGFsaWNlLXBhc3M=';
$u->expect('VRFY bob', qr/^250 2\.1\.5 Bob <bob\@example\.org>/, 'VRFY');
$u->expect('VRFY staff@b.example', qr/^250 2\.1\.5 <staff\@b\.example>/,
    'VRFY of a list');
$u->expect('VRFY gone', qr/^551 5\.1\.6 .*<new\@elsewhere\.example>/,
    'VRFY of somebody who has moved');
my $r = $u->cmd('EXPN staff');
is($r, join("\n", '250-2.1.5 Alice <alice@example.org>',
	'250-2.1.5 Bob <Bob+x@example.org>',
	'250-2.1.5 Carol <carol@example.org>',
	'250 2.1.5 Bob <bob@example.org>'), 'EXPN of a list with a list in it');
$r = $u->cmd('EXPN chess');
is(scalar(() = $r =~ /^250/mg), 202, 'EXPN of a list in a file');
like($r, qr/\A250-2\.1\.5 Alice .*^250 2\.1\.5 <m200\@members\.example>\n?\z/ms,
    'with all its members');
is($u->cmd('EXPN program'), "250 2.1.5 <program\@example.org>",
    'a program is not shown');
$u->expect('EXPN loop', qr/^450 4\.3\.0 /, 'nor a loop');
$u->expect('EXPN nobody', $unknown);
$u->expect('EXPN bob', qr/^250 2\.1\.5 Bob </, 'a user is a list of one');

# ---- senders ----
for ([ 'alias@virt.example', qr/^553|^550/, 'another\'s alias' ],
    [ 'root@example.org', qr/^250/, 'one\'s own alias' ],
    [ 'staff@example.org', qr/^553|^550/, 'a list one is on' ]) {
	$u->expect("MAIL FROM:<$_->[0]>", $_->[1], $_->[2]);
	$u->cmd('RSET');
}

# ---- changes ----
spew("$aliases.new", "$first\nlater: bob\n", 0644);
rename "$aliases.new", $aliases;
$s->expect('RCPT TO:<later@example.org>', $yes, 'a new alias is known');
$pp->log_like('smtpd', qr{\Q$aliases\E: read again: 12 aliases}, 'and logged');
spew("$aliases.new", "$first\nlater: b o b\n", 0644);
rename "$aliases.new", $aliases;
$s->expect('RCPT TO:<later@example.org>', $yes,
    'with a mistake the old ones stay in force');
$pp->log_like('smtpd', qr{\Q$aliases\E:15: 'later': not an address.*stay in force},
    'and the log says where it is');
unlink $aliases;
$s->expect('RCPT TO:<staff@example.org>', $yes, 'gone: the same');
spew($aliases, $first, 0644);
$s->expect('RCPT TO:<staff@b.example>', $yes, 'and there again');
$_->cmd('QUIT') for $s, $u;

# ---- delivery ----
# How often each user has a message of that subject.
sub copies {
	my $subject = shift;
	return join ' ', map {
		my $box = -e $pp->mailbox($_) ? $pp->mbox($_) : '';
		"$_=" . (() = $box =~ /^Subject: \Q$subject\E$/mg);
	} qw(alice bob carol);
}
sub goes {
	my ($to, $want, $name, %o) = @_;
	my $subject = "to $to";
	my $r = $pp->send($to, message($subject), %o);
	like($r, qr/^250 /, "$name: taken") or return;
	ok(wait_for(30, sub { copies($subject) eq $want }), $name) or
	    diag("$want wanted, but ", copies($subject), "\n", $pp->log('smtpd'));
}
goes('root', 'alice=1 bob=0 carol=0', 'root\'s mail is alice\'s');
goes('postmaster@virt2.example', 'alice=1 bob=0 carol=0',
    'postmaster\'s is root\'s');
goes('self', 'alice=0 bob=1 carol=0', 'one name for another');
goes('info@virt.example', 'alice=1 bob=1 carol=0', 'a virtual address');
goes('anybody@virt2.example', 'alice=0 bob=0 carol=1', 'a catch-all');
# bob is on the list as bob and as bob+x, which are two addresses.
goes('staff', 'alice=1 bob=2 carol=1', 'a list with a list in it',
    from => 'alice@example.org');
for my $user (qw(alice bob carol)) {
	my ($letter) = $pp->mbox($user) =~
	    /((?:\A|\n\n)From (?:(?!\n\nFrom ).)*^Subject: to staff$)/ms;
	like($letter // '', qr/^Return-Path: <owner-staff\@example\.org>$/m,
	    "what $user gets comes from the list's owner");
}
# Members are found again each time.
spew("$list.new", join('', map "alice+$_\n", 1 .. 30), 0644);
rename "$list.new", $list;
goes('chess', 'alice=30 bob=0 carol=0', 'a list in a file');
SKIP: {
	skip 'swaks is not installed', 2 unless have('swaks');
	my ($st, $out) = run('swaks', '--server', $pp->{addr}, '--port',
	    $pp->port('mx'), '--to', 'old@virt.example,self@b.example',
	    '--from', 'a@client.test', '--header', 'Subject: by swaks');
	like($out, qr/^<\*\* 551 5\.1\.6 /m, 'swaks: one has moved');
	ok(wait_for(30, sub { copies('by swaks') eq
	    'alice=0 bob=1 carol=0' }), 'and the other one has it');
}
# LMTP: the queue finds out where a list leads, a user has it at once.
my $l = Pennypost::Talk->tcp($pp->addr, $lmtp, kind => 'smtp',
    source => $pp->addr);
$l->reply;
$l->cmd($_) for 'LHLO c.test', 'MAIL FROM:<a@client.test>';
$l->expect("RCPT TO:<$_>", qr/^250 /, "LMTP: $_")
    for qw(carol info@virt.example);
$l->cmd('DATA');
like($l->data(message('by LMTP')), qr/^250 2\.1\.5 <carol\@/, 'the first');
like($l->reply, qr/^250 2\.1\.5 <info\@virt\.example>/, 'the second');
like(copies('by LMTP'), qr/carol=1/, 'is there');
ok(wait_for(30, sub { copies('by LMTP') eq 'alice=1 bob=1 carol=1' }),
    'and is sent on');
$l->cmd('QUIT');
# A loop goes back to who sent it.
my $bounced = $pp->send('loop', message('in a circle'),
    from => 'carol@example.org');
like($bounced, qr/^250 /, 'a loop is not seen at RCPT');
ok(wait_for(30, sub { -e $pp->mailbox('carol') && $pp->mbox('carol') =~
    /^Status: 5\.4\.6/m }), 'but in a report to the sender') or
    diag($pp->log('smtpd'));
is($pp->stop, 0, 'it stops in order');
done_testing;
