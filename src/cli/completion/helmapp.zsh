#compdef helmapp
# zsh completion of helmapp; source it after compinit, or put it as _helmapp into a directory of $fpath.
_helmapp() {
    local answer line word
    local -a candidates
    answer=$(helmapp __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null) || return 1
    for line in "${(@f)answer}"; do
        case $line in
        :0) (( $#candidates )) && _describe helmapp candidates; _files; return ;;
        :*) ;;
        *)
            word=${${line%%$'\t'*}//:/\\:}
            [[ $line == *$'\t'* ]] && word+=":${line#*$'\t'}"
            candidates+=("$word")
            ;;
        esac
    done
    _describe helmapp candidates
}
if [[ $funcstack[1] == _helmapp ]]; then
    _helmapp "$@"
else
    compdef _helmapp helmapp
fi
