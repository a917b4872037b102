#!/usr/bin/perl
# SEND, SOML and SAML (RFC 821 3.4) with real terminals in a private devpts.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Fcntl qw(O_NOCTTY O_RDWR O_WRONLY);
use IO::Select;
use IO::Socket::UNIX;
use MIME::Base64;
use Pennypost;

need('root', 'unshare', 'mount');
# The whole test in a namespace of its own: nobody's terminal is touched.
if (!$ENV{PENNYPOST_DEVPTS}) {
	my ($st) = run('unshare', '-m', 'true');
	plan(skip_all => 'no mount namespace can be made here') if $st ne '0';
	$ENV{PENNYPOST_DEVPTS} = 1;
	exec 'unshare', '-m', 'sh', '-c', 'mount --make-rprivate / &&
	    mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts &&
	    exec "$@"', 'sh', $^X, '-It/lib', $0 or die "unshare: $!";
}

my $pp = Pennypost->new(daemons => ['smtpd']);
my $dir = $pp->dir;
mkdir "$dir/run" or die $!;
chmod 0755, "$dir/run";
$pp->write_config('smtpd', send_verbs => 'yes', grace_time => '1s',
	listen => [ 'mx ' . $pp->addr . ':' . $pp->port('mx') . ' plaintext_auth',
	    "mx unix:$dir/run/smtp", 'lmtp ' . $pp->addr . ':2424' ]);
$pp->start;

# A terminal of that user: its master, and its name.
sub pty {
	my ($user, $mode) = @_;
	open my $m, '+<', '/dev/pts/ptmx' or die "ptmx: $!";
	my $n = pack 'i', 0;
	ioctl $m, 0x40045431, $n or die "unlock: $!";
	ioctl $m, 0x80045430, $n or die "name: $!";
	my $name = '/dev/pts/' . unpack 'i', $n;
	# Keeps it alive, and is nobody's controlling terminal.
	sysopen my $s, $name, O_RDWR | O_NOCTTY or die "$name: $!";
	chown $user eq 'root' ? 0 : $pp->user_uid($user), 5, $name;
	chmod $mode, $name;
	return { master => $m, slave => $s, name => $name };
}
# What came there, until it has that, or, where nothing is to come, for a moment.
sub shown {
	my ($t, $until) = @_;
	my ($all, $sel) = ('', IO::Select->new($t->{master}));
	while ($sel->can_read($until && $all !~ $until ?
	    Pennypost::most(30) : 0.3)) {
		sysread($t->{master}, $all, 8192, length $all) or last;
	}
	return $all;
}
my $end = qr/EOF\r+\n/;
sub login {
	my $s = $pp->smtp;
	$s->cmd('EHLO c.test');
	$s->cmd('AUTH PLAIN ' . encode_base64("\0alice\0alice-pass", ''));
	return $s;
}
sub deliver {
	my ($s, $verb, @to) = @_;
	my $r = $s->cmd("$verb FROM:<alice\@example.org>");
	$r = $s->cmd("RCPT TO:<$_\@example.org>") for @to;
	return $r if $r !~ /^250/;
	$s->cmd('DATA');
	return $s->data("Subject: =?x\e[31m?= \x07bell\r\nX-Hidden: no\r\n\r\n" .
	    "dinner\tis \e]0;evil\x07ready\x9b2J\x0c\r\n.dot\r\n");
}

# ---- who may ----
my $s = $pp->smtp;
unlike($s->cmd('EHLO c.test'), qr/^250.(SEND|SOML|SAML)/m, 'not in EHLO for anybody');
$s->expect("$_ FROM:<a\@b.test>", qr/^502 5\.5\.1/, "$_ without login: 502")
    for qw(SEND SOML SAML);
$s = login();
my $ehlo = $s->cmd('EHLO c.test');
like($ehlo, qr/^250[ -]$_\r?$/m, "EHLO after login: $_ (RFC 5321 F.6)")
    for qw(SEND SOML SAML);
$s->expect('SEND TO:<a@b.test>', qr/^501/, 'SEND TO: 501');
$s->cmd('MAIL FROM:<alice@example.org>');
$s->expect('SEND FROM:<alice@example.org>', qr/^503/, 'not within a transaction');
$s->cmd('RSET');

# ---- SEND ----
like(deliver($s, 'SEND', 'bob'), qr/^450 4\.2\.1/, 'SEND: not logged in: 450 at RCPT');
$s->cmd('RSET');
my $closed = pty('bob', 0600);
my $other = pty('carol', 0620);
like(deliver($s, 'SEND', 'bob'), qr/^450 4\.2\.1/,
    'mesg n, and the terminal of somebody else: 450');
$s->cmd('RSET');
$s->expect('SEND FROM:<alice@example.org>', qr/^250/, 'SEND FROM');
$s->expect('RCPT TO:<nobody@example.org>', qr/^550/, 'an unknown user: 550');
$s->expect('RCPT TO:<x@elsewhere.test>', qr/^(?:450|55[01])/, 'not elsewhere');
$s->cmd('RSET');
my $old = pty('bob', 0620);
my $new = pty('bob', 0620);
utime 1, 1, $old->{name};
like(deliver($s, 'SEND', 'bob'), qr/^250 2\.1\.5/, 'SEND: written');
my $text = shown($new, $end);
like($text, qr/^\r+\n\aMessage from alice\r+\nFrom: alice\@example\.org\r+\nTo: bob\@example\.org\r+\nSubject: /,
    'who, from, to, subject');
