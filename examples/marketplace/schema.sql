-- A small affiliate marketplace, as its own database has it: nothing here is the ledger's.
-- Names of people and addresses stay in these tables; the ledger knows them by id alone.

CREATE SCHEMA market;

CREATE TABLE market.affiliates (
    id text PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL
);

CREATE TABLE market.merchants (
    id text PRIMARY KEY,
    name text NOT NULL
);

CREATE TABLE market.products (
    id text PRIMARY KEY,
    merchant text NOT NULL REFERENCES market.merchants,
    title text NOT NULL,
    price numeric(12, 2) NOT NULL CHECK (price >= 0),
    currency text NOT NULL
);

CREATE TABLE market.campaigns (
    id text PRIMARY KEY,
    merchant text NOT NULL REFERENCES market.merchants,
    title text NOT NULL
);

CREATE TABLE market.links (
    id text PRIMARY KEY,
    affiliate text NOT NULL REFERENCES market.affiliates,
    product text NOT NULL REFERENCES market.products,
    campaign text REFERENCES market.campaigns
);

CREATE TABLE market.orders (
    id text PRIMARY KEY,
    merchant text NOT NULL REFERENCES market.merchants,
    product text NOT NULL REFERENCES market.products,
    link text REFERENCES market.links,
    buyer text NOT NULL,
    currency text NOT NULL,
    amount numeric(12, 2) NOT NULL CHECK (amount >= 0),
    ordered_at timestamptz NOT NULL DEFAULT now(),
    -- The row of the outbox that tells the ledger.
    outbox_id bigint UNIQUE REFERENCES counterfoil.outbox
);
