-- migrate:up

-- What readers see of each layer alone: a view for each merged view, under the same name.
CREATE SCHEMA serving_batch;
CREATE SCHEMA serving_speed;
GRANT USAGE ON SCHEMA serving_batch, serving_speed TO tidemark_read;

-- migrate:down

DROP SCHEMA serving_batch CASCADE;
DROP SCHEMA serving_speed CASCADE;
