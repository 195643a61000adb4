//! The fundings, payouts and payout events of random histories.

use std::collections::BTreeSet;

use counterfoil::protocol::entry::{Body, Effect, Entry, Kind, PaymentEvent, PayoutLine};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, Currency};

use super::histories::{DAY_MS, Player, amounting};
use super::model::units as of;
use crate::market::{self, at};

/// A merchant pays for some of what is locked.
pub fn funding(player: &mut Player<'_>) -> Option<Entry> {
    let locked = player.standing(&["locked"]);
    let first = player.some(locked.clone())?;
    let first = player.known.commission(&first)?;
    let whose = (first.merchant.clone(), first.currency);
    let mut lines = Vec::new();
    for name in locked {
        let now = player.known.commission(&name)?;
        let left = now.left() - now.funded;
        if (now.merchant, now.currency) == (&whose.0, whose.1) && left > 0 && !player.one_in(3) {
            let amount = player.one_of(&[left, left, left, left.div_ceil(2)]);
            lines.push(market::covered(name.as_str(), amounting(amount).units()));
        }
    }
    let needed: u128 = lines.iter().map(|line| of(line.amount)).sum();
    let (received, covers) = player.known.prepaid(&whose.0, whose.1);
    let short = needed.saturating_sub(received - covers);
    let received = player.one_of(&[short, needed, short + 7]);
    Some(market::funding(&player.name("F"), |body| {
        (body.merchant, body.currency) = whose;
        (body.received, body.lines) = (amounting(received), lines);
    }))
}

/// What an affiliate has to get: funded commissions and free adjustments.
fn due(player: &mut Player<'_>, affiliate: &Id, code: Currency) -> Vec<PayoutLine<Amount>> {
    let mut lines = Vec::new();
    for name in player.standing(&["funded"]) {
        let now = player.known.commission(&name).unwrap();
        if (now.affiliate, now.currency) == (affiliate, code) && !player.one_in(4) {
            lines.push(market::line(name.as_str(), amounting(now.left()).units()));
        }
    }
    for name in player.named(Kind::Adjustment) {
        let now = player.known.adjustment(&name).unwrap();
        let free = now.standing == "free" && (now.affiliate, now.currency) == (affiliate, code);
        if free && !player.one_in(4) {
            lines.push(market::adjusting(name.as_str(), amounting(now.amount).units()));
        }
    }
    lines
}

/// Pays an affiliate, in one part or several.
pub fn payout(player: &mut Player<'_>) -> Option<Entry> {
    let slips = player.slips();
    let open: Vec<_> = player
        .known
        .payouts()
        .into_iter()
        .filter(|(_, payout)| slips || payout.standing == "open")
        .filter_map(|(_, payout)| payout.parts.last().copied())
        .collect();
    let previous = if player.one_in(3) { None } else { player.some(open) };
    let (affiliate, code, from, until) = if let Some((_, part)) = previous {
        (part.affiliate.clone(), part.currency, part.period_from, part.period_until)
    } else {
        let whose: BTreeSet<(Id, Currency)> = player
            .standing(&["funded"])
            .iter()
            .map(|name| player.known.commission(name).unwrap())
            .map(|now| (now.affiliate.clone(), now.currency))
            .collect();
        let anybody = (player.affiliate(), market::currency(player.code()));
        let (affiliate, code) = player.some(whose.into_iter().collect()).unwrap_or(anybody);
        (affiliate, code, at(player.now - DAY_MS), at(player.now))
    };
    let mut lines = due(player, &affiliate, code);
    if lines.is_empty() && !player.one_in(4) {
        return None;
    }
    if player.one_in(5) {
        let small = 1 + player.random.below(4);
        lines.push(player.one_of(&[market::fee(small), market::withheld_tax(small)]));
    }
    let (kept, used) = player.known.carried(&affiliate, code);
    if kept > used && player.one_in(2) {
        lines.push(market::carried(Effect::Credit, amounting(kept - used).units()));
    }
    if kept < used && !player.one_in(4) && !slips {
        lines.push(market::carried(Effect::Debit, amounting(used - kept).units()));
    }
    if player.one_in(6) {
        let effect = player.one_of(&[Effect::Debit, Effect::Debit, Effect::Credit]);
        lines.push(market::carried(effect, 1 + player.random.below(10)));
    }
    let mut earlier = Vec::new();
    if let Some((name, _)) = previous {
        let parts = player.known.payout(player.known.first_part(name)).parts;
        earlier = parts.iter().flat_map(|(_, part)| part.lines.clone()).collect();
    }
    let closes = !player.one_in(3);
    let (added, taken_off) = player.known.sums(earlier.iter().chain(&lines));
    if closes && added < taken_off {
        // Who owes is paid nothing, and the debt is carried forward.
        lines.push(market::carried(Effect::Credit, amounting(taken_off - added).units()));
    }
    let total = closes.then(|| amounting(added.saturating_sub(taken_off)));
    let to = player.code();
    let fx = (closes && player.one_in(5) && to != code.as_str()) || player.slips();
    let fx = fx.then(|| market::fx(code.as_str(), to, 1_250_000_000));
    let previous = previous.map(|(name, _)| name.clone());
    Some(market::payout(&player.name("P"), |body| {
        (body.affiliate, body.currency) = (affiliate, code);
        (body.period_from, body.period_until) = (from, until);
        (body.continues, body.lines, body.total, body.fx) = (previous, lines, total, fx);
    }))
}

/// What becomes of a payout.
pub fn event(player: &mut Player<'_>) -> Option<Entry> {
    let done = ["failed", "returned"];
    let slips = player.slips();
    let payouts = player.known.payouts();
    let live = payouts.into_iter().filter(|(_, payout)| slips || !done.contains(&payout.standing));
    let (mut name, payout) = player.some(live.collect())?;
    if slips {
        (name, _) = *payout.parts.last()?;
    }
    let event = match payout.standing {
        "open" => PaymentEvent::Failed,
        "closed" => {
            let reference = Some(market::id("bank"));
            player.one_of(&[
                PaymentEvent::Sent { payment_ref: None },
                PaymentEvent::Sent { payment_ref: reference },
                PaymentEvent::Completed,
                PaymentEvent::Failed,
            ])
        }
        "sent" => player.one_of(&[PaymentEvent::Completed, PaymentEvent::Failed]),
        _ => PaymentEvent::Returned,
    };
    // What failed in the making, or came back, is the exception.
    if ["open", "completed"].contains(&payout.standing) && !player.one_in(4) {
        return None;
    }
    Some(market::payout_event(&player.name("E"), name.as_str(), event))
}

/// Whether a payout entry pays something again that an earlier payout had.
pub fn pays_again(facts: &[Entry], place: usize) -> bool {
    let commissions = |entry: &Entry| -> Vec<Id> {
        let Body::Payout(payout) = &entry.body else { return Vec::new() };
        let lines = payout.lines.iter().filter_map(|line| match line {
            PayoutLine::Commission { commission, .. } => Some(commission.clone()),
            _ => None,
        });
        lines.collect()
    };
    let (before, entry) = (&facts[..place], &facts[place]);
    let again = commissions(entry);
    before
        .iter()
        .filter(|other| other.tenant == entry.tenant)
        .any(|other| commissions(other).iter().any(|name| again.contains(name)))
}
