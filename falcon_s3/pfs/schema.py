"""The tables of the embedded store, what is in their columns, and how those of an older format become these."""

from __future__ import annotations

import time

# Changes whenever an older program could not read what a newer one wrote.
FORMAT = 2

# `last` of what has not ended: greater than every commit's number.
NEVER = (1 << 62) - 1

SCHEMA = f"""
CREATE TABLE repo (              -- project is NULL when it was deleted and waits to be purged; name only: a file set
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project TEXT, name TEXT, created_ms INTEGER NOT NULL,
  purged INTEGER NOT NULL DEFAULT 0,  -- how many versions of it were taken out of history
  UNIQUE (project, name));

CREATE TABLE branch (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repo INTEGER NOT NULL, name TEXT NOT NULL, head INTEGER NOT NULL, created_ms INTEGER NOT NULL,
  UNIQUE (repo, name));

CREATE TABLE provenance (        -- an output branch and what it is made from
  branch INTEGER NOT NULL, project TEXT NOT NULL, repo TEXT NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY (branch, project, repo, name)) WITHOUT ROWID;

CREATE TABLE "commit" (          -- number: grows with time over the whole store; id: what users see
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id BLOB NOT NULL, repo INTEGER NOT NULL, line INTEGER NOT NULL, parent INTEGER, branch TEXT NOT NULL,
  started_ms INTEGER NOT NULL, finished_ms INTEGER, message TEXT NOT NULL,
  UNIQUE (repo, id));

CREATE TABLE line (              -- commits that follow each other without a fork; begins where base_line was at base_number
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repo INTEGER NOT NULL, base_line INTEGER, base_number INTEGER, tip INTEGER NOT NULL);
CREATE INDEX line_repo ON line (repo);
CREATE INDEX line_base ON line (base_line, base_number);

CREATE TABLE version (           -- what each commit of a line did to a path; content NULL: removed it
  line INTEGER NOT NULL, path TEXT NOT NULL, number INTEGER NOT NULL,
  content INTEGER, size INTEGER NOT NULL, etag TEXT NOT NULL, modified_ms INTEGER NOT NULL, attributes TEXT,
  PRIMARY KEY (line, path, number)) WITHOUT ROWID;

CREATE TABLE removed (           -- versions taken out of history for good: their commits do not answer for the path
  line INTEGER NOT NULL, path TEXT NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (line, path, number)) WITHOUT ROWID;

CREATE TABLE page (              -- entries of the paths [low, high) for the commits [first, last) of a line
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  line INTEGER NOT NULL, low TEXT NOT NULL, high TEXT, first INTEGER NOT NULL, last INTEGER NOT NULL,
  total INTEGER NOT NULL, live INTEGER NOT NULL);
CREATE INDEX page_place ON page (line, low, first, last, high);
CREATE INDEX page_live ON page (line, low) WHERE last = {NEVER};

CREATE TABLE entry (             -- a file as listings show it, for the commits [first, last); about: see tree.about
  page INTEGER NOT NULL, path TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  about TEXT NOT NULL,
  PRIMARY KEY (page, path, first)) WITHOUT ROWID;

CREATE TABLE content (           -- kind: of the digest; freed_ms: when uses fell to 0; bytes: in a file, or data
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  digest BLOB NOT NULL UNIQUE, kind INTEGER NOT NULL, size INTEGER NOT NULL, uses INTEGER NOT NULL, freed_ms INTEGER,
  pieces INTEGER NOT NULL DEFAULT 0, file TEXT, data BLOB);
CREATE INDEX content_freed ON content (freed_ms) WHERE freed_ms IS NOT NULL;
CREATE UNIQUE INDEX content_file ON content (file) WHERE file IS NOT NULL;

CREATE TABLE piece (             -- of a content that has `pieces`: the contents that it is put together from, in order
  content INTEGER NOT NULL, position INTEGER NOT NULL, part INTEGER NOT NULL,
  start INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified_ms INTEGER NOT NULL, attributes TEXT,
  PRIMARY KEY (content, position)) WITHOUT ROWID;

CREATE TABLE upload (            -- place: the branch, or minus the number of an open commit; commit_id: it is finished,
                                 -- and attributes are what is told of the file but its commit and path
  id TEXT PRIMARY KEY, place INTEGER NOT NULL, path TEXT NOT NULL, started_ms INTEGER NOT NULL, attributes TEXT,
  commit_id BLOB) WITHOUT ROWID;
CREATE INDEX upload_place ON upload (place, path, id) WHERE commit_id IS NULL;

CREATE TABLE part (              -- of an upload that is under way
  upload TEXT NOT NULL, number INTEGER NOT NULL, content INTEGER NOT NULL,
  size INTEGER NOT NULL, etag TEXT NOT NULL, modified_ms INTEGER NOT NULL, attributes TEXT,
  PRIMARY KEY (upload, number)) WITHOUT ROWID;
"""

# What came to a format later, that its older programs need not know.
ADDED = "CREATE INDEX IF NOT EXISTS line_base ON line (base_line, base_number)"

# By the format of an older program: what makes the next one of it.
MIGRATIONS = {
    1: """
CREATE TABLE moved (
  page INTEGER NOT NULL, path TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  about TEXT NOT NULL,
  PRIMARY KEY (page, path, first)) WITHOUT ROWID;
INSERT INTO moved SELECT page, path, first, last, size || ' ' || modified_ms || ' ' || etag FROM entry;
DROP TABLE entry;
ALTER TABLE moved RENAME TO entry;
ALTER TABLE repo ADD COLUMN purged INTEGER NOT NULL DEFAULT 0;
ALTER TABLE content RENAME COLUMN sha256 TO digest;
ALTER TABLE content ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE content ADD COLUMN file TEXT;
UPDATE content SET file = lower(hex(digest)) WHERE data IS NULL AND pieces = 0;
CREATE UNIQUE INDEX content_file ON content (file) WHERE file IS NOT NULL;
"""
}


def now_ms() -> int:
    """The time as columns whose names end with `_ms` hold it: milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
