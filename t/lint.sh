#!/bin/bash
# House rules that a program can check; `make lint`.  Prints each breach as
# file:line: text and ends with status 1 if there was one.
#
# A function over 70 lines or a file over 500 is a breach unless a comment in
# it (for a function: in or above it) says "lint: long" and why: one table, and
# of one topic.  Tests and scripts are no exception.
set -u
shopt -s lastpipe # report runs in this shell
export LC_ALL=C
bad=0
# Reads breaches from stdin.
report() {
	local text
	text=$(cat)
	[ -n "$text" ] || return 0
	printf '%s\n' "$text"
	bad=1
}
sources() {
	find common spool smtpd pop3d t -name '*.[ch]' | sort
}
ours() {
	find common spool smtpd pop3d -name '*.[ch]' | sort
}
scripts() {
	find t etc .ci -type f \( -name '*.t' -o -name '*.p[lmy]' -o \
	    -name '*.sh' -o -name run \) | sort
}

# Who may include what.
includes() {
	local f line inc dir
	ours | xargs grep -Hn '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' |
	while IFS= read -r line; do
		f=${line%%:*}
		dir=${f%%/*}
		inc=${line#*\"}
		inc=${inc%%\"*}
		case $dir:$inc in
		common:common/* | spool:common/* | spool:spool/* | \
		smtpd:common/* | smtpd:smtpd/* | pop3d:common/* | \
		pop3d:pop3d/*) ;;
		pop3d:spool/mbox.h | pop3d:spool/wire.h | \
		pop3d:spool/lock.h | pop3d:spool/state.h | \
		pop3d:spool/index.h | pop3d:spool/index_make.h | \
		pop3d:spool/uidl.h | \
		pop3d:spool/update.h | pop3d:spool/recipient.h) ;;
		smtpd:spool/ask_deliver.h | smtpd:spool/ask_queue.h | \
		smtpd:spool/ask_relay.h | \
		smtpd:spool/recipient.h | smtpd:spool/expand.h | \
		smtpd:spool/aliases.h | smtpd:spool/wire.h) ;;
		*/main.c:* | *:*/svc_*) ;; # below
		*) echo "${line%%:#*}: $dir/ must not include $inc" ;;
		esac
		# The main files start the roles, wherever these live.
		case $inc in
		*/svc_*)
			case $f in
			"$dir"/main.c) ;;
			*) [ "${inc%%/*}" = "$dir" ] ||
				echo "${line%%:#*}: $inc is another folder's" ;;
			esac
			;;
		esac
	done
}
# main.c is where the table of role mains stands: it may name any role.
includes | grep -v '^[a-z0-9]*/main\.c:' | report

# Functions that nobody here calls.
ours | xargs grep -HnwE \
    '(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|gets|alloca|setjmp|longjmp|sigsetjmp|system|popen|strncpy|strncat|tmpnam|mktemp)[[:space:]]*\(' |
    grep -vE '^[^:]*:[0-9]*:[[:space:]]*(\*|/\*|//)' | report

# Nothing outside of the project is named.
git grep -nIE '(^|[^A-Za-z0-9_}])/(root|home/[a-z]+)/[a-z]' -- . \
    ':!t/lint.sh' ':!t/fuzz/corpus' 2>/dev/null | report
# Nothing unfinished by its own word.
git grep -nIwE 'TODO|FIXME|XXX|HACK|not implemented' -- '*.c' '*.h' \
    '*.t' '*.sh' '*.p[lm]' '*.[58]' '*.md' GNUmakefile ':!t/lint.sh' |
    grep -v 'HACKING' | report

