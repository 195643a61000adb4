//! Entries at random, of every kind, about what there is in a market.

use std::sync::Arc;

use counterfoil::protocol::entry::{
    Action, Adjustment, AffiliateUpline, Amended, Amendment, Balance, Body, Cap, CapPer, Claim,
    Commission, Decision, Effect, ErasureNotice, Funding, FundingLine, Fx, ImportedState, Inquiry,
    InquiryResolution, Item, Kind, Locking, OpeningBalance, Outcome, PaymentEvent, Payout,
    PayoutEvent, PayoutLine, Period, ProgramTerms, Rate, Reason, Reference, Refund, RefundItem,
    Reversal, Reward, RewardRule, Role, Tier, Transaction, Verdict,
};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, Currency, ExchangeRate};
use counterfoil::protocol::rules::{
    AdjustmentState, CommissionState, PayoutState, Record, Subject, TransactionRecord,
};
use counterfoil::protocol::time::DAY_MS;

use super::market::{Market, amount, id};

/// What an entry says, the frequent kinds more often.
pub fn body(market: &mut Market) -> Body<Amount> {
    match market.random.below(100) {
        0..5 => Body::ProgramTerms(terms(market)),
        5..19 => Body::Transaction(transaction(market)),
        19..39 => Body::Commission(commission(market)),
        39..53 => Body::Decision(decision(market)),
        53..58 => Body::Amendment(amendment(market)),
        58..62 => Body::Reversal(reversal(market)),
        62..67 => Body::Adjustment(adjustment(market)),
        67..70 => Body::Inquiry(inquiry(market)),
        70..73 => Body::InquiryResolution(resolution(market)),
        73..79 => Body::Funding(funding(market)),
        79..86 => Body::Payout(payout(market)),
        86..91 => Body::PayoutEvent(payout_event(market)),
        91..94 => Body::AffiliateUpline(upline(market)),
        94..98 => Body::OpeningBalance(opening_balance(market)),
        _ => Body::ErasureNotice(erasure_notice(market)),
    }
}

/// What nothing has to come before.
pub fn first(market: &mut Market) -> Body<Amount> {
    if market.programs().is_empty() {
        Body::ProgramTerms(terms(market))
    } else {
        Body::Transaction(transaction(market))
    }
}

fn affiliate(market: &mut Market) -> Id {
    id(market.of(&["ann", "ann", "bob", "cy"]))
}

fn merchant(market: &mut Market) -> Id {
    id(market.of(&["shop", "shop", "shop", "store"]))
}

fn group(market: &mut Market) -> Option<Id> {
    market.of(&[None, None, Some("shoes"), Some("hats")]).map(id)
}

fn reason(market: &mut Market) -> Reason {
    market.of(&[Reason::Goodwill, Reason::ReturnedItem, Reason::NetworkCorrection])
}

fn effect(market: &mut Market) -> Effect {
    market.of(&[Effect::Credit, Effect::Debit])
}

/// Parts per million, of which few are none or too many.
fn share(market: &mut Market) -> u32 {
    if market.random.below(30) == 0 {
        return market.of(&[0, 1, 1_000_001]);
    }
    market.of(&[1_000_000, 1_000_000, 500_000, 333_333, 75_000])
}

fn fx(market: &mut Market, from: Currency) -> Fx {
    let rates = [1_000_000_000, 920_000_000, 163_215_000_000, 500_000_000, 1, 0, u64::MAX];
    Fx {
        from: if market.chance(95) { from } else { market.currency() },
        to: market.currency(),
        rate: ExchangeRate::from_billionths(market.of(&rates)),
        source: id("ecb"),
        at: market.day(),
    }
}

// What is promised.

fn terms(market: &mut Market) -> ProgramTerms<Amount> {
    let merchant = merchant(market);
    let program = id(market.of(&["main", "main", "second", "third"]));
    let key = Subject::Program(&merchant, &program).key(&market.tenant);
    let first = !market.ledger.state().contains_key(&key);
    let from = market.day();
    let early = |days: u64| {
        let from = from.as_millis().saturating_sub(days * DAY_MS);
        counterfoil::protocol::time::Timestamp::from_millis(from).unwrap()
    };
    let mask = if market.chance(70) { 15 } else { market.random.below(16) };
    let mut actions: Vec<Action> =
        (0..4).filter(|bit| mask >> bit & 1 == 1).map(|bit| Action::ALL[bit]).collect();
    if market.chance(3) {
        actions.reverse();
    }
    let rules = market.of(&[1, 1, 2, 2, 3, 3, 3, 4, 4, 0]);
    ProgramTerms {
        version: u32::from(first),
        effective_from: if first { early(40) } else { from },
        effective_until: market.chance(15).then(|| market.day()),
        actions,
        locking: locking(market),
        network_fee_ppm: market.of(&[0, 0, 100_000, 333_333, 333_333, 1_000_000, 1_000_001]),
        rules: (0..rules).map(|_| reward_rule(market)).collect(),
        merchant,
        program,
    }
}