like($text, qr/dinner is \?\]0;evil\?ready\?2J\?\r+\n\.dot\r+\nEOF\r+\n/,
    'the body, with control characters made harmless');
(my $rest = $text) =~ s/\r+\n|\a(?=Message from)//g;
unlike($rest, qr/[^ -~]/, 'nothing but printable characters');
unlike($text, qr/X-Hidden|Received/, 'no other header');
is(shown($_), '', 'no other terminal got it') for $old, $closed, $other;
is($pp->mbox('bob'), '', 'nor the mailbox');
$pp->log_like('smtpd', qr/to=<bob\@example\.org>, relay=local, .*dsn=2\.0\.0, status=sent \(delivered to terminal\)/,
    'logged');

# ---- SOML, SAML ----
like(deliver($s, 'SOML', 'bob'), qr/^250/, 'SOML: active');
like(shown($new, $end), qr/dinner/, 'on the terminal');
is($pp->mbox('bob'), '', 'not in the mailbox');
like(deliver($s, 'SAML', 'bob'), qr/^250 2\.0\.0/, 'SAML: active');
like(shown($new, $end), qr/dinner/, 'on the terminal');
like($pp->mbox('bob'), qr/dinner/, 'and in the mailbox');
chmod 0600, $_->{name} for $old, $new;
like(deliver($s, 'SOML', 'bob'), qr/^250/, 'SOML: mesg n');
is(scalar(() = $pp->mbox('bob') =~ /dinner/g), 2, 'in the mailbox');
is(shown($new), '', 'not on the terminal');
like(deliver($s, 'SAML', 'bob'), qr/^250/, 'SAML: mesg n');
is(scalar(() = $pp->mbox('bob') =~ /dinner/g), 3, 'in the mailbox');
chmod 0620, $new->{name};
like(deliver($s, 'SOML', 'bob', 'alice'), qr/^250/, 'SOML to two, one is active');
like(shown($new, $end), qr/dinner/, 'one on the terminal');
like($pp->mbox('alice'), qr/dinner/, 'the other in the mailbox');
is(scalar(() = $pp->mbox('bob') =~ /dinner/g), 3, 'each once');
# VERB: who was reached, and who was not.
like($s->cmd('VERB'), qr/^250 /, 'VERB');
is(deliver($s, 'SOML', 'alice', 'bob', 'carol', 'bob') =~ s/ as \w+$//r =~
    s/^250[- ]2\.\d\.\d //gmr, join("\n", '<alice@example.org>: delivered to ' .
    'the mailbox', map("<$_\@example.org>: written to " .
    'the terminal', qw(bob carol bob)), 'Ok: queued'),
    'SOML: what became of it for each');
is(deliver($s, 'SOML', 'bob') =~ s/^250[- ]2\.\d\.\d //gmr,
    "<bob\@example.org>: written to the terminal\nOk: written to the terminal",
    'and for one');
shown($new, $end), shown($other, $end);
# A terminal that was stopped (Ctrl-S) holds up nobody.
sysopen my $full, $new->{name}, O_WRONLY | O_NOCTTY or die $!;
ioctl $full, 0x540a, 0 or die "TCOOFF: $!";
my $t0 = time;
like(deliver($s, 'SOML', 'bob'), qr/^250/, 'a terminal that is stopped');
cmp_ok(time - $t0, '<', 20 * slow(), 'does not hold it up');
is(scalar(() = $pp->mbox('bob') =~ /dinner/g), 4, 'and the mailbox has it');

# ---- users of this host ----
my $sock = IO::Socket::UNIX->new(Peer => "$dir/run/smtp") or die $!;
my $u = bless { in => $sock, out => $sock, sock => $sock, buf => '',
	kind => 'smtp', seconds => 20 * slow() }, 'Pennypost::Talk';
$u->reply;
like($u->cmd('EHLO me'), qr/^250.SEND/m, 'at a Unix socket: offered');
my $mine = pty('carol', 0620);
like(deliver($u, 'SEND', 'carol'), qr/^250/, 'and done');
like(shown($mine, $end) . shown($other), qr/Message from uid 0 of this host\r/,
    'it says who that is');
my $l = Pennypost::Talk->tcp($pp->addr, 2424, kind => 'smtp');
$l->reply;
$l->cmd('LHLO c');
$l->expect('SEND FROM:<a@b.test>', qr/^500/, 'not in LMTP');
$_->close for $s, $u, $l;
is($pp->stop('smtpd'), 0, 'it ends in order');
$pp->write_config('smtpd', send_verbs => 'no');
is($pp->launch('smtpd'), '', 'send_verbs no');
$s = login();
$s->expect('SEND FROM:<alice@example.org>', qr/^502 5\.5\.1/, 'not even after login');
done_testing();
