-- One round of the marketplace: terms, an order and what is earned by it, each in the transaction that
-- changes the marketplace's own tables. Run by round.sh; any language does the same with its driver.

-- What is there once.
BEGIN;
INSERT INTO market.affiliates VALUES ('ann', 'Ann Example', 'ann@example.org');
INSERT INTO market.merchants VALUES ('shop', 'The Shop');
INSERT INTO market.products VALUES ('mug', 'shop', 'A mug', 12.50, 'EUR');
INSERT INTO market.campaigns VALUES ('spring', 'shop', 'Spring sale');
INSERT INTO market.links VALUES ('ann-mug', 'ann', 'mug', 'spring');
SELECT counterfoil.record('acme', 'program_terms', 'shop-terms-1', jsonb_build_object(
    'merchant', 'shop', 'program', 'shop-program', 'version', 1,
    'effective_from', counterfoil.time_text(now()), 'actions', jsonb_build_array('sale'),
    'locking', jsonb_build_object('type', 'open_ended'), 'network_fee_ppm', 0,
    'rules', jsonb_build_array(jsonb_build_object(
        'reward', jsonb_build_object('type', 'percent', 'ppm', 80000)))));
COMMIT;

-- An order. Who bought is private: the ledger gets a commitment to it.
BEGIN;
INSERT INTO market.orders (id, merchant, product, link, buyer, currency, amount, outbox_id)
VALUES ('O-1', 'shop', 'mug', 'ann-mug', 'Bob Buyer, 1 Main Street', 'EUR', 12.50,
    counterfoil.record_transaction('acme', 'T-1', 'shop', 'shop-program', 'O-1', 'EUR', 12.50,
        link_ref => 'ann-mug', campaign_ref => 'spring', commitment => counterfoil.commitment(
            'acme', 'transaction', 'T-1', 'Bob Buyer, 1 Main Street')));
SELECT counterfoil.record_commission('acme', 'C-1', 'T-1', 'shop-terms-1', 1, 'ann', 'EUR', 1.00);
COMMIT;

-- An order that isn't one after all: of neither side anything stays.
BEGIN;
INSERT INTO market.orders (id, merchant, product, buyer, currency, amount, outbox_id)
VALUES ('O-2', 'shop', 'mug', 'Eve Buyer', 'EUR', 12.50,
    counterfoil.record_transaction('acme', 'T-2', 'shop', 'shop-program', 'O-2', 'EUR', 12.50));
ROLLBACK;

-- The merchant accepts it, by a later transaction.
SELECT counterfoil.record_decision('acme', 'D-1', 'C-1', 'approve');
-- And a mistake: a commission that isn't what the terms give. The ledger will refuse it.
SELECT counterfoil.record_commission('acme', 'C-2', 'T-1', 'shop-terms-1', 1, 'ann', 'EUR', 9.99);
