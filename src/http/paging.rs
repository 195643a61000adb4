//! Lists in pages: how long a page is, and cursors, each bound to the query that gave it.

use std::fmt::Debug;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::problem::{Problem, ProblemType};

/// How much of a query's digest a cursor carries, in bytes: enough to notice a mistake. A
/// forged cursor gets nothing that its query wouldn't.
const QUERY_DIGEST_BYTES: usize = 8;

/// What identifies a query: everything of it but cursor and limit.
pub struct Query([u8; QUERY_DIGEST_BYTES]);

impl Query {
    /// The query of list `name` with `parameters`.
    pub fn new(name: &str, parameters: &impl Debug) -> Self {
        let digest = blake3::hash(format!("{name} {parameters:?}").as_bytes());
        Self(*digest.as_bytes().first_chunk().expect("32 bytes begin with eight"))
    }

    /// The cursor that goes on after `position`.
    pub fn cursor(&self, position: u64) -> String {
        self.encode([position])
    }

    /// The cursor that goes on after `position`, in the ledger as it was at `height`.
    pub fn cursor_in(&self, position: u64, height: u64) -> String {
        self.encode([position, height])
    }

    fn encode<const N: usize>(&self, numbers: [u64; N]) -> String {
        let mut bytes = self.0.to_vec();
        bytes.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position of a cursor of this query.
    ///
    /// # Errors
    /// [`ProblemType::BadCursor`].
    pub fn position(&self, cursor: Option<&str>) -> Result<Option<u64>, Problem> {
        Ok(self.decode(cursor)?.map(|[position]| position))
    }

    /// The position and the height of a cursor of this query.
    ///
    /// # Errors
    /// [`ProblemType::BadCursor`].
    pub fn place(&self, cursor: Option<&str>) -> Result<Option<(u64, u64)>, Problem> {
        Ok(self.decode(cursor)?.map(|[position, height]| (position, height)))
    }

    fn decode<const N: usize>(&self, cursor: Option<&str>) -> Result<Option<[u64; N]>, Problem> {
        let Some(cursor) = cursor else { return Ok(None) };
        let refused = |detail| Problem::new(ProblemType::BadCursor, detail).at("cursor");
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(cursor)
            .map_err(|_| refused("this is no cursor that a list gave"))?;
        match bytes.split_first_chunk() {
            Some((digest, rest)) if *digest == self.0 => {
                let (numbers, rest) = rest.as_chunks();
                let numbers: Option<&[_; N]> = numbers.try_into().ok();
                let numbers = numbers.filter(|_| rest.is_empty());
                let numbers = numbers.ok_or_else(|| refused("this is no cursor that a list gave"));
                numbers.map(|numbers| Some(numbers.map(u64::from_be_bytes)))
            }
            _ => Err(refused("this cursor is of another query: repeat yours without it")),
        }
    }
}

/// How many items a page shall have.
///
/// # Errors
/// [`ProblemType::BadParameter`].
pub fn page_limit(given: Option<u16>, default: u16, max: u16) -> Result<usize, Problem> {
    let limit = given.unwrap_or(default);
    if (1..=max).contains(&limit) {
        return Ok(limit.into());
    }
    let detail = format!("limit: must be from 1 to {max}, is {limit}");
    Err(Problem::new(ProblemType::BadParameter, detail).at("limit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_of_one_query() {
        let (one, two) = (Query::new("entries", &"one"), Query::new("entries", &"two"));
        let cursor = one.cursor(u64::MAX - 1);
        assert_eq!(one.position(Some(&cursor)).unwrap(), Some(u64::MAX - 1));
        assert_eq!(one.position(None).unwrap(), None);
        let longer = BASE64_URL_SAFE_NO_PAD.encode([one.0.as_slice(), &[0; 9]].concat());
        for (query, text) in [
            (&two, cursor.as_str()),
            (&one, ""),
            (&one, "!"),
            (&one, "AAAA"),
            (&one, cursor.get(..cursor.len() - 2).unwrap()),
            (&one, longer.as_str()),
        ] {
            let problem = query.position(Some(text)).unwrap_err();
            assert_eq!(problem.kind(), ProblemType::BadCursor, "{text}");
        }
    }
}
