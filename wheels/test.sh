#!/usr/bin/env bash
# Test the wheel in wheels/dist, not the checkout: a fresh environment, in a folder that holds nothing but copied tests.
#
# First with nothing installed but the wheel and what it requires, then with the test tools.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
[[ "$python" == */* ]] && python=$(realpath -s "$python")
repository=$PWD
wheel=$(find "$repository/wheels/dist" -name '*.whl')
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m venv "$folder/venv"
pip=("$folder/venv/bin/python" -m pip --disable-pip-version-check -q)
"${pip[@]}" install "$wheel"
cp -R tests "$folder/tests"
cp pyproject.toml "$folder/"
cd "$folder"
venv/bin/python tests/packaging/smoke.py

"${pip[@]}" install pytest pytest-timeout pytest-xdist hypothesis boto3 protobuf xxhash
# What is compiled, and one file for each way that bytes and documents take through the whole; the rest is the checkout's.
FALCON_S3_COMPILED=1 venv/bin/python -m pytest -q -p no:cacheprovider tests/speedups \
    tests/s3/test_{put,get,copy}_object.py tests/s3/test_{list_objects_v2,streaming_bodies}.py --numprocesses 3 --dist loadfile "$@"
