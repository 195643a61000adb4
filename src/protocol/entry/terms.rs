//! What a merchant's program pays, and when it locks.

use std::fmt::Arguments;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::Convert;
use super::tagged::tagged;
use super::transaction::Action;
use crate::protocol::codec;
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::protocol::time::Timestamp;

/// The most rules of one version of terms.
pub const MAX_TERMS_RULES: usize = 100;
/// The most tiers of a reward.
pub const MAX_REWARD_TIERS: usize = 20;
/// The most levels of uplines that one sale can earn overrides for.
pub const MAX_OVERRIDE_LEVELS: usize = 10;

/// The terms of a merchant's program: what a commission is worth, and when it locks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProgramTerms<A> {
    /// The merchant whose program it is.
    pub merchant: Id,
    /// The program.
    pub program: Id,
    /// 1 for a program's first terms, then one more each time.
    pub version: u32,
    /// From when they hold, by event time. A first version may reach back.
    pub effective_from: Timestamp,
    /// Until when they hold, exclusive; open when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_until: Option<Timestamp>,
    /// What earns commissions, in the order of the actions' numbers.
    pub actions: Vec<Action>,
    /// When a commission locks.
    pub locking: Locking,
    /// What the network charges the merchant on top, in parts per million of each commission.
    #[serde(default)]
    pub network_fee_ppm: u32,
    /// What a part of a transaction earns: the first rule that fits. 1 to [`MAX_TERMS_RULES`].
    pub rules: Vec<RewardRule<A>>,
}

tagged! {
    /// When a commission locks: until then the merchant may take it back, from then on no more.
    #[derive(Copy)]
    #[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
    pub enum Locking {
        /// At the event.
        1 "immediate" => Immediate,
        /// So many days after the event.
        2 "days" => Days {
            /// Days of 24 hours.
            days: u16,
        },
        /// At the beginning, in UTC, of a day of a later month.
        3 "month_day" => MonthDay {
            /// How many months after that of the event, 1 to 12.
            months: u8,
            /// The day of that month, 1 to 28.
            day: u8,
        },
        /// On no date: when it is decided.
        4 "open_ended" => OpenEnded,
    }
    fields { days: u16, months: u8, day: u8, }
}

/// What a part of a transaction earns, where it fits.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RewardRule<A> {
    /// Fits this group of items or orders only; any, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission_group: Option<Id>,
    /// Fits this group of affiliates only; any, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affiliate_group: Option<Id>,
    /// What is earned.
    pub reward: Reward<A>,
    /// How many transactions of one subscription earn; all of them, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurring: Option<u32>,
    /// The most that it comes to.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub cap: Option<Cap<A>>,
    /// What the uplines of who earns it get on top, in parts per million of the direct
    /// commission: the first for level 1, up to [`MAX_OVERRIDE_LEVELS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub override_ppm: Vec<u32>,
}

tagged! {
    /// What a part of a transaction earns.
    #[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
    pub enum Reward<A> {
        /// A share of the part's amount.
        1 "percent" => Percent {
            /// The share, in parts per million: 75000 is 7.5%.
            ppm: u32,
        },
        /// The same for every part, in one currency.
        2 "fixed" => Fixed {
            /// The currency.
            currency: Currency,
            /// How much.
            amount: A,
        },
        /// The more commissions in the period before, the more.
        3 "count_tiers" => CountTiers {
            /// What is counted together.
            period: Period,
            /// The tiers, from 0 upwards: 1 to [`MAX_REWARD_TIERS`].
            counts: Vec<Tier<u64, A>>,
        },
        /// The more volume in the period before, the more.
        4 "volume_tiers" => VolumeTiers {
            /// What is counted together.
            period: Period,
            /// The currency of the volume.
            currency: Currency,
            /// The tiers, from 0 upwards: 1 to [`MAX_REWARD_TIERS`].
            volumes: Vec<Tier<A, A>>,
        },
    }
    fields {
        ppm: u32,
        currency: Currency,
        amount: A,
        period: Period,
        counts: Vec<Tier<u64, A>>,
        volumes: Vec<Tier<A, A>>,
    }
}

/// A rate from some count or volume on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Tier<F, A> {
    /// From how much on.
    pub from: F,
    /// What is earned then.
    pub rate: Rate<A>,
}

tagged! {
    /// What a tier gives.
    #[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
    pub enum Rate<A> {
        /// A share of the part's amount.
        1 "percent" => Percent {
            /// The share, in parts per million.
            ppm: u32,
        },
        /// The same for every part, in one currency.
        2 "fixed" => Fixed {
            /// The currency.
            currency: Currency,
            /// How much.
            amount: A,
        },
    }
    fields { ppm: u32, currency: Currency, amount: A, }
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A calendar month, in UTC, of the transactions' event times.
    Month,
    /// All there is.
    Ever,
}

