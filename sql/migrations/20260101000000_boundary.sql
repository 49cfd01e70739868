-- migrate:up

CREATE SCHEMA tidemark;  -- the boundary between the layers
CREATE SCHEMA batch;     -- what the versions hold
CREATE SCHEMA speed;     -- what the segments hold
CREATE SCHEMA serving;   -- the merged views

-- One definition of a pipeline, known by its fingerprint. Its tables are batch.<relation> and speed.<relation>.
CREATE TABLE tidemark.generation (
    id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    pipeline text NOT NULL,
    fingerprint text NOT NULL,
    relations text[] NOT NULL,
    serving_views text[] NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, fingerprint)
);

-- Up to which offsets the speed layer has committed ({"partition": next offset}), and the segment it adds to.
CREATE TABLE tidemark.ledger (
    pipeline text NOT NULL,
    fingerprint text NOT NULL,
    offsets jsonb NOT NULL,
    open_segment integer NOT NULL,
    committed_at timestamptz,            -- the last micro-batch
    checked_at timestamptz,              -- the last time that all of the log had been committed
    PRIMARY KEY (pipeline, fingerprint),
    FOREIGN KEY (pipeline, fingerprint) REFERENCES tidemark.generation
);

-- A segment is listed as long as its increments are kept. Sealed ones have a cut: the offsets they end before.
CREATE TABLE tidemark.segment (
    pipeline text NOT NULL,
    fingerprint text NOT NULL,
    segment integer NOT NULL,
    cut jsonb,
    opened_at timestamptz NOT NULL DEFAULT now(),
    sealed_at timestamptz,
    PRIMARY KEY (pipeline, fingerprint, segment),
    FOREIGN KEY (pipeline, fingerprint) REFERENCES tidemark.generation
);

-- A result of the batch layer: all events below `cut`, which is where `segment` ends. Version 0 is the empty one.
CREATE TABLE tidemark.version (
    pipeline text NOT NULL,
    fingerprint text NOT NULL,
    version integer NOT NULL,
    segment integer NOT NULL,
    cut jsonb NOT NULL,
    mode text NOT NULL CHECK (mode IN ('empty', 'full', 'incremental')),
    accepted bigint NOT NULL,
    duplicates bigint NOT NULL,
    quarantined bigint NOT NULL,
    seconds numeric(12, 3) NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    withdrawn_at timestamptz,            -- rolled back
    pruned_at timestamptz,               -- its rows are gone
    PRIMARY KEY (pipeline, fingerprint, version),
    FOREIGN KEY (pipeline, fingerprint) REFERENCES tidemark.generation
);

-- The version that readers see.
CREATE TABLE tidemark.published (
    pipeline text PRIMARY KEY,
    fingerprint text NOT NULL,
    version integer NOT NULL,
    FOREIGN KEY (pipeline, fingerprint, version) REFERENCES tidemark.version
);

-- Offsets that Kafka had deleted before they were read, and that an operator has accepted as lost.
CREATE TABLE tidemark.loss (
    pipeline text NOT NULL,
    layer text NOT NULL CHECK (layer IN ('speed', 'archive')),
    partition integer NOT NULL,
    first_offset bigint NOT NULL,
    next_offset bigint NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, layer, partition, first_offset)
);

-- The boundary a merged view is read at: the version that counts, and the last segment inside it.
-- STABLE: it sees the snapshot of the statement that reads the view, so all of the statement is of one instant.
CREATE FUNCTION tidemark.boundary(wanted_pipeline text, wanted_fingerprint text, OUT version integer, OUT segment integer)
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = tidemark, pg_temp AS $$
DECLARE
    current tidemark.published;
    open_segment integer;
    kept integer;
BEGIN
    SELECT * INTO current FROM tidemark.published p WHERE p.pipeline = wanted_pipeline;
    IF current.fingerprint IS DISTINCT FROM wanted_fingerprint THEN
        RAISE EXCEPTION 'the merged views of % are of definition %, the published version is of %',
            wanted_pipeline, wanted_fingerprint, current.fingerprint
            USING HINT = 'run the batch job of the pipeline with --full';
    END IF;
    SELECT v.version, v.segment INTO version, segment FROM tidemark.version v
    WHERE v.pipeline = wanted_pipeline AND v.fingerprint = wanted_fingerprint AND v.version = current.version
      AND v.pruned_at IS NULL;
    SELECT l.open_segment INTO open_segment FROM tidemark.ledger l
    WHERE l.pipeline = wanted_pipeline AND l.fingerprint = wanted_fingerprint;
    SELECT count(*) INTO kept FROM tidemark.segment s
    WHERE s.pipeline = wanted_pipeline AND s.fingerprint = wanted_fingerprint AND s.segment > boundary.segment;
    IF version IS NULL OR kept IS DISTINCT FROM open_segment - segment THEN
        RAISE EXCEPTION 'version % of % needs the segments after %: expected %, found %',
            current.version, wanted_pipeline, segment, open_segment - segment, kept
            USING HINT = 'increments that it needs are gone; run the batch job of the pipeline';
    END IF;
END $$;

