#!/usr/bin/perl
# On a clean Debian, made by debootstrap and booted: make install into its real
# root, mail in and out, an upgrade in place under load, make uninstall, and
# what is left; then the same with the package.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use File::Find ();
use Time::HiRes qw(sleep time);
use Pennypost;
use Pennypost::Boot;

$ENV{TEST_SECONDS} //= 600;
alarm $ENV{TEST_SECONDS};
need(qw(root systemd-nspawn debootstrap swaks mpop lintian));
plan(skip_all => 'the sanitizer wants another address space')
    if ($ENV{V} || 'plain') eq 'asan';
my $tmp = File::Temp->newdir('pennypost-clean.XXXXXX', DIR => '/tmp');
my $clean = $ENV{CLEAN_ROOT} || "$tmp/clean";
if (!-d $clean) {
	my ($st, $out) = run({ seconds => 280 }, 'debootstrap',
	    '--variant=minbase', '--include=systemd,libssl3,make', 'bookworm',
	    $clean, $ENV{DEBIAN_MIRROR} || 'http://deb.debian.org/debian');
	plan(skip_all => 'debootstrap: ' . substr $out, -200) if $st ne '0';
}
my ($st, $out) = run({ seconds => 280 }, 'make', '-s');
is($st, 0, 'make') or diag($out);
($st, $out) = run({ seconds => 280 }, 'make', '-s', 'deb');
is($st, 0, 'make deb') or diag($out);
my ($deb) = $out =~ /^(\S+\.deb)$/m;
($st, $out) = run('lintian', '--fail-on', 'error', $deb);
is($st, 0, 'lintian finds no error') or diag($out);

for my $how ([ 'make install', sub { make($_[0], 'install') },
    sub { make($_[0], 'uninstall') }, '/usr/local' ],
    [ 'make install with useradd', sub { make($_[0], 'install') },
	sub { make($_[0], 'uninstall') }, '/usr/local' ],
    [ 'dpkg', sub { $_[0]->run('dpkg', '-i', '/tmp/p.deb') },
    sub { $_[0]->run('dpkg', '-r', 'pennypost') }, '/usr' ]) {
	whole_life(@$how);
}
done_testing;

# The tree, as it is built, is at /tmp/src there.
sub make {
	my ($m, @what) = @_;
	return $m->run('env', '-u', 'MAKEFLAGS', 'make', '-s', '-C', '/tmp/src',
	    @what);
}

