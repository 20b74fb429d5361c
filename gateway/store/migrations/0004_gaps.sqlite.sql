-- Lanes whose last delivery was given up: the next one tells downstream that it is missing, and its success takes the
-- row away. Written in the transactions that settle those two. What nothing followed goes when ids of its age do.
CREATE TABLE gaps (
    destination INTEGER NOT NULL,
    lane        INTEGER NOT NULL,
    since_ms    INTEGER NOT NULL,  -- when the latest of them was given up
    PRIMARY KEY (destination, lane)
) WITHOUT ROWID;