-- The n highest of two lists of rows, each row {"by": number, "at": position, "row": …}.
CREATE FUNCTION tidemark.top_merge(one jsonb, other jsonb, n integer) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT jsonb_agg(item ORDER BY item -> 'by' DESC, item -> 'at' DESC)
    FROM (
        SELECT item FROM jsonb_array_elements(coalesce(one, '[]') || coalesce(other, '[]')) AS item
        ORDER BY item -> 'by' DESC, item -> 'at' DESC LIMIT n
    ) AS highest
$$;
CREATE AGGREGATE tidemark.top(jsonb, integer) (
    SFUNC = tidemark.top_merge, STYPE = jsonb, PARALLEL = SAFE
);

-- Points readers to a version, in the caller's transaction. A version of another definition brings its own views.
CREATE FUNCTION tidemark.point_to(wanted_pipeline text, wanted_fingerprint text, wanted_version integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tidemark, pg_temp AS $$
DECLARE
    previous text;
    statement text;
BEGIN
    SELECT fingerprint INTO previous FROM published WHERE pipeline = wanted_pipeline FOR UPDATE;
    INSERT INTO published VALUES (wanted_pipeline, wanted_fingerprint, wanted_version)
    ON CONFLICT (pipeline) DO UPDATE SET fingerprint = excluded.fingerprint, version = excluded.version;
    IF previous IS DISTINCT FROM wanted_fingerprint THEN
        FOREACH statement IN ARRAY (
            SELECT serving_views FROM generation WHERE pipeline = wanted_pipeline AND fingerprint = wanted_fingerprint
        ) LOOP
            EXECUTE statement;
        END LOOP;
    END IF;
END $$;

-- Lets go of what no kept version needs: older versions' rows, and the segments that every kept version covers.
CREATE FUNCTION tidemark.prune(wanted_pipeline text, wanted_fingerprint text, keep integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tidemark, pg_temp AS $$
DECLARE
    covered integer;
    relation text;
    kept integer[];
BEGIN
    SELECT array_agg(k.version), min(k.segment) INTO kept, covered FROM (
        SELECT v.version, v.segment FROM version v LEFT JOIN published p USING (pipeline, fingerprint, version)
        WHERE v.pipeline = wanted_pipeline AND v.fingerprint = wanted_fingerprint
          AND v.withdrawn_at IS NULL AND v.pruned_at IS NULL
        ORDER BY (p.version IS NOT NULL) DESC, v.version DESC LIMIT keep
    ) k;
    UPDATE version SET pruned_at = now()
    WHERE pipeline = wanted_pipeline AND fingerprint = wanted_fingerprint
      AND pruned_at IS NULL AND version <> ALL (kept);
    DELETE FROM segment
    WHERE pipeline = wanted_pipeline AND fingerprint = wanted_fingerprint AND segment <= covered;
    FOREACH relation IN ARRAY (
        SELECT relations FROM generation WHERE pipeline = wanted_pipeline AND fingerprint = wanted_fingerprint
    ) LOOP
        EXECUTE format('DELETE FROM batch.%I WHERE version <> ALL ($1)', relation) USING kept;
        EXECUTE format('DELETE FROM speed.%I WHERE segment <= $1', relation) USING covered;
    END LOOP;
END $$;

-- What the API and the dashboard show beside every answer.
CREATE VIEW serving.status AS
SELECT
    p.pipeline, p.fingerprint, p.version, v.cut, v.mode, v.accepted, v.duplicates, v.quarantined, v.seconds,
    v.published_at, l.offsets, l.open_segment, l.committed_at, l.checked_at,
    greatest(l.committed_at, l.checked_at) AS fresh_at
FROM tidemark.published p
JOIN tidemark.version v USING (pipeline, fingerprint, version)
JOIN tidemark.ledger l USING (pipeline, fingerprint);

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tidemark FROM PUBLIC;
GRANT USAGE ON SCHEMA tidemark, speed, batch, serving TO tidemark_batch, tidemark_speed;
GRANT USAGE ON SCHEMA serving, tidemark TO tidemark_read;
GRANT EXECUTE ON FUNCTION tidemark.boundary, tidemark.top_merge, tidemark.top(jsonb, integer)
    TO tidemark_read, tidemark_batch, tidemark_speed;
GRANT EXECUTE ON FUNCTION tidemark.point_to, tidemark.prune TO tidemark_batch;
GRANT SELECT ON ALL TABLES IN SCHEMA tidemark TO tidemark_batch, tidemark_speed;
GRANT SELECT ON serving.status TO tidemark_read, tidemark_batch, tidemark_speed;
GRANT UPDATE ON tidemark.ledger TO tidemark_batch, tidemark_speed;
GRANT INSERT, UPDATE ON tidemark.segment TO tidemark_batch;
GRANT INSERT, UPDATE ON tidemark.version TO tidemark_batch;
GRANT INSERT ON tidemark.loss TO tidemark_speed;

-- migrate:down

DROP SCHEMA serving CASCADE;
DROP SCHEMA speed CASCADE;
DROP SCHEMA batch CASCADE;
DROP SCHEMA tidemark CASCADE;
