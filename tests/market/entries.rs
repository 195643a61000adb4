//! Short ways to write entries: each is legal after what its description says, until altered.

use counterfoil::protocol::entry::{
    Action, Adjustment, AffiliateUpline, Amended, Amendment, Balance, Body, Cap, CapPer, Claim,
    Commission, Decision, Effect, Entry, ErasureNotice, Funding, FundingLine, Fx, ImportedState,
    Inquiry, InquiryResolution, Item, Kind, Locking, OpeningBalance, Outcome, PaymentEvent, Payout,
    PayoutEvent, PayoutLine, Period, ProgramTerms, Rate, Reason, Reference, Refund, RefundItem,
    Reversal, Reward, RewardRule, Role, Tier, Transaction, Verdict,
};
use counterfoil::protocol::hash::Commitment;
use counterfoil::protocol::money::{Amount, ExchangeRate, PPM_WHOLE};
use counterfoil::protocol::time::DAY_MS;

use super::{NOW, at, currency, id, units};

/// An entry of tenant acme, now.
pub fn entry(external_id: &str, body: Body<Amount>) -> Entry {
    Entry {
        tenant: id("acme"),
        external_id: id(external_id),
        event_time: at(NOW),
        commitment: None,
        body,
    }
}

/// `entry` of another tenant.
pub fn of_tenant(tenant: &str, entry: Entry) -> Entry {
    Entry { tenant: id(tenant), ..entry }
}

/// `entry` of another time.
pub fn when(milliseconds: u64, entry: Entry) -> Entry {
    Entry { event_time: at(milliseconds), ..entry }
}

/// `entry` of another name.
pub fn named(external_id: &str, entry: Entry) -> Entry {
    Entry { external_id: id(external_id), ..entry }
}

/// `entry` with private particulars committed to.
pub fn committed(entry: Entry) -> Entry {
    Entry { commitment: Some(Commitment([5; 32])), ..entry }
}

/// The first terms of shop's main program, reaching back a month: 10 percent of any action;
/// locks when it is decided.
pub fn terms(external_id: &str, alter: impl FnOnce(&mut ProgramTerms<Amount>)) -> Entry {
    let mut body = ProgramTerms {
        merchant: id("shop"),
        program: id("main"),
        version: 1,
        effective_from: at(NOW - 30 * DAY_MS),
        effective_until: None,
        actions: Action::ALL.to_vec(),
        locking: Locking::OpenEnded,
        network_fee_ppm: 0,
        rules: vec![percent(100_000)],
    };
    alter(&mut body);
    entry(external_id, Body::ProgramTerms(body))
}

/// Those terms with `rules`.
pub fn terms_of(external_id: &str, rules: Vec<RewardRule<Amount>>) -> Entry {
    terms(external_id, |body| body.rules = rules)
}

/// A rule for any part and affiliate.
pub fn rule(reward: Reward<Amount>) -> RewardRule<Amount> {
    RewardRule {
        commission_group: None,
        affiliate_group: None,
        reward,
        recurring: None,
        cap: None,
        override_ppm: Vec::new(),
    }
}

/// So many parts per million of any part.
pub fn percent(ppm: u32) -> RewardRule<Amount> {
    rule(Reward::Percent { ppm })
}

/// So much for any part.
pub fn fixed(code: &str, amount: u64) -> RewardRule<Amount> {
    rule(Reward::Fixed { currency: currency(code), amount: units(amount) })
}

/// A rate by how many commissions there were: from how many on, and parts per million.
pub fn counts(period: Period, tiers: &[(u64, u32)]) -> RewardRule<Amount> {
    let tier = |(from, ppm): &(u64, u32)| Tier { from: *from, rate: Rate::Percent { ppm: *ppm } };
    rule(Reward::CountTiers { period, counts: tiers.iter().map(tier).collect() })
}

/// A rate by the volume in EUR: from how much on, and parts per million.
pub fn volumes(period: Period, tiers: &[(u64, u32)]) -> RewardRule<Amount> {
    let tier =
        |(from, ppm): &(u64, u32)| Tier { from: units(*from), rate: Rate::Percent { ppm: *ppm } };
    let volumes = tiers.iter().map(tier).collect();
    rule(Reward::VolumeTiers { period, currency: currency("EUR"), volumes })
}

/// `rule`, for at most so much in EUR.
pub fn capped(rule: RewardRule<Amount>, per: CapPer, amount: u64) -> RewardRule<Amount> {
    let cap = Some(Cap { currency: currency("EUR"), amount: units(amount), per });
    RewardRule { cap, ..rule }
}

/// A sale of 100.00 EUR by shop, now.
pub fn sale(external_id: &str, alter: impl FnOnce(&mut Transaction<Amount>)) -> Entry {
    let mut body = Transaction {
        order_ref: id(external_id),
        merchant: id("shop"),
        program: id("main"),
        action: Action::Sale,
        currency: currency("EUR"),
        amount: units(10_000),
        discount: None,
        voucher: None,
        commission_group: None,
        link_ref: None,
        campaign_ref: None,
        click_ref: None,
        items: Vec::new(),
        fx: None,
    };
    alter(&mut body);
    entry(external_id, Body::Transaction(body))
}

