#!/bin/sh
# Installs BaluPi from this unpacked release, or updates an installed one to it. May be run repeatedly.
#   sudo sh install.sh [--nas URL] [--data DIR] [--port 80,8000] [--unattended]
set -eu
umask 022

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$here/package.json")
home=/opt/balupi
release="$home/releases/$version"
settings=/etc/balupi/balupi.env
unit=/etc/systemd/system/balupi.service
nas='' data='' port='' unattended=no

say() { printf '%s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

while [ $# -gt 0 ]; do
  case $1 in
    --nas) nas=${2:-}; [ -n "$nas" ] || die '--nas wants an address.'; shift ;;
    --data) data=${2:-}; [ -n "$data" ] || die '--data wants a folder.'; shift ;;
    --port) port=${2:-}; [ -n "$port" ] || die '--port wants a port, or several with commas.'; shift ;;
    --unattended) unattended=yes ;;
    -h | --help) sed -n '2,3s/^# \{0,3\}//p' "$0"; exit 0 ;;
    *) die "Got $1, wanted --nas, --data, --port or --unattended." ;;
  esac
  shift
done
[ -t 0 ] || unattended=yes

# As people write it: 192.168.1.20, nas.local/
as_url() {
  case $1 in *://*) url=$1 ;; *) url=http://$1 ;; esac
  say "${url%/}"
}
if [ -n "$nas" ]; then
  case $(as_url "$nas") in
    *[[:space:]@]*) die "--nas wants an address such as http://192.168.1.20, and got $nas." ;;
    http://?* | https://?*) nas=$(as_url "$nas") ;;
    *) die "--nas wants an address such as http://192.168.1.20, and got $nas." ;;
  esac
fi

# --- the machine ------------------------------------------------------------------------------
wanted=$(cat "$here/ARCHITECTURE")
case "$(uname -m)-$(getconf LONG_BIT)" in
  aarch64-64) machine=arm64 ;;
  x86_64-64) machine=x64 ;;
  *) die "BaluPi needs a 64-bit system, and this is $(uname -m) with $(getconf LONG_BIT) bits: install the 64-bit image." ;;
esac
[ "$machine" = "$wanted" ] || die "This release is for $wanted, and this machine is $machine."
[ "$(id -u)" = 0 ] || die 'Only root can install a service: sudo sh install.sh'
command -v systemctl >/dev/null 2>&1 || die 'There is no systemd here. BaluPi runs without one by npm start, see README.md.'

say "BaluPi $version"
(cd "$here" && sha256sum --quiet --check SHA256SUMS) || die 'This release is damaged: unpack it anew.'

# --- what is there already --------------------------------------------------------------------
kept() { [ -f "$settings" ] && sed -n "s/^BALUPI_$1=//p" "$settings" | tail -n 1 || true; }
[ -n "$data" ] || data=$(kept DATA_DIR)
[ -n "$data" ] || data=/var/lib/balupi
case $data in /*) ;; *) die "--data wants a folder from the root on, and got $data." ;; esac
case $data in *[!A-Za-z0-9/._-]*) die "--data wants a folder of letters, digits, dots and dashes, and got $data." ;; esac
case $data in /home/* | /root/* | /run/user/*) die "The service sees nothing of $data (ProtectHome=): choose a folder in another place." ;; esac
old=$(kept DATA_DIR)
if [ -n "$old" ] && [ "$old" != "$data" ] && [ -e "$old/queue.db" ]; then
  die "The data lie in $old. To take them elsewhere: sudo balupi move $data"
fi

# Prints who holds a TCP port, and nothing if it is free or ours.
own=$(systemctl show --property=MainPID --value balupi 2>/dev/null || true)
holder() {
  if ! command -v ss >/dev/null 2>&1; then
    # State 0A is LISTEN (proc_net_tcp.txt of Linux). The owner is not readable there.
    systemctl is-active --quiet balupi && return 0
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
      awk -v want="$(printf ':%04X' "$1")" '$4 == "0A" && substr($2, length($2) - 4) == want { print "another program"; exit }'
    return 0
  fi
  ss -H -l -t -n -p "sport = :$1" 2>/dev/null | grep -v "pid=${own:-0}," |
    sed -n 's/.*users:(("\([^"]*\)".*/\1/p; /users:/!s/.*/another program/p' | head -n 1
}

