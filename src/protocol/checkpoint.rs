//! Checkpoints: what an authority signs, as C2SP `tlog-checkpoint` in a C2SP `signed-note`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use super::hash::TreeHash;
use super::key::{PublicKey, SIGNATURE_BYTES, SealingKey, Signature};

/// The longest signed checkpoint that is read, in bytes.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;
/// The most signature lines that are read. C2SP asks for at least 16.
pub const MAX_NOTE_SIGNATURES: usize = 64;

/// How many lines a checkpoint's text has.
const CHECKPOINT_LINES: usize = 3;
/// The type byte of an Ed25519 key in C2SP `signed-note`.
const ED25519: u8 = 0x01;
/// Length of a key id, in bytes.
const KEY_ID_BYTES: usize = 4;
/// What begins a signature line: an em dash and a blank.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// The size and root of a log: everything that a signature on it commits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the chain spec's origin.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// The root of its tree.
    pub root: TreeHash,
}

/// Whose signature stands under a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedBy {
    /// The key.
    pub key: PublicKey,
    /// What it signed with.
    pub signature: Signature,
}

/// Why a text is no checkpoint, or not one to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Longer than [`MAX_NOTE_BYTES`].
    #[error("a checkpoint has at most {MAX_NOTE_BYTES} bytes, this has {0}")]
    TooLong(usize),
    /// More than [`MAX_NOTE_SIGNATURES`].
    #[error("a checkpoint has at most {MAX_NOTE_SIGNATURES} signatures")]
    TooManySignatures,
    /// Not a signed note of a checkpoint; the text says why.
    #[error("not a signed checkpoint: {0}")]
    Malformed(&'static str),
    /// Another log's checkpoint.
    #[error("a checkpoint of {found}, not of {expected}")]
    WrongOrigin {
        /// The origin that it names.
        found: String,
        /// The origin that was asked for.
        expected: String,
    },
    /// No signature by the key that it must be signed with.
    #[error("no signature by the authority's key")]
    NotSigned,
    /// A signature under the authority's name and key id that isn't the authority's.
    #[error("the authority's signature does not match")]
    BadSignature,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64_STANDARD.encode(self.root.0))
    }

    /// Signs it.
    pub fn sign(&self, key: &SealingKey) -> Signature {
        key.sign(self.body().as_bytes())
    }

    /// Checks `signature` over it.
    ///
    /// # Errors
    /// [`CheckpointError::BadSignature`].
    pub fn verify(&self, key: &PublicKey, signature: &Signature) -> Result<(), CheckpointError> {
        key.verify(self.body().as_bytes(), signature).map_err(|_| CheckpointError::BadSignature)
    }

    /// The signed note: body, empty line, signature line. The key's name is the origin.
    pub fn to_note(&self, key: &PublicKey, signature: &Signature) -> String {
        let mut signed = key_id(&self.origin, key).to_vec();
        signed.extend_from_slice(&signature.0);
        let encoded = BASE64_STANDARD.encode(signed);
        format!("{}\n{SIGNATURE_PREFIX}{} {encoded}\n", self.body(), self.origin)
    }

    /// Reads a signed note of the log `origin`, whoever signed it: for whoever learns only from the
    /// log itself which key must have.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(note: &str, origin: &str) -> Result<Self, CheckpointError> {
        let checkpoint = SignedNote::parse(note)?.checkpoint()?;
        if checkpoint.origin == origin {
            return Ok(checkpoint);
        }
        let (found, expected) = (checkpoint.origin, origin.to_owned());
        Err(CheckpointError::WrongOrigin { found, expected })
    }

    /// Reads a signed note and looks which of `keys`, under the name `origin`, signed it: the first
    /// that did.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open_by_any(
        note: &str,
        origin: &str,
        keys: &[PublicKey],
    ) -> Result<(Self, SignedBy), CheckpointError> {
        for key in keys {
            match Self::open(note, origin, key) {
                Ok((checkpoint, signature)) => {
                    return Ok((checkpoint, SignedBy { key: *key, signature }));
                }
                Err(CheckpointError::NotSigned) => {}
                Err(error) => return Err(error),
            }
        }
        Self::read(note, origin)?;
        Err(CheckpointError::NotSigned)
    }

    /// Reads a signed note and checks that `key`, under the name `origin`, signed it.
    ///
    /// Signatures by others are ignored, as `signed-note` demands.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(
        note: &str,
        origin: &str,
        key: &PublicKey,
    ) -> Result<(Self, Signature), CheckpointError> {
        let checkpoint = Self::read(note, origin)?;
        let note = SignedNote::parse(note)?;
        let id = key_id(origin, key);
        let mut found = None;
        for line in note.signatures.iter().filter(|line| line.name == origin && line.key_id == id) {
            let bytes: [u8; SIGNATURE_BYTES] =
                line.signature.as_slice().try_into().map_err(|_| CheckpointError::BadSignature)?;
            let signature = Signature(bytes);
            key.verify(note.text.as_bytes(), &signature)
                .map_err(|_| CheckpointError::BadSignature)?;
            found = Some(signature);
        }
        found.map(|signature| (checkpoint, signature)).ok_or(CheckpointError::NotSigned)
    }
}

