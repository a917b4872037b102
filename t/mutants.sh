#!/bin/bash
# Seeds mistakes, one at a time, and sees that a test turns red.
#
#   t/mutants.sh [--one-per-area] [area...]
#
# t/mutants/AREA.list has a mutant a line, three fields separated by tabs:
#   file    sed -E expression    tests, separated by blanks
# A test is t/NAME.t, or unit/NAME for build/plain/t/unit/NAME.t.  A line that
# begins with '#' says what the next mutant does wrong.  All happens in a scratch
# copy.  A mutant that survives, changes nothing, or does not compile is a
# failure.
set -u
# A mistake need not be free of warnings.
unset CI
one=
[ "${1-}" != --one-per-area ] || {
	one=1
	shift
}
cd "$(dirname "$0")/.." || exit 2
top=$PWD
[ $# -gt 0 ] || set -- $(cd t/mutants && ls -- *.list | sed 's/\.list$//')
scratch=$(mktemp -d /tmp/pennypost-mutants.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
make -s -j"$(nproc)" all || exit 2
git ls-files -z --cached --others --exclude-standard |
	xargs -0 cp -a --parents -t "$scratch"
mkdir -p "$scratch/build"
cp -a build/plain "$scratch/build/"
cd "$scratch" || exit 2
killed=0 bad=0

# try AREA WHAT FILE EXPRESSION TESTS
try() {
	local file=$3 t programs='' tests='' how start=$SECONDS
	cp -p "$file" "$scratch/original" || return 1
	sed -i -E "$4" "$file"
	if cmp -s "$file" "$scratch/original"; then
		echo "not ok - $1: $2: changes nothing in $file: $4"
		return 1
	fi
	touch "$file"
	for t in $5; do
		case $t in
		unit/*)
			programs="$programs build/plain/t/$t.t"
			tests="$tests build/plain/t/$t.t"
			;;
		t/023*) # captured workers: programs of their own
			programs="$programs build/plain/t/hostile/smtpd"
			programs="$programs build/plain/t/hostile/pop3d"
			tests="$tests $t"
			;;
		t/045*) # a sender without a queue
			programs="$programs build/plain/t/relay/drive"
			tests="$tests $t"
			;;
		*) tests="$tests $t" ;;
		esac
	done
	# shellcheck disable=SC2086
	if ! make -s -j"$(nproc)" all $programs >"$scratch/log" 2>&1; then
		how='does not compile'
	elif SMTPD=build/plain/smtpd/smtpd POP3D=build/plain/pop3d/pop3d \
	    V=plain O=build/plain TEST_SECONDS=120 timeout 150 \
	    perl t/run.pl $tests >"$scratch/log" 2>&1; then
		how='SURVIVED'
	else
		how=
	fi
	cp -p "$scratch/original" "$file"
	touch "$file"
	if [ -z "$how" ]; then
		echo "ok - $1: $2 ($((SECONDS - start)) s)"
		return 0
	fi
	echo "not ok - $1: $2: $how ($file: $4)"
	[ "$how" = SURVIVED ] || tail -n 5 "$scratch/log"
	return 1
}

for area; do
	list=$top/t/mutants/$area.list
	what=
	while IFS=$'\t' read -r -u 9 file expression tests; do
		case $file in
		'') continue ;;
		'#'*)
			what=${file#\# }
			continue
			;;
		esac
		if try "$area" "$what" "$file" "$expression" "$tests"; then
			killed=$((killed + 1))
		else
			bad=$((bad + 1))
		fi
		[ -z "$one" ] || break
	done 9<"$list"
done
echo "mutants: $killed noticed, $bad not"
[ $bad -eq 0 ]
