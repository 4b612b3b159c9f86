# fish completion of rustnet. For this shell: rustnet completion fish | source
# For all: rustnet completion fish > ~/.config/fish/completions/rustnet.fish
function __rustnet_complete
    set -l words (commandline -opc)
    set -l word (string replace -r '^[\'"]' '' -- (commandline -ct)) # of an open quote
    set -l lines ($words[1] __complete fish $words[2..-1] "$word" 2>/dev/null)
    set -l flag (string match -r -- '^--[a-z-]+=' "$word")
    set -l path (string replace -r -- '^--[a-z-]+=' '' "$word")
    switch "$lines[1]"
        case files
            printf '%s\n' "$flag"(__fish_complete_path "$path")
        case dirs
            printf '%s\n' "$flag"(__fish_complete_directories "$path")
        case 'command*'
            set -l from (math 2 + (string replace 'command ' '' -- $lines[1]))
            set -l rest
            if test $from -le (count $words)
                set rest (string escape -- $words[$from..-1])
            end
            complete -C (string join ' ' -- $rest "$word")
        case '*'
            printf '%s\n' $lines[2..-1]
    end
end
complete -c rustnet -f -a '(__rustnet_complete)'
