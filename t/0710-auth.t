#!/usr/bin/perl
# Who may log in, and where a password may be typed.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use MIME::Base64;
use Time::HiRes qw(time sleep);
use Pennypost;

need('IO::Socket::SSL');
sub h { crypt $_[0], $_[1] }
my %users = (
	alice   => undef,
	yescrypt => h('yes-pass', '$y$j75$abcdefghijklmnop'),
	bcrypt  => h('bc-pass', '$2b$05$abcdefghijklmnopqrstuu'),
	sha512  => h('sha-pass', '$6$abcdefgh$'),
	sha256  => h('sha2-pass', '$5$abcdefgh$'),
	locked  => '!' . h('locked-pass', '$6$abcdefgh$'),
	star    => '*',
	nothing => '',
);
my $pp = Pennypost->new(users => \%users, both => { auth_failures_max => 50,
	errors_max => 1000 });
spew("$pp->{dir}/users", slurp("$pp->{dir}/users") .
    join(':', 'toor', h('toor-pass', '$6$abcdefgh$'), 0, 0, 'x', '/root') . "\n",
    0600);
$pp->start;

sub plain { encode_base64("\0$_[0]\0$_[1]", '') }
sub session {
	my %o = @_;
	my $s = $pp->smtp(to => 'smtps', tls => 1, %o);
	$s->cmd('EHLO c.test');
	return $s;
}
my %pass = (alice => 'alice-pass', yescrypt => 'yes-pass', bcrypt => 'bc-pass',
    sha512 => 'sha-pass', sha256 => 'sha2-pass');
for my $u (sort keys %pass) {
	my $s = session();
	$s->expect('AUTH PLAIN ' . plain($u, $pass{$u}), qr/^235 2\.7\.0 /,
	    "SMTP AUTH PLAIN: $u");
	my $p = $pp->pop3_as($u, pass => $pass{$u});
	like($p->{login}, qr/^\+OK/, "POP3 USER/PASS: $u");
}
my @no = ([ 'alice', 'wrong' ], [ 'alice', '' ], [ 'alice', 'alice-pass ' ],
    [ 'alice', 'x' x 1000 ], [ 'locked', 'locked-pass' ], [ 'locked', '!' ],
    [ 'star', '*' ], [ 'star', '' ], [ 'nothing', '' ], [ 'nothing', 'x' ],
    [ 'nobody-here', 'x' ], [ 'toor', 'toor-pass' ], [ '', '' ],
    [ 'root', '' ], [ '../alice', 'alice-pass' ],
    [ "alice\nbob", 'alice-pass' ]);
my $s = session();
my %reply;
for (@no) {
	my ($u, $pw) = @$_;
	my $r = $s->cmd('AUTH PLAIN ' . plain($u, $pw));
	$s = session() if $r =~ /^421|^$/;
	(my $shown = "$u/" . substr $pw, 0, 12) =~ s/\n/?/;
	like($r, qr/^(?:535 5\.7\.8|501 5\.5\.\d) /, "refused: $shown");
	$reply{$r}++ if $r =~ /^535/;
}
is(scalar keys %reply, 1, 'all refusals look alike')
    or diag(join "\n", keys %reply);
like($pp->pop3_as('toor', pass => 'toor-pass')->{login}, qr/^-ERR \[AUTH\]/,
    'uid 0 never logs in');

