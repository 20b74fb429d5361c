-- Lanes whose last delivery was given up; told in the SQLite migration. Written by the statement that settles, which
-- asks for the lease.
CREATE TABLE gaps (
    destination integer NOT NULL,
    lane        bigint  NOT NULL,
    since_ms    bigint  NOT NULL,
    PRIMARY KEY (destination, lane)
);
