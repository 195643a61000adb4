/**
 * Entries: section 5 of FORMAT.md. Variants are numbered in the order in which they stand here.
 * @module
 */

import {
  AMOUNT, BYTE, CURRENCY, DIGEST, ID, KEY, RATE, SCALES, SIGNATURE, TIME, U16, U32, U64, choice, list,
  option, string, struct, variant,
} from './types.js';

export const KINDS = [
  'program_terms', 'transaction', 'commission', 'decision', 'amendment', 'reversal', 'adjustment',
  'inquiry', 'inquiry_resolution', 'funding', 'payout', 'payout_event', 'affiliate_upline',
  'opening_balance', 'erasure_notice', 'spec_change',
];
const KIND = choice(...KINDS);
const ACTION = choice('sale', 'lead', 'signup', 'subscription');
const EFFECT = choice('credit', 'debit');
const REASON = choice(
  'returned_item', 'cancelled_order', 'order_error', 'duplicate_order', 'payment_failed',
  'chargeback', 'consumer_fraud', 'affiliate_terms_violation', 'invalid_voucher', 'self_referral',
  'wrong_attribution', 'wrong_amount', 'currency_correction', 'test_transaction',
  'out_of_scope_product', 'merchant_dispute', 'goodwill', 'network_correction',
);
const REFERENCE = struct({ kind: KIND, external_id: ID });
const FX = struct({ from: CURRENCY, to: CURRENCY, rate: RATE, source: ID, at: TIME });
const NOTHING = struct({});

const LOCKING = variant('type', {
  immediate: NOTHING,
  days: struct({ days: U16 }),
  month_day: struct({ months: BYTE, day: BYTE }),
  open_ended: NOTHING,
});
const PERIOD = choice('month', 'ever');
const PERCENT = struct({ ppm: U32 });
const FIXED = struct({ currency: CURRENCY, amount: AMOUNT });
const TIER_RATE = variant('type', { percent: PERCENT, fixed: FIXED });
const REWARD = variant('type', {
  percent: PERCENT,
  fixed: FIXED,
  count_tiers: struct({ period: PERIOD, counts: list(struct({ from: U64, rate: TIER_RATE })) }),
  volume_tiers: struct({
    period: PERIOD, currency: CURRENCY, volumes: list(struct({ from: AMOUNT, rate: TIER_RATE })),
  }),
});
const CAP = struct({ currency: CURRENCY, amount: AMOUNT, per: choice('month', 'ever', 'part') });
const RULE = struct({
  commission_group: option(ID), affiliate_group: option(ID), reward: REWARD, recurring: option(U32),
  cap: option(CAP), override_ppm: list(U32),
});

const ITEM = struct({ item: ID, quantity: U32, amount: AMOUNT, commission_group: option(ID) });
const ROLE = variant('type', {
  direct: struct({ share_ppm: U32, commission_group: option(ID), affiliate_group: option(ID) }),
  override: struct({ of: ID, level: BYTE }),
});
const VERDICT = variant('type', {
  approve: NOTHING,
  decline: struct({ reason: REASON }),
  extend: struct({ locking_date: TIME }),
  lock: NOTHING,
});
const AMENDED = variant('type', {
  commission: struct({ commission: ID }),
  transaction: struct({ transaction: ID, commission_group: option(ID) }),
});
const REFUND = struct({
  currency: CURRENCY, amount: AMOUNT, items: list(struct({ item: ID, quantity: U32 })),
});
const CLAIM = variant('type', {
  untracked: struct({ order_ref: option(ID) }),
  incorrect: struct({ commission: ID }),
  declined: struct({ commission: ID }),
});
const OUTCOME = variant('type', {
  valid: NOTHING,
  declined: struct({ reason: REASON }),
  incomplete: NOTHING,
});
const PAYOUT_LINE = variant('type', {
  commission: struct({ commission: ID, amount: AMOUNT }),
  adjustment: struct({ adjustment: ID, amount: AMOUNT }),
  fee: struct({ amount: AMOUNT }),
  withheld_tax: struct({ amount: AMOUNT }),
  carried_forward: struct({ effect: EFFECT, amount: AMOUNT }),
});
const PAYMENT_EVENT = variant('type', {
  sent: struct({ payment_ref: option(ID) }),
  completed: NOTHING,
  failed: NOTHING,
  returned: NOTHING,
});
const BALANCE = variant('type', {
  commission: struct({
    affiliate: ID, merchant: ID, currency: CURRENCY, amount: AMOUNT,
    state: choice('pending', 'approved', 'locked', 'funded'), locking_date: option(TIME),
  }),
  affiliate: struct({ affiliate: ID, effect: EFFECT, currency: CURRENCY, amount: AMOUNT }),
  merchant: struct({ merchant: ID, currency: CURRENCY, amount: AMOUNT }),
});