# A refusal costs the same work: what the crypt processes did, in ms.  (That it
# is exactly one call of crypt(3) each: t/unit/auth.t.c.)
SKIP: {
	skip 'CPU time of other uids is for root', 1 unless is_root();
	my $cost = sub {
		my ($u) = @_;
		my $ms = sub {
			my $t = 0;
			for my $pid ($pp->pids('smtpd', 'crypt')) {
				my $s = Pennypost::Proc::read_file(
				    "/proc/$pid/schedstat") // '0';
				$t += (split ' ', $s)[0] / 1e6;
			}
			return $t;
		};
		my $at = $ms->();
		$s = session();
		for (1 .. 20) {
			like($s->cmd('AUTH PLAIN ' . plain($u, 'wrong')),
			    qr/^535 /) || last;
		}
		return $ms->() - $at;
	};
	# By turns, and the least of each: what others do on this machine only
	# adds to it.
	my ($known, $unknown);
	for (1 .. 5) {
		my ($k, $u) = ($cost->('alice'), $cost->('nobody-here'));
		$known = $k if $k < ($known // $k + 1);
		$unknown = $u if $u < ($unknown // $u + 1);
	}
	note("known $known ms, unknown $unknown ms");
	cmp_ok($known, '>', 1, 'a known user costs work');
	cmp_ok($unknown, '>', $known / 2, 'and so does an unknown one');
}

# The forms of AUTH (RFC 4954 4).
$s = session();
$s->expect('AUTH', qr/^501 5\.5\.4 /, 'AUTH');
$s->expect('AUTH FOO', qr/^504 5\.5\.4 /, 'an unknown mechanism');
$s->expect('AUTH PLAIN !!!', qr/^501 5\.5\.2 /, 'no base64');
$s->expect('AUTH PLAIN =', qr/^(?:501|535) /, 'empty initial response');
$s->expect('AUTH PLAIN', qr/^334 ?$/, 'PLAIN without initial response');
$s->expect('*', qr/^501 5\.7\.0 |^501 5\.\d\.\d /, 'is cancelled by *');
$s->expect('AUTH PLAIN', qr/^334 ?$/);
$s->expect('x' x 13000, qr/^500 5\.5\.6 |^50[01] 5\.5\.\d /, 'too long');
$s->expect('NOOP', qr/^250 /, 'and after it');
$s->expect('auth login', qr/^334 VXNlcm5hbWU6$/, 'LOGIN, as in the notes');
$s->expect(encode_base64('alice', ''), qr/^334 UGFzc3dvcmQ6$/);
$s->expect(encode_base64('alice-pass', ''), qr/^235 2\.7\.0 /);
$s->expect('AUTH PLAIN ' . plain('alice', 'alice-pass'), qr/^503 5\.5\.1 /,
    'AUTH twice');
$s = $pp->smtp;
$s->cmd('EHLO c.test');
$s->starttls;
$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@b.test>';
$s->expect('AUTH PLAIN ' . plain('alice', 'alice-pass'), qr/^503 5\.5\.1 /,
    'AUTH in a transaction');
$s = session();
$s->expect('AUTH LOGIN ' . encode_base64('alice', ''),
    qr/^334 UGFzc3dvcmQ6$/, 'LOGIN with initial response');
$s->expect(encode_base64('wrong', ''), qr/^535 5\.7\.8 /);
$s->expect('AUTH PLAIN ' .
    encode_base64("alice\0alice\0alice-pass", ''), qr/^235 /,
    'authorization identity: oneself');
$s = session();
$s->expect('AUTH PLAIN ' . encode_base64("bcrypt\0alice\0alice-pass", ''),
    qr/^5(?:35 5\.7\.8|01 5\.5\.2) /,
    'authorization identity: somebody else');
my $p = $pp->pop3(to => 'pop3s', tls => 1);
$p->expect('AUTH', qr/^(?:\+OK|-ERR)/, 'POP3 AUTH alone');
$p->multi if $p->{buf} =~ /^[A-Z]/;

# Only under TLS unless the listener allows it.
$s = $pp->smtp;
$s->cmd('EHLO c.test');
$s->expect('AUTH PLAIN ' . plain('alice', 'alice-pass'),
    qr/^(?:538 5\.7\.11|530 5\.7\.0|503 5\.\d\.\d|502 5\.5\.1) /,
    'no AUTH without TLS');
my $two = Pennypost->new(daemons => ['pop3d']);
$two->write_config('pop3d', listen => 'pop3 ' . $two->addr . ':' .
    $two->port('pop3'));
$two->start;
my $c = $two->connect('pop3');
$c->reply;
$c->cmd('CAPA');
unlike($c->multi, qr/^USER/m, 'POP3: USER is not offered without TLS');
$c->expect('USER alice', qr/^-ERR /, 'nor taken');
$c->cmd('QUIT');
$two->log_like('pop3d', qr/tried to use disallowed plaintext auth/,
    'and logged');
$c = $two->connect('pop3');
$c->reply;
ok($c->starttls, 'STLS');
$c->expect('USER alice', qr/^\+OK/, 'then it is');
$c->expect('PASS alice-pass', qr/^\+OK/);
$c->cmd('QUIT');

# The right dies with the session: after AUTH and RSET it is still that user,
# after STARTTLS nobody (there is no AUTH before it), and a new session of the
# same worker is nobody.
for (1 .. 8) {
	my $t = $pp->smtp(to => 'submission');
	$t->cmd('EHLO c.test');
	my $r = $t->cmd('MAIL FROM:<a@b.test>');
	next if $r =~ /^530/;
	$r = $t->cmd('RCPT TO:<x@elsewhere.test>');
	like($r, qr/^55[04] 5\.7\.1|^530/, "session $_ starts with no right");
}

# Failures count by address, and a success takes nothing back.
{
	my $few = Pennypost->start(daemons => ['pop3d'], pop3d => {
		auth_address_failures => 3, auth_address_exempt => '127.9.0.1/32' });
	for (1 .. 3) {
		like($few->pop3_as('alice', pass => 'wrong',
		    source => '127.9.9.9')->{login}, qr/^-ERR \[AUTH\]/,
		    "failure $_ of an address");
	}
	like($few->pop3_as('alice', source => '127.9.9.9')->{login},
	    qr/^-ERR \[AUTH\]/, 'then even the right password is refused');
	like($few->pop3_as('alice', source => '127.9.9.8')->{login}, qr/^\+OK/,
	    'another address is not concerned');
}

# Several checks at once: four slow ones take about as long as one.
my $slow = Pennypost->start(daemons => ['pop3d'], users => {
	alice => h('alice-pass', '$6$rounds=1500000$abcdefgh$') });
my $t0 = time;
like($slow->pop3_as('alice')->{login}, qr/^\+OK/, 'a slow hash');
my $one = time - $t0;
my @c = map { $slow->pop3 } 1 .. 4;
$_->say('USER alice') for @c;
$_->reply for @c;
my $ticks = sub {
	return map { my @f = Pennypost::Proc::stat_fields($_);
		$_ => $f[11] + $f[12] } $slow->pids('pop3d', 'crypt');
};
my %before = $ticks->();
$t0 = time;
$_->say('PASS wrong') for @c;
# Until the first one is done, the others have not been waiting.
wait_for(60, sub { IO::Select->new(map { $_->{in} } @c)->can_read(0.01) });
my %after = $ticks->();
my $at_work = grep { $after{$_} - $before{$_} >= 3 } keys %before;
cmp_ok($at_work, '>=', 3, 'several passwords are checked at once');
like($_->reply, qr/^-ERR \[AUTH\]/, 'refused') for @c;
note(sprintf 'one: %.2f s, four at once: %.2f s', $one, time - $t0);
# A quick question is not kept waiting by slow ones: NOOP answers meanwhile.
my $tries = 0;
ok(wait_for(60, sub {
	my @busy = map { $slow->pop3 } 1 .. 4;
	$_->cmd('USER alice') for @busy;
	$_->say('PASS wrong') for @busy;
	my $quick = $slow->pop3;
	$quick->cmd('CAPA');
	$quick->multi;
	my $first = !IO::Select->new(map { $_->{in} } @busy)->can_read(0);
	$_->reply for @busy;
	return $first || ++$tries > 4;
}) && $tries <= 4, 'others are served meanwhile');
done_testing;
