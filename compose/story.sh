# shellcheck shell=bash
# What happens among the four provinces, whatever they run as. The stage brings:
#   at PROVINCE COMMAND...   runs a command beside that province's node, in its folder
#   strike PROVINCE          kills its node, as a power cut would
#   revive PROVINCE          starts it again
#   ask EXPRESSION           what Prometheus says; fails where there is none
# and, for smoke.sh, prerequisites, up, logs and down.

provinces=(31 32 33 34)
readonly certificates=40 late=20

say() { printf '✓ %s\n' "$*"; }

fail() {
    printf '✗ %s\n' "$*" >&2
    exit 1
}

# wait_for WHAT COMMAND...: looks until it holds, for two minutes at most.
wait_for() {
    local what=$1 end=$((SECONDS + 120))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || fail "等待超时 waited too long for: $what"
        sleep 0.2
    done
}

ready() { wait_for "节点就绪 node $1 ready" at "$1" huren ready --dir .; }

prometheus_says() { [[ -n $(ask "$1") ]]; }

# sample PROVINCE TABLE ROW: number and name of a certificate whose number has its usual length.
sample() {
    at "$1" cat "$2" |
        awk -F , -v row="$3" 'length($1) == 22 && ++found == row { print $1, $3 }'
}

# verdict PROVINCE NUMBER NAME
verdict() {
    # Its exit code says the same, and a pipe would end with it.
    at "$1" huren --json verify --dir . --purpose employment --number "$2" --name "$3" |
        jq -r .verdict || true
}

says() { [[ $(verdict "$1" "$2" "$3") == "$4" ]]; }

expect() {
    local found
    found=$(verdict "$1" "$2" "$3")
    [[ $found == "$4" ]] || fail "$1: $found，应为 expected $4"
}

import() {
    local accepted
    accepted=$(at "$1" huren --json import --region "$1" --dir . "$2" | jq .accepted)
    [[ $accepted == "$3" ]] || fail "$1: $2: 接受 accepted ${accepted:-nothing}"
}

# Every log as a node holds it; nothing while some of it is not folded or not cosigned.
picture() {
    at "$1" huren --json peers --dir . |
        jq -ce '[.logs[] | [.region, .size, .held_size, .witnessed_size]]
                | select(length == 4 and all(.[1] == .[2] and .[2] == .[3]))'
}

converged() {
    local first province
    first=$(picture "$1") || return 1
    for province in "${@:2}"; do
        [[ $(picture "$province") == "$first" ]] || return 1
    done
}

generate() {
    at "$1" huren gen --region "$1" --count $((certificates + late)) --seed "$1" --out all.csv >/dev/null
    at "$1" sed "$((certificates + 2)),\$d" all.csv | at "$1" tee now.csv >/dev/null
    at "$1" sed "2,$((certificates + 1))d" all.csv | at "$1" tee later.csv >/dev/null
}

story() {
    local province number name

    for province in "${provinces[@]}"; do
        generate "$province"
        import "$province" now.csv "$certificates"
    done
    wait_for '四份日志在四个节点齐备 every log at every node' converged "${provinces[@]}"
    say "import     四省各导入 $certificates 份，四份日志处处齐备并获见证 / imported, replicated, cosigned"

    read -r number name < <(sample 33 now.csv 3)
    at 31 huren verify --dir . --purpose employment --number "$number" --name "$name" \
        --receipt receipt.json >/dev/null 2>&1 || fail '浙江证书在上海未核验有效 not valid at Shanghai'
    at 31 huren receipt verify receipt.json --trust trust/roots >/dev/null || fail '回执未验真 receipt'
    expect 31 "$number" 查无此人 holder_mismatch
    say 'verify     浙江证书在上海核验有效，回执离线验真，他人姓名不符 / valid at Shanghai, with a receipt'

    at 31 cat receipt.json |
        jq '.proven.certificate.disclosed[0].values.level |= (if . == "5" then "4" else "5" end)' |
        at 31 tee tampered.json >/dev/null
    if at 31 huren receipt verify tampered.json --trust trust/roots >/dev/null; then
        fail '篡改的回执被接受 a tampered receipt passed'
    fi
    say 'tamper     改过等级的回执被拒 / a tampered receipt is refused'

    read -r number name < <(sample 34 now.csv 3)
    expect 33 "$number" "$name" valid
    printf '证书编号,变更类型,变更原因,生效日期\n%s,撤销,行政决定,%s\n' "$number" "$(date +%F)" |
        at 34 tee revoke.csv >/dev/null
    import 34 revoke.csv 1
    for province in "${provinces[@]}"; do
        wait_for "撤销到达 revocation at $province" says "$province" "$number" "$name" revoked
    done
    say 'revoke     安徽撤销，四省皆知 / revoked in Anhui, seen in all four'

    if ask 'up' >/dev/null; then
        wait_for 'Prometheus 见四节点就绪 four nodes ready' prometheus_says 'count(huren_ready == 1) == 4'
        say 'watch      Prometheus 经 TLS 采集四个节点，均就绪 / four nodes scraped over TLS, all ready'
    fi

    strike 34
    import 32 later.csv "$late"
    wait_for '江苏新记录到达 new records of Jiangsu' converged 31 32 33
    strike 32
    read -r number name < <(sample 32 now.csv 3)
    expect 33 "$number" "$name" valid
    say 'kill       安徽、江苏节点被杀，江苏证书仍由浙江的副本核验 / killed; answered from replicas'
    if ask 'up' >/dev/null; then
        wait_for 'Prometheus 见节点失联 nodes down' prometheus_says 'count(up == 0) == 2'
        wait_for '告警待触发 alert' prometheus_says 'count(ALERTS{alertname="HurenNodeDown"}) == 2'
        say 'alert      HurenNodeDown 已对两节点计时 / is pending for both'
    fi

    revive 34
    ready 34
    read -r number name < <(sample 32 later.csv 3)
    wait_for '安徽补齐江苏日志 Anhui catches up' says 34 "$number" "$name" valid
    say 'relay      江苏离线期间，安徽从他省补得其新记录 / Anhui took them from other members'

    import 31 later.csv "$late"
    revive 32
    ready 32
    wait_for '四份日志重新一致 logs converge' converged "${provinces[@]}"
    read -r number name < <(sample 31 later.csv 3)
    expect 32 "$number" "$name" valid
    say 'heal       江苏恢复，四份日志在四个节点重新一致 / healed: every log is the same everywhere'
    if ask 'up' >/dev/null; then
        wait_for 'Prometheus 见复制无延迟 no lag' \
            prometheus_says 'count(huren_ready == 1) == 4 and sum(huren_log_known_leaves - huren_log_held_leaves) == 0'
        say 'calm       Prometheus 见四节点就绪、无复制延迟 / four ready, nothing lags'
    fi
    picture 31
}
