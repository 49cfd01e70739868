-- migrate:up

-- The versions of the definitions that readers see, the newest first to be asked for.
CREATE VIEW serving.version AS
SELECT
    v.pipeline, v.version, v.segment, v.cut, v.mode, v.accepted, v.duplicates, v.quarantined, v.seconds,
    v.published_at, v.withdrawn_at, v.pruned_at, v.version = p.version AS current
FROM tidemark.version v
JOIN tidemark.published p USING (pipeline, fingerprint)
WHERE v.version > 0;
GRANT SELECT ON serving.version TO tidemark_read;

-- migrate:down

DROP VIEW serving.version;