/// The verifier key of C2SP `signed-note`: name, key id and key in one line.
pub fn vkey(name: &str, key: &PublicKey) -> String {
    let mut typed = vec![ED25519];
    typed.extend_from_slice(key.as_bytes());
    format!("{name}+{}+{}", hex::encode(key_id(name, key)), BASE64_STANDARD.encode(typed))
}

/// SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key), its first four bytes.
fn key_id(name: &str, key: &PublicKey) -> [u8; KEY_ID_BYTES] {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ED25519])
        .chain_update(key.as_bytes())
        .finalize()
        .into();
    let (id, _) = digest.split_first_chunk().expect("32 bytes begin with four");
    *id
}

/// A text and signature lines under it, not yet checked against any key.
struct SignedNote<'a> {
    /// What is signed, with its last newline.
    text: &'a str,
    signatures: Vec<SignatureLine<'a>>,
}

struct SignatureLine<'a> {
    name: &'a str,
    key_id: [u8; KEY_ID_BYTES],
    signature: Vec<u8>,
}

impl<'a> SignedNote<'a> {
    fn parse(note: &'a str) -> Result<Self, CheckpointError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(CheckpointError::TooLong(note.len()));
        }
        if note.chars().any(|character| character.is_control() && character != '\n') {
            return Err(CheckpointError::Malformed("control characters"));
        }
        // The last empty line ends the text, so that the text itself could hold others.
        let split = note.rfind("\n\n").ok_or(CheckpointError::Malformed("no empty line"))?;
        let (text, rest) = note.split_at(split + 1);
        let lines = rest
            .strip_prefix('\n')
            .and_then(|lines| lines.strip_suffix('\n'))
            .ok_or(CheckpointError::Malformed("no newline at the end"))?;
        if lines.split('\n').count() > MAX_NOTE_SIGNATURES {
            return Err(CheckpointError::TooManySignatures);
        }
        let signatures = lines.split('\n').map(SignatureLine::parse).collect::<Result<_, _>>()?;
        Ok(Self { text, signatures })
    }

    fn checkpoint(&self) -> Result<Checkpoint, CheckpointError> {
        let lines: Vec<&str> = self.text.splitn(CHECKPOINT_LINES + 1, '\n').collect();
        // The last is what follows the last newline. Further lines are allowed to others, but an
        // authority writes none: what it signed beside them, no evidence could say.
        let [origin, size, root, ""] = *lines else {
            return Err(CheckpointError::Malformed("not three lines"));
        };
        if origin.is_empty() {
            return Err(CheckpointError::Malformed("no origin"));
        }
        let root = BASE64_STANDARD
            .decode(root)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(CheckpointError::Malformed("the third line is no root hash"))?;
        Ok(Checkpoint { origin: origin.to_owned(), size: parse_size(size)?, root: TreeHash(root) })
    }
}