// The names in these are bounded by the spec that a change leads to, as everything in it.
export const GOVERNANCE = struct({ keys: list(KEY), quorum: U16 });
export const LIMITS = struct({ block_entries: U32, block_bytes: U32, event_ahead_ms: U64 });
export const WITNESS = struct({ name: string(/^/), key: KEY });

const BODY = variant('kind', {
  program_terms: struct({
    merchant: ID, program: ID, version: U32, effective_from: TIME, effective_until: option(TIME),
    actions: list(ACTION), locking: LOCKING, network_fee_ppm: U32, rules: list(RULE),
  }),
  transaction: struct({
    order_ref: ID, merchant: ID, program: ID, action: ACTION, currency: CURRENCY, amount: AMOUNT,
    discount: option(AMOUNT), voucher: option(ID), commission_group: option(ID),
    link_ref: option(ID), campaign_ref: option(ID), click_ref: option(ID), items: list(ITEM),
    fx: option(FX),
  }),
  commission: struct({
    transaction: ID, terms: ID, rule: U16, affiliate: ID, role: ROLE, currency: CURRENCY,
    amount: AMOUNT, fee: AMOUNT, locking_date: option(TIME), deviation: option(REASON),
  }),
  decision: struct({ commission: ID, verdict: VERDICT }),
  amendment: struct({ of: AMENDED, currency: CURRENCY, old: AMOUNT, new: AMOUNT, reason: REASON }),
  reversal: struct({
    commission: ID, currency: CURRENCY, amount: AMOUNT, reason: REASON, refund: option(REFUND),
  }),
  adjustment: struct({
    affiliate: ID, effect: EFFECT, currency: CURRENCY, amount: AMOUNT, related: REFERENCE,
    reason: REASON,
  }),
  inquiry: struct({
    affiliate: ID, merchant: ID, program: ID, claim: CLAIM, currency: CURRENCY, amount: AMOUNT,
  }),
  inquiry_resolution: struct({ inquiry: ID, outcome: OUTCOME }),
  funding: struct({
    merchant: ID, payment_ref: ID, currency: CURRENCY, received: AMOUNT,
    lines: list(struct({ commission: ID, amount: AMOUNT })),
  }),
  payout: struct({
    affiliate: ID, currency: CURRENCY, period_from: TIME, period_until: TIME,
    continues: option(ID), lines: list(PAYOUT_LINE), total: option(AMOUNT), fx: option(FX),
  }),
  payout_event: struct({ payout: ID, event: PAYMENT_EVENT }),
  affiliate_upline: struct({ affiliate: ID, upline: option(ID) }),
  opening_balance: struct({ source: ID, balance: BALANCE }),
  erasure_notice: struct({ entry: REFERENCE }),
  spec_change: struct({
    number: U32, previous: option(DIGEST), from_height: U64, after: option(DIGEST),
    authorities: option(list(KEY)), governance: option(GOVERNANCE),
    witnesses: option(list(WITNESS)), currencies: SCALES, limits: option(LIMITS),
    rules_version: option(U16), signatures: list(struct({ key: KEY, signature: SIGNATURE })),
  }),
});

/** An entry, without the leaf's number. */
export const ENTRY = struct({
  tenant: ID, external_id: ID, event_time: TIME, commitment: option(DIGEST), body: BODY,
});
