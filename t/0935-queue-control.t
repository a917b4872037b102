#!/usr/bin/perl
# mailq, sendmail -q, pennyctl queue: with the server, and without.
use strict;
use warnings;
use lib 't/lib';
use IO::Socket::UNIX;
use JSON::PP ();
use Test::More;
use Pennypost;
use Pennypost::Peer;

my $pp = Pennypost->new(daemons => ['smtpd']);
my $dir = $pp->dir;
mkdir "$dir/run" or die $!;
chmod 0755, "$dir/run";
my @listen = ("mx unix:$dir/run/smtp", "queue unix:$dir/run/queue",
    'mx ' . $pp->addr . ':' . $pp->port('mx'));
$pp->write_config('smtpd', listen => \@listen, retry_min => '1h',
    retry_max => '1h', workers_idle => 1, sessions_per_worker => 1000, relay => $pp->addr . ':9'); # nobody is there
my $conf = $pp->conf_file('smtpd');
$ENV{PENNYPOST_SMTP} = "$dir/run/smtp";
$ENV{PENNYPOST_QUEUE} = "$dir/run/queue";
$ENV{TZ} = 'UTC';
my $bin = -x Pennypost::top() . "/$ENV{O}/spool/sendmail" ?
    Pennypost::top() . "/$ENV{O}/spool" : "$ENV{O}/spool";
symlink "$bin/sendmail", "$dir/$_" for qw(mailq newaliases);
sub mailq { run("$dir/mailq", @_) }
sub ctl { run("$bin/pennyctl", '-f', $conf, 'queue', @_) }
sub is_ctl {
	my ($args, $status, $re, $name) = @_;
	my ($st, $out) = ctl(@$args);
	ok($st eq $status && $out =~ $re, $name || "@$args")
	    or diag("$st: $out");
	return $out;
}
sub json {
	my ($st, $out) = ctl('list', '--json', @_);
	my @m = eval { map { JSON::PP->new->utf8->decode($_) } split /\n/, $out };
	diag("$@: $out") if $@;
	return @m;
}
# Puts a message into the queue: bob's mailbox cannot be one.
sub put {
	my ($sender, $subject, @to) = @_;
	my ($st, $out) = run({ input => "Subject: $subject\n\nbody of $subject\n" },
	    "$bin/sendmail", '-i', '-f', $sender, @to ? @to : ('bob', 'carol'));
	is($st, 0, "message $subject") or diag($out);
}
my $me = "uid $> of this host";
mkdir $pp->mailbox('bob') or die $!;

# ---- nobody there ----
my ($st, $out) = mailq('-C', '/nonexistent');
ok($st != 0 && $out =~ /nonexistent|only root can look/, 'no server, no configuration')
    or diag("$st $out");
$pp->start;
($st, $out) = mailq();
is("$st $out", "0 Mail queue is empty\n", 'an empty queue, in the usual words');
is_ctl(['list'], 1, qr/^Mail queue is empty$/, 'pennyctl: nothing matched');
{
	delete local $ENV{PENNYPOST_QUEUE};
	is_ctl(['list'], 1, qr/^Mail queue is empty$/,
	    'the server is the one of the configuration');
}

