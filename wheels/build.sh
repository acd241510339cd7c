#!/usr/bin/env bash
# Build the sdist, and from it the wheel, into wheels/dist; then check what is in them.
#
# Building from the sdist proves that the sdist is complete. Nothing is done when nothing was changed.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

if compgen -G "wheels/dist/*.whl" >/dev/null; then
    newest=$(find wheels/dist -name '*.whl' | head -n 1)
    changed=$(find pyproject.toml setup.py MANIFEST.in LICENSE README.md falcon_s3 _speedups \
        -type f ! -name '*.pyc' ! -name '*.so' ! -name '*.c' -newer "$newest" -print -quit)
    [[ -z "$changed" ]] && exit 0
fi

rm -rf wheels/dist
"$python" -m build --outdir wheels/dist . >wheels/build.log 2>&1 || {
    cat wheels/build.log
    exit 1
}
"$python" wheels/check.py wheels/dist/*
