-- Whose ledger this database belongs to, and the roles of those who use it.
--
-- Roles belong to the whole server. Whoever migrates without the right to make them has an
-- administrator do so before: CREATE ROLE counterfoil_node; and so on.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['counterfoil_node', 'counterfoil_writer', 'counterfoil_reader'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            END IF;
        EXCEPTION
            -- Another database of this server was faster.
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
END
$$;

COMMENT ON SCHEMA counterfoil IS 'The ledger''s side of this database; see docs/postgres.md.';

-- One row: the chain whose ledger this is.
CREATE TABLE counterfoil.chain (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    chain_id text NOT NULL,
    origin text NOT NULL
);

REVOKE ALL ON SCHEMA counterfoil FROM PUBLIC;
GRANT USAGE ON SCHEMA counterfoil TO counterfoil_node, counterfoil_writer, counterfoil_reader;
GRANT SELECT ON counterfoil.chain, counterfoil.migrations
    TO counterfoil_node, counterfoil_writer, counterfoil_reader;
