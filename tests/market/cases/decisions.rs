//! Decisions, and the dates that bound what becomes of a commission.

use counterfoil::protocol::entry::{Balance, Entry, ImportedState, Outcome, Verdict};

use counterfoil::protocol::time::DAY_MS;

use super::super::{
    NOW, amendment, at, currency, decision, decline, id, imported, opening, resolution, reversal,
    units, when, wrongly_declined,
};
use super::{Row, and, another, back, dated, declined, earned, funded, locked};

pub(super) fn rows() -> Vec<Row> {
    [of_steps(), of_past_dates(), of_dates_to_come(), of_extensions()].concat()
}

fn decide(verdict: Verdict) -> Entry {
    decision("D-9", "C-1", verdict)
}

fn extend(name: &str, date: u64) -> Entry {
    decision(name, "C-1", Verdict::Extend { locking_date: at(date) })
}

fn of_steps() -> Vec<Row> {
    const RULE: &str = "illegal-step";
    let approved = || and(earned(), [decision("D-1", "C-1", Verdict::Approve)]);
    let reversed = || and(and(earned(), [back("R-1", 1_000)]), another(2, "ann"));
    let in_parts = || {
        let parts = [back("R-1", 600), back("R-2", 400)];
        and(and(earned(), parts), another(2, "ann"))
    };
    let extended = || {
        let extend = extend("D-1", NOW + DAY_MS);
        and(dated(), [when(NOW - 1, extend)])
    };
    let other = || reversal("R-9", |body| body.commission = id("C-2"));
    let with_other = |given: Vec<Entry>| and(given, another(2, "ann"));
    vec![
        (
            RULE,
            "declined can't be approved",
            with_other(declined()),
            other(),
            decide(Verdict::Approve),
        ),
        (RULE, "declined can't be locked", with_other(declined()), other(), decide(Verdict::Lock)),
        (RULE, "declined can't be declined", with_other(declined()), other(), decide(decline())),
        (
            RULE,
            "approved can't be approved",
            approved(),
            decide(Verdict::Lock),
            decide(Verdict::Approve),
        ),
        (RULE, "approved can't be declined", approved(), back("R-9", 1), decide(decline())),
        (
            RULE,
            "approved can't be extended",
            approved(),
            back("R-9", 1),
            extend("D-9", NOW + DAY_MS),
        ),
        (RULE, "locked can't be locked", with_other(locked()), other(), decide(Verdict::Lock)),
        (RULE, "locked can't be reversed", with_other(locked()), other(), back("R-9", 1)),
        (RULE, "funded can't be reversed", with_other(funded()), other(), back("R-9", 1)),
        (RULE, "declined can't be reversed", with_other(declined()), other(), back("R-9", 1)),
        (RULE, "reversed can't be reversed", reversed(), other(), back("R-9", 1)),
        (RULE, "reversed can't be locked", in_parts(), other(), decide(Verdict::Lock)),
        (RULE, "reversed can't be locked", reversed(), other(), decide(Verdict::Lock)),
        (
            RULE,
            "extended can't be extended",
            extended(),
            when(NOW - 1, decide(decline())),
            when(NOW - 1, extend("D-9", NOW + 2 * DAY_MS)),
        ),
        (
            RULE,
            "approved can't be declined",
            with_other(vec![
                super::super::terms("T-1", |_| ()),
                imported("C-1", ImportedState::Approved),
            ]),
            decide(Verdict::Lock),
            decide(decline()),
        ),
    ]
}

/// [`dated`], and put off by 5 ms.
fn put_off() -> Vec<Entry> {
    and(dated(), [when(NOW - 1, extend("D-1", NOW + 5))])
}

/// Commission C-1 as it was brought in, to lock now.
fn brought_in() -> Vec<Entry> {
    let commission = Balance::Commission {
        affiliate: id("ann"),
        merchant: id("shop"),
        currency: currency("EUR"),
        amount: units(1_000),
        state: ImportedState::Pending,
        locking_date: Some(at(NOW)),
    };
    vec![when(NOW - DAY_MS, opening("C-1", commission))]
}

