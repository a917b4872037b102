#!/usr/bin/perl
# Writes common/fold_table.h from the Unicode data that come with Perl, which
# have simple case folding (Python's, of t/saslprep_table.py, have not):
#
#	perl t/fold_table.pl >common/fold_table.h
use strict;
use warnings;
use Unicode::UCD qw(charprop);
use Unicode::Normalize qw(getCombinClass getCanon);

my (@parts, @marks, @cases);
for my $u (0x80 .. 0x10ffff) {
	next if $u >= 0xac00 && $u <= 0xd7a3 || $u >= 0xd800 && $u <= 0xdfff;
	my $class = getCombinClass($u);
	if ($class && @marks && $marks[-1][1] == $u - 1 &&
	    $marks[-1][2] == $class) {
		$marks[-1][1] = $u;
	} elsif ($class) {
		push @marks, [ $u, $u, $class ];
	}
	if (defined getCanon($u)) {
		# One step of the decomposition, which is one or two characters.
		my $d = charprop($u, 'Decomposition_Mapping');
		my @to = map { ord } split //, $d;
		die sprintf('%x', $u) if @to < 1 || @to > 2;
		push @parts, [ $u, $to[0], $to[1] // 0 ];
	}
	next if chr($u) !~ /\p{Changes_When_Casefolded}/;
	my $fold = charprop($u, 'Simple_Case_Folding');
	next if length $fold != 1 || ord $fold == $u || ord $fold < 0x80;
	my $by = ord($fold) - $u;
	my $last = $cases[-1];
	my $step = $last ? $u - $last->[1] : 0;
	if ($last && $last->[3] == $by && ($step == $last->[2] ||
	    $last->[0] == $last->[1] && $step <= 2)) {
		@$last[1, 2] = ($u, $step);
	} else {
		push @cases, [ $u, $u, 1, $by ];
	}
}
my $line = "\t";
sub put {
	my ($text) = @_;
	if (length("$line$text") > 92) {
		print "$line\n";
		$line = "\t";
	}
	$line .= $text;
}
sub table {
	my ($head, @rows) = @_;
	print "$head = {\n";
	put(join ',', @$_, '') for @rows;
	print "$line\n};\n";
	$line = "\t";
}
print "#ifndef COMMON_FOLD_TABLE_H\n#define COMMON_FOLD_TABLE_H\n";
print "/* Part of fold.c.  Made by t/fold_table.pl from Unicode ",
    Unicode::UCD::UnicodeVersion(), ". */\n#include <stdint.h>\n\n/* clang-format off */\n";
table("/* A character, and the one or two that it is made of (0: none). */\n" .
    'static const uint32_t fold_parts[]', @parts);
table("/* From, to: their canonical combining class. */\n" .
    'static const uint32_t fold_marks[]', @marks);
table("/* From, to, step: what is added makes a small letter of it. */\n" .
    'static const int32_t fold_cases[]', @cases);
print "/* clang-format on */\n#endif\n";
