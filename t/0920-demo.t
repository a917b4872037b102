#!/usr/bin/perl
# make demo: ready, the commands it tells to type, and nothing left afterwards.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);
use Pennypost;

my $n = 0;
my @all;
my $dir = File::Temp->newdir('pennypost-demo.XXXXXX',
    DIR => $ENV{TMPDIR} || '/tmp');
chmod 0755, "$dir";
# Ports beside those that somebody's own demo may use just now.
my %port;
@port{qw(SMTP_PORT SUBMISSION_PORT SMTPS_PORT POP3_PORT POP3S_PORT)} =
    free_ports(5);
END {
	local $?;
	kill 'KILL', map { $_->[0] } grep { Pennypost::Proc::same($_) } @all;
}

# As whom it is run, and how it is ended.
my @as = ([ 'the caller, SIGTERM', 'TERM' ], [ 'the caller, Ctrl-C', 'INT' ]);
push @as, [ 'an ordinary user, SIGTERM', 'TERM', 'setpriv', '--reuid', 65534,
    '--regid', 65534, '--clear-groups' ] if is_root() && have('setpriv');
for (@as) {
	my ($who, $signal, @setpriv) = @$_;
	my $demo = "$dir/" . $n++;
	my $log = "$dir/log$n";
	spew($log, '');
	mkdir $demo;
	if (@setpriv) {
		chown 65534, 65534, $demo;
		# The tree may lie where that user cannot reach it.
		my ($st) = run(@setpriv, 'test', '-r', 'GNUmakefile', '-a',
		    '-x', Pennypost->program('smtpd'));
		if ($st ne '0') {
			my $copy = "$dir/tree";
			system "mkdir -p $copy && cp -a GNUmakefile etc t " .
			    "common spool smtpd pop3d README.md $copy/ && " .
			    "mkdir -p $copy/build && cp -a build/" .
			    ($ENV{V} || 'plain') . " $copy/build/ && " .
			    "chown -R 65534:65534 $copy";
			push @setpriv, 'env', '-C', $copy;
		}
	}
	my $pid = fork // die;
	if ($pid == 0) {
		POSIX::setsid();
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $log;
		open STDERR, '>>', $log;
		alarm 0;
		$SIG{$_} = 'DEFAULT' for qw(INT TERM);
		delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL SMTPD POP3D O)};
		{ no warnings; exec @setpriv, 'make', '--no-print-directory',
			'demo', 'V=' . ($ENV{V} || 'plain'),
			"DEMO_DIR=$demo", map { "$_=$port{$_}" } sort keys %port; }
		POSIX::_exit(127);
	}
	@all = ();
	my $ready = wait_for(60, sub {
		slurp($log) =~ /^ready$/m || waitpid($pid, WNOHANG) == $pid;
	});
	like(slurp($log), qr/^ready$/m, "$who: ready") or next;
	@all = Pennypost::Proc::family($pid, 'x');
	cmp_ok(scalar @all, '>', 5, 'processes are there');
	# All of it, to its last line.
	wait_for(30, sub { slurp($log) =~ /^ready\n.*^  cat \S+\n/ms });
	my ($try) = slurp($log) =~ /^ready\n(.*)/ms;
	like($try, qr/openssl s_client/, 'it says what to try');
	# What it says is typed, as it stands.
	for my $cmd ($try =~ /^  ((?:swaks|curl|mpop|env|\S+\/pennyctl) .*)$/mg) {
		my ($prog) = split ' ', $cmd;
		SKIP: {
			skip "$prog is not installed", 1 unless have($prog);
			$cmd =~ s{/tmp/bob\.mbox}{$dir/bob.mbox$n};
			my ($st, $out) = run({ env => { HOME => "$dir" } },
			    'sh', '-c', $cmd);
			# 1: nothing is in the queue.
			is($st, $cmd =~ / queue list$/ ? 1 : 0, $cmd)
			    or diag($out);
			like($out, qr/^queue: \d+ active/m, 'and its queue')
			    if $cmd =~ / status$/;
		}
	}
	for my $block ($try =~ /^  (openssl .*\n(?:      .*\n|\n(?=      ))+)/mg) {
		my ($cmd, @lines) = split /\n/, $block;
		s/^      // for @lines;
		my $kind = $cmd =~ /starttls pop3/ ? 'pop3' : 'smtp';
		my $t = Pennypost::Talk->program($kind, split ' ', $cmd);
		my ($data, $last) = (0, '');
		for my $l (@lines) {
			$t->raw("$l\n");
			next if $data && $l ne '.';
			my $r = $t->reply;
			# The last line of s_client's own EHLO.
			$r = $t->reply if $kind eq 'smtp' && $l =~ /^helo/ &&
			    $r !~ /mail\.example\.org/;
			like($r, qr/^(?:[23]\d\d |\+OK)/, "typed: $l");
			$data = $r =~ /^354/;
			$t->multi_text if $l =~ /^retr/;
		}
	}
	like(slurp("$demo/mail/bob"), qr/^subject: hello$/m,
	    'the mailbox is where it says');
	my @st = stat "$demo/mail/bob";
	is($st[4], @setpriv ? 65534 : is_root() ? 64002 : $>, 'and whose');
	@all = Pennypost::Proc::family($pid, 'x');
	# Ctrl-C goes to everybody in front of the terminal.
	kill $signal, $signal eq 'INT' ? -$pid : $pid;
	ok(wait_for(30, sub { waitpid($pid, WNOHANG) == $pid }), 'it ends');
	ok(wait_for(10, sub { !grep { Pennypost::Proc::same($_) } @all }),
	    'and leaves nothing running')
	    or diag(map { "$_->[0] $_->[2]\n" }
	    grep { Pennypost::Proc::same($_) } @all);
}
# A port that is taken: said in one line, and nothing is left.
{
	require IO::Socket::INET;
	my $busy = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
	    LocalPort => $port{POP3_PORT}, Listen => 1, ReuseAddr => 1);
	ok($busy, 'a port is taken');
	my %env = (%port, DEMO_DIR => "$dir/busy");
	my ($st, $out) = run({ env => \%env, seconds => 60 }, 'etc/demo.sh');
	isnt($st, 0, 'the demo ends');
	like($out, qr/127\.0\.0\.1 port $port{POP3_PORT}.*in use/,
	    'and says which port is in use');
	unlike($out, qr/^ready$/m, 'it was not ready');
}
done_testing;

sub Pennypost::Talk::multi_text {
	my $t = shift;
	while (defined(my $l = $t->line)) {
		return if $l eq '.';
	}
}
