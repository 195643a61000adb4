//! The paths of C2SP `tlog-tiles`, read strictly: one path for each tile.

use crate::store::TILE_WIDTH;

/// The deepest level that the specification knows.
const MAX_LEVEL: u8 = 63;

/// A tile, or as much of it as a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TilePart {
    /// Which tile of its level, from the left.
    pub number: u64,
    /// How many of its hashes or entries: 256, or fewer of a partial tile.
    pub width: u64,
}

/// Reads a level: `0` to `63`, without leading zeros.
pub fn parse_level(text: &str) -> Option<u8> {
    let level = super::extract::parse_number(text)?;
    u8::try_from(level).ok().filter(|level| *level <= MAX_LEVEL)
}

/// Reads what follows the level: `005`, `x001/x234/067`, `x001/x234/067.p/8`.
pub fn parse_part(text: &str) -> Option<TilePart> {
    let (number, width) = match text.split_once(".p/") {
        Some((number, width)) => {
            let width = super::extract::parse_number(width)?;
            (number, Some(width).filter(|width| (1..TILE_WIDTH).contains(width))?)
        }
        None => (text, TILE_WIDTH),
    };
    Some(TilePart { number: parse_tile_number(number)?, width })
}

fn parse_tile_number(text: &str) -> Option<u64> {
    let (groups, last) = match text.rsplit_once('/') {
        Some((groups, last)) => (Some(groups), last),
        None => (None, text),
    };
    let mut number = 0u64;
    for (place, group) in groups.into_iter().flat_map(|groups| groups.split('/')).enumerate() {
        let value = parse_group(group.strip_prefix('x')?)?;
        // Zeros in front would give one tile several paths.
        if place == 0 && value == 0 {
            return None;
        }
        number = number.checked_mul(1000)?.checked_add(value)?;
    }
    number.checked_mul(1000)?.checked_add(parse_group(last)?)
}

fn parse_group(text: &str) -> Option<u64> {
    let three_digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| three_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let part = |number, width| Some(TilePart { number, width });
        let cases = [
            ("000", part(0, 256)),
            ("005", part(5, 256)),
            ("999", part(999, 256)),
            ("x001/000", part(1000, 256)),
            ("x001/x234/067", part(1_234_067, 256)),
            ("x018/x446/x744/x073/x709/x551/615", part(u64::MAX, 256)),
            ("x001/x234/067.p/1", part(1_234_067, 1)),
            ("000.p/255", part(0, 255)),
            ("x018/x446/x744/x073/x709/x551/616", None),
            ("x999/x999/x999/x999/x999/x999/999", None),
            ("", None),
            ("5", None),
            ("05", None),
            ("0005", None),
            ("+05", None),
            ("x005", None),
            ("x000/005", None),
            ("x000/x001/005", None),
            ("001/005", None),
            ("x001/x005", None),
            ("x001//005", None),
            ("x1/005", None),
            ("X001/005", None),
            ("/005", None),
            ("005/", None),
            ("000.p/0", None),
            ("000.p/256", None),
            ("000.p/01", None),
            ("000.p/+1", None),
            ("000.p/", None),
            ("000.p", None),
            ("000.p/1/2", None),
            ("000.p/1.p/1", None),
            ("000.q/1", None),
            ("٠٠٥", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_part(text), expected, "{text:?}");
        }
    }

    #[test]
    fn levels() {
        let cases = [
            ("0", Some(0)),
            ("9", Some(9)),
            ("63", Some(63)),
            ("64", None),
            ("256", None),
            ("00", None),
            ("01", None),
            ("-1", None),
            ("+1", None),
            ("", None),
            ("x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_level(text), expected, "{text:?}");
        }
    }
}