[ -n "$port" ] || port=$(kept PORT)
[ -n "$port" ] || port=8000
case ,$port, in *[!0-9,]* | *,,*) die "--port wants a port, or several with commas, and got $port." ;; esac
free=''
for one in $(printf '%s' "$port" | tr ',' ' '); do
  case $one in
    0* | ??????*) die "--port wants numbers from 1 to 65535, and got $one." ;;
    *) [ "$one" -le 65535 ] || die "--port wants numbers from 1 to 65535, and got $one." ;;
  esac
  who=$(holder "$one")
  if [ -z "$who" ]; then free="${free:+$free,}$one"; else say "Port $one is taken by $who, which is left alone."; fi
done
if [ -z "$free" ]; then
  free=8000
  who=$(holder 8000)
  [ -z "$who" ] || die "Port 8000 is taken by $who as well: choose one with --port."
  say 'Taking port 8000 instead.'
fi
port=$free

# --- user, folders, program -------------------------------------------------------------------
if ! getent passwd balupi >/dev/null; then
  useradd --system --user-group --home-dir "$data" --no-create-home --shell /usr/sbin/nologin balupi
fi
"$here/bin/balupi" check-disk "$data" || die "The folder $data will not do for the data."
if grep -qs '^phase=trial' "$home/trial"; then
  die 'A version is on trial after an update. That ends by itself: try again in a few minutes.'
fi
rm -f "$home/trial"
mkdir -p "$data/updates" /etc/balupi "$home/releases"
chown balupi:balupi "$data" "$data/updates"
chmod 0700 "$data" "$data/updates"
chmod 0755 /etc/balupi "$home" "$home/releases"

if [ "$here" != "$release" ]; then
  rm -rf "$release.next"
  cp -R "$here" "$release.next"
  chown -R root:root "$release.next"
  # This very version may be running; it keeps the files it has open.
  rm -rf "$release.before"
  [ ! -d "$release" ] || mv "$release" "$release.before"
  mv "$release.next" "$release"
  rm -rf "$release.before"
fi
cp "$release/bin/turn" "$home/turn.next"
mv "$home/turn.next" "$home/turn"
was=$(readlink "$home/current" || true)
if [ -n "$was" ] && [ "$was" != "releases/$version" ]; then ln -sfn "$was" "$home/before"; fi
ln -sfn "releases/$version" "$home/current.next"
mv -T "$home/current.next" "$home/current"
ln -sfn "$home/current/bin/balupi" /usr/local/bin/balupi

# --- settings: what only the machine's owner may say ------------------------------------------
if [ -f "$settings" ]; then
  sed -i -e "s|^BALUPI_PORT=.*|BALUPI_PORT=$port|" -e "s|^BALUPI_DATA_DIR=.*|BALUPI_DATA_DIR=$data|" "$settings"
else
  (
    umask 077
    cat >"$settings" <<SETTINGS
# What only the owner of this machine may say. All else: balupi settings, balupi set NAME
BALUPI_HOST=0.0.0.0
BALUPI_PORT=$port
BALUPI_DATA_DIR=$data
BALUPI_SECRET_KEY=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
SETTINGS
  )
fi
chmod 0600 "$settings"

# --- the NAS ----------------------------------------------------------------------------------
find_nas() { "$home/current/bin/balupi" find-nas ${1:+"$1"} 2>/dev/null || true; }

tell_found() {
  say "$found" | while read -r url its mac; do
    [ "$mac" != - ] || mac='not known yet'
    say "  BaluHost $its at $url (MAC $mac)"
  done
}

