//! A small chain for tests: its spec, its key, and entries that its rules admit.

use std::sync::Arc;

use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::{
    Action, Body, Commission, Decision, Entry, Funding, FundingLine, LEDGER_TENANT, Locking,
    ProgramTerms, Reason, Reversal, Reward, RewardRule, Role, SpecChange, Transaction, Verdict,
};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::key::{PublicKey, SealingKey};
use counterfoil::protocol::money::{Amount, Currency};
use counterfoil::protocol::spec::{ChainSpec, Currencies, Governance, Limits, RULES_VERSION};
use counterfoil::protocol::time::Timestamp;
use counterfoil::protocol::verify::{Chain, Tip};
use zeroize::Zeroizing;

/// The authority's key of every test chain.
pub fn key() -> SealingKey {
    SealingKey::from_seed(&Zeroizing::new([7; 32]))
}

/// The seeds of the keys that govern, two of which it takes.
pub const GOVERNING: [u8; 3] = [21, 22, 23];

pub fn seeded(seed: u8) -> SealingKey {
    SealingKey::from_seed(&Zeroizing::new([seed; 32]))
}

pub fn public(seed: u8) -> PublicKey {
    seeded(seed).public()
}

/// The next change of the spec after `tip`, from the block after the next on and signed by two who
/// govern; whatever is altered is signed, too.
pub fn spec_change(chain: &Chain, tip: &Tip, alter: impl FnOnce(&mut Entry)) -> EncodedEntry {
    let succession = &tip.succession;
    let number = succession.next_number();
    let change = SpecChange::new(number, succession.last_change(), tip.height + 2);
    let mut entry = Entry {
        tenant: id(LEDGER_TENANT),
        external_id: id(&number.to_string()),
        event_time: time("2026-03-01T12:00:00Z"),
        commitment: None,
        body: Body::SpecChange(change),
    };
    alter(&mut entry);
    for seed in &GOVERNING[..2] {
        entry.sign_change(chain.id(), &seeded(*seed));
    }
    EncodedEntry::new(entry).expect("short enough")
}

/// What a change of the spec states.
pub fn stated(entry: &mut Entry) -> &mut SpecChange {
    match &mut entry.body {
        Body::SpecChange(change) => change,
        _ => unreachable!("no change of the spec"),
    }
}

/// The next change, by which `seed`'s key seals: from the very next block on, or from a later one.
pub fn rotation(chain: &Chain, tip: &Tip, seed: u8, from_height: u64) -> EncodedEntry {
    spec_change(chain, tip, |entry| {
        let change = stated(entry);
        change.from_height = from_height;
        change.after = (from_height == tip.height + 1).then_some(tip.header_hash);
        change.authorities = Some(vec![public(seed)]);
    })
}

/// A chain of its own for each name.
pub fn chain(name: &str) -> Arc<Chain> {
    chain_with(name, Limits::default())
}

/// A chain with limits of its own.
pub fn chain_with(name: &str, limits: Limits) -> Arc<Chain> {
    let spec = ChainSpec {
        name: name.to_owned(),
        origin: format!("ledger.example/{name}"),
        genesis_time: time("2026-01-01T00:00:00Z"),
        rules_version: RULES_VERSION,
        authorities: vec![key().public()],
        governance: Governance { keys: GOVERNING.map(public).to_vec(), quorum: 2 },
        witnesses: Vec::new(),
        currencies: Currencies::new([(currency("EUR"), 2), (currency("JPY"), 0)]),
        limits,
    };
    let spec = ChainSpec::parse(&spec.to_toml()).expect("a spec that is in order");
    Arc::new(Chain::new(spec))
}

pub fn id(text: &str) -> Id {
    Id::new(text).expect("a good id")
}

pub fn time(text: &str) -> Timestamp {
    text.parse().expect("a good time")
}

pub fn currency(code: &str) -> Currency {
    Currency::new(code).expect("a good currency")
}

pub fn units(units: u64) -> Amount {
    Amount::from_units(units).expect("a good amount")
}

/// An entry of tenant `acme` that happened on 1 March 2026.
pub fn entry(external_id: &str, body: Body<Amount>) -> EncodedEntry {
    let entry = Entry {
        tenant: id("acme"),
        external_id: id(external_id),
        event_time: time("2026-03-01T12:00:00Z"),
        commitment: None,
        body,
    };
    EncodedEntry::new(entry).expect("short enough")
}

/// The terms `terms`: 10% of each sale of program `program`, locking when that is decided.
pub fn terms() -> EncodedEntry {
    let rule = RewardRule {
        commission_group: None,
        affiliate_group: None,
        reward: Reward::Percent { ppm: 100_000 },
        recurring: None,
        cap: None,
        override_ppm: Vec::new(),
    };
    entry(
        "terms",
        Body::ProgramTerms(ProgramTerms {
            merchant: id("shop"),
            program: id("program"),
            version: 1,
            effective_from: time("2026-01-01T00:00:00Z"),
            effective_until: None,
            actions: vec![Action::Sale],
            locking: Locking::OpenEnded,
            network_fee_ppm: 0,
            rules: vec![rule],
        }),
    )
}

/// A sale of `cents`, named `sale-<number>`.
pub fn sale(number: u64, cents: u64) -> EncodedEntry {
    entry(
        &format!("sale-{number}"),
        Body::Transaction(Transaction {
            order_ref: id(&format!("order-{number}")),
            merchant: id("shop"),
            program: id("program"),
            action: Action::Sale,
            currency: currency("EUR"),
            amount: units(cents),
            discount: None,
            voucher: None,
            commission_group: None,
            link_ref: None,
            campaign_ref: None,
            click_ref: Some(id(&format!("click-{number}"))),
            items: Vec::new(),
            fx: None,
        }),
    )
}

/// A commission of `cents` on the sale of the same number, named `commission-<number>`. By the
/// terms it is a tenth of the sale.
pub fn commission(number: u64, cents: u64) -> EncodedEntry {
    entry(
        &format!("commission-{number}"),
        Body::Commission(Commission {
            transaction: id(&format!("sale-{number}")),
            terms: id("terms"),
            rule: 1,
            affiliate: id(&format!("affiliate-{}", number % 5)),
            role: Role::default(),
            currency: currency("EUR"),
            amount: units(cents),
            fee: units(0),
            locking_date: None,
            deviation: None,
        }),
    )
}

/// A decision on the commission of the same number.
pub fn decision(name: &str, number: u64, verdict: Verdict) -> EncodedEntry {
    let commission = id(&format!("commission-{number}"));
    entry(name, Body::Decision(Decision { commission, verdict }))
}

/// A reversal of `cents` of the commission of that number.
pub fn reversal(name: &str, number: u64, cents: u64) -> EncodedEntry {
    entry(
        name,
        Body::Reversal(Reversal {
            commission: id(&format!("commission-{number}")),
            currency: currency("EUR"),
            amount: units(cents),
            reason: Reason::ReturnedItem,
            refund: None,
        }),
    )
}

/// The shop pays `cents` for each of these commissions.
pub fn funding(name: &str, commissions: &[Id], cents: u64) -> EncodedEntry {
    let line =
        |commission: &Id| FundingLine { commission: commission.clone(), amount: units(cents) };
    entry(
        name,
        Body::Funding(Funding {
            merchant: id("shop"),
            payment_ref: id("transfer"),
            currency: currency("EUR"),
            received: units(cents * commissions.len() as u64),
            lines: commissions.iter().map(line).collect(),
        }),
    )
}
