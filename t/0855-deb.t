#!/usr/bin/perl
# make deb: lintian finds no error in the package, it provides what a mail
# server does, and the programs in it look where Debian has things.  What
# becomes of it on a clean Debian is in t/torture/install.t.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

need(qw(dpkg-deb dpkg-shlibdeps lintian));
alarm 1800; # it builds all again
plan(skip_all => 'the package is of the plain programs')
    if ($ENV{V} || 'plain') ne 'plain';
my $tmp = File::Temp->newdir('pennypost-deb.XXXXXX',
    DIR => $ENV{TMPDIR} || '/tmp');
# A build of its own, as fast as it can be.
my ($st, $out) = run({ seconds => 900 }, 'env', '-u', 'MAKEFLAGS', '-u',
    'MAKELEVEL', '-u', 'O', 'make', '-s', '-j2', 'deb', "B=$tmp/build",
    'CFLAGS=-O0');
is($st, 0, 'make deb') or diag($out);
my ($deb) = $out =~ /^(\S+\.deb)$/m;
ok($deb && -s $deb, 'says where it is') or do {
	done_testing;
	exit;
};

($st, $out) = run({ env => { HOME => "$tmp", TMPDIR => "$tmp" },
    seconds => 600 }, 'lintian', '--fail-on', 'error', $deb);
is($st, 0, 'lintian finds no error') or diag($out);
unlike($out, qr/^E: /m, 'and prints none');

sub field { (run('dpkg-deb', '-f', $deb, shift))[1] =~ s/\n\z//r }
is(field('Package'), 'pennypost', 'its name');
my ($version) = slurp('common/version.h') =~ /VERSION "(.*?)"/;
is(field('Version'), $version, 'its version');
is(field('Provides'), 'mail-transport-agent', 'it provides a mail server');
like(field('Conflicts'), qr/\bmail-transport-agent\b/,
    'and conflicts with others');
like(field('Depends'), qr/\blibssl3\S* \(>= 3\.[^)]*\).*\blibcrypt1\b|
    \blibcrypt1\b.*\blibssl3/x, 'it depends on its libraries');

($st, $out) = run('dpkg-deb', '-c', $deb);
my %is = map { m{^(\S+) (\S+) .* \./(\S*?)(?: -> (\S+))?$} ?
    ("/$3" => [ $1, $2, $4 ]) : () } split /\n/, $out;
for my $f (qw(/usr/sbin/smtpd /usr/sbin/pop3d /usr/sbin/pennyctl
    /usr/sbin/sendmail)) {
	is_deeply($is{$f}, [ '-rwxr-xr-x', 'root/root', undef ],
	    "$f: root's, and set-uid for nobody");
}
for my $f (qw(/usr/lib/sendmail /usr/bin/mailq /usr/bin/newaliases
    /etc/pennypost/smtpd.conf /usr/share/man/man8/smtpd.8.gz
    /usr/lib/systemd/system/smtpd.service)) {
	ok($is{$f} || $is{"/lib" . $f =~ s{^/usr/lib}{}r}, $f);
}
ok(!(grep { /local/ } keys %is), 'nothing below /usr/local');
is(join(' ', grep { $is{$_}[0] =~ /[sSt]/ } sort keys %is), '',
    'no set-uid, set-gid or sticky bits');
mkdir "$tmp/control" or die $!;
run('dpkg-deb', '-e', $deb, "$tmp/control");
is(slurp("$tmp/control/conffiles"),
    "/etc/pennypost/smtpd.conf\n/etc/pennypost/pop3d.conf\n",
    'what is configuration is kept at an upgrade');

run('dpkg-deb', '-x', $deb, "$tmp/root");
($st, $out) = run('sh', '-c', 'cd "$0" && md5sum --quiet -c ../control/md5sums',
    "$tmp/root");
is($st, 0, 'the sums are those of the files') or diag($out);
spew("$tmp/none", "hostname a.example\n");
($st, $out) = run("$tmp/root/usr/sbin/smtpd", '-f', "$tmp/none", '-T',
    'queue_directory');
is($out, qq(queue_directory "/var/spool/pennypost"\n), 'where the queue is');
($st, $out) = run("$tmp/root/usr/sbin/pop3d", '-t');
like($out, qr{^\S*:? ?/etc/pennypost/pop3d\.conf}m, 'and the configuration')
    unless -e '/etc/pennypost/pop3d.conf';
done_testing;
