//! Secrets in files: the sealing key, the network key and the token for submitting.
//!
//! A key file is PKCS #8 in PEM (RFC 8410), so `openssl genpkey -algorithm ed25519` makes one
//! and `openssl pkey` reads one. A token file has the token alone on its first line.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::network::Keypair;
use crate::protocol::key::{KEY_BYTES, SealingKey};

/// The longest secret file that is read, in bytes.
pub const MAX_SECRET_FILE_BYTES: u64 = 4 * 1024;
/// The shortest token, in characters: shorter ones can be guessed.
pub const MIN_TOKEN_CHARACTERS: usize = 32;
/// The randomness in a token that we make, in bytes.
const TOKEN_BYTES: usize = 32;

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
/// What precedes the seed in the DER of an Ed25519 private key (RFC 8410, version 0).
const DER_PREFIX: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Why a secret can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no such file.
    #[error("{} does not exist; make one with `counterfoil {make} --out {}`", path.display(), path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The command that makes one.
        make: &'static str,
    },
    /// The file is there already.
    #[error("{} exists; secrets are never overwritten, choose another name", .0.display())]
    Exists(PathBuf),
    /// Others than its owner may read it.
    #[error(
        "{} can be read by others than its owner (mode {mode:04o}); run `chmod 600 {}`, and replace it if somebody may have read it",
        path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Not what such a file holds.
    #[error("{} is not {expected}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// The operating system refused.
    #[error("can't {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    NoRandomness(String),
}

/// A new random sealing key.
///
/// # Errors
/// [`SecretError::NoRandomness`].
pub fn generate_key() -> Result<SealingKey, SecretError> {
    let mut seed = Zeroizing::new([0; KEY_BYTES]);
    fill(seed.as_mut_slice())?;
    Ok(SealingKey::from_seed(&seed))
}

/// The network key in the file at `path`; where there is none, a new one is made. It is a key of the
/// same kind as the sealing key, and never that one: connections are signed with it.
///
/// # Errors
/// [`SecretError`].
pub fn network_key(path: &Path) -> Result<Keypair, SecretError> {
    if !path.exists() {
        write_key(path, &generate_key()?)?;
    }
    let mut seed = read_key(path)?.to_seed();
    let key = Keypair::ed25519_from_bytes(seed.as_mut_slice());
    let expected = "a private key of Ed25519";
    key.map_err(|_| SecretError::Malformed { path: path.to_owned(), expected })
}

