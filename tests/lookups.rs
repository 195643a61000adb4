//! Lookups: what is found by facets, names, histories, terms and downlines is what a scan of all
//! entries finds, at every height, after reopening and after everything was derived anew.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it doesn't expect")]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::{Body, Claim, Entry, Kind, PaymentEvent, ReferenceKind};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::rules::Record;
use counterfoil::protocol::verify::{Chain, Draft};
use counterfoil::query::{AsOf, Downline, Root, When, downline, history, search};
use counterfoil::sample::{Marketplace, Profile};
use counterfoil::store::{Committer, Lookup, MemoryBounds, NameFamily, Span, Store, View};
use support::chain::{chain, key, time};

const ENTRIES: usize = 1_600;
const BLOCK_ENTRIES: usize = 20;
/// Heights that are asked about: the first, some between, the last.
const HEIGHTS: [u64; 3] = [1, 50, (ENTRIES / BLOCK_ENTRIES) as u64];

type Entries = BTreeMap<u64, Entry>;

fn open(directory: &Path, chain: &Arc<Chain>) -> (Store, Committer) {
    // Small memories: runs are written and merged all along.
    let bounds = MemoryBounds { records: 1_500, blocks: 40 };
    Store::open_bounded(directory, chain.clone(), bounds).unwrap()
}

fn fill(committer: &mut Committer, chain: &Arc<Chain>) {
    let profile =
        Profile { tenants: 2, ..Profile::history(5, ENTRIES as u64, time("2026-03-31T00:00:00Z")) };
    let market = Marketplace::new(profile, &chain.spec().currencies).unwrap();
    let entries: Vec<EncodedEntry> =
        market.take(ENTRIES).map(|entry| EncodedEntry::new(entry).unwrap()).collect();
    for entries in entries.chunks(BLOCK_ENTRIES) {
        let store = committer.store().clone();
        let head = store.head();
        let mut draft = Draft::new(chain, &head.tip, &store, time("2026-04-01T00:00:00Z"));
        for entry in entries {
            draft.admit(entry.clone()).unwrap();
        }
        committer.commit(&draft.seal(&key())).unwrap();
    }
}

fn all(view: &View) -> Entries {
    let size = view.head().size();
    (1..size).filter_map(|at| Some((at, view.entry(at).unwrap()?.entry().clone()))).collect()
}

#[test]
fn lookups_find_what_a_scan_finds() {
    let directory = tempfile::tempdir().unwrap();
    let chain = chain("lookups");
    let (store, mut committer) = open(directory.path(), &chain);
    fill(&mut committer, &chain);
    check(&store, &HEIGHTS);
    drop((store, committer));
    let (store, committer) = open(directory.path(), &chain);
    check(&store, &HEIGHTS[1..2]);
    drop((store, committer));
    let (store, committer) = Store::reindex(directory.path(), chain, |_, _| {}).unwrap();
    check(&store, &HEIGHTS[2..]);
    drop((store, committer));
}

fn check(store: &Store, heights: &[u64]) {
    let report = store.fsck(|_| {}).unwrap();
    assert!(report.is_clean(), "{report:#?}");
    let view = store.view();
    let entries = all(&view);
    assert_eq!(entries.len(), ENTRIES);
    for height in heights {
        let at = AsOf::resolve(&view, When::Height(*height)).unwrap();
        let until: Entries =
            entries.range(..=at.last_index()).map(|(at, entry)| (*at, entry.clone())).collect();
        facets(&view, &at, &until);
        histories(&view, &at, &until);
        downlines(&view, &at, &until);
    }
    names(&view, &entries);
}

/// What a scan finds under each value: references, programs, terms, what is named, uplines.
#[derive(Default)]
struct Scanned {
    references: BTreeMap<(Id, ReferenceKind, Id), BTreeSet<u64>>,
    programs: BTreeMap<(Id, Id, Id), BTreeSet<u64>>,
    naming: BTreeMap<(Id, Kind, Id), BTreeSet<u64>>,
    uplines: BTreeMap<(Id, Id), BTreeSet<u64>>,
}

