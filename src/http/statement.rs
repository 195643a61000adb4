//! Which period a statement is of.

use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::{Problem, ProblemType};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::protocol::time::Timestamp;
use crate::query::{Bound, Period};

/// Which statement. The period begins and ends where the ledger does, unless it is said otherwise.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatementQuery {
    /// The tenant.
    pub tenant: Id,
    /// The currency.
    pub currency: Currency,
    /// The height of the period's first block.
    from_height: Option<u64>,
    /// The height of the period's last block.
    to_height: Option<u64>,
    /// Instead: the time that no block of the period is before.
    from_time: Option<Timestamp>,
    /// Instead: the time that all blocks of the period are before.
    to_time: Option<Timestamp>,
}

impl StatementQuery {
    /// The period.
    ///
    /// # Errors
    /// [`ProblemType::BadParameter`] where an end is given twice.
    pub fn period(&self) -> Result<Period, Problem> {
        let bound = |height: Option<u64>, time: Option<Timestamp>, field: &str| match (height, time)
        {
            (None, None) => Ok(Bound::Open),
            (Some(height), None) => Ok(Bound::Height(height)),
            (None, Some(time)) => Ok(Bound::Time(time)),
            (Some(_), Some(_)) => {
                let detail = format!("{field}: a height is given already");
                Err(Problem::new(ProblemType::BadParameter, detail).at(field))
            }
        };
        Ok(Period {
            from: bound(self.from_height, self.from_time, "from_time")?,
            to: bound(self.to_height, self.to_time, "to_time")?,
        })
    }
}
