//! What is sold: prices, items, vouchers, payments in other currencies.

use super::chance::Random;
use super::coins::{Coin, MAX_UNITS};
use super::numbered;
use super::programs::Program;
use super::terms::{COMMISSION_GROUPS, Scheme};
use crate::protocol::entry::{Action, Fx, Item};
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, Currency, PPM_WHOLE};
use crate::protocol::time::{DAY_MS, Timestamp};

/// How often items are listed, in parts per million.
const ITEMS_PPM: u32 = 50_000;
/// How often they are where merchants tell groups of items apart.
const GROUPED_ITEMS_PPM: u32 = 400_000;
/// How often an order of such a merchant without items is of a group.
const GROUPED_ORDER_PPM: u32 = 500_000;
/// How often there is a discount, in parts per million.
const DISCOUNT_PPM: u32 = 60_000;
/// How often that came by a voucher.
const VOUCHER_PPM: u32 = 600_000;
/// How often a buyer pays in another currency than the merchant.
const FOREIGN_PPM: u32 = 25_000;
/// The most items of a sale.
const MAX_ITEMS: u64 = 3;
/// So many items there are.
const ITEM_NUMBERS: u64 = 20_000;

/// What was sold.
#[derive(Clone, Debug)]
pub struct Sale {
    /// What was done.
    pub action: Action,
    /// What was paid in, by number.
    pub coin: usize,
    /// What it came to.
    pub amount: Amount,
    /// What was taken off before.
    pub discount: Option<Amount>,
    /// By which voucher.
    pub voucher: Option<Id>,
    /// The group of the order.
    pub group: Option<Id>,
    /// What was bought.
    pub items: Vec<Item<Amount>>,
    /// Changes it into what the merchant pays in.
    pub fx: Option<Fx>,
    /// What commissions are reckoned from: at least one.
    pub parts: Vec<Part>,
}

/// A part of it.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its group.
    pub group: Option<Id>,
    /// What it came to.
    pub amount: Amount,
    /// The same in what the merchant pays in.
    pub reckoned: Amount,
    /// An item of it, by number, and how many of that.
    pub item: Option<(u64, u32)>,
}

/// What sales need to know.
pub struct Market<'a> {
    /// What there is to pay in.
    pub coins: &'a [Coin],
    /// What the merchant pays in, by number.
    pub coin: usize,
    /// How many digits numbers have at least.
    pub id_digits: usize,
}

impl Market<'_> {
    /// What the merchant pays in.
    pub fn currency(&self) -> Currency {
        self.coins.get(self.coin).expect("a number of coins").currency
    }
}

impl Sale {
    /// Draws one of `program`.
    pub fn draw(
        market: &Market<'_>,
        program: &Program,
        now: Timestamp,
        random: &mut Random,
    ) -> Self {
        let mut sale = Self {
            action: program.draw_action(random),
            coin: market.coin,
            amount: Amount::ZERO,
            discount: None,
            voucher: None,
            group: None,
            items: Vec::new(),
            fx: None,
            parts: Vec::new(),
        };
        if program.median_cents == 0 {
            let (amount, reckoned) = (Amount::ZERO, Amount::ZERO);
            sale.parts.push(Part { group: None, amount, reckoned, item: None });
            return sale;
        }
        // What a subscription costs has no items, and no tier is reckoned by exchange rates.
        let plain = sale.action == Action::Subscription || program.scheme.counts();
        if market.coins.len() > 1 && !plain && random.chance(FOREIGN_PPM) {
            sale.coin = usize::try_from(random.below(market.coins.len() as u64)).unwrap_or(0);
        }
        let coin = market.coins.get(sale.coin).expect("a number of coins");
        let grouped = program.scheme == Scheme::Groups && sale.action == Action::Sale;
        let items_ppm = if grouped { GROUPED_ITEMS_PPM } else { ITEMS_PPM };
        if !plain && random.chance(items_ppm) {
            sale.draw_items(market, coin, program.median_cents, grouped, random);
        } else {
            if grouped && random.chance(GROUPED_ORDER_PPM) {
                sale.group = Some(group(random));
            }
            sale.amount = coin.amount(match sale.action {
                Action::Subscription => program.median_cents,
                _ => random.around(program.median_cents),
            });
            let (amount, group) = (sale.amount, sale.group.clone());
            sale.parts.push(Part { group, amount, reckoned: amount, item: None });
        }
        if random.chance(DISCOUNT_PPM) {
            sale.discount = sale.amount.parts_per_million(100_000);
            let code = random.below(500);
            sale.voucher = random.chance(VOUCHER_PPM).then(|| numbered("SAVE-", code, 3));
        }
        sale.change(market, now, random);
        sale
    }

    /// One to three items, perhaps of different groups.
    fn draw_items(
        &mut self,
        market: &Market<'_>,
        coin: &Coin,
        median_cents: u64,
        grouped: bool,
        random: &mut Random,
    ) {
        let first = random.below(ITEM_NUMBERS);
        for place in 0..random.between(1, MAX_ITEMS) {
            let number = first * MAX_ITEMS + place;
            let quantity = 1 + u32::from(random.chance(200_000)) * 2;
            let amount = coin.amount(random.around(median_cents / 2));
            let of = (grouped && random.chance(800_000)).then(|| group(random));
            self.amount = sum(self.amount, amount);
            match self.parts.iter_mut().find(|part| part.group == of) {
                Some(part) => part.amount = sum(part.amount, amount),
                None => self.parts.push(Part {
                    group: of.clone(),
                    amount,
                    reckoned: amount,
                    item: Some((number, quantity)),
                }),
            }
            let item = item_id(number, market.id_digits);
            self.items.push(Item { item, quantity, amount, commission_group: of });
        }
        for part in &mut self.parts {
            part.reckoned = part.amount;
        }
    }

    /// Changes it into what the merchant pays in, if that is something else.
    fn change(&mut self, market: &Market<'_>, now: Timestamp, random: &mut Random) {
        let [from, to] =
            [self.coin, market.coin].map(|coin| market.coins.get(coin).expect("a number of coins"));
        if self.coin == market.coin {
            return;
        }
        let rate = from.rate_to(to, random);
        let changed = |amount: Amount| {
            let changed = amount.changed(rate, from.scale, to.scale);
            changed.filter(|changed| changed.units() <= MAX_UNITS)
        };
        if self.parts.iter().any(|part| changed(part.amount).is_none()) {
            // Too much: then it was paid in the merchant's.
            self.coin = market.coin;
            return;
        }
        for part in &mut self.parts {
            part.reckoned = changed(part.amount).unwrap_or_default();
        }
        self.fx = Some(Fx {
            from: from.currency,
            to: to.currency,
            rate,
            source: Id::new("ecb").expect("a word"),
            at: day_of(now),
        });
    }
}

/// The beginning of the day of `time`.
pub fn day_of(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis() / DAY_MS * DAY_MS).expect("no later than a time")
}

/// A part of `whole`: so many parts per million, but something.
pub fn part_of(whole: Amount, ppm: u32) -> Amount {
    debug_assert!(ppm <= PPM_WHOLE, "at most the whole");
    match whole.parts_per_million(ppm) {
        Some(part) if part != Amount::ZERO => part,
        _ => whole,
    }
}

/// The name of the item of this number.
pub fn item_id(number: u64, id_digits: usize) -> Id {
    numbered("sku-", number, id_digits)
}

fn group(random: &mut Random) -> Id {
    Id::new(random.pick(&COMMISSION_GROUPS)).expect("a word")
}

fn sum(one: Amount, other: Amount) -> Amount {
    one.checked_add(other).expect("a few of the largest amounts that are drawn")
}