fn locking(market: &mut Market) -> Locking {
    match market.random.below(10) {
        0 => Locking::Immediate,
        1..=5 => Locking::Days { days: market.of(&[1, 2, 5, 14, 30, u16::MAX]) },
        6 | 7 => Locking::MonthDay {
            months: market.of(&[1, 1, 2, 12, 0, 13]),
            day: market.of(&[1, 15, 28, 0, 29, 15]),
        },
        _ => Locking::OpenEnded,
    }
}

fn reward_rule(market: &mut Market) -> RewardRule<Amount> {
    let affiliate_group = market.chance(20).then(|| id("gold"));
    let levels = market.of(&[0, 1, 2, 3, 11]);
    let levels = if levels == 11 && market.chance(80) { 2 } else { levels };
    RewardRule {
        commission_group: group(market).filter(|_| affiliate_group.is_none()),
        affiliate_group,
        reward: reward(market),
        recurring: if market.chance(30) { Some(market.of(&[1, 2, 3, 0])) } else { None },
        cap: market.chance(35).then(|| Cap {
            currency: market.currency(),
            amount: market.some_amount(),
            per: market.of(&[CapPer::Month, CapPer::Ever, CapPer::Part]),
        }),
        override_ppm: (0..levels).map(|_| share(market)).collect(),
    }
}

fn period(market: &mut Market) -> Period {
    market.of(&[Period::Month, Period::Ever])
}

fn reward(market: &mut Market) -> Reward<Amount> {
    match market.random.below(8) {
        0..4 => Reward::Percent { ppm: share(market) },
        4 => Reward::Fixed { currency: market.currency(), amount: market.some_amount() },
        5 | 6 => {
            let period = period(market);
            let from = market.of(&[&[0, 1][..], &[0, 2, 3], &[0, 1, 2, 5], &[0], &[1, 2], &[0, 0]]);
            let tier = |from: &u64| Tier { from: *from, rate: rate(market) };
            Reward::CountTiers { period, counts: from.iter().map(tier).collect() }
        }
        _ => {
            let (period, currency) = (period(market), market.currency());
            let from = market.of(&[&[0, 10][..], &[0, 100, 400], &[0, 1, 5000], &[0], &[]]);
            let tier = |from: &u64| Tier { from: amount(*from), rate: rate(market) };
            Reward::VolumeTiers { period, currency, volumes: from.iter().map(tier).collect() }
        }
    }
}

fn rate(market: &mut Market) -> Rate<Amount> {
    if market.chance(75) {
        Rate::Percent { ppm: share(market) }
    } else {
        Rate::Fixed { currency: market.currency(), amount: market.some_amount() }
    }
}

fn program(market: &mut Market) -> (Id, Id) {
    let programs = market.programs().to_vec();
    if programs.is_empty() { (id("shop"), id("main")) } else { market.of(&programs) }
}

// What is earned.

fn transaction(market: &mut Market) -> Transaction<Amount> {
    let (merchant, program) = program(market);
    let currency = market.currency();
    let count = market.of(&[0, 0, 1, 2, 4]);
    let items: Vec<_> = (0..count)
        .map(|number| Item {
            item: id(&format!("item-{}", if market.chance(2) { 0 } else { number })),
            quantity: market.of(&[1, 2, 2, 3, 5, 9, 9, 9, 9, 0]),
            amount: market.some_amount(),
            commission_group: group(market),
        })
        .collect();
    let sum = items.iter().try_fold(Amount::ZERO, |sum, item| sum.checked_add(item.amount));
    let amount = if items.is_empty() { market.some_amount() } else { sum.unwrap_or(Amount::MAX) };
    let order = market.random.below(8);
    Transaction {
        order_ref: id(&format!("order-{order}")),
        merchant,
        program,
        action: market.of(&[Action::Sale, Action::Lead, Action::Subscription, Action::Signup]),
        currency,
        amount: if market.chance(95) { amount } else { market.some_amount() },
        discount: market.chance(20).then(|| market.some_amount()),
        voucher: market.chance(20).then(|| id("WINTER")),
        commission_group: group(market),
        link_ref: None,
        campaign_ref: market.chance(20).then(|| id("campaign")),
        click_ref: market.chance(20).then(|| id("click")),
        items,
        fx: market.chance(25).then(|| fx(market, currency)),
    }
}

