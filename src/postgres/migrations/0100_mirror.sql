-- The mirror: every sealed entry as rows of typed tables, where entries stand, and what accounts come
-- to. Written by `counterfoil pg mirror` or by a node alone, from its ledger; everything here can be
-- made again from that (`counterfoil pg mirror --rebuild`).
--
-- An entry is told by its log index. Amounts are in units of their currency, with as many decimals as
-- the ledger keeps of it: exactly what the ledger says.

-- How far the mirror has come: one row. Each batch of blocks moves it in its own transaction.
CREATE TABLE counterfoil.mirror (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- The last block that is mirrored, and the hash of its header.
    height bigint NOT NULL,
    hash bytea NOT NULL,
    -- How many leaves the log has with it.
    log_size bigint NOT NULL,
    -- The height that the tables of states may have reached already. Where it is `height`, all
    -- tables are as of that.
    states_height bigint NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now()
);

-- Blocks, by height.
CREATE TABLE counterfoil.blocks (
    height bigint NOT NULL,
    hash bytea NOT NULL,
    parent bytea NOT NULL,
    sealed_at timestamptz NOT NULL,
    first_index bigint NOT NULL,
    entry_count bigint NOT NULL,
    log_root bytea NOT NULL,
    accounts_root bytea NOT NULL,
    rules_version integer NOT NULL,
    authority text NOT NULL,
    signature bytea NOT NULL,
    PRIMARY KEY (height)
);

-- Every entry: what all kinds have.
CREATE TABLE counterfoil.entries (
    index bigint NOT NULL,
    height bigint NOT NULL,
    position integer NOT NULL,
    recorded_at timestamptz NOT NULL,
    kind text NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    entry_id bytea NOT NULL,
    leaf_hash bytea NOT NULL,
    commitment bytea,
    PRIMARY KEY (index)
);

-- Versions of terms.
CREATE TABLE counterfoil.program_terms (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    merchant text NOT NULL,
    program text NOT NULL,
    version bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    effective_until timestamptz,
    network_fee_ppm bigint NOT NULL,
    body json NOT NULL,
    PRIMARY KEY (index)
);

-- Sales, leads, signups, subscriptions.
CREATE TABLE counterfoil.transactions (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    order_ref text NOT NULL,
    merchant text NOT NULL,
    program text NOT NULL,
    action text NOT NULL,
    currency text NOT NULL,
    amount numeric NOT NULL,
    discount numeric,
    voucher text,
    commission_group text,
    link_ref text,
    campaign_ref text,
    click_ref text,
    fx_to text,
    fx_rate numeric,
    fx_source text,
    fx_at timestamptz,
    PRIMARY KEY (index)
);

-- What was bought.
CREATE TABLE counterfoil.transaction_items (
    index bigint NOT NULL,
    line integer NOT NULL,
    item text NOT NULL,
    quantity bigint NOT NULL,
    amount numeric NOT NULL,
    commission_group text,
    PRIMARY KEY (index, line)
);

-- What affiliates earn, as it was stated.
CREATE TABLE counterfoil.commissions (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    transaction text NOT NULL,
    terms text NOT NULL,
    rule integer NOT NULL,
    affiliate text NOT NULL,
    role text NOT NULL,
    share_ppm bigint,
    commission_group text,
    affiliate_group text,
    override_of text,
    override_level integer,
    currency text NOT NULL,
    amount numeric NOT NULL,
    fee numeric NOT NULL,
    locking_date timestamptz,
    deviation text,
    PRIMARY KEY (index)
);

-- Steps of commissions' lives.
CREATE TABLE counterfoil.decisions (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    commission text NOT NULL,
    verdict text NOT NULL,
    reason text,
    locking_date timestamptz,
    PRIMARY KEY (index)
);

-- Corrections of what is pending.
CREATE TABLE counterfoil.amendments (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    commission text,
    transaction text,
    commission_group text,
    currency text NOT NULL,
    old_amount numeric NOT NULL,
    new_amount numeric NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (index)
);

