//! What falls due when, by the program's calendar alone.

use std::collections::BTreeSet;

use counterfoil::protocol::time::Timestamp;

use super::purchases::SaleIndex;

/// The place of a payment in the order of payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaymentIndex(pub usize);

/// Something that falls due. At one time, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// The merchant approves a sale's commission.
    Approve(SaleIndex),
    /// A sale's commission locks.
    Lock(SaleIndex),
    /// The merchant pays for what is locked.
    Fund,
    /// Affiliates are paid.
    PayOut,
    /// Word comes of a payment.
    Hear(PaymentIndex, News),
}

/// What is heard of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// It has arrived.
    Arrived,
    /// It has not arrived, and won't.
    Failed,
    /// It had arrived, and came back.
    CameBack,
}

/// What is still to come.
#[derive(Default)]
pub struct Agenda(BTreeSet<(Timestamp, Due)>);

impl Agenda {
    /// Notes that `due` falls due at `time`.
    pub fn note(&mut self, time: Timestamp, due: Due) {
        self.0.insert((time, due));
    }

    /// The next that falls due up to `now`; it is struck off.
    pub fn take(&mut self, now: Timestamp) -> Option<(Timestamp, Due)> {
        if self.0.first()?.0 > now { None } else { self.0.pop_first() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order_of_time_and_of_a_commissions_life() {
        let at = |milliseconds| Timestamp::from_millis(milliseconds).unwrap();
        let mut agenda = Agenda::default();
        let noted = [
            (9, Due::Fund),
            (5, Due::PayOut),
            (5, Due::Fund),
            (5, Due::Lock(SaleIndex(0))),
            (5, Due::Approve(SaleIndex(1))),
            (5, Due::Approve(SaleIndex(0))),
            (1, Due::Hear(PaymentIndex(0), News::Arrived)),
        ];
        for (time, due) in noted {
            agenda.note(at(time), due);
        }
        let taken: Vec<_> = std::iter::from_fn(|| agenda.take(at(5))).collect();
        let expected: Vec<_> =
            noted.iter().skip(1).rev().map(|(time, due)| (at(*time), *due)).collect();
        assert_eq!(taken, expected);
        assert_eq!(agenda.take(at(8)), None);
        assert_eq!(agenda.take(at(9)), Some((at(9), Due::Fund)));
    }
}
