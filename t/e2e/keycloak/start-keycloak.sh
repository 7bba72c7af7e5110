#!/usr/bin/env bash
# Starts Keycloak on loopback for tests, and prints its PID once it is ready.
#   AGW_CACHE         where the distribution is kept  (~/.cache/agent-gateway)
#   KEYCLOAK_RUN      required: folder of this run: PID, log, key of the private_key_jwt client
#   KEYCLOAK_PORT, KEYCLOAK_MGMT_PORT                 required
#   MCP_RESOURCE      the protected resource that tokens are for; the realm file names a default
#   KEYCLOAK_VERSION  version of keycloak-quarkus-dist (26.7.3)
#   KEYCLOAK_TIMEOUT  seconds to wait for readiness   (300)
# The database is in memory: each start imports the realm anew.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=${KEYCLOAK_VERSION:-26.7.3}
run=${KEYCLOAK_RUN:?set KEYCLOAK_RUN to a folder}
port=${KEYCLOAK_PORT:?set KEYCLOAK_PORT}
mgmt=${KEYCLOAK_MGMT_PORT:?set KEYCLOAK_MGMT_PORT}
cache=${AGW_CACHE:-$HOME/.cache/agent-gateway}/keycloak
mkdir -p "$run" "$cache"
home=$cache/keycloak-$version
log=$run/keycloak.log
ready() { curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$mgmt/health/ready" 2>/dev/null; }

# Two runs may share the cache: the one that comes second waits until the distribution is whole.
exec 9>"$cache/.lock"
flock 9
if [ ! -x "$home/bin/kc.sh" ]; then
  archive=$cache/keycloak-quarkus-dist-$version.tar.gz
  [ -s "$archive" ] || mvn -B -q dependency:copy -Dmdep.useBaseVersion=true \
    -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:tar.gz" -DoutputDirectory="$cache" >&2
  rm -rf "$home.part"
  mkdir -p "$home.part"
  tar xzf "$archive" -C "$home.part" --strip-components=1
  mv "$home.part" "$home"
  rm -f "$archive"
fi
mkdir -p "$home/data/import"
cmp -s "$here/realm-agents.json" "$home/data/import/realm-agents.json" ||
  cp "$here/realm-agents.json" "$home/data/import/realm-agents.json"

key=$run/gateway-jwt.pem
[ -s "$key" ] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$key" 2>/dev/null
b64u() { base64 -w0 | tr '+/' '-_' | tr -d '='; }
point=$(mktemp)
openssl pkey -in "$key" -pubout -outform DER | tail -c 64 >"$point"
x=$(head -c 32 "$point" | b64u)
y=$(tail -c 32 "$point" | b64u)
rm -f "$point"
jwks='{"keys":[{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":"gateway-jwt","x":"'$x'","y":"'$y'"}]}'
export GATEWAY_JWKS_ESCAPED=${jwks//\"/\\\"}

export KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=admin
export JAVA_OPTS_APPEND="${JAVA_OPTS_APPEND:--XX:TieredStopAtLevel=1 -Xmx600m}" # a short run: no C2 compiler
nohup "$home/bin/kc.sh" start-dev --import-realm --db=dev-mem --http-host=127.0.0.1 --http-port="$port" \
  --hostname="http://127.0.0.1:$port" --health-enabled=true \
  --http-management-port="$mgmt" --http-management-host=127.0.0.1 >"$log" 2>&1 </dev/null 9>&- &
pid=$! # kc.sh becomes the JVM or passes SIGTERM on to it
echo "$pid" >"$run/keycloak.pid"
for _ in $(seq 1 "$((${KEYCLOAK_TIMEOUT:-300} * 5))"); do
  if ready; then
    echo "$pid"
    exit 0
  fi
  if ! kill -0 "$pid" 2>/dev/null; then
    echo "Keycloak stopped; see $log" >&2
    tail -n 30 "$log" >&2
    exit 1
  fi
  sleep 0.2
done
echo "Keycloak is not ready in time; see $log" >&2
kill "$pid"
exit 1
