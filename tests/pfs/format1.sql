BEGIN TRANSACTION;
CREATE TABLE branch (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repo INTEGER NOT NULL, name TEXT NOT NULL, head INTEGER NOT NULL, created_ms INTEGER NOT NULL,
  UNIQUE (repo, name));
INSERT INTO "branch" VALUES(1,1,'master',6,1795621799699);
INSERT INTO "branch" VALUES(2,1,'fork',3,1795621799726);
CREATE TABLE "commit" (          -- number: grows with time over the whole store; id: what users see
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id BLOB NOT NULL, repo INTEGER NOT NULL, line INTEGER NOT NULL, parent INTEGER, branch TEXT NOT NULL,
  started_ms INTEGER NOT NULL, finished_ms INTEGER, message TEXT NOT NULL,
  UNIQUE (repo, id));
INSERT INTO "commit" VALUES(1,X'D210D22E7480484AB322D0C6881704B5',1,1,NULL,'master',1795621799699,1795621799699,'');
INSERT INTO "commit" VALUES(2,X'3DC858DB2A39405BA7F81249529E729C',1,1,1,'master',1795621799712,1795621799712,'');
INSERT INTO "commit" VALUES(3,X'BD9564A8C4DD4FD1B2CE8EDE0284E572',1,1,2,'master',1795621799716,1795621799716,'');
INSERT INTO "commit" VALUES(4,X'10C80B1347B9456CA3356C98B3DA0BBE',1,1,3,'master',1795621799727,1795621799727,'');
INSERT INTO "commit" VALUES(5,X'EEEB0A2CC1384B77A2A587D8152DDDEF',1,1,4,'master',1795621799730,1795621799730,'');
INSERT INTO "commit" VALUES(6,X'7F3AE8BD48924435AED05BECCEE7469A',1,1,5,'master',1795621799740,1795621799740,'');
CREATE TABLE content (           -- data NULL: the bytes are a file named by sha256; freed_ms: when uses fell to 0
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  sha256 BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, uses INTEGER NOT NULL, freed_ms INTEGER, data BLOB,
  pieces INTEGER NOT NULL DEFAULT 0);
INSERT INTO "content" VALUES(1,X'676D25C9F034AFE02E0E6D3EC04ABEE785B8FEAD65C27567C86E20C834D72201',100000,2,NULL,NULL,0);
INSERT INTO "content" VALUES(2,X'81DB8EBBBBC69C6C6AD4A6AA92B76E0C08AF547DA236B9E2C9DBE1D8285A8130',5,1,NULL,X'736D616C6C',0);
INSERT INTO "content" VALUES(3,X'E823DA61ABFBD317F8FD39727AF67CEAD1A5F82CE52E11BE72A1EFA1BE34C5CF',7,1,NULL,X'736D616C6C6572',0);
INSERT INTO "content" VALUES(4,X'361E48D0308F20E32DBA5FB56328BAF18D72EF0CCB43B84F5C262D2A6A1FC6C8',3,1,NULL,X'656E64',0);
INSERT INTO "content" VALUES(5,X'BE1B4BF1D22B12F0226760DCDB30348E17A51D26DB0F7A534FF568C7F6FFEB2D',100003,1,NULL,NULL,2);
CREATE TABLE entry (             -- a file as listings show it, for the commits [first, last)
  page INTEGER NOT NULL, path TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  size INTEGER NOT NULL, etag TEXT NOT NULL, modified_ms INTEGER NOT NULL,
  PRIMARY KEY (page, path, first)) WITHOUT ROWID;
INSERT INTO "entry" VALUES(1,'large',2,5,100000,'e0ac63ba0106f925ee987beca9e6a4ca',1795621799715);
INSERT INTO "entry" VALUES(1,'parts',6,4611686018427387903,100003,'e-2',1795621799741);
INSERT INTO "entry" VALUES(1,'small',3,4,5,'eb5c1399a871211c7e7ed732d15e3a8b',1795621799716);
INSERT INTO "entry" VALUES(1,'small',4,4611686018427387903,7,'23394313d75148a01ac834b289a0dd91',1795621799727);
CREATE TABLE line (              -- commits that follow each other without a fork; begins where base_line was at base_number
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repo INTEGER NOT NULL, base_line INTEGER, base_number INTEGER, tip INTEGER NOT NULL);
INSERT INTO "line" VALUES(1,1,NULL,NULL,6);
CREATE TABLE page (              -- entries of the paths [low, high) for the commits [first, last) of a line
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  line INTEGER NOT NULL, low TEXT NOT NULL, high TEXT, first INTEGER NOT NULL, last INTEGER NOT NULL,
  total INTEGER NOT NULL, live INTEGER NOT NULL);
