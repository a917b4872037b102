package Pennypost;
# Both daemons on loopback in a directory of their own, for end-to-end tests.
#
#	my $pp = Pennypost->start;		# smtpd and pop3d, ready
#	my $s = $pp->smtp;			# connected, greeting read
#	$s->expect('EHLO c.test', qr/^250/);	# one test
#
# Safe beside other tests: every test process has a loopback address of its own,
# made from its pid, so that no port is taken twice.  As root the roles get
# numeric uids and the mailboxes belong to 64001 and up; no account is made.
# Only processes that were started here are ended, each by its pid.
use strict;
use warnings;
use Carp qw(croak);
use Cwd qw(abs_path getcwd);
use File::Spec ();
use Exporter qw(import);
use File::Temp ();
use POSIX qw(:sys_wait_h setsid);
use Scalar::Util ();
use Test::More ();
use Time::HiRes qw(sleep);
use Pennypost::Help qw(:DEFAULT most);
use Pennypost::Proc;
use parent 'Pennypost::Clients';

our @EXPORT = @Pennypost::Help::EXPORT;

# Nothing waits longer than this, whatever goes wrong.
$SIG{ALRM} = sub { die "# the test took too long\n" };
alarm(($ENV{TEST_SECONDS} || 600) * slow());
$SIG{PIPE} = 'IGNORE';
$SIG{INT} = $SIG{TERM} = sub { exit 1 }; # so that END and DESTROY run

my $top = abs_path(getcwd());
my %program = (
	smtpd => File::Spec->rel2abs($ENV{SMTPD} || 'build/plain/smtpd/smtpd'),
	pop3d => File::Spec->rel2abs($ENV{POP3D} || 'build/plain/pop3d/pop3d'),
);
my $instances = 0;
my %alive; # servers to be ended, by their address as a string

sub top { $top }
sub program { $program{ $_[-1] } }

# ---- a pair of daemons ----

# Options: daemons => [names], smtpd => { keyword => value }, pop3d => { ... },
# both => { ... }; a value of undef leaves the keyword out, a list repeats it.
# users => { name => password hash or undef for "NAME-pass" }, rsa => 1,
# shell => of all users,
# leak => a file that is left open in the daemons.
sub new {
	my ($class, %o) = @_;
	my $tmp = File::Temp->newdir('pennypost-t.XXXXXX',
	    DIR => $o{tmpdir} || $ENV{TMPDIR} || '/tmp');
	my $n = $instances++;
	my $self = bless {
		tmp  => $tmp,
		dir  => "$tmp",
		addr => sprintf('127.%d.%d.%d', 64 + ($$ >> 16 & 63),
		    $$ >> 8 & 255, $$ & 255),
		port => {
			mx         => 2525 + 1000 * $n,
			submission => 2587 + 1000 * $n,
			smtps      => 2465 + 1000 * $n,
			pop3       => 2110 + 1000 * $n,
			pop3s      => 2995 + 1000 * $n,
		},
		daemons => $o{daemons} || [qw(smtpd pop3d)],
		pid     => {},
		owner   => $$,
		o       => \%o,
	}, $class;
	chmod 0755, $self->{dir};
	$self->make_certificate('ecdsa');
	$self->make_certificate('rsa') if $o{rsa};
	$self->make_users;
	$self->make_directories;
	$self->write_config($_) for qw(smtpd pop3d);
	return $self;
}

sub start {
	my ($class, %o) = @_;
	my $self = ref $class ? $class : $class->new(%o);
	for my $d (@{ $self->{daemons} }) {
		my $why = $self->launch($d);
		next unless $why;
		Test::More::diag($why);
		Test::More::BAIL_OUT("$d does not start")
		    if $ENV{BAIL_OUT};
		die "$d does not start\n";
	}
	return $self;
}

sub dir { $_[0]{dir} }
sub addr { $_[0]{addr} }
sub port { $_[0]{port}{ $_[1] } }
sub master { $_[0]{pid}{ $_[1] } }
sub mailbox { "$_[0]{dir}/mail/$_[1]" }
sub conf_file { "$_[0]{dir}/$_[1].conf" }

# Numeric ids, distinct for each role; 0 where the caller is not root.
my %role_uid = (
	log => 64101, key => 64102, lookup => 64103, queue => 64104,
	append => 64105, crypt => 64106, worker => 64107, relay => 64109,
);
my %user_uid = (alice => 64001, bob => 64002, carol => 64003);
sub role_uid {
	my ($self, $daemon, $role) = @_;
	return $> unless is_root();
	# No role shares a uid with the other daemon's.
	return ($role_uid{$role} || return 0) + ($daemon eq 'pop3d' ? 20 : 0);
}
sub user_uid {
	my ($self, $user) = @_;
	return is_root() ? $user_uid{$user} || 64050 : $>;
}
sub user_gid {
	my ($self, $user) = @_;
	return is_root() ? $self->user_uid($user) : $) + 0;
}