-- What was taken back.
CREATE TABLE counterfoil.reversals (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    commission text NOT NULL,
    currency text NOT NULL,
    amount numeric NOT NULL,
    reason text NOT NULL,
    refund_currency text,
    refund_amount numeric,
    PRIMARY KEY (index)
);

-- What buyers sent back.
CREATE TABLE counterfoil.refund_items (
    index bigint NOT NULL,
    line integer NOT NULL,
    item text NOT NULL,
    quantity bigint NOT NULL,
    PRIMARY KEY (index, line)
);

-- Corrections of what is locked or paid.
CREATE TABLE counterfoil.adjustments (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    affiliate text NOT NULL,
    effect text NOT NULL,
    currency text NOT NULL,
    amount numeric NOT NULL,
    related_kind text NOT NULL,
    related text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (index)
);

-- Affiliates' questions.
CREATE TABLE counterfoil.inquiries (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    affiliate text NOT NULL,
    merchant text NOT NULL,
    program text NOT NULL,
    claim text NOT NULL,
    order_ref text,
    commission text,
    currency text NOT NULL,
    amount numeric NOT NULL,
    PRIMARY KEY (index)
);

-- Answers to them.
CREATE TABLE counterfoil.inquiry_resolutions (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    inquiry text NOT NULL,
    outcome text NOT NULL,
    reason text,
    PRIMARY KEY (index)
);

-- Merchants' payments.
CREATE TABLE counterfoil.fundings (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    merchant text NOT NULL,
    payment_ref text NOT NULL,
    currency text NOT NULL,
    received numeric NOT NULL,
    PRIMARY KEY (index)
);

-- What they cover.
CREATE TABLE counterfoil.funding_lines (
    index bigint NOT NULL,
    line integer NOT NULL,
    commission text NOT NULL,
    amount numeric NOT NULL,
    PRIMARY KEY (index, line)
);

-- Parts of payouts.
CREATE TABLE counterfoil.payouts (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    affiliate text NOT NULL,
    currency text NOT NULL,
    period_from timestamptz NOT NULL,
    period_until timestamptz NOT NULL,
    continues text,
    total numeric,
    fx_to text,
    fx_rate numeric,
    fx_source text,
    fx_at timestamptz,
    PRIMARY KEY (index)
);

-- What they pay and keep.
CREATE TABLE counterfoil.payout_lines (
    index bigint NOT NULL,
    line integer NOT NULL,
    type text NOT NULL,
    commission text,
    adjustment text,
    effect text,
    amount numeric NOT NULL,
    PRIMARY KEY (index, line)
);

-- What became of payouts.
CREATE TABLE counterfoil.payout_events (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    payout text NOT NULL,
    event text NOT NULL,
    payment_ref text,
    PRIMARY KEY (index)
);

-- Who stands above affiliates, from then on.
CREATE TABLE counterfoil.affiliate_uplines (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    affiliate text NOT NULL,
    upline text,
    PRIMARY KEY (index)
);

-- What was brought in from other systems.
CREATE TABLE counterfoil.opening_balances (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    source text NOT NULL,
    type text NOT NULL,
    affiliate text,
    merchant text,
    effect text,
    currency text NOT NULL,
    amount numeric NOT NULL,
    state text,
    locking_date timestamptz,
    PRIMARY KEY (index)
);

-- Private particulars that are gone.
CREATE TABLE counterfoil.erasure_notices (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    entry_kind text NOT NULL,
    entry_external_id text NOT NULL,
    PRIMARY KEY (index)
);

-- Changes of the chain spec.
CREATE TABLE counterfoil.spec_changes (
    index bigint NOT NULL,
    tenant text NOT NULL,
    external_id text NOT NULL,
    event_time timestamptz NOT NULL,
    number bigint NOT NULL,
    from_height bigint NOT NULL,
    body json NOT NULL,
    PRIMARY KEY (index)
);

