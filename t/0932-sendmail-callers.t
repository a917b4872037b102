#!/usr/bin/perl
# Programs nobody here wrote call sendmail: mailx, mutt, git, PHP, and as cron
# calls it.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->new(daemons => ['smtpd']);
my $dir = $pp->dir;
mkdir "$dir/$_" or die $! for qw(run sub);
chmod 0755, "$dir/run";
$pp->write_config('smtpd', listen => "mx unix:$dir/run/smtp");
$pp->start;
my $bin = -x Pennypost::top() . "/$ENV{O}/spool/sendmail" ?
    Pennypost::top() . "/$ENV{O}/spool" : "$ENV{O}/spool";
my $sendmail = "$bin/sendmail";
%ENV = (%ENV, PENNYPOST_SMTP => "$dir/run/smtp", HOME => "$dir/sub",
    MAILRC => '/dev/null', GIT_CONFIG_NOSYSTEM => 1, EMAIL => '',
    GIT_CEILING_DIRECTORIES => $dir);
delete @ENV{qw(GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE)};

my $n = 0;
# Runs it; the message with that subject is what bob has got.
sub sends {
	my ($name, $subject, $input, @cmd) = @_;
	my %o = (input => $input, dir => "$dir/sub");
	my ($st, $out) = run(\%o, @cmd);
	is($st, 0, "$name: ends well") or diag($out);
	my $m = got('bob', $subject);
	ok($m, "$name: arrived") or diag($out);
	return $m;
}
# What has several recipients comes by the queue, in a moment.
sub got {
	my ($user, $subject) = @_;
	my $m = '';
	wait_for(20, sub {
		return '' unless -e $pp->mailbox($user);
		($m) = grep { /^Subject: .*\Q$subject\E/m }
		    split /^(?=From \S+ \w{3} \w{3} )/m,
		    $pp->mbox($user);
		$m //= '';
	});
	return $m;
}

SKIP: {
	my $mailx = have('s-nail') or skip 's-nail is not installed', 3;
	my $m = sends('s-nail', 'by s-nail', "line one\n.\nline two\n", $mailx,
	    '-n', '-S', "mta=$sendmail", '-s', 'by s-nail',
	    'bob@example.org');
	like($m, qr/\n\nline one\n\.\nline two\n/, 's-nail: all of it');
}
SKIP: {
	my $mailx = have('bsd-mailx') or skip 'bsd-mailx is not installed', 4;
	spew("$dir/sub/mailrc", "set sendmail=$sendmail\n");
	local $ENV{MAILRC} = "$dir/sub/mailrc";
	my $m = sends('bsd-mailx', 'by mailx', "hello\n", $mailx, '-s',
	    'by mailx', '-c', 'carol@example.org', '-b', 'alice@example.org',
	    'bob@example.org');
	unlike($m, qr/^Bcc|alice/mi, 'bsd-mailx: no Bcc');
	ok(got($_, 'by mailx'), "bsd-mailx: $_") for qw(alice carol);
}
SKIP: {
	my $mutt = have('mutt') or skip 'mutt is not installed', 3;
	my $m = sends('mutt', 'by mutt', "Gr\xc3\xbc\xc3\x9fe\n", $mutt, '-n',
	    '-F', '/dev/null', '-e', "set sendmail='$sendmail -oem -oi'",
	    '-e', 'set charset=utf-8 use_envelope_from=yes ' .
	    "from=alice\@example.org copy=no record=''", '-s', 'by mutt',
	    '-b', 'carol@example.org', '--', 'bob@example.org');
	like($m, qr/^From alice\@example\.org /, 'mutt: the envelope sender');
}
SKIP: {
	skip 'git send-email is not installed', 3
	    unless have('git') && -x '/usr/lib/git-core/git-send-email';
	spew("$dir/sub/0001.patch", join "\n", 'From 0123 Mon Sep 17 00:00:00 2001',
	    'From: Alice <alice@example.org>',
	    'Date: Mon, 5 Jan 2026 10:00:00 +0000',
	    'Subject: [PATCH] by git', '', 'text', '---', ' a | 1 +', '',
	    'diff --git a/a b/a', '--- a/a', '+++ b/a', '@@ -0,0 +1 @@', '+x',
	    '-- ', '2.0', '');
	my $m = sends('git send-email', 'by git', '', 'git', '-c',
	    'user.name=Alice', '-c', 'user.email=alice@example.org',
	    'send-email', "--smtp-server=$sendmail", '--quiet', '--confirm=never',
	    '--suppress-cc=all', '--no-thread', '--to=bob@example.org',
	    '--from=Alice <alice@example.org>', '0001.patch');
	like($m, qr/^\+x\n-- \n2\.0\n/m, 'git: the patch as it was');
}
SKIP: {
	my $php = have('php') or skip 'php is not installed', 4;
	spew("$dir/sub/m.php", <<'END');
<?php
exit(mail('bob@example.org', 'by php', "one\n.\ntwo\n",
    "From: alice@example.org\r\nX-A: 1\r\nBcc: carol@example.org") ? 0 : 1);
END
	my $m = sends('PHP', 'by php', '', $php, '-n', '-d',
	    "sendmail_path=$sendmail -t -i", 'm.php');
	like($m, qr/^X-A: 1\n/m, 'PHP: its header');
	like($m, qr/\n\none\n\.\ntwo\n/, 'PHP: its body');
}
for my $as (['-FCronDaemon', qw(-i -B8BITMIME -oem)],
    [qw(-FCronDaemon -i -odi -oem -oi -t -f alice)]) {
	my $s = 'Cron ' . ++$n;
	my @to = grep({ $_ eq '-t' } @$as) ? () : 'bob';
	my $m = sends("cron ($as->[-1])", $s, <<"END", $sendmail, @$as, @to);
From: "(Cron Daemon)" <root>
To: bob
Subject: $s <root\@host> test
Content-Type: text/plain; charset=UTF-8
Auto-Submitted: auto-generated
X-Cron-Env: <SHELL=/bin/sh>

out\xc3\xa4
END
	like($m, qr/\nout\xc3\xa4\n/, 'its output');
}
$pp->stop;
done_testing();
