#compdef rustnet
# zsh completion of rustnet. For this shell: source <(rustnet completion zsh)
# For all: rustnet completion zsh > /usr/share/zsh/site-functions/_rustnet
_rustnet() {
	local how line
	local -a lines values texts
	lines=("${(@f)$(${(Q)words[1]/#\~\//$HOME/} __complete zsh "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
	how=$lines[1]
	shift lines
	case $how in
	files) compset -P "--*="; _files; return ;;
	dirs) compset -P "--*="; _files -/; return ;;
	command*)
		shift "${how#command }" words
		shift words
		((CURRENT -= ${how#command } + 1))
		_normal
		return
		;;
	esac
	for line in $lines; do
		values+=("${line%%$'\t'*}")
		texts+=("${${line%%$'\t'*}##*,}${${line#*$'\t'}:+ -- ${line#*$'\t'}}")
	done
	((${#values})) || return 1
	if [[ $how == parts ]]; then
		compadd -S '' -l -d texts -a values
	else
		compadd -l -d texts -a values
	fi
}
if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
	_rustnet "$@"
else
	compdef _rustnet rustnet
fi
