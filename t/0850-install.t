#!/usr/bin/perl
# make install and uninstall with DESTDIR: what lies where, what is never
# overwritten, and that nothing outside is touched.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use File::Find ();
use Pennypost;

alarm 1800 * slow(); # it builds all again

my $tmp = File::Temp->newdir('pennypost-install.XXXXXX',
    DIR => $ENV{TMPDIR} || '/tmp');
my $dest = "$tmp/root";
# A build of its own: other directories are compiled in.
my @dirs = ('PREFIX=/opt/pp', 'SYSCONFDIR=/opt/etc', 'LOCALSTATEDIR=/opt/var',
    'RUNSTATEDIR=/opt/run');
my $variant = $ENV{V} || 'plain';

sub files {
	my %f;
	File::Find::find({ no_chdir => 1, wanted => sub {
		$f{ substr $_, length $dest } = 1 if !-d $_;
	} }, $dest) if -d $dest;
	return join "\n", sort keys %f;
}
sub mk {
	my ($st, $out) = run({ seconds => 900 }, 'env', '-u', 'MAKEFLAGS', '-u',
	    'MAKELEVEL', '-u', 'O', 'make', '-s', "V=$variant", @_);
	is($st, 0, "make @_") or diag($out);
	return $out;
}
my @passwd = (stat '/etc/passwd')[1, 7, 9];

# As built: the programs need not be built again.
is(mk('install', "DESTDIR=$dest"), '', 'it has nothing to say');
my $installed = files();
my @want = map { s/^\t+//r } split /\n/, <<'END';
	/etc/pennypost/pop3d.conf
	/etc/pennypost/smtpd.conf
	/usr/local/lib/systemd/system/pop3d.service
	/usr/local/lib/systemd/system/pop3d.socket
	/usr/local/lib/systemd/system/smtpd.service
	/usr/local/lib/systemd/system/smtpd.socket
	/usr/local/lib/sysusers.d/pennypost.conf
	/usr/local/lib/tmpfiles.d/pennypost.conf
	/usr/local/sbin/pop3d
	/usr/local/bin/mailq
	/usr/local/bin/newaliases
	/usr/local/sbin/pennyctl
	/usr/local/sbin/sendmail
	/usr/local/sbin/smtpd
	/usr/local/share/doc/pennypost/README.md
	/usr/local/share/doc/pennypost/examples/inetd.conf
	/usr/local/share/doc/pennypost/examples/smtpd.conf
	/usr/local/share/bash-completion/completions/pennyctl
	/usr/local/share/zsh/site-functions/_pennyctl
	/usr/local/share/man/man5/smtpd.conf.5
	/usr/local/share/man/man1/mailq.1
	/usr/local/share/man/man8/sendmail.8
	/usr/local/share/man/man8/smtpd.8
END
like($installed, qr/^\Q$_\E$/m, "installed: $_") for @want;
ok(-d "$dest/usr/local/lib/pennypost/empty", 'the empty directory');
my $conf = slurp("$dest/etc/pennypost/smtpd.conf");
my @lines = grep { /^\s*[^#\s]/ } split /\n/, $conf;
cmp_ok(scalar @lines, '<=', 10, 'a first configuration of at most ten lines');

# Upgrades.
my $ino = (stat "$dest/usr/local/sbin/smtpd")[1];
open my $running, '<', "$dest/usr/local/sbin/smtpd" or die;
mk('install', "DESTDIR=$dest");
is(files(), $installed, 'a second installation adds nothing');
isnt((stat "$dest/usr/local/sbin/smtpd")[1], $ino,
    'a program that may be running is not written into');
spew("$dest/etc/pennypost/smtpd.conf", "hostname my.example\n");
mk('install', "DESTDIR=$dest");
is(slurp("$dest/etc/pennypost/smtpd.conf"), "hostname my.example\n",
    'a configuration is not overwritten');
ok(!-e "$dest/etc/pennypost/smtpd.conf.new",
    'nothing beside it while the sample is the old one');
# An older version's sample.
spew("$dest/usr/local/share/doc/pennypost/examples/smtpd.conf", "old\n");
like(mk('install', "DESTDIR=$dest"), qr/smtpd\.conf\.new/,
    'a new sample is announced');
is(slurp("$dest/etc/pennypost/smtpd.conf"), "hostname my.example\n",
    'the configuration still stays');
is(slurp("$dest/etc/pennypost/smtpd.conf.new"), $conf,
    'and the new sample is beside it');
# One that is a link stays a link, even to nowhere.
unlink "$dest/etc/pennypost/smtpd.conf";
symlink 'elsewhere', "$dest/etc/pennypost/smtpd.conf";
mk('install', "DESTDIR=$dest");
is(readlink "$dest/etc/pennypost/smtpd.conf", 'elsewhere', 'a link stays');

spew("$dest/usr/local/sbin/other", "not ours\n");
mk('uninstall', "DESTDIR=$dest");
is(files(), join("\n", map "/etc/pennypost/$_", 'pop3d.conf', 'smtpd.conf') .
    "\n/usr/local/sbin/other",
    'uninstall leaves configuration and what is not ours');
ok(!-d "$dest/usr/local/lib/pennypost", 'no directory of ours is left');
is_deeply([ (stat '/etc/passwd')[1, 7, 9] ], \@passwd, 'no user was made');

# Elsewhere.
$dest = "$tmp/opt";
mk('install', "DESTDIR=$dest", "B=$tmp/build", 'J=2', @dirs,
    'CFLAGS=-O0', '-j2');
my ($st, $out) = run("$dest/opt/pp/sbin/smtpd", '-t');
isnt($st, 0, 'there is no configuration there');
like($out, qr{/opt/etc/pennypost/smtpd\.conf}, 'the one it looks for');
spew("$tmp/none", "hostname a.example\n");
for (['empty_directory', '/opt/pp/lib/pennypost/empty'],
    ['queue_directory', '/opt/var/spool/pennypost']) {
	($st, $out) = run("$dest/opt/pp/sbin/smtpd", '-f', "$tmp/none", '-T',
	    $_->[0]);
	is($out, qq($_->[0] "$_->[1]"\n), "default of $_->[0]");
}
my %text = (
	'pp/share/man/man8/smtpd.8' => '/opt/etc/pennypost/smtpd.conf',
	'pp/share/man/man5/smtpd.conf.5' => '/opt/pp/lib/pennypost/empty',
	'pp/lib/systemd/system/smtpd.service' => '/opt/pp/sbin/smtpd',
	'pp/lib/tmpfiles.d/pennypost.conf' => '/opt/var/spool/pennypost',
	'pp/share/doc/pennypost/examples/inetd.conf' => '/opt/pp/sbin/pop3d',
);
for my $f (sort keys %text) {
	my $t = slurp("$dest/opt/$f");
	like($t, qr/\Q$text{$f}\E/, "$f: $text{$f}");
	unlike($t, qr{(?<!/opt)/etc/pennypost|/usr/local|(?<!/opt)/var/spool},
	    "$f: no other directories");
}
unlike(files(), qr{^(?!/opt/)}m, 'everything is below /opt');
done_testing;