codec::numbered! {
    Period {
        1 => Month {},
        2 => Ever {},
    }
}

/// The most that an affiliate earns by a rule.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Cap<A> {
    /// The currency.
    pub currency: Currency,
    /// How much.
    pub amount: A,
    /// Of what.
    pub per: CapPer,
}

/// What a cap bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CapPer {
    /// What an affiliate earns in a calendar month, as of [`Period::Month`].
    Month,
    /// What an affiliate ever earns.
    Ever,
    /// What one part of a transaction earns, all its affiliates together.
    Part,
}

codec::numbered! {
    CapPer {
        1 => Month {},
        2 => Ever {},
        3 => Part {},
    }
}

impl CapPer {
    /// The period, of a cap that goes beyond one transaction.
    pub const fn period(self) -> Option<Period> {
        match self {
            Self::Month => Some(Period::Month),
            Self::Ever => Some(Period::Ever),
            Self::Part => None,
        }
    }
}

impl<A> ProgramTerms<A> {
    pub(super) fn try_map<B, E>(
        self,
        convert: &mut impl Convert<A, B, E>,
    ) -> Result<ProgramTerms<B>, E> {
        Ok(ProgramTerms {
            merchant: self.merchant,
            program: self.program,
            version: self.version,
            effective_from: self.effective_from,
            effective_until: self.effective_until,
            actions: self.actions,
            locking: self.locking,
            network_fee_ppm: self.network_fee_ppm,
            rules: self
                .rules
                .into_iter()
                .enumerate()
                .map(|(number, rule)| rule.try_map(format_args!("rules[{number}]"), convert))
                .collect::<Result<_, E>>()?,
        })
    }
}

impl<A> RewardRule<A> {
    fn try_map<B, E>(
        self,
        at: Arguments<'_>,
        convert: &mut impl Convert<A, B, E>,
    ) -> Result<RewardRule<B>, E> {
        Ok(RewardRule {
            commission_group: self.commission_group,
            affiliate_group: self.affiliate_group,
            reward: self.reward.try_map(format_args!("{at}.reward"), convert)?,
            recurring: self.recurring,
            cap: match self.cap {
                None => None,
                Some(Cap { currency, amount, per }) => {
                    let amount = convert(format_args!("{at}.cap.amount"), currency, amount)?;
                    Some(Cap { currency, amount, per })
                }
            },
            override_ppm: self.override_ppm,
        })
    }
}

impl<A> Reward<A> {
    fn try_map<B, E>(
        self,
        at: Arguments<'_>,
        convert: &mut impl Convert<A, B, E>,
    ) -> Result<Reward<B>, E> {
        Ok(match self {
            Self::Percent { ppm } => Reward::Percent { ppm },
            Self::Fixed { currency, amount } => {
                let amount = convert(format_args!("{at}.amount"), currency, amount)?;
                Reward::Fixed { currency, amount }
            }
            Self::CountTiers { period, counts } => {
                let counts = counts.into_iter().enumerate().map(|(number, Tier { from, rate })| {
                    let rate = rate.try_map(format_args!("{at}.counts[{number}].rate"), convert)?;
                    Ok(Tier { from, rate })
                });
                Reward::CountTiers { period, counts: counts.collect::<Result<_, E>>()? }
            }
            Self::VolumeTiers { period, currency, volumes } => {
                let volumes =
                    volumes.into_iter().enumerate().map(|(number, Tier { from, rate })| {
                        let from =
                            convert(format_args!("{at}.volumes[{number}].from"), currency, from)?;
                        let rate =
                            rate.try_map(format_args!("{at}.volumes[{number}].rate"), convert)?;
                        Ok(Tier { from, rate })
                    });
                let volumes = volumes.collect::<Result<_, E>>()?;
                Reward::VolumeTiers { period, currency, volumes }
            }
        })
    }
}

impl<A> Rate<A> {
    fn try_map<B, E>(
        self,
        at: Arguments<'_>,
        convert: &mut impl Convert<A, B, E>,
    ) -> Result<Rate<B>, E> {
        Ok(match self {
            Self::Percent { ppm } => Rate::Percent { ppm },
            Self::Fixed { currency, amount } => Rate::Fixed {
                currency,
                amount: convert(format_args!("{at}.amount"), currency, amount)?,
            },
        })
    }
}