INSERT INTO "page" VALUES(1,1,'',NULL,2,4611686018427387903,4,2);
CREATE TABLE part (              -- of an upload that is under way
  upload TEXT NOT NULL, number INTEGER NOT NULL, content INTEGER NOT NULL,
  size INTEGER NOT NULL, etag TEXT NOT NULL, modified_ms INTEGER NOT NULL, attributes TEXT,
  PRIMARY KEY (upload, number)) WITHOUT ROWID;
CREATE TABLE piece (             -- of a content that has `pieces`: the contents that it is put together from, in order
  content INTEGER NOT NULL, position INTEGER NOT NULL, part INTEGER NOT NULL,
  start INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified_ms INTEGER NOT NULL, attributes TEXT,
  PRIMARY KEY (content, position)) WITHOUT ROWID;
INSERT INTO "piece" VALUES(5,0,1,0,100000,'e0ac63ba0106f925ee987beca9e6a4ca',1795621799736,NULL);
INSERT INTO "piece" VALUES(5,1,4,100000,3,'7f021a1415b86f2d013b2618fb31ae53',1795621799739,NULL);
CREATE TABLE provenance (        -- an output branch and what it is made from
  branch INTEGER NOT NULL, project TEXT NOT NULL, repo TEXT NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY (branch, project, repo, name)) WITHOUT ROWID;
CREATE TABLE removed (           -- versions taken out of history for good: their commits do not answer for the path
  line INTEGER NOT NULL, path TEXT NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (line, path, number)) WITHOUT ROWID;
CREATE TABLE repo (              -- project and name are NULL when it was deleted and waits to be purged
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project TEXT, name TEXT, created_ms INTEGER NOT NULL,
  UNIQUE (project, name));
INSERT INTO "repo" VALUES(1,'default','images',1795621799699);
CREATE TABLE upload (            -- place: the branch, or minus the number of an open commit; commit_id: it is finished
  id TEXT PRIMARY KEY, place INTEGER NOT NULL, path TEXT NOT NULL, started_ms INTEGER NOT NULL, attributes TEXT,
  commit_id BLOB) WITHOUT ROWID;
INSERT INTO "upload" VALUES('01a213664734cb7874654df267ae091b',1,'parts',1795621799732,NULL,X'7F3AE8BD48924435AED05BECCEE7469A');
CREATE TABLE version (           -- what each commit of a line did to a path; content NULL: removed it
  line INTEGER NOT NULL, path TEXT NOT NULL, number INTEGER NOT NULL,
  content INTEGER, size INTEGER NOT NULL, etag TEXT NOT NULL, modified_ms INTEGER NOT NULL, attributes TEXT,
  PRIMARY KEY (line, path, number)) WITHOUT ROWID;
INSERT INTO "version" VALUES(1,'large',2,1,100000,'e0ac63ba0106f925ee987beca9e6a4ca',1795621799715,'{"content-type":"image/png"}');
INSERT INTO "version" VALUES(1,'large',5,NULL,0,'',1795621799730,NULL);
INSERT INTO "version" VALUES(1,'parts',6,5,100003,'e-2',1795621799741,NULL);
INSERT INTO "version" VALUES(1,'small',3,2,5,'eb5c1399a871211c7e7ed732d15e3a8b',1795621799716,NULL);
INSERT INTO "version" VALUES(1,'small',4,3,7,'23394313d75148a01ac834b289a0dd91',1795621799727,NULL);
CREATE INDEX line_repo ON line (repo);
CREATE INDEX page_place ON page (line, low, first, last, high);
CREATE INDEX page_live ON page (line, low) WHERE last = 4611686018427387903;
CREATE INDEX content_freed ON content (freed_ms) WHERE freed_ms IS NOT NULL;
CREATE INDEX upload_place ON upload (place, path, id) WHERE commit_id IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('repo',1);
INSERT INTO "sqlite_sequence" VALUES('line',1);
INSERT INTO "sqlite_sequence" VALUES('commit',6);
INSERT INTO "sqlite_sequence" VALUES('branch',2);
INSERT INTO "sqlite_sequence" VALUES('content',5);
INSERT INTO "sqlite_sequence" VALUES('page',1);
COMMIT;