fn scan(entries: &Entries) -> Scanned {
    let mut found = Scanned::default();
    for (index, entry) in entries {
        let tenant = &entry.tenant;
        let mut references: Vec<(ReferenceKind, Option<&Id>)> = Vec::new();
        match &entry.body {
            Body::Transaction(sale) => references.extend([
                (ReferenceKind::Order, Some(&sale.order_ref)),
                (ReferenceKind::Link, sale.link_ref.as_ref()),
                (ReferenceKind::Campaign, sale.campaign_ref.as_ref()),
                (ReferenceKind::Click, sale.click_ref.as_ref()),
                (ReferenceKind::Voucher, sale.voucher.as_ref()),
            ]),
            Body::Funding(paid) => {
                references.push((ReferenceKind::Payment, Some(&paid.payment_ref)));
            }
            Body::PayoutEvent(event) => {
                if let PaymentEvent::Sent { payment_ref } = &event.event {
                    references.push((ReferenceKind::Payment, payment_ref.as_ref()));
                }
            }
            Body::Inquiry(inquiry) => {
                if let Claim::Untracked { order_ref } = &inquiry.claim {
                    references.push((ReferenceKind::Order, order_ref.as_ref()));
                }
            }
            Body::ProgramTerms(terms) => {
                let name = (tenant.clone(), terms.merchant.clone(), terms.program.clone());
                found.programs.entry(name).or_default().insert(*index);
            }
            Body::AffiliateUpline(stated) => {
                let name = (tenant.clone(), stated.affiliate.clone());
                found.uplines.entry(name).or_default().insert(*index);
            }
            _ => {}
        }
        for (kind, name) in references {
            let Some(name) = name else { continue };
            let name = (tenant.clone(), kind, name.clone());
            found.references.entry(name).or_default().insert(*index);
        }
        for (kind, name) in entry.body.names() {
            let name = (tenant.clone(), kind, name.clone());
            found.naming.entry(name).or_default().insert(*index);
        }
    }
    found
}

fn facets(view: &View, at: &AsOf, entries: &Entries) {
    let found = scan(entries);
    let span = Span::up_to(at.last_index());
    let expect = |tenant: &Id, by: Lookup<'_>, expected: &BTreeSet<u64>| {
        let found = view.look_up(Some(tenant), by, span).map(|hit| hit.unwrap().index);
        assert!(found.eq(expected.iter().copied()), "{by:?} at height {}", at.height);
        let last = view.look_up(Some(tenant), by, span.newest_first()).next().unwrap();
        assert_eq!(last.unwrap().index, *expected.last().unwrap(), "{by:?}");
    };
    for ((tenant, kind, name), expected) in &found.references {
        expect(tenant, Lookup::Reference(*kind, name), expected);
    }
    for ((tenant, merchant, program), expected) in &found.programs {
        expect(tenant, Lookup::Terms(merchant, program), expected);
    }
    for ((tenant, kind, name), expected) in &found.naming {
        expect(tenant, Lookup::Naming(tenant, *kind, name), expected);
    }
    for ((tenant, name), expected) in &found.uplines {
        expect(tenant, Lookup::UplineOf(name), expected);
    }
}

/// Every affiliate, merchant and campaign is in the directory, from its first entry on.
fn names(view: &View, entries: &Entries) {
    let mut first: BTreeMap<(&str, Id, Id), u64> = BTreeMap::new();
    for (index, entry) in entries {
        let parties = entry.body.parties();
        let mut said = vec![("affiliate", parties.affiliate), ("merchant", parties.merchant)];
        match &entry.body {
            Body::AffiliateUpline(stated) => said.push(("affiliate", stated.upline.clone())),
            Body::Transaction(sale) => said.push(("campaign", sale.campaign_ref.clone())),
            _ => {}
        }
        for (family, name) in said {
            let Some(name) = name else { continue };
            first.entry((family, entry.tenant.clone(), name)).or_insert(*index);
        }
    }
    let at = AsOf::resolve(view, When::Now).unwrap();
    for ((said, tenant, name), index) in &first {
        let family = match *said {
            "affiliate" => NameFamily::Affiliate,
            "merchant" => NameFamily::Merchant,
            _ => NameFamily::Campaign,
        };
        let found = view.names(family, name.as_str(), 1_000).unwrap();
        let listed = found.iter().find(|one| one.name == *name && one.tenant == *tenant).unwrap();
        assert_eq!(listed.index, *index, "{said} {name}");
        let starts = |one: &str| one.starts_with(name.as_str());
        let expected =
            first.keys().filter(|(other, _, one)| other == said && starts(one.as_str())).count();
        assert_eq!(found.len(), expected, "{said} {name}");
        let searched = search(view, &at, name.as_str(), Some(tenant), 100).unwrap();
        assert!(searched.iter().any(|found| found.exact && found.index == Some(*index)), "{name}");
    }
}