# Fails with a sentence if this is no address. It need not answer: a NAS may be asleep.
keep_nas() {
  "$home/current/bin/balupi" set NAS_URL "$1" || return 1
  if [ -z "$found" ]; then
    found=$(find_nas "$1")
    if [ -n "$found" ]; then tell_found; else say "  $1 does not answer now; it may sleep."; fi
  fi
  mac=$(say "$found" | sed -n "s|^$1 [^ ]* \([0-9a-f:]\{17\}\)$|\1|p" | head -n 1)
  [ -z "$mac" ] || "$home/current/bin/balupi" set NAS_MAC_ADDRESS "$mac"
}

known=no
grep -q '"NAS_URL"' "$data/settings.json" 2>/dev/null && known=yes
if [ -n "$nas" ]; then
  found=''
  keep_nas "$nas" || exit 1
elif [ "$known" = no ]; then
  say 'Looking for the NAS …'
  found=$(find_nas)
  [ -z "$found" ] || tell_found
  offered=$(say "$found" | sed -n '1s/ .*//p')
  ask=$([ "$unattended" = yes ] && echo no || echo yes)
  while [ "$ask" = yes ]; do
    printf 'Address of the NAS%s: ' "${offered:+ [$offered]}"
    read -r typed || typed=''
    [ -n "$typed" ] || break
    typed=$(as_url "$typed")
    [ "$typed" = "$offered" ] || found=''
    if keep_nas "$typed"; then ask=kept; fi
  done
  if [ "$ask" != kept ] && [ -n "$offered" ]; then
    keep_nas "$offered"
  elif [ "$ask" != kept ]; then
    say '  No NAS was found. Name it later: sudo balupi set NAS_URL http://…'
  fi
fi

# --- the service ------------------------------------------------------------------------------
cp "$release/deploy/balupi.service" "$unit"
for one in balupi-backup.service balupi-backup.timer; do
  cp "$release/deploy/$one" "/etc/systemd/system/$one"
done
mkdir -p "$unit.d"
{
  say '[Unit]'
  say "RequiresMountsFor=$data"
  say '[Service]'
  say "ReadWritePaths=$data"
  # Older versions warn about options they do not know.
  if [ "$(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')" -ge 254 ]; then
    say 'RestartSteps=6'
    say 'RestartMaxDelaySec=120'
  fi
} >"$unit.d/10-machine.conf"
mkdir -p /usr/share/bash-completion/completions /usr/local/share/man/man1
cp "$release/deploy/balupi.bash" /usr/share/bash-completion/completions/balupi
cp "$release/deploy/balupi.1" /usr/local/share/man/man1/balupi.1

systemctl daemon-reload
systemctl enable --quiet balupi
# Does nothing until BALUPI_BACKUP_DIR or BALUPI_BACKUP_USER is set.
systemctl enable --quiet --now balupi-backup.timer
say 'Starting …'
if ! systemctl restart balupi; then
  say 'BaluPi did not start. What it said:'
  balupi logs -n 20 || true
  exit 1
fi

first=${port%%,*}
[ "$first" = 80 ] && behind='' || behind=":$first"
address="http://$(hostname)$behind"
# Not every network resolves the name.
number=$(hostname -I 2>/dev/null | tr ' ' '\n' | grep -m 1 '^[0-9.]*$' || true)
say "BaluPi ready on $address"
if code=$("$home/current/bin/balupi" setup-code --present 2>/dev/null); then
  say "Next: open $address/dashboard${number:+ (or http://$number$behind/dashboard)} in a browser."
  say "Setup code: $code (for 24 h; a new one: sudo balupi setup-code)"
else
  say "Next: open $address/dashboard${number:+ (or http://$number$behind/dashboard)} and sign in with your NAS account while the NAS is awake. sudo balupi doctor looks at the rest."
fi
