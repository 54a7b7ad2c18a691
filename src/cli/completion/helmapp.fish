# fish completion of helmapp; source it, or put it into ~/.config/fish/completions.
function __helmapp_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l current (commandline -ct)
    for line in (helmapp __complete -- $words "$current" 2>/dev/null)
        switch $line
            case ':0'
                __fish_complete_path "$current"
            case ':*'
            case '*'
                echo $line
        end
    end
end
complete -c helmapp -f -a '(__helmapp_complete)'
