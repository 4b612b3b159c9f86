# shellcheck shell=bash
# bash completion of rustnet. For this shell: eval "$(rustnet completion bash)"
# For all: rustnet completion bash > /usr/share/bash-completion/completions/rustnet
_rustnet() {
	local program=${COMP_WORDS[0]/#\~\//$HOME/} how value
	COMPREPLY=()
	while IFS= read -r value; do
		if [[ -z $how ]]; then
			how=$value
		else
			COMPREPLY+=("${value%%$'\t'*}")
		fi
	done < <("$program" __complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
	case $how in
	parts) compopt -o nospace 2>/dev/null ;;
	files | dirs)
		local action=file
		[[ $how == dirs ]] && action=directory
		compopt -o filenames 2>/dev/null
		while IFS= read -r value; do
			COMPREPLY+=("$value")
		done < <(compgen -A "$action" -- "$2")
		;;
	command*)
		# What follows -- is another command's line: its own completion knows, where bash-completion is there.
		local at=0 i
		for ((i = 1; i < COMP_CWORD; i++)); do
			[[ ${COMP_WORDS[i]} == -- ]] && at=$((i + 1)) && break
		done
		if declare -F _command_offset >/dev/null && ((at > 0)); then
			_command_offset "$at"
		elif ((at == COMP_CWORD)); then
			while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen -c -- "$2")
		else
			compopt -o default 2>/dev/null
		fi
		;;
	esac
}
complete -F _rustnet rustnet
