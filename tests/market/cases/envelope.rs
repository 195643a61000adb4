//! What every entry has.

use counterfoil::protocol::entry::{Balance, Effect, ImportedState, Kind, Verdict};
use counterfoil::protocol::time::DAY_MS;

use super::super::{
    AHEAD_MS, NOW, adjustment, balance, committed, currency, decision, erasure, id, imported,
    named, of_tenant, opening, prepaid, reference, sale, terms, units, when,
};
use super::{Row, and, earned, locked, sold};

pub(super) fn rows() -> Vec<Row> {
    [of_names(), of_imported_names(), of_times(), of_tenants(), of_erasures()].concat()
}

fn of_names() -> Vec<Row> {
    const RULE: &str = "duplicate-external-id";
    vec![
        (RULE, "at index 2", sold(), sale("S-2", |_| ()), sale("S-1", |_| ())),
        // Of another kind, and with another body.
        (
            RULE,
            "at index 2",
            sold(),
            sale("T-1", |_| ()),
            sale("S-1", |body| body.amount = units(1)),
        ),
        (
            RULE,
            "at index 4",
            and(earned(), [decision("D-1", "C-1", Verdict::Approve)]),
            decision("D-2", "C-1", Verdict::Lock),
            decision("D-1", "C-1", Verdict::Lock),
        ),
        // The name is taken before anything else of it is looked at.
        (RULE, "at index 2", sold(), sale("S-2", |_| ()), when(NOW + DAY_MS, sale("S-1", |_| ()))),
        (RULE, "at index 1", vec![prepaid("O-1", 1)], prepaid("O-2", 1), prepaid("O-1", 2)),
        (
            RULE,
            "at index 2",
            and(sold(), [of_tenant("other", terms("T-2", |_| ()))]),
            of_tenant("other", sale("S-1", |_| ())),
            sale("S-1", |_| ()),
        ),
    ]
}

/// What is brought in takes the name of a commission or an adjustment, too.
fn of_imported_names() -> Vec<Row> {
    const RULE: &str = "duplicate-external-id";
    let adjusted = and(locked(), [adjustment("A-1", |_| ())]);
    let with_import =
        and(sold(), [imported("C-1", ImportedState::Locked), balance("A-1", Effect::Credit, 5)]);
    let commission = |name: &str| super::commission(name, |_| ());
    let related = |name: &str| {
        adjustment(name, |body| {
            (body.effect, body.related) = (Effect::Credit, reference(Kind::Transaction, "S-1"));
        })
    };
    vec![
        (
            RULE,
            "at index 3",
            earned(),
            imported("C-2", ImportedState::Pending),
            imported("C-1", ImportedState::Pending),
        ),
        (
            RULE,
            "at index 5",
            adjusted.clone(),
            balance("A-2", Effect::Debit, 1),
            balance("A-1", Effect::Debit, 1),
        ),
        (RULE, "at index 3", with_import.clone(), commission("C-2"), commission("C-1")),
        (RULE, "at index 4", with_import.clone(), related("A-2"), related("A-1")),
        // A commission's name isn't an adjustment's, nor what is prepaid either's.
        (
            RULE,
            "at index 3",
            with_import.clone(),
            related("C-1"),
            balance("C-1", Effect::Credit, 1),
        ),
        (RULE, "at index 4", with_import, commission("A-1"), prepaid("A-1", 1)),
        (
            RULE,
            "at index 5",
            adjusted,
            prepaid("A-1", 1),
            named("A-1", balance("A-2", Effect::Credit, 3)),
        ),
    ]
}

fn of_times() -> Vec<Row> {
    const RULE: &str = "event-in-future";
    let merchant = |event_time: u64| {
        let (merchant, currency, amount) = (id("shop"), currency("EUR"), units(1));
        when(event_time, opening("O-1", Balance::Merchant { merchant, currency, amount }))
    };
    vec![
        (
            RULE,
            "2023-11-14T22:18:20.001Z is after 2023-11-14T22:18:20Z",
            sold(),
            when(NOW + AHEAD_MS, sale("S-2", |_| ())),
            when(NOW + AHEAD_MS + 1, sale("S-2", |_| ())),
        ),
        (
            RULE,
            "2023-11-15T22:13:20Z is after 2023-11-14T22:18:20Z",
            vec![],
            when(0, terms("T-1", |_| ())),
            when(NOW + DAY_MS, terms("T-1", |_| ())),
        ),
        (
            RULE,
            "2023-11-14T22:18:20.001Z is after 2023-11-14T22:18:20Z",
            vec![],
            merchant(NOW + AHEAD_MS),
            merchant(NOW + AHEAD_MS + 1),
        ),
    ]
}

fn of_tenants() -> Vec<Row> {
    let terms = |tenant| of_tenant(tenant, terms("T-1", |_| ()));
    vec![("reserved-tenant", "@ledger", vec![], terms("ledger"), terms("@ledger"))]
}

fn of_erasures() -> Vec<Row> {
    const NOTHING: &str = "nothing-committed";
    let private = and(sold(), [committed(sale("S-2", |_| ()))]);
    let import = committed(imported("C-2", ImportedState::Funded));
    let erased = and(private.clone(), [erasure("X-1", Kind::Transaction, "S-2")]);
    let notice = committed(erasure("X-1", Kind::Transaction, "S-2"));
    let erase = |kind: Kind, name: &str| erasure("X-9", kind, name);
    vec![
        (
            NOTHING,
            "body.entry: it has no commitment",
            private.clone(),
            erase(Kind::Transaction, "S-2"),
            erase(Kind::Transaction, "S-1"),
        ),
        // Under the name of its own kind only.
        (
            NOTHING,
            "body.entry: it has no commitment",
            vec![import.clone()],
            erase(Kind::OpeningBalance, "C-2"),
            erase(Kind::Commission, "C-2"),
        ),
        (
            NOTHING,
            "body.entry: it has no commitment",
            vec![committed(balance("A-1", Effect::Credit, 5))],
            erase(Kind::OpeningBalance, "A-1"),
            erase(Kind::Adjustment, "A-1"),
        ),
        (
            NOTHING,
            "body.entry: it has no commitment",
            and(private.clone(), [notice]),
            erase(Kind::ErasureNotice, "X-1"),
            erase(Kind::ProgramTerms, "T-1"),
        ),
        (
            "erased-before",
            "body.entry: its salt was destroyed already",
            and(erased, [committed(sale("S-3", |_| ()))]),
            erase(Kind::Transaction, "S-3"),
            erase(Kind::Transaction, "S-2"),
        ),
        (
            "erased-before",
            "body.entry: its salt was destroyed already",
            vec![import, erasure("X-1", Kind::OpeningBalance, "C-2")],
            prepaid("O-1", 1),
            erase(Kind::OpeningBalance, "C-2"),
        ),
        (
            "missing-parent",
            "body.entry: the tenant has no transaction S-9",
            private,
            erase(Kind::Transaction, "S-2"),
            erase(Kind::Transaction, "S-9"),
        ),
    ]
}
