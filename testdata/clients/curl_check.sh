#!/usr/bin/env bash
# Drive the gateway with curl: the requests that README shows, and the answers
# that scripts rely on. Reads GATEWAY, GATEWAY_USER, GATEWAY_PASSWORD, GATEWAY_CA.
set -euo pipefail

machine=desk-02
system=$GATEWAY/redfish/v1/Systems/$machine
checks=0

# status WANT ARGS... compares the status of an authorised request.
status() {
  local want=$1 got
  shift
  got=$(curl -sS --cacert "$GATEWAY_CA" -u "$GATEWAY_USER:$GATEWAY_PASSWORD" -o /dev/null -w '%{http_code}' "$@")
  if [[ $got != "$want" ]]; then
    echo "curl $*: status $got, want $want" >&2
    exit 1
  fi
  checks=$((checks + 1))
}

json='Content-Type: application/json'
status 200 "$GATEWAY/redfish/v1"
status 200 "$system"
status 200 "$system/"
status 200 -I "$system"
status 200 -X PATCH -H "$json" -d '{"Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"Once"}}' "$system"
status 204 -H "$json" -d '{"ResetType":"On"}' "$system/Actions/ComputerSystem.Reset"
status 400 -H "$json" -d '{"ResetType":"PushPowerButton"}' "$system/Actions/ComputerSystem.Reset"
status 400 -X PATCH -H "$json" -d '{"Boot":{"BootSourceOverrideMode":"Legacy"}}' "$system"
status 400 -X PATCH -H "$json" -d '{"Name":"other"}' "$system"
status 412 -X PATCH -H "$json" -H 'If-Match: "stale"' -d '{"Boot":{"BootSourceOverrideEnabled":"Disabled"}}' "$system"
status 404 "$GATEWAY/redfish/v1/Systems/no-such-desk"
status 405 -X DELETE "$system"
status 401 -u "$GATEWAY_USER:wrong" "$system"
status 204 -H "$json" -d '{"ResetType":"ForceOff"}' "$system/Actions/ComputerSystem.Reset"

headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
curl -fsS --cacert "$GATEWAY_CA" -D "$headers" -o /dev/null -H "$json" \
  -d "{\"UserName\":\"$GATEWAY_USER\",\"Password\":\"$GATEWAY_PASSWORD\"}" "$GATEWAY/redfish/v1/SessionService/Sessions"
token=$(tr -d '\r' <"$headers" | awk 'tolower($1)=="x-auth-token:"{print $2}')
location=$(tr -d '\r' <"$headers" | awk 'tolower($1)=="location:"{print $2}')
session() { curl -sS --cacert "$GATEWAY_CA" -o /dev/null -w '%{http_code}' -H "X-Auth-Token: $token" "$@"; }
[[ $(session "$system") == 200 && $(session -X DELETE "$GATEWAY$location") == 204 && $(session "$system") == 401 ]] || {
  echo "curl: a session does not live from its login to its end" >&2
  exit 1
}
echo "$(curl --version | head -1 | cut -d' ' -f1,2): $((checks + 3)) checks passed"
