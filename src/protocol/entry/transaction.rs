//! What may earn commissions.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::Convert;
use crate::protocol::codec;
use crate::protocol::id::Id;
use crate::protocol::money::{Currency, ExchangeRate};
use crate::protocol::time::Timestamp;

/// The most items of a transaction.
pub const MAX_TRANSACTION_ITEMS: usize = 100;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Something was bought.
    Sale,
    /// Interest was shown.
    Lead,
    /// An account was opened.
    Signup,
    /// Something recurring was paid for.
    Subscription,
}

codec::numbered! {
    Action {
        1 => Sale {},
        2 => Lead {},
        3 => Signup {},
        4 => Subscription {},
    }
}

impl Action {
    /// Every action, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Sale, Self::Lead, Self::Signup, Self::Subscription];

    /// The name in text, such as `sale`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Lead => "lead",
            Self::Signup => "signup",
            Self::Subscription => "subscription",
        }
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A sale, lead, signup or subscription that may earn commissions.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Transaction<A> {
    /// The merchant's own reference of the order; of a subscription, the same for each payment.
    pub order_ref: Id,
    /// The merchant who sold.
    pub merchant: Id,
    /// The merchant's program that it falls under.
    pub program: Id,
    /// What was done.
    pub action: Action,
    /// The currency of the amounts.
    pub currency: Currency,
    /// What commissions are reckoned from, discount taken off. Zero for a lead, say.
    pub amount: A,
    /// What was taken off.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub discount: Option<A>,
    /// The voucher code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher: Option<Id>,
    /// The group of the order, or of items that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission_group: Option<Id>,
    /// The marketplace's reference of the affiliate link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_ref: Option<Id>,
    /// The marketplace's reference of the campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign_ref: Option<Id>,
    /// The marketplace's reference of the click.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_ref: Option<Id>,
    /// What was bought, up to [`MAX_TRANSACTION_ITEMS`].
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item<A>>,
    /// Changes its amounts into the commissions' currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fx: Option<Fx>,
}

/// Something that was bought.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Item<A> {
    /// The merchant's reference of it.
    pub item: Id,
    /// How many.
    pub quantity: u32,
    /// For how much, all of them together.
    pub amount: A,
    /// Its group; the order's, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission_group: Option<Id>,
}

/// A change of currency, with where the rate comes from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Fx {
    /// The currency of the amounts that stand there.
    pub from: Currency,
    /// What they are changed into.
    pub to: Currency,
    /// How much one of `from` is in `to`.
    pub rate: ExchangeRate,
    /// Whose rate it is.
    pub source: Id,
    /// Of when the rate is.
    pub at: Timestamp,
}

impl<A> Transaction<A> {
    pub(super) fn try_map<B, E>(
        self,
        convert: &mut impl Convert<A, B, E>,
    ) -> Result<Transaction<B>, E> {
        let currency = self.currency;
        let items = self.items.into_iter().enumerate().map(|(number, item)| {
            Ok(Item {
                item: item.item,
                quantity: item.quantity,
                amount: convert(format_args!("items[{number}].amount"), currency, item.amount)?,
                commission_group: item.commission_group,
            })
        });
        let items = items.collect::<Result<_, E>>()?;
        Ok(Transaction {
            order_ref: self.order_ref,
            merchant: self.merchant,
            program: self.program,
            action: self.action,
            currency,
            amount: convert(format_args!("amount"), currency, self.amount)?,
            discount: match self.discount {
                None => None,
                Some(discount) => Some(convert(format_args!("discount"), currency, discount)?),
            },
            voucher: self.voucher,
            commission_group: self.commission_group,
            link_ref: self.link_ref,
            campaign_ref: self.campaign_ref,
            click_ref: self.click_ref,
            items,
            fx: self.fx,
        })
    }
}