/// A new random token.
///
/// # Errors
/// [`SecretError::NoRandomness`].
pub fn generate_token() -> Result<Zeroizing<String>, SecretError> {
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    fill(bytes.as_mut_slice())?;
    Ok(Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

fn fill(bytes: &mut [u8]) -> Result<(), SecretError> {
    getrandom::fill(bytes).map_err(|error| SecretError::NoRandomness(error.to_string()))
}

/// Writes a key to a new file that only its owner can read. When this returns, the file MUST
/// survive a power cut.
///
/// # Errors
/// [`SecretError`].
pub fn write_key(path: &Path, key: &SealingKey) -> Result<(), SecretError> {
    let mut der = Zeroizing::new(DER_PREFIX.to_vec());
    der.extend_from_slice(key.to_seed().as_slice());
    let encoded = Zeroizing::new(BASE64_STANDARD.encode(&*der));
    write_new(path, &Zeroizing::new(format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", *encoded)))
}

/// Reads a key file, which nobody but its owner may read.
///
/// # Errors
/// [`SecretError`].
pub fn read_key(path: &Path) -> Result<SealingKey, SecretError> {
    let text = read(path, Some("key generate"))?;
    let malformed = || SecretError::Malformed {
        path: path.to_owned(),
        expected: "an Ed25519 private key in PEM (`-----BEGIN PRIVATE KEY-----`)",
    };
    let encoded = text
        .trim()
        .strip_prefix(PEM_BEGIN)
        .and_then(|rest| rest.strip_suffix(PEM_END))
        .ok_or_else(malformed)?;
    let der =
        BASE64_STANDARD.decode(encoded.trim()).map(Zeroizing::new).map_err(|_| malformed())?;
    let seed = der.strip_prefix(&DER_PREFIX).and_then(|seed| seed.try_into().ok());
    seed.map(|seed| SealingKey::from_seed(&Zeroizing::new(seed))).ok_or_else(malformed)
}

/// Writes a token to a new file that only its owner can read.
///
/// # Errors
/// [`SecretError`].
pub fn write_token(path: &Path, token: &Zeroizing<String>) -> Result<(), SecretError> {
    write_new(path, &Zeroizing::new(format!("{}\n", **token)))
}

/// Reads a token file, which nobody but its owner may read.
///
/// # Errors
/// [`SecretError`]; [`SecretError::Malformed`] also for a token that is easy to guess.
pub fn read_token(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let text = read(path, Some("token generate"))?;
    let token = text.trim();
    if token.len() < MIN_TOKEN_CHARACTERS || token.bytes().any(|byte| !byte.is_ascii_graphic()) {
        let path = path.to_owned();
        let expected = "a token: 32 or more visible ASCII characters on one line";
        return Err(SecretError::Malformed { path, expected });
    }
    Ok(Zeroizing::new(token.to_owned()))
}

/// Reads a secret of another make: a text of one line.
///
/// # Errors
/// [`SecretError`].
pub fn read_text(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let text = read(path, None)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn read(path: &Path, make: Option<&'static str>) -> Result<Zeroizing<String>, SecretError> {
    let io = |action| {
        move |source: std::io::Error| match (source.kind(), make) {
            (std::io::ErrorKind::NotFound, Some(make)) => {
                SecretError::Missing { path: path.to_owned(), make }
            }
            _ => SecretError::Io { action, path: path.to_owned(), source },
        }
    };
    let file = File::open(path).map_err(io("open"))?;
    // Of the open file, so that nobody can put another in its place meanwhile.
    check_mode(path, &file)?;
    // With room from the start: a string that grows leaves copies behind.
    let room = usize::try_from(MAX_SECRET_FILE_BYTES).expect("a few KiB");
    let mut text = Zeroizing::new(String::with_capacity(room));
    file.take(MAX_SECRET_FILE_BYTES).read_to_string(&mut text).map_err(io("read"))?;
    Ok(text)
}

#[cfg(unix)]
fn check_mode(path: &Path, file: &File) -> Result<(), SecretError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().map_err(|source| SecretError::Io {
        action: "look at",
        path: path.to_owned(),
        source,
    })?;
    let mode = metadata.permissions().mode() & 0o777;
    let for_others = mode & 0o077;
    if for_others == 0 { Ok(()) } else { Err(SecretError::Exposed { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &File) -> Result<(), SecretError> {
    Ok(())
}

fn write_new(path: &Path, text: &str) -> Result<(), SecretError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let io = |action| {
        move |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AlreadyExists => SecretError::Exists(path.to_owned()),
            _ => SecretError::Io { action, path: path.to_owned(), source },
        }
    };
    let mut file = options.open(path).map_err(io("create"))?;
    file.write_all(text.as_bytes()).map_err(io("write"))?;
    file.sync_all().map_err(io("sync"))?;
    super::files::sync_parent(path).map_err(io("sync the folder of"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_a_file_and_are_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let key = generate_key().unwrap();
        write_key(&path, &key).unwrap();
        assert_eq!(read_key(&path).unwrap().public(), key.public());
        assert!(matches!(write_key(&path, &key), Err(SecretError::Exists(_))));
        assert!(matches!(
            read_key(&directory.path().join("none")),
            Err(SecretError::Missing { make: "key generate", .. })
        ));
    }

    #[test]
    fn reads_what_openssl_writes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        // RFC 8410 section 10.3, the first example.
        let pem = "-----BEGIN PRIVATE KEY-----\n\
            MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
            -----END PRIVATE KEY-----\n";
        write_new(&path, pem).unwrap();
        assert_eq!(
            read_key(&path).unwrap().public().to_string(),
            "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
        );
    }

    #[test]
    fn other_files_are_no_keys() {
        let directory = tempfile::tempdir().unwrap();
        let cases = [
            "",
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5\n-----END PRIVATE KEY-----",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        ];
        for (number, text) in cases.into_iter().enumerate() {
            let path = directory.path().join(number.to_string());
            write_new(&path, text).unwrap();
            assert!(matches!(read_key(&path), Err(SecretError::Malformed { .. })), "{text:?}");
        }
    }

    #[test]
    fn tokens_survive_a_file_and_short_ones_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let token = generate_token().unwrap();
        write_token(&path, &token).unwrap();
        assert_eq!(*read_token(&path).unwrap(), *token);
        for (name, text) in [("short", "secret"), ("blank", &"a b".repeat(20))] {
            let path = directory.path().join(name);
            write_new(&path, text).unwrap();
            assert!(matches!(read_token(&path), Err(SecretError::Malformed { .. })), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn exposed_secrets_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        write_key(&path, &generate_key().unwrap()).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o644, 0o610] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let refused = read_key(&path);
            assert!(
                matches!(refused, Err(SecretError::Exposed { mode: found, .. }) if found == mode)
            );
        }
    }
}
