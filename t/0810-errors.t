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
		# Without root, one tells of the walls that are missing.
		@lines = grep { !/walls that are missing/ } @lines;
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
	    $add->("include $dir/none.conf"), $at,
	    qr/\Q$dir\E\/none\.conf: No such file/);
	fails("$d: no certificate file", $d, set('tls_certificate',
	    "$dir/none.crt $dir/none.key"), qr/\Q$dir\E\/none\.(?:crt|key)/,
	    qr/No such file/);
	spew("$dir/bad.crt", "rubbish\n");
	fails("$d: a certificate that is none", $d,
	    set('tls_certificate', "$dir/bad.crt $dir/ecdsa.key"),
	    qr/\Q$dir\E\/bad\.crt/);
	fails("$d: a key that is none", $d, set('tls_certificate',
	    "$dir/ecdsa.crt $dir/bad.crt"), qr/\Q$dir\E\/bad\.crt/);
	$pp->make_certificate('rsa') unless -e "$dir/rsa.key";
	fails("$d: a key of another certificate", $d,
	    set('tls_certificate', "$dir/ecdsa.crt $dir/rsa.key"),
	    qr/key in \Q$dir\E\/rsa\.key is not .* \Q$dir\E\/ecdsa\.crt/);
	run('openssl', 'pkey', '-in', "$dir/ecdsa.key", '-aes128', '-passout',
	    'pass:x', '-out', "$dir/encrypted.key");
	chmod 0600, "$dir/encrypted.key";
	fails("$d: an encrypted key", $d, set('tls_certificate',
	    "$dir/ecdsa.crt $dir/encrypted.key"),
	    qr/\Q$dir\E\/encrypted\.key is encrypted; .*openssl pkey/);
	spew("$dir/open.key", slurp("$dir/ecdsa.key"), 0644);
	fails("$d: a key that all can read", $d, set('tls_certificate',
	    "$dir/ecdsa.crt $dir/open.key"),
	    qr/\Q$dir\E\/open\.key: .*chmod 600/);
	fails("$d: no listen line", $d, sub { $_[0] =~ s/^listen .*\n//mgr },
	    qr/\Q$dir\E\/$d\.conf: there is no listen line; add/);
	fails("$d: one mailbox for all", $d, set('mailbox', "$dir/mail/all"),
	    qr/\Q$dir\E\/mail\/all .*%u/);
	fails("$d: no users file", $d, set('users', "$dir/none"),
	    qr/\Q$dir\E\/none/, qr/No such file/);
	spew("$dir/badusers", "alice:*:1000:1000:a:/home\nbob:*:many\n", 0600);
	fails("$d: an error in the users file", $d, set('users',
	    "$dir/badusers"), qr/\Q$dir\E\/badusers:2: /);
	if (is_root()) {
		fails("$d: no empty directory", $d, set('empty_directory',
		    "$dir/none"), qr/\Q$dir\E\/none: No such.*mkdir/);
		fails("$d: it is not empty", $d, set('empty_directory', $dir),
		    qr/empty_directory \Q$dir\E: is not empty/);
		mkdir "$dir/theirs";
		chown 64001, 64001, "$dir/theirs";
		fails("$d: it is somebody's", $d, set('empty_directory',
		    "$dir/theirs"), qr/\Q$dir\E\/theirs: .*chown root/);
		fails("$d: two roles are one user", $d, sub {
			$_[0] =~ s/^role_user log .*/role_user log 64102/mr =~
			    s/^role_user key .*/role_user key 64102/mr },
		    qr/roles log and key .*role_user key USER/);
		fails("$d: relay is the user of key", $d, sub {
			$_[0] =~ s/^role_user relay .*/role_user relay 64102/mr },
		    qr/roles key and relay .*role_user relay USER/)
		    if $d eq 'smtpd';
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
fails('the queue directory is missing', 'smtpd', set('queue_directory',
    "$dir/no-queue"), qr/\Q$dir\E\/no-queue/);
chmod 0777, "$dir/queue";
fails('others may write into the queue', 'smtpd', undef,
    qr/\Q$dir\E\/queue: .*chmod 700/);
chmod 0700, "$dir/queue";
fails('no postmaster', 'smtpd', set('postmaster', 'nobody-here'),
    qr/postmaster nobody-here: .*postmaster USER/);
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
