//! What each affiliate is due, and what it is paid.

use counterfoil::protocol::entry::{Effect, PayoutLine};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, MoneyError};

use super::pounds::Pounds;
use super::program;

/// What an affiliate is due.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Commissions that the merchant has paid for.
    pub commissions: Vec<(Id, Amount)>,
    /// What was taken back after it locked.
    pub debits: Vec<(Id, Amount)>,
    /// What earlier payouts kept; below zero what they paid too much.
    pub carried: Pounds,
}

/// What an affiliate is paid at a time.
#[derive(Debug, PartialEq, Eq)]
pub struct Payment {
    /// The payout's lines.
    pub lines: Vec<PayoutLine<Amount>>,
    /// What is sent.
    pub total: Amount,
    /// What the affiliate was due, in case the payment fails.
    due: Account,
}

impl Account {
    /// Pays all that is due, or carries it forward: what is too little, and what is owed. Without
    /// anything new there is no payment.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`].
    pub fn pay(&mut self) -> Result<Option<Payment>, MoneyError> {
        if self.commissions.is_empty() && self.debits.is_empty() {
            return Ok(None);
        }
        let due = std::mem::take(self);
        let mut lines = Vec::new();
        carry(&mut lines, due.carried)?;
        let of = |(id, amount): &(Id, Amount)| (id.clone(), *amount);
        lines.extend(
            due.commissions
                .iter()
                .map(of)
                .map(|(commission, amount)| PayoutLine::Commission { commission, amount }),
        );
        lines.extend(
            due.debits
                .iter()
                .map(of)
                .map(|(adjustment, amount)| PayoutLine::Adjustment { adjustment, amount }),
        );
        let net = due.carried + sum(&due.commissions) - sum(&due.debits);
        let mut total = Amount::ZERO;
        if net >= program::min_payout() {
            total = net.to_pennies()?;
        } else {
            carry(&mut lines, -net)?;
            self.carried = net;
        }
        Ok(Some(Payment { lines, total, due }))
    }

    /// Takes back a payment that never arrived or that came back. It was the latest one.
    pub fn undo(&mut self, payment: &mut Payment) {
        let mut due = std::mem::take(&mut payment.due);
        due.commissions.append(&mut self.commissions);
        due.debits.append(&mut self.debits);
        *self = due;
    }
}

fn sum(amounts: &[(Id, Amount)]) -> Pounds {
    amounts.iter().map(|(_, amount)| Pounds::from_pennies(*amount)).sum()
}

/// Carries `value` forward: adds it to the payout or, below zero, takes it off.
fn carry(lines: &mut Vec<PayoutLine<Amount>>, value: Pounds) -> Result<(), MoneyError> {
    let (effect, value) =
        if value < Pounds::ZERO { (Effect::Debit, -value) } else { (Effect::Credit, value) };
    if value != Pounds::ZERO {
        lines.push(PayoutLine::CarriedForward { effect, amount: value.to_pennies()? });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pennies(units: u64) -> Amount {
        Amount::from_units(units).unwrap()
    }

    fn named(name: &str, units: u64) -> (Id, Amount) {
        (Id::new(name).unwrap(), pennies(units))
    }

    /// The lines as signed pennies, and the total.
    fn show(payment: &Payment) -> (Vec<(char, i64)>, u64) {
        let lines = payment.lines.iter().map(|line| {
            let units = i64::try_from(line.amount().units()).unwrap();
            match line {
                PayoutLine::Commission { .. } => ('c', units),
                PayoutLine::Adjustment { .. } => ('a', -units),
                PayoutLine::CarriedForward { effect: Effect::Credit, .. } => ('f', units),
                PayoutLine::CarriedForward { effect: Effect::Debit, .. } => ('f', -units),
                PayoutLine::Fee { .. } | PayoutLine::WithheldTax { .. } => ('?', units),
            }
        });
        (lines.collect(), payment.total.units())
    }

    #[test]
    fn pays_keeps_and_remembers_what_is_owed() {
        /// New commissions and debits of a month; what its payout has as lines, and its total.
        type Month = (&'static [u64], &'static [u64], &'static [(char, i64)], u64);
        const MONTHS: &[Month] = &[
            (&[2_000], &[], &[('c', 2_000), ('f', -2_000)], 0),
            (&[500], &[], &[('f', 2_000), ('c', 500)], 2_500),
            (&[100], &[900], &[('c', 100), ('a', -900), ('f', 800)], 0),
            (&[700], &[], &[('f', -800), ('c', 700), ('f', 100)], 0),
            (&[100], &[], &[('f', -100), ('c', 100)], 0),
            (&[3_000, 1], &[1], &[('c', 3_000), ('c', 1), ('a', -1)], 3_000),
        ];
        let mut account = Account::default();
        for (commissions, debits, lines, total) in MONTHS {
            account.commissions = commissions.iter().map(|units| named("C", *units)).collect();
            account.debits = debits.iter().map(|units| named("A", *units)).collect();
            let payment = account.pay().unwrap().unwrap();
            assert_eq!(show(&payment), (lines.to_vec(), *total));
            assert_eq!(account.pay(), Ok(None), "nothing new");
        }
        assert_eq!(account, Account::default());
    }

    #[test]
    fn what_failed_is_due_again() {
        let mut account =
            Account { carried: Pounds::from_pennies(pennies(70)), ..Account::default() };
        account.commissions.push(named("C-1", 3_000));
        let mut payment = account.pay().unwrap().unwrap();
        assert_eq!(account.carried, Pounds::ZERO);
        account.commissions.push(named("C-2", 5));
        account.undo(&mut payment);
        let again = account.pay().unwrap().unwrap();
        assert_eq!(show(&again), (vec![('f', 70), ('c', 3_000), ('c', 5)], 3_075));
    }
}
