#!/bin/sh
# Switches an installation to another release on trial, and back if the trial fails.
# systemd runs both steps before every start of the service, so that an interrupted update (a kill, a
# power cut, a release that cannot run) always ends with a release that runs:
#   turn link   as root: the link `current`
#   turn data   as the service's user: the databases, and the small files next to them
# `balupi update` writes the file `trial` next to this script; removing that file keeps the version:
#   phase=asked|trial  from=  to=  data=stays|returns  pid=, began= of the update process that watches
# It is outside of the releases, so that it does not depend on the one on trial.
set -eu
umask 077
home=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
trial=$home/trial
data_folder=${BALUPI_DATA_DIR:-/var/lib/balupi}
databases='queue.db cache.db energy.db'
beside='settings.json secret.key last-run'

say() { printf '%s\n' "$*"; }
word() { sed -n "s/^$1=//p" "$trial"; }

# --- the link ---------------------------------------------------------------------------------
# Whether the update that asked still runs. Its process id may have been reused, so the start time
# counts too.
watched() {
  began=$(sed -n 's/.*) //p' "/proc/$(word pid)/stat" 2>/dev/null | cut -d' ' -f20) || began=''
  [ -n "$began" ] && [ "$began" = "$(word began)" ]
}

point() {
  [ -n "$1" ] && [ -d "$home/releases/$1" ] || { say "There is no release '$1'."; return 0; }
  ln -sfn "releases/$1" "$home/current.next"
  mv -T "$home/current.next" "$home/current"
  sync "$home"
}

link() {
  [ -e "$trial" ] || return 0
  # One by one, so that an unreadable one ends the script.
  phase=$(word phase)
  from=$(word from)
  to=$(word to)
  if [ "$phase" = asked ] && watched; then
    # The phase first: after a crash here the next start finds a trial that began, and reverts it.
    sed 's/^phase=.*/phase=trial/' "$trial" >"$trial.next"
    chmod 0644 "$trial.next"
    sync "$trial.next"
    mv "$trial.next" "$trial"
    point "$to"
    return 0
  fi
  say "$to did not stand its trial: $from runs again."
  point "$from"
  rm "$trial"
  sync "$home"
}

# --- the data ---------------------------------------------------------------------------------
copy() { cp -R --preserve=mode,timestamps --reflink=auto "$1" "$2"; }

# Makes the data folder's files those of the backup; files that the backup lacks are removed.
as_in() {
  if [ -e "$1/$2" ]; then
    rm -rf "$2.next"
    copy "$1/$2" "$2.next"
    [ ! -d "$2" ] || rm -rf "$2"
    mv "$2.next" "$2"
  else
    rm -rf "$2"
  fi
}

databases_as_in() {
  for name in $databases; do
    # A write-ahead log belongs to one database file: remove it first, put it back last.
    rm -f "$name-wal" "$name-shm"
    as_in "$1" "$name"
    as_in "$1" "$name-wal"
  done
}

# Keeps databases, settings and flows before a version that may change them starts.
keep() {
  rm -rf before-update.next
  mkdir before-update.next
  for name in $databases; do
    for file in "$name" "$name-wal"; do [ ! -e "$file" ] || copy "$file" before-update.next/; done
  done
  for name in $beside flows; do [ ! -e "$name" ] || copy "$name" before-update.next/; done
  mkdir before-update.next/node-red
  for file in node-red/*.json node-red/.*.json node-red/*.key; do
    [ ! -f "$file" ] || copy "$file" before-update.next/node-red/
  done
  word from >before-update.next/version
  say "$trial" >before-update.next/undecided
  sync -f before-update.next
  rm -rf before-update.last
  [ ! -e before-update ] || mv before-update before-update.last
  mv before-update.next before-update
  sync .
}

# Restores the previous backup's databases, for a version that cannot read the current ones.
return_to_last() {
  : >before-update/returned
  # Sign-outs since then stay in force, and no row number is used twice (data-folder.ts).
  : >distrust
  : >ids-anew
  databases_as_in before-update.last
  mkdir -p queue
  # Uploads that the restored list does not know wait for their owner.
  : >queue/restored
  sync -f .
}

put_back() {
  databases_as_in before-update
  for name in $beside; do as_in before-update "$name"; done
  [ ! -e before-update/flows ] || as_in before-update flows
  for file in before-update/node-red/* before-update/node-red/.*.json; do
    [ ! -f "$file" ] || as_in before-update "${file#before-update/}"
  done
  [ ! -e before-update/returned ] || rm -f queue/restored distrust
  : >ids-anew
  sync -f .
  rm before-update/undecided
  sync before-update
  if [ -e before-update.last ]; then
    rm -rf before-update
    mv before-update.last before-update
  fi
  say 'The databases are as they were before the update.'
}

data() {
  cd "$data_folder" 2>/dev/null || return 0
  [ -e before-update ] || [ ! -e before-update.last ] || mv before-update.last before-update
  [ ! -e before-update/undecided ] || put_back
  if [ ! -e "$trial" ]; then
    rm -rf before-update.last before-update.next
    return 0
  fi
  choice=$(word data)
  keep
  [ "$choice" != returns ] || return_to_last
}

case ${1:-} in
  link) link ;;
  data) data ;;
  *) say "Got '${1:-}', wanted link or data." >&2; exit 2 ;;
esac
