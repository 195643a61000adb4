//! Who stands below an affiliate, and what each of them earns.
//!
//! The tree is walked from above, each affiliate before those below it, those of one upline in the
//! order in which they came to it. What places an affiliate is the latest word on its upline; its log
//! index is the place in the walk, too, from which the way back up is found by the same words. So a
//! page costs no more than what it shows, however large the tree is.

use serde::Serialize;
use utoipa::ToSchema;

use super::figure::{Figure, figure, scale};
use super::{AsOf, QueryError, links};
use crate::protocol::accounts::{Account, Slot};
use crate::protocol::entry::{AffiliateUpline, Body};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::protocol::rules::{CommissionState, MAX_UPLINE_DEPTH};
use crate::protocol::time::Timestamp;
use crate::store::{Lookup, Span, View};

/// The most levels that are walked down.
pub const MAX_DEPTH: u8 = 64;
const _: () = assert!(MAX_DEPTH as usize == MAX_UPLINE_DEPTH, "as many as may stand above one");
/// The most words on uplines that a page looks at, whether they still hold or not.
const MAX_LOOKED_AT: usize = 10_000;

/// An affiliate that stands below another, and what it has in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DownlineMember {
    /// The affiliate.
    pub affiliate: Id,
    /// Who stands above it.
    pub upline: Id,
    /// How many levels below the affiliate that was asked about.
    #[schema(example = 1)]
    pub level: u8,
    /// Since when, by the submitter's word.
    pub since: Timestamp,
    /// The currency of the amounts; none for one for whom nothing ever moved.
    pub currency: Option<Currency>,
    /// How many commissions it earned, those that were brought in included.
    #[schema(example = 12)]
    pub commissions: u64,
    /// What they were stated at, as amended.
    #[schema(value_type = Option<String>, example = "120.00")]
    pub stated: Option<Figure>,
    /// What of that is locked, funded, in a payout or paid.
    #[schema(value_type = Option<String>, example = "90.00")]
    pub earned: Option<Figure>,
    /// What of that is paid.
    #[schema(value_type = Option<String>, example = "60.00")]
    pub paid: Option<Figure>,
    /// The log index of the entry that says who stands above it.
    pub index: u64,
    /// The proof that it is on the ledger.
    #[schema(example = "/v1/entries/7/receipt")]
    pub receipt: String,
}

/// Whose downline, and how far down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downline {
    /// The tenant.
    pub tenant: Id,
    /// The affiliate at the top.
    pub affiliate: Id,
    /// How many levels.
    pub depth: u8,
}

/// A stretch of those who came to one upline that is still to be walked.
struct Rest {
    upline: Id,
    /// From which log index on.
    from: u64,
    level: u8,
}

struct Walk<'a> {
    view: &'a View,
    of: &'a Downline,
    last: u64,
    /// What is still to be walked, the nearest last.
    rests: Vec<Rest>,
    looked_at: usize,
}

/// Those below an affiliate after a place in the walk, so many rows at most unless one affiliate
/// alone has more, and the place to go on after.
///
/// # Errors
/// [`QueryError`].
pub fn downline(
    view: &View,
    at: &AsOf,
    of: &Downline,
    after: Option<u64>,
    limit: usize,
) -> Result<(Vec<DownlineMember>, Option<u64>), QueryError> {
    let mut walk = Walk { view, of, last: at.last_index(), rests: Vec::new(), looked_at: 0 };
    walk.begin(after)?;
    let mut rows: Vec<DownlineMember> = Vec::new();
    let mut place = after;
    while let Some((index, stated, level)) = walk.next()? {
        if let Some((stated, since)) = stated {
            let members = members(view, at, of, (index, &stated, since, level))?;
            if !rows.is_empty() && rows.len() + members.len() > limit {
                return Ok((rows, place));
            }
            rows.extend(members);
        }
        place = Some(index);
        if rows.len() >= limit || walk.looked_at >= MAX_LOOKED_AT {
            return Ok((rows, place));
        }
    }
    Ok((rows, None))
}

