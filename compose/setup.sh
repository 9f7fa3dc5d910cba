#!/bin/sh
# Makes what the four provinces need before they start. What is there already stays as it is.
#
#   setup.sh passwords FOLDER
#       a random password for each database, and for Grafana's user `admin`
#   setup.sh federation FOLDER 'PROVINCE HOST GRPC HTTP DATABASE'...
#       a node for each province, in FOLDER/PROVINCE, which others reach at HOST; their trust list;
#       and in FOLDER/public what Prometheus has to know. Passwords come from $SECRETS; traces go to
#       the collector $TRACES, if it is set.
set -eu
umask 077

passwords() {
    mkdir -p "$1"
    for name in db-31 db-32 db-33 db-34 grafana; do
        if ! [ -s "$1/$name" ]; then
            od -An -N 24 -t x1 /dev/urandom | tr -d ' \n' >"$1/$name"
        fi
        # For the user in the container that it is given to. Nobody else gets into the folder.
        chmod 0644 "$1/$name"
    done
}

# node DIR PROVINCE HOST GRPC HTTP DATABASE
node() {
    if ! [ -e "$1/config.toml" ]; then
        huren node init --dir "$1" --region "$2" --host "$3" --grpc "$4" --http "$5" >&2
    fi
    database="postgres://huren@$6/huren"
    sed -i -e "s|^url = \"\"\$|url = \"$database\"|" \
        -e "s|^address = \"\"\$|address = \"https://$3:${4##*:}\"|" "$1/config.toml"
    # All of them: this is a trial.
    if [ -n "${TRACES:-}" ]; then
        sed -i -e "s|^endpoint = \"\"\$|endpoint = \"$TRACES\"|" \
            -e 's|^ratio = 0\.1$|ratio = 1.0|' "$1/config.toml"
    fi
    # Otherwise it would go on with a file, as if nothing were wrong.
    if ! grep -qxF "url = \"$database\"" "$1/config.toml"; then
        echo "$1/config.toml: 不是 is not: url = \"$database\"" >&2
        exit 1
    fi
    printf '*:*:*:huren:%s\n' "$(cat "${SECRETS:-/run/secrets}/db-$2")" >"$1/pgpass"
}

trust() {
    if ! [ -e "$folder/trust" ]; then
        rm -rf "$folder/trust.new"
        huren trust new --out "$folder/trust.new" "$@" >&2
        mv "$folder/trust.new" "$folder/trust"
    fi
}

# Later lists, which the node takes by itself, are not written over.
join() {
    if ! [ -e "$1/trust/lists" ]; then
        cp "$folder/trust/holder.key" "$1/keys/holder.key"
        cp "$folder/trust/roots" "$folder/trust/lists" "$1/trust/"
    fi
    huren node config check --config "$1/config.toml" >&2
}

# target DIR PROVINCE HOST GRPC HTTP
target() {
    name=$(sed -n '/^name = /{s/^name = "\(.*\)"$/\1/p;q}' "$1/config.toml")
    printf '{"targets": ["%s"], "labels": {"node": "%s", "province": "%s"}}' \
        "$3:${5##*:}" "$2" "$name"
}

federation() {
    folder=$1
    shift
    members='' comma=''
    for line in "$@"; do
        # shellcheck disable=SC2086 # A line is several words.
        node "$folder/${line%% *}" $line
        members="$members --member $folder/${line%% *}/member.json"
    done
    # shellcheck disable=SC2086 # The folder has no spaces.
    trust $members
    mkdir -p "$folder/public"
    : >"$folder/public/authorities.crt"
    printf '[' >"$folder/public/targets.json"
    for line in "$@"; do
        dir="$folder/${line%% *}"
        join "$dir"
        cat "$dir/tls/ca.crt" >>"$folder/public/authorities.crt"
        # shellcheck disable=SC2086 # A line is several words.
        printf '%s%s' "$comma" "$(target "$dir" $line)" >>"$folder/public/targets.json"
        comma=', '
    done
    printf ']\n' >>"$folder/public/targets.json"
    chmod 0755 "$folder/public"
    chmod 0644 "$folder/public/authorities.crt" "$folder/public/targets.json"
}

case ${1:-} in
passwords | federation) "$@" ;;
*)
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
