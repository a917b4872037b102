#!/usr/bin/perl
# UTF-8 mode (RFC 6856 2) and, without it, surrogates (RFC 6858); and that each
# line of CAPA is as good as its word.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use MIME::Base64 qw(decode_base64);
use Pennypost;

my $zoe = "zo\xc3\xab";
my $pass = "gr\xc3\xb6\xc3\x9fe";
my $pp = Pennypost->start(users => { alice => undef, bob => undef,
	carol => undef, $zoe => crypt($pass, '$6$rounds=1000$pennypost$') },
    pop3d => { last => 'yes', errors_max => 1000,
	auth_failures_max => 100 });
my ($at, $port) = ($pp->addr, $pp->port('pop3'));

# As another program might deliver it.
my $header = "Return-Path: <\xc3\xa9ric\@exempl\xc3\xa9.example>\n" .
    "From: \xc3\x89ric <\xc3\xa9ric\@exempl\xc3\xa9.example>\n" .
    "To: Zo\xc3\xab <zoe\@example.org>, bob\@example.org\n" .
    "Subject: \xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 bob\n" .
    "Comments: \xc3\xa9\nDate: Mon, 05 Jan 2026 10:00:00 +0000\n" .
    "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8;\n" .
    " name=\"\xc3\xa9\"\nContent-Transfer-Encoding: 8bit\n";
my $body = "\n\xd0\xb4\xd0\xb0\n.\n.dot\n";
my $old = "From e Mon Jan  5 10:00:00 2026\n";
my $ascii = "From: a\@b.example\nSubject: plain\n\n\xd0\xb4\xd0\xb0\n";
sub put {
	my ($user, $text) = @_;
	spew($pp->mailbox($user), $text, 0600);
	chown $pp->user_uid($user), $pp->user_gid($user), $pp->mailbox($user);
}
put($_, "$old$header$body\n$old$ascii\n") for 'bob', $zoe;
sub wire { (my $t = shift) =~ s/\n/\r\n/g; $t }

# Without UTF8.
my $p = $pp->pop3_as('bob');
my ($all) = $p->cmd('LIST 1') =~ /^\+OK 1 (\d+)$/;
like($p->cmd('LIST'), qr/^\+OK/, 'LIST');
my %size = map { /^(\d+) (\d+)$/ } split /\r\n/, $p->multi;
is($size{1}, $all, 'LIST and LIST 1 agree');
like($p->cmd('RETR 1'), qr/^\+OK $all octets$/, 'so does RETR');
my $m = $p->multi;
is(length $m, $all, 'and that is what comes');
my ($head, $rest) = split /(?<=\r\n)(?=\r\n)/, $m, 2;
unlike($head, qr/[^\x00-\x7f]/, 'its header is ASCII');
is($rest, wire($body), 'its body as it was');
like($head, qr/^Return-Path: <invalid\@\S+\.invalid>\r$/m, 'no path');
like($head, qr/^From: =\?utf-8\?B\?(\S+)\?=\r\n <invalid\@\S+\.invalid>\r$/m,
    'no address');
my ($shown) = $head =~ /^From: =\?utf-8\?B\?(\S+)\?=/m;
is(decode_base64($shown), "\xc3\x89ric <\xc3\xa9ric\@exempl\xc3\xa9.example>",
    'but it is shown');
like($head, qr/^To: =\?utf-8\?B\?Wm\S+\?= <zoe\@example\.org>, bob\@example\.org\r$/m,
    'ASCII addresses stay');
like($head, qr/^Subject: =\?utf-8\?B\?\S+\?= bob\r$/m, 'the subject');
unlike($head, qr/Comments|name=/, 'what cannot be shown is gone');
like($head, qr/^Content-Type: text\/plain; charset=utf-8\r$/m, 'the rest not');
$p->cmd('RETR 2');
is($p->multi, wire($ascii), 'an ASCII header is left alone');
$p->cmd('TOP 1 1');
is($p->multi, "$head\r\n\xd0\xb4\xd0\xb0\r\n", 'TOP: of the same');
$p->cmd('QUIT');

