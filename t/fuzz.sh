#!/bin/sh
# Runs each fuzz target for a bounded time on its kept corpus.  New inputs go
# into a scratch directory; an input that crashes is kept below build/ and the
# run ends with status 1.
#
#   t/fuzz.sh SECONDS [target...]
#
# With FUZZ_RUNS=N each target makes at most N runs from a fixed seed: the same
# ones each time.
set -eu
seconds=${1:?usage: t/fuzz.sh seconds [target...]}
shift
bin=build/fuzz/t/fuzz
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
[ $# -gt 0 ] || set -- $(find t/fuzz -maxdepth 1 -name '*.c' | sort |
    sed 's|.*/||;s|\.c$||')
bad=0
mkdir -p build/fuzz/crashes
for t; do
	corpus=t/fuzz/corpus/$t
	mkdir -p "$scratch/$t"
	[ -d "$corpus" ] || corpus=
	# shellcheck disable=SC2086
	if $bin/"$t" ${FUZZ_RUNS:+-seed=1 -runs="$FUZZ_RUNS"} \
	    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
	    -print_final_stats=1 -artifact_prefix=build/fuzz/crashes/"$t"- \
	    "$scratch/$t" $corpus >"$scratch/log" 2>&1; then
		echo "fuzz: $t: $(awk '/number_of_executed_units/ { print $2 }' \
		    "$scratch/log") runs, no finding"
	else
		tail -n 40 "$scratch/log"
		echo "fuzz: $t: FAILED"
		bad=1
	fi
done
exit $bad
