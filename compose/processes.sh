# shellcheck shell=bash
# The stage of the story without a container engine: the same topology as processes of this
# machine. Each province has a PostgreSQL cluster of its own, from the binaries that are here, and
# Prometheus runs where it is installed. Ports are those that nobody uses.

declare -A node_pid database grpc http
prometheus_pid=''
taken=()

free_port() {
    while REPLY=$((10000 + (RANDOM << 15 | RANDOM) % 22000)); do
        if [[ " ${taken[*]} " != *" $REPLY "* ]] && ! (: <>"/dev/tcp/127.0.0.1/$REPLY") 2>/dev/null; then
            taken+=("$REPLY")
            return
        fi
    done
}

# PostgreSQL refuses to run as root: then as `nobody`, by number, in Debian and elsewhere.
unprivileged() {
    if ((EUID == 0)); then
        setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    else
        "$@"
    fi
}

prerequisites() {
    local found
    [[ -x $bin/huren ]] || fail "没有 $bin/huren，请先构建 / build it first: cargo build --release --locked --bin huren"
    bin=$(cd "$bin" && pwd)
    found=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1) ||
        found=$(command -v initdb) ||
        fail '未安装 PostgreSQL / PostgreSQL is not installed (Debian: apt install postgresql)'
    postgres=${found%/initdb}
}

start_database() {
    local folder=$state/db-$1
    free_port
    database[$1]=$REPLY
    mkdir "$folder"
    if ((EUID == 0)); then chown 65534:65534 "$folder"; fi
    # By its own open file: nobody else may enter the folder of passwords.
    (cd / && unprivileged "$postgres/initdb" --no-sync --username=huren --encoding=UTF8 --locale=C.UTF-8 \
        --auth=scram-sha-256 --pwfile=/dev/stdin --pgdata="$folder/data") \
        <"$state/secrets/db-$1" >"$state/db-$1.log"
    (cd / && unprivileged "$postgres/pg_ctl" --pgdata="$folder/data" --log="$folder/log" --wait \
        --options="-p $REPLY -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off" \
        start) >>"$state/db-$1.log"
}

up() {
    export PATH=$bin:$PATH
    state=$(mktemp -d)
    chmod 0711 "$state"
    "$here/setup.sh" passwords "$state/secrets"

    local province lines=()
    for province in "${provinces[@]}"; do
        start_database "$province"
        free_port
        grpc[$province]=$REPLY
        free_port
        http[$province]=$REPLY
        lines+=("$province 127.0.0.1 127.0.0.1:${grpc[$province]} 127.0.0.1:${http[$province]} 127.0.0.1:${database[$province]}")
    done
    SECRETS=$state/secrets "$here/setup.sh" federation "$state/federation" "${lines[@]}" 2>"$state/setup.log"
    for province in "${provinces[@]}"; do
        PGPASSFILE=$state/federation/$province/pgpass \
            "$postgres/createdb" --host=127.0.0.1 --port="${database[$province]}" --username=huren huren
        revive "$province"
    done
    for province in "${provinces[@]}"; do
        ready "$province"
    done
    start_prometheus
}

start_prometheus() {
    if ! command -v prometheus >/dev/null || ! command -v promtool >/dev/null; then
        echo '未安装 Prometheus，略过 / Prometheus is not installed, and left out' >&2
        return
    fi
    mkdir "$state/prometheus"
    cp "$here/prometheus/prometheus.yml" "$here/prometheus/rules.yml" "$state/prometheus/"
    ln -s "$state/federation/public" "$state/prometheus/federation"
    free_port
    prometheus_at=127.0.0.1:$REPLY
    prometheus --config.file="$state/prometheus/prometheus.yml" --web.listen-address="$prometheus_at" \
        --storage.tsdb.path="$state/prometheus/data" >"$state/prometheus.log" 2>&1 &
    prometheus_pid=$!
    wait_for Prometheus ask up
}

at() (
    cd "$state/federation/$1" || exit 1
    shift
    "$@"
)

strike() {
    kill -KILL "${node_pid[$1]}"
    wait "${node_pid[$1]}" 2>/dev/null || true
    unset "node_pid[$1]"
}

revive() {
    local dir=$state/federation/$1
    PGPASSFILE=$dir/pgpass huren node serve --config "$dir/config.toml" </dev/null >>"$state/node-$1.log" 2>&1 &
    node_pid[$1]=$!
}

ask() {
    [[ -n $prometheus_pid ]] || return 1
    promtool query instant "http://$prometheus_at" "$1"
}

logs() {
    [[ -n ${state:-} ]] || return
    tail -n 15 "$state"/{setup,node-*,prometheus}.log "$state"/db-*/log
}

down() {
    local province pids=("${node_pid[@]}")
    if [[ -n $prometheus_pid ]]; then pids+=("$prometheus_pid"); fi
    if ((${#pids[@]})); then
        kill "${pids[@]}" 2>/dev/null || true
        wait "${pids[@]}" 2>/dev/null || true
    fi
    for province in "${!database[@]}"; do
        (cd / && unprivileged "$postgres/pg_ctl" --pgdata="$state/db-$province/data" --mode=immediate --wait stop) \
            >/dev/null 2>&1 || true
    done
    if [[ -n ${state:-} ]]; then rm -rf "$state"; fi
}
