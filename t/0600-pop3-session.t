#!/usr/bin/perl
# POP3 verbs, states and answers (RFC 1939, 2449).
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->start(pop3d => { errors_max => 1000 });
my @sent = map { message("number $_", "line 1 of $_", '.dot', "line 3 of $_",
    'x' x $_) } 1 .. 5;
like($pp->send('bob@example.org', $_), qr/^250/, 'a message') for @sent;

# AUTHORIZATION.
my $p = $pp->pop3;
like($p->{greeting}, qr/^\+OK /, 'greeting');
for my $c ('STAT', 'LIST', 'RETR 1', 'DELE 1', 'NOOP', 'RSET', 'TOP 1 0',
    'UIDL') {
	$p->expect($c, qr/^-ERR /, "$c before login");
}
$p->expect('PASS x', qr/^-ERR /, 'PASS before USER');
$p->expect('USER', qr/^-ERR /, 'USER without a name');
$p->expect('', qr/^-ERR /, 'an empty line');
$p->expect('FOO', qr/^-ERR /, 'an unknown verb');
like($p->cmd('CAPA'), qr/^\+OK/, 'CAPA');
my $capa = $p->multi;
like($capa, qr/^\Q$_\E\r$/m, "CAPA has $_")
    for qw(USER TOP UIDL STLS RESP-CODES AUTH-RESP-CODE PIPELINING);
unlike($capa, qr/APOP|EXPIRE \d|LOGIN-DELAY/, 'and nothing that is not there');
$p->expect('USER bob', qr/^\+OK/);
$p->expect('PASS wrong', qr/^-ERR \[AUTH\]/, 'a wrong password: [AUTH]');
$p->expect('PASS bob-pass', qr/^-ERR /, 'USER must be given again');
$p->expect('user bob', qr/^\+OK/, 'verbs in lower case');
$p->expect('pass bob-pass', qr/^\+OK/, 'login');

# TRANSACTION.
$p->expect('USER bob', qr/^-ERR /, 'USER after login');
$p->expect('PASS bob-pass', qr/^-ERR /, 'PASS after login');
$p->expect('STLS', qr/^-ERR /, 'STLS after login');
$p->expect('NOOP', qr/^\+OK/);
like($p->cmd('CAPA'), qr/^\+OK/, 'CAPA after login');
ok(defined $p->multi, 'and its list');
my ($n, $total) = $p->cmd('STAT') =~ /^\+OK (\d+) (\d+)$/;
is($n, 5, 'STAT counts');
like($p->cmd('LIST'), qr/^\+OK/, 'LIST');
my %size = map { /^(\d+) (\d+)$/ } split /\r\n/, $p->multi;
is(join(' ', sort keys %size), '1 2 3 4 5', 'LIST has all');
my $sum = 0;
$sum += $_ for values %size;
is($sum, $total, 'STAT is the sum of LIST');
for my $i (1 .. 5) {
	$p->expect("LIST $i", qr/^\+OK $i $size{$i}$/);
	like($p->cmd("RETR $i"), qr/^\+OK/, "RETR $i");
	my $m = $p->multi;
	is(length $m, $size{$i}, 'as long as LIST says');
	is((sent_part($m))[1], $sent[$i - 1], 'what was sent');
}
for my $bad ('0', '6', '-1', 'x', '1x', '99999999999999999999', '', '1 2',
    '+1', '1.0') {
	$p->expect("RETR $bad", qr/^-ERR /, "RETR $bad");
	$p->expect("DELE $bad", qr/^-ERR /, "DELE $bad");
}
$p->expect('LIST 6', qr/^-ERR /);
$p->expect('LIST x', qr/^-ERR /);
$p->expect('UIDL 6', qr/^-ERR /);

