#!/usr/bin/env bash
# Tries the package out on a machine of its own: namespaces over a copy of this one that forgets what
# was written, started by this machine's systemd. There try-service.sh installs it, makes a node of
# it, has it started, reloaded, killed and upgraded, and purges it. Nothing here is touched.
set -euo pipefail

in_namespaces() {
    local given=$1 layers root
    mount --make-rprivate /
    layers=$given/layers root=$given/root
    mkdir "$layers" "$root"
    mount -t tmpfs tmpfs "$layers"
    mkdir "$layers/written" "$layers/work"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$layers/written,workdir=$layers/work" "$root"
    mount -t proc proc "$root/proc"
    # The kernel is not the copy's alone.
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs -o ro sysfs "$root/sys"
    umount "$root/sys/fs/cgroup" 2>/dev/null || true
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    local device
    for device in null zero full random urandom tty; do
        touch "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
    mount -t tmpfs tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    mkdir -p "$root/srv/given"
    mount --bind "$given" "$root/srv/given"

    # None of this machine's own services and mounts.
    rm -rf "$root/etc/fstab" "$root/etc/tmpfiles.d"
    local units=$root/etc/systemd/system unit
    rm -rf "$units"/*.wants "$units"/*.requires "$units/default.target"
    mkdir -p "$units"
    for unit in systemd-{sysctl,binfmt,modules-load,remount-fs,udevd,udev-trigger}.service \
        systemd-udevd-{kernel,control}.socket proc-sys-fs-binfmt_misc.{automount,mount} \
        sys-kernel-{debug,tracing,config}.mount sys-fs-fuse-connections.mount; do
        ln -sf /dev/null "$units/$unit"
    done
    cat >"$units/try.target" <<'UNIT'
[Unit]
Requires=basic.target
Wants=try.service
AllowIsolate=yes
UNIT
    cat >"$units/try.service" <<'UNIT'
[Unit]
After=basic.target dbus.socket
[Service]
Type=exec
ExecStart=/srv/given/try-service.sh /srv/given/package.deb
StandardOutput=append:/srv/given/said
StandardError=append:/srv/given/said
ExecStopPost=/bin/sh -c 'exec systemctl exit "$EXIT_STATUS"'
UNIT
    # Images of containers forbid packages to start anything.
    rm -f "$root/usr/sbin/policy-rc.d"
    export container=huren
    cd "$root"
    mkdir -p old
    pivot_root . old
    umount -l /old
    exec /lib/systemd/systemd --system --unit=try.target --log-target=journal --show-status=no
}

own=(unshare --fork --kill-child --pid --mount --uts --ipc --cgroup --net)
if [[ ${1:-} == --inside ]]; then
    in_namespaces "$2"
fi

package=$1
# A node that is there already would be in the copy, with its keys.
if [[ -e /etc/huren || -e /var/lib/huren ]] || dpkg-query --show huren >/dev/null 2>&1; then
    echo 'not installed: this machine has a node' >&2
    exit 0
fi
if [[ $(id -u) -ne 0 || ! -x /lib/systemd/systemd ]] || ! "${own[@]}" true 2>/dev/null; then
    echo 'not installed: that takes root, systemd, and leave to make namespaces' >&2
    exit 0
fi

given=$(mktemp -d)
trap 'rm -rf "$given"' EXIT
cp "$package" "$given/package.deb"
cp packaging/try-service.sh "$given/"
touch "$given/said"
outcome=0
# What would end it nicely it does not hear.
timeout --signal KILL 300 "${own[@]}" "$0" --inside "$given" || outcome=$?
cat "$given/said"
exit "$outcome"
