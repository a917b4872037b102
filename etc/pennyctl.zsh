#compdef pennyctl
# Completion of pennyctl(8) for zsh.
_pennyctl() {
	local -a verbs
	local context state state_descr line
	typeset -A opt_args
	verbs=(
		'mailbox:look after a mailbox'
		'queue:look after the queue'
		'status:workers, clients, figures, queue'
		'top:the same on a screen'
		'sessions:who is served now'
		'kick:end sessions'
		'passwd:add or change a user'
		'check:configurations, queue, mailboxes'
		'metrics:figures for Prometheus'
		'log:the lines of a message'
	)
	_arguments -C '-f[configuration]:file:_files' '-V[version]' \
	    '1:verb:->verb' '*::argument:->argument'
	case $state in
	verb) _describe verb verbs ;;
	argument)
		case $line[1] in
		mailbox)
			_arguments '1:verb:(verify repair reindex stat who uidl-import)' \
			    '2:user:_users' \
			    '3:source:(popa3d dovecot x-uidl)'
			;;
		queue)
			_arguments '1:verb:(list count show flush retry hold release delete)' \
			    '--sender:glob:' '--recipient:glob:' \
			    '--destination:glob:' '--older:age:' \
			    '--younger:age:' '--hold' '--queued' '--all' \
			    '--json' '*:id:'
			;;
		status)
			_arguments '-d:daemon:(smtpd pop3d)' '-w' '-n:times:' \
			    '--json'
			;;
		top) _arguments '-d:daemon:(smtpd pop3d)' '-n:times:' ;;
		sessions) _arguments '-d:daemon:(smtpd pop3d)' '--json' ;;
		kick)
			_arguments '-d:daemon:(smtpd pop3d)' \
			    '1:pid, user or address:_users'
			;;
		passwd)
			_arguments '--uid:uid:' '--gid:gid:' \
			    '--home:directory:_directories' '--gecos:name:' \
			    '--scram' '--plain' '1:user:_users'
			;;
		check) _arguments '--pop3d:file:_files' ;;
		metrics) _arguments '-o:file:_files' ;;
		log)
			_arguments '-f' '-F:file:_files' '--json' '1:id:'
			;;
		esac
		;;
	esac
}
_pennyctl "$@"
