-- migrate:up

-- What readers of the Parquet tables find since the metastore was told last: all events below these offsets, below this
-- cut (null: none) as the batch layer has them, and all that the log held at this moment.
ALTER TABLE tidemark.parquet
    ADD COLUMN told_offsets jsonb NOT NULL DEFAULT '{}', ADD COLUMN told_cut jsonb, ADD COLUMN told_at timestamptz;

-- Where nothing is counted that the tables lack, they are as fresh as the count: an idle topic does not make them old.
CREATE OR REPLACE VIEW serving.status AS
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

-- migrate:down

DROP VIEW serving.status;
CREATE VIEW serving.status AS
SELECT
    p.pipeline, p.fingerprint, p.version, v.cut, v.mode, v.accepted, v.duplicates, v.quarantined, v.seconds,
    v.published_at, l.offsets, l.open_segment, l.committed_at, l.checked_at,
    l.checked_at AS fresh_at
FROM tidemark.published p
JOIN tidemark.version v USING (pipeline, fingerprint, version)
JOIN tidemark.ledger l USING (pipeline, fingerprint);
GRANT SELECT ON serving.status TO tidemark_read, tidemark_batch, tidemark_speed;

ALTER TABLE tidemark.parquet DROP COLUMN told_offsets, DROP COLUMN told_cut, DROP COLUMN told_at;
