#!/usr/bin/perl
# Mail to other servers and back: Postfix and Exim, as Debian has them, take it
# from us by TLS and send it on to us again.  What comes back is, but for the
# trace, octet for octet what was sent.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Cwd;
use IO::Socket::INET;
use Pennypost;

plan skip_all => 'needs root' unless is_root();
need('IO::Socket::SSL');
my $pp = Pennypost->new;
my ($dir, $addr) = ($pp->dir, $pp->addr);
my $tools = cwd() . '/build/tools/usr';
my ($crt, $key) = $pp->certificate('ecdsa');
my %port = map { $_ => hold_port($addr) // die $! } qw(Postfix Exim);

# ---- a namespace in which a peer finds its files and users ----
my %id = (postfix => 64101, 'Debian-exim' => 64099);
my ($passwd, $group) = map { slurp($_) } '/etc/passwd', '/etc/group';
for my $u (sort keys %id) {
	$passwd =~ s/^\Q$u\E:.*\n//mg;
	$group =~ s/^\Q$u\E:.*\n//mg;
	$passwd .= "$u:x:$id{$u}:$id{$u}::/nonexistent:/bin/false\n";
	$group .= "$u:x:$id{$u}:\n";
}
$group =~ s/^postdrop:.*\n//mg;
spew("$dir/peers-passwd", $passwd, 0644);
spew("$dir/peers-group", $group . "postdrop:x:64102:\n", 0644);
my $lay = -d '/usr/lib/postfix/sbin' || !-d "$tools/lib/postfix" ? '' :
    "mount -t overlay overlay -o lowerdir=$tools:/usr /usr && ";
sub inside {
	return ('unshare', '-mpf', '--kill-child', 'sh', '-c',
	    "mount --bind $dir/peers-passwd /etc/passwd && " .
	    "mount --bind $dir/peers-group /etc/group && $lay" . 'exec "$@"', 'sh',
	    @_);
}
my @pids;
# With all that came of them: who changes its user outlives --kill-child.
sub end_peers {
	local $?;
	for my $pid (@pids) {
		kill 'KILL', map { $_->[0] }
		    reverse Pennypost::Proc::family($pid, 'x');
		waitpid $pid, 0;
	}
	@pids = ();
}
END { end_peers() }
sub begin {
	my ($name, @cmd) = @_;
	my @run = inside(@cmd);
	my $pid = fork // die;
	if ($pid == 0) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$dir/$name.out";
		open STDERR, '>&', \*STDOUT;
		{ no warnings; exec @run; }
		POSIX::_exit(127);
	}
	push @pids, $pid;
	return Pennypost::wait_for(60, sub {
		IO::Socket::INET->new(PeerAddr => $addr, PeerPort => $port{$name})
	});
}

# ---- us ----
$pp->write_config('smtpd', relay_networks => '127.0.0.0/8',
    relay_ip => 'ipv4', relay_tls => 'must', message_size_max => 30_000_000,
    retry_min => '1s', transport => [ map { "\L$_\E.example smtp:$addr:$port{$_}" }
	sort keys %port ]);
$pp->start;
my $back = $addr . ':' . $pp->port('mx');

sub postfix {
	my $c = "$dir/postfix";
	mkdir $_ for $c, "$c/data", "$c/queue";
	chown $id{postfix}, -1, "$c/data";
	spew("$c/main.cf", <<END, 0644);
compatibility_level = 3.6
local_header_rewrite_clients =
myhostname = mx.postfix.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
queue_directory = $c/queue
data_directory = $c/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
maillog_file = $c/log
maillog_file_prefixes = $dir
alias_maps =
local_recipient_maps =
virtual_alias_domains = postfix.example
virtual_alias_maps = inline:{{bob\@postfix.example=bob\@example.org}}
relayhost = [$addr]:@{[ $pp->port('mx') ]}
smtp_dns_support_level = disabled
smtp_tls_security_level = encrypt
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = $crt
smtpd_tls_key_file = $key
smtputf8_enable = yes
message_size_limit = 30000000
minimal_backoff_time = 1s
queue_run_delay = 1s
END
	spew("$c/master.cf", <<END, 0644);
$addr:$port{Postfix} inet n - n - - smtpd
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
END
	return ('postfix', '-c', $c, 'start-fg');
}
sub exim {
	my ($prog) = @_;
	mkdir "$dir/exim";
	spew("$dir/exim/key", slurp($key), 0600);
	chown $id{'Debian-exim'}, $id{'Debian-exim'}, "$dir/exim",
	    "$dir/exim/key";
	spew("$dir/exim.conf", <<END, 0644);
primary_hostname = mx.exim.example
domainlist local_domains = exim.example
local_interfaces = $addr
daemon_smtp_ports = $port{Exim}
keep_environment =
exim_path = $prog
spool_directory = $dir/exim
log_file_path = $dir/exim/%slog
pid_file_path = $dir/exim/pid
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
tls_certificate = $crt
tls_privatekey = $dir/exim/key
tls_advertise_hosts = *
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
accept_8bitmime
message_size_limit = 30M
acl_smtp_rcpt = acl_all
begin acl
acl_all:
  accept encrypted = *
begin routers
back:
  driver = redirect
  domains = exim.example
  data = \$local_part\@example.org
on:
  driver = manualroute
  domains = example.org
  route_list = * $addr
  self = send
  transport = remote
begin transports
remote:
  driver = smtp
  port = @{[ $pp->port('mx') ]}
  hosts_require_tls = *
  tls_verify_certificates =
begin retry
*	*	F,1h,1s
END
	return ($prog, '-C', "$dir/exim.conf", '-bdf', '-q5s');
}

