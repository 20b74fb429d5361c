-- Times are milliseconds since 1970 UTC, except leases: those are the database's own clock. Hashes are as
-- gateway/stamp.py makes them. What columns and states mean is told in the SQLite migrations; here what differs.
-- The table meta is made by gateway/store/postgres_schema.py, which keeps the number of the last migration in it.

CREATE TABLE sources (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   text NOT NULL,
    name     text NOT NULL,
    uid      text NOT NULL,
    provider text NOT NULL,
    UNIQUE (tenant, name)
);

CREATE TABLE destinations (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant        text    NOT NULL,
    name          text    NOT NULL,
    run           integer NOT NULL DEFAULT 0,
    generation    integer NOT NULL DEFAULT 0,
    mode          text    NOT NULL DEFAULT 'active',
    reason        text    NOT NULL DEFAULT '',
    mode_since_ms bigint  NOT NULL DEFAULT 0,
    open_since_ms bigint  NOT NULL DEFAULT 0,
    idle_ms       bigint  NOT NULL DEFAULT 0,
    idle_since_ms bigint  NOT NULL DEFAULT 0,
    UNIQUE (tenant, name, run)
);
CREATE INDEX destinations_run ON destinations (run) WHERE run <> 0;

CREATE TABLE generations (
    digest bytea PRIMARY KEY,
    number integer NOT NULL
);

-- Sequences without a cache: if a commit was over before another transaction began, its numbers are smaller, whichever
-- process made them. Commits that overlap may become visible in another order than that of their numbers.
CREATE SEQUENCE receipts_seq;
CREATE SEQUENCE events_seq;

-- No foreign keys between the large tables: what belongs together is written and deleted in one transaction, and each
-- of their checks would cost as much as the row.
CREATE TABLE receipts (
    seq         bigint  PRIMARY KEY DEFAULT nextval('receipts_seq'),
    id          bytea   NOT NULL,
    source      integer NOT NULL,
    received_ms bigint  NOT NULL,
    outcome     text    NOT NULL,
    headers     bytea   NOT NULL,
    body        bytea   NOT NULL
);
CREATE INDEX receipts_received ON receipts (received_ms);

CREATE TABLE events (
    seq      bigint  PRIMARY KEY DEFAULT nextval('events_seq'),
    id       bytea   NOT NULL UNIQUE,
    receipt  bigint  NOT NULL,
    type     text    NOT NULL,
    time_ms  bigint  NOT NULL,
    revision integer NOT NULL DEFAULT 1,
    partial  boolean NOT NULL,
    lane     bigint  NOT NULL,
    party    bytea,
    pointer  text    NOT NULL,
    head     bytea   NOT NULL,
    data     bytea   NOT NULL
);
CREATE INDEX events_receipt ON events (receipt);

CREATE TABLE deliveries (
    event          bigint   NOT NULL,
    destination    integer  NOT NULL,
    shard          smallint NOT NULL,  -- gateway/store/base.py, shard_of
    state          smallint NOT NULL DEFAULT 0,
    attempts       integer  NOT NULL DEFAULT 0,
    last_status    smallint,
    lane           bigint   NOT NULL,
    due_ms         bigint   NOT NULL DEFAULT 0,
    tried_since_ms bigint   NOT NULL DEFAULT 0,
    settled_ms     bigint   NOT NULL DEFAULT 0,
    last_error     text,
    PRIMARY KEY (event, destination)
);
CREATE INDEX deliveries_queued ON deliveries (destination, shard, event) WHERE state = 0;
CREATE INDEX deliveries_due ON deliveries (destination, shard, due_ms) WHERE state IN (1, 3);
CREATE INDEX deliveries_waiting ON deliveries (destination, lane, event) WHERE state = 2;
CREATE INDEX deliveries_dead ON deliveries (destination, event) WHERE state = 5;
CREATE INDEX deliveries_aside ON deliveries (destination, state, event) WHERE state IN (6, 7);
-- Each delivery is updated once at least: what it was before must be cleared away steadily, not after a fifth of all.
ALTER TABLE deliveries SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0
);

CREATE TABLE attempts (
    event       bigint  NOT NULL,
    destination integer NOT NULL,
    number      integer NOT NULL,
    at_ms       bigint  NOT NULL,
    took_ms     integer NOT NULL,
    status      smallint,
    error       text,
    PRIMARY KEY (event, destination, number)
);

-- The same few rows are updated by each commit: room beside them lets an update stay on its page, without an index.
CREATE TABLE tallies (
    destination integer  NOT NULL,
    day         integer  NOT NULL,
    shard       smallint NOT NULL,  -- of the writer
    matched     bigint   NOT NULL DEFAULT 0,
    delivered   bigint   NOT NULL DEFAULT 0,
    dead        bigint   NOT NULL DEFAULT 0,
    suppressed  bigint   NOT NULL DEFAULT 0,
    expired     bigint   NOT NULL DEFAULT 0,
    PRIMARY KEY (destination, day, shard)
) WITH (fillfactor = 50);

CREATE TABLE volumes (
    source integer  NOT NULL,
    shard  smallint NOT NULL,  -- of the writer
    bytes  bigint   NOT NULL,
    PRIMARY KEY (source, shard)
) WITH (fillfactor = 50);

CREATE TABLE ranks (
    key     bigint PRIMARY KEY,
    rank    smallint NOT NULL,
    seen_ms bigint NOT NULL
);
CREATE INDEX ranks_seen ON ranks (seen_ms);

CREATE TABLE runs (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text    NOT NULL,
    state      text    NOT NULL,
    created_ms bigint  NOT NULL,
    criteria   text    NOT NULL,
    planned    bigint  NOT NULL,
    made       bigint  NOT NULL DEFAULT 0,
    cursor     bigint  NOT NULL DEFAULT 0
);

CREATE TABLE drift (
    provider text   NOT NULL,
    kind     text   NOT NULL,
    name     text   NOT NULL,
    first_ms bigint NOT NULL,
    last_ms  bigint NOT NULL,
    seen     bigint NOT NULL,
    sample   bytea,
    PRIMARY KEY (provider, kind, name)
);

-- Processes that share this store, each under an id that it drew when it joined. Whoever finds one expired deletes it;
-- if that one was only asleep, it joins again under another id, and nothing that it did under the old one counts.
CREATE TABLE replicas (
    id         bytea       PRIMARY KEY,
    generation integer     NOT NULL,
    expires    timestamptz NOT NULL
);

-- Who delivers what: the lease of a shard lasts as long as its owner's row in replicas.
CREATE TABLE leases (
    shard smallint PRIMARY KEY,
    owner bytea
);
INSERT INTO leases (shard) SELECT generate_series(0, 255);
