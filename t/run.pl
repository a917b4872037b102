#!/usr/bin/perl
# Runs the tests it is given under TAP::Harness, which is what prove(1) is, and
# says which were skipped, and why.
#
# As root nothing may be skipped but what t/skips.list names with a reason:
# "TEST<blank>REGEX of the skip's text<blank># why".  A skip that is not listed
# is a failure.
use strict;
use warnings;
use TAP::Harness;
use TAP::Formatter::Console;
use TAP::Parser::Aggregator;

my %twice;
my @tests = grep { !$twice{$_}++ } @ARGV or die "usage: t/run.pl test...\n";
my @allowed;
open my $list, '<', 't/skips.list' or die "t/skips.list: $!\n";
while (<$list>) {
	next if /^\s*(#|$)/;
	my ($test, $text) = m{^(\S+)\s+(.*?)\s+#\s+\S}
	    or die "t/skips.list:$.: no reason behind '#'\n";
	push @allowed, [ qr/$test/, qr/$text/ ];
}

my (@skips, %failed, %at_fault);
my $harness = TAP::Harness->new({
	jobs      => $ENV{J} || 4,
	verbosity => $ENV{VERBOSE} ? 1 : 0,
	failures  => 1,
	timer     => 1,
	color     => -t STDOUT ? 1 : 0,
	rules     => { seq => [ { par => '**' } ] },
	exec      => sub {
		my ($h, $test) = @_;
		return [ $^X, '-It/lib', $test ] if $test =~ m{^t/.*\.t$} &&
		    first_line($test) =~ /perl/;
		return [ 'sh', $test ] if $test =~ m{^t/.*\.t$};
		# What a program says beside its tests is shown when it fails.
		# The shell stays: it holds the end of a pipe that the harness
		# would else take for one that has something to say, and wait for
		# this test's next line while the others get no turn.
		return [ 'sh', '-c', '"$0" 2>"$0.err"; exit $?', $test ];
	},
});
sub first_line {
	open my $f, '<', shift or return '';
	return scalar(<$f>) // '';
}
$harness->callback(made_parser => sub {
	my ($parser, $job) = @_;
	my $name = ref $job eq 'ARRAY' ? $job->[1] : $job->description;
	$parser->callback(test => sub {
		my $r = shift;
		push @skips, [ $name, $r->explanation ] if $r->has_skip;
		# What fails is named, with what is said of it.
		$at_fault{$name} = !$r->is_ok;
		push @{ $failed{$name} }, $r->as_string if $at_fault{$name};
	});
	$parser->callback(comment => sub {
		my $r = shift;
		push @{ $failed{$name} }, $r->as_string if $at_fault{$name};
	});
	$parser->callback(plan => sub {
		my $r = shift;
		push @skips, [ $name, $r->explanation ]
		    if ($r->directive // '') =~ /skip/i;
	});
});
my $agg = TAP::Parser::Aggregator->new;
$agg->start;
$harness->aggregate_tests($agg, @tests);
$agg->stop;

for my $test ($agg->failed, $agg->exit) {
	open my $err, '<', "$test.err" or next;
	my @lines = <$err>;
	splice @lines, 0, @lines - 40 if @lines > 40;
	print "\n$test said:\n", map { "  $_" } @lines;
	unlink "$test.err"; # once
}

for my $test (sort keys %failed) {
	my @lines = @{ $failed{$test} };
	splice @lines, 40 if @lines > 40;
	print "\n$test failed:\n", map { "  $_\n" } @lines;
}

my $bad = 0;
my @unlisted;
if (@skips) {
	my %seen;
	print "\nSkipped:\n";
	for (sort { "@$a" cmp "@$b" } @skips) {
		my ($test, $why) = @$_;
		next if $seen{"$test $why"}++;
		my $ok = grep { $test =~ $_->[0] && $why =~ $_->[1] } @allowed;
		my $note = $ok || $> != 0 ? '' : '   <- NOT IN t/skips.list';
		if ($note) {
			$bad++;
			push @unlisted, "failed: $test: skipped: $why\n";
		}
		print "  $test: $why$note\n";
	}
	print "\n";
}
$harness->formatter->summary($agg);
if ($bad) {
	print "As root no test may be skipped without its reason in ",
	    "t/skips.list: $bad.\n";
}
# Last, and short, for whoever sees only the end of a long log.
for my $test (sort $agg->descriptions) {
	my ($parser) = $agg->parsers($test);
	next unless $parser->has_problems;
	my @lines = grep { /^not ok/ } @{ $failed{$test} || [] };
	@lines = 'it ended with status ' . ($parser->exit // '?') .
	    ($parser->parse_errors ? ': ' . ($parser->parse_errors)[0] : '')
	    unless @lines;
	splice @lines, 5, @lines - 5, '...' if @lines > 5;
	print map { "failed: $test: $_\n" } @lines;
}
print @unlisted;
exit($agg->all_passed && !$bad ? 0 : 1);
