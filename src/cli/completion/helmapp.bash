# bash completion of helmapp; source it, or put it into the directory of bash-completion.
_helmapp() {
    local answer line
    COMPREPLY=()
    answer=$(helmapp __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
    while IFS= read -r line; do
        case $line in
        :0) compopt -o bashdefault -o default ;;
        :*) ;;
        *) COMPREPLY+=("${line%%$'\t'*}") ;;
        esac
    done <<<"$answer"
}
complete -F _helmapp helmapp
