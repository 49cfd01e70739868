-- migrate:up

-- An alert is kept as a summary of a sequence of readings, of one partition and of the events that share their keys:
--
--     first, last   the place of its first and last reading: [offset, index in the message]
--     head          the leading readings that are high, at most n of them
--     all           whether every reading is high
--     tail          how many readings at its end are high, at most n
--     marks         where the alert goes on or off whatever came before, in turn: on with the n-th reading of a high run
--                   that does not begin with the first reading, off with a low reading
--
-- A reading of head or marks is {"on": whether it is high, "at": its place, "row": what is shown of it}.

-- The summary of two sequences of which one follows the other, in either order of the arguments; null: no readings.
-- A run of high readings may begin in the one and reach n in the other. Of marks of one kind in a row only the first
-- is a change.
CREATE FUNCTION tidemark.alert_merge(one jsonb, other jsonb, n integer) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    earlier jsonb := one;
    later jsonb := other;
    run integer;
    reaching jsonb;
    marks jsonb;
BEGIN
    IF one IS NULL OR other IS NULL THEN
        RETURN coalesce(one, other);
    END IF;
    IF one -> 'first' > other -> 'first' THEN
        earlier := other;
        later := one;
    END IF;
    IF earlier -> 'last' >= later -> 'first' THEN
        RAISE EXCEPTION 'readings % to % are among readings % to %, expected all of them before or after',
            later -> 'first', later -> 'last', earlier -> 'first', earlier -> 'last'
            USING HINT = 'summaries must be added in the order of their readings; run the batch job with --full';
    END IF;
    run := earlier -> 'tail';
    marks := earlier -> 'marks';
    IF run < n AND NOT (earlier -> 'all')::boolean THEN
        reaching := later -> 'head' -> (n - run - 1);
        IF reaching IS NOT NULL AND marks -> -1 -> 'on' IS DISTINCT FROM 'true' THEN
            marks := marks || reaching;
        END IF;
    END IF;
    IF marks -> -1 -> 'on' = later -> 'marks' -> 0 -> 'on' THEN
        later := later #- '{marks,0}';
    END IF;
    RETURN jsonb_build_object(
        'first', earlier -> 'first',
        'last', later -> 'last',
        'head', CASE WHEN (earlier -> 'all')::boolean
            THEN jsonb_path_query_array(
                (earlier -> 'head') || (later -> 'head'), '$[0 to $end]', jsonb_build_object('end', n - 1)
            )
            ELSE earlier -> 'head' END,
        'all', (earlier -> 'all')::boolean AND (later -> 'all')::boolean,
        'tail', CASE WHEN (later -> 'all')::boolean THEN least(n, run + (later -> 'tail')::integer)
            ELSE (later -> 'tail')::integer END,
        'marks', marks || (later -> 'marks')
    );
END $$;
-- To be called with ORDER BY "first": what lies between two sequences cannot be put there once they are one.
CREATE AGGREGATE tidemark.alert(jsonb, integer) (
    SFUNC = tidemark.alert_merge, STYPE = jsonb, PARALLEL = SAFE
);

-- The changes of an alert that was off before the first reading: as if a low reading had come before it.
CREATE FUNCTION tidemark.alert_changes(summary jsonb, n integer) RETURNS SETOF jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT jsonb_array_elements((tidemark.alert_merge(
        '{"first": [-1, 0], "last": [-1, 0], "head": [], "all": false, "tail": 0, "marks": [{"on": false}]}', summary, n
    ) -> 'marks') - 0)
$$;

REVOKE ALL ON FUNCTION tidemark.alert_merge, tidemark.alert(jsonb, integer), tidemark.alert_changes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tidemark.alert_merge, tidemark.alert(jsonb, integer), tidemark.alert_changes
    TO tidemark_read, tidemark_batch, tidemark_speed;

-- migrate:down

DROP FUNCTION tidemark.alert_changes;
DROP AGGREGATE tidemark.alert(jsonb, integer);
DROP FUNCTION tidemark.alert_merge;
