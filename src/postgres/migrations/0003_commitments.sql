-- Commitments to private particulars, and how they are forgotten.
--
-- An entry holds HMAC-SHA-256 of the particulars under a salt of its own. While the salt is here,
-- whoever has the particulars can show that they are those; without it they can't even be guessed.

CREATE TABLE counterfoil.secrets (
    tenant text NOT NULL,
    kind text NOT NULL,
    external_id text NOT NULL,
    salt bytea CHECK (octet_length(salt) = 32),
    made_at timestamptz NOT NULL DEFAULT now(),
    erased_at timestamptz,
    PRIMARY KEY (tenant, kind, external_id),
    CHECK ((salt IS NULL) = (erased_at IS NOT NULL))
) WITH (
    -- The place of what was destroyed is free for others at the next round.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 0
);

COMMENT ON TABLE counterfoil.secrets IS 'The salts of commitments: no role may read them.';

-- HMAC-SHA-256 (RFC 2104), which PostgreSQL by itself hasn't.
CREATE FUNCTION counterfoil.hmac_sha256(key bytea, message bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    short bytea := CASE WHEN octet_length(key) > 64 THEN sha256(key) ELSE key END;
    inner_pad bytea := decode(repeat('36', 64), 'hex');
    outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    FOR place IN 0 .. octet_length(short) - 1 LOOP
        inner_pad := set_byte(inner_pad, place, get_byte(short, place) # 54);
        outer_pad := set_byte(outer_pad, place, get_byte(short, place) # 92);
    END LOOP;
    RETURN sha256(outer_pad || sha256(inner_pad || message));
END
$$;

-- The commitment of an entry to its particulars. The salt is chosen at the first call and kept, so
-- that calling again gives the same bytes; it rolls back with whatever called.
CREATE FUNCTION counterfoil.commitment(
    tenant text, kind text, external_id text, particulars text
) RETURNS bytea
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kept bytea;
BEGIN
    -- Three random UUIDs have 366 random bits from the system's generator.
    INSERT INTO counterfoil.secrets VALUES ($1, $2, $3, sha256(
        uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
    )) ON CONFLICT DO NOTHING;
    SELECT s.salt INTO STRICT kept FROM counterfoil.secrets AS s
        WHERE s.tenant = $1 AND s.kind = $2 AND s.external_id = $3;
    IF kept IS NULL THEN
        RAISE EXCEPTION 'the salt of this entry''s commitment was destroyed'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN counterfoil.hmac_sha256(kept, convert_to($4, 'UTF8'));
END
$$;

-- Whether these are the particulars that a row of the outbox committed to. Null where that can't be
-- told any more, or there is no such row.
CREATE FUNCTION counterfoil.check_commitment(
    tenant text, kind text, external_id text, particulars text
) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT counterfoil.hmac_sha256(s.salt, convert_to($4, 'UTF8')) = o.commitment
    FROM counterfoil.secrets AS s
    JOIN counterfoil.outbox AS o USING (tenant, kind, external_id)
    WHERE s.tenant = $1 AND s.kind = $2 AND s.external_id = $3 AND o.commitment IS NOT NULL
    ORDER BY o.state = 'sealed' DESC, o.id
    LIMIT 1
$$;

-- Destroys the salt of an entry's commitment and records that in the outbox, both or neither; the id
-- of the notice's row. Doing it again finds it done.
CREATE FUNCTION counterfoil.erase(tenant text, kind text, external_id text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- The same at every call, and short whatever the entry is called.
    notice text := 'erasure-'
        || left(encode(sha256(convert_to($2 || ' ' || $3, 'UTF8')), 'hex'), 32);
    row_id bigint;
BEGIN
    UPDATE counterfoil.secrets AS s SET salt = NULL, erased_at = now()
        WHERE s.tenant = $1 AND s.kind = $2 AND s.external_id = $3 AND s.salt IS NOT NULL;
    IF NOT FOUND AND NOT EXISTS (
        SELECT FROM counterfoil.secrets AS s
        WHERE s.tenant = $1 AND s.kind = $2 AND s.external_id = $3
    ) THEN
        RAISE EXCEPTION 'no commitment of this entry was made here' USING ERRCODE = 'no_data_found';
    END IF;
    SELECT o.id INTO row_id FROM counterfoil.outbox AS o
        WHERE o.tenant = $1 AND o.kind = 'erasure_notice' AND o.external_id = notice
        ORDER BY o.id LIMIT 1;
    IF row_id IS NULL THEN
        INSERT INTO counterfoil.outbox (tenant, kind, external_id, body)
        VALUES ($1, 'erasure_notice', notice, jsonb_build_object(
            'entry', jsonb_build_object('kind', $2, 'external_id', $3)))
        RETURNING id INTO row_id;
    END IF;
    RETURN row_id;
END
$$;

REVOKE ALL ON FUNCTION counterfoil.hmac_sha256(bytea, bytea),
    counterfoil.commitment(text, text, text, text),
    counterfoil.check_commitment(text, text, text, text),
    counterfoil.erase(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION counterfoil.hmac_sha256(bytea, bytea),
    counterfoil.commitment(text, text, text, text),
    counterfoil.check_commitment(text, text, text, text) TO counterfoil_writer;
GRANT EXECUTE ON FUNCTION counterfoil.erase(text, text, text) TO counterfoil_node;
