#!/usr/bin/perl
# The manual pages name every keyword and option with its default, and none
# that does not exist.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $table = slurp('common/settings.c');
# Defaults that the makefile decides; the pages have its own defaults.
my %path = slurp('common/paths.h') =~ /^#define (\w+) (".*")$/mg;
$table =~ s/(\.dflt = )(\w+)/$1$path{$2}/g;
my %mask = (smtpd => { BOTH => 1, S => 1 }, pop3d => { BOTH => 1, P => 1 });
my @rows = $table =~
    /^\t\{ ((?:OPT|SPECIAL)\(\w+(?:, \w+)?\),.*) \},?$/mg;
cmp_ok(scalar @rows, '>', 30, 'the table was found');
for my $d (qw(smtpd pop3d)) {
	my $page = slurp("$d/$d.conf.5");
	my %in = map { $_ => 1 } $page =~ /^\.It Ic (\w+)/mg;
	my %here;
	for (@rows) {
		my ($name) = /^\w+\((\w+)/;
		my ($m) = /\.mask = (\w+)/;
		next unless $mask{$d}{$m};
		$here{$name} = 1;
		ok($in{$name}, "$d.conf(5) has $name") or next;
		my ($about) = $page =~ /^\.It Ic $name\b(.*?)(?=^\.It Ic|^\.El\n\.Sh)/ms;
		my ($default) = /\.dflt = "((?:[^"\\]|\\.)*)"/;
		next unless defined $default && $default ne '\"\"';
		like($about, qr/^Default: \Q$default\E\.$/m,
		    "and its default, $default");
	}
	ok($here{$_}, "$d.conf(5): $_ exists") for sort keys %in;
	has_examples($d, $page, \%here);
	my $man = slurp("$d/$d.8");
	my ($options) = slurp('common/daemon.c') =~ /getopt\(argc, argv, "(.*?)"/;
	for my $o ($options =~ /\w/g) {
		like($man, qr/^\.It Fl $o\b/m, "$d(8) has -$o");
	}
	for my $o ($man =~ /^\.It Fl (\w)/mg) {
		like($options, qr/$o/, "$d(8): -$o exists");
	}
}
# One line for each keyword, which together are a configuration.
sub has_examples {
	my ($d, $page, $here) = @_;
	my ($each) = $page =~ /^Each keyword once.*\n\.Bd .*\n((?:[^.].*\n)+)\.Ed$/m;
	my %given = map { /^(\w+) (.*)/ ? ($1 => $2) : () } split /\n/, $each;
	is(join(' ', sort keys %given), join(' ', sort keys %$here),
	    "$d.conf(5) has an example of each keyword");
	my $file = File::Temp->new;
	print $file $each;
	$file->flush;
	my ($st, $out) = run(Pennypost::program($d), '-f', $file->filename,
	    '-T', 'hostname');
	is($st, 0, 'and they are understood') or diag($out);
	for my $k (sort keys %given) {
		my ($default) = $page =~ /^\.It Ic $k\b.*?^Default: (\S.*)\.$/ms;
		isnt($given{$k}, $default // '', "$k: and not the default");
	}
}

# The samples, the README and the demo use keywords that exist.
my %all = map { /^\w+\((\w+)/ ? ($1 => 1) : () } @rows;
for my $f ('etc/smtpd.conf', 'etc/pop3d.conf') {
	for (split /\n/, slurp($f)) {
		my ($k) = /^#?(\w+) \S/ or next;
		next if /^# /;
		ok($all{$k}, "$f: $k");
	}
}
# They are right but for files that are not here.
for my $d (qw(smtpd pop3d)) {
	my $dir = File::Temp->newdir;
	(my $c = slurp("etc/$d.conf")) =~ s/^(?:role_user|tls_certificate).*\n//mg;
	my $n = () = $c =~ /^listen (?:smtps|pop3s).*\n/mg;
	is($n, 1, "etc/$d.conf has a listener inside TLS");
	$c =~ s/^listen (?:smtps|pop3s).*\n//mg;
	my $uid = is_root() ? 64101 : $>;
	$c .= "role_user $_ " . $uid++ . "\n"
	    for qw(queue log worker key lookup append crypt relay);
	mkdir "$dir/$_", 0700 for qw(empty queue);
	chown 64101, 64101, "$dir/queue" if is_root();
	# Whoever runs this is there, and nobody is everywhere.
	$c =~ s/^postmaster .*/postmaster nobody/m;
	# A host's own aliases are no business of a test.
	spew("$dir/aliases", slurp('etc/aliases'), 0644);
	$c =~ s{^aliases .*}{aliases $dir/aliases}m;
	spew("$dir/conf", "$c\nempty_directory $dir/empty\n" .
	    ($d eq 'smtpd' ? "queue_directory $dir/queue\n" : ''));
	my ($st, $out) = run(Pennypost->program($d), '-t', '-f', "$dir/conf");
	is($st, 0, "$d -t: etc/$d.conf") or diag($out);
}
# README's configuration is one that is understood.
my $readme = slurp('README.md');
my @conf = $readme =~ /^((?:       \w+ .*\n)+)/mg;
cmp_ok(tr/\n//, '<=', 10, 'README.md: at most ten lines')
    for grep { /hostname/ } @conf;
for my $k (map { /^ +(\w+)/mg } grep { /hostname/ } @conf) {
	ok($all{$k}, "README.md: $k");
}
done_testing;