fn sale(market: &mut Market) -> (Id, Option<Arc<TransactionRecord>>) {
    let name = market.name(Kind::Transaction);
    match market.record(Kind::Transaction, &name) {
        Some(Record::Transaction(sale)) => (name, Some(sale)),
        _ => (name, None),
    }
}

fn commission(market: &mut Market) -> Commission<Amount> {
    let (transaction, sale) = sale(market);
    let mut terms = market.names(Kind::ProgramTerms);
    if let Some(sale) = &sale {
        terms.retain(|name| match market.record(Kind::ProgramTerms, name) {
            Some(Record::Terms(terms)) => {
                (&terms.merchant, &terms.program) == (&sale.merchant, &sale.program)
            }
            other => panic!("{name}: {other:?}"),
        });
    }
    let terms = if terms.is_empty() || market.chance(4) {
        market.name(Kind::ProgramTerms)
    } else {
        market.of(&terms)
    };
    let mut currency = market.currency();
    if let Some(sale) = &sale
        && market.chance(97)
    {
        currency = sale.reckoning_currency();
    }
    let (role, number) = role(market, sale.as_deref());
    Commission {
        transaction,
        terms,
        rule: number,
        affiliate: affiliate(market),
        role,
        currency,
        amount: market.some_amount(),
        fee: Amount::ZERO,
        locking_date: market.chance(50).then(|| market.day()),
        deviation: market.chance(10).then(|| reason(market)),
    }
}

/// A role in a sale, and the number of a rule.
fn role(market: &mut Market, sale: Option<&TransactionRecord>) -> (Role, u16) {
    let earlier = sale.map_or(&[][..], |sale| &sale.commissions);
    let rule = market.of(&[1, 1, 1, 2, 3, 0]);
    if !earlier.is_empty() && market.chance(60) {
        let of = if market.chance(95) {
            let earlier = market.of(earlier);
            market.name_of(Kind::Commission, &earlier)
        } else {
            market.name(Kind::Commission)
        };
        let level = market.of(&[1, 1, 1, 2, 2, 3, 0, 255]);
        return (Role::Override { of, level }, rule);
    }
    let mut commission_group = group(market);
    if let Some(sale) = sale
        && market.chance(95)
    {
        commission_group.clone_from(&market.of(&sale.parts).commission_group);
    }
    let affiliate_group = market.of(&[None, Some("gold"), Some("silver")]).map(id);
    (Role::Direct { share_ppm: share(market), commission_group, affiliate_group }, rule)
}

// What becomes of it.

/// A commission that stands at one of `states`, if there is one and mostly.
fn commission_in(market: &mut Market, states: &[CommissionState]) -> Id {
    let mut found = market.commissions();
    found.retain(|(_, _, standing)| states.contains(standing));
    if found.is_empty() || market.chance(8) {
        return market.name(Kind::Commission);
    }
    market.of(&found).0
}

const UNDECIDED: &[CommissionState] =
    &[CommissionState::Pending, CommissionState::Extended, CommissionState::Approved];

fn decision(market: &mut Market) -> Decision {
    let verdict = match market.random.below(10) {
        0..3 => Verdict::Approve,
        3 => Verdict::Decline { reason: reason(market) },
        4 | 5 => Verdict::Extend {
            locking_date: if market.chance(70) {
                market.now.saturating_add(market.random.below(20) * DAY_MS)
            } else {
                market.day()
            },
        },
        _ => Verdict::Lock,
    };
    Decision { commission: commission_in(market, UNDECIDED), verdict }
}

fn amendment(market: &mut Market) -> Amendment<Amount> {
    let of = if market.chance(50) {
        Amended::Commission { commission: commission_in(market, &[CommissionState::Pending]) }
    } else {
        let (transaction, sale) = sale(market);
        let mut commission_group = group(market);
        if let Some(sale) = sale {
            commission_group = market.of(&sale.parts).commission_group;
        }
        Amended::Transaction { transaction, commission_group }
    };
    let (old, new) = (market.some_amount(), market.some_amount());
    Amendment { of, currency: market.currency(), old, new, reason: reason(market) }
}