/// A sale of two shoes for 60.00 EUR and, of the group media, a book for 40.00 EUR.
pub fn basket(external_id: &str, alter: impl FnOnce(&mut Transaction<Amount>)) -> Entry {
    sale(external_id, |body| {
        body.items = vec![item("shoe", 2, 6_000, None), item("book", 1, 4_000, Some("media"))];
        alter(body);
    })
}

pub fn item(name: &str, quantity: u32, amount: u64, group: Option<&str>) -> Item<Amount> {
    Item { item: id(name), quantity, amount: units(amount), commission_group: group.map(id) }
}

/// A change of `from` into `to` at so many billionths.
pub fn fx(from: &str, to: &str, billionths: u64) -> Fx {
    Fx {
        from: currency(from),
        to: currency(to),
        rate: ExchangeRate::from_billionths(billionths),
        source: id("ecb"),
        at: at(NOW - DAY_MS),
    }
}

/// 10.00 EUR for ann, from all of sale S-1 under terms T-1.
pub fn commission(external_id: &str, alter: impl FnOnce(&mut Commission<Amount>)) -> Entry {
    let mut body = Commission {
        transaction: id("S-1"),
        terms: id("T-1"),
        rule: 1,
        affiliate: id("ann"),
        role: Role::default(),
        currency: currency("EUR"),
        amount: units(1_000),
        fee: units(0),
        locking_date: None,
        deviation: None,
    };
    alter(&mut body);
    entry(external_id, Body::Commission(body))
}

/// A share in a part of a transaction.
pub fn share(ppm: u32, group: Option<&str>) -> Role {
    Role::Direct { share_ppm: ppm, commission_group: group.map(id), affiliate_group: None }
}

/// All of a transaction, for an affiliate of a group.
pub fn grouped(affiliate_group: &str) -> Role {
    let affiliate_group = Some(id(affiliate_group));
    Role::Direct { share_ppm: PPM_WHOLE, commission_group: None, affiliate_group }
}

/// 1.00 EUR for upa, on commission C-1 of ann, whose upline at level 1 upa is.
pub fn overriding(external_id: &str, alter: impl FnOnce(&mut Commission<Amount>)) -> Entry {
    commission(external_id, |body| {
        body.affiliate = id("upa");
        body.role = Role::Override { of: id("C-1"), level: 1 };
        body.amount = units(100);
        alter(body);
    })
}

pub fn decision(external_id: &str, commission: &str, verdict: Verdict) -> Entry {
    entry(external_id, Body::Decision(Decision { commission: id(commission), verdict }))
}

/// That decision, where which doesn't matter.
pub fn decline() -> Verdict {
    Verdict::Decline { reason: Reason::CancelledOrder }
}

/// Corrects commission C-1 from 10.00 EUR to 8.00 EUR.
pub fn amendment(external_id: &str, alter: impl FnOnce(&mut Amendment<Amount>)) -> Entry {
    let mut body = Amendment {
        of: Amended::Commission { commission: id("C-1") },
        currency: currency("EUR"),
        old: units(1_000),
        new: units(800),
        reason: Reason::WrongAmount,
    };
    alter(&mut body);
    entry(external_id, Body::Amendment(body))
}

/// Corrects the part without a group of sale S-1 from 100.00 EUR to 80.00 EUR.
pub fn sale_amended(external_id: &str, alter: impl FnOnce(&mut Amendment<Amount>)) -> Entry {
    amendment(external_id, |body| {
        body.of = Amended::Transaction { transaction: id("S-1"), commission_group: None };
        (body.old, body.new) = (units(10_000), units(8_000));
        alter(body);
    })
}

/// Takes back 10.00 EUR of commission C-1.
pub fn reversal(external_id: &str, alter: impl FnOnce(&mut Reversal<Amount>)) -> Entry {
    let mut body = Reversal {
        commission: id("C-1"),
        currency: currency("EUR"),
        amount: units(1_000),
        reason: Reason::ReturnedItem,
        refund: None,
    };
    alter(&mut body);
    entry(external_id, Body::Reversal(body))
}

/// What a buyer got back in EUR, and the items that were sent back.
pub fn refund(amount: u64, items: &[(&str, u32)]) -> Refund<Amount> {
    let item = |(item, quantity): &(&str, u32)| RefundItem { item: id(item), quantity: *quantity };
    let items = items.iter().map(item).collect();
    Refund { currency: currency("EUR"), amount: units(amount), items }
}

pub fn reference(kind: Kind, external_id: &str) -> Reference {
    Reference { kind, external_id: id(external_id) }
}

/// 3.00 EUR against ann because of commission C-1.
pub fn adjustment(external_id: &str, alter: impl FnOnce(&mut Adjustment<Amount>)) -> Entry {
    let mut body = Adjustment {
        affiliate: id("ann"),
        effect: Effect::Debit,
        currency: currency("EUR"),
        amount: units(300),
        related: reference(Kind::Commission, "C-1"),
        reason: Reason::Chargeback,
    };
    alter(&mut body);
    entry(external_id, Body::Adjustment(body))
}

