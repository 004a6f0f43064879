#!/usr/bin/env bash
# Drive the gateway with DMTF's redfishtool, as an operator would.
# Reads GATEWAY, GATEWAY_USER, GATEWAY_PASSWORD and SIMULATOR.
set -euo pipefail

machine=desk-01
host=${GATEWAY#https://}
checks=0

# tool prints what redfishtool prints on its standard output.
tool() {
  redfishtool -r "$host" -S Always -u "$GATEWAY_USER" -p "$GATEWAY_PASSWORD" "$@"
}

# expect WHAT PATTERN COMMAND... fails unless the command succeeds and prints the pattern.
expect() {
  local what=$1 pattern=$2 out
  shift 2
  if ! out=$("$@" 2>&1) || ! grep -q -- "$pattern" <<<"$out"; then
    echo "redfishtool: $what: no '$pattern' in: $out" >&2
    exit 1
  fi
  checks=$((checks + 1))
}

boots() { curl -fsS "$SIMULATOR/machines/$machine/boots" | python3 -c 'import json,sys; print(" ".join(b["device"] for b in json.load(sys.stdin)))'; }

# booted WANT waits until the desktop has booted that, last.
booted() {
  local i
  for ((i = 0; i < 180; i++)); do
    if [[ "$(boots)" == *"$1" && "$(boots | wc -w)" == "$2" ]]; then
      checks=$((checks + 1))
      return
    fi
    sleep 0.5
  done
  echo "redfishtool: booted '$(boots)', want $2 boots and $1 last" >&2
  exit 1
}

count=$(boots | wc -w)
expect versions '"v1": "/redfish/v1/"' redfishtool -r "$host" -S Always versions
expect root '"SessionService"' tool root
expect metadata 'edmx' tool metadata
expect list "$machine" tool Systems list
expect system '"PowerState"' tool Systems -I "$machine" get
for auth in Basic Session; do
  expect "once, $auth" '' tool -A "$auth" Systems -I "$machine" setBootOverride Once Pxe
  expect "reads once" '"BootSourceOverrideEnabled": "Once"' tool -A "$auth" Systems -I "$machine" get
  expect "reset, $auth" '' tool -A "$auth" Systems -I "$machine" reset ForceRestart
  booted Pxe $((++count))
  expect "reads disabled" '"BootSourceOverrideEnabled": "Disabled"' tool -A "$auth" Systems -I "$machine" get
  sleep 6 # an equal reset sooner is taken for a repetition
done
expect continuous '' tool Systems -I "$machine" setBootOverride Continuous Hdd
expect cycle '' tool Systems -I "$machine" reset PowerCycle
booted Hdd $((++count))
expect disable '' tool Systems -I "$machine" setBootOverride Disabled
expect "reads disabled" '"BootSourceOverrideTarget": "None"' tool Systems -I "$machine" get
expect off '' tool Systems -I "$machine" reset ForceOff
expect chassis '"ChassisType"' tool Chassis -I "$machine" get
expect manager '"FirmwareVersion"' tool Managers -I "$machine" get
expect sessions '"SessionTimeout"' tool SessionService get
if tool Systems -I "$machine" reset PushPowerButton >/dev/null 2>&1; then
  echo "redfishtool: a reset that AMT does not have was accepted" >&2
  exit 1
fi
echo "redfishtool $(python3 -c 'import importlib.metadata; print(importlib.metadata.version("redfishtool"))'): $((checks + 1)) checks passed"
