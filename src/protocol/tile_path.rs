//! The paths of the published log: those of C2SP `tlog-tiles`, and of signatures beside them. Read
//! strictly: one path for each tile.

use std::fmt;

/// How many hashes, leaves or signatures a full tile holds.
pub const TILE_WIDTH: u64 = 256;
/// The deepest level of hash tiles that the specification knows.
const MAX_LEVEL: u8 = 63;
/// How many levels of the tree one level of hash tiles spans.
pub const LEVELS_A_TILE: u32 = 8;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TileKind {
    /// Hashes of the tree, at this level of tiles.
    Hashes(u8),
    /// Leaves.
    Entries,
    /// Signatures of blocks, from height 1 on.
    Signatures,
}

/// A tile, or as much of it as a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TilePath {
    /// What it holds.
    pub kind: TileKind,
    /// Which of its kind, from the left.
    pub number: u64,
    /// How many items: 256, or fewer of a partial tile.
    pub width: u64,
}

impl TileKind {
    /// Every kind that a log can have.
    pub fn all() -> impl Iterator<Item = Self> {
        let levels = (0..=MAX_LEVEL).map(Self::Hashes);
        [Self::Entries, Self::Signatures].into_iter().chain(levels)
    }

    /// How many items of this kind there are in a log of `size` leaves whose last block is at
    /// `height`.
    pub fn items(self, size: u64, height: u64) -> u64 {
        match self {
            Self::Hashes(level) => size.checked_shr(LEVELS_A_TILE * u32::from(level)).unwrap_or(0),
            Self::Entries => size,
            Self::Signatures => height,
        }
    }
}

impl TilePath {
    /// Tile `number` of a kind of which there are `items`, as wide as it is then. `None` where
    /// it would be empty.
    pub fn of(kind: TileKind, number: u64, items: u64) -> Option<Self> {
        let width = items.saturating_sub(number.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
        (width > 0).then_some(Self { kind, number, width })
    }

    /// The same tile, full.
    #[must_use]
    pub fn full(self) -> Self {
        Self { width: TILE_WIDTH, ..self }
    }

    /// Whether there are more items to come.
    pub fn is_partial(&self) -> bool {
        self.width < TILE_WIDTH
    }

    /// The items that it holds, from the first until the last, exclusive; `None` beyond all numbers.
    pub fn range(&self) -> Option<(u64, u64)> {
        let first = self.number.checked_mul(TILE_WIDTH)?;
        Some((first, first.checked_add(self.width)?))
    }

    /// Reads a path such as `tile/0/005`, `tile/entries/x001/x234/067` or
    /// `tile/signatures/000.p/8`.
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, part) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            "signatures" => TileKind::Signatures,
            level => TileKind::Hashes(parse_level(level)?),
        };
        let (number, width) = match part.split_once(".p/") {
            Some((number, width)) => {
                let width = parse_number(width)?;
                (number, Some(width).filter(|width| (1..TILE_WIDTH).contains(width))?)
            }
            None => (part, TILE_WIDTH),
        };
        Some(Self { kind, number: parse_tile_number(number)?, width })
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
            TileKind::Signatures => f.write_str("tile/signatures/")?,
        }
        let mut groups = format!("{:03}", self.number % 1000);
        let mut rest = self.number / 1000;
        while rest > 0 {
            groups = format!("x{:03}/{groups}", rest % 1000);
            rest /= 1000;
        }
        f.write_str(&groups)?;
        if self.is_partial() { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// Reads a level: `0` to `63`, without leading zeros.
fn parse_level(text: &str) -> Option<u8> {
    let level = u8::try_from(parse_number(text)?).ok()?;
    Some(level).filter(|level| *level <= MAX_LEVEL)
}

/// Reads a number as it is written, and in no other way.
fn parse_number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
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
        let part = |number, width| Some(TilePath { kind: TileKind::Entries, number, width });
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
            let path = format!("tile/entries/{text}");
            assert_eq!(TilePath::parse(&path), expected, "{text:?}");
            // Each tile has one path only, the one that is written.
            assert_eq!(expected.map(|part| part.to_string()), expected.map(|_| path), "{text:?}");
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

    #[test]
    fn kinds() {
        let path = |kind| Some(TilePath { kind, number: 1, width: 7 });
        let cases = [
            ("tile/0/001.p/7", path(TileKind::Hashes(0))),
            ("tile/63/001.p/7", path(TileKind::Hashes(63))),
            ("tile/entries/001.p/7", path(TileKind::Entries)),
            ("tile/signatures/001.p/7", path(TileKind::Signatures)),
            ("tile/64/001.p/7", None),
            ("tile/signature/001.p/7", None),
            ("tile//001.p/7", None),
            ("tile/001.p/7", None),
            ("/tile/0/001.p/7", None),
            ("tile", None),
        ];
        for (text, expected) in cases {
            assert_eq!(TilePath::parse(text), expected, "{text}");
            assert!(expected.is_none_or(|path| path.to_string() == text), "{text}");
        }
    }

    #[test]
    fn widths() {
        let width =
            |number, items| TilePath::of(TileKind::Entries, number, items).map(|path| path.width);
        let cases = [
            (0, 0, None),
            (0, 1, Some(1)),
            (0, 256, Some(256)),
            (0, 257, Some(256)),
            (1, 256, None),
            (1, 257, Some(1)),
            (u64::MAX, u64::MAX, None),
        ];
        for (number, items, expected) in cases {
            assert_eq!(width(number, items), expected, "{number} of {items}");
        }
        let items = |kind: TileKind| kind.items(65_537, 300);
        assert_eq!(items(TileKind::Entries), 65_537);
        assert_eq!(items(TileKind::Signatures), 300);
        let hashes: Vec<u64> = (0..4).map(|level| items(TileKind::Hashes(level))).collect();
        assert_eq!(hashes, [65_537, 256, 1, 0]);
    }
}
