-- migrate:up

-- The id that Kafka gave the topic whose offsets these are. A topic that is made anew under the same name has another.
ALTER TABLE tidemark.ledger ADD COLUMN topic_id uuid;

-- When the tables of a definition were removed, because a newer one had been published in its place.
ALTER TABLE tidemark.generation ADD COLUMN removed_at timestamptz;

-- Removes the tables, the ledger and the segments of the definitions older than the published one: nobody reads them, and
-- no rollback leads to them. What is still being read is left to the next call.
CREATE FUNCTION tidemark.remove_replaced(wanted_pipeline text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tidemark, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    replaced generation;
    relation text;
BEGIN
    FOR replaced IN
        SELECT old.* FROM generation old JOIN generation newer ON newer.pipeline = old.pipeline AND newer.id > old.id
        JOIN published p ON p.pipeline = newer.pipeline AND p.fingerprint = newer.fingerprint
        WHERE old.pipeline = wanted_pipeline AND old.removed_at IS NULL
    LOOP
        -- With it goes a merged view that the published definition does not have any more.
        FOREACH relation IN ARRAY replaced.relations LOOP
            EXECUTE format('DROP TABLE batch.%I, speed.%I CASCADE', relation, relation);
        END LOOP;
        DELETE FROM ledger l WHERE l.pipeline = wanted_pipeline AND l.fingerprint = replaced.fingerprint;
        DELETE FROM segment s WHERE s.pipeline = wanted_pipeline AND s.fingerprint = replaced.fingerprint;
        UPDATE version v SET pruned_at = now()
        WHERE v.pipeline = wanted_pipeline AND v.fingerprint = replaced.fingerprint AND v.pruned_at IS NULL;
        UPDATE generation g SET removed_at = now() WHERE g.id = replaced.id;
    END LOOP;
EXCEPTION WHEN lock_not_available THEN
    RAISE LOG 'tables of older definitions of % are still being read; they stay until the next batch', wanted_pipeline;
END $$;

REVOKE ALL ON FUNCTION tidemark.remove_replaced FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tidemark.remove_replaced TO tidemark_batch;

-- migrate:down

DROP FUNCTION tidemark.remove_replaced;
ALTER TABLE tidemark.generation DROP COLUMN removed_at;
ALTER TABLE tidemark.ledger DROP COLUMN topic_id;
