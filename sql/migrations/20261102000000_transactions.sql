-- migrate:up

-- Of each partition in which a transaction was seen to be open, where it begins and since when:
-- {"partition": {"offset": offset, "since": time}}.
ALTER TABLE tidemark.ledger ADD COLUMN uncommitted jsonb NOT NULL DEFAULT '{}';

-- What an open transaction holds, and what follows it in its partition, is not counted until it ends: so the count is as
-- old as its first message. One that has ended is as good as open until the ledger has passed it.
CREATE OR REPLACE VIEW serving.status AS
SELECT
    p.pipeline, p.fingerprint, p.version, v.cut, v.mode, v.accepted, v.duplicates, v.quarantined, v.seconds,
    v.published_at, l.offsets, l.open_segment, l.committed_at, l.checked_at,
    f.fresh_at,
    q.told_offsets AS written, q.told_cut AS compacted,
    CASE
        WHEN q.told_offsets IS NULL OR EXISTS (
            SELECT FROM jsonb_each_text(l.offsets) AS counted (partition, next)
            WHERE next::bigint > coalesce((q.told_offsets ->> partition)::bigint, 0)
        ) THEN least(q.told_at, o.open_since)
        ELSE greatest(least(q.told_at, o.open_since), f.fresh_at)
    END AS written_at,
    o.open_since
FROM tidemark.published p
JOIN tidemark.version v USING (pipeline, fingerprint, version)
JOIN tidemark.ledger l USING (pipeline, fingerprint)
LEFT JOIN tidemark.parquet q USING (pipeline, fingerprint)
CROSS JOIN LATERAL (
    SELECT min((transaction ->> 'since')::timestamptz) AS open_since
    FROM jsonb_each(l.uncommitted) AS opened (partition, transaction)
    WHERE (transaction ->> 'offset')::bigint >= coalesce((l.offsets ->> partition)::bigint, 0)
) o
CROSS JOIN LATERAL (
    SELECT CASE WHEN l.checked_at IS NOT NULL THEN least(l.checked_at, o.open_since) END AS fresh_at
) f;

-- migrate:down

DROP VIEW serving.status;
CREATE VIEW serving.status AS
SELECT
    p.pipeline, p.fingerprint, p.version, v.cut, v.mode, v.accepted, v.duplicates, v.quarantined, v.seconds,
    v.published_at, l.offsets, l.open_segment, l.committed_at, l.checked_at,
    l.checked_at AS fresh_at,
    q.told_offsets AS written, q.told_cut AS compacted,
    CASE
        WHEN q.told_offsets IS NULL OR EXISTS (
            SELECT FROM jsonb_each_text(l.offsets) AS counted (partition, next)
            WHERE next::bigint > coalesce((q.told_offsets ->> partition)::bigint, 0)
        ) THEN q.told_at
        ELSE greatest(q.told_at, l.checked_at)
    END AS written_at
FROM tidemark.published p
JOIN tidemark.version v USING (pipeline, fingerprint, version)
JOIN tidemark.ledger l USING (pipeline, fingerprint)
LEFT JOIN tidemark.parquet q USING (pipeline, fingerprint);
GRANT SELECT ON serving.status TO tidemark_read, tidemark_batch, tidemark_speed;

ALTER TABLE tidemark.ledger DROP COLUMN uncommitted;
