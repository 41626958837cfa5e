# SPDX-License-Identifier: BSD-3-Clause
# bash: what may follow `cordon`. The program itself knows; this shows it, with what each word is where several may follow.
_cordon() {
	local line list=() typed=${COMP_WORDS[COMP_CWORD]}
	COMPREPLY=()
	mapfile -t list < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	for line in "${list[@]}"; do
		if [[ $line == :file ]]; then
			compopt -o filenames 2>/dev/null
			mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$typed")
		elif ((${#list[@]} > 1 && COMP_TYPE == 63)); then # they are only shown
			COMPREPLY+=("$(printf '%-12s  (%s)' "${line%%$'\t'*}" "${line#*$'\t'}")")
		else
			COMPREPLY+=("${line%%$'\t'*}")
		fi
	done
}
complete -F _cordon cordon