sub make_certificate {
	my ($self, $kind) = @_;
	my ($cert, $key) = $self->certificate($kind);
	my @alg = $kind eq 'rsa' ? ('-newkey', 'rsa:2048') :
	    ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1');
	my ($st, $out) = run('openssl', 'req', '-x509', @alg, '-nodes', '-days',
	    2, '-subj', '/CN=mail.example.org', '-addext',
	    "subjectAltName=DNS:mail.example.org,IP:$self->{addr}",
	    '-keyout', $key, '-out', $cert);
	die "openssl req: $out" if $st ne '0';
	chmod 0600, $key;
}
sub certificate {
	my ($self, $kind) = @_;
	return ("$self->{dir}/$kind.crt", "$self->{dir}/$kind.key");
}

sub make_users {
	my $self = shift;
	my %users = $self->{o}{users} ? %{ $self->{o}{users} } :
	    map { $_ => undef } qw(alice bob carol);
	my $text = '';
	for my $u (sort keys %users) {
		$text .= $self->user_line($u, $users{$u});
	}
	spew("$self->{dir}/users", $text, 0600);
}
# 1,000 rounds, so that a test is not spent on hashing.
sub user_line {
	my ($self, $u, $hash) = @_;
	$hash //= crypt("$u-pass", '$6$rounds=1000$pennypost$');
	return join(':', $u, $hash, $self->user_uid($u), $self->user_gid($u),
	    ucfirst $u, "$self->{dir}/home/$u",
	    $self->{o}{shell} // ()) . "\n";
}
# A home directory for that user; gives it.
sub make_home {
	my ($self, $user) = @_;
	my $home = "$self->{dir}/home/$user";
	mkdir $home, 0755;
	chown $self->user_uid($user), $self->user_gid($user), $home
	    if is_root();
	return $home;
}

sub make_directories {
	my $self = shift;
	my $dir = $self->{dir};
	mkdir "$dir/$_" or die "$dir/$_: $!" for qw(mail empty queue home);
	chmod 0755, "$dir/$_" for qw(empty home);
	if (is_root()) {
		# As Debian has /var/mail.
		chown 0, 8, "$dir/mail";
		chmod 02775, "$dir/mail";
		my $q = $self->role_uid('smtpd', 'queue');
		chown $q, $q, "$dir/queue";
	}
	chmod 0700, "$dir/queue";
}

sub config {
	my ($self, $d) = @_;
	my ($dir, $addr, $port) = @$self{qw(dir addr port)};
	my @tls = map { join ' ', $self->certificate($_) }
	    'ecdsa', $self->{o}{rsa} ? 'rsa' : ();
	my %c = (
		hostname            => 'mail.example.org',
		tls_certificate     => \@tls,
		users               => "$dir/users",
		system_users        => 'no',
		mailbox             => "$dir/mail/%u",
		empty_directory     => "$dir/empty",
		run_directory       => $dir,
		pid_file            => "$dir/$d.pid",
		log_style           => 'postfix',
		auth_failure_delay  => '10ms',
		workers_idle        => 3,
	);
	if (is_root()) {
		$c{role_user} = [ map { "$_ " . $self->role_uid($d, $_) }
		    grep { $d eq 'smtpd' || !/^(?:lookup|queue|append|relay)$/ }
		    sort keys %role_uid ];
	}
	if ($d eq 'smtpd') {
		$c{local_domains} = 'example.org';
		$c{postmaster} = 'alice';
		$c{queue_directory} = "$dir/queue";
		$c{retry_min} = '1s';
		$c{listen} = [ "mx $addr:$port->{mx}",
			"submission $addr:$port->{submission} plaintext_auth",
			"smtps $addr:$port->{smtps}" ];
	} else {
		$c{listen} = [ "pop3 $addr:$port->{pop3} plaintext_auth",
			"pop3s $addr:$port->{pop3s}" ];
	}
	%c = (%c, %{ $self->{o}{both} || {} }, %{ $self->{o}{$d} || {} });
	my $text = '';
	for my $k (sort keys %c) {
		for my $v (ref $c{$k} ? @{ $c{$k} } : $c{$k}) {
			$text .= "$k $v\n" if defined $v;
		}
	}
	return $text;
}
# With more => { keyword => value }: these change what new() was given.
sub write_config {
	my ($self, $d, %more) = @_;
	$self->{o}{$d} = { %{ $self->{o}{$d} || {} }, %more };
	spew($self->conf_file($d), $self->config($d), 0644);
}

# Starts one and waits until it is ready.  Gives '' or why not.
sub launch {
	my ($self, $d, @args) = @_;
	my $log = "$self->{dir}/$d.log";
	my $from = -s $log || 0;
	croak "$d is not built" unless $program{$d} && -x $program{$d};
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		setsid();
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $log;
		open STDERR, '>>', $log;
		# What whoever starts it forgot to close.
		local $^F = 255;
		my @leaks = map { open my $f, '<', $self->{o}{leak}; $f }
		    $self->{o}{leak} ? 1 .. 40 : ();
		alarm 0;
		$SIG{$_} = 'DEFAULT' for qw(PIPE INT TERM ALRM);
		{
			no warnings;
			exec { $program{$d} } $program{$d}, '-e', '-f',
			    $self->conf_file($d), @args;
		}
		POSIX::_exit(127);
	}
	$self->{pid}{$d} = $pid;
	$alive{$self} = $self;
	Scalar::Util::weaken($alive{$self});
	my $ended;
	my $ready = wait_for(20, sub {
		return 1 if substr($self->log($d), $from) =~ /^\Q$d\E: ready$/m;
		$ended = waitpid($pid, WNOHANG) == $pid;
		return $ended;
	});
	return '' if $ready && !$ended;
	delete $self->{pid}{$d} if $ended;
	$self->kill_all($d) unless $ended;
	return "$d " . ($ended ? "ended with status " . ($? >> 8) :
	    "was not ready in time") . ":\n" . substr($self->log($d), $from);
}

