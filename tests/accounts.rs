//! Accounts: what the lines come to is what the rules' records say, at every height, by every road.

#![expect(clippy::unwrap_used, reason = "a test stops at what it doesn't expect")]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use counterfoil::protocol::accounts::{Account, Slot, Sums};
use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::Effect;
use counterfoil::protocol::hash::StateKey;
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, Currency};
use counterfoil::protocol::rules::{PayoutState, Record, StoredRecord};
use counterfoil::protocol::verify::{Chain, Draft};
use counterfoil::sample::{Marketplace, Profile};
use counterfoil::store::{Committer, MemoryBounds, Store};
use support::chain::{chain, key, time};

const ENTRIES: usize = 12_000;
const SEED: u64 = 11;
const BLOCK_ENTRIES: usize = 90;
const LAST_HEIGHT: u64 = ENTRIES.div_ceil(BLOCK_ENTRIES) as u64;

type Records = HashMap<StateKey, StoredRecord>;
/// By party, whether that is a merchant, and currency.
type Balances = BTreeMap<(Id, bool, Currency), Sums>;

fn open(directory: &Path, chain: &Arc<Chain>) -> (Store, Committer) {
    // Small memories: runs are written and merged all along.
    let bounds = MemoryBounds { records: 2_000, blocks: 40 };
    Store::open_bounded(directory, chain.clone(), bounds).unwrap()
}

fn units(amount: Amount) -> i128 {
    amount.units().into()
}

/// What balances are by FORMAT.md section 13.18, from the rules' records alone.
fn balances(records: &Records) -> Balances {
    let payout = |key: Option<StateKey>| -> Option<PayoutState> {
        match &records.get(&key?).unwrap().record {
            Record::Payout(payout) => Some(payout.state),
            other => unreachable!("no payout: {other:?}"),
        }
    };
    let mut balances = Balances::new();
    let mut add = |party: &Id, merchant: bool, currency: Currency, slot: Slot, amount: i128| {
        balances.entry((party.clone(), merchant, currency)).or_default().add(slot, amount);
    };
    for stored in records.values() {
        match &stored.record {
            Record::Commission(commission) => {
                let state = commission.standing(payout(commission.payout));
                for (party, merchant) in
                    [(&commission.affiliate, false), (&commission.merchant, true)]
                {
                    let currency = commission.currency;
                    add(party, merchant, currency, Slot::left(state), units(commission.left()));
                    if merchant {
                        add(party, merchant, currency, Slot::fee(state), units(commission.fee));
                    }
                }
            }
            Record::Adjustment(adjustment) => {
                let state = adjustment.standing(payout(adjustment.payout));
                let slot = match adjustment.effect {
                    Effect::Credit => Slot::credit(state),
                    Effect::Debit => Slot::debit(state),
                };
                add(
                    &adjustment.affiliate,
                    false,
                    adjustment.currency,
                    slot,
                    units(adjustment.amount),
                );
            }
            Record::Payout(payout) => {
                let (kept, used) = match payout.state {
                    PayoutState::Open => (0, units(payout.used)),
                    PayoutState::Failed | PayoutState::Returned => (0, 0),
                    _ => (units(payout.kept), units(payout.used)),
                };
                add(&payout.affiliate, false, payout.currency, Slot::KEPT, kept);
                add(&payout.affiliate, false, payout.currency, Slot::USED, used);
            }
            _ => {}
        }
    }
    balances
}

/// Of all sums those that are balances of commissions, adjustments and what is carried.
fn only_balances(sums: &Sums) -> Sums {
    let end = Slot::ENTRIES;
    sums.iter().filter(|(slot, _)| *slot < end || [Slot::KEPT, Slot::USED].contains(slot)).collect()
}

fn fill(
    committer: &mut Committer,
    chain: &Arc<Chain>,
    block_entries: usize,
    mut after_block: impl FnMut(&Records),
) {
    let profile = Profile {
        tenants: 1,
        ..Profile::history(SEED, ENTRIES as u64, time("2026-03-31T00:00:00Z"))
    };
    let market = Marketplace::new(profile, &chain.spec().currencies).unwrap();
    let entries: Vec<EncodedEntry> =
        market.take(ENTRIES).map(|entry| EncodedEntry::new(entry).unwrap()).collect();
    let mut records = Records::new();
    for entries in entries.chunks(block_entries) {
        let store = committer.store().clone();
        let head = store.head();
        let mut draft = Draft::new(chain, &head.tip, &store, time("2026-04-01T00:00:00Z"));
        for entry in entries {
            draft.admit(entry.clone()).unwrap();
        }
        let block = draft.seal(&key());
        records.extend(block.changes().iter().map(|(key, record)| (*key, record.clone())));
        committer.commit(&block).unwrap();
        after_block(&records);
    }
}

#[test]
fn sums_are_those_of_the_records_at_every_height_and_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let chain = chain("accounts");
    let (store, mut committer) = open(directory.path(), &chain);
    let mut by_height: Vec<(u64, Balances)> = Vec::new();
    let mut height = 0;
    fill(&mut committer, &chain, BLOCK_ENTRIES, |records| {
        height += 1;
        if height % 12 == 0 || height == 1 || height == LAST_HEIGHT {
            by_height.push((height, balances(records)));
        }
    });
    let check = |store: &Store| {
        let report = store.fsck(|_| {}).unwrap();
        assert!(report.is_clean(), "{report:#?}");
        let view = store.view();
        let tenant = view.entry(1).unwrap().unwrap().entry().tenant.clone();
        let all = &by_height.last().unwrap().1;
        for (height, balances) in &by_height {
            let last = view.header(*height).unwrap().unwrap().header.index();
            for (party, merchant, currency) in all.keys() {
                let account = if *merchant {
                    Account::Merchant(party, *currency)
                } else {
                    Account::Affiliate(party, *currency)
                };
                let found = only_balances(&view.sums(&tenant, account, last).unwrap());
                let key = (party.clone(), *merchant, *currency);
                let expected = balances.get(&key).cloned().unwrap_or_default();
                assert_eq!(found, expected, "{party} at height {height}");
                // The lines are what the sums are of.
                let lines = view.account_lines(&tenant, account, (0, last), usize::MAX);
                let mut of_lines = Sums::default();
                lines.for_each(|line| of_lines.add_all(&line.unwrap().moved));
                assert_eq!(of_lines, view.sums(&tenant, account, last).unwrap());
            }
        }
    };
    check(&store);
    drop((store, committer));
    let (store, committer) = open(directory.path(), &chain);
    check(&store);
    drop((store, committer));
}
