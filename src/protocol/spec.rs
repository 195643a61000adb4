//! The chain spec: the one thing that one must get from a trusted place.
//!
//! It is a TOML file for people and, in canonical form, the genesis parameters for machines.
//! The digest of the latter is the [`ChainId`]; it doesn't depend on the file's layout.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::codec;
use super::hash::{ChainId, Domain};
use super::id::Id;
use super::key::PublicKey;
use super::money::{Currency, MAX_SCALE_DIGITS, MoneyError};
use super::time::Timestamp;

/// The version of the format that FORMAT.md describes.
pub const FORMAT_VERSION: u16 = 1;
/// The version of the rules in [`rules`](super::rules).
pub const RULES_VERSION: u16 = 1;

/// The most entries that any chain may allow a block.
pub const MAX_BLOCK_ENTRIES: u32 = 10_000;
/// The most bytes of entries that any chain may allow a block.
pub const MAX_BLOCK_BYTES: u32 = 4 * 1024 * 1024;
/// The longest leaf of C2SP `tlog-tiles`, in bytes; a block must have room for one.
pub const MAX_LEAF_BYTES: usize = 65_535;
/// The longest chain spec file, in bytes.
pub const MAX_SPEC_BYTES: usize = 1024 * 1024;
/// The most keys or currencies in one list of a chain spec.
pub const MAX_LIST_ITEMS: usize = 256;
/// The longest name or origin, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// What every node and every verifier of one chain agree on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainSpec {
    /// What people call the ledger.
    pub name: String,
    /// The origin of its checkpoints (C2SP `tlog-checkpoint`): a URL without scheme.
    pub origin: String,
    /// The time of the genesis block.
    pub genesis_time: Timestamp,
    /// The version of the rules that holds from genesis.
    pub rules_version: u16,
    /// Keys that may seal blocks. The first does from genesis; the others stand by until a
    /// change of the spec puts one in its place.
    pub authorities: Vec<PublicKey>,
    /// Offline keys that can change the spec, and how many of them it takes.
    pub governance: Governance,
    /// Those whose cosignatures count.
    #[serde(default)]
    pub witnesses: Vec<Witness>,
    /// Each currency and its decimals on the ledger.
    pub currencies: Currencies,
    /// Bounds that replicas must agree on.
    pub limits: Limits,
}

/// The keys that can change the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Governance {
    /// The keys, kept offline.
    pub keys: Vec<PublicKey>,
    /// How many of them must sign; 0 where there are none.
    pub quorum: u16,
}

/// Somebody whose cosignature counts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// The name of its key (C2SP `signed-note`).
    pub name: String,
    /// Its key.
    pub key: PublicKey,
}

/// Bounds that replicas must agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The most entries of a block, up to [`MAX_BLOCK_ENTRIES`].
    pub block_entries: u32,
    /// The most bytes of a block's entry leaves, up to [`MAX_BLOCK_BYTES`].
    pub block_bytes: u32,
    /// How far an event may lie ahead of its block's time, in milliseconds.
    pub event_ahead_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            block_entries: MAX_BLOCK_ENTRIES,
            block_bytes: MAX_BLOCK_BYTES,
            event_ahead_ms: 5 * 60 * 1000,
        }
    }
}

/// The currencies of a chain, each with its scale: how many decimals the ledger keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(transparent)]
pub struct Currencies(BTreeMap<Currency, u8>);

impl Currencies {
    /// The currencies in `list`; of a repeated one, the last.
    pub fn new(list: impl IntoIterator<Item = (Currency, u8)>) -> Self {
        Self(list.into_iter().collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a currency that isn't there; whether it wasn't.
    pub fn add(&mut self, currency: Currency, scale: u8) -> bool {
        let free = !self.0.contains_key(&currency);
        if free {
            self.0.insert(currency, scale);
        }
        free
    }

    /// How many decimals `currency` has on this ledger.
    ///
    /// # Errors
    /// [`MoneyError::UnknownCurrency`].
    pub fn scale(&self, currency: Currency) -> Result<u8, MoneyError> {
        self.0.get(&currency).copied().ok_or(MoneyError::UnknownCurrency(currency))
    }

    /// Every currency and its scale, by code.
    pub fn iter(&self) -> impl Iterator<Item = (Currency, u8)> + '_ {
        self.0.iter().map(|(currency, scale)| (*currency, *scale))
    }
}

/// As a table from code to scale, no code twice.
impl<'de> Deserialize<'de> for Currencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;

