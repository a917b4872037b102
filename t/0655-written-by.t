#!/usr/bin/perl
# Mailboxes that other programs wrote have the right number of messages, and
# each the right one: mutt, procmail, Dovecot, Postfix, Exim, s-nail, BSD mailx,
# mailutils write them here; Thunderbird's is a copy of what it wrote.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->start(daemons => [ 'pop3d' ]);
my $dir = $pp->dir;
my $box = $pp->mailbox('bob');
my ($uid, $gid) = ($pp->user_uid('bob'), $pp->user_gid('bob'));
my $ctl = "$ENV{O}/spool/pennyctl";
chmod 01777, "$dir/mail";

# What looks like a separator and is none, and what does not look like one.  The
# one without an end of line is given to programs only that copy mailboxes, as
# servers always hand over whole lines.
my @body = (
	"plain\n",
	"From the start\nFrom a\@x Mon Jan  5 10:00:00 2026\nmore\n",
	"one\n\nFrom b\@y Mon Jan  5 10:00:00 2026\nSubject: inside\n\nmore\n",
	">From quoted\n>>From twice\n\n\n\n",
	'',
	"no end of line",
	"eight bits: \xc3\xa9 \xe9\n" . 'x' x 900 . "\n",
	"\n\n\n",
);
# Dovecot and mailutils quote nothing, so that a whole From_ line behind a blank
# line is one to every program that reads what they write.
my $tame = '';
sub raw {
	my ($i, $line) = @_;
	my $text = "From: a\@x.test\nTo: bob\@example.org\nSubject: written-$i\n" .
	    "Date: Mon, 5 Jan 2026 10:00:00 +0000\nMessage-ID: <$i\@x.test>\n" .
	    "\n$body[$i]";
	$text =~ s/^From b\@y .*/From here on/m if $tame;
	return $line ? $text =~ s/[^\n]\K\z/\n/r : $text;
}
# Is that what POP3 shows of the mailbox?
sub shows {
	my ($name, @more) = @_;
	my $p = $pp->pop3_as('bob');
	my ($n) = $p->cmd('STAT') =~ /^\+OK (\d+)/;
	my @subject = map {
		$p->cmd("TOP $_ 0") =~ /^\+OK/ &&
		    $p->multi =~ /^Subject: written-(\d+)\r+$/m ? $1 : '?'
	} 1 .. $n // 0;
	$p->cmd('QUIT');
	is("@subject", join(' ', 0 .. $#body, @more),
	    "$name: every message, and no other") or diag(slurp($box));
	my ($st, $out) = run($ctl, '-f', $pp->conf_file('pop3d'), 'mailbox',
	    'verify', 'bob');
	is($st, 0, "$name: pennyctl finds no fault") or diag($out);
}
# The same mailbox, to be copied by a program that has messages already.
my $src = "$dir/source";
for my $kind ('', '.tame') {
	$tame = $kind;
	spew("$src$tame", join('', map { raw($_) =~ s/^(>*From )/>$1/gmr =~
	    s/\A/From a\@x Mon Jan  5 10:00:0$_ 2026\n/r =~
	    s/\n?\z/\n\n/r } 0 .. $#body), 0644);
}
$tame = '';

# A command as bob, whom the system knows in there.
spew("$dir/passwd", slurp('/etc/passwd') =~ s/^bob:.*\n//mr .
    "bob:x:$uid:${gid}::$dir/home:/bin/sh\n" .
    (getpwnam('Debian-exim') ? '' : "Debian-exim:x:64099:$gid\:::/bin/false\n"),
    0644);
mkdir "$dir/home";
chown $uid, $gid, "$dir/home", $src, "$src.tame";
spew("$dir/group", slurp('/etc/group') =~ s/^Debian-exim:.*\n//mr .
    "Debian-exim:x:64099:\n", 0644);
sub inside {
	my ($o, $as, @cmd) = @_;
	my @as = $as ? ('setpriv', '--reuid', $uid, '--regid', $gid,
	    '--clear-groups') : ();
	return run({ %$o, env => { HOME => "$dir/home", USER => 'bob',
	    LOGNAME => 'bob', TERM => 'vt100', MAILRC => '/dev/null' } },
	    'unshare', '-m', 'sh', '-c', "mount --bind $dir/passwd /etc/passwd && " .
	    "mount --bind $dir/group /etc/group " . '&& exec "$@"', 'sh', @as, @cmd);
}
sub own_box {
	chown $uid, $gid, $box if Pennypost::is_root();
}
sub begin {
	spew($box, '', 0600);
	own_box();
}
# Programs that deliver one message from their input.
sub delivered_by {
	my ($name, $prog, $root, @cmd) = @_;
	SKIP: {
		skip "$name is not installed", 1 unless have($prog);
		begin();
		my ($bad, $said) = (0, '');
		for my $i (0 .. $#body) {
			# Some read a pipe only.
			my ($st, $out) = inside({ input => raw($i, 1) }, !$root,
			    'sh', '-c', 'cat | "$@"', 'sh', @cmd);
			$bad++ if $st ne '0';
			$said .= $out if $st ne '0';
		}
		is($bad, 0, "$name delivers") or diag($said);
		shows($name);
	}
}
sub copied_by {
	my ($name, $prog, $o, @cmd) = @_;
	SKIP: {
		skip "$name is not installed", 1 unless have($prog);
		begin();
		my ($st, $out) = inside($o, 1, @cmd);
		is($st, 0, "$name copies") or diag($out);
		shows($name);
	}
}

# As Thunderbird 153 wrote it: its From_ lines and some of its own lines end in
# CR LF.
begin();
spew($box, join('', map {
	"From - Sat Nov 21 03:35:0$_ 2026\r\nX-Account-Key: account1\n" .
	"X-UIDL: 51e7fb4024eb9a443b0c322c3434a05$_\nX-Mozilla-Status: 0001\n" .
	"X-Mozilla-Status2: 00000000\nX-Mozilla-Keys:" . ' ' x 80 . "\n" .
	(raw($_) =~ s/^(>*From )/>$1/gmr  =~ s/\n?\z/\n\n/r) }
	0 .. 3) . join('', map {
	"From - Sat Nov 21 03:36:5$_ 2026\r\nX-Mozilla-Status: 0001\r\n" .
	"X-Mozilla-Status2: 00800000\r\n" . (raw($_) =~
	s/^(>*From )/>$1/gmr  =~ s/\n?\z/\n\n/r =~ s/\n/\r\n/gr) }
	4 .. $#body) . "\n", 0600);
own_box();
shows('Thunderbird');

SKIP: {
	skip 'needs root', 1 unless Pennypost::is_root();
	skip 'no unshare', 1 unless have('unshare') && have('setpriv');
	my ($st, $out) = inside({}, 1, 'true');
	skip "no mount namespace: $out", 1 if $st ne '0';

	spew("$dir/procmailrc", "LINEBUF=8192\nDEFAULT=$box\n:0:\n$box\n", 0644);
	delivered_by('procmail', 'procmail', 0, 'procmail', '-f', 'a@x.test',
	    '-m', "ORGMAIL=$box", "$dir/procmailrc");
	spew("$dir/dovecot.conf", "mail_location = " .
	    "mbox:$dir/home/mail:INBOX=$box\nmbox_write_locks = dotlock fcntl\n" .
	    "first_valid_uid = 1\nssl = no\n" .
	    "log_path = $dir/home/dovecot.log\nauth_socket_path = /none\n", 0644);
	$tame = 1;
	delivered_by('dovecot-lda', '/usr/lib/dovecot/dovecot-lda', 0,
	    '/usr/lib/dovecot/dovecot-lda', '-c', "$dir/dovecot.conf", '-f',
	    'a@x.test');
	$tame = '';
	my $exim = have('exim4') || 'build/tools/usr/sbin/exim4';
	spew("$dir/exim.conf", <<END, 0644);
primary_hostname = mail.example.org
domainlist local_domains = example.org
keep_environment =
spool_directory = $dir/exim
log_file_path = $dir/exim/%slog
exim_user = root
exim_group = root
never_users =
trusted_users = root
begin routers
local:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  file = $box
  user = $uid
  group = $gid
  delivery_date_add
  envelope_to_add
  return_path_add
begin retry
*	*	F,1h,1s
END
	# Unpacked only, it may lack a library.
	$exim = 'none' if have($exim) && (run($exim, '-bV'))[0] eq '127';
	delivered_by('Exim', $exim, 1, File::Spec->rel2abs($exim), '-C',
	    "$dir/exim.conf", '-odf', '-oi', '-f', 'a@x.test',
	    'bob@example.org');
	by_postfix();

	spew("$dir/muttrc", "set quit=yes confirmappend=no mark_old=no\n" .
	    "set folder=$dir/home record= header_cache= sort=mailbox-order\n" .
	    "set sleep_time=0 move=no wait_key=no mail_check=0 mbox_type=mbox\n" .
	    "set resolve=no confirmcreate=no auto_tag=yes\n" .
	    "push '<tag-pattern>~A<enter><tag-prefix><copy-message>" .
	    "$box<enter><exit>'\n", 0644);
	copied_by('mutt', 'mutt', {}, 'script', '-qec',
	    "mutt -F $dir/muttrc -R -f $src", '/dev/null');
	copied_by('s-nail', 's-nail', { input => "copy * $box\nx\n" },
	    's-nail', '-:/', '-R', '-f', $src);
	copied_by('BSD mailx', 'bsd-mailx', { input => "copy * $box\nx\n" },
	    'bsd-mailx', '-n', '-f', $src);
	copied_by('mailutils', 'mail.mailutils', { input => "copy * $box\nx\n" },
	    'mail.mailutils', '-N', '-f', "$src.tame");
	copied_by('movemail', 'movemail.mailutils', {}, 'movemail.mailutils',
	    '-p', "$src.tame", "mbox:$box");
}

# A Postfix of its own.
sub by_postfix {
	SKIP: {
		skip 'Postfix is not installed', 1 unless have('postfix') &&
		    -d '/usr/lib/postfix/sbin';
		my $c = "$dir/postfix";
		mkdir $_ for $c, "$c/data", "$c/queue";
		chown scalar(getpwnam 'postfix'), -1, "$c/data";
		spew("$c/main.cf", <<END, 0644);
compatibility_level = 3.6
myhostname = mail.example.org
mydestination = example.org
inet_interfaces = loopback-only
queue_directory = $c/queue
data_directory = $c/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_spool_directory = $dir/mail
maillog_file = $c/log
maillog_file_prefixes = $dir
alias_maps =
local_recipient_maps =
mailbox_delivery_lock = fcntl, dotlock
biff = no
END
		spew("$c/master.cf", <<END, 0644);
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
local unix - n n - - local
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
END
		begin();
		my @send = map { "cat $c/m$_ | sendmail -C $c -i -f a\@x.test " .
		    "bob\@example.org" } 0 .. $#body;
		spew("$c/m$_", raw($_, 1), 0644) for 0 .. $#body;
		# In order: the next when the last is there.
		my ($st, $out) = inside({ seconds => 200 }, 0, 'sh', '-c', join "\n",
		    "postfix -c $c start || exit 1",
		    (map { "$send[$_] || exit 1\n" .
		    'i=0; until grep -q "^Subject: written-' . $_ . "\\\$\" $box; " .
		    'do i=$((i + 1)); [ $i -lt 600 ] || break; sleep 0.1; done' }
		    0 .. $#body), "postfix -c $c stop; exit 0");
		is($st, 0, 'Postfix delivers') or diag($out);
		# Postfix' log, when something is missing.
		shows('Postfix') or diag(-e "$c/log" ? slurp("$c/log") : 'no log');
	}
}
is($pp->stop, 0, 'all ends in order');
done_testing;
