-- The outbox: what a backend commits with its own work and the node makes an entry of.
--
-- pending   to be submitted
-- waiting   put off until the entry that it names is there, or until due_at
-- sealed    an entry: entry_id, log_index, height, leaf_hash and sealed_at say which
-- rejected  no entry, for the reason in problem, detail and fields; correct it, or retry

CREATE TABLE counterfoil.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL,
    kind text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL DEFAULT now(),
    commitment bytea,
    body jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'waiting', 'sealed', 'rejected')),
    entry_id bytea,
    log_index bigint,
    height bigint,
    leaf_hash bytea,
    sealed_at timestamptz,
    problem text,
    detail text,
    fields text[],
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz,
    waits_since timestamptz,
    waits_kind text,
    waits_for text,
    CHECK (state <> 'sealed' OR (entry_id IS NOT NULL AND log_index IS NOT NULL
        AND height IS NOT NULL AND leaf_hash IS NOT NULL AND sealed_at IS NOT NULL)),
    CHECK (state <> 'rejected' OR (problem IS NOT NULL AND detail IS NOT NULL))
) WITH (
    -- Rows are written twice within moments; a queue wants its dead rows gone soon.
    fillfactor = 60,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 10000
);

CREATE INDEX outbox_pending ON counterfoil.outbox (id) WHERE state = 'pending';
CREATE INDEX outbox_waiting ON counterfoil.outbox (tenant, waits_for, waits_kind)
    WHERE state = 'waiting';
CREATE INDEX outbox_due ON counterfoil.outbox (due_at) WHERE state = 'waiting';
CREATE INDEX outbox_rejected ON counterfoil.outbox (id) WHERE state = 'rejected';
CREATE INDEX outbox_name ON counterfoil.outbox (tenant, kind, external_id);

COMMENT ON TABLE counterfoil.outbox IS 'What the backend states; the node makes entries of it.';
COMMENT ON COLUMN counterfoil.outbox.body IS 'As in the API''s entry of this kind; amounts are strings.';
COMMENT ON COLUMN counterfoil.outbox.sealed_at IS 'The time of the entry''s block.';
COMMENT ON COLUMN counterfoil.outbox.problem IS 'The stable name of the problem, as in the API.';

