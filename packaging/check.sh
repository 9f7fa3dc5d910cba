#!/usr/bin/env bash
# Whether the Debian package is what it should be: its scripts and unit, its pages and completions.
# Where namespaces can be made, systemd installs and runs it there as well: see try-install.sh.
#   packaging/check.sh         of the programs in target/release
#   packaging/check.sh dev     of those in target/debug
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-release}

fail() {
    printf '✗ %s\n' "$*" >&2
    exit 1
}

say() { printf '✓ %s\n' "$*"; }

missing=()
command -v shellcheck >/dev/null || missing+=(shellcheck)
command -v systemd-analyze >/dev/null || missing+=(systemd)
command -v groff >/dev/null || missing+=(groff-base)
command -v dpkg-shlibdeps >/dev/null || missing+=(dpkg-dev)
if [[ ${#missing[@]} -gt 0 ]]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${missing[@]}"
fi
PATH="$PWD/target/cargo-deb/bin:$PATH"
if ! command -v cargo-deb >/dev/null; then
    cargo install --quiet --locked --root target/cargo-deb cargo-deb
fi

shellcheck packaging/deb packaging/check.sh packaging/try-{install,service}.sh packaging/debian/{postinst,postrm}
say 'scripts'

package=$(packaging/deb "$profile" | tail -n 1)
[[ -f $package ]] || fail "no package: $package"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
dpkg-deb --extract "$package" "$root"
for script in postinst postrm prerm; do
    dpkg-deb --ctrl-tarfile "$package" | tar --extract --to-stdout "./$script" | sh -n
done
say "$package"

unit=usr/lib/systemd/system/huren-node.service
# The program it starts is the package's, not one of this machine.
sed "s|/usr/bin/|$root/usr/bin/|" "$root/$unit" >"$root/huren-node.service"
verified=$(systemd-analyze verify --man=no "$root/huren-node.service" 2>&1) || fail "$verified"
[[ $verified != *huren-node.service* ]] || fail "$verified"
systemd-analyze security --offline=true --threshold=15 --no-pager "$root/huren-node.service" | tail -n 1

# Chinese text has no spaces to stretch, which is all that `break` is about.
for page in "$root"/usr/share/man/man1/*.gz; do
    warned=$(gzip --decompress --stdout "$page" | groff -K utf8 -T utf8 -man -ww -W break -z 2>&1)
    [[ -z $warned ]] || fail "$page: $warned"
done
for script in "$root"/usr/share/bash-completion/completions/*; do
    bash -n "$script"
done
say "$(find "$root/usr/share/man" -type f | wc -l) man pages"

packaging/try-install.sh "$package"