# ---- messages ----
my %text = (
	plain => message('plain', '.', '..two', '. three', '', 'end'),
	eight => message('eight') . "gr\xc3\xbc\xc3\x9fe \xff\xfe\r\n.\xe9\r\n",
	long => message('long', 'x' x 990, 'From here', '>From there', ' ', "\t"),
	large => message('large') .
	    join('', map { "$_ " . '.abc=' x 14 . "\xa0\r\n" } 1 .. 60_000),
	utf8 => message('utf8') . "gr\xc3\xbc\xc3\x9fe\r\n",
);
sub hand_in {
	my ($to, $from, $params, $rcpt, $text) = @_;
	my $s = $pp->smtp;
	$s->cmd('EHLO c.test');
	$s->cmd("MAIL FROM:<$from>$params");
	$s->cmd("RCPT TO:<$to>$rcpt");
	$s->cmd('DATA');
	my $r = $s->data($text);
	$s->cmd('QUIT');
	return $r;
}
# All that bob got, without what was put on top.
sub got {
	my $size = -s $pp->mailbox('bob') or return;
	return map { [ Pennypost::sent_part($_) ] } $pp->fetch('bob');
}
sub round_trip {
	my ($name) = @_;
	my $to = "bob\@\L$name\E.example";
	my %mail = (plain => [ '', '' ], eight => [ ' BODY=8BITMIME', '' ],
	    long => [ '', '' ], large => [ ' BODY=8BITMIME', '' ],
	    utf8 => [ ' SMTPUTF8 BODY=8BITMIME', '' ]);
	Pennypost::spew($pp->mailbox('bob'), '', 0600);
	chown $pp->user_uid('bob'), $pp->user_gid('bob'), $pp->mailbox('bob');
	for my $m (sort keys %mail) {
		my $from = $m eq 'utf8' ? "j\xc3\xb6rg\@b\xc3\xbccher.example" :
		    'alice@example.org';
		like(hand_in($to, $from, @{ $mail{$m} }, $text{$m}), qr/^250/,
		    "$name: $m is taken");
	}
	my $n = keys %mail;
	ok(Pennypost::wait_for(90, sub {
		$n == (() = $pp->log('smtpd') =~ /to=<\Q$to\E>, .*status=sent/g) }),
	    "$name takes all of them")
	    or return diag(join "\n", grep { /status=(?:def|bou)/ }
		split /\n/, $pp->log('smtpd'));
	my @got;
	ok(Pennypost::wait_for(90, sub { (@got = got()) >= $n }),
	    "$name sends all of them back") or return diag(trouble($name));
	for my $m (sort keys %mail) {
		is(scalar(grep { $_->[1] eq $text{$m} } @got), 1,
		    "$name: $m, octet for octet");
	}
	is(scalar @got, $n, "$name: each once");
	is(scalar(grep { $_->[0] =~ /ESMTPS|UTF8SMTPS/ } @got), $n,
	    "$name: by TLS");
	return 1;
}
sub trouble {
	my ($name) = @_;
	return join "\n", map { -e $_ ? slurp($_) =~ s/\A.*?(.{0,3000})\z/$1/sr : () }
	    "$dir/$name.out", "$dir/postfix/log", "$dir/exim/mainlog",
	    "$dir/exim/paniclog";
}
sub alice { $pp->mbox('alice') // '' }
# Has alice a report that says this of that recipient?  Exim names the recipient
# behind the action unless there is an ORCPT.
sub reported {
	my ($to, $action) = @_;
	return grep {
		/^(?:Final|Original)-Recipient: rfc822; ?\Q$to\E$/mi &&
		/^Action: (?:$action)$/mi
	} split /\n\n/, alice();
}
sub reports {
	my ($name) = @_;
	my $to = "bob\@\L$name\E.example";
	my ($us, $it) = ("$name-env", "b\@\L$name\E.orig.example");
	like(hand_in($to, 'alice@example.org', " RET=HDRS ENVID=$us",
	    " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;$it",
	    message("told $name")), qr/^250/, "$name: one with DSN");
	# Both of them may report, at different times.
	ok(Pennypost::wait_for(60, sub {
		reported($it, 'delivered|expanded|relayed') }),
	    "$name: its sender hears that it arrived, ORCPT came along")
	    or diag(alice(), trouble($name));
	# Exim's reports leave it out.
	like(alice(), qr/^Original-Envelope-Id: \Q$us\E/m,
	    "$name: so did ENVID") if $name eq 'Postfix';
	# It is of this turn, whoever reported first.
	ok(Pennypost::wait_for(60, sub {
		$pp->mbox('bob') =~ /^Subject: told \Q$name\E$/m }),
	    "$name: and it is there");
	like(hand_in("nobody\@\L$name\E.example", 'alice@example.org', '', '',
	    message('lost')), qr/^250/, "$name: one for nobody");
	ok(Pennypost::wait_for(60, sub {
		reported("nobody\@\L$name\E.example", 'failed') }),
	    "$name: its sender hears that it did not")
	    or diag(alice(), trouble($name));
}

SKIP: {
	my ($st, $out) = run(inside('true'));
	skip "no mount namespace: $out", 1 if $st ne '0';
	for my $name (sort keys %port) {
		my $exim = have('exim4') || "$tools/sbin/exim4";
		my @cmd = $name eq 'Exim' ? exim($exim) : postfix();
		my @try = $name eq 'Exim' ? ($exim, '-C',
		    "$dir/exim.conf", '-bV') : ('postconf', '-d',
		    'mail_version');
		SKIP: {
			skip "$name is not installed", 1
			    if (run(inside(@try)))[0] ne '0';
			ok(begin($name, @cmd), "$name is up") or diag(trouble($name)),
			    next;
			round_trip($name) and reports($name);
		}
	}
}
end_peers();
is($pp->stop('smtpd'), 0, 'all end in order');
done_testing;
