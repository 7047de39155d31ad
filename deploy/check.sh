#!/usr/bin/env bash
# Checks the deployment without a Docker engine: deploy/check.sh PYTHON
#   1. The install steps of the Dockerfile, run one by one in a separate environment, produce a gateway that starts.
#   2. nginx and Caddy accept their configuration, and streams pass through them. As root, the script installs missing
#      proxies with apt-get.
#   3. Trailers never count as headers, even through HAProxy, which passes them on.
# tests/house/test_deploy.py checks the compose and workflow files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$1
scratch=$(mktemp -d)
running=()
finish() { for pid in "${running[@]}"; do kill "$pid" 2>/dev/null || true; done; wait; rm -rf "$scratch"; }
trap finish EXIT

say() { printf '%s\n' "$*"; }

# -- the image's install steps -----------------------------------------------------------------------

"$python" -m venv "$scratch/base"
mkdir "$scratch/src"
cp -r requirements.lock requirements-dev.lock pyproject.toml README.md LICENSE chat2response "$scratch/src"
"$python" - <<'EOF' > "$scratch/steps"
import re
from pathlib import Path

stage = Path("Dockerfile").read_text().split("\nFROM ")[1]
lines = "\n".join(line for line in stage.splitlines() if not line.startswith("#"))
for line in re.sub(r"\\\n\s*", "", lines).splitlines():
    if line.startswith("RUN "):
        print(line[4:].replace("/app", "$SCRATCH/app"))
EOF
while read -r step; do
    # Keep the environment variables: they name the machine's package index.
    (cd "$scratch/src" && SCRATCH=$scratch PATH=$scratch/base/bin:/usr/bin:/bin sh -ec "$step" </dev/null) \
        >"$scratch/step.log" 2>&1 || { cat "$scratch/step.log" >&2; exit 1; }
done < "$scratch/steps"
say "image: $(env -i "$scratch/app/venv/bin/chat2response" --version) from the Dockerfile's own steps"

# -- a gateway behind proxies -------------------------------------------------------------------------

get() { command -v "$1" >/dev/null || PATH=$PATH:/usr/sbin command -v "$1" >/dev/null; }
for package in nginx-light:nginx caddy:caddy haproxy:haproxy; do
    if ! get "${package#*:}"; then
        [ "$(id -u)" = 0 ] || { say "deploy: ${package#*:} is missing. Install it (Debian, Ubuntu: apt-get install ${package%:*})" >&2; exit 1; }
        export DEBIAN_FRONTEND=noninteractive
        install() { apt-get install -y -qq --no-install-recommends "${package%:*}" >/dev/null 2>&1; }
        install || { apt-get update -qq >/dev/null && install; }
    fi
done
PATH=$PATH:/usr/sbin

free_port() { "$python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
gateway=$(free_port) front=$(free_port)
(cd "$scratch" && exec env -i HOME="$scratch" UPSTREAM_MODE=demo "BIND_ADDR=127.0.0.1:$gateway" \
    CHAT2RESPONSE_AUTH_MODE=open CHAT2RESPONSE_TRUSTED_PROXIES=127.0.0.1 \
    "$scratch/app/venv/bin/chat2response" --keys-backend=memory >"$scratch/gateway.log" 2>&1) &
running+=($!)

until_up() { for _ in $(seq 100); do curl -fsS "http://127.0.0.1:$1/livez" >/dev/null 2>&1 && return; sleep 0.1; done; cat "$scratch"/*.log >&2; return 1; }
until_up "$gateway"

check_proxy() {  # NAME: a stream passes
    until_up "$front"
    local body='{"model": "demo", "input": "Hello", "stream": true}' head
    head=$(curl -fsSN -D - "http://127.0.0.1:$front/v1/responses" -d "$body" -o "$scratch/stream")
    grep -q 'response.completed' "$scratch/stream" || { say "$1: the stream did not arrive" >&2; return 1; }
    grep -qi 'text/event-stream' <<<"$head" || { say "$1: the stream has lost its content type" >&2; return 1; }
    say "$1: accepts its configuration, and streams"
}

mkdir "$scratch/nginx"
sed -e "s/127.0.0.1:8088/127.0.0.1:$gateway/" -e "s/listen 8080;/listen 127.0.0.1:$front;/" deploy/nginx.conf > "$scratch/nginx/gateway.conf"
cat > "$scratch/nginx/nginx.conf" <<EOF
daemon off; pid $scratch/nginx/pid; error_log stderr;
events { }
http { access_log off; include gateway.conf; client_body_temp_path $scratch/nginx/b; proxy_temp_path $scratch/nginx/p;
       fastcgi_temp_path $scratch/nginx/f; uwsgi_temp_path $scratch/nginx/u; scgi_temp_path $scratch/nginx/s; }
EOF
nginx -t -q -p "$scratch/nginx" -c "$scratch/nginx/nginx.conf"
nginx -p "$scratch/nginx" -c "$scratch/nginx/nginx.conf" >"$scratch/nginx.log" 2>&1 &
running+=($!)
check_proxy nginx
kill "$!" && wait "$!" || true

sed -e "s/127.0.0.1:8088/127.0.0.1:$gateway/" -e "s/^:8080 {/http:\/\/127.0.0.1:$front {/" deploy/Caddyfile > "$scratch/Caddyfile"
printf '{\n\tadmin off\n}\n' | cat - "$scratch/Caddyfile" > "$scratch/Caddyfile.run"
export XDG_DATA_HOME=$scratch XDG_CONFIG_HOME=$scratch
caddy validate --adapter caddyfile --config "$scratch/Caddyfile.run" >"$scratch/caddy.log" 2>&1 || { cat "$scratch/caddy.log" >&2; exit 1; }
caddy run --adapter caddyfile --config "$scratch/Caddyfile.run" >"$scratch/caddy.log" 2>&1 &
running+=($!)
check_proxy caddy
kill "$!" && wait "$!" || true

# -- trailers, through a proxy that passes them on ---------------------------------------------------

# A second gateway, in managed mode. Its admin plane is open to this machine. HAProxy sets X-Forwarded-For, so the
# gateway sees every request through it as one from another machine.
guarded=$(free_port)
(cd "$scratch" && exec env -i HOME="$scratch" UPSTREAM_MODE=demo "BIND_ADDR=127.0.0.1:$guarded" \
    CHAT2RESPONSE_AUTH_MODE=managed CHAT2RESPONSE_TRUSTED_PROXIES=127.0.0.1 \
    "$scratch/app/venv/bin/chat2response" --keys-backend=memory >"$scratch/guarded.log" 2>&1) &
running+=($!)
until_up "$guarded"
cat > "$scratch/haproxy.cfg" <<EOF
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend front
    bind 127.0.0.1:$front
    http-request set-header X-Forwarded-For 203.0.113.9
    default_backend gateway
backend gateway
    server gateway 127.0.0.1:$guarded
EOF
haproxy -c -q -f "$scratch/haproxy.cfg"
haproxy -db -f "$scratch/haproxy.cfg" >"$scratch/haproxy.log" 2>&1 &
running+=($!)
until_up "$front"
"$python" deploy/trailers.py "$front" "$guarded"
say "haproxy: trailers have no effect, in one write and in several"
