#!/usr/bin/perl
# Reports to senders: what failed, what is late, what was delivered; read by
# Python's email package, which nobody here wrote.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

need('python3');
# Long enough that it is tried in between on a busy machine, too.
my $late = 4 + 4 * slow();
my $pp = Pennypost->start(smtpd => { retry_min => '300ms', retry_max => '1s',
	queue_lifetime => "${late}s", delay_warning => '1s',
	bounce_size_max => '2K', double_bounces => 'dora@example.org' },
	users => { map { $_ => undef } qw(alice bob carol dora erin) });

# A mailbox that cannot be written: bob's.
mkdir $pp->mailbox('bob') or die $!;

# One message from alice, with parameters.  Gives the reply to its end.
sub mail {
	my ($mail, $rcpts, $content) = @_;
	my $s = $pp->smtp;
	my $r = $s->cmd('EHLO client.test');
	for my $c ("MAIL FROM:$mail", (map "RCPT TO:$_", @$rcpts), 'DATA') {
		$r = $s->cmd($c);
		return $r if $r !~ /^[23]/;
	}
	$r = $s->data($content);
	$s->cmd('QUIT');
	return $r;
}

# What Python makes of a report: a hash of strings.
my $reader = <<'END';
import sys, email, email.policy
m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.SMTPUTF8)
def say(k, v):
    v = str(v).replace('\\', '\\\\').replace('\n', '\\n').replace('\r', '')
    sys.stdout.buffer.write(('%s=%s\n' % (k, v)).encode('utf-8', 'replace'))
say('type', m.get_content_type())
say('report', m.get_param('report-type'))
say('defects', sum(len(p.defects) for p in m.walk()))
for k in ('From', 'To', 'Subject', 'Auto-Submitted', 'In-Reply-To', 'Date', 'Message-ID', 'Return-Path'):
    say(k, m[k])
p = m.get_payload()
say('parts', len(p))
say('types', ' '.join(x.get_content_type() for x in p))
say('text', p[0].get_content())
s = p[1].get_payload()
if isinstance(s, list):
    for i, block in enumerate(s):
        for k, v in block.items():
            say('%d.%s' % (i, k), v)
say('status', p[1].as_string())
r = p[2].get_payload()
say('returned', r[0].as_string() if isinstance(r, list) else r)
END
sub parse {
	my $raw = shift;
	my ($st, $text) = run({ input => $raw }, 'python3', '-c', $reader);
	is($st, 0, 'Python reads the report') or diag($text);
	my %h;
	for (split /\n/, $text) {
		my ($k, $v) = split /=/, $_, 2;
		$v =~ s/\\n/\n/g;
		$h{$k} = $v;
	}
	return \%h;
}
# Waits for a report in the user's mailbox that matches.  It is parsed and
# deleted.
sub report {
	my ($user, $pattern, $name) = @_;
	my ($raw) = wait_for(60, sub { $pp->mbox($user) =~ $pattern }) ?
	    $pp->fetch($user, delete => $pattern) : ();
	ok(defined $raw, $name) or do {
		diag($pp->mbox($user));
		return {};
	};
	my $h = parse($raw);
	$h->{raw} = $raw;
	return $h;
}
sub queue_empty {
	return !grep { !m{/\.} } glob "$pp->{dir}/queue/active/*";
}

# ---- late, then failed ----

my $body = "From: a\r\nSubject: The minutes\r\nMessage-ID: <m1\@x.test>\r\n" .
    "\r\nHello\r\n.dot\r\n--x\r\n";
my $r = mail('<alice@example.org> RET=FULL ENVID=E+2B1',
    [ '<bob@example.org> ORCPT=rfc822;Robert@old.test', '<carol@example.org>' ],
    $body);
like($r, qr/^250 /, 'a message for one who cannot get it and one who can');
my ($id) = $r =~ /queued as (\w+)/;
my $h = report('alice', qr/^Subject: Delayed Mail/m, 'a warning comes');
is($h->{type}, 'multipart/report', 'RFC 6522');
is($h->{report}, 'delivery-status', 'of a delivery');
is($h->{parts}, 3, 'in three parts');
is($h->{defects}, 0, 'without a defect');
is($h->{'1.Action'}, 'delayed', 'Action');
like($h->{'1.Status'}, qr/^4\.2\.\d$/, 'Status');
ok($h->{'1.Will-Retry-Until'}, 'and until when');
is($h->{'Return-Path'}, '<>', 'from <>');
like($h->{types}, qr/ text\/rfc822-headers$/, 'with the header only');

$h = report('alice', qr/^Subject: Undelivered Mail/m, 'then it is given up');
is($h->{types}, 'text/plain message/delivery-status message/rfc822',
    'with the message');