# TOP.
sub top {
	my ($arg, $lines, $name) = @_;
	like($p->cmd("TOP $arg"), qr/^\+OK/, $name || "TOP $arg");
	my ($head, $body) = split /\r\n\r\n/, $p->multi, 2;
	like($head, qr/^Subject: number/m, 'has the header');
	my $got = () = ($body // '') =~ /\r\n/g;
	is($got, $lines, "and $lines lines of the body");
	return $body;
}
top('1 0', 0);
is(top('1 2', 2), "line 1 of 1\r\n.dot\r\n", 'dots are right');
top('1 4', 4);
top('1 1000', 4);
top('1', 0, 'TOP 1, as people type it');
$p->expect('TOP', qr/^-ERR /, 'TOP');
$p->expect('TOP 1 x', qr/^-ERR /);
$p->expect('TOP 1 -1', qr/^-ERR /);
$p->expect('TOP 9 1', qr/^-ERR /);

# UIDL.
like($p->cmd('UIDL'), qr/^\+OK/, 'UIDL');
my %uid = map { /^(\d+) ([!-~]{1,70})$/ } split /\r\n/, $p->multi;
is(scalar keys %uid, 5, 'unique-ids for all, of 1 to 70 printable octets');
my %seen = map { $_ => 1 } values %uid;
is(scalar keys %seen, 5, 'and they are unique');
is($p->cmd('UIDL 2'), "+OK 2 $uid{2}", 'UIDL 2');

# DELE and RSET.
$p->expect('DELE 2', qr/^\+OK/);
$p->expect('DELE 2', qr/^-ERR /, 'twice');
$p->expect("$_ 2", qr/^-ERR /, "$_ of a deleted one") for qw(RETR LIST UIDL);
$p->expect('TOP 2 0', qr/^-ERR /);
is(($p->cmd('STAT') =~ /^\+OK (\d+)/)[0], 4, 'STAT without it');
$p->cmd('LIST');
unlike($p->multi, qr/^2 /m, 'LIST without it');
$p->cmd('UIDL');
unlike($p->multi, qr/^2 /m, 'UIDL without it');
$p->expect('RSET', qr/^\+OK/);
is(($p->cmd('STAT') =~ /^\+OK (\d+) (\d+)/)[1], $total, 'RSET brings it back');

# Deletions happen at QUIT and only there.
my $before = $pp->mbox('bob');
$p->cmd("DELE $_") for 1, 3;
$p->close;
ok(wait_for(5, sub {
	my $q = $pp->pop3_as('bob');
	$q->{login} =~ /^\+OK 5|^\+OK.* 5 |^\+OK/;
}), 'the session ends without QUIT');
is($pp->mbox('bob'), $before, 'nothing was deleted');
my @inode = (stat $pp->mailbox('bob'))[0, 1];
ok(wait_for(5, sub { ($p = $pp->pop3_as('bob'))->{login} =~ /^\+OK/ }),
    'login again');
$p->cmd("DELE $_") for 1, 3;
$p->expect('QUIT', qr/^\+OK/);
ok($p->closed, 'QUIT closes');
is(join(' ', (stat $pp->mailbox('bob'))[0, 1]), "@inode",
    'in place: the inode is the same');
my @left = $pp->fetch('bob');
is(join('|', map { (sent_part($_))[1] } @left), join('|', @sent[1, 3, 4]),
    'the others are whole');
$p = $pp->pop3_as('bob');
$p->cmd('UIDL');
my %now = map { /^(\d+) (\S+)$/ } split /\r\n/, $p->multi;
is("@now{1, 2, 3}", "@uid{2, 4, 5}", 'unique-ids stay');

# Mail that comes meanwhile is neither shown nor lost.
like($pp->send('bob@example.org', message('late')), qr/^250/,
    'a delivery does not wait for a session');
is(($p->cmd('STAT') =~ /^\+OK (\d+)/)[0], 3, 'and is not shown');
$p->cmd("DELE $_") for 1 .. 3;
$p->expect('QUIT', qr/^\+OK/);
@left = $pp->fetch('bob');
is(scalar @left, 1, 'it is there afterwards');
like($left[0], qr/^Subject: late\r$/m, 'and it is the late one');

# Pipelining, in one packet and octet by octet.
for my $how (qw(raw drip)) {
	my $q = $pp->pop3;
	$q->$how("USER bob\r\nPASS bob-pass\r\nSTAT\r\nNOOP\r\nQUIT\r\n");
	my @r = map { $q->reply } 1 .. 5;
	is(scalar(grep { /^\+OK/ } @r), 5, "a pipelined session ($how)")
	    or diag(join "\n", @r);
	ok($q->closed, 'closed');
}

# No mailbox at all: an empty maildrop.
$p = $pp->pop3_as('carol');
like($p->{login}, qr/^\+OK/, 'login without a mailbox');
$p->expect('STAT', qr/^\+OK 0 0$/);
like($p->cmd('LIST'), qr/^\+OK/, 'LIST');
is($p->multi, '', 'is empty');
like($p->cmd('UIDL'), qr/^\+OK/, 'UIDL');
is($p->multi, '', 'is empty');
$p->expect('QUIT', qr/^\+OK/);

# Lines that are too long, and octets.
$p = $pp->pop3;
$p->expect('USER ' . 'x' x 20000, qr/^-ERR /, 'a long line');
$p->expect("USER b\0ob", qr/^(?:-ERR|\+OK)/, 'a NUL in a name');
$p->expect("\xff\xfe", qr/^-ERR /, 'octets');
$p->expect('QUIT', qr/^\+OK/, 'and the session lived');

# A mailbox that is no mbox is not touched.
spew($pp->mailbox('carol'), "this is no mbox\n", 0600);
chown $pp->user_uid('carol'), $pp->user_gid('carol'), $pp->mailbox('carol')
    if is_root();
$p = $pp->pop3_as('carol');
like($p->{login}, qr/^-ERR /, 'not an mbox: refused');
$pp->log_like('pop3d', qr{\Q${\ $pp->mailbox('carol')}\E}, 'and logged by name');
is($pp->mbox('carol'), "this is no mbox\n", 'unchanged');
done_testing;
