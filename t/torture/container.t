#!/usr/bin/perl
# The Containerfile is built, on a base that debootstrap made, as no registry is
# asked; both daemons run in it as the first process of a pid namespace, without
# root; mail goes in and comes out; SIGTERM ends them.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use POSIX qw(WNOHANG);
use Pennypost;

$ENV{TEST_SECONDS} //= 900;
alarm $ENV{TEST_SECONDS};
need(qw(root buildah debootstrap unshare swaks curl));
plan(skip_all => 'what is built in the container is not this variant')
    if ($ENV{V} || 'plain') ne 'plain';
my $owner = $$;
my $tmp = File::Temp->newdir('pennypost-container.XXXXXX', DIR => '/tmp');
chmod 0755, $tmp;
my @buildah = ('buildah', '--storage-driver', 'vfs', '--root', "$tmp/root",
    '--runroot', "$tmp/run");
sub buildah {
	my ($st, $out) = run({ seconds => 420 }, @buildah, @_);
	is($st, 0, "buildah $_[0]") or BAIL_OUT(substr $out, -2000);
	return $out =~ /(\S+)\s*\z/ ? $1 : '';
}

# ---- the image ----
my $mirror = $ENV{DEBIAN_MIRROR} || 'http://deb.debian.org/debian';
my $base = $ENV{CLEAN_ROOT} || "$tmp/base";
if (!-d $base) {
	my ($st, $out) = run({ seconds => 280 }, 'debootstrap',
	    '--variant=minbase', 'bookworm', $base, $mirror);
	plan(skip_all => 'debootstrap: ' . substr $out, -200) if $st ne '0';
}
my $c = buildah('from', 'scratch');
buildah('copy', '-q', $c, $base, '/');
buildah('commit', '-q', $c, 'localhost/base');
buildah('rm', $c);
buildah('bud', '-q', '--isolation', 'chroot', '--build-arg',
    'BASE=localhost/base', '-t', 'pennypost', '-f', 'Containerfile', '.');
my $config = (run(@buildah, 'inspect', '--type', 'image', '--format',
    '{{.OCIv1.Config.User}} {{.OCIv1.Config.Cmd}}', 'pennypost'))[1];
like($config, qr/^10025:10025 \[smtpd -e\]$/, 'it runs without root');
my $root = buildah('mount', buildah('from', 'localhost/pennypost'));
ok(-x "$root/usr/sbin/smtpd", 'the program is in it') or BAIL_OUT('no image');

# ---- what an administrator adds: files ----
my $etc = "$root/etc/pennypost";
my $hash = crypt('bob-pass', '$6$rounds=1000$pennypost$');
spew("$etc/users", "alice:!:10025:10025:Alice:/\nbob:$hash:10025:10025:Bob:/\n",
    0600);
my ($st, $out) = run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
    'ec_paramgen_curve:prime256v1', '-nodes', '-days', 30, '-subj',
    '/CN=mail.example.org', '-keyout', "$etc/key.pem", '-out',
    "$etc/cert.pem");
is($st, 0, 'a certificate') or diag($out);
chmod 0600, "$etc/key.pem";
chown 10025, 10025, "$etc/key.pem", "$etc/users";

# ---- both run ----
# As a container's engine starts them: the first of a pid namespace, in a network
# that has loopback alone, without any capability.
my %pid;
$pid{net} = fork // die;
if ($pid{net} == 0) {
	open STDIN, '<', '/dev/null';
	open STDOUT, '>', '/dev/null';
	alarm 0;
	no warnings;
	exec 'unshare', '--net', 'sleep', $ENV{TEST_SECONDS};
	POSIX::_exit(127);
}
END {
	local $?;
	if ($$ == $owner) {
		kill 'KILL', grep { $_ } values %pid;
		waitpid $_, 0 for grep { $_ } values %pid;
		# Devices, and files of all kinds of owners and modes.
		run('rm', '-rf', '--one-file-system', map { "$tmp/$_" }
		    qw(root run base));
	}
}
ok(wait_for(10, sub { slurp("/proc/$pid{net}/comm") eq "sleep\n" }),
    'a network');
my @in = ('nsenter', "--net=/proc/$pid{net}/ns/net");
is((run(@in, 'ip', 'link', 'set', 'lo', 'up'))[0], 0, 'with loopback');
my $enter = <<'END';
set -e
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
exec chroot "$0" setpriv --reuid=10025 --regid=10025 --clear-groups \
    --no-new-privs --bounding-set=-all --inh-caps=-all \
    env -i PATH=/usr/sbin:/usr/bin "$@"
END
for my $d (qw(smtpd pop3d)) {
	spew("$tmp/$d.log", '');
	$pid{$d} = fork // die;
	next if $pid{$d};
	POSIX::setsid();
	open STDIN, '<', '/dev/null';
	open STDOUT, '>', "$tmp/$d.log";
	open STDERR, '>&', \*STDOUT;
	alarm 0;
	no warnings;
	exec @in, 'unshare', '--pid', '--fork', '--kill-child', '--mount',
	    'sh', '-c', $enter, $root, $d, '-e';
	POSIX::_exit(127);
}
for my $d (qw(smtpd pop3d)) {
	ok(wait_for(20, sub { slurp("$tmp/$d.log") =~ /^$d: ready$/m }),
	    "$d is ready, and logs on its output")
	    or diag(slurp("$tmp/$d.log")), last;
	my @all = Pennypost::Proc::family($pid{$d}, $d);
	my %uid = map { (split ' ', (Pennypost::Proc::status($_->[0]) ||
	    {})->{Uid} // '?')[0] => 1 } grep { $_->[2] =~ /^$d/ } @all;
	is(join(' ', keys %uid), 10025, 'nobody of it is root');
}
($st, $out) = run(@in, 'swaks', '--server', '127.0.0.1:2587', '-tls', '-au',
    'bob', '-ap', 'bob-pass', '-f', 'bob@example.org', '-t',
    'bob@example.org', '--header', 'Subject: in a box');
is($st, 0, 'mail goes in') or diag($out, slurp("$tmp/smtpd.log"));
($st, $out) = run(@in, 'curl', '-sk', '--max-time', 20, '-u', 'bob:bob-pass',
    'pop3s://127.0.0.1:2995/1');
like($out, qr/^Subject: in a box\r?$/m, 'and comes out')
    or diag(slurp("$tmp/pop3d.log"));
like(slurp("$tmp/smtpd.log"), qr/: to=<bob\@example\.org>, .*status=sent/,
    'the log says so');
for my $d (qw(smtpd pop3d)) {
	# To the first process there, as an engine sends it.
	my ($first) = map { $_->[0] } grep { $_->[2] =~ /^\S*$d\b/ }
	    Pennypost::Proc::family($pid{$d}, $d);
	kill 'TERM', $first;
	ok(wait_for(20, sub { waitpid($pid{$d}, WNOHANG) == $pid{$d} }),
	    "SIGTERM ends $d");
	is($?, 0, 'in order') or diag(slurp("$tmp/$d.log"));
	delete $pid{$d};
}
done_testing;
