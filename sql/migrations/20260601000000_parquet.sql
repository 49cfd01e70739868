-- migrate:up

-- How far the Parquet tables of a definition are: up to which offsets the streaming job has written their events, the cut
-- of the version that they were last compacted for (null: none), and the files that are written and not yet where readers
-- see them, as [{"table": …, "date": …, "file": …}]. Whoever moves a file or a folder has locked the row.
CREATE TABLE tidemark.parquet (
    pipeline text NOT NULL,
    fingerprint text NOT NULL,
    offsets jsonb NOT NULL DEFAULT '{}',
    cut jsonb,
    arriving jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (pipeline, fingerprint),
    FOREIGN KEY (pipeline, fingerprint) REFERENCES tidemark.ledger ON DELETE CASCADE
);

-- The folder in which readers find a table's events of a date, and the offsets that the streaming job stood at when it
-- last added a file there.
CREATE TABLE tidemark.parquet_folder (
    pipeline text NOT NULL,
    fingerprint text NOT NULL,
    "table" text NOT NULL,
    date date NOT NULL,
    folder text NOT NULL,
    placed jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (pipeline, fingerprint, "table", date),
    FOREIGN KEY (pipeline, fingerprint) REFERENCES tidemark.parquet ON DELETE CASCADE
);

ALTER TABLE tidemark.loss DROP CONSTRAINT loss_layer_check;
ALTER TABLE tidemark.loss ADD CONSTRAINT loss_layer_check CHECK (layer IN ('speed', 'archive', 'parquet'));

GRANT SELECT, INSERT, UPDATE ON tidemark.parquet, tidemark.parquet_folder TO tidemark_batch, tidemark_speed;

-- migrate:down

DELETE FROM tidemark.loss WHERE layer = 'parquet';
ALTER TABLE tidemark.loss DROP CONSTRAINT loss_layer_check;
ALTER TABLE tidemark.loss ADD CONSTRAINT loss_layer_check CHECK (layer IN ('speed', 'archive'));
DROP TABLE tidemark.parquet_folder;
DROP TABLE tidemark.parquet;