impl Walk<'_> {
    /// Finds the way back from `after` up to the top: what is beside and below it is still to come.
    fn begin(&mut self, after: Option<u64>) -> Result<(), QueryError> {
        let top = || Rest { upline: self.of.affiliate.clone(), from: 0, level: 1 };
        let Some(after) = after else {
            self.rests = vec![top()];
            return Ok(());
        };
        let Some(AffiliateUpline { affiliate, upline: Some(upline) }) = self.stated(after)? else {
            return Ok(());
        };
        let below = self.latest(&affiliate)?.is_some_and(|(index, _, _)| index == after);
        // From the nearest to the top; levels are known when that is reached.
        let mut rests = Vec::new();
        if below {
            rests.push(Rest { upline: affiliate, from: 0, level: 0 });
        }
        rests.push(Rest { upline: upline.clone(), from: after + 1, level: 0 });
        let mut lowest = upline;
        while lowest != self.of.affiliate && rests.len() <= usize::from(MAX_DEPTH) + 1 {
            let Some((index, AffiliateUpline { upline: Some(upline), .. }, _)) =
                self.latest(&lowest)?
            else {
                return Ok(());
            };
            rests.push(Rest { upline: upline.clone(), from: index + 1, level: 0 });
            lowest = upline;
        }
        rests.reverse();
        for (rest, level) in rests.iter_mut().zip(1u8..) {
            rest.level = level;
        }
        rests.retain(|rest| rest.level <= self.of.depth);
        self.rests = rests;
        Ok(())
    }

    /// The next word on who stands below somebody: where it stands, whether it still holds, and at
    /// which level.
    #[expect(clippy::type_complexity, reason = "one place gives it, and one takes it")]
    fn next(
        &mut self,
    ) -> Result<Option<(u64, Option<(AffiliateUpline, Timestamp)>, u8)>, QueryError> {
        while let Some(Rest { upline, from, level }) = self.rests.pop() {
            let span = Span::up_to(self.last).from(from);
            let next =
                self.view.look_up(Some(&self.of.tenant), Lookup::Upline(&upline), span).next();
            let Some(hit) = next.transpose()? else { continue };
            self.looked_at += 1;
            self.rests.push(Rest { upline, from: hit.index + 1, level });
            let entry = hit.entry.entry();
            let Body::AffiliateUpline(stated) = &entry.body else { continue };
            let holds = self.latest(&stated.affiliate)?.is_some_and(|(at, _, _)| at == hit.index);
            if holds && level < self.of.depth {
                let (upline, level) = (stated.affiliate.clone(), level + 1);
                self.rests.push(Rest { upline, from: 0, level });
            }
            let stated = holds.then(|| (stated.clone(), entry.event_time));
            return Ok(Some((hit.index, stated, level)));
        }
        Ok(None)
    }

    /// What the entry at `index` says of an upline.
    fn stated(&self, index: u64) -> Result<Option<AffiliateUpline>, QueryError> {
        let found = self.view.entry(index)?;
        let found = found.filter(|found| found.entry().tenant == self.of.tenant);
        Ok(found.and_then(|found| match &found.entry().body {
            Body::AffiliateUpline(stated) => Some(stated.clone()),
            _ => None,
        }))
    }

    /// The latest word on who stands above an affiliate: where it stands, and of when it is.
    fn latest(
        &self,
        affiliate: &Id,
    ) -> Result<Option<(u64, AffiliateUpline, Timestamp)>, QueryError> {
        let by = Lookup::UplineOf(affiliate);
        let span = Span::up_to(self.last).newest_first();
        let hit = self.view.look_up(Some(&self.of.tenant), by, span).next().transpose()?;
        Ok(hit.and_then(|hit| match &hit.entry.entry().body {
            Body::AffiliateUpline(stated) => {
                Some((hit.index, stated.clone(), hit.entry.entry().event_time))
            }
            _ => None,
        }))
    }
}

/// The rows of one affiliate: one for each currency in which anything moved, or else one.
fn members(
    view: &View,
    at: &AsOf,
    of: &Downline,
    (index, stated, since, level): (u64, &AffiliateUpline, Timestamp, u8),
) -> Result<Vec<DownlineMember>, QueryError> {
    use CommissionState::{Funded, InPayout, Locked, Paid};
    let plain = DownlineMember {
        affiliate: stated.affiliate.clone(),
        upline: stated.upline.clone().unwrap_or_else(|| of.affiliate.clone()),
        level,
        since,
        currency: None,
        commissions: 0,
        stated: None,
        earned: None,
        paid: None,
        index,
        receipt: links::receipt(index),
    };
    let mut rows = Vec::new();
    for (currency, _) in view.spec().currencies.iter() {
        let account = Account::Affiliate(&stated.affiliate, currency);
        let sums = view.sums(&of.tenant, account, at.last_index())?;
        if sums.is_empty() {
            continue;
        }
        let scale = scale(view, currency)?;
        let sum = |slots: &[Slot]| slots.iter().map(|slot| sums.get(*slot)).sum::<i128>();
        let stated = [Slot::STATED_AMOUNT, Slot::IMPORTED_AMOUNT, Slot::AMENDED_AMOUNT];
        let earned = [Locked, Funded, InPayout, Paid].map(Slot::left);
        rows.push(DownlineMember {
            currency: Some(currency),
            commissions: u64::try_from(sum(&[Slot::STATED, Slot::IMPORTED])).unwrap_or(0),
            stated: Some(Figure::new(sum(&stated), scale)),
            earned: Some(Figure::new(sum(&earned), scale)),
            paid: Some(figure(&sums, Slot::left(Paid), scale)),
            ..plain.clone()
        });
    }
    if rows.is_empty() {
        rows.push(plain);
    }
    Ok(rows)
}