impl<'a> SignatureLine<'a> {
    fn parse(line: &'a str) -> Result<Self, CheckpointError> {
        const MALFORMED: CheckpointError = CheckpointError::Malformed("a bad signature line");
        let (name, encoded) = line
            .strip_prefix(SIGNATURE_PREFIX)
            .and_then(|rest| rest.split_once(' '))
            .ok_or(MALFORMED)?;
        if name.is_empty() || name.contains('+') || name.chars().any(char::is_whitespace) {
            return Err(MALFORMED);
        }
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| MALFORMED)?;
        let (key_id, signature) = bytes.split_first_chunk().ok_or(MALFORMED)?;
        if signature.is_empty() {
            return Err(MALFORMED);
        }
        Ok(Self { name, key_id: *key_id, signature: signature.to_vec() })
    }
}

/// A decimal number without leading zeros.
fn parse_size(text: &str) -> Result<u64, CheckpointError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    text.parse()
        .ok()
        .filter(|_| plain && !leading_zero)
        .ok_or(CheckpointError::Malformed("the second line is no size"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;

    const ORIGIN: &str = "ledger.example/test";

    fn key() -> SealingKey {
        SealingKey::from_seed(&Zeroizing::new([3; 32]))
    }

    fn note() -> (Checkpoint, String) {
        let root = TreeHash([9; 32]);
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 42, root };
        let signature = checkpoint.sign(&key());
        let note = checkpoint.to_note(&key().public(), &signature);
        (checkpoint, note)
    }

    /// A note of the true key with a line that evidence couldn't repeat.
    fn further_line(checkpoint: &Checkpoint) -> String {
        let text = format!("{}more\n", checkpoint.body());
        let note = checkpoint.to_note(&key().public(), &key().sign(text.as_bytes()));
        note.replacen("\n\n", "\nmore\n\n", 1)
    }

    #[test]
    fn opens_what_it_wrote() {
        let (checkpoint, note) = note();
        let opened = Checkpoint::open(&note, ORIGIN, &key().public());
        assert_eq!(opened.map(|(found, _)| found), Ok(checkpoint));
    }

    #[test]
    fn unknown_signatures_are_ignored_and_known_ones_must_hold() {
        let (checkpoint, note) = note();
        let grease = format!("{note}\u{2014} grease.example AAAAAAAA\n");
        assert!(Checkpoint::open(&grease, ORIGIN, &key().public()).is_ok());
        let forged = checkpoint.to_note(&key().public(), &Signature([1; 64]));
        let both = format!("{note}{}", forged.split_once("\n\n").unwrap().1);
        assert_eq!(
            Checkpoint::open(&both, ORIGIN, &key().public()),
            Err(CheckpointError::BadSignature)
        );
    }

    #[test]
    fn refusals() {
        let (checkpoint, note) = note();
        let public = key().public();
        let other = SealingKey::from_seed(&Zeroizing::new([4; 32])).public();
        assert_eq!(Checkpoint::open(&note, ORIGIN, &other), Err(CheckpointError::NotSigned));
        assert!(matches!(
            Checkpoint::open(&note, "other.example", &public),
            Err(CheckpointError::WrongOrigin { .. })
        ));
        let altered = [
            note.replace("\n42\n", "\n042\n"),
            note.replace("\n42\n", "\n+42\n"),
            note.replace("\n42\n", "\n43\n"),
            note.replace('\u{2014}', "-"),
            note.trim_end().to_owned(),
            note.replace("\n\n", "\n"),
            note.replace("\n42\n", "\n42\r\n"),
            further_line(&checkpoint),
            note.repeat(200),
            String::new(),
        ];
        for text in altered {
            assert!(Checkpoint::open(&text, ORIGIN, &public).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(position in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut bytes = note().1.into_bytes();
            let position = position.index(bytes.len());
            bytes[position] ^= 1 << bit;
            if let Ok(text) = String::from_utf8(bytes) {
                prop_assert!(Checkpoint::open(&text, ORIGIN, &key().public()).is_err());
            }
        }

        #[test]
        fn never_panics(text in "\\PC{0,20}(\n\\PC{0,20}){0,6}") {
            let _ = Checkpoint::open(&text, ORIGIN, &key().public());
        }
    }
}
