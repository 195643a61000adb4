//! Ed25519 keys: who signed, and signing.

use bincode::{Decode, Encode};
use ed25519_dalek::{Signer, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

/// Length of a public key and of a private one's seed, in bytes.
pub const KEY_BYTES: usize = 32;
/// Length of a signature, in bytes.
pub const SIGNATURE_BYTES: usize = 64;

/// An Ed25519 public key as its 32 bytes; 64 lower-case hexadecimal digits in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct PublicKey([u8; KEY_BYTES]);

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Signature(pub [u8; SIGNATURE_BYTES]);

/// Why a key or a signature is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 64 lower-case hexadecimal digits.
    #[error("a public key is 64 lower-case hexadecimal digits")]
    NotHex,
    /// Not a point on the curve, or one of a small order for which anything verifies.
    #[error("not a usable Ed25519 public key")]
    Unusable,
    /// The signature isn't this key's over this message.
    #[error("the signature does not match")]
    BadSignature,
}

impl PublicKey {
    /// Checks that `bytes` are a usable public key.
    ///
    /// # Errors
    /// [`KeyError::Unusable`].
    pub fn new(bytes: [u8; KEY_BYTES]) -> Result<Self, KeyError> {
        Self(bytes).point().map(|_| Self(bytes))
    }

    /// The key's bytes.
    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Checks strictly (RFC 8032, no malleable or small-order inputs) that `signature` is this
    /// key's over `message`.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`] or, for bytes that are no key, [`KeyError::Unusable`].
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), KeyError> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.point()?.verify_strict(message, &signature).map_err(|_| KeyError::BadSignature)
    }

    /// Whether anything could be signed by it: keys that came as bytes may be none.
    pub fn is_usable(&self) -> bool {
        self.point().is_ok()
    }

    fn point(&self) -> Result<VerifyingKey, KeyError> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| KeyError::Unusable)?;
        if key.is_weak() { Err(KeyError::Unusable) } else { Ok(key) }
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature({})", hex::encode(self.0))
    }
}

impl std::str::FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(KeyError::NotHex);
        }
        let mut bytes = [0; KEY_BYTES];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| KeyError::NotHex)?;
        Self::new(bytes)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// 128 lower-case hexadecimal digits: one text for each signature.
impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let mut bytes = [0; SIGNATURE_BYTES];
        let lower_case = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match hex::decode_to_slice(&*text, &mut bytes) {
            Ok(()) if lower_case => Ok(Self(bytes)),
            _ => Err(de::Error::custom("a signature is 128 lower-case hexadecimal digits")),
        }
    }
}

/// A private key: an authority's or a governor's. Wiped from memory when dropped, never printed.
pub struct SealingKey(ed25519_dalek::SigningKey);

impl SealingKey {
    /// The key of `seed`, which is the private key of RFC 8032.
    pub fn from_seed(seed: &Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, to be stored.
    pub fn to_seed(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message`. The same message always gives the same signature.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingKey({}, private half hidden)", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8032_test_1() {
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let key = SealingKey::from_seed(&Zeroizing::new(seed.unwrap().try_into().unwrap()));
        assert_eq!(
            key.public().to_string(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        let signature = key.sign(b"");
        assert!(hex::encode(signature.0).starts_with("e5564300c360ac729086e2cc806e828a"));
        assert_eq!(key.public().verify(b"", &signature), Ok(()));
        assert_eq!(key.public().verify(b"x", &signature), Err(KeyError::BadSignature));
    }

    #[test]
    fn refuses_weak_keys() {
        let mut identity = [0; KEY_BYTES];
        identity[0] = 1;
        assert_eq!(PublicKey::new(identity), Err(KeyError::Unusable));
        assert_eq!("zz".parse::<PublicKey>(), Err(KeyError::NotHex));
    }

    #[test]
    fn hides_the_private_half() {
        let key = SealingKey::from_seed(&Zeroizing::new([7; KEY_BYTES]));
        assert!(!format!("{key:?}").contains(&hex::encode([7; KEY_BYTES])));
    }
}