/// Ann claims 10.00 EUR of shop's main program.
pub fn inquiry(external_id: &str, alter: impl FnOnce(&mut Inquiry<Amount>)) -> Entry {
    let mut body = Inquiry {
        affiliate: id("ann"),
        merchant: id("shop"),
        program: id("main"),
        claim: Claim::Untracked { order_ref: None },
        currency: currency("EUR"),
        amount: units(1_000),
    };
    alter(&mut body);
    entry(external_id, Body::Inquiry(body))
}

/// Ann says that commission C-1 was wrongly declined.
pub fn wrongly_declined(external_id: &str) -> Entry {
    inquiry(external_id, |body| body.claim = Claim::Declined { commission: id("C-1") })
}

pub fn resolution(external_id: &str, inquiry: &str, outcome: Outcome) -> Entry {
    let body = InquiryResolution { inquiry: id(inquiry), outcome };
    entry(external_id, Body::InquiryResolution(body))
}

/// Shop pays 10.00 EUR for commission C-1.
pub fn funding(external_id: &str, alter: impl FnOnce(&mut Funding<Amount>)) -> Entry {
    let mut body = Funding {
        merchant: id("shop"),
        payment_ref: id("transfer"),
        currency: currency("EUR"),
        received: units(1_000),
        lines: vec![covered("C-1", 1_000)],
    };
    alter(&mut body);
    entry(external_id, Body::Funding(body))
}

pub fn covered(commission: &str, amount: u64) -> FundingLine<Amount> {
    FundingLine { commission: id(commission), amount: units(amount) }
}

/// Pays ann 10.00 EUR of commission C-1, in one part without a total.
pub fn payout(external_id: &str, alter: impl FnOnce(&mut Payout<Amount>)) -> Entry {
    let mut body = Payout {
        affiliate: id("ann"),
        currency: currency("EUR"),
        period_from: at(NOW - DAY_MS),
        period_until: at(NOW),
        continues: None,
        lines: vec![line("C-1", 1_000)],
        total: None,
        fx: None,
    };
    alter(&mut body);
    entry(external_id, Body::Payout(body))
}

/// That payout with its total.
pub fn closed(external_id: &str, alter: impl FnOnce(&mut Payout<Amount>)) -> Entry {
    payout(external_id, |body| {
        body.total = Some(units(1_000));
        alter(body);
    })
}

pub fn line(commission: &str, amount: u64) -> PayoutLine<Amount> {
    PayoutLine::Commission { commission: id(commission), amount: units(amount) }
}

pub fn adjusting(adjustment: &str, amount: u64) -> PayoutLine<Amount> {
    PayoutLine::Adjustment { adjustment: id(adjustment), amount: units(amount) }
}

pub fn fee(amount: u64) -> PayoutLine<Amount> {
    PayoutLine::Fee { amount: units(amount) }
}

pub fn withheld_tax(amount: u64) -> PayoutLine<Amount> {
    PayoutLine::WithheldTax { amount: units(amount) }
}

/// Credit: from what was kept before. Debit: kept.
pub fn carried(effect: Effect, amount: u64) -> PayoutLine<Amount> {
    PayoutLine::CarriedForward { effect, amount: units(amount) }
}

pub fn payout_event(external_id: &str, payout: &str, event: PaymentEvent) -> Entry {
    entry(external_id, Body::PayoutEvent(PayoutEvent { payout: id(payout), event }))
}

pub fn upline(external_id: &str, affiliate: &str, upline: Option<&str>) -> Entry {
    let body = AffiliateUpline { affiliate: id(affiliate), upline: upline.map(id) };
    entry(external_id, Body::AffiliateUpline(body))
}

pub fn opening(external_id: &str, balance: Balance<Amount>) -> Entry {
    entry(external_id, Body::OpeningBalance(OpeningBalance { source: id("old-system"), balance }))
}

/// 10.00 EUR that shop owes ann from before, without a locking date.
pub fn imported(external_id: &str, state: ImportedState) -> Entry {
    opening(
        external_id,
        Balance::Commission {
            affiliate: id("ann"),
            merchant: id("shop"),
            currency: currency("EUR"),
            amount: units(1_000),
            state,
            locking_date: None,
        },
    )
}

/// What ann has or owes from before, in EUR.
pub fn balance(external_id: &str, effect: Effect, amount: u64) -> Entry {
    let (affiliate, currency, amount) = (id("ann"), currency("EUR"), units(amount));
    opening(external_id, Balance::Affiliate { affiliate, effect, currency, amount })
}

/// What shop has prepaid before, in EUR.
pub fn prepaid(external_id: &str, amount: u64) -> Entry {
    let (merchant, currency, amount) = (id("shop"), currency("EUR"), units(amount));
    opening(external_id, Balance::Merchant { merchant, currency, amount })
}

pub fn erasure(external_id: &str, kind: Kind, of: &str) -> Entry {
    let entry_named = reference(kind, of);
    entry(external_id, Body::ErasureNotice(ErasureNotice { entry: entry_named }))
}