# ---- mailq ----
put('alice@example.org', 'one');
put('x@elsewhere.test', 'two');
# Both have been tried.
wait_for(20, sub { (grep { $_->{state} eq 'queued' } json()) == 2 });
($st, $out) = mailq();
my $row = qr/^([0-9A-F]{8,23})([*! ]) *\s+(\d+) [A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (\S+)$/m;
is($st, 0, 'mailq');
like($out, qr/\A-----?Queue ID-+ +--Size-- -+Arrival Time-+ -+Sender\/Recipient-+\n/,
    'its first line');
my @rows = $out =~ /$row/g;
is(scalar @rows / 4, 2, 'a line for each message') or diag($out);
is(join(' ', sort @rows[3, 7]), 'alice@example.org x@elsewhere.test',
    'with its sender');
is(scalar(() = $out =~ /^ {30,}bob@?\S*$/mg), 2,
    'recipients that have it not yet, below') or diag($out);
like($out, qr/^ *\(.*mailbox.*\)\n +bob/m, 'under the reason') or diag($out);
unlike($out, qr/carol/, 'and not those who have');
like($out, qr/^-- \d+ Kbytes in 2 Requests\.$/m, 'the last line');

# ---- list, filters ----
my @m = json();
is(scalar @m, 2, 'JSON: an object for each');
my ($one) = grep { $_->{sender} eq 'alice@example.org' } @m;
my ($two) = grep { $_->{sender} ne 'alice@example.org' } @m;
is($one->{state}, 'queued', 'its state');
is($one->{user}, $me, 'who handed it in');
cmp_ok($one->{size}, '>', 50, 'its size');
cmp_ok(abs($one->{arrived} - time), '<', 200, 'when it came');
cmp_ok($one->{next} - time, '>', 1800, 'when it is tried again');
is(scalar @{ $one->{recipients} }, 1, 'one recipient is left');
like($one->{recipients}[0]{original}, qr/^bob/, 'which');
like($one->{recipients}[0]{reason}, qr/mailbox/, 'and why');
my %filters = (
	'--sender alice@example.org' => 1, '--sender ALICE@*' => 1,
	'--sender a*e@*.org' => 1, '--sender ?lice@example.org' => 1,
	'--sender lice@example.org' => 0, '--sender *' => 2,
	'--recipient bob*' => 2, '--recipient carol*' => 0,
	'--destination example.net' => 0, '--older 1h' => 0,
	'--younger 1h' => 2, '--older 0s' => 2, '--hold' => 0, '--queued' => 2,
	"$one->{id}" => 1, "$one->{id} $two->{id}" => 2,
	'--sender alice@* --younger 1d' => 1,
);
is(scalar(() = json(split / /, $_)), $filters{$_}, "list $_")
    for sort keys %filters;
is_ctl(['list', 'DEADBEEF'], 1, qr/DEADBEEF: there is no such message/);
is_ctl(['list', '--older', 'soon'], 2, qr/--older: an age such as/);
is_ctl(['list', '--sender', "a\tid=b"], 2, qr/--sender: that cannot be/);
is_ctl(['list', '--odd'], 2, qr/odd/);
is_ctl(['sing'], 2, qr/^usage:/);
is_ctl(['count'], 0, qr/^ +TOTAL +2 +2 +0.*\n +\S.* +2 +2 +0/m);

# ---- show ----
$out = is_ctl(['show', $one->{id}], 0, qr/^id: $one->{id}\nstate: queued\n/);
like($out, qr/^recipient: \S*carol\S* \(done\)$/m, 'show: who has it');
like($out, qr/\r?\n\r?\nbody of one\r?\n/, 'and the content');
($st, $out) = ctl('show', '--json', $one->{id});
like(JSON::PP->new->decode($out)->{content}, qr/\r\n\r\nbody of one\r\n\z/,
    'show --json');
is_ctl(['show'], 2, qr/needs one id/);

# ---- hold, release, retry, delete ----
is_ctl([$_], 2, qr/needs ids, filters, or --all/, "$_ alone does nothing")
    for qw(hold release delete retry);
is_ctl(['hold', $one->{id}], 0, qr/^1 message on hold$/);
ok(-e "$dir/queue/hold/$one->{id}", 'it lies in hold/');
$pp->log_like('smtpd', qr/$one->{id}: placed on hold/, 'and is logged');
like((mailq())[1], qr/^$one->{id}! /m, 'mailq marks it');
is((json('--hold'))[0]{id}, $one->{id}, 'list --hold');
is_ctl(['hold', $one->{id}], 1, qr/it is on hold/, 'it is there already');
is_ctl(['show', $one->{id}], 0, qr/^state: hold$/m, 'show finds it');
is_ctl(['release', $two->{id}], 1, qr/it is not on hold/);
rmdir $pp->mailbox('bob') or die $!;
is_ctl(['flush'], 0, qr/^1 message to be tried now$/);
ok(wait_for(20, sub { $pp->mbox('bob') =~ /^Subject: two$/m }),
    'flush: the other one is delivered');
unlike($pp->mbox('bob'), qr/^Subject: one$/m, 'what is on hold is not');
is_ctl(['release', '--sender', 'alice@*'], 0, qr/^1 message released$/);
ok(wait_for(20, sub { $pp->mbox('bob') =~ /^Subject: one$/m }),
    'released: delivered');
ok(wait_for(20, sub { !json() }), 'the queue is empty');
unlink $pp->mailbox('bob');
mkdir $pp->mailbox('bob') or die $!;
put('', 'three');
put('', 'four');
wait_for(20, sub { (grep { $_->{state} eq 'queued' } json()) == 2 });
like((mailq())[1], qr/ MAILER-DAEMON$/m, 'no sender is shown as MAILER-DAEMON');
my @left = json('--sender', '<>');
is(scalar @left, 2, 'and found by <>');
is_ctl(['hold', $left[0]{id}], 0, qr/^1 message on hold$/);
is_ctl(['delete', '--all'], 0, qr/^2 messages deleted$/,
    'delete --all: on hold or not');
is(scalar(json()), 0, 'they have gone');
is(scalar(() = glob "$dir/queue/{active,hold}/*"), 0, 'from the disk, too');

# ---- a worker that has served a user of this host serves nobody else ----
{
	my ($before) = scalar json();
	for my $i (1 .. 4) {
		run({ input => "Subject: l$i\n\nx\n" }, "$bin/sendmail",
		    'alice', 'bob', 'carol');
		my $s = Pennypost::Talk->tcp($pp->addr, $pp->port('mx'),
		    kind => 'smtp');
		$s->reply;
		$s->cmd($_) for 'EHLO far.test', 'MAIL FROM:<far@far.test>',
		    'RCPT TO:<bob@example.org>', 'RCPT TO:<carol@example.org>',
		    'DATA';
		like($s->data("Subject: from afar\r\n\r\nx\r\n"), qr/^250/,
		    "a message from afar, $i");
		$s->cmd('QUIT');
	}
	my @m = json('--sender', 'far@far.test');
	is(scalar @m, 4, 'they wait');
	is(join('', map { $_->{user} } @m), '', 'and are no user\'s of this host');
	wait_for(20, sub { !grep { $_->{state} ne 'queued' } json() });
	is_ctl(['delete', '--all'], 0, qr/^8 messages deleted/);
}

# ---- sendmail -q ----
put('alice@example.org', 'five');
wait_for(20, sub { (grep { $_->{state} eq 'queued' } json()) == 1 });
rmdir $pp->mailbox('bob');
is((run("$bin/sendmail", '-qRnobody'))[0], 0, '-qR: none of them');
is((run("$bin/sendmail", '-q'))[0], 0, '-q');
ok(wait_for(20, sub { $pp->mbox('bob') =~ /^Subject: five$/m }), 'delivered');
ok(wait_for(20, sub { !json() }), 'and has left the queue');

# ---- mail to other hosts: for users of this host, without a password ----
put('alice@example.org', 'abroad', 'x@far.test', 'y@Sub.Far.test', 'z@near.test');
ok(wait_for(20, sub { my @m = json('--destination', 'far.test');
	@m == 1 && grep { $_->{reason} } @{ $m[0]{recipients} } }),
    'it waits for a host that is away');
like((mailq())[1], qr/^ *\(.*refused.*\)$/m, 'mailq says why');
is(scalar(json('--destination', $_->[0])), $_->[1], "--destination $_->[0]")
    for ['*.far.test', 1], ['FAR.test', 1], ['far', 0], ['example.org', 0];
is_ctl(['count'], 0, qr/^ +TOTAL +3 +3 .*\n +far\.test +1 +1 .*\n +near\.test +1 .*\n +sub\.far\.test +1 /m);
is_ctl(['delete', '--destination', 'near.test'], 0, qr/^1 message deleted/);

# ---- while it is being delivered ----
{
	my $go = "$dir/go";
	my $slow = Pennypost::Peer->new(dir => $dir, addr => $pp->addr,
	    reply => { 'RCPT' => sub {
		for (1 .. 1200) {
			last if -e $go;
			select undef, undef, undef, 0.05;
		}
		return "450 4.2.0 later\r\n";
	} });
	$pp->write_config('smtpd', listen => \@listen, retry_min => '1h',
	    retry_max => '1h', workers_idle => 1,
	    relay => $pp->addr . ':' . $slow->port);
	is($pp->stop('smtpd'), 0, 'stopped');
	is($pp->launch('smtpd'), '', 'and started again');
	ctl('delete', '--all');
	my $under_way = sub {
		my ($what) = @_;
		unlink $go;
		$slow->forget;
		put('alice@example.org', $what, 'x@slow.test');
		ok(wait_for(40, sub { grep /^RCPT/, $slow->commands }),
		    "$what: under way");
		return (json())[0]{id};
	};
	my $id = $under_way->('to be deleted');
	is_ctl(['delete', $id], 0, qr/^1 message deleted$/,
	    'what is being delivered can be deleted');
	ok(-e "$dir/queue/active/$id", 'when the attempt is over');
	spew($go, '');
	ok(wait_for(40, sub { !json() && !-e "$dir/queue/active/$id" }),
	    'then it has gone');
	$pp->log_like('smtpd', qr/$id: removed by root/, 'and is logged');
	$id = $under_way->('to be held');
	is_ctl(['hold', $id], 0, qr/^1 message on hold$/, 'and be held');
	spew($go, '');
	ok(wait_for(40, sub { -e "$dir/queue/hold/$id" }), 'and lies in hold/');
	is_ctl(['delete', $id], 0, qr/^1 message deleted$/);
	$id = $under_way->('after all');
	is_ctl(['hold', $id], 0, qr/^1 message on hold$/);
	is_ctl(['release', $id], 0, qr/^1 message released$/, 'or not');
	spew($go, '');
	ok(wait_for(40, sub { grep { $_->{state} eq 'queued' } json() }),
	    'then it waits as others do');
	ok(!-e "$dir/queue/hold/$id", 'and not on hold');
	is_ctl(['delete', '--all'], 0, qr/^1 message deleted$/);
}

# ---- other users ----
SKIP: {
	skip 'needs root', 7 unless is_root() && have('setpriv');
	unlink $pp->mailbox('bob');
	mkdir $pp->mailbox('bob') or die $!;
	my @as = (qw(setpriv --reuid=64001 --regid=64001 --clear-groups));
	put('alice@example.org', 'roots own');
	my ($st, $out) = run({ input => "Subject: hers\n\nx\n" }, @as,
	    "$bin/sendmail", 'bob', 'carol');
	is($st, 0, 'a user hands one in') or diag($out);
	wait_for(20, sub { (grep { $_->{state} eq 'queued' } json()) == 2 });
	($st, $out) = run(@as, "$dir/mailq");
	like($out, qr/in 1 Request\.$/m, 'and sees this one only');
	($st, $out) = run(@as, "$bin/pennyctl", qw(queue list --json));
	is((JSON::PP->new->decode($out))->{user}, 'uid 64001 of this host', 'his');
	($st, $out) = run(@as, "$bin/pennyctl", qw(queue delete --all));
	ok($st eq '2' && $out =~ /only root may do that/, 'may not delete');
	($st, $out) = run(@as, "$bin/pennyctl", qw(queue retry --all));
	like($out, qr/^1 message to be tried now$/, 'may have his tried again');
	is(scalar(json()), 2, 'root sees both');
	# What is being tried at this moment goes when that is over.
	wait_for(20, sub { (grep { $_->{state} eq 'queued' } json()) == 2 });
	is_ctl(['delete', '--all'], 0, qr/^2 messages deleted/);
	rmdir $pp->mailbox('bob');
}

# ---- strange questions ----
sub talk {
	my $s = IO::Socket::UNIX->new(Peer => "$dir/run/queue") or return 'none';
	print $s @_;
	$s->flush;
	$s->shutdown(1);
	local $/;
	return scalar(<$s>) // '';
}
is(talk("list\n"), "=\t0\n", 'the protocol');
is(talk("sing\n"), "E\tno such verb\n", 'no verb');
is(talk("list\tolder=x\n"), "E\ta key or its value is wrong\n", 'no age');
is(talk("show\n"), "E\tshow needs an id\n", 'no id');
is(talk("show\tid=../../etc\n"), "E\ta key or its value is wrong\n", 'no path');
is(talk('x' x 10_000), '', 'a line without end: the connection is closed');
is(talk(''), '', 'nothing');
my @many = map { IO::Socket::UNIX->new(Peer => "$dir/run/queue") } 1 .. 40;
is(talk("list\n"), '', 'only so many at a time');
close $_ for @many;
ok(wait_for(20, sub { talk("list\n") eq "=\t0\n" }), 'and then others');

# ---- reload ----
$pp->write_config('smtpd', listen => [ $listen[0], "queue unix:$dir/run/q2" ]);
kill 'HUP', $pp->master('smtpd');
$pp->log_like('smtpd', qr/configuration reloaded/, 'another socket');
$ENV{PENNYPOST_QUEUE} = "$dir/run/q2";
ok(wait_for(20, sub { (mailq())[1] eq "Mail queue is empty\n" }), 'it answers');

# ---- without the server ----
unlink $pp->mailbox('bob');
mkdir $pp->mailbox('bob') or die $!;
put('alice@example.org', 'six');
put('x@elsewhere.test', 'seven');
wait_for(20, sub { (grep { $_->{state} eq 'queued' } json()) == 2 });
$pp->stop;
($st, $out) = mailq('-C', $conf);
like($out, qr/in 2 Requests\.$/m, 'mailq reads the directory');
is_ctl(['hold', '--sender', 'alice*'], 0, qr/^1 message on hold$/,
    'hold without a server');
is((json('--hold'))[0]{sender}, 'alice@example.org', 'it is');
is_ctl(['delete', '--sender', 'x@*'], 0, qr/^1 message deleted$/, 'delete');
is_ctl(['flush'], 1, qr/no server runs|^0 messages/, 'flush needs one');
if (is_root()) {
	my $q = $pp->role_uid('smtpd', 'queue');
	is((stat glob "$dir/queue/hold/*")[4], $q, 'its owner stays the same');
}
rmdir $pp->mailbox('bob');
$pp->launch('smtpd');
is_ctl(['release', '--all'], 0, qr/^1 message released$/, 'and after a start');
ok(wait_for(20, sub { $pp->mbox('bob') =~ /^Subject: six$/m }), 'delivered');
# Nobody who may not open the directory gets an answer without the server.
$pp->stop;
SKIP: {
	skip 'needs root', 1 unless is_root() && have('setpriv');
	my ($s, $o) = run(qw(setpriv --reuid=64001 --regid=64001 --clear-groups),
	    "$dir/mailq");
	ok($s eq '75' && $o =~ /only root can look/, 'others must wait for it')
	    or diag("$s $o");
}
done_testing();
