//! The model's own arithmetic: rounding and changes of currency, section 13.1.

use counterfoil::protocol::entry::Fx;
use counterfoil::protocol::money::Currency;

use super::model::MOST;

/// A change of currency, or none.
pub fn changed(amount: u128, fx: Option<&Fx>) -> u128 {
    let Some(fx) = fx else { return amount };
    let scale = |currency: Currency| if currency.as_str() == "JPY" { 0u32 } else { 2 };
    let product = amount * u128::from(fx.rate.billionths());
    // What is above and below the line alike is left away: numbers have an end here.
    let (from, to) = (scale(fx.from), scale(fx.to));
    let (more, less) = (to.saturating_sub(from), from.saturating_sub(to));
    match product.checked_mul(10u128.pow(more)) {
        Some(product) => rounded(product, 1_000_000_000 * 10u128.pow(less)),
        None => MOST + 1,
    }
}

/// The nearest integer to a quotient; of two, the even one.
pub fn rounded(dividend: u128, divisor: u128) -> u128 {
    let below = dividend / divisor;
    let (down, up) = (dividend - below * divisor, divisor - (dividend - below * divisor));
    match down.cmp(&up) {
        std::cmp::Ordering::Less => below,
        std::cmp::Ordering::Equal => below + below % 2,
        std::cmp::Ordering::Greater => below + 1,
    }
}

/// Parts per million of an amount.
pub fn ppm(amount: u128, ppm: u32) -> u128 {
    rounded(amount * u128::from(ppm), 1_000_000)
}