/// The entries of a commission's history, by what names what.
fn scanned_history(entries: &Entries, naming: &Scanned, commission: u64) -> BTreeSet<u64> {
    let entry = &entries[&commission];
    let tenant = &entry.tenant;
    let none = BTreeSet::new();
    let named = |kind: Kind, name: &Id| {
        naming.naming.get(&(tenant.clone(), kind, name.clone())).unwrap_or(&none)
    };
    let is = |kind: Kind, name: &Id, entry: &Entry| {
        entry.tenant == *tenant && entry.body.named_as() == kind && entry.external_id == *name
    };
    let mut history = BTreeSet::from([commission]);
    for (kind, name) in entry.body.names() {
        history.extend(entries.iter().find(|(_, one)| is(kind, name, one)).map(|(at, _)| *at));
        let corrects = |at: &&u64| {
            use Kind::{Adjustment, Amendment, ErasureNotice};
            [Adjustment, Amendment, ErasureNotice].contains(&entries[*at].kind())
        };
        if kind == Kind::Transaction {
            history.extend(named(kind, name).iter().filter(corrects));
        }
    }
    history.extend(named(Kind::Commission, &entry.external_id));
    history.extend(named(Kind::OpeningBalance, &entry.external_id));
    // What became of those, and of that.
    let mut before = 0;
    while before != history.len() {
        before = history.len();
        for at in history.clone().range(1..).filter(|at| **at != commission) {
            let member = &entries[at];
            let follows = |kind: Kind| named(kind, &member.external_id).iter();
            match member.kind() {
                Kind::Inquiry => history.extend(follows(Kind::Inquiry)),
                Kind::Adjustment => {
                    let kinds = [Kind::Adjustment, Kind::ErasureNotice];
                    let corrects = |at: &&u64| kinds.contains(&entries[*at].kind());
                    history.extend(follows(Kind::Adjustment).filter(corrects));
                }
                Kind::Payout => {
                    let mut first = member;
                    while let Body::Payout(payout) = &first.body
                        && let Some(before) = &payout.continues
                    {
                        first = entries.values().find(|one| is(Kind::Payout, before, one)).unwrap();
                    }
                    let kinds = [Kind::PayoutEvent, Kind::ErasureNotice];
                    let becomes = |at: &&u64| kinds.contains(&entries[*at].kind());
                    let events = named(Kind::Payout, &first.external_id).iter();
                    history.extend(events.filter(becomes));
                }
                _ => {}
            }
        }
    }
    history
}

