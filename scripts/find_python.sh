#!/bin/sh
# Print a Python of a minor version or newer that runs, or nothing: find_python.sh 12
set -u
least=$1
managed=$(command -v pyenv >/dev/null 2>&1 && echo "$(pyenv root)/versions" || echo /nonexistent)
for python in python3 "python3.$least" python3.13 python3.14 "$managed"/3.*/bin/python3; do
    if "$python" -c "import sys, venv; sys.exit(sys.version_info < (3, $least))" 2>/dev/null; then
        command -v "$python"
        exit 0
    fi
done