# The headers of parts and of enclosed messages (RFC 6858 2.2), as an
# independent reader sees them.
my $name = "\xd0\xbe\xd1\x82\xd1\x87\xd1\x91\xd1\x82.pdf";
my $parts = "From: a\@b.example\nMIME-Version: 1.0\nSubject: parts\n" .
    "Content-Type: multipart/mixed; boundary=\"=_b 1\"\n\nnot shown\n--=_b 1\n" .
    "Content-Type: text/plain; charset=utf-8\n" .
    "Content-Transfer-Encoding: 8bit\n\n\xd0\xb4\xd0\xb0\n.\n--=_b 2\n" .
    "--=_b 1\nContent-Type: application/pdf;\n name=\"$name\"\n" .
    "Content-Disposition: attachment; filename=\"$name\"; size=4\n" .
    "Content-Description: $name\nContent-Transfer-Encoding: base64\n\n" .
    "JVBERg==\n--=_b 1\nContent-Type: message/rfc822\n\n" .
    "From: \"Zo\xc3\xab\" <zoe\@example.org>\nSubject: \xd0\xb4\xd0\xb0\n\n" .
    ">From inside\n" . ('x' x 70 . "\n") x 3000 . "--=_b 1--\n";
put('alice', "$old$parts\n$old$ascii\n");
$p = $pp->pop3_as('alice');
($all) = $p->cmd('LIST 1') =~ /^\+OK 1 (\d+)$/;
isnt($all, length wire($parts), 'it has another size');
like($p->cmd('RETR 1'), qr/^\+OK $all octets$/, 'RETR says the same as LIST');
my $got = $p->multi;
is(length $got, $all, 'and that is what comes');
like($got, qr/^From inside\r$/m, 'unquoted');
my @body = $got =~ /([^\x00-\x7f]+)/g;
is("@body", "\xd0\xb4\xd0\xb0", 'only text of a body is not ASCII');
$p->cmd('TOP 1 5');
my ($top) = $p->multi;
is($top, substr($got, 0, length $top), 'TOP gives the beginning of the same');
is($top =~ tr/\n//, 10, 'five lines of it');
$p->cmd('QUIT');
SKIP: {
	skip 'python3 is not installed', 1 unless have('python3');
	spew("$pp->{dir}/parts", $got);
	spew("$pp->{dir}/look.py", <<'PY');
import email, email.policy, sys
m = email.message_from_bytes(open(sys.argv[1], 'rb').read(),
    policy=email.policy.default)
for p in m.walk():
    print(p.get_content_type(), p.get_filename(), ascii(p['Subject']),
        ascii(p['From']), p.defects)
t, f, r = m.get_payload()
print(ascii(t.get_content()), f.get_content(), r.get_content()['From'].defects)
PY
	my ($st, $out) = run({}, 'python3', "$pp->{dir}/look.py",
	    "$pp->{dir}/parts");
	is($out, <<'OUT', 'Python understands each part') or diag($st);
multipart/mixed None 'parts' 'a@b.example' []
text/plain None None None []
application/pdf None None None []
message/rfc822 None None None []
text/plain None '\u0434\u0430' 'Zo\xeb <zoe@example.org>' []
'\u0434\u0430\r\n.\r\n--=_b 2' b'%PDF' ()
OUT
}

# With it, and a name and a password in UTF-8.
$p = $pp->pop3;
$p->expect('UTF8', qr/^\+OK/);
$p->expect("USER $zoe", qr/^\+OK/);
$p->expect("PASS $pass", qr/^\+OK/, 'a name and a password in UTF-8');
$p->expect('UTF8', qr/^-ERR/, 'UTF8 after login');
like($p->cmd('RETR 1'), qr/^\+OK (\d+) octets/, 'RETR');
is($p->multi, wire("$header$body"), 'in UTF-8 mode the message as it is');
$p->expect('LIST 1', qr/^\+OK 1 ${\length wire("$header$body")}$/,
    'and its size');
$p->cmd('QUIT');
$p = $pp->pop3;
$p->expect("USER zo\xeb", qr/^-ERR (?!\[)/, 'a name in Latin-1 is refused');
$p->cmd("USER $zoe");
$p->expect("PASS gr\xf6\xdfe", qr/^-ERR (?!\[)/, 'a password, too');
$p->expect('PASS x', qr/^-ERR USER/, 'then USER must come again');
$p->cmd("USER $zoe");
$p->expect("PASS $pass", qr/^\+OK/, 'the client may do so before UTF8');
$p->cmd('QUIT');

# Programs that nobody here wrote take the surrogate for a message.  Not each of
# them waits for its QUIT.
my %env = (HOME => $pp->{dir}, LC_ALL => 'C');
SKIP: {
	skip 'curl is not installed', 2 unless have('curl');
	my ($st, $out) = run({ env => \%env }, 'curl', '-sS', '-u',
	    'bob:bob-pass', "pop3://$at:$port/1");
	is($st, 0, 'curl');
	is($out, $m, 'the surrogate');
}
SKIP: {
	skip 'mpop is not installed', 2 unless have('mpop');
	$pp->pop3_free('bob');
	my ($st, $out) = run({ env => \%env }, 'mpop', '--file=/dev/null',
	    "--host=$at", "--port=$port", '--auth=user', '--user=bob',
	    '--passwordeval=echo bob-pass', '--tls=off', '--keep=on',
	    "--uidls-file=$pp->{dir}/uidls",
	    "--delivery=mbox,$pp->{dir}/mpop.mbox", '--received-header=off');
	is($st, 0, 'mpop') or diag($out);
	like(slurp("$pp->{dir}/mpop.mbox"),
	    qr/^Subject: =\?utf-8\?B\?\S+\?= bob$/m, 'the surrogate');
}
SKIP: {
	skip 'fetchmail is not installed', 2 unless have('fetchmail');
	$pp->pop3_free('bob');
	spew("$pp->{dir}/fetchmailrc", "poll $at service $port proto pop3 " .
	    "user bob password bob-pass sslproto '' keep " .
	    "mda \"/bin/cat >> $pp->{dir}/fetched\"\n", 0600);
	my ($st, $out) = run({ env => \%env }, 'fetchmail', '-f',
	    "$pp->{dir}/fetchmailrc", '-i', "$pp->{dir}/ids", '--nosyslog',
	    '-v', '--pidfile', "$pp->{dir}/fm.pid");
	is($st, 0, 'fetchmail') or diag($out);
	unlike($out, qr/size.*mismatch|short|longer than expected/i,
	    'and its size was right');
}
SKIP: {
	skip 'Net::POP3 is not installed', 2 unless have('Net::POP3');
	$pp->pop3_free('bob');
	my $c = Net::POP3->new($at, Port => $port, Timeout => 90);
	is($c->login('bob', 'bob-pass'), 2, 'Net::POP3');
	is($c->last, 0, 'LAST');
	$c->quit;
}

# ---- each line of CAPA, proved ----

$pp->stop('pop3d');
# Longer than it may take from the login to the proof of it, which comes first.
my $delay = 5 * (1 + slow());
$pp->write_config('pop3d', expire => '30d', login_delay => "${delay}s",
    language => 'de');
is($pp->launch('pop3d'), '', 'with EXPIRE and LOGIN-DELAY');
$pp->send('carol@example.org', message('today'));
put('carol', $old . "Subject: old\n\nx\n\n" . $pp->mbox('carol'));
sub capa {
	my $c = shift;
	$c->cmd('CAPA');
	my @lines = split /\r\n/, $c->multi;
	return { map { my ($k, $v) = split / /, $_, 2; $k => $v // '' } @lines };
}
$p = $pp->pop3;
my $before = capa($p);
my %proof = (
	TOP => sub {
		$p->expect('TOP 1 0', qr/^\+OK/, 'TOP');
		like($p->multi, qr/\ASubject: old\r\n\r\n\z/, 'TOP 1 0');
	},
	USER => sub { }, # by which we came in
	SASL => sub {
		for my $m (split ' ', $before->{SASL}) {
			my $c = $pp->pop3;
			# EXTERNAL may say at once that there is no identity.
			like($c->cmd("AUTH $m"), qr/^(?:\+ ?|-ERR \[AUTH\])/,
			    "AUTH $m");
			$c->expect('*', qr/^-ERR/, 'and * cancels it');
		}
		$pp->pop3->expect('AUTH NTLM', qr/^-ERR/, 'no other');
	},
	'RESP-CODES' => sub {
		my $c = $pp->pop3;
		$c->cmd('USER carol');
		# Logged in a moment ago, and there still: the delay is told.
		$c->expect('PASS carol-pass', qr/^-ERR \[LOGIN-DELAY\] /);
		$c->expect('NONSENSE', qr/^-ERR [^\[]/, 'no other brackets');
	},
	'AUTH-RESP-CODE' => sub {
		my $c = $pp->pop3;
		for my $u ('carol', 'nobody') {
			$c->cmd("USER $u");
			$c->expect('PASS wrong', qr/^-ERR \[AUTH\] /);
		}
		$c->expect('USER nobody', qr/^\+OK/, 'never to USER');
	},
	PIPELINING => sub {
		$p->raw("NOOP\r\nSTAT\r\nTOP 1 0\r\nLIST\r\nUIDL\r\nLANG\r\n" .
		    "CAPA\r\nRSET\r\nNOOP x\r\n");
		like($p->reply, qr/^\+OK/, 'NOOP');
		like($p->reply, qr/^\+OK 2 \d+$/, 'STAT');
		for (qw(TOP LIST UIDL LANG CAPA)) {
			like($p->reply, qr/^\+OK/, $_);
			ok(defined $p->multi, 'its list');
		}
		like($p->reply, qr/^\+OK/, 'RSET');
		like($p->reply, qr/^-ERR/, 'NOOP x');
	},
	EXPIRE => sub {
		is($before->{EXPIRE}, 30, 'EXPIRE 30');
		# Proved when the session is over.
	},
	'LOGIN-DELAY' => sub {
		is($before->{'LOGIN-DELAY'}, $delay, 'LOGIN-DELAY');
	},
	UIDL => sub {
		$p->expect('UIDL 1', qr/^\+OK 1 [\x21-\x7e]{1,70}$/, 'UIDL');
	},
	STLS => sub {
		my $c = $pp->pop3;
		ok($c->starttls, 'STLS');
		my $now = capa($c);
		ok(!exists $now->{STLS}, 'not offered again');
		$c->expect('STLS', qr/^-ERR/, 'and refused');
	},
	UTF8 => sub {
		is($before->{UTF8}, 'USER', 'UTF8 USER');
		my $c = $pp->pop3;
		$c->expect('UTF8', qr/^\+OK/, 'UTF8');
		$c->expect('STLS', qr/^-ERR (?!\[)/, 'no STLS behind it');
		# USER: shown above.
	},
	LANG => sub {
		$p->expect('LANG *', qr/^\+OK de /, 'LANG');
		$p->expect('LANG en', qr/^\+OK en /, 'and back');
	},
	IMPLEMENTATION => sub {
		like($before->{IMPLEMENTATION}, qr/^pennypost\b/,
		    'IMPLEMENTATION');
	},
);
$p->expect('USER carol', qr/^\+OK/);
$p->expect('PASS carol-pass', qr/^\+OK/, 'login');
$proof{'RESP-CODES'}->();
my $after = capa($p);
ok(!exists $after->{STLS}, 'STLS is for before the login (RFC 2595 4)');
is_deeply([ map { "$_ $after->{$_}" } sort grep { $_ ne 'STLS' } keys %$after ],
    [ map { "$_ $before->{$_}" } sort grep { $_ ne 'STLS' } keys %$before ],
    'the same before and after login');
for my $tag (sort keys %$before) {
	ok($proof{$tag}, "CAPA: $tag is proved") or next;
	$proof{$tag}->() if $tag ne 'RESP-CODES';
}
ok(exists $before->{$_}, "CAPA has $_") for sort keys %proof;

# EXPIRE: what is older goes at QUIT, and not before.
like($pp->mbox('carol'), qr/^Subject: old$/m, 'still there');
$p->expect('QUIT', qr/^\+OK/, 'QUIT');
unlike($pp->mbox('carol'), qr/^Subject: old$/m, 'gone, though nobody said so');
like($pp->mbox('carol'), qr/^Subject: today$/m, 'what is new stays');
$pp->log_like('pop3d', qr/Expired: 1 messages older than 30 days/, 'logged');
# LOGIN-DELAY: by itself it ends.
my $refused = 0;
ok(wait_for(6, sub {
	my $c = $pp->pop3;
	$c->cmd('USER carol');
	my $r = $c->cmd('PASS carol-pass');
	$refused++ if $r =~ /^-ERR \[LOGIN-DELAY\]/;
	$r =~ /^\+OK/;
}), 'after the delay the login is taken');
my $c = $pp->pop3;
$c->cmd('USER carol');
$c->expect('PASS carol-pass', qr/^-ERR \[(?:LOGIN-DELAY|IN-USE)\]/,
    'and the next must wait again');
$c = $pp->pop3_as('alice');
like($c->{login}, qr/^\+OK/, 'others need not');
done_testing;
