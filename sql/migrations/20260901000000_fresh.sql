-- migrate:up

-- A count is as fresh as the log was when it was read: a micro-batch that takes long to count commits what is old by then.
CREATE OR REPLACE VIEW serving.status AS
SELECT
    p.pipeline, p.fingerprint, p.version, v.cut, v.mode, v.accepted, v.duplicates, v.quarantined, v.seconds,
    v.published_at, l.offsets, l.open_segment, l.committed_at, l.checked_at,
    l.checked_at AS fresh_at
FROM tidemark.published p
JOIN tidemark.version v USING (pipeline, fingerprint, version)
JOIN tidemark.ledger l USING (pipeline, fingerprint);

-- migrate:down

CREATE OR REPLACE VIEW serving.status AS
SELECT
    p.pipeline, p.fingerprint, p.version, v.cut, v.mode, v.accepted, v.duplicates, v.quarantined, v.seconds,
    v.published_at, l.offsets, l.open_segment, l.committed_at, l.checked_at,
    greatest(l.committed_at, l.checked_at) AS fresh_at
FROM tidemark.published p
JOIN tidemark.version v USING (pipeline, fingerprint, version)
JOIN tidemark.ledger l USING (pipeline, fingerprint);
