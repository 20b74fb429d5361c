-- Operators' and breakers' will, runs, attempts, tallies, ranks of statuses: what complete delivery needs.

CREATE TABLE destinations_new (
    id            INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: attempts may be on their way under it
    tenant        TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    run           INTEGER NOT NULL DEFAULT 0,        -- 0: the destination itself; else the run whose deliveries these are
    generation    INTEGER NOT NULL DEFAULT 0,        -- the latest set of destinations that it was in
    mode          TEXT    NOT NULL DEFAULT 'active', -- active | paused | disabled
    reason        TEXT    NOT NULL DEFAULT '',       -- why it is not active
    mode_since_ms INTEGER NOT NULL DEFAULT 0,
    open_since_ms INTEGER NOT NULL DEFAULT 0,        -- since when the breaker is open; 0 while it is closed
    idle_ms       INTEGER NOT NULL DEFAULT 0,        -- time not active, or open, in all
    idle_since_ms INTEGER NOT NULL DEFAULT 0,        -- beginning of the present such time
    UNIQUE (tenant, name, run)
);
INSERT INTO destinations_new (id, tenant, name) SELECT id, tenant, name FROM destinations;
DROP TABLE destinations;
ALTER TABLE destinations_new RENAME TO destinations;

-- Sets of destinations that configurations had, numbered in the order in which they were first seen.
CREATE TABLE generations (
    digest BLOB PRIMARY KEY,
    number INTEGER NOT NULL
) WITHOUT ROWID;

-- Further states of a delivery, beside those of the first migration:
--   6 suppressed  kept back: a higher status of its message was there first
--   7 expired     parked for too long, or given up by the operator
-- 4 to 7 are final. Parked is no state: it is what is pending while a destination is not active.
CREATE INDEX deliveries_aside ON deliveries (destination, state, event) WHERE state IN (6, 7);

-- Attempts that failed. The one that succeeded is told by its delivery.
CREATE TABLE attempts (
    event       INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    number      INTEGER NOT NULL,  -- 1 is the first
    at_ms       INTEGER NOT NULL,
    took_ms     INTEGER NOT NULL,
    status      INTEGER,           -- HTTP status; null where there was none
    error       TEXT,
    PRIMARY KEY (event, destination, number)
) WITHOUT ROWID;

-- The ledger: deliveries by the day of their receipt (days since 1970 UTC). Written in the transaction that makes or
-- prunes the rows. matched counts what was made; the others what was pruned in that state.
CREATE TABLE tallies (
    destination INTEGER NOT NULL,
    day         INTEGER NOT NULL,
    shard       INTEGER NOT NULL,  -- of the writer, so that writers do not wait for one another; 0 where there is one
    matched     INTEGER NOT NULL DEFAULT 0,
    delivered   INTEGER NOT NULL DEFAULT 0,
    dead        INTEGER NOT NULL DEFAULT 0,
    suppressed  INTEGER NOT NULL DEFAULT 0,
    expired     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (destination, day, shard)
) WITHOUT ROWID;
-- What was stored before there were tallies counts as well.
INSERT INTO tallies (destination, day, shard, matched)
SELECT d.destination, r.received_ms / 86400000, 0, count(*)
FROM deliveries d JOIN events e ON e.seq = d.event JOIN receipts r ON r.seq = e.receipt
GROUP BY 1, 2;

-- Bytes of receipts' bodies and of events' heads and data, by source. Same transactions.
CREATE TABLE volumes (
    source INTEGER NOT NULL,
    shard  INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    PRIMARY KEY (source, shard)
) WITHOUT ROWID;
INSERT INTO volumes (source, shard, bytes)
SELECT source, 0, sum(bytes) FROM (
    SELECT source, length(body) AS bytes FROM receipts
    UNION ALL
    SELECT r.source, length(e.head) + length(e.data) FROM events e JOIN receipts r ON r.seq = e.receipt
) GROUP BY source;

-- The highest status of a message so far, by recipient and surface; kept as long as ids are.
CREATE TABLE ranks (
    key     INTEGER PRIMARY KEY,
    rank    INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL
);
CREATE INDEX ranks_seen ON ranks (seen_ms);

-- Replays and remaps. Their deliveries have rows of their own in destinations, with this id as run.
CREATE TABLE runs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: events downstream carry it
    kind       TEXT    NOT NULL,  -- replay | remap
    state      TEXT    NOT NULL,  -- filling: deliveries are being made | paused | running: all are made | cancelled | done
    created_ms INTEGER NOT NULL,
    criteria   TEXT    NOT NULL,  -- JSON: what was asked for
    planned    INTEGER NOT NULL,  -- deliveries, or receipts of a remap
    made       INTEGER NOT NULL DEFAULT 0,
    cursor     INTEGER NOT NULL DEFAULT 0  -- the last sequence that was looked at, so that it can be resumed
);

-- What retention walks along.
CREATE INDEX events_receipt ON events (receipt);
CREATE INDEX receipts_received ON receipts (received_ms);