is($h->{defects}, 0, 'without a defect');
is($h->{To}, 'alice@example.org', 'To');
is($h->{From}, 'Mail Delivery System <MAILER-DAEMON@mail.example.org>', 'From');
is($h->{'Auto-Submitted'}, 'auto-replied', 'RFC 3834');
is($h->{'In-Reply-To'}, '<m1@x.test>', 'in reply to it');
is($h->{'0.Reporting-MTA'}, 'dns; mail.example.org', 'Reporting-MTA');
is($h->{'0.Original-Envelope-Id'}, 'E+1', 'ENVID');
is($h->{'1.Original-Recipient'}, 'rfc822;Robert@old.test', 'ORCPT');
is($h->{'1.Final-Recipient'}, 'rfc822;bob@example.org', 'Final-Recipient');
is($h->{'1.Action'}, 'failed', 'Action');
is($h->{'1.Final-Log-ID'}, $id, 'the queue id');
ok(!exists $h->{'2.Action'}, 'nothing of the one who got it');
like($h->{text}, qr/NOT be delivered.*^<bob\@example\.org>$/ms,
    'people are told, too');
unlike($h->{raw}, qr/\Q$pp->{dir}\E/, 'but not where mailboxes lie');
like($h->{text}, qr/^    Subject: The minutes$/m, 'and of which message');
(my $lf = $body) =~ s/\r//g;
like($h->{returned}, qr/\Q$lf\E\z/, 'the message is as it was sent');
$pp->log_like('smtpd', qr/$id: from=<alice\@example\.org>, status=expired, returned to sender/,
    'log: expired');
$pp->log_like('smtpd', qr/$id: sender non-delivery notification: \w+/,
    'log: which report');
is(scalar(() = $pp->log('smtpd') =~ /$id: sender delay notification/g), 1,
    'log: one warning only');
ok(wait_for(10, \&queue_empty), 'and the queue is empty');
$pp->write_config('smtpd', queue_lifetime => '3s');
$pp->reload_done('smtpd');

# ---- parameters ----

mail('<alice@example.org> RET=HDRS', [ '<bob@example.org> NOTIFY=FAILURE',
	'<carol@example.org> NOTIFY=NEVER' ],
    message('headers only', 'TheBody'));
$h = report('alice', qr/^Subject: Undelivered Mail/m, 'RET=HDRS');
like($h->{types}, qr/ text\/rfc822-headers$/, 'gives the header');
like($h->{returned}, qr/^Subject: headers only$/m, 'of the message');
unlike(join("\n", %$h), qr/TheBody/, 'without its body');

mail('<alice@example.org>', [ '<bob@example.org> NOTIFY=FAILURE',
	'<carol@example.org>' ], message('too large', 'y' x 70, ('TheBody' . 'x' x 60) x 50));
$h = report('alice', qr/^Subject: Undelivered Mail/m, 'larger than is returned');
like($h->{types}, qr/ text\/rfc822-headers$/, 'gives the header');

unlike($pp->mbox('alice'), qr/^Subject: Delayed/m,
    'NOTIFY=FAILURE: no warning');

mail('<alice@example.org> ENVID=ok', [ '<erin@example.org> NOTIFY=SUCCESS',
	'<carol@example.org> NOTIFY=FAILURE' ], message('good news'));
$h = report('alice', qr/^Subject: Successful Mail/m, 'NOTIFY=SUCCESS');
is($h->{'1.Action'}, 'delivered', 'delivered');
is($h->{'1.Status'}, '2.0.0', 'Status');
is($h->{'1.Final-Recipient'}, 'rfc822;erin@example.org', 'to erin');
ok(!exists $h->{'2.Action'}, 'carol did not ask');
like($h->{types}, qr/ text\/rfc822-headers$/, 'with the header only');
mail('<alice@example.org>', [ '<erin+x@example.org> NOTIFY=SUCCESS' ],
    message('alone'));
$h = report('alice', qr/^Subject: Successful Mail/m, 'also a single recipient');
is($h->{'1.Final-Recipient'}, 'rfc822;erin+x@example.org', 'as it was named');

mail('<alice@example.org>', [ '<bob@example.org> NOTIFY=NEVER',
	'<carol@example.org> NOTIFY=NEVER' ], message('nobody cares'));
ok(wait_for(30, \&queue_empty), 'NOTIFY=NEVER: it is given up');
is($pp->mbox('alice'), '', 'and nobody is told');

# ---- from <> ----

mail('<>', [ '<bob@example.org>', '<carol@example.org>' ],
    message('from nobody'));
$h = report('dora', qr/^Subject: Undelivered Mail/m,
    'a message from <> goes to the address of double_bounces');
like($h->{text}, qr/names no sender/, 'which is told why');
ok(wait_for(10, \&queue_empty), 'and that is all');
my @end = sort $pp->pids('smtpd', 'queue');

