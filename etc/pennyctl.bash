# Completion of pennyctl(8) for bash.
_pennyctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local i verb= second= words= file=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-f) [ -n "$verb" ] || file=(-f "${COMP_WORDS[++i]}") ;;
		-*) ;;
		*)
			if [ -z "$verb" ]; then
				verb=${COMP_WORDS[i]}
			elif [ -z "$second" ]; then
				second=${COMP_WORDS[i]}
			fi
			;;
		esac
	done
	COMPREPLY=()
	case $verb:$prev in
	status:-d | top:-d | sessions:-d | kick:-d)
		COMPREPLY=($(compgen -W 'smtpd pop3d' -- "$cur"))
		return
		;;
	:-f | log:-F | metrics:-o | check:--pop3d | passwd:--home)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	esac
	case $verb in
	'') words='mailbox queue status top sessions kick passwd check metrics
		log -f -V' ;;
	mailbox)
		[ -n "$second" ] ||
			words='verify repair reindex stat who uidl-import'
		;;
	queue)
		if [ -z "$second" ]; then
			words='list count show flush retry hold release delete'
		else
			words='--sender --recipient --destination --older
				--younger --hold --queued --all --json'
		fi
		;;
	status) words='-d -w -n --json' ;;
	top) words='-d -n' ;;
	sessions) words='-d --json' ;;
	kick)
		words='-d'
		[[ $cur == -* ]] ||
			words=$(pennyctl "${file[@]}" sessions 2>/dev/null |
			    awk 'NR > 1 { print $1; print $4
				if ($5 != "-") print $5 }')
		;;
	passwd) words='--uid --gid --home --gecos --scram --plain' ;;
	check) words='--pop3d' ;;
	metrics) words='-o' ;;
	log) words='-f -F --json' ;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _pennyctl pennyctl
