#!/usr/bin/env bash
# Installs the client programs: install.sh STAMP PYTHON UV. They, and the Node that some of them run on, go into an
# environment of their own, since their versions are theirs to choose; nothing is asked of the machine but git.
set -euo pipefail
stamp=$1 python=$2 uv=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$(cd "$(dirname "$stamp")" && pwd)/clients

command -v git >/dev/null || { echo 'make: Codex CLI needs git' >&2; exit 1; }
echo 'Installing the Node and Python clients (first run only).'
"$uv" venv --quiet --clear --python "$python" "$venv"
"$uv" pip sync --quiet --python "$venv/bin/python" --require-hashes requirements-clients.lock
cd "$here/node"
PATH=$venv/bin:$PATH npm ci --silent --no-audit --no-fund --no-update-notifier
touch "$venv/../$(basename "$stamp")"
