#!/bin/sh
# Make the virtual environment, or say in one line what is missing: make_venv.sh PYTHON FOLDER
set -eu
python=$1
folder=$2

if ! command -v "$python" >/dev/null 2>&1; then
    echo "make: no $python here; install Python 3.11 or newer, or name one: make PYTHON=python3.12 ..." >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "make: $("$python" --version 2>&1) is too old: Amanah needs Python 3.11 or newer;" \
        "name another: make PYTHON=python3.12 ..." >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "make: $python has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
fi
# An environment that is already there and fits is kept: it may hold a developer's own tools.
if ! "$folder/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "making the virtual environment $folder with $("$python" --version)"
    "$python" -m venv --clear "$folder"
fi