# Sizes.  A function begins with a brace in C, with its name in Perl and shell.
{ sources; scripts; } | while read -r f; do
	n=$(wc -l <"$f")
	[ "$n" -le 500 ] || grep -q 'lint: long' "$f" ||
		echo "$f:$n: more than 500 lines"
	awk -v f="$f" -v most=70 '
	/lint: long/ { marked = NR }
	/^\{/ || /^(sub [a-z_0-9]+|[a-z_0-9]+\(\)) \{$/ { start = NR; open = 1 }
	/^}/ && open {
		open = 0
		if (NR - start - 1 > most && !(marked > start - 15 && marked))
			printf "%s:%d: function of %d lines\n", f, start,
			    NR - start - 1
	}' "$f"
	case $f in
	common/* | spool/* | smtpd/* | pop3d/*)
		awk -v f="$f" '{ l = $0
			while (i = index(l, "\t"))
				l = substr(l, 1, i - 1) substr("        ",
				    (i - 1) % 8 + 1) substr(l, i + 1)
		}
		/clang-format off/ { table = 1 } /clang-format on/ { table = 0 }
		length(l) > (table ? 115 : 80) {
			printf "%s:%d: %d columns\n", f, NR, length(l) }' "$f" ;;
	esac
done | report

# The captured worker of t/hostile tries every request that any service knows
# (append asks the opener for dotlocks, the queue asks expand, deliver its runner;
# no worker has those channels; nor has one that of senders to the dialer).
find common spool smtpd pop3d -name '*.c' | sort |
    xargs awk '/^static const struct request requests\[\]/ { table = 1 }
	/^};/ { table = 0 }
	table && match($0, /(\{|\.type =) [A-Z]+_[A-Z_]+,/) {
		name = substr($0, RSTART, RLENGTH)
		gsub(/[^A-Z_]/, "", name)
		print FILENAME ":" FNR, name }' |
    grep -Ev ' (DOTLOCK|EXPAND|DIALER|RUNNER)_' |
    while read -r at name; do
	grep -qw "$name" t/hostile/requests.c ||
		echo "$at: t/hostile/requests.c does not try $name"
done | report

# Every mutant still changes something.
for list in t/mutants/*.list; do
	grep -v '^#' "$list" | while IFS=$'\t' read -r f expression _; do
		[ -n "$f" ] || continue
		sed -E "$expression" "$f" 2>/dev/null | cmp -s - "$f" &&
			echo "$list: changes nothing in $f: $expression"
		[ -e "$f" ] || echo "$list: there is no $f"
	done
done | report

# Every file says in which role it runs.
find common spool smtpd pop3d \( -name 'svc_*.[c]' -o -name 'ask_*.c' -o \
    -name 'cmd_*.c' \) | sort | while read -r f; do
	awk '{ print } /\*\// { exit }' "$f" | grep -q 'Runs in:' ||
		echo "$f:1: the first comment lacks 'Runs in:'"
done | report

# Format of what is code: headers are laid out by hand.  Only with the version
# that the files were written with, as others break lines elsewhere.
case $(clang-format --version) in
*'version 14.'*)
	sources | grep '\.c$' | xargs clang-format -n 2>&1 |
	    sed -n 's/^\([^ :]*\.c\):[0-9:]* warning:.*/\1/p' | uniq -c |
	    sed 's/ *\([0-9]*\) \(.*\)/\2:1: \1 places: clang-format -i \2/' |
	    report ;;
*) echo "lint: clang-format is not version 14: format not checked" ;;
esac

sources | grep '\.c$' | xargs cppcheck -q -j2 --std=c11 -I. "-Dnoreturn=__attribute__((noreturn))" \
    --enable=warning,portability,performance --inline-suppr \
    --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
    --suppress=preprocessorErrorDirective \
    --template='{file}:{line}: {id}: {message}' --error-exitcode=0 2>&1 | report

# Manual pages.
find common spool smtpd pop3d -name '*.[58]' | sort |
    xargs -r mandoc -Tlint -W warning 2>&1 | report

# Scripts.
for f in $(scripts); do
	case $(head -n 1 "$f") in
	*perl*) perl -It/lib -wc "$f" 2>&1 | grep -v 'syntax OK$' | report ;;
	*python*) python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' \
	    "$f" 2>&1 | report ;;
	*bash*) bash -n "$f" 2>&1 | report ;;
	*/sh*) sh -n "$f" 2>&1 | report ;;
	esac
done

if [ $bad -eq 0 ]; then
	echo "lint: clean"
fi
exit $bad