-- Where transactions stand.
CREATE TABLE counterfoil.transaction_states (
    index bigint NOT NULL,
    tenant text NOT NULL,
    transaction text NOT NULL,
    merchant text NOT NULL,
    program text NOT NULL,
    currency text NOT NULL,
    amount numeric NOT NULL,
    refunded numeric NOT NULL,
    commission_count bigint NOT NULL,
    PRIMARY KEY (index)
);

-- Where commissions stand, those that were brought in among them.
CREATE TABLE counterfoil.commission_states (
    index bigint NOT NULL,
    tenant text NOT NULL,
    commission text NOT NULL,
    affiliate text NOT NULL,
    merchant text NOT NULL,
    program text,
    earned_at timestamptz NOT NULL,
    currency text NOT NULL,
    amount numeric NOT NULL,
    remaining numeric NOT NULL,
    reversed numeric NOT NULL,
    funded numeric NOT NULL,
    fee numeric NOT NULL,
    credited numeric NOT NULL,
    debited numeric NOT NULL,
    locks_at timestamptz,
    own_state text NOT NULL,
    payout_index bigint,
    deviation text,
    extended boolean NOT NULL,
    amended boolean NOT NULL,
    imported boolean NOT NULL,
    PRIMARY KEY (index)
);

-- Where adjustments stand, affiliates' balances that were brought in among them.
CREATE TABLE counterfoil.adjustment_states (
    index bigint NOT NULL,
    tenant text NOT NULL,
    adjustment text NOT NULL,
    affiliate text NOT NULL,
    effect text NOT NULL,
    made_at timestamptz NOT NULL,
    currency text NOT NULL,
    amount numeric NOT NULL,
    credited numeric NOT NULL,
    debited numeric NOT NULL,
    payout_index bigint,
    PRIMARY KEY (index)
);

-- Where payouts stand, all their parts together.
CREATE TABLE counterfoil.payout_states (
    index bigint NOT NULL,
    tenant text NOT NULL,
    payout text NOT NULL,
    affiliate text NOT NULL,
    currency text NOT NULL,
    period_from timestamptz NOT NULL,
    period_until timestamptz NOT NULL,
    latest text NOT NULL,
    added numeric NOT NULL,
    taken_off numeric NOT NULL,
    kept numeric NOT NULL,
    used numeric NOT NULL,
    state text NOT NULL,
    commission_state text NOT NULL,
    adjustment_state text NOT NULL,
    PRIMARY KEY (index)
);

-- What affiliates (`affiliate`), merchants (`merchant`) and a tenant's network (`network`) have by state
-- and currency, as of the mirror's height. The columns `fee_…` are the network's fees on the
-- commissions in that state.
CREATE TABLE counterfoil.balances (
    tenant text NOT NULL,
    role text NOT NULL,
    -- Nobody in particular, for the network.
    party text NOT NULL,
    currency text NOT NULL,
    entries bigint NOT NULL,
    pending numeric NOT NULL,
    extended numeric NOT NULL,
    approved numeric NOT NULL,
    declined numeric NOT NULL,
    reversed numeric NOT NULL,
    locked numeric NOT NULL,
    funded numeric NOT NULL,
    in_payout numeric NOT NULL,
    paid numeric NOT NULL,
    fee_pending numeric NOT NULL,
    fee_extended numeric NOT NULL,
    fee_approved numeric NOT NULL,
    fee_declined numeric NOT NULL,
    fee_reversed numeric NOT NULL,
    fee_locked numeric NOT NULL,
    fee_funded numeric NOT NULL,
    fee_in_payout numeric NOT NULL,
    fee_paid numeric NOT NULL,
    adjustments_free numeric NOT NULL,
    adjustments_in_payout numeric NOT NULL,
    adjustments_paid numeric NOT NULL,
    carried_kept numeric NOT NULL,
    carried_used numeric NOT NULL,
    received numeric NOT NULL,
    covered numeric NOT NULL,
    PRIMARY KEY (tenant, role, party, currency)
);