sub whole_life {
	my ($name, $install, $remove, $prefix) = @_;
	my $m = Pennypost::Boot->overlay($clean);
	die "$m\n" unless ref $m;
	my $root = $m->root;
	my ($s, $o);
	for my $args ([ 'useradd', '-R', $root, '-m', 'dora' ],
	    [ 'mkdir', '-p', "$root/etc/ssl/pp" ],
	    [ 'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
		'ec_paramgen_curve:prime256v1', '-nodes', '-days', 30, '-subj',
		'/CN=mail.example.org', '-keyout', "$root/etc/ssl/pp/key.pem",
		'-out', "$root/etc/ssl/pp/cert.pem" ]) {
		($s, $o) = run(@$args);
		is($s, 0, "$name: $args->[0]") or diag($o);
	}
	run({ input => "dora:dora-pass\n" }, 'chpasswd', '-R', $root);
	my $why = $m->boot;
	is($why, '', "$name: it boots") or return;
	# /tmp is its own there.
	my $there = "/proc/$m->{init}/root" . "/tmp";
	run('cp', '-a', '.', "$there/src");
	run('cp', $deb, "$there/p.deb");
	unlink "$root/usr/bin/systemd-sysusers" if $name =~ /useradd/;
	my %before = map { $_ => 1 } tree($root);
	($s, $o) = $install->($m);
	is($s, 0, "$name: installed") or diag($o);
	($s, $o) = $m->run('getent', 'passwd', 'pennypost-queue');
	is($s, 0, 'there are users');
	($s, $o) = $m->run('stat', '-c', '%U %a', '/var/spool/pennypost');
	is($o, "pennypost-queue 700\n", 'and the queue, which is theirs');
	($s, $o) = $m->run("$prefix/sbin/smtpd", '-t');
	isnt($s, 0, 'the sample says that there is something to be done');
	like($o, qr/tls_certificate|postmaster/, 'and what');
	for my $d (qw(smtpd pop3d)) {
		my $c = slurp("$root/etc/pennypost/$d.conf");
		$c =~ s{^tls_certificate .*}{tls_certificate /etc/ssl/pp/cert.pem /etc/ssl/pp/key.pem}m;
		$c =~ s{^#?postmaster .*}{postmaster dora}m;
		spew("$root/etc/pennypost/$d.conf", "# mine\n$c");
		($s, $o) = $m->run("$prefix/sbin/$d", '-t');
		is($s, 0, "$d -t") or diag($o);
	}
	($s, $o) = $m->run(qw(systemctl enable --now smtpd pop3d));
	is($s, 0, "$name: systemctl enable --now") or diag($o,
	    $m->journal('smtpd'), $m->journal('pop3d'));
	mail($m, $prefix, 'one');
	upgrade($m, $install);
	mail($m, $prefix, 'two');
	# The end.
	$m->run(qw(systemctl disable --now smtpd pop3d));
	($s, $o) = $remove->($m);
	is($s, 0, "$name: removed") or diag($o);
	my @left = grep { !$before{$_} &&
	    !m{^/(?:etc/(?:pennypost/|aliases$)|var/(?:spool|mail|log|cache|lib)/|home/|tmp/|
		run/)}x && !m{^/etc/(?:passwd|shadow|group|gshadow)-?$} }
	    tree($root);
	is("@left", '', "$name: nothing is left but configuration and state");
	like(slurp("$root/etc/pennypost/smtpd.conf"), qr/^# mine/,
	    'the configuration is');
	like(slurp("$root/var/mail/dora"), qr/^Subject: two/m,
	    'the mail is');
	ok(-d "$root/var/spool/pennypost", 'the queue is');
}

sub tree {
	my $root = shift;
	my @f;
	File::Find::find({ no_chdir => 1, wanted => sub {
		if ($_ =~ m{^\Q$root\E/(?:proc|sys|dev|run|tmp)$}) {
			$File::Find::prune = 1;
		} elsif (!-d $_ || -l $_) {
			push @f, substr $_, length $root;
		}
	} }, $root);
	return @f;
}

# By the installed sendmail, as a user and as cron for root; out with mpop.
sub mail {
	my ($m, $prefix, $subject) = @_;
	for (['dora', 'dora@example.org', ''], ['root', 'root', '-root']) {
		my ($who, $to, $suffix) = @$_;
		my ($s, $o) = $m->run({ input => "From: $who\nTo: $to\n" .
		    "Subject: $subject$suffix\n\nx\n" }, 'runuser', '-u', $who,
		    '--', "$prefix/sbin/sendmail", '-i', $to);
		is($s, 0, "sendmail of $who sends $subject") or diag($o);
	}
	my ($s, $o) = $m->run("$prefix/bin/mailq");
	is($s, 0, 'mailq') or diag($o);
	ok(wait_for(30, sub { ($m->run("$prefix/bin/mailq"))[1] =~ /is empty/ }),
	    'the queue becomes empty');
	is(($m->run("$prefix/bin/newaliases"))[0], 0, 'newaliases');
	is(($m->run('/usr/lib/sendmail', '-bv', 'dora@example.org'))[0], 0,
	    '/usr/lib/sendmail') if $prefix eq '/usr';
	($s, $o) = $m->client('swaks', '--server', '127.0.0.1:587', '-tls',
	    '-au', 'dora', '-ap', 'dora-pass', '-f', 'dora@example.org', '-t',
	    'dora@example.org', '--header', "Subject: $subject-swaks");
	is($s, 0, "swaks sends $subject") or diag($o);
	($s, $o) = $m->client({ env => { HOME => "$tmp" } }, 'mpop',
	    '--host=127.0.0.1', '--port=995', '--tls=on', '--tls-starttls=off',
	    '--tls-certcheck=off', '--auth=user', '--user=dora',
	    '--passwordeval=echo dora-pass', '--keep=on',
	    "--uidls-file=$tmp/uidls.$subject",
	    "--delivery=mbox,$tmp/$subject.mbox");
	is($s, 0, "mpop fetches $subject") or diag($o);
	for my $how ('', '-root', '-swaks') {
		like(slurp("$tmp/$subject.mbox"), qr/^Subject: $subject$how\r?$/m,
		    "and there $subject$how is");
	}
}

# Clients all the while, and sessions that are open.
sub upgrade {
	my ($m, $install) = @_;
	my %pid = map { $_ => $m->property($_, 'MainPID') } qw(smtpd pop3d);
	my $stop = "$tmp/stop";
	unlink $stop;
	pipe my $r, my $w or die;
	my @load;
	for my $port (25, 110) {
		my $p = fork // die;
		if ($p == 0) {
			my ($good, $bad) = (0, 0);
			while (!-e $stop) {
				my $o = ($m->client({ input =>
				    "NOOP\r\nQUIT\r\n" }, 'sh', '-c',
				    "(sleep 0.3; cat) | nc -w 20 127.0.0.1 $port"))[1];
				$o =~ /^(?:221 |\+OK (?!.*ready))/m ? $good++ : $bad++;
			}
			print $w "$good $bad\n";
			close $w;
			POSIX::_exit(0);
		}
		push @load, $p;
	}
	close $w;
	# One session that is longer than all of it.
	my $long = fork // die;
	if ($long == 0) {
		my $o = ($m->client('sh', '-c', "(while [ ! -e $stop ]; do " .
		    "sleep 0.2; printf 'NOOP\\r\\n'; done; printf " .
		    "'QUIT\\r\\n'; sleep 1) | nc -w 20 127.0.0.1 25"))[1];
		POSIX::_exit($o =~ /^221 /m ? 0 : 1);
	}
	sleep 1;
	my ($s, $o) = $install->($m);
	is($s, 0, 'installed over itself') or diag($o);
	for my $d (qw(smtpd pop3d)) {
		if ($m->property($d, 'MainPID') == $pid{$d}) {
			($s, $o) = $m->run('sh', '-c', "exec $d -u");
			is($s, 0, "$d -u") or diag($o);
		}
		ok(wait_for(5, sub { $m->property($d, 'MainPID') != $pid{$d} }),
		    "$d: a new process");
	}
	sleep 1;
	spew($stop, '');
	for (@load) {
		my ($good, $bad) = split ' ', scalar <$r>;
		is($bad, 0, 'no client was lost of ' . ($good + $bad));
		cmp_ok($good, '>', 1, 'of several');
	}
	waitpid $_, 0 for @load;
	waitpid $long, 0;
	is($?, 0, 'a session went on all through it');
}