fn histories(view: &View, at: &AsOf, entries: &Entries) {
    let scanned = scan(entries);
    let is_commission = |entry: &Entry| entry.body.named_as() == Kind::Commission;
    let commissions = entries.iter().filter(|(_, entry)| is_commission(entry));
    let mut checked = 0;
    for (index, entry) in commissions {
        let root = Root::Index(*index);
        let (steps, next) = history(view, at, &root, None, 1_000).unwrap();
        assert_eq!(next, None);
        let expected = scanned_history(entries, &scanned, *index);
        let found: BTreeSet<u64> = steps.iter().map(|step| step.index).collect();
        assert_eq!(found, expected, "{} at height {}", entry.external_id, at.height);
        assert!(steps.is_sorted_by_key(|step| step.index));
        // The last state is the one that the rules remember.
        if at.height == view.head().height() {
            let stored = view.named(&entry.tenant, Kind::Commission, &entry.external_id).unwrap();
            let Record::Commission(record) = stored.unwrap().record else { panic!("{entry:?}") };
            let payout = view.payout_of(record.payout).unwrap();
            let state = record.standing(payout.map(|(_, _, state)| state));
            let of_it = |step: &&counterfoil::query::HistoryStep| {
                step.commission.as_ref() == Some(&entry.external_id)
            };
            let last = steps.iter().rev().find(of_it).unwrap();
            assert_eq!(last.state, Some(state), "{}", entry.external_id);
        }
        checked += 1;
        if checked % 8 != 0 {
            continue;
        }
        // Page by page the same.
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = history(view, at, &root, after, 2).unwrap();
            paged.extend(page);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(paged, steps);
    }
    assert!(checked > 200 || at.height < 60, "{checked} at {}", at.height);
    orders(view, at, &scanned, entries);
}

/// An order's history is those of its commissions, without terms.
fn orders(view: &View, at: &AsOf, scanned: &Scanned, entries: &Entries) {
    for (tenant, kind, order_ref) in scanned.references.keys().take(40) {
        if *kind != ReferenceKind::Order {
            continue;
        }
        let root = Root::Order { tenant: tenant.clone(), order_ref: order_ref.clone() };
        let (steps, _) = history(view, at, &root, None, 1_000).unwrap();
        let found: BTreeSet<u64> = steps.iter().map(|step| step.index).collect();
        for (index, entry) in entries.iter().filter(|(_, entry)| entry.tenant == *tenant) {
            let Body::Commission(commission) = &entry.body else { continue };
            let sale = entries.iter().find(|(_, one)| {
                one.kind() == Kind::Transaction
                    && one.external_id == commission.transaction
                    && one.tenant == *tenant
            });
            let Some((_, Entry { body: Body::Transaction(sale), .. })) = sale else { continue };
            if sale.order_ref == *order_ref {
                let mut expected = scanned_history(entries, scanned, *index);
                expected.retain(|at| entries[at].kind() != Kind::ProgramTerms);
                assert!(found.is_superset(&expected), "{order_ref}");
            }
        }
    }
}

fn downlines(view: &View, at: &AsOf, entries: &Entries) {
    let mut above: HashMap<(Id, Id), (u64, Option<Id>)> = HashMap::new();
    for (index, entry) in entries {
        if let Body::AffiliateUpline(stated) = &entry.body {
            let name = (entry.tenant.clone(), stated.affiliate.clone());
            above.insert(name, (*index, stated.upline.clone()));
        }
    }
    let tops: BTreeSet<(Id, Id)> = above
        .iter()
        .filter_map(|((tenant, _), (_, upline))| Some((tenant.clone(), upline.clone()?)))
        .collect();
    for (tenant, affiliate) in tops {
        let of = Downline { tenant: tenant.clone(), affiliate: affiliate.clone(), depth: 3 };
        let (rows, next) = downline(view, at, &of, None, 1_000).unwrap();
        assert_eq!(next, None);
        let mut expected = BTreeSet::new();
        let mut level = vec![affiliate];
        for depth in 1..=3u8 {
            let below = above.iter().filter(|((of, _), (_, upline))| {
                *of == tenant && upline.as_ref().is_some_and(|upline| level.contains(upline))
            });
            let below: Vec<(Id, u64)> =
                below.map(|((_, affiliate), (index, _))| (affiliate.clone(), *index)).collect();
            level = below.iter().map(|(affiliate, _)| affiliate.clone()).collect();
            expected.extend(below.into_iter().map(|(one, index)| (one, index, depth)));
        }
        let found: BTreeSet<(Id, u64, u8)> =
            rows.iter().map(|row| (row.affiliate.clone(), row.index, row.level)).collect();
        assert_eq!(found, expected, "{} at height {}", of.affiliate, at.height);
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = downline(view, at, &of, after, 2).unwrap();
            paged.extend(page);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(paged, rows);
    }
}