-- Names are how entries, and the backend's own tables, refer to each other.
CREATE UNIQUE INDEX entries_name ON counterfoil.entries (kind, tenant, external_id);
CREATE UNIQUE INDEX transactions_name ON counterfoil.transactions (external_id, tenant);
CREATE UNIQUE INDEX commission_states_name ON counterfoil.commission_states (commission, tenant);
CREATE INDEX payout_lines_commission ON counterfoil.payout_lines (commission) WHERE commission IS NOT NULL;

-- Where commissions stand: by the payout that they are in, if they are in one.
CREATE VIEW counterfoil.commissions_now AS
SELECT own.index, own.tenant, own.commission, own.affiliate, own.merchant, own.program, own.earned_at,
    own.currency, own.amount, own.remaining, own.reversed, own.funded, own.fee, own.credited,
    own.debited, own.locks_at,
    CASE WHEN own.own_state = 'in_payout' THEN coalesce(paid.commission_state, own.own_state)
        ELSE own.own_state END AS state,
    paid.payout, own.deviation, own.extended, own.amended, own.imported,
    stated.transaction, stated.terms, stated.role, stated.override_of, stated.override_level
FROM counterfoil.commission_states AS own
LEFT JOIN counterfoil.payout_states AS paid ON paid.index = own.payout_index
LEFT JOIN counterfoil.commissions AS stated ON stated.index = own.index;

-- Where adjustments stand.
CREATE VIEW counterfoil.adjustments_now AS
SELECT own.index, own.tenant, own.adjustment, own.affiliate, own.effect, own.made_at, own.currency,
    own.amount, own.credited, own.debited, coalesce(paid.adjustment_state, 'free') AS state, paid.payout
FROM counterfoil.adjustment_states AS own
LEFT JOIN counterfoil.payout_states AS paid ON paid.index = own.payout_index;

-- What affiliates earned, by the month (UTC) in which they did, and what is left of it by state.
CREATE VIEW counterfoil.earnings_by_month AS
SELECT tenant, affiliate, currency,
    date_trunc('month', earned_at AT TIME ZONE 'UTC')::date AS month,
    count(*) AS commissions,
    sum(amount) AS stated,
    sum(remaining) FILTER (WHERE state IN ('pending', 'extended')) AS pending,
    sum(remaining) FILTER (WHERE state = 'approved') AS approved,
    sum(remaining) FILTER (WHERE state IN ('locked', 'funded', 'in_payout')) AS due,
    sum(remaining) FILTER (WHERE state = 'paid') AS paid,
    sum(remaining) FILTER (WHERE state = 'declined') AS declined,
    sum(reversed) AS reversed
FROM counterfoil.commissions_now
GROUP BY tenant, affiliate, currency, month;

-- What merchants owe, by currency: commissions that are locked and not yet paid for, those that may
-- come, the network's fees on both, and what was prepaid.
CREATE VIEW counterfoil.liabilities_by_merchant AS
SELECT tenant, party AS merchant, currency, locked AS owed, fee_locked AS owed_fees,
    pending + extended + approved AS may_come, fee_pending + fee_extended + fee_approved AS fees_may_come,
    funded + in_payout + paid AS settled, received, covered, received - covered AS prepaid
FROM counterfoil.balances WHERE role = 'merchant';

-- What is due to affiliates, by currency.
CREATE VIEW counterfoil.due_to_affiliates AS
SELECT tenant, party AS affiliate, currency, funded AS due_commissions, adjustments_free,
    carried_kept - carried_used AS carried_forward,
    funded + adjustments_free + carried_kept - carried_used AS due, in_payout, paid
FROM counterfoil.balances WHERE role = 'affiliate';

-- How often merchants decline, and why.
CREATE VIEW counterfoil.declines_by_reason AS
WITH earned AS (
    SELECT tenant, merchant, currency, count(*) AS commissions
    FROM counterfoil.commission_states GROUP BY tenant, merchant, currency
)
SELECT own.tenant, own.merchant, own.currency, decided.reason, count(*) AS declined,
    sum(own.amount) AS amount, earned.commissions,
    round(count(*)::numeric / earned.commissions, 4) AS rate