fn reversal(market: &mut Market) -> Reversal<Amount> {
    let commission = commission_in(market, UNDECIDED);
    let record = match market.record(Kind::Commission, &commission) {
        Some(Record::Commission(record)) => Some(record),
        _ => None,
    };
    let half = record.as_ref().map(|record| amount(record.left().units() / 2));
    let part = half.filter(|_| market.chance(60)).unwrap_or_else(|| market.some_amount());
    let transaction = record.and_then(|record| record.transaction);
    let items = match transaction.and_then(|sale| market.record_at(&sale)) {
        Some(Record::Transaction(sale)) => sale.items.clone(),
        _ => Vec::new(),
    };
    let refund = market.chance(60).then(|| Refund {
        currency: market.currency(),
        amount: market.some_amount(),
        items: items
            .iter()
            .filter(|_| market.random.below(2) == 0)
            .map(|item| (item.item.clone(), item.quantity))
            .collect::<Vec<_>>()
            .into_iter()
            .chain(market.chance(5).then(|| (id("no-such-item"), 1)))
            .map(|(item, quantity)| RefundItem {
                item,
                quantity: u32::try_from(market.random.below(u64::from(quantity) + 2)).unwrap(),
            })
            .collect(),
    });
    Reversal {
        commission,
        currency: market.currency(),
        amount: part,
        reason: reason(market),
        refund,
    }
}

fn reference(market: &mut Market) -> Reference {
    let kind = match market.random.below(20) {
        0..11 => Kind::Commission,
        11..15 => Kind::Adjustment,
        15 => Kind::Inquiry,
        16 => Kind::Transaction,
        _ => market.of(Kind::ALL),
    };
    Reference { kind, external_id: market.name(kind) }
}

fn adjustment(market: &mut Market) -> Adjustment<Amount> {
    use CommissionState::{Funded, InPayout, Locked, Paid};
    let mut related = reference(market);
    if related.kind == Kind::Commission {
        related.external_id = commission_in(market, &[Locked, Funded, InPayout, Paid]);
    }
    Adjustment {
        affiliate: affiliate(market),
        effect: effect(market),
        currency: market.currency(),
        amount: market.some_amount(),
        related,
        reason: reason(market),
    }
}

fn inquiry(market: &mut Market) -> Inquiry<Amount> {
    let claim = match market.random.below(4) {
        0 => Claim::Untracked { order_ref: market.chance(50).then(|| id("order-1")) },
        1 => Claim::Incorrect { commission: market.name(Kind::Commission) },
        _ => Claim::Declined { commission: commission_in(market, &[CommissionState::Declined]) },
    };
    let (merchant, program) = program(market);
    let (affiliate, currency) = (affiliate(market), market.currency());
    Inquiry { affiliate, merchant, program, claim, currency, amount: market.some_amount() }
}

fn resolution(market: &mut Market) -> InquiryResolution {
    let outcome = match market.random.below(4) {
        0 => Outcome::Declined { reason: reason(market) },
        1 => Outcome::Incomplete,
        _ => Outcome::Valid,
    };
    InquiryResolution { inquiry: market.name(Kind::Inquiry), outcome }
}

// What is paid.

fn funding(market: &mut Market) -> Funding<Amount> {
    let mut due = market.commissions();
    due.retain(|(_, _, standing)| *standing == CommissionState::Locked);
    let (mut merchant, mut currency) = (merchant(market), market.currency());
    if !due.is_empty() && market.chance(95) {
        let (_, picked, _) = market.of(&due);
        (merchant, currency) = (picked.merchant.clone(), picked.currency);
    }
    due.retain(|(_, of, _)| (&of.merchant, of.currency) == (&merchant, currency));
    let mut lines = Vec::new();
    for (commission, record, _) in due {
        let left = record.left().units() - record.funded.units();
        let some = market.random.below(left.min(1000) + 2);
        let amount = if market.chance(80) { amount(left) } else { amount(some) };
        if market.chance(60) {
            lines.push(FundingLine { commission, amount });
        }
    }
    if market.chance(5) {
        let commission = market.name(Kind::Commission);
        lines.push(FundingLine { commission, amount: market.some_amount() });
    }
    let received = market.some_amount();
    Funding { merchant, payment_ref: id("bank"), currency, received, lines }
}

