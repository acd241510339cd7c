"""restic, as it comes: a repository of backups in a bucket. It is in no package index of Python."""

from __future__ import annotations

import json

import pytest

from tests.clients.files import FILES, LARGE, REGION, WRONG_SECRET, read_folder, write_folder


@pytest.fixture
def configured(program):
    """Makes a restic that keeps its backups in a bucket of a gateway, and signs with this secret."""

    def make(gateway, bucket, secret):
        return program(
            "restic",
            RESTIC_REPOSITORY=f"s3:{gateway.url}/{bucket}",
            RESTIC_PASSWORD="of the backups",
            AWS_ACCESS_KEY_ID=gateway.access_key,
            AWS_SECRET_ACCESS_KEY=secret,
            AWS_DEFAULT_REGION=REGION,
        )

    return make


@pytest.fixture
def restic(configured, keyed_gateway, bucket):
    return configured(keyed_gateway, bucket, keyed_gateway.secret_key)


def test_a_folder_is_kept_and_restored(restic, folder, large, tmp_path):
    """`backup`, `check` of every byte and `restore` give each file back, byte for byte."""
    large.rename(folder / "large.bin")
    restic("init")
    restic("backup", "up")
    restic("check", "--read-data")
    restic("restore", "latest", "--target", tmp_path / "down")
    assert read_folder(tmp_path / "down" / "up") == FILES | {"large.bin": LARGE}


def test_old_backups_are_forgotten(restic, folder, stored, bucket):
    """`forget --prune` removes what only old backups hold; the repository stays whole."""
    restic("init")
    restic("backup", "up")
    write_folder(folder, {"small.txt": LARGE})
    restic("backup", "up")
    size = sum(map(len, stored(bucket).values()))
    write_folder(folder, {"small.txt": b"small again"})
    restic("backup", "up")
    restic("forget", "--keep-last", 1, "--prune")
    assert len(json.loads(restic("snapshots", "--json"))) == 1
    assert sum(map(len, stored(bucket).values())) < size - len(LARGE) // 2
    restic("check")


def test_locks_are_gone_after_each_command(restic, folder, bucket, stored):
    """What restic locks a repository with are objects, which it removes."""
    restic("init")
    restic("backup", "up")
    assert not [path for path in stored(bucket) if path.startswith("locks/")]


def test_a_wrong_secret_is_refused(configured, keyed_gateway, bucket, stored):
    """Who signs with another secret is denied access, and no repository is made."""
    said = configured(keyed_gateway, bucket, WRONG_SECRET).refused("init")
    assert "Access Denied" in said
    assert stored(bucket) == {}
