//! What depends on the blocks that entries stand in: steps that come too late whatever time they
//! say, and terms that are withdrawn.

use counterfoil::protocol::entry::{Balance, Entry, ImportedState, Locking, Verdict};
use counterfoil::protocol::rules::AdmitError;
use counterfoil::protocol::time::DAY_MS;
use counterfoil::protocol::verify::Draft;

use super::offer;
use crate::market::{
    AHEAD_MS, Market, NOW, amendment, at, commission, currency, decision, decline, id, opening,
    reversal, sale, terms, units, when,
};

/// The rule that `entry` breaks in a block at `now`, if it breaks one.
fn refused(market: &Market, now: u64, entry: &Entry) -> Option<&'static str> {
    let mut draft = Draft::new(&market.chain, &market.tip, &market.state, at(now));
    match offer(&mut draft, entry) {
        Ok(_) => None,
        Err(AdmitError::Refused(refusal)) => Some(refusal.rule()),
        Err(AdmitError::State(never)) => match never {},
    }
}

/// A sale of now whose commission locks a day later, and is recorded so much later.
fn earned(later: u64) -> Market {
    let mut market = Market::new();
    let locks_at = Some(at(NOW + DAY_MS));
    let entries = [
        terms("T-1", |body| body.locking = Locking::Days { days: 1 }),
        sale("S-1", |_| ()),
        commission("C-1", |body| body.locking_date = locks_at),
    ];
    market.seal(NOW + later, &entries);
    market
}

/// Every step that must be in time, of a time before the locking date.
fn steps() -> [Entry; 4] {
    let extension = Verdict::Extend { locking_date: at(NOW + 3 * DAY_MS) };
    let steps = [
        decision("D-1", "C-1", decline()),
        decision("D-1", "C-1", extension),
        amendment("M-1", |_| ()),
        reversal("R-1", |body| body.amount = units(1)),
    ];
    steps.map(|step| when(NOW + DAY_MS - 1, step))
}

#[test]
fn what_was_recorded_ahead_of_its_locking_date_is_taken_back_before_it_alone() {
    const LATE: Option<&str> = Some("past-locking-date");
    for later in [0, DAY_MS - 1] {
        let market = earned(later);
        for step in steps() {
            assert_eq!(refused(&market, NOW + DAY_MS - 1, &step), None, "{step:?}");
            assert_eq!(refused(&market, NOW + DAY_MS, &step), LATE, "{step:?}");
            assert_eq!(refused(&market, NOW + 9 * DAY_MS, &step), LATE, "{step:?}");
        }
        // Nothing is late that isn't bound by that date.
        let approve = when(NOW + DAY_MS - 1, decision("D-1", "C-1", Verdict::Approve));
        assert_eq!(refused(&market, NOW + 9 * DAY_MS, &approve), None);
    }
}

#[test]
fn history_is_recorded_as_it_was() {
    for later in [DAY_MS, 5 * DAY_MS] {
        let market = earned(later);
        for step in steps() {
            assert_eq!(refused(&market, NOW + 9 * DAY_MS, &step), None, "{step:?}");
            let late = when(NOW + DAY_MS, step);
            assert_eq!(refused(&market, NOW + 9 * DAY_MS, &late), Some("past-locking-date"));
        }
    }
}

#[test]
fn an_extension_is_recorded_ahead_of_its_date_or_not() {
    let extend = |date: u64| {
        let extension = Verdict::Extend { locking_date: at(date) };
        when(NOW + DAY_MS - 1, decision("D-9", "C-1", extension))
    };
    let decline_at = |time: u64| when(time, decision("D-10", "C-1", decline()));
    // The commission wasn't recorded ahead of its date, but its extension is of the later one.
    let mut market = earned(DAY_MS);
    market.seal(NOW + 2 * DAY_MS, &[extend(NOW + 3 * DAY_MS)]);
    let dated_back = decline_at(NOW + 2 * DAY_MS);
    assert_eq!(refused(&market, NOW + 3 * DAY_MS - 1, &dated_back), None);
    assert_eq!(refused(&market, NOW + 3 * DAY_MS, &dated_back), Some("past-locking-date"));
    // Neither is.
    let mut market = earned(DAY_MS);
    market.seal(NOW + 3 * DAY_MS, &[extend(NOW + 3 * DAY_MS)]);
    assert_eq!(refused(&market, NOW + 9 * DAY_MS, &dated_back), None);
    let late = decline_at(NOW + 3 * DAY_MS);
    assert_eq!(refused(&market, NOW + 9 * DAY_MS, &late), Some("past-locking-date"));
}

#[test]
fn what_was_brought_in_is_bound_by_its_date_likewise() {
    let brought_in = |locks_at: u64| {
        let balance = Balance::Commission {
            affiliate: id("ann"),
            merchant: id("shop"),
            currency: currency("EUR"),
            amount: units(1_000),
            state: ImportedState::Pending,
            locking_date: Some(at(locks_at)),
        };
        let mut market = Market::new();
        market.seal(NOW, &[when(NOW - 9 * DAY_MS, opening("C-1", balance))]);
        market
    };
    let step = when(NOW - 1, decision("D-1", "C-1", decline()));
    assert_eq!(refused(&brought_in(NOW), NOW + DAY_MS, &step), None);
    let ahead = refused(&brought_in(NOW + 1), NOW + DAY_MS, &step);
    assert_eq!(ahead, Some("past-locking-date"));
}

#[test]
fn withdrawn_terms_are_in_force_for_nothing() {
    let version = |version: u32, from: u64| {
        let name = format!("T-{version}");
        terms(&name, |body| (body.version, body.effective_from) = (version, at(from)))
    };
    let under = |terms: &str| {
        let body = commission("C-1", |body| body.terms = id(terms));
        when(NOW + 5 * DAY_MS, body)
    };
    // Of the second and third, each begins too late for any transaction when the next one comes.
    let mut market = Market::new();
    let far = NOW + AHEAD_MS + 1;
    market.seal(NOW, &[terms("T-1", |_| ()), version(2, far), version(3, far)]);
    market.seal(NOW, &[version(4, NOW + 6 * DAY_MS)]);
    let sold = |days: u64| when(NOW + days * DAY_MS, sale("S-1", |_| ()));
    let after = |days: u64| {
        let mut draft = Draft::new(&market.chain, &market.tip, &market.state, at(NOW + 9 * DAY_MS));
        offer(&mut draft, &sold(days)).unwrap();
        ["T-1", "T-2", "T-3", "T-4"].map(|name| {
            let mark = draft.mark();
            let entry = when(NOW + 9 * DAY_MS, under(name));
            let admitted = offer(&mut draft, &entry).is_ok();
            draft.roll_back(mark);
            admitted
        })
    };
    assert_eq!(after(5), [true, false, false, false]);
    assert_eq!(after(6), [false, false, false, true]);
}
