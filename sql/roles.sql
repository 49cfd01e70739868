-- The roles, made by the administrator before the first migration. Passwords are set apart from this file.
-- Running it again changes nothing.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['tidemark_migrate', 'tidemark_batch', 'tidemark_speed', 'tidemark_read'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', role);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
    END LOOP;
    -- The Hive metastore has a database of its own, and no way into this one.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tidemark_metastore') THEN
        CREATE ROLE tidemark_metastore LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CREATE ON DATABASE %I TO tidemark_migrate', current_database());
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO tidemark_batch, tidemark_speed', current_database());
END $$;
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = serving, public', current_database());
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
ALTER ROLE tidemark_read SET default_transaction_read_only = on;
ALTER ROLE tidemark_read SET statement_timeout = '15s';
ALTER ROLE tidemark_read SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE tidemark_batch SET lock_timeout = '60s';
ALTER ROLE tidemark_speed SET lock_timeout = '60s';
