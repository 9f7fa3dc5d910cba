#!/usr/bin/env bash
# Installs the package, makes a node of it, starts that as its unit says, examines and stops it, and
# purges the package. On a machine that has a node it does nothing.
set -euo pipefail
package=$1

# What is there already is somebody's node: nothing here may touch it.
if [[ $(id -u) -ne 0 || -e /etc/huren || -e /var/lib/huren ]] ||
    dpkg-query --show huren >/dev/null 2>&1 || getent passwd huren >/dev/null; then
    echo 'not installed: that takes root, and a machine without a node' >&2
    exit 0
fi

folder=$(mktemp -d)
chmod 755 "$folder"
clean() {
    dpkg --purge huren >/dev/null 2>&1 || true
    rm -rf /etc/huren /var/lib/huren "$folder"
    deluser --quiet --system huren >/dev/null 2>&1 || true
}
trap clean EXIT

fail() {
    printf '✗ %s\n' "$*" >&2
    exit 1
}

as_huren() { runuser -u huren -- "$@"; }

dpkg --install "$package" || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends --fix-broken
}
pgrep -u huren >/dev/null && fail 'it runs before there is a node'
[[ $(stat --format '%U %a' /etc/huren /var/lib/huren) == $'huren 700\nhuren 700' ]] ||
    fail 'others may look into the folders of keys and state'

# A federation of one, whose ports are any that are free.
as_huren huren-node init --region 33 --dir /etc/huren --state /var/lib/huren \
    --grpc 127.0.0.1:0 --http 127.0.0.1:0 >/dev/null
install -d -o huren "$folder/trust"
as_huren huren trust new --member /etc/huren/member.json --out "$folder/trust/made" --quorum 0 >/dev/null
as_huren cp "$folder"/trust/made/{roots,lists} /etc/huren/trust/
as_huren cp "$folder/trust/made/holder.key" /etc/huren/keys/

# What systemd would start, and what it would hear (sd_notify(3)).
unit=$(dpkg --listfiles huren | grep '/huren-node.service$')
read -ra command < <(sed -n 's/^ExecStart=//p' "$unit")
python3 - "${command[@]}" <<'EOF'
import os, pwd, signal, socket, subprocess, sys, tempfile

user = pwd.getpwnam("huren")
with tempfile.TemporaryDirectory() as folder:
    os.chown(folder, user.pw_uid, user.pw_gid)
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(folder + "/manager")
    os.chown(folder + "/manager", user.pw_uid, user.pw_gid)
    manager.settimeout(60)

    def heard(line):
        while line not in manager.recv(4096).decode().splitlines():
            pass
        print("✓", line, flush=True)

    told = {"NOTIFY_SOCKET": folder + "/manager", "WATCHDOG_USEC": "3000000"}
    node = subprocess.Popen(sys.argv[1:], user="huren", group="huren", extra_groups=[],
                            env={**os.environ, **told}, cwd="/", stderr=subprocess.DEVNULL)
    try:
        heard("READY=1")
        heard("STATUS=就绪 / ready")
        examined = ["huren-node", "doctor", "--config", "/etc/huren/config.toml"]
        subprocess.run(examined, user="huren", group="huren", extra_groups=[], check=True)
        node.send_signal(signal.SIGHUP)
        heard("RELOADING=1")
        heard("READY=1")
        node.terminate()
        heard("STOPPING=1")
        assert node.wait(60) == 0, node.returncode
    finally:
        node.kill()
EOF

dpkg --purge huren
[[ -f /etc/huren/keys/log.key && -f /var/lib/huren/high-water ]] || fail 'a purge took keys or state'
command -v huren-node >/dev/null && fail 'a purge left programs'
echo '✓ installed, started, examined, stopped and purged'