fn of_past_dates() -> Vec<Row> {
    const RULE: &str = "past-locking-date";
    let amend = || amendment("M-1", |_| ());
    vec![
        (
            RULE,
            "event_time: the locking date was 2023-11-14T22:13:20Z",
            dated(),
            when(NOW - 1, decide(decline())),
            when(NOW, decide(decline())),
        ),
        (
            RULE,
            "event_time: the locking date was 2023-11-14T22:13:20Z",
            dated(),
            when(NOW, decide(Verdict::Approve)),
            when(NOW, decide(decline())),
        ),
        (
            RULE,
            "event_time: the locking date was 2023-11-14T22:13:20Z",
            dated(),
            when(NOW - 1, extend("D-9", NOW + 1)),
            when(NOW, extend("D-9", NOW + 1)),
        ),
        (
            RULE,
            "event_time: the locking date was 2023-11-14T22:13:20Z",
            dated(),
            when(NOW - 1, back("R-1", 1)),
            when(NOW, back("R-1", 1)),
        ),
        (
            RULE,
            "event_time: the locking date was 2023-11-14T22:13:20Z",
            dated(),
            when(NOW - 1, amend()),
            when(NOW, amend()),
        ),
        // The date that it was put off to counts.
        (
            RULE,
            "event_time: the locking date was 2023-11-14T22:13:20.005Z",
            put_off(),
            when(NOW + 4, decide(decline())),
            when(NOW + 5, decide(decline())),
        ),
        (
            RULE,
            "event_time: the locking date was 2023-11-14T22:13:20Z",
            brought_in(),
            when(NOW - 1, back("R-1", 1)),
            when(NOW, back("R-1", 1)),
        ),
    ]
}

fn of_dates_to_come() -> Vec<Row> {
    const RULE: &str = "before-locking-date";
    let lock = || decide(Verdict::Lock);
    vec![
        (
            RULE,
            "event_time: the locking date is 2023-11-14T22:13:20Z",
            dated(),
            when(NOW, lock()),
            when(NOW - 1, lock()),
        ),
        (
            RULE,
            "event_time: the locking date is 2023-11-14T22:13:20.005Z",
            put_off(),
            when(NOW + 5, lock()),
            when(NOW + 4, lock()),
        ),
        (
            RULE,
            "event_time: the locking date is 2023-11-14T22:13:20Z",
            brought_in(),
            when(NOW, lock()),
            when(NOW - 1, lock()),
        ),
    ]
}

fn of_extensions() -> Vec<Row> {
    const LATER: &str = "extension-not-later";
    let before = |entry: Entry| when(NOW - 1, entry);
    // Put off, declined, and pending again.
    let again = || {
        and(
            dated(),
            [
                before(extend("D-1", NOW + 5)),
                decision("D-2", "C-1", decline()),
                wrongly_declined("Q-1"),
                resolution("V-1", "Q-1", Outcome::Valid),
            ],
        )
    };
    vec![
        (
            "extended-before",
            "body.verdict: a commission is extended once",
            again(),
            decide(decline()),
            extend("D-9", NOW + 6),
        ),
        (
            LATER,
            "2023-11-14T22:13:20Z is not later than 2023-11-14T22:13:20Z",
            dated(),
            before(extend("D-9", NOW + 1)),
            before(extend("D-9", NOW)),
        ),
        (
            LATER,
            "1970-01-01T00:00:00Z is not later than 2023-11-14T22:13:20Z",
            dated(),
            before(extend("D-9", NOW + 1)),
            before(extend("D-9", 0)),
        ),
        // There is no date to put off.
        (
            LATER,
            "2023-11-14T22:13:20.001Z is not later than never",
            earned(),
            decide(Verdict::Lock),
            extend("D-9", NOW + 1),
        ),
    ]
}
