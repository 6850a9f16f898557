# Completion of `balupi` for bash.
_balupi() {
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "$(balupi help 2>/dev/null | sed -n 's/^  balupi \([a-z-]*\).*/\1/p') --version" -- "$2"))
  elif [ "${COMP_WORDS[1]}" = set ] && [ "$COMP_CWORD" -eq 2 ]; then
    COMPREPLY=($(compgen -W "$(balupi settings --names 2>/dev/null)" -- "$2"))
  elif [ "${COMP_WORDS[1]}" = update ] && [ "${2:0:1}" = - ]; then
    COMPREPLY=($(compgen -W '--unsigned --back --restore' -- "$2"))
  else
    COMPREPLY=($(compgen -f -- "$2"))
  fi
}
complete -F _balupi balupi