        impl<'de> Visitor<'de> for Table {
            type Value = Currencies;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a table from currency to decimals")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Currencies, M::Error> {
                let mut read = Currencies::default();
                while let Some((currency, scale)) = map.next_entry()? {
                    if !read.add(currency, scale) {
                        let problem = format_args!("{currency} stands there twice");
                        return Err(serde::de::Error::custom(problem));
                    }
                }
                Ok(read)
            }
        }

        deserializer.deserialize_map(Table)
    }
}

/// What is wrong with a chain spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Longer than [`MAX_SPEC_BYTES`].
    #[error("a chain spec has at most {MAX_SPEC_BYTES} bytes, this has {0}")]
    TooLong(usize),
    /// Not TOML, or not of a spec's shape; the message names what and where.
    #[error("{0}")]
    Malformed(String),
    /// A name that is empty, too long or not printable.
    #[error("name: 1 to {MAX_NAME_BYTES} bytes, not only blanks, without control characters")]
    BadName,
    /// An origin or a key name that C2SP `signed-note` forbids.
    #[error(
        "{field}: 1 to {MAX_NAME_BYTES} visible ASCII characters, no `+`, no scheme, no slash at the end"
    )]
    BadOrigin {
        /// Where: `origin`, or a witness's `name`.
        field: &'static str,
    },
    /// A rules version that this program doesn't know.
    #[error("rules_version: this program knows version {RULES_VERSION}, the spec asks for {0}")]
    UnknownRules(u16),
    /// No key that could seal a block.
    #[error("authorities: at least one key is needed")]
    NoAuthority,
    /// Bytes that are no key, or one for which anything verifies.
    #[error("{field}: {key} is not a usable Ed25519 public key")]
    UnusableKey {
        /// The list.
        field: &'static str,
        /// The bytes.
        key: PublicKey,
    },
    /// The same key or name twice in a list.
    #[error("{field}: {item} stands there twice")]
    Repeated {
        /// The list.
        field: &'static str,
        /// What is repeated.
        item: String,
    },
    /// A list of more than [`MAX_LIST_ITEMS`].
    #[error("{field}: at most {MAX_LIST_ITEMS} items")]
    TooMany {
        /// The list.
        field: &'static str,
    },
    /// A quorum that the governance keys can't reach, or none where there are keys.
    #[error("governance.quorum: {quorum} of {keys} keys makes no sense")]
    BadQuorum {
        /// The quorum.
        quorum: u16,
        /// How many keys there are.
        keys: usize,
    },
    /// No currency at all.
    #[error("currencies: at least one is needed")]
    NoCurrency,
    /// A scale beyond [`MAX_SCALE_DIGITS`].
    #[error("currencies.{0}: at most {MAX_SCALE_DIGITS} decimals")]
    BadScale(Currency),
    /// A limit that is zero or beyond what any chain may allow.
    #[error("limits.{field}: from {min} to {max}")]
    BadLimit {
        /// The limit.
        field: &'static str,
        /// The least that it may be.
        min: u64,
        /// The most that it may be.
        max: u64,
    },
}