FROM counterfoil.decisions AS decided
JOIN counterfoil.commission_states AS own
    ON own.tenant = decided.tenant AND own.commission = decided.commission
JOIN earned ON (earned.tenant, earned.merchant, earned.currency) = (own.tenant, own.merchant, own.currency)
WHERE decided.verdict = 'decline'
GROUP BY own.tenant, own.merchant, own.currency, decided.reason, earned.commissions;

-- Commissions that still wait for a decision, the longest first.
CREATE VIEW counterfoil.open_commissions AS
SELECT tenant, commission, transaction, affiliate, merchant, program, currency, remaining, earned_at,
    locks_at, state, locks_at < now() AS overdue
FROM counterfoil.commissions_now WHERE state IN ('pending', 'extended', 'approved')
ORDER BY earned_at, index;

-- Inquiries without an answer.
CREATE VIEW counterfoil.open_inquiries AS
SELECT asked.* FROM counterfoil.inquiries AS asked
WHERE NOT EXISTS (
    SELECT FROM counterfoil.inquiry_resolutions AS answer
    WHERE answer.tenant = asked.tenant AND answer.inquiry = asked.external_id
);

-- Programs by what they sold and what that cost, by month (UTC).
CREATE VIEW counterfoil.sales_by_month AS
SELECT tenant, merchant, program, action, currency,
    date_trunc('month', event_time AT TIME ZONE 'UTC')::date AS month,
    count(*) AS transactions, sum(amount) AS amount
FROM counterfoil.transactions GROUP BY tenant, merchant, program, action, currency, month;

-- The node alone writes; applications read.
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON
    counterfoil.mirror,
    counterfoil.blocks,
    counterfoil.entries,
    counterfoil.program_terms,
    counterfoil.transactions,
    counterfoil.transaction_items,
    counterfoil.commissions,
    counterfoil.decisions,
    counterfoil.amendments,
    counterfoil.reversals,
    counterfoil.refund_items,
    counterfoil.adjustments,
    counterfoil.inquiries,
    counterfoil.inquiry_resolutions,
    counterfoil.fundings,
    counterfoil.funding_lines,
    counterfoil.payouts,
    counterfoil.payout_lines,
    counterfoil.payout_events,
    counterfoil.affiliate_uplines,
    counterfoil.opening_balances,
    counterfoil.erasure_notices,
    counterfoil.spec_changes,
    counterfoil.transaction_states,
    counterfoil.commission_states,
    counterfoil.adjustment_states,
    counterfoil.payout_states,
    counterfoil.balances
    TO counterfoil_node;
GRANT SELECT ON
    counterfoil.mirror,
    counterfoil.blocks,
    counterfoil.entries,
    counterfoil.program_terms,
    counterfoil.transactions,
    counterfoil.transaction_items,
    counterfoil.commissions,
    counterfoil.decisions,
    counterfoil.amendments,
    counterfoil.reversals,
    counterfoil.refund_items,
    counterfoil.adjustments,
    counterfoil.inquiries,
    counterfoil.inquiry_resolutions,
    counterfoil.fundings,
    counterfoil.funding_lines,
    counterfoil.payouts,
    counterfoil.payout_lines,
    counterfoil.payout_events,
    counterfoil.affiliate_uplines,
    counterfoil.opening_balances,
    counterfoil.erasure_notices,
    counterfoil.spec_changes,
    counterfoil.transaction_states,
    counterfoil.commission_states,
    counterfoil.adjustment_states,
    counterfoil.payout_states,
    counterfoil.balances,
    counterfoil.commissions_now,
    counterfoil.adjustments_now,
    counterfoil.earnings_by_month,
    counterfoil.liabilities_by_merchant,
    counterfoil.due_to_affiliates,
    counterfoil.declines_by_reason,
    counterfoil.open_commissions,
    counterfoil.open_inquiries,
    counterfoil.sales_by_month
    TO counterfoil_reader;