-- A time as entries write it.
CREATE FUNCTION counterfoil.time_text(timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT to_char($1 AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- An amount as entries write it.
CREATE FUNCTION counterfoil.amount_text(numeric) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT trim_scale($1)::text $$;

-- An entry of any kind; the row's id.
CREATE FUNCTION counterfoil.record(
    tenant text, kind text, external_id text, body jsonb,
    event_time timestamptz DEFAULT now(), commitment bytea DEFAULT NULL
) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO counterfoil.outbox (tenant, kind, external_id, body, event_time, commitment)
    VALUES ($1, $2, $3, $4, $5, $6)
    RETURNING id
$$;

CREATE FUNCTION counterfoil.record_transaction(
    tenant text, external_id text, merchant text, program text, order_ref text,
    currency text, amount numeric, action text DEFAULT 'sale',
    link_ref text DEFAULT NULL, campaign_ref text DEFAULT NULL, click_ref text DEFAULT NULL,
    voucher text DEFAULT NULL, discount numeric DEFAULT NULL,
    commission_group text DEFAULT NULL, items jsonb DEFAULT NULL,
    event_time timestamptz DEFAULT now(), commitment bytea DEFAULT NULL
) RETURNS bigint LANGUAGE sql AS $$
    SELECT counterfoil.record($1, 'transaction', $2, jsonb_strip_nulls(jsonb_build_object(
        'merchant', $3, 'program', $4, 'order_ref', $5, 'currency', $6,
        'amount', counterfoil.amount_text($7), 'action', $8, 'link_ref', $9,
        'campaign_ref', $10, 'click_ref', $11, 'voucher', $12,
        'discount', counterfoil.amount_text($13), 'commission_group', $14, 'items', $15
    )), $16, $17)
$$;

CREATE FUNCTION counterfoil.record_commission(
    tenant text, external_id text, transaction text, terms text, rule integer,
    affiliate text, currency text, amount numeric, fee numeric DEFAULT 0,
    locking_date timestamptz DEFAULT NULL, role jsonb DEFAULT NULL, deviation text DEFAULT NULL,
    event_time timestamptz DEFAULT now(), commitment bytea DEFAULT NULL
) RETURNS bigint LANGUAGE sql AS $$
    SELECT counterfoil.record($1, 'commission', $2, jsonb_strip_nulls(jsonb_build_object(
        'transaction', $3, 'terms', $4, 'rule', $5, 'affiliate', $6, 'currency', $7,
        'amount', counterfoil.amount_text($8), 'fee', counterfoil.amount_text($9),
        'locking_date', counterfoil.time_text($10), 'role', $11, 'deviation', $12
    )), $13, $14)
$$;

-- verdict: approve, decline (with a reason), extend (with a locking date), lock.
CREATE FUNCTION counterfoil.record_decision(
    tenant text, external_id text, commission text, verdict text,
    reason text DEFAULT NULL, locking_date timestamptz DEFAULT NULL,
    event_time timestamptz DEFAULT now()
) RETURNS bigint LANGUAGE sql AS $$
    SELECT counterfoil.record($1, 'decision', $2, jsonb_strip_nulls(jsonb_build_object(
        'commission', $3, 'verdict', jsonb_build_object(
            'type', $4, 'reason', $5, 'locking_date', counterfoil.time_text($6))
    )), $7)
$$;

CREATE FUNCTION counterfoil.record_reversal(
    tenant text, external_id text, commission text, currency text, amount numeric, reason text,
    refund jsonb DEFAULT NULL, event_time timestamptz DEFAULT now()
) RETURNS bigint LANGUAGE sql AS $$
    SELECT counterfoil.record($1, 'reversal', $2, jsonb_strip_nulls(jsonb_build_object(
        'commission', $3, 'currency', $4, 'amount', counterfoil.amount_text($5),
        'reason', $6, 'refund', $7
    )), $8)
$$;

-- event: sent (perhaps with a reference of the payment), completed, failed, returned.
CREATE FUNCTION counterfoil.record_payout_event(
    tenant text, external_id text, payout text, event text, payment_ref text DEFAULT NULL,
    event_time timestamptz DEFAULT now()
) RETURNS bigint LANGUAGE sql AS $$
    SELECT counterfoil.record($1, 'payout_event', $2, jsonb_strip_nulls(jsonb_build_object(
        'payout', $3, 'event', jsonb_build_object('type', $4, 'payment_ref', $5)
    )), $6)
$$;

-- Submits a rejected or waiting row again, as it is; whether there is such a row.
CREATE FUNCTION counterfoil.retry(id bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE counterfoil.outbox AS o
    SET state = 'pending', problem = NULL, detail = NULL, fields = NULL, attempts = 0,
        due_at = NULL, waits_since = NULL, waits_kind = NULL, waits_for = NULL
    WHERE o.id = $1 AND o.state IN ('rejected', 'waiting');
    RETURN FOUND;
END
$$;

-- Corrects a rejected or waiting row, and submits it again; whether there is such a row.
CREATE FUNCTION counterfoil.correct(
    id bigint, body jsonb, event_time timestamptz DEFAULT NULL, commitment bytea DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE counterfoil.outbox AS o
    SET body = $2, event_time = coalesce($3, o.event_time),
        commitment = coalesce($4, o.commitment)
    WHERE o.id = $1 AND o.state IN ('rejected', 'waiting');
    RETURN counterfoil.retry($1);
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA counterfoil FROM PUBLIC;
GRANT INSERT (tenant, kind, external_id, event_time, commitment, body), SELECT
    ON counterfoil.outbox TO counterfoil_writer;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA counterfoil TO counterfoil_writer;
GRANT SELECT ON counterfoil.outbox TO counterfoil_reader, counterfoil_node;
GRANT UPDATE (state, entry_id, log_index, height, leaf_hash, sealed_at, problem, detail, fields,
    attempts, due_at, waits_since, waits_kind, waits_for) ON counterfoil.outbox TO counterfoil_node;
GRANT EXECUTE ON FUNCTION counterfoil.retry(bigint) TO counterfoil_node;
