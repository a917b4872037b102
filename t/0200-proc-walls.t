#!/usr/bin/perl
# What each process really has, as the kernel tells it: uid, groups, root
# directory, capabilities, seccomp, no_new_privs, and every open descriptor.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep);
use Pennypost;

my $pp = Pennypost->start(rsa => 1, leak => '/etc/passwd');
# So that every process that is started on demand is there.
like($pp->send('bob@example.org', message('one')), qr/^250/, 'a delivery');
my $s = $pp->smtp(to => 'smtps', tls => 1);
$s->cmd('EHLO c.test');
like($s->cmd('AUTH PLAIN ' . plain('alice', 'alice-pass')), qr/^235/,
    'a login over TLS');
my $p = $pp->pop3_as('bob');
like($p->{login}, qr/^\+OK/, 'a POP3 session');

# Role => what must be: root directory, and whether it keeps uid 0.
my %want = (
	smtpd => {
		log => '/', pool => 'empty', worker => 'empty',
		key => 'empty', auth => '/', lookup => '/', queue => 'queue',
		deliver => '/', runner => '/', append => 'empty', crypt => 'empty',
		expand => '/', relay => 'empty',
	},
	pop3d => {
		log => '/', pool => 'empty', worker => 'empty',
		key => 'empty', auth => '/', maildrop => '/',
		crypt => 'empty',
	},
);
my %keeps_root = map { $_ => 1 } qw(auth deliver maildrop runner);
# What it starts are users' own commands, which live in no sandbox of ours.
my %bare = (runner => 1);
# On which descriptors each may hold a regular file.
my %files = (worker => qr{/mail/bob$|/\.pennypost/bob/}, maildrop => qr/./,
    queue => qr{/queue/}, append => qr{/mail/}, deliver => qr{/mail},
    log => qr{^/dev/|\.log$}, auth => qr{/users$}, lookup => qr{/users$},
    expand => qr{/users$});

# Who has just been forked has another's title, and who ends has none: all of
# them when nobody comes or goes.
sub steady {
	my ($d) = @_;
	my ($was, @all) = ('');
	ok(wait_for(60, sub {
		@all = $pp->procs($d);
		my $now = join ' ', map { "$_->[0] $_->[3] $_->[2]" } @all;
		my $same = $now eq $was && !grep { $_->[1] eq 'unknown' } @all;
		$was = $now;
		sleep 0.2 unless $same;
		return $same;
	}), "$d: all are there");
	return @all;
}
# All that is looked at, of one and the same process, or nothing.
sub facts {
	my ($p) = @_;
	my ($pid, undef, $title) = @$p;
	my %x = (status => Pennypost::Proc::status($pid),
	    dumpable => scalar Pennypost::Proc::dumpable($pid),
	    root => scalar readlink("/proc/$pid/root"),
	    limits => Pennypost::Proc::read_file("/proc/$pid/limits"),
	    fds => scalar Pennypost::Proc::fds($pid), # none, unless root asks
	    kept => [ Pennypost::Proc::kept_at_exec($pid) ]);
	return Pennypost::Proc::same($p) &&
	    Pennypost::Proc::title($pid) eq $title ? \%x : undef;
}
for my $d (sort keys %want) {
	my %seen;
	my %uids;
	for (steady($d)) {
		my ($pid, $role, $title) = @$_;
		next if $role eq 'master';
		my $who = "$d $role";
		my $root = $want{$d}{$role};
		if (!defined $root) {
			fail("$who ($title) is a role that the table knows");
			next;
		}
		my $x = facts($_) or next; # ended meanwhile
		my $st = $x->{status};
		next if $seen{$role}++ > 3;
		# A sanitizer makes calls of its own; the filter is left out.
		is($st->{Seccomp}, ($ENV{V} || '') eq 'asan' || $bare{$role} ?
		    0 : 2, "$who: seccomp filter");
		is($st->{NoNewPrivs}, 1, "$who: no_new_privs");
		ok(!$x->{dumpable}, "$who: not dumpable")
		    unless is_root() && $keeps_root{$role};
		like($st->{NSpid} // $pid, qr/\d/, "$who: pid");
		root_walls($pp, $d, $role, $x, $root, \%uids) if is_root();
		like($x->{limits}, qr/^Max core file size\s+0\s/m,
		    "$who: no core files");
		is_deeply([ bad_files($x->{fds}, $role) ], [],
		    "$who: no file it should not have") if is_root();
		is_deeply($x->{kept}, [],
		    "$who: every descriptor is closed at exec");
	}
	ok($seen{$_}, "$d has a process for $_") for sort keys %{ $want{$d} };
	# No two roles share a uid but the pool and its workers, and the two
	# that read the same files and are root of nothing.
	for my $u (sort keys %uids) {
		my @r = grep { !/^(?:pool|expand)$/ } sort keys %{ $uids{$u} };
		is(scalar @r, 1, "$d: uid $u is one role's: @r");
	}
}
my $m = Pennypost::Proc::status($pp->master('smtpd'));
is((split ' ', $m->{Uid})[0], $>, 'the master is who started it');
done_testing;

sub plain {
	require MIME::Base64;
	return MIME::Base64::encode_base64("\0$_[0]\0$_[1]", '');
}

sub root_walls {
	my ($pp, $d, $role, $x, $root, $uids) = @_;
	my $who = "$d $role";
	my $st = $x->{status};
	is($x->{root}, $root eq '/' ? '/' : "$pp->{dir}/$root", "$who: root directory");
	if ($keeps_root{$role}) {
		is((split ' ', $st->{Uid})[0], 0, "$who: root");
		if ($role eq 'runner') {
			is(hex($st->{$_}) & ~0xe0, 0,
			    "$who: $_ is setuid, setgid, kill")
			    for qw(CapPrm CapEff);
			is(hex $st->{CapBnd}, 0, "$who: CapBnd empty");
		}
		return;
	}
	my %as = (pool => 'worker', expand => 'lookup');
	my $uid = $pp->role_uid($d, $as{$role} || $role);
	is($st->{Uid}, join("\t", ($uid) x 4), "$who: all four uids");
	is($st->{Gid}, join("\t", ($uid) x 4), "$who: all four gids");
	is($st->{Groups} // '', '', "$who: no other groups");
	is(hex $st->{$_}, 0, "$who: $_ empty")
	    for qw(CapInh CapPrm CapEff CapAmb);
	$uids->{$uid}{$role} = 1;
}

sub bad_files {
	my ($fds, $role) = @_;
	return 'unreadable' unless $fds;
	my @bad;
	for my $n (sort { $a <=> $b } keys %$fds) {
		my $f = $fds->{$n};
		next if $f =~ m{^(?:socket|pipe):\[|^anon_inode:|^/dev/null$|
		    ^/memfd:}x;
		next if $n == 2 && $f =~ /\.log$/; # -e: the terminal
		next if $files{$role} && $f =~ $files{$role};
		push @bad, "$n: $f";
	}
	return @bad;
}
