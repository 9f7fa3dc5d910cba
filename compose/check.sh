#!/usr/bin/env bash
# Checks the files of this folder with the tools that they are for. Needs shellcheck, promtool and jq.
set -euo pipefail
cd "$(dirname "$0")"

shellcheck --external-sources smoke.sh setup.sh check.sh
promtool check config prometheus/prometheus.yml
promtool test rules prometheus/rules_test.yml

# The dashboard's expressions, as if they were rules.
rules=$(mktemp)
trap 'rm -f "$rules"' EXIT
jq '{groups: [{name: "dashboard", rules: [.panels[].targets[]?.expr
    | {record: "dashboard", expr: gsub("\\$province"; ".*")}]}]}' grafana/dashboards/federation.json >"$rules"
promtool check rules --lint=none "$rules"

if docker compose version >/dev/null 2>&1; then
    docker compose --file compose.yaml config --quiet
else
    echo '没有 docker compose，compose.yaml 由 tests/tests/compose.rs 检查 / no docker compose: a test reads the file' >&2
fi
