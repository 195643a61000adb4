//! What an affiliate has or a merchant owes, state by state, as a bar and as figures.

use super::chart::scaled;
use super::messages::{Said, say};
use super::values::Money;
use crate::protocol::money::Currency;
use crate::protocol::rules::CommissionState as State;
use crate::query::{AffiliateBalance, Figure, MerchantLiabilities};

/// The most currencies that a page shows balances in.
pub(super) const MAX_CURRENCIES: usize = 8;
/// The length of a bar, in units of its own.
const BAR_UNITS: u64 = 1_000;

/// What there is in one currency.
pub(super) struct Balances {
    pub(super) currency: Currency,
    /// By state, in the order of a commission's life.
    pub(super) states: Vec<InState>,
    /// What isn't a commission, or isn't one any more.
    pub(super) beside: Vec<Beside>,
}

/// What there is in a state.
pub(super) struct InState {
    pub(super) state: State,
    pub(super) amount: Money,
    /// Where it begins in the bar, and how long it is.
    pub(super) x: u64,
    pub(super) width: u64,
}

/// A figure beside the states.
pub(super) struct Beside {
    pub(super) name: Said<'static>,
    pub(super) amount: Money,
}

impl Balances {
    pub(super) fn of_affiliate(balance: &AffiliateBalance) -> Self {
        let states = [
            (State::Pending, balance.pending),
            (State::Extended, balance.extended),
            (State::Approved, balance.approved),
            (State::Locked, balance.locked),
            (State::Funded, balance.funded),
            (State::InPayout, balance.in_payout),
            (State::Paid, balance.paid),
            (State::Declined, balance.declined),
        ];
        let beside = [
            (say("Adjustments, not paid yet"), balance.adjustments_free),
            (say("Adjustments in a payout"), balance.adjustments_in_payout),
            (say("Adjustments paid"), balance.adjustments_paid),
            (say("Kept for later payouts"), balance.carried_forward),
        ];
        Self::new(balance.currency, &states, beside.into_iter().collect())
    }

    pub(super) fn of_merchant(owed: &MerchantLiabilities) -> Self {
        let states = [
            (State::Pending, owed.pending),
            (State::Extended, owed.extended),
            (State::Approved, owed.approved),
            (State::Locked, owed.locked),
            (State::Funded, owed.funded),
            (State::InPayout, owed.in_payout),
            (State::Paid, owed.paid),
            (State::Declined, owed.declined),
        ];
        let beside = [
            (say("Network’s fees on what is locked"), owed.fees_locked),
            (say("Received from the merchant"), owed.received),
            (say("Of that for commissions"), owed.covered),
            (say("Prepaid"), owed.prepaid),
        ];
        Self::new(owed.currency, &states, beside.into_iter().collect())
    }

    fn new(
        currency: Currency,
        states: &[(State, Figure)],
        beside: Vec<(Said<'static>, Figure)>,
    ) -> Self {
        let units = |figure: Figure| u128::try_from(figure.units()).unwrap_or(0);
        let whole = states.iter().fold(0u128, |sum, (_, one)| sum.saturating_add(units(*one)));
        let mut x = 0;
        let mut of_states = Vec::new();
        for (state, figure) in states {
            let width = scaled(units(*figure), whole, BAR_UNITS).min(BAR_UNITS.saturating_sub(x));
            let amount = Money::of(currency, *figure);
            of_states.push(InState { state: *state, amount, x, width });
            x += width;
        }
        let beside = beside.into_iter().filter(|(_, figure)| figure.units() != 0);
        let beside =
            beside.map(|(name, figure)| Beside { name, amount: Money::of(currency, figure) });
        Self { currency, states: of_states, beside: beside.collect() }
    }

    #[expect(clippy::unused_self, reason = "templates ask it of what they draw")]
    pub(super) fn bar_units(&self) -> u64 {
        BAR_UNITS
    }
}
