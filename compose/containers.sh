# shellcheck shell=bash
# The stage of the story where a container engine runs: the project of compose.yaml, under a name
# of its own, so that nobody's volumes are taken down with it.

compose() { docker compose --file "$here/compose.yaml" --project-name huren-smoke "$@"; }

prerequisites() {
    docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1 ||
        fail '没有可用的容器引擎与 docker compose；可用 --processes / no container engine with docker compose: try --processes'
}

up() {
    "$here/setup.sh" passwords "$here/secrets"
    compose up --build --detach
    for province in "${provinces[@]}"; do
        ready "$province"
    done
    wait_for Grafana compose exec -T grafana wget -qO- http://127.0.0.1:3000/api/health
}

at() {
    local province=$1
    shift
    compose exec -T "node-$province" "$@"
}

strike() { compose kill --signal KILL "node-$1" >/dev/null 2>&1; }

revive() { compose start "node-$1" >/dev/null 2>&1; }

ask() { compose exec -T prometheus promtool query instant http://127.0.0.1:9090 "$1"; }

logs() { compose logs --tail 20; }

down() { compose down --volumes --remove-orphans; }
