-- Times are milliseconds since 1970 UTC. Hashes are as gateway/stamp.py makes them.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE sources (
    id       INTEGER PRIMARY KEY,
    tenant   TEXT NOT NULL,
    name     TEXT NOT NULL,
    uid      TEXT NOT NULL,
    provider TEXT NOT NULL,
    UNIQUE (tenant, name)
);

CREATE TABLE destinations (
    id     INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    name   TEXT NOT NULL,
    UNIQUE (tenant, name)
);

-- A request as it came in, the provider's credentials taken out. Kept whole, so that it can be parsed again.
CREATE TABLE receipts (
    seq         INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL,
    source      INTEGER NOT NULL REFERENCES sources (id),
    received_ms INTEGER NOT NULL,
    outcome     TEXT    NOT NULL,  -- parsed | unmapped
    headers     BLOB    NOT NULL,  -- JSON object of those that parsing needs
    body        BLOB    NOT NULL
);

-- One thing that happened. The unique id is the dedupe key; it starts with the time, so inserts stay local.
CREATE TABLE events (
    seq      INTEGER PRIMARY KEY,
    id       BLOB    NOT NULL UNIQUE,
    receipt  INTEGER NOT NULL REFERENCES receipts (seq),
    type     TEXT    NOT NULL,
    time_ms  INTEGER NOT NULL,
    revision INTEGER NOT NULL DEFAULT 1,
    partial  INTEGER NOT NULL,     -- 1 where the typed part does not tell all
    lane     INTEGER NOT NULL,
    party    BLOB,                 -- keyed hash of the person, for search
    pointer  TEXT    NOT NULL,     -- into the receipt's body
    head     BLOB    NOT NULL,     -- envelope, JSON
    data     BLOB    NOT NULL      -- JSON
);

-- One event on its way to one destination.
--   0 queued     in its lane, not tried yet
--   1 held       head of its lane, waits for its retry; the lane waits with it
--   2 waiting    behind a held head
--   3 beside     retried beside its lane, which has moved on
--   4 delivered
--   5 dead       given up; can be replayed
-- 0 to 3 are pending.
CREATE TABLE deliveries (
    event          INTEGER NOT NULL REFERENCES events (seq),
    destination    INTEGER NOT NULL REFERENCES destinations (id),
    lane           INTEGER NOT NULL,
    state          INTEGER NOT NULL DEFAULT 0,
    attempts       INTEGER NOT NULL DEFAULT 0,
    due_ms         INTEGER NOT NULL DEFAULT 0,
    tried_since_ms INTEGER NOT NULL DEFAULT 0,  -- first attempt
    settled_ms     INTEGER NOT NULL DEFAULT 0,  -- last change of state
    last_status    INTEGER,                     -- HTTP status of the last attempt, null where there was none
    last_error     TEXT,
    PRIMARY KEY (event, destination)
) WITHOUT ROWID;

-- Partial indexes: only rows in those states cost anything, and in health that is the queue alone.
CREATE INDEX deliveries_queued ON deliveries (destination, event) WHERE state = 0;
CREATE INDEX deliveries_due ON deliveries (destination, due_ms) WHERE state IN (1, 3);
CREATE INDEX deliveries_waiting ON deliveries (destination, lane, event) WHERE state = 2;
CREATE INDEX deliveries_dead ON deliveries (destination, event) WHERE state = 5;