sub log {
	my ($self, $d) = @_;
	return -e "$self->{dir}/$d.log" ? slurp("$self->{dir}/$d.log") : '';
}
# Waits for a line; gives it.  after => offset into the log.
sub log_line {
	my ($self, $d, $re, %o) = @_;
	my $line = '';
	wait_for($o{seconds} || 5, sub {
		($line) = grep { $_ =~ $re }
		    split /\n/, substr($self->log($d), $o{after} || 0);
		defined $line;
	});
	return $line // '';
}
sub log_like {
	my ($self, $d, $re, $name, %o) = @_;
	my $l = $self->log_line($d, $re, %o);
	return 1 if Test::More::ok($l ne '', $name || "$d logs $re");
	my @all = split /\n/, substr($self->log($d), $o{after} || 0);
	splice @all, 0, @all - 15 if @all > 15;
	Test::More::diag("wanted: $re\n" . join "\n", @all);
	return '';
}

# All processes of that daemon: [pid, role, title].
sub procs {
	my ($self, $d) = @_;
	my $master = $self->{pid}{$d} or return;
	return Pennypost::Proc::family($master, $d);
}
sub pids {
	my ($self, $d, $role) = @_;
	return map { $_->[0] } grep { $_->[1] eq $role } $self->procs($d);
}

# SIGTERM and wait.  Gives the exit status, or 'timeout', or who was left behind.
sub stop {
	my ($self, @which) = @_;
	my $status;
	for my $d (@which ? @which : keys %{ $self->{pid} }) {
		my $pid = $self->{pid}{$d} or next;
		my @all = $self->procs($d);
		kill 'TERM', $pid;
		if (wait_for(20, sub { waitpid($pid, WNOHANG) == $pid })) {
			$status = $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
			delete $self->{pid}{$d};
			# Nobody may be left behind.
			my @left;
			$self->{left}{$d} = wait_for(3, sub {
				!(@left = grep { Pennypost::Proc::same($_) } @all)
			}) ? 0 : 1;
			$status = join ', ', 'left behind', map { $_->[2] } @left
			    if $self->{left}{$d};
			kill 'KILL', map { $_->[0] } @left;
		} else {
			$status = 'timeout';
			$self->kill_all($d);
		}
	}
	return $status;
}
# kill -9 of every process at once, the master first, so that nothing is
# started anew.
sub kill_all {
	my ($self, @which) = @_;
	for my $d (@which ? @which : keys %{ $self->{pid} }) {
		my $pid = delete $self->{pid}{$d} or next;
		my @all = Pennypost::Proc::family($pid, $d);
		kill 'STOP', $pid;
		@all = Pennypost::Proc::family($pid, $d);
		kill 'KILL', $pid, map { $_->[0] } @all;
		waitpid $pid, 0;
		# What was forked meanwhile is still in the session; and who has
		# been killed in the middle of a flush has its locks and sockets
		# until that is over.
		wait_for(60, sub {
			my @left = grep { $_->[0] != $pid }
			    Pennypost::Proc::family($pid, $d);
			kill 'KILL', map { $_->[0] } @left;
			return !@left;
		});
	}
}
sub reload {
	my ($self, $d) = @_;
	kill 'HUP', $self->{pid}{$d};
}
# Reloads, and waits until what is new is in force.  One test.
sub reload_done {
	my ($self, $d, $name) = @_;
	my $at = length $self->log($d);
	$self->reload($d);
	return $self->log_like($d, qr/configuration reloaded$/,
	    $name || "$d: reloaded", after => $at, seconds => 60);
}

sub DESTROY {
	my $self = shift;
	return if $self->{owner} != $$;
	local ($?, $@);
	delete $alive{$self};
	$self->kill_all;
	if ($ENV{KEEP}) {
		$self->{tmp}->unlink_on_destroy(0);
		print STDERR "# kept: $self->{dir}\n";
	}
}
END {
	local ($?, $@);
	for (values %alive) {
		$_->DESTROY if $_ && $_->{owner} == $$;
	}
}

1;
