package Pennypost::Boot;
# A real systemd, booted by systemd-nspawn on a throw-away overlay of this
# machine's own root, or on a directory tree.  No network but its own loopback.
#
#	my $m = Pennypost::Boot->overlay('/');	# or a reason why not
#	$m->boot;
#	my ($status, $out) = $m->run(qw(systemctl start smtpd));
use strict;
use warnings;
use File::Temp ();
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);
use Pennypost ();

# A reason as text if it cannot be had here.
sub overlay {
	my ($class, $lower) = @_;
	my $work = File::Temp::tempdir('pennypost-boot.XXXXXX',
	    DIR => -d '/dev/shm' ? '/dev/shm' : '/tmp');
	my $root = File::Temp::tempdir('pennypost-boot.XXXXXX', DIR => '/run');
	mkdir "$work/$_" for qw(upper work);
	my $self = bless { work => $work, root => $root, owner => $$ }, $class;
	my ($st, $out) = Pennypost::run('mount', '-t', 'overlay', 'overlay',
	    '-o', "lowerdir=$lower,upperdir=$work/upper,workdir=$work/work",
	    $root);
	return "overlay: $out" if $st ne '0';
	$self->{mounted} = 1;
	# Else it takes this machine's journal for its own.
	unlink "$root/etc/machine-id";
	my ($id_st, $id) = Pennypost::run('systemd-id128', 'new');
	Pennypost::spew("$root/etc/machine-id", $id);
	# Nothing is started but what the test starts.
	for my $t (qw(multi-user timers sockets graphical)) {
		unlink glob "$root/etc/systemd/system/$t.target.wants/*";
	}
	unlink "$root/usr/sbin/policy-rc.d";
	return $self;
}

sub root { $_[0]{root} }

# '' or why not.
sub boot {
	my $self = shift;
	my $console = "$self->{work}/console";
	Pennypost::spew($console, '');
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		POSIX::setsid();
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $console;
		open STDERR, '>&', \*STDOUT;
		alarm 0;
		no warnings;
		exec { 'systemd-nspawn' } 'systemd-nspawn', '--quiet', '-M', "pennypost$$", '-D',
		    $self->{root}, '--register=no', '--keep-unit',
		    '--private-network', '--boot', '--console=pipe',
		    'systemd.unit=multi-user.target';
		POSIX::_exit(127);
	}
	$self->{nspawn} = $pid;
	Pennypost::wait_for(150, sub {
		return 1 if waitpid($pid, WNOHANG) == $pid;
		return '' unless $self->{init} ||= init_of($pid);
		my ($st, $out) = $self->run(qw(systemctl is-system-running));
		return $out =~ /^(?:running|degraded)$/m;
	}) or return 'not up in time: ' . Pennypost::slurp($console);
	return '' if $self->{init} && -d "/proc/$self->{init}";
	delete $self->{nspawn};
	return 'it does not boot: ' . Pennypost::slurp($console);
}

sub init_of {
	my $parent = shift;
	for (Pennypost::Proc::family($parent, 'x')) {
		return $_->[0] if $_->[2] =~ m{(?:^|/)(?:systemd|init)\b} &&
		    $_->[2] !~ /nspawn/;
	}
	return '';
}

sub enter { ('nsenter', '-t', $_[0]{init}, @{ $_[1] }) }
# Runs a command inside.
sub run {
	my ($self, @cmd) = @_;
	my $o = ref $cmd[0] ? shift @cmd : {};
	return Pennypost::run($o,
	    $self->enter([qw(-m -p -u -n -i)]), @cmd);
}
# Runs a program of this machine in its network.
sub client {
	my ($self, @cmd) = @_;
	my $o = ref $cmd[0] ? shift @cmd : {};
	return Pennypost::run($o, $self->enter(['-n']), @cmd);
}
sub property {
	my ($self, $unit, $name) = @_;
	my ($st, $out) = $self->run('systemctl', 'show', '-P', $name, $unit);
	chomp $out;
	return $out;
}
sub journal {
	my ($self, $unit) = @_;
	return ($self->run('journalctl', '-q', '--no-pager', '-n', 40, '-u',
	    $unit))[1];
}

sub DESTROY {
	my $self = shift;
	return if $self->{owner} != $$;
	local ($?, $@);
	if (my $pid = $self->{nspawn}) {
		$self->run(qw(systemctl --no-block poweroff))
		    if $self->{init};
		if (!Pennypost::wait_for(15,
		    sub { waitpid($pid, WNOHANG) == $pid })) {
			kill 'KILL', map { $_->[0] }
			    reverse Pennypost::Proc::family($pid, 'x');
			waitpid $pid, 0;
		}
	}
	Pennypost::run('umount', $self->{root}) if $self->{mounted};
	rmdir $self->{root};
	Pennypost::run('rm', '-rf', $self->{work});
}

1;
