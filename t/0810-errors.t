#!/usr/bin/perl
# Every error the administrator can make ends in one clear line that names the
# file and the fix.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Socket::INET;
use Pennypost;

my $pp = Pennypost->new;
my $dir = $pp->dir;

# Runs one with this config and expects it to end with that text.
sub fails {
	my ($name, $d, $edit, @re) = @_;
	my $conf = "$dir/$d.conf";
	my $text = my $good = $pp->config($d);
	$text = $edit->($text) if $edit;
	spew($conf, $text);
	for my $args ([ '-e' ], [ '-t' ]) {
		next if "@$args" eq '-t' && $name =~ /^at start: /;
		my ($st, $out) = run({ seconds => 15 }, $pp->program($d),
		    @$args, '-f', $conf);
		isnt($st, 0, "$name (@$args): does not start");
		isnt($st, 'timeout', 'but ends');
		my @lines = grep { /\S/ } split /\n/, $out;
		my ($line) = grep { my $l = $_; !grep { $l !~ $_ } @re } @lines;
		ok($line, 'with one line that says why')
		    or diag("wanted @re in:\n$out");
		cmp_ok(scalar @lines, '<=', 3, 'and not many more')
		    or diag($out);
	}
	spew($conf, $good);
}
sub line_of {
	my ($d, $keyword) = @_;
	my $n = 0;
	for (split /\n/, $pp->config($d)) {
		$n++;
		return $n if /^\Q$keyword\E /;
	}
	die "no $keyword";
}
sub set {
	my ($k, $v) = @_;
	return sub {
		my $t = shift;
		$t =~ s/^\Q$k\E .*\n//mg;
		return $t . "$k $v\n";
	};
}
my $lines = () = $pp->config('smtpd') =~ /\n/g;
for my $d (qw(smtpd pop3d)) {
	my $n = 1 + (() = $pp->config($d) =~ /\n/g);
	my $at = qr/\Q$dir\E\/$d\.conf:$n: /;
	my $add = sub { my $l = shift; sub { "$_[0]$l\n" } };
	fails("$d: unknown keyword", $d, $add->('wrokers_idle 3'), $at,
	    qr/wrokers_idle/);
	fails("$d: no value", $d, $add->('log_verbose'), $at, qr/log_verbose/);
	fails("$d: not a number", $d, $add->('workers_max many'), $at,
	    qr/many/);
	fails("$d: out of range", $d, $add->('workers_max 0'), $at,
	    qr/workers_max/);
	fails("$d: not a time", $d, $add->('command_timeout 5 parsecs'), $at);
	fails("$d: not a listener", $d, $add->('listen imap 127.0.0.1:143'),
	    $at, qr/imap/);
	fails("$d: not an address", $d, $add->("listen " .
	    ($d eq 'smtpd' ? 'mx' : 'pop3') . " localhost:2525"), $at,
	    qr/localhost/);
	fails("$d: an include that is not there", $d,
	    $add->("include $dir/none.conf"), qr/\Q$dir\E\/none\.conf/,
	    qr/No such file/);
	fails("$d: no certificate file", $d, set('tls_certificate',
	    "$dir/none.crt $dir/none.key"), qr/\Q$dir\E\/none\.(?:crt|key)/,
	    qr/No such file/);
	spew("$dir/bad.crt", "rubbish\n");
	fails("at start: $d: a certificate that is none", $d,
	    set('tls_certificate', "$dir/bad.crt $dir/ecdsa.key"),
	    qr/\Q$dir\E\/bad\.crt/);
	fails("at start: $d: a key that is none", $d, set('tls_certificate',
	    "$dir/ecdsa.crt $dir/bad.crt"), qr/\Q$dir\E\/bad\.crt/);
	$pp->make_certificate('rsa') unless -e "$dir/rsa.key";
	fails("at start: $d: a key of another certificate", $d,
	    set('tls_certificate', "$dir/ecdsa.crt $dir/rsa.key"),
	    qr/\Q$dir\E\/(?:rsa\.key|ecdsa\.crt)/);
	fails("$d: no users file", $d, set('users', "$dir/none"),
	    qr/\Q$dir\E\/none/, qr/No such file/);
	spew("$dir/badusers", "alice:*:1000:1000:a:/home\nbob:*:many\n", 0600);
	fails("$d: an error in the users file", $d, set('users',
	    "$dir/badusers"), qr/\Q$dir\E\/badusers:2: /);
	fails("at start: $d: no empty directory", $d,
	    set('empty_directory', "$dir/none"), qr/\Q$dir\E\/none/)
	    if is_root();
	if (is_root()) {
		fails("$d: a role's user that is not there", $d,
		    $add->('role_user key no-such-user'), qr/no-such-user/);
	}
	# A port in use.
	my $port = $d eq 'smtpd' ? 'mx' : 'pop3';
	my $busy = IO::Socket::INET->new(LocalAddr => $pp->addr,
	    LocalPort => $pp->port($port), Listen => 1, ReuseAddr => 1);
	ok($busy, 'a port is in use');
	fails("at start: $d: port in use", $d, undef,
	    qr/\Q$pp->{addr}\E port ${\ $pp->port($port)}/, qr/in use/);
	close $busy;
	fails("at start: $d: an address that is not ours", $d, sub {
		my $t = shift;
		$t =~ s/^(listen \S+) [\d.]+/$1 192.0.2.1/m;
		$t }, qr/192\.0\.2\.1/);
	# No config at all, wrong options.
	my ($st, $out) = run($pp->program($d), '-e', '-f', "$dir/none.conf");
	isnt($st, 0, "$d: no config file");
	like($out, qr/\Q$dir\E\/none\.conf.*No such file/, 'is named');
	($st, $out) = run($pp->program($d), '-Z');
	isnt($st, 0, "$d: unknown option");
	like($out, qr/usage: $d/, 'usage');
	($st, $out) = run($pp->program($d), '-f', $pp->conf_file($d),
	    'rubbish');
	isnt($st, 0, "$d: an argument");
	# And what is right is right.
	($st, $out) = run($pp->program($d), '-t', '-f', $pp->conf_file($d));
	is($st, 0, "$d -t: a good config") or diag($out);
	($st, $out) = run($pp->program($d), '-f', $pp->conf_file($d), '-T',
	    'hostname');
	is("$st $out", qq(0 hostname "mail.example.org"\n), "$d -T hostname");
	($st, $out) = run($pp->program($d), '-f', $pp->conf_file($d), '-T',
	    'nonsense');
	isnt($st, 0, "$d -T nonsense");
	($st, $out) = run($pp->program($d), '-V');
	like($out, qr/^$d|pennypost/, "$d -V");
}
fails('at start: the queue directory is missing', 'smtpd',
    set('queue_directory', "$dir/no-queue"), qr/\Q$dir\E\/no-queue/);
fails('listen of the other daemon', 'smtpd', set('listen',
    'pop3 127.0.0.1:110'), qr/pop3/);
fails('smtps without a certificate', 'smtpd', sub {
	my $t = shift;
	$t =~ s/^tls_certificate.*\n//m;
	$t }, qr/tls_certificate/);

if (!is_root()) { # who may read everything
	chmod 0, "$dir/users";
	fails('users: not readable', 'smtpd', undef, qr/\Q$dir\E\/users/,
	    qr/[Pp]ermission/);
	chmod 0600, "$dir/users";
}
# Including a file that is there, and itself.
spew("$dir/more.conf", "log_verbose yes\nwrong_one 1\n");
fails('an error in an included file', 'pop3d', sub {
	"$_[0]include $dir/more.conf\n" }, qr/\Q$dir\E\/more\.conf:2: /);
spew("$dir/loop.conf", "include $dir/loop.conf\n");
fails('an include of itself', 'pop3d', sub {
	"$_[0]include $dir/loop.conf\n" }, qr/loop\.conf/);
done_testing;
