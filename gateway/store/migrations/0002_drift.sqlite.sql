-- What adapters did not know: one masked sample of each thing, so that the operator sees what a provider changed.
CREATE TABLE drift (
    provider TEXT    NOT NULL,
    kind     TEXT    NOT NULL,  -- member | value | type | field | conflict …
    name     TEXT    NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms  INTEGER NOT NULL,
    seen     INTEGER NOT NULL,
    sample   BLOB,              -- masked JSON; null where none could be cut out
    PRIMARY KEY (provider, kind, name)
) WITHOUT ROWID;
