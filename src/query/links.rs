//! Where answers lead, as paths of the API.

use std::fmt::Write;

use crate::protocol::id::Id;

/// The proof that the entry at `index` is on the ledger.
pub(super) fn receipt(index: u64) -> String {
    format!("/v1/entries/{index}/receipt")
}

/// The list of entries whose parameter `name` is `value`.
pub(super) fn entries(tenant: &Id, name: &str, value: &Id) -> String {
    format!("/v1/entries?tenant={}&{name}={}", encoded(tenant), encoded(value))
}

/// `id` with everything but letters, digits, `-`, `_`, `.` and `~` percent-encoded.
pub(super) fn encoded(id: &Id) -> String {
    let mut text = String::new();
    for byte in id.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("a string takes whatever comes");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_what_would_mean_something() {
        let hostile = Id::new("a/b?c=d&e#f%41+\"~").expect("an id");
        assert_eq!(encoded(&hostile), "a%2Fb%3Fc%3Dd%26e%23f%2541%2B%22~");
    }
}