# A double bounce that fails itself ends there.
unlink $pp->mailbox('dora');
mkdir $pp->mailbox('dora') or die $!;
mail('<>', [ '<bob@example.org>', '<carol@example.org>' ],
    message('from nobody again'));
ok(wait_for(60, \&queue_empty), 'the report of a report is given up');
is_deeply([ sort $pp->pids('smtpd', 'queue') ], \@end,
    'and the queue lives');

# ---- a user who has gone ----

$pp->write_config('smtpd', queue_lifetime => '1h', delay_warning => '0s');
$pp->reload_done('smtpd', 'other settings');
$r = mail('<alice@example.org>', [ '<bob@example.org>', '<carol@example.org>' ],
    message('he has left'));
like($r, qr/^250 /, 'a message for bob waits');
replace("$pp->{dir}/users", join('', map { $pp->user_line($_) }
	qw(alice carol dora erin)), 0600);
$h = report('alice', qr/^Subject: Undelivered Mail/m,
    'it comes back when bob is a user no more');
is($h->{'1.Status'}, '5.1.1', 'Status');
like($h->{text}, qr/no such mailbox/i, 'in plain words');
$pp->log_like('smtpd', qr/to=<bob\@example\.org>.*dsn=5\.1\.1, status=bounced/,
    'log: bounced');

# ---- outside ASCII ----

replace("$pp->{dir}/users", join('', map { $pp->user_line($_) }
	qw(alice bob carol dora erin)), 0600);
$pp->write_config('smtpd', queue_lifetime => '1s', delay_warning => '0s');
$pp->reload_done('smtpd');
mail('<alice@example.org> SMTPUTF8',
    [ '<bob@example.org> ORCPT=utf-8;b' . "\xc3\xb6" . 'b@example.org', '<carol@example.org>' ],
    "From: a\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\n\r\n\xe2\x82\xac\r\n");
$h = report('alice', qr/^Subject: Undelivered Mail/m, 'SMTPUTF8');
like($h->{types}, qr/ message\/global$/, 'RFC 6533 4.2');
like($h->{raw}, qr/^Original-Recipient: utf-8;b\\x\{F6\}b\@example\.org\r$/m,
    '3: the address as it was named');
like($h->{text}, qr/gr\xc3\xbc\xc3\x9fe/, 'the subject is readable');
mail('<alice@example.org> BODY=8BITMIME', [ '<bob@example.org>',
	'<carol@example.org>' ],
    "From: a\r\nSubject: x\r\n\r\n\xe2\x82\xac --\r\n");
$h = report('alice', qr/^Subject: Undelivered Mail/m, '8BITMIME');
like($h->{types}, qr/ message\/rfc822$/, 'is plain mail');

# ---- what a crash leaves ----

$pp->stop('smtpd');
sub record {
	my ($id, $params, @rcpts) = @_;
	my $content = message("record $id");
	my $text = join '', map "$_\n", 'pennypost-queue 1', "id: $id",
	    sprintf('arrived: %d.000000', time - 10),
	    'sender: alice@example.org', 'client: x[192.0.2.1]', 'helo: x',
	    'protocol: ESMTP', 'user: ', @rcpts,
	    'recipients: ' . @rcpts, 'content: ' . length $content;
	my $file = "$pp->{dir}/queue/active/$id";
	spew($file, "$text\n$content", 0600);
	chown $pp->role_uid('smtpd', 'queue'), -1, $file if is_root();
}
record('0123456789AB1', '', "S erin\@example.org\terin\tNOTIFY=SUCCESS",
    "R far\@example.net\tfar\tNOTIFY=SUCCESS");
$pp->write_config('smtpd', queue_lifetime => '1h', delay_warning => '1s');
is($pp->launch('smtpd'), '', 'smtpd starts with a record whose sender is to be told');
$h = report('alice', qr/^Subject: Successful Mail/m, 'he is told then');
is("$h->{'1.Action'} $h->{'2.Action'}", 'delivered relayed', 'of both');
ok(wait_for(10, \&queue_empty), 'and the record is removed');
unlike($pp->mbox('erin'), qr/record 0123456789AB1/, 'nothing is delivered again');
$pp->stop('smtpd');
record('0123456789AB2', '', "W bob\@example.org\tbob",
    "D carol\@example.org\tcarol");
is($pp->launch('smtpd'), '', 'smtpd starts with one whose sender knows');
$pp->log_like('smtpd', qr/0123456789AB2: to=<bob\@example\.org>.*status=deferred/,
    'it is tried again');
is($pp->mbox('alice'), '', 'and he is not warned again');
rmdir $pp->mailbox('bob') or die $!;
ok(wait_for(20, sub { $pp->mbox('bob') =~ /record 0123456789AB2/ }),
    'until it can be delivered');
ok(wait_for(10, \&queue_empty), 'the queue is empty');
done_testing;
