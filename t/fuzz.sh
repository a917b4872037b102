#!/bin/sh
# Runs each fuzz target for a bounded time on its kept corpus, as many at a time
# as there are processors.  New inputs go into a scratch directory; an input that
# crashes is kept below build/ and the run ends with status 1.
#
#   t/fuzz.sh SECONDS [target...]
#
# With FUZZ_RUNS=N each target makes at most N runs from a fixed seed: the same
# ones each time.
set -eu

# one TARGET SECONDS SCRATCH: says in the end how it went, in one piece.
one() {
	bin=build/fuzz/t/fuzz/$1 corpus=t/fuzz/corpus/$1 log=$3/$1.log
	mkdir -p "$3/$1"
	[ -d "$corpus" ] || corpus=
	# shellcheck disable=SC2086
	if "$bin" ${FUZZ_RUNS:+-seed=1 -runs="$FUZZ_RUNS"} \
	    -max_total_time="$2" -timeout=60 -rss_limit_mb=2048 \
	    -print_final_stats=1 -artifact_prefix=build/fuzz/crashes/"$1"- \
	    "$3/$1" $corpus >"$log" 2>&1; then
		echo "fuzz: $1: $(awk '/number_of_executed_units/ { print $2 }' \
		    "$log") runs, no finding"
	else
		echo "$(tail -n 40 "$log")
fuzz: $1: FAILED"
		return 1
	fi
}
if [ "${1-}" = --one ]; then
	one "$2" "$3" "$4"
	exit
fi

seconds=${1:?usage: t/fuzz.sh seconds [target...]}
shift
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
[ $# -gt 0 ] || set -- $(find t/fuzz -maxdepth 1 -name '*.c' | sort |
    sed 's|.*/||;s|\.c$||')
mkdir -p build/fuzz/crashes
printf '%s\n' "$@" |
    xargs -P "$(nproc)" -I TARGET "$0" --one TARGET "$seconds" "$scratch" || {
	echo "fuzz: something was found: see FAILED above"
	exit 1
}
