#!/usr/bin/env bash
# Start the gateway on simulated desktops and try every client on it, or those
# that are named: run.sh [sushy|redfishtool|curl]...
# Needs bin/amt-redfish, curl and python3; installs the Python clients, pinned,
# in a virtual environment under run/.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
pid=
finish() {
  local code=$?
  if [[ -n $pid ]]; then
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  fi
  if [[ $code != 0 ]]; then
    echo "--- the gateway's log, its end:" >&2
    tail -n 60 "$work/log" >&2 || true
  fi
  rm -rf "$work"
  exit "$code"
}
trap finish EXIT

venv=run/venv
[[ -x $venv/bin/python ]] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r testdata/clients/requirements.txt
PATH=$PWD/$venv/bin:$PATH

bin/amt-redfish simulate --gateway --dir "$work/run" --listen 127.0.0.1:18443 --control 127.0.0.1:18080 >"$work/log" 2>&1 &
pid=$!
export GATEWAY=https://127.0.0.1:18443 SIMULATOR=http://127.0.0.1:18080
export GATEWAY_USER=admin GATEWAY_CA=$work/run/state/gateway.crt
for ((i = 0; i < 100; i++)); do
  curl -fsS --cacert "$GATEWAY_CA" -o /dev/null "$GATEWAY/redfish/v1" 2>/dev/null && break
  kill -0 "$pid" || exit 1
  sleep 0.2
done
GATEWAY_PASSWORD=$(cat "$work/run/admin-password")
export GATEWAY_PASSWORD

for client in "${@:-sushy redfishtool curl}"; do
  for check in $client; do
    case $check in
      sushy) python testdata/clients/sushy_check.py ;;
      redfishtool) bash testdata/clients/redfishtool_check.sh ;;
      curl) bash testdata/clients/curl_check.sh ;;
      *) echo "$check is no client that is tried here" >&2; exit 2 ;;
    esac
  done
done
