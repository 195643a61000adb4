//! Digests: a type for each meaning, a domain for each use.
//!
//! Identities and links use BLAKE3 in its key-derivation mode, so that no digest of one
//! purpose can stand for another. The log tree alone uses SHA-256, because RFC 6962 and C2SP
//! `tlog-tiles` do (see [`tree`](super::tree)).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

use bincode::{Decode, Encode};
use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Length of every digest, in bytes.
pub const DIGEST_BYTES: usize = 32;

/// What a BLAKE3 digest is for. The text is the key-derivation context of FORMAT.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// The identity of a chain: digest of the canonical genesis parameters.
    Chain,
    /// The identity of an entry: digest of its canonical bytes.
    Entry,
    /// The link to a block: digest of the canonical bytes of its header.
    Header,
    /// The root of an accounts tree without accounts.
    EmptyAccounts,
    /// The name of a record in the rules' state. Never on the ledger.
    State,
}

impl Domain {
    const ALL: [Self; 5] =
        [Self::Chain, Self::Entry, Self::Header, Self::EmptyAccounts, Self::State];

    /// The BLAKE3 key-derivation context.
    pub const fn context(self) -> &'static str {
        match self {
            Self::Chain => "counterfoil 2026-11-21 chain id v1",
            Self::Entry => "counterfoil 2026-11-21 entry id v1",
            Self::Header => "counterfoil 2026-11-21 header hash v1",
            Self::EmptyAccounts => "counterfoil 2026-11-21 empty accounts tree v1",
            Self::State => "counterfoil 2026-11-21 state key v1",
        }
    }

    /// BLAKE3 of `bytes` under this domain.
    pub fn digest(self, bytes: &[u8]) -> [u8; DIGEST_BYTES] {
        *blake3::Hasher::new_from_context_key(self.key()).update(bytes).finalize().as_bytes()
    }

    /// What BLAKE3 makes of the context. Kept, for it costs as much as a short message.
    fn key(self) -> &'static ContextKey {
        static KEYS: LazyLock<[ContextKey; Domain::ALL.len()]> =
            LazyLock::new(|| Domain::ALL.map(|domain| hash_derive_key_context(domain.context())));
        KEYS.get(self as usize).expect("every domain is among all, in the order of declaration")
    }
}

/// A map whose keys are digests, or begin with one.
pub type DigestMap<K, V> = HashMap<K, V, BuildHasherDefault<DigestHasher>>;

/// Hashes what is a digest already: by its first eight bytes.
#[derive(Default)]
pub struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    // The length of an array, which says nothing.
    fn write_usize(&mut self, _: usize) {}
}

/// A text that is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 lower-case hexadecimal digits")]
pub struct NotADigest;

/// Parses exactly 64 lower-case hexadecimal digits: one text for each digest.
fn parse_hex(text: &str) -> Result<[u8; DIGEST_BYTES], NotADigest> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(NotADigest);
    }
    let mut bytes = [0; DIGEST_BYTES];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| NotADigest)?;
    Ok(bytes)
}

/// Declares a digest type: raw 32 bytes in canonical form, lower-case hexadecimal in text.
macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        pub struct $name(pub [u8; DIGEST_BYTES]);

        impl $name {
            /// The digest's bytes.
            pub const fn as_bytes(&self) -> &[u8; DIGEST_BYTES] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotADigest;

            fn from_str(text: &str) -> Result<Self, NotADigest> {
                parse_hex(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

digest_type! {
    /// The identity of a chain ([`Domain::Chain`]).
    ChainId
}
digest_type! {
    /// The identity of an entry ([`Domain::Entry`]).
    EntryId
}
digest_type! {
    /// The digest of a block's header ([`Domain::Header`]), the link between blocks.
    HeaderHash
}
digest_type! {
    /// A hash of the RFC 6962 tree (SHA-256): of a leaf, of a node, or a root.
    TreeHash
}
digest_type! {
    /// The root of the accounts tree.
    AccountsRoot
}
digest_type! {
    /// A salted commitment to something private (HMAC-SHA-256, made outside the ledger).
    Commitment
}
/// Length of a [`StateKey`], in bytes: enough that nobody can make two subjects with one.
pub const STATE_KEY_BYTES: usize = 24;

/// The name of a record in the rules' state: the beginning of a digest ([`Domain::State`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct StateKey(pub [u8; STATE_KEY_BYTES]);

impl StateKey {
    /// The name of the record of what `bytes` say.
    pub fn of(bytes: &[u8]) -> Self {
        let digest = Domain::State.digest(bytes);
        Self(*digest.first_chunk().expect("a digest has more bytes"))
    }
}

impl std::fmt::Display for StateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for StateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StateKey({self})")
    }
}

impl AccountsRoot {
    /// The root of an accounts tree without accounts.
    pub fn empty() -> Self {
        Self(Domain::EmptyAccounts.digest(b""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_differ() {
        assert_ne!(Domain::Entry.digest(b"x"), Domain::Header.digest(b"x"));
    }

    #[test]
    fn text_is_unique() {
        let id = EntryId([0xab; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse::<EntryId>(), Err(NotADigest));
        assert_eq!("ab".parse::<EntryId>(), Err(NotADigest));
        assert_eq!(format!("{id}00").parse::<EntryId>(), Err(NotADigest));
    }
}
