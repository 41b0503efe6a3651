# Bash completion of mspwh-send, mspwh-redeliver, mspwh-inspect and mspwh-streamtrim. The options are those
# that --help prints.

_mspwh() {
    local command=$1 word=$2 before=$3
    COMPREPLY=()

    case $before in
        --event)
            mapfile -t COMPREPLY < <(compgen -W "$("$command" --list 2> /dev/null)" -- "$word")
            return ;;
        --field)
            compopt -o nospace 2> /dev/null
            mapfile -t COMPREPLY < <(compgen -S = -W 'event_type entity_id ticket_id response_type' -- "$word")
            return ;;
    esac

    case $word in
        -*)
            mapfile -t COMPREPLY < <(compgen -W "$("$command" --help 2> /dev/null |
                sed -n 's/^  \(--[a-z][a-z-]*\).*/\1/p')" -- "$word") ;;
        *)
            compopt -o filenames 2> /dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    esac
}

complete -F _mspwh mspwh-send mspwh-redeliver mspwh-inspect mspwh-streamtrim
