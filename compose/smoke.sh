#!/usr/bin/env bash
# 启动三省一市，走一遍演示，断开并恢复节点，然后全部收起
# Brings the four provinces up, tells their story, kills nodes and heals them, takes everything down.
#
#   compose/smoke.sh                           with docker compose
#   compose/smoke.sh --processes [--bin DIR]   the same as processes of this machine; `huren` is
#                                              taken from DIR, target/release unless said otherwise
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
stage=containers bin=$here/../target/release
while (($#)); do
    case $1 in
    --processes) stage=processes ;;
    --bin)
        bin=${2:?--bin DIR}
        shift
        ;;
    *)
        sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
    shift
done
# shellcheck source=story.sh
source "$here/story.sh"
if [[ $stage == processes ]]; then
    # shellcheck source=processes.sh
    source "$here/processes.sh"
else
    # shellcheck source=containers.sh
    source "$here/containers.sh"
fi

finish() {
    local status=$?
    if ((status && status != 130)); then logs >&2 || true; fi
    down
    if ((status == 0)); then
        echo "通过，用时 passed in ${SECONDS} s"
    fi
    exit "$status"
}

command -v jq >/dev/null || fail '需要 jq / jq is needed (Debian: apt install jq)'
prerequisites
trap finish EXIT
trap 'exit 130' INT TERM
up
story