impl ChainSpec {
    /// Reads a chain spec file and checks all of it.
    ///
    /// # Errors
    /// [`SpecError`], which names the field.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        if text.len() > MAX_SPEC_BYTES {
            return Err(SpecError::TooLong(text.len()));
        }
        let spec: Self =
            toml::from_str(text).map_err(|error| SpecError::Malformed(error.to_string()))?;
        spec.check()?;
        Ok(spec)
    }

    /// The spec as a TOML file, without comments.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a spec has only strings, numbers, lists and tables")
    }

    /// The identity of the chain: the digest of its canonical genesis parameters.
    pub fn chain_id(&self) -> ChainId {
        ChainId(Domain::Chain.digest(&self.genesis_bytes()))
    }

    /// The canonical genesis parameters.
    pub fn genesis_bytes(&self) -> Vec<u8> {
        codec::encode(&(FORMAT_VERSION, self))
    }

    /// The authority that seals from genesis.
    pub fn authority(&self) -> PublicKey {
        *self.authorities.first().expect("a checked spec has an authority")
    }

    /// Whether all of it is within its bounds, and this program knows its rules.
    pub(super) fn check(&self) -> Result<(), SpecError> {
        self.check_bounds()?;
        if self.rules_version != RULES_VERSION {
            return Err(SpecError::UnknownRules(self.rules_version));
        }
        Ok(())
    }

    /// Whether all of it is within its bounds, whatever its rules are.
    pub(super) fn check_bounds(&self) -> Result<(), SpecError> {
        let printable = !self.name.chars().any(char::is_control);
        if self.name.trim().is_empty() || self.name.len() > MAX_NAME_BYTES || !printable {
            return Err(SpecError::BadName);
        }
        check_key_name("origin", &self.origin)?;
        if self.authorities.is_empty() {
            return Err(SpecError::NoAuthority);
        }
        check_keys("authorities", &self.authorities)?;
        check_keys("governance.keys", &self.governance.keys)?;
        check_list("witnesses", self.witnesses.iter().map(|witness| &witness.name))?;
        let keys: Vec<_> = self.witnesses.iter().map(|witness| witness.key).collect();
        check_keys("witnesses", &keys)?;
        for witness in &self.witnesses {
            check_key_name("witnesses.name", &witness.name)?;
        }
        let (quorum, keys) = (self.governance.quorum, self.governance.keys.len());
        if usize::from(quorum) > keys || (quorum == 0) != (keys == 0) {
            return Err(SpecError::BadQuorum { quorum, keys });
        }
        self.check_currencies()?;
        self.check_limits()
    }

    fn check_currencies(&self) -> Result<(), SpecError> {
        if self.currencies.0.is_empty() {
            return Err(SpecError::NoCurrency);
        }
        check_list("currencies", self.currencies.0.keys())?;
        match self.currencies.iter().find(|(_, scale)| *scale > MAX_SCALE_DIGITS) {
            Some((currency, _)) => Err(SpecError::BadScale(currency)),
            None => Ok(()),
        }
    }

    fn check_limits(&self) -> Result<(), SpecError> {
        let limits = self.limits;
        let largest_leaf = MAX_LEAF_BYTES as u64;
        let bounds = [
            ("block_entries", u64::from(limits.block_entries), 1, MAX_BLOCK_ENTRIES.into()),
            ("block_bytes", u64::from(limits.block_bytes), largest_leaf, MAX_BLOCK_BYTES.into()),
            ("event_ahead_ms", limits.event_ahead_ms, 0, super::time::DAY_MS),
        ];
        for (field, value, min, max) in bounds {
            if !(min..=max).contains(&value) {
                return Err(SpecError::BadLimit { field, min, max });
            }
        }
        Ok(())
    }
}

/// C2SP `signed-note` forbids blanks and `+` in a key's name; an origin is a scheme-less URL.
fn check_key_name(field: &'static str, name: &str) -> Result<(), SpecError> {
    let visible = Id::new(name).is_ok() && name.len() <= MAX_NAME_BYTES;
    if !visible || name.contains('+') || name.contains("://") || name.ends_with('/') {
        return Err(SpecError::BadOrigin { field });
    }
    Ok(())
}

fn check_keys(field: &'static str, keys: &[PublicKey]) -> Result<(), SpecError> {
    check_list(field, keys.iter())?;
    match keys.iter().find(|key| !key.is_usable()) {
        Some(key) => Err(SpecError::UnusableKey { field, key: *key }),
        None => Ok(()),
    }
}

fn check_list<T: Ord + std::fmt::Display>(
    field: &'static str,
    items: impl Iterator<Item = T>,
) -> Result<(), SpecError> {
    let mut seen = std::collections::BTreeSet::new();
    for item in items {
        let repeated = || SpecError::Repeated { field, item: item.to_string() };
        if seen.contains(&item) {
            return Err(repeated());
        }
        seen.insert(item);
        if seen.len() > MAX_LIST_ITEMS {
            return Err(SpecError::TooMany { field });
        }
    }
    Ok(())
}
