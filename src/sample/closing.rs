//! The end of a payout: what is taken off, kept and lent.

use super::coins::Coin;
use crate::protocol::money::Amount;

/// From what on an affiliate is paid, in euro cents; less is kept.
const LEAST_PAID_EURO_CENTS: u64 = 500;
/// What a payout costs some affiliates.
const FEE_EURO_CENTS: u64 = 35;
/// The tax that is withheld from some affiliates, in parts per million.
const WITHHELD_TAX_PPM: u32 = 150_000;

/// What closes a payout. Lines only where there is something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// Taken off for the payment.
    pub fee: Amount,
    /// Taken off for the tax office.
    pub withheld_tax: Amount,
    /// Added from what was kept before, or lent to who owes more than there is.
    pub added: Amount,
    /// Taken off and kept, or taken off for what was lent.
    pub kept: Amount,
    /// What it comes to.
    pub total: Amount,
}

impl Closing {
    /// What closes a payout of an affiliate whose lines come to so much, added and taken off,
    /// where so much was `kept` before: below zero, where it was lent.
    pub fn new(
        (added, taken_off): (Amount, Amount),
        affiliate: u32,
        coin: &Coin,
        kept: i128,
    ) -> Self {
        let Some(mut rest) = added.checked_sub(taken_off) else {
            // The debits are more: what is lacking is lent.
            let added = rest_of(taken_off, added);
            return Self { added, ..Self::default() };
        };
        let mut closing = Self::default();
        let take = |rest: &mut Amount, amount: Amount| {
            let taken = amount.min(*rest);
            *rest = rest_of(*rest, taken);
            taken
        };
        if affiliate % 8 == 5 {
            let tax = rest.parts_per_million(WITHHELD_TAX_PPM).unwrap_or_default();
            closing.withheld_tax = take(&mut rest, tax);
        }
        if affiliate % 4 == 2 {
            closing.fee = take(&mut rest, coin.amount(FEE_EURO_CENTS));
        }
        let units = |units: i128| {
            let units = u64::try_from(units).ok().and_then(|units| Amount::from_units(units).ok());
            units.unwrap_or_default()
        };
        if kept < 0 {
            closing.kept = take(&mut rest, units(-kept));
            if kept + i128::from(closing.kept.units()) < 0 {
                // It pays off what it can.
                return closing;
            }
        } else {
            closing.added = units(kept);
            rest = rest.checked_add(closing.added).unwrap_or(Amount::MAX);
        }
        let least = coin.amount(LEAST_PAID_EURO_CENTS);
        if rest < least {
            let more = rest;
            closing.kept = closing.kept.checked_add(more).unwrap_or(Amount::MAX);
            rest = Amount::ZERO;
        }
        closing.total = rest;
        closing
    }
}

fn rest_of(all: Amount, part: Amount) -> Amount {
    all.checked_sub(part).expect("a part is at most the whole")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::spec::Currencies;

    #[test]
    fn what_is_kept_and_lent_comes_out_even() {
        let euro = Coin::all(&Currencies::new([("EUR".parse().unwrap(), 2)])).pop().unwrap();
        // Added, taken off, kept before; then fee, tax, added, kept and total. The affiliates
        // are one without a fee and tax, one with a fee, one with tax.
        let cases = [
            (0, (1_000, 0, 0), (0, 0, 0, 0, 1_000)),
            (0, (1_000, 300, 0), (0, 0, 0, 0, 700)),
            (0, (400, 0, 0), (0, 0, 0, 400, 0)),
            (0, (400, 0, 200), (0, 0, 200, 0, 600)),
            (0, (400, 0, 50), (0, 0, 50, 450, 0)),
            (0, (100, 250, 0), (0, 0, 150, 0, 0)),
            (0, (100, 100, 0), (0, 0, 0, 0, 0)),
            (0, (900, 0, -150), (0, 0, 0, 150, 750)),
            (0, (600, 0, -150), (0, 0, 0, 600, 0)),
            (0, (100, 0, -150), (0, 0, 0, 100, 0)),
            (2, (1_000, 0, 0), (35, 0, 0, 0, 965)),
            (2, (20, 0, 0), (20, 0, 0, 0, 0)),
            (5, (1_000, 0, 0), (0, 150, 0, 0, 850)),
        ];
        for (affiliate, (added, taken_off, kept), expected) in cases {
            let lines = (added, taken_off);
            let [added, taken_off] =
                [added, taken_off].map(|units| Amount::from_units(units).unwrap());
            let closing = Closing::new((added, taken_off), affiliate, &euro, kept);
            let Closing { fee, withheld_tax, added, kept, total } = closing;
            let got =
                (fee.units(), withheld_tax.units(), added.units(), kept.units(), total.units());
            assert_eq!(got, expected, "{affiliate} {lines:?}");
        }
    }
}
