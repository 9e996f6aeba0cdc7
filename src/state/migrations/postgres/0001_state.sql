-- The state database, version 1. Times are milliseconds since 1970 UTC unless the name says _us.
-- Nothing here ever holds a secret value.

CREATE TABLE facts (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Whose turn it is to rotate. The epoch never resets, so that a holder that was thought dead can be
-- told from its successor. expires_ms is by the database's clock, and 0 where a file lock decides.
CREATE TABLE lock (
    name       TEXT NOT NULL PRIMARY KEY,
    holder     TEXT NOT NULL,
    host       TEXT NOT NULL,
    pid        BIGINT NOT NULL,
    epoch      BIGINT NOT NULL,
    since_ms   BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);

CREATE TABLE secret (
    env           TEXT NOT NULL,
    name          TEXT NOT NULL,
    kind          TEXT NOT NULL,
    version       TEXT,
    native        TEXT,
    fingerprint   TEXT,
    changed_ms    BIGINT,
    first_seen_ms BIGINT NOT NULL,
    turn_done     TEXT,
    failures      BIGINT NOT NULL CHECK (failures >= 0),
    PRIMARY KEY (env, name)
);

CREATE TABLE rotation (
    id          TEXT NOT NULL PRIMARY KEY,
    env         TEXT NOT NULL,
    secret      TEXT NOT NULL,
    account     TEXT,
    begun_by    TEXT NOT NULL,
    reason      TEXT,
    actor       TEXT NOT NULL,
    phase       TEXT NOT NULL,
    outcome     TEXT CHECK (outcome IN ('rotated', 'abandoned', 'imported')),
    started_ms  BIGINT NOT NULL,
    ended_ms    BIGINT,
    version     TEXT,
    fingerprint TEXT,
    record      TEXT NOT NULL,
    revision    BIGINT NOT NULL,
    CHECK ((outcome IS NULL) = (ended_ms IS NULL))
);

-- One rotation under way per secret, and per account in a target.
CREATE UNIQUE INDEX rotation_open_secret ON rotation (env, secret) WHERE outcome IS NULL;
CREATE UNIQUE INDEX rotation_open_account ON rotation (account) WHERE outcome IS NULL AND account IS NOT NULL;
CREATE INDEX rotation_history ON rotation (env, secret, started_ms);

-- What each consumer acknowledged last: it is told again only when something changed.
CREATE TABLE delivery (
    env         TEXT NOT NULL,
    secret      TEXT NOT NULL,
    consumer    TEXT NOT NULL,
    rotation    TEXT,
    round       TEXT NOT NULL,
    exposure_fp TEXT NOT NULL,
    acked_ms    BIGINT NOT NULL,
    PRIMARY KEY (env, secret, consumer)
);

-- The log. Only body is hashed; ts_us, event, env, secret and rotation are copies to search by, and
-- verification compares them. mac is the entry's MAC, by a key derived from the seed. UNIQUE (prev_hash) makes a fork impossible whatever the code does.
CREATE TABLE audit (
    seq       BIGINT NOT NULL PRIMARY KEY,
    prev_hash BYTEA NOT NULL UNIQUE,
    hash      BYTEA NOT NULL UNIQUE,
    body      BYTEA NOT NULL,
    ts_us     BIGINT NOT NULL,
    event     TEXT NOT NULL,
    env       TEXT,
    secret    TEXT,
    rotation  TEXT,
    mac       BYTEA NOT NULL
);
CREATE INDEX audit_secret ON audit (env, secret, seq);
CREATE INDEX audit_rotation ON audit (rotation, seq);

-- One row, inserted with the schema, so that there is always something to lock. named: digests of the
-- rotations under way and of the facts that steer keyrota. mac covers chain, seq, hash and named; it is
-- empty until keyrota first writes.
CREATE TABLE audit_head (
    id    BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    chain TEXT NOT NULL,
    seq   BIGINT NOT NULL,
    hash  BYTEA NOT NULL,
    named TEXT NOT NULL,
    mac   BYTEA NOT NULL
);

CREATE TABLE checkpoint (
    size BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (size, note)
);

-- Against accidents: whoever owns the database can drop these, and the checkpoints show it.
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'append only';
END
$$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER checkpoint_append_only BEFORE UPDATE OR DELETE ON checkpoint FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER checkpoint_no_truncate BEFORE TRUNCATE ON checkpoint FOR EACH STATEMENT EXECUTE FUNCTION append_only();
