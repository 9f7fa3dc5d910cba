#!/usr/bin/env bash
# Installs the package on a machine that runs systemd and has no node, makes a node of it, has it
# started, reloaded, killed and upgraded as its unit says, and purges it. try-install.sh makes such a
# machine.
set -euo pipefail
package=$1

fail() {
    printf '✗ %s\n' "$*" >&2
    systemctl status --no-pager --full huren-node >&2 || true
    journalctl --no-pager --unit huren-node --lines 20 >&2 || true
    exit 1
}

say() { printf '✓ %s\n' "$*"; }
as_huren() { runuser -u huren -- "$@"; }
shown() { systemctl show huren-node --property "$1" --value; }

# Looks again until it holds.
until_holds() {
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        "$@" && return
        sleep 0.1
    done
    fail "it never came to: $*"
}

is() { [[ $(shown "$1") == "$2" ]]; }
runs_anew() {
    local process
    process=$(shown MainPID)
    [[ $process -ne 0 && $process -ne $1 ]] && is SubState running
}

installed=$(dpkg --install "$package" 2>&1) || fail "$installed"
pgrep -u huren >/dev/null && fail 'it runs before there is a node'
[[ $(stat --format '%U %a' /etc/huren /var/lib/huren) == $'huren 700\nhuren 700' ]] ||
    fail 'others may look into the folders of keys and state'

# A federation of one, whose ports are any that are free.
as_huren huren-node init --region 33 --dir /etc/huren --state /var/lib/huren \
    --grpc 127.0.0.1:0 --http 127.0.0.1:0 >/dev/null
made=$(as_huren mktemp -d)
as_huren huren trust new --member /etc/huren/member.json --out "$made/trust" --quorum 0 >/dev/null
as_huren cp "$made"/trust/{roots,lists} /etc/huren/trust/
as_huren cp "$made/trust/holder.key" /etc/huren/keys/
say 'installed, and a node made'

# A watchdog that does not take a minute.
mkdir -p /run/systemd/system/huren-node.service.d
printf '[Service]\nWatchdogSec=3s\nRestartSec=100ms\n' >/run/systemd/system/huren-node.service.d/soon.conf
systemctl daemon-reload
systemctl enable --quiet --now huren-node
is ActiveState active || fail 'it is not active once systemctl start is done'
until_holds is StatusText '就绪 / ready'
as_huren huren-node doctor --config /etc/huren/config.toml >/dev/null || fail 'the doctor finds problems'
say "started: $(shown StatusText)"

systemctl reload huren-node
until_holds is StatusText '就绪 / ready'
first=$(shown MainPID)
kill -KILL "$first"
until_holds runs_anew "$first"
say 'reloaded, killed and started again'

stuck=$(shown MainPID)
kill -STOP "$stuck"
until_holds runs_anew "$stuck"
[[ $(shown NRestarts) -eq 2 ]] || fail 'it was started again more often than it ended'
say 'stopped still, found out by the watchdog and started again'

before=$(shown MainPID)
until_holds is StatusText '就绪 / ready'
dpkg --install "$package" >/dev/null 2>&1
until_holds runs_anew "$before"
until_holds is StatusText '就绪 / ready'
say 'upgraded while it served, and started again'

systemctl stop huren-node
is Result success || fail 'it does not end well'
dpkg --purge huren >/dev/null 2>&1
[[ -f /etc/huren/keys/log.key && -f /var/lib/huren/high-water ]] || fail 'a purge took keys or state'
command -v huren-node >/dev/null && fail 'a purge left programs'
say 'stopped and purged; keys and state are there'