fn payout(market: &mut Market) -> Payout<Amount> {
    let mut due = market.commissions();
    due.retain(|(_, _, standing)| *standing == CommissionState::Funded);
    let mut open = market.names(Kind::Payout);
    open.retain(|first| {
        market.payout(first).is_some_and(|payout| payout.state == PayoutState::Open)
    });
    let (mut affiliate, mut currency) = (affiliate(market), market.currency());
    let mut continues = None;
    if !open.is_empty() && market.chance(50) {
        let first = market.of(&open);
        let payout = market.payout(&first).expect("picked among those that there are");
        (affiliate, currency) = (payout.affiliate.clone(), payout.currency);
        continues = Some(if market.chance(95) { payout.latest.clone() } else { first });
    } else if !due.is_empty() && market.chance(90) {
        let (_, picked, _) = market.of(&due);
        (affiliate, currency) = (picked.affiliate.clone(), picked.currency);
    }
    if market.chance(3) {
        continues = Some(market.name(Kind::Payout));
    }
    let lines = payout_lines(market, &affiliate, currency);
    let day = market.day();
    Payout {
        affiliate,
        currency,
        period_from: day,
        period_until: day
            .saturating_add(market.of(&[1, 1, DAY_MS, DAY_MS, DAY_MS, DAY_MS, DAY_MS, 0])),
        continues,
        lines,
        total: market.chance(70).then(|| market.some_amount()),
        fx: market.chance(15).then(|| fx(market, currency)),
    }
}

fn payout_lines(
    market: &mut Market,
    affiliate: &Id,
    currency: Currency,
) -> Vec<PayoutLine<Amount>> {
    let mut lines = Vec::new();
    for (commission, record, standing) in market.commissions() {
        let fits = (&record.affiliate, record.currency) == (affiliate, currency);
        if standing == CommissionState::Funded && fits && market.chance(70) {
            lines.push(PayoutLine::Commission { commission, amount: record.left() });
        }
    }
    for (adjustment, record, standing) in market.adjustments() {
        let fits = (&record.affiliate, record.currency) == (affiliate, currency);
        if standing == AdjustmentState::Free && fits && market.chance(40) {
            lines.push(PayoutLine::Adjustment { adjustment, amount: record.amount });
        }
    }
    for (percent, line) in [
        (25, PayoutLine::Fee { amount: market.some_amount() }),
        (15, PayoutLine::WithheldTax { amount: market.some_amount() }),
        (40, PayoutLine::CarriedForward { effect: effect(market), amount: market.some_amount() }),
    ] {
        if market.chance(percent) {
            lines.push(line);
        }
    }
    if market.chance(8) {
        let amount = market.some_amount();
        lines.push(if market.chance(50) {
            PayoutLine::Commission { commission: market.name(Kind::Commission), amount }
        } else {
            PayoutLine::Adjustment { adjustment: market.name(Kind::Adjustment), amount }
        });
    }
    if let Some(first) = lines.first().cloned()
        && market.chance(4)
    {
        lines.push(first);
    }
    lines
}

fn payout_event(market: &mut Market) -> PayoutEvent {
    let event = match market.random.below(6) {
        0 => PaymentEvent::Sent { payment_ref: market.chance(50).then(|| id("sepa")) },
        1..4 => PaymentEvent::Completed,
        4 => PaymentEvent::Failed,
        _ => PaymentEvent::Returned,
    };
    PayoutEvent { payout: market.name(Kind::Payout), event }
}

// What holds from now on.

fn upline(market: &mut Market) -> AffiliateUpline {
    let affiliate = affiliate(market);
    let upline = market.of(&[None, Some("ann"), Some("bob"), Some("cy"), Some("dee"), Some("eve")]);
    AffiliateUpline { affiliate, upline: upline.map(id) }
}

fn opening_balance(market: &mut Market) -> OpeningBalance<Amount> {
    use ImportedState::{Approved, Funded, Locked, Pending};
    let (currency, amount) = (market.currency(), market.some_amount());
    let balance = match market.random.below(5) {
        0..3 => Balance::Commission {
            affiliate: affiliate(market),
            merchant: merchant(market),
            currency,
            amount,
            state: market.of(&[Pending, Approved, Locked, Funded]),
            locking_date: market.chance(50).then(|| market.day()),
        },
        3 => Balance::Affiliate {
            affiliate: affiliate(market),
            effect: effect(market),
            currency,
            amount,
        },
        _ => Balance::Merchant { merchant: merchant(market), currency, amount },
    };
    OpeningBalance { source: id("old"), balance }
}

fn erasure_notice(market: &mut Market) -> ErasureNotice {
    let kind = market.of(Kind::ALL);
    ErasureNotice { entry: Reference { kind, external_id: market.name(kind) } }
}
