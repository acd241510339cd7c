#!/usr/bin/env bash
# Build the sdist, and from it the wheel, into wheels/dist; then check what is in them.
#
# Building from the sdist proves that the sdist is complete. What has not changed is not built again.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

unchanged() {
    local wheel changed
    wheel=$(find wheels/dist -name '*.whl' 2>/dev/null | head -n 1)
    [[ -n "$wheel" ]] || return 1
    changed=$(find pyproject.toml setup.py MANIFEST.in LICENSE README.md falcon_s3 _speedups -type f \
        ! -name '*.pyc' ! -name '*.so' ! -name '*.c' -newer "$wheel" -print -quit)
    [[ -z "$changed" ]]
}

if ! unchanged; then
    rm -rf wheels/dist
    "$python" -m build --outdir wheels/dist . >wheels/build.log 2>&1 || {
        cat wheels/build.log
        exit 1
    }
fi
"$python" wheels/check.py wheels/dist/*
