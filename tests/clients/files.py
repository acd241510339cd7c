"""What clients are given and must show: the files they move, and texts that come back from the gateway."""

from __future__ import annotations

import random
import re

REGION = "us-east-1"
WRONG_SECRET = "not-the-secret-of-this-key"
OUTPUT_BRANCH = "cannot start a commit on an output branch"

# Random, so that a byte that is moved, lost or translated shows. 5 MiB stay below the parts of every client.
FILES = {
    "small.txt": b"a cat\n",
    "empty": b"",
    "large.bin": random.Random(5).randbytes(5 << 20),
    "a space/in both names.txt": b"space",
    "one+one=two.txt": b"plus",
    "100% & #1 'quoted'; (x) [y]~@!$,.txt": b"reserved in URLs",
    "a%20b.txt": b"percent",
    "grüße/日本語 🐱.txt": b"unicode",
    "<tag>&amp;.xml": b"reserved in XML",
    "deep/er/and/deep/est.txt": b"folders",
}
# More than one part for aws, boto3, s3cmd, minio and restic, and not a multiple of any part's size.
LARGE = random.Random(20).randbytes((20 << 20) + 1)
# What listings are made of: prefixes, folders, and a folder beside a file of the same beginning.
TREE = {"a.txt": b"1", "pets/cat.txt": b"22", "pets/dogs/one.txt": b"333", "pets.txt": b"4444"}


def write_folder(root, files):
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


def read_folder(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def lines(text):
    """The lines of an output, with one space between words."""
    return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip()]
