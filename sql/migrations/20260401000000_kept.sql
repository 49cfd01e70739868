-- migrate:up

-- Removes what readers see under a name of the schema serving: a view, or the table that is kept of one.
CREATE FUNCTION tidemark.withdraw(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = serving, pg_temp AS $$
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = to_regclass(format('serving.%I', name))) = 'r' THEN
        EXECUTE format('DROP TABLE serving.%I', name);
    ELSE
        EXECUTE format('DROP VIEW IF EXISTS serving.%I', name);
    END IF;
END $$;

-- Whether a definition is the published one; until the caller's transaction ends, that and the version stay as they are.
CREATE FUNCTION tidemark.hold_published(wanted_pipeline text, wanted_fingerprint text) RETURNS boolean
LANGUAGE sql STRICT SECURITY DEFINER SET search_path = tidemark, pg_temp AS $$
    SELECT fingerprint = wanted_fingerprint FROM published WHERE pipeline = wanted_pipeline FOR SHARE
$$;

-- Removes the tables, the ledger and the segments of the definitions older than the published one, and what readers saw
-- of them alone: nobody reads them, and no rollback leads to them. What is still being read is left to the next call.
CREATE OR REPLACE FUNCTION tidemark.remove_replaced(wanted_pipeline text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tidemark, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    current generation;
    replaced generation;
    relation text;
    statement text;
BEGIN
    SELECT g.* INTO current FROM generation g JOIN published USING (pipeline, fingerprint)
    WHERE g.pipeline = wanted_pipeline;
    FOR replaced IN
        SELECT g.* FROM generation g
        WHERE g.pipeline = wanted_pipeline AND g.id < current.id AND g.removed_at IS NULL
    LOOP
        FOREACH statement IN ARRAY replaced.serving_views LOOP
            IF statement LIKE 'SELECT tidemark.withdraw(%' AND statement <> ALL (current.serving_views) THEN
                EXECUTE statement;
            END IF;
        END LOOP;
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

REVOKE ALL ON FUNCTION tidemark.withdraw, tidemark.hold_published FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tidemark.hold_published TO tidemark_speed;

-- migrate:down

DROP FUNCTION tidemark.withdraw;
DROP FUNCTION tidemark.hold_published;
