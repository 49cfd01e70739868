-- migrate:up

-- A pipeline that a job has stopped, until it runs again: the other pipelines go on. `since`: the first failure in a row,
-- `failed_at` the last, `failures` how many. `reason`: the error. `help`: the command that helps. `decision`: what a person
-- must accept before the job goes on (null: it tries again by itself, at `retry_at`).
CREATE TABLE tidemark.failure (
    pipeline text NOT NULL,
    job text NOT NULL CHECK (job IN ('streaming', 'batch')),
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    failures integer NOT NULL DEFAULT 1,
    reason text NOT NULL,
    help text NOT NULL,
    decision text,
    retry_at timestamptz,
    PRIMARY KEY (pipeline, job)
);

-- What an operator has accepted, and who and when. `taken_at`: when the job has acted on it.
CREATE TABLE tidemark.acceptance (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline text NOT NULL,
    decision text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    accepted_by text NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    taken_at timestamptz
);

CREATE VIEW serving.failure AS
SELECT pipeline, job, since, failed_at, failures, reason, help, decision, retry_at FROM tidemark.failure;

GRANT SELECT, INSERT, UPDATE, DELETE ON tidemark.failure TO tidemark_batch, tidemark_speed;
GRANT SELECT, INSERT, UPDATE ON tidemark.acceptance TO tidemark_batch, tidemark_speed;
GRANT SELECT ON serving.failure TO tidemark_read;

-- migrate:down

DROP VIEW serving.failure;
DROP TABLE tidemark.acceptance;
DROP TABLE tidemark.failure;
