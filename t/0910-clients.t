#!/usr/bin/perl
# Programs that nobody here wrote send and fetch: swaks, curl, msmtp, mpop,
# fetchmail, getmail, s-nail, mutt, Net::SMTP, Net::POP3, Python's smtplib and
# poplib.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->start(rsa => 1);
my $at = $pp->addr;
my %port = map { $_ => $pp->port($_) } qw(mx submission smtps pop3 pop3s);
my ($cert) = $pp->certificate('ecdsa');
my $home = "$pp->{dir}/client";
mkdir $home;
my %env = (HOME => $home, LC_ALL => 'C');
my $n = 0;

# One message with a body of its own; sent by the code, it must be in bob's
# mailbox afterwards.
sub sends {
	my ($name, $code) = @_;
	my $subject = "client " . ++$n;
	my $text = "From: alice\@example.org\nTo: bob\@example.org\n" .
	    "Subject: $subject\n\n.leading dot\nFrom the first\n8-bit: \xe9\n" .
	    "end of $subject\n";
	spew("$home/message", $text);
	my ($st, $out) = $code->("$home/message", $text);
	is($st, 0, "$name sends") or diag($out);
	ok(wait_for(5, sub { $pp->mbox('bob') =~ /^end of \Q$subject\E$/m }),
	    'and it is in the mailbox');
	my ($stored) = $pp->mbox('bob') =~ /(.*^end of \Q$subject\E\n)/ms;
	$stored = substr($stored // '', -100);
	like($stored, qr/^\.leading dot\n>From the first\n8-bit: \xe9\nend of \Q$subject\E\n\z/m,
	    'as it was');
	return $out;
}
# Fetches; what came must have all messages so far.
sub fetches {
	my ($name, $code) = @_;
	$pp->pop3_free('bob'); # not each of them waits for its QUIT
	my ($st, $out) = $code->();
	is($st, 0, "$name fetches") or diag($out);
	$out =~ s/\r//g;
	my @got = $out =~ /^end of client (\d+)$/mg;
	is("@got", join(' ', 1 .. $n), 'all messages') or diag($out);
	like($out, qr/^From the first$/m, 'unquoted') unless $name =~ /mpop/;
}

SKIP: {
	skip 'swaks is not installed', 6 unless have('swaks');
	for my $tls ([], [ '-tls' ], [ '-tlsc' ]) {
		my $p = "@$tls" eq '-tlsc' ? $port{smtps} : $port{submission};
		sends("swaks @$tls", sub {
			run({ env => \%env }, 'swaks', '--server', "$at:$p",
			    @$tls, '-f', 'alice@example.org', '-t',
			    'bob@example.org', '-au', 'alice', '-ap',
			    'alice-pass', '-a', @$tls ? 'PLAIN' : 'LOGIN',
			    '--data', "\@$_[0]");
		});
	}
	my ($st, $out) = run({ env => \%env }, 'swaks', '--server',
	    "$at:$port{mx}", '-f', 'a@b.test', '-t', 'nobody@example.org',
	    '-tls', '--pipeline');
	like($out, qr/550 5\.1\.1/, 'swaks: unknown user');
}
SKIP: {
	skip 'curl is not installed', 4 unless have('curl');
	my @send = ('curl', '-sS', '--crlf', '--mail-from', 'alice@example.org',
	    '--mail-rcpt', 'bob@example.org', '-T');
	sends('curl smtp://', sub {
		run({ env => \%env }, @send, $_[0], "smtp://$at:$port{mx}") });
	sends('curl smtp:// with STARTTLS and AUTH', sub {
		run({ env => \%env }, @send, $_[0], '--ssl-reqd', '--cacert',
		    $cert, '-u', 'alice:alice-pass',
		    "smtp://$at:$port{submission}") });
	sends('curl smtps://', sub {
		run({ env => \%env }, @send, $_[0], '--cacert', $cert,
		    '-u', 'alice:alice-pass', "smtps://$at:$port{smtps}") });
}
SKIP: {
	skip 'msmtp is not installed', 4 unless have('msmtp');
	for my $tls ([ $port{submission}, 'on', 'on' ],
	    [ $port{smtps}, 'on', 'off' ], [ $port{submission}, 'off', 'off' ]) {
		my ($p, $on, $starttls) = @$tls;
		sends("msmtp, tls $on, starttls $starttls", sub {
			run({ env => \%env, input => $_[1] }, 'msmtp',
			    '--file=/dev/null', "--host=$at", "--port=$p",
			    '--auth=plain', '--user=alice',
			    '--passwordeval=echo alice-pass',
			    '--from=alice@example.org', "--tls=$on",
			    "--tls-starttls=$starttls",
			    $on eq 'on' ? "--tls-trust-file=$cert" : (),
			    '--', 'bob@example.org');
		});
	}
}
SKIP: {
	skip 'Net::SMTP is not there', 2 unless have('Net::SMTP');
	for my $ssl ('plain', 'starttls', 'smtps') {
		next if $ssl ne 'plain' && !have('IO::Socket::SSL');
		next if $ssl eq 'smtps' && !have('Authen::SASL');
		sends("Net::SMTP $ssl", sub {
			my $s = Net::SMTP->new($at, Port => $ssl eq 'smtps' ?
			    $port{smtps} : $port{mx}, Timeout => 90,
			    Hello => 'c.test', SSL => $ssl eq 'smtps',
			    SSL_verify_mode => 0) or return (1, "connect: $@");
			$s->starttls(SSL_verify_mode => 0)
			    or return (1, $s->message) if $ssl eq 'starttls';
			$s->auth('alice', 'alice-pass')
			    or return (1, $s->message) if $ssl eq 'smtps';
			$s->mail('alice@example.org', Bits => 8)
			    && $s->to('bob@example.org') && $s->data($_[1])
			    && $s->quit or return (1, $s->message);
			return (0, '');
		});
	}
}
my $python = have('/usr/bin/python3') ? '/usr/bin/python3' : have('python3');
SKIP: {
	skip 'python3 is not installed', 4 unless $python;
	for my $how (qw(plain starttls ssl)) {
		sends("smtplib $how", sub {
			run({ env => \%env }, $python, '-c', <<'END',
import smtplib, ssl, sys
how, host, port, file = sys.argv[1:]
ctx = ssl._create_unverified_context()
if how == 'ssl':
    s = smtplib.SMTP_SSL(host, int(port), timeout=90, context=ctx)
else:
    s = smtplib.SMTP(host, int(port), timeout=90)
if how == 'starttls':
    s.starttls(context=ctx)
s.login('alice', 'alice-pass')
text = open(file, 'rb').read().replace(b'\n', b'\r\n')
refused = s.sendmail('alice@example.org', ['bob@example.org'], text)
assert refused == {}, refused
assert s.verify('bob')[0] in (250, 252)
s.quit()
END
			    $how, $at, $how eq 'ssl' ? $port{smtps} :
			    $port{submission}, $_[0]);
		});
	}
}
cmp_ok($n, '>', 0, 'something was sent');

# ---- fetching ----
SKIP: {
	skip 'curl is not installed', 3 unless have('curl');
	for my $how ([ "pop3://$at:$port{pop3}" ],
	    [ "pop3://$at:$port{pop3}", '--ssl-reqd', '--cacert', $cert ],
	    [ "pop3s://$at:$port{pop3s}", '--cacert', $cert ]) {
		my ($url, @tls) = @$how;
		fetches("curl $url @tls[0 .. ($#tls < 0 ? -1 : 0)]", sub {
			my ($st, $all) = (0, '');
			for my $i (1 .. $n) {
				my ($one, $out) = run({ env => \%env }, 'curl',
				    '-sS', @tls, '-u', 'bob:bob-pass',
				    "$url/$i");
				$st = $one if $one ne '0';
				$all .= $out;
			}
			return ($st, $all);
		});
	}
}
SKIP: {
	skip 'Net::POP3 is not there', 2 unless have('Net::POP3');
	for my $ssl ('plain', 'stls', 'pop3s') {
		next if $ssl ne 'plain' && !have('IO::Socket::SSL');
		fetches("Net::POP3 $ssl", sub {
			my $p = Net::POP3->new($at, Port => $ssl eq 'pop3s' ?
			    $port{pop3s} : $port{pop3}, Timeout => 90,
			    SSL => $ssl eq 'pop3s', SSL_verify_mode => 0)
			    or return (1, "connect: $@");
			$p->starttls(SSL_verify_mode => 0)
			    or return (1, $p->message) if $ssl eq 'stls';
			my $count = $p->login('bob', 'bob-pass')
			    // return (1, $p->message);
			my $all = join '', map { join '', @{ $p->get($_) } }
			    sort { $a <=> $b } keys %{ $p->list };
			my $ids = $p->uidl;
			return (1, 'uidl') if keys %$ids != $count;
			$p->top(1, 2) && $p->ping('bob');
			$p->quit;
			return (0, $all);
		});
	}
}
SKIP: {
	skip 'python3 is not installed', 3 unless $python;
	for my $how (qw(plain stls ssl)) {
		fetches("poplib $how", sub {
			run({ env => \%env }, $python, '-c', <<'END',
import poplib, ssl, sys
how, host, port = sys.argv[1:]
ctx = ssl._create_unverified_context()
if how == 'ssl':
    p = poplib.POP3_SSL(host, int(port), timeout=90, context=ctx)
else:
    p = poplib.POP3(host, int(port), timeout=90)
if how == 'stls':
    p.stls(context=ctx)
caps = p.capa()
assert 'UIDL' in caps, caps
p.user('bob')
p.pass_('bob-pass')
count, size = p.stat()
assert len(p.list()[1]) == count
assert len(p.uidl()[1]) == count
total = 0
for i in range(1, count + 1):
    lines = p.retr(i)[1]
    total += sum(len(l) + 2 for l in lines)
    sys.stdout.buffer.write(b'\n'.join(lines) + b'\n')
    assert p.top(i, 0)[1]
assert total == size, (total, size)
p.noop()
p.rset()
p.quit()
END
			    $how, $at, $how eq 'ssl' ? $port{pop3s} :
			    $port{pop3});
		});
	}
}
SKIP: {
	skip 'fetchmail is not installed', 4 unless have('fetchmail');
	spew("$home/deliver", "#!/bin/sh\nexec cat >>$home/fetched\n", 0755);
	my $fetch = sub {
		my ($p, $options, @args) = @_;
		my $protocol = $options =~ s/^apop // ? 'apop' : 'pop3';
		spew("$home/fetchmailrc", "set no syslog\n" .
		    "poll $at protocol $protocol port $p uidl timeout 90 " .
		    "username bob password bob-pass $options\n" .
		    "mda '$home/deliver'\n", 0600);
		spew("$home/fetched", '');
		my ($st, $out) = run({ env => { %env, FETCHMAILHOME => $home } },
		    'fetchmail', '-f', "$home/fetchmailrc", '--nodetach', @args);
		return ($st, slurp("$home/fetched") || $out);
	};
	unlink "$home/.fetchids", "$home/fetchids";
	my $plain = "sslproto ''";
	fetches('fetchmail, keep', sub {
		$fetch->($port{pop3}, "$plain keep") });
	my ($st, $out) = $fetch->($port{pop3}, "$plain keep");
	is($st, 1, 'fetchmail knows by UIDL what it has fetched') or diag($out);
	is(slurp("$home/fetched"), '', 'and fetches it no more');
	fetches('fetchmail, all, STLS', sub {
		$fetch->($port{pop3}, "keep fetchall sslproto 'auto' " .
		    "sslcertfile $cert sslcommonname mail.example.org") });
	fetches('fetchmail, pop3s', sub {
		$fetch->($port{pop3s}, "keep fetchall ssl sslcertfile $cert " .
		    'sslcommonname mail.example.org') });
	# For APOP there must be the password itself; only here, as other
	# programs take what is offered.
	spew("$pp->{dir}/secrets", "bob:{PLAIN}bob-pass\n", 0600);
	$pp->write_config('pop3d', apop => 'yes',
	    secrets => "$pp->{dir}/secrets");
	$pp->reload_done('pop3d', 'APOP is offered');
	fetches('fetchmail, APOP', sub {
		$fetch->($port{pop3}, "apop $plain keep fetchall") });
	like($pp->log('pop3d'), qr/user=<bob>, method=APOP,/, 'by APOP');
	$pp->write_config('pop3d', apop => undef, secrets => undef);
	$pp->reload_done('pop3d', 'and no more');
	# What was seen, by the last message asked for, is flushed.
	my $before = $pp->mbox('bob');
	fetches('fetchmail, flush', sub {
		$fetch->($port{pop3}, "$plain fetchall nokeep flush") });
	$pp->pop3_free('bob');
	is($pp->mbox('bob'), '', 'flush leaves nothing');
	spew($pp->mailbox('bob'), $before, 0600);
	chown $pp->user_uid('bob'), $pp->user_gid('bob'), $pp->mailbox('bob')
	    if Pennypost::is_root();
}
SKIP: {
	skip 'getmail is not installed', 4 unless have('getmail');
	# It delivers nothing as root.
	my @as = Pennypost::is_root() ? ('setpriv', '--reuid', 65534,
	    '--regid', 65534, '--clear-groups') : ();
	chmod 0755, $home;
	my $getmail = sub {
		run({ env => \%env }, @as, 'getmail',
		    "--getmaildir=$home/getmail", '--rcfile=rc');
	};
	my $fetch = sub {
		my ($ssl) = @_;
		mkdir "$home/getmail", 0700;
		unlink glob "$home/getmail/*";
		spew("$home/getmail/mbox", '', 0600);
		spew("$home/getmail/rc", "[retriever]\n" .
		    'type = SimplePOP3' . ($ssl ? 'SSL' : '') .
		    "Retriever\nserver = $at\ntimeout = 30\nport = " .
		    ($ssl ? $port{pop3s} : $port{pop3}) .
		    "\nusername = bob\npassword = bob-pass\n" .
		    ($ssl ? "ca_certs = $cert\n" : '') .
		    "[destination]\ntype = Mboxrd\n" .
		    "path = $home/getmail/mbox\n[options]\n" .
		    "read_all = false\ndelete = false\n" .
		    "delivered_to = false\nreceived = false\n", 0600);
		chown 65534, 65534, "$home/getmail", glob "$home/getmail/*"
		    if @as;
		return $getmail->();
	};
	for my $ssl (0, 1) {
		fetches('getmail, ' . ($ssl ? 'pop3s' : 'pop3'), sub {
			my ($st, $out);
			# It hangs until its timeout when the child that has
			# written a message ends before it waits for that: a
			# race of its own (6.18), so then it begins anew.
			for (1 .. 8) {
				($st, $out) = $fetch->($ssl);
				last if $out !~ /waiting child pid \d+ timed out/;
			}
			my $got = slurp("$home/getmail/mbox") =~
			    s/^>(>*From )/$1/gmr;
			return ($st, $got || $out);
		});
		my ($st, $out) = $getmail->();
		like($out, qr/\b0 messages \(0 bytes\) retrieved/,
		    'getmail knows what it has fetched');
	}
}
SKIP: {
	skip 's-nail is not installed', 2 unless have('s-nail');
	fetches('s-nail pop3://', sub {
		unlink "$home/snail";
		my ($st, $out) = run({ env => \%env,
		    input => "copy * $home/snail\nx\n" }, 's-nail', '-:/', '-R',
		    '-S', 'v15-compat', '-S', 'pop3-auth=plain',
		    '-f', "pop3://bob:bob-pass\@$at:$port{pop3}");
		my $got = -e "$home/snail" ? slurp("$home/snail") : '';
		return ($st, $got ? $got =~ s/^>(>*From )/$1/gmr : $out);
	});
}
SKIP: {
	skip 'no mutt or script', 2 unless have('mutt') && have('script');
	fetches('mutt pop://', sub {
		unlink "$home/mutt.mbox";
		spew("$home/muttrc", "set quit=yes confirmappend=no mark_old=no\n" .
		    "set folder=$home record= header_cache= sleep_time=0\n" .
		    "set pop_pass=bob-pass pop_authenticators=user\n" .
		    "set pop_delete=no pop_checkinterval=600 mail_check=600\n" .
		    "set ssl_starttls=no ssl_force_tls=no wait_key=no\n" .
		    "set confirmcreate=no auto_tag=yes mbox_type=mbox move=no\n" .
		    "push '<tag-pattern>~A<enter><tag-prefix><decode-copy>" .
		    "$home/mutt.mbox<enter><exit>'\n");
		my ($st, $out) = run({ env => { %env, TERM => 'vt100' } },
		    'script', '-qec', "mutt -F $home/muttrc -R -f " .
		    "pop://bob\@$at:$port{pop3}/", '/dev/null');
		my $got = -e "$home/mutt.mbox" ? slurp("$home/mutt.mbox") : '';
		return ($st, $got ? $got =~ s/^>(>*From )/$1/gmr : $out);
	});
}
SKIP: {
	skip 'mpop is not installed', 4 unless have('mpop');
	for my $tls ([ $port{pop3}, 'off', 'off' ], [ $port{pop3}, 'on', 'on' ],
	    [ $port{pop3s}, 'on', 'off' ]) {
		my ($p, $on, $stls) = @$tls;
		my $last = "$p$on$stls" eq "$port{pop3s}onoff";
		fetches("mpop, tls $on, starttls $stls", sub {
			unlink "$home/mbox", "$home/uidls";
			my ($st, $out) = run({ env => \%env }, 'mpop',
			    '--file=/dev/null', "--host=$at", "--port=$p",
			    '--auth=user', '--user=bob',
			    '--passwordeval=echo bob-pass', "--tls=$on",
			    "--tls-starttls=$stls", '--received-header=off',
			    $on eq 'on' ? "--tls-trust-file=$cert" : (),
			    '--keep=' . ($last ? 'off' : 'on'),
			    "--uidls-file=$home/uidls",
			    "--delivery=mbox,$home/mbox");
			return ($st, $st eq '0' ? slurp("$home/mbox") : $out);
		});
	}
	$pp->pop3_free('bob');
	is($pp->mbox('bob'), '', 'mpop deleted all at the end');
}
done_testing;
