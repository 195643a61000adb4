//! What is done to a data directory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::original::Original;
use crate::support::random::Random;

/// The files of a data directory, by their place in it.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What is done to a data directory.
#[derive(Clone, Copy, Debug)]
pub enum Damage {
    /// In one file, whatever it holds.
    Bytes(Bytes),
    /// To whole files.
    File(Whole),
    /// In one of the database's values, by its own means, so that all its sums are right.
    Value(Value),
}

#[derive(Clone, Copy, Debug)]
pub enum Bytes {
    FlippedBit,
    FlippedBits,
    ZeroedSector,
    ZeroedPage,
    Garbage,
    Truncated,
    SwappedSectors,
    SwappedPages,
    SwappedHalves,
}

#[derive(Clone, Copy, Debug)]
pub enum Whole {
    Missing,
    ExchangedSlots,
    OldFile,
    OldGuard,
    OldStore,
}

#[derive(Clone, Copy, Debug)]
pub enum Value {
    Altered,
    Cut,
    Removed,
    Swapped,
    Inserted,
    /// Altered by somebody who makes the store's own sum right again.
    Forged,
}

/// All of them, the commonest more than once.
pub const DAMAGES: [Damage; 20] = [
    Damage::Bytes(Bytes::FlippedBit),
    Damage::Bytes(Bytes::FlippedBits),
    Damage::Bytes(Bytes::ZeroedSector),
    Damage::Bytes(Bytes::ZeroedPage),
    Damage::Bytes(Bytes::Garbage),
    Damage::Bytes(Bytes::Truncated),
    Damage::Bytes(Bytes::SwappedSectors),
    Damage::Bytes(Bytes::SwappedPages),
    Damage::Bytes(Bytes::SwappedHalves),
    Damage::File(Whole::Missing),
    Damage::File(Whole::ExchangedSlots),
    Damage::File(Whole::OldFile),
    Damage::File(Whole::OldGuard),
    Damage::File(Whole::OldStore),
    Damage::Value(Value::Altered),
    Damage::Value(Value::Cut),
    Damage::Value(Value::Removed),
    Damage::Value(Value::Swapped),
    Damage::Value(Value::Inserted),
    Damage::Value(Value::Forged),
];

impl Damage {
    /// Damages the directory; what was done, in words.
    pub fn apply(self, directory: &Path, original: &Original, random: &mut Random) -> String {
        if let Self::Value(value) = self {
            return value.apply(directory, random);
        }
        let mut files = read(directory);
        let names: Vec<String> = files
            .iter()
            .filter(|(_, content)| !content.is_empty())
            .map(|(name, _)| name.clone())
            .collect();
        // Most of what can go wrong is in the database's one large file.
        let large = random.below(3) == 0;
        let name = if large { "store/db".to_owned() } else { pick(random, &names).clone() };
        let said = match self {
            Self::Bytes(bytes) => bytes.apply(files.get_mut(&name).expect("it is there"), random),
            Self::File(whole) => whole.apply(&mut files, &name, &original.old).to_owned(),
            Self::Value(_) => unreachable!("handled above"),
        };
        for gone in read(directory).keys().filter(|name| !files.contains_key(*name)) {
            fs::remove_file(directory.join(gone)).unwrap();
        }
        write(directory, &files);
        format!("{name}: {said}")
    }

    /// Whether whoever did it knows how the store sums its values.
    pub fn is_forgery(self) -> bool {
        matches!(self, Self::Value(Value::Forged))
    }
}

impl Bytes {
    fn apply(self, content: &mut Vec<u8>, random: &mut Random) -> String {
        let mut said = format!("of {} bytes ", content.len());
        match self {
            Self::FlippedBit | Self::FlippedBits => {
                let flips = if matches!(self, Self::FlippedBit) { 1 } else { 8 };
                for _ in 0..flips {
                    let (at, bit) = (used(random, content), random.below(8));
                    content[at] ^= 1 << bit;
                    let _ = write!(said, "bit {bit} of byte {at} ");
                }
            }
            Self::ZeroedSector | Self::ZeroedPage | Self::Garbage => {
                let size = if matches!(self, Self::ZeroedPage) { 4096 } else { 512 };
                let from = used(random, content) / size * size;
                let until = (from + size).min(content.len());
                for byte in &mut content[from..until] {
                    *byte = if matches!(self, Self::Garbage) {
                        u8::try_from(random.below(256)).unwrap()
                    } else {
                        0
                    };
                }
                let _ = write!(said, "{from} to {until}");
            }
            Self::Truncated => {
                content.truncate(used(random, content));
                let _ = write!(said, "{} are left", content.len());
            }
            Self::SwappedSectors | Self::SwappedPages | Self::SwappedHalves => {
                let size = match self {
                    Self::SwappedSectors => 512,
                    Self::SwappedPages => 4096,
                    _ => (content.len() / 2).max(1),
                };
                let (one, two) = (used(random, content), used(random, content));
                let (one, two) = (one / size * size, two / size * size);
                for offset in 0..size {
                    if one.max(two) + offset < content.len() {
                        content.swap(one + offset, two + offset);
                    }
                }
                let _ = write!(said, "{size} at {one} and {two}");
            }
        }
        said
    }
}

impl Whole {
    fn apply(self, files: &mut Files, name: &str, old: &Files) -> &'static str {
        match self {
            Self::Missing => drop(files.remove(name)),
            Self::ExchangedSlots => {
                let (even, odd) = (files["guard/even"].clone(), files["guard/odd"].clone());
                files.insert("guard/even".to_owned(), odd);
                files.insert("guard/odd".to_owned(), even);
            }
            Self::OldFile => put_back(files, old, name),
            Self::OldGuard => put_back(files, old, "guard/"),
            Self::OldStore => put_back(files, old, "store/"),
        }
        "as a whole"
    }
}

/// Puts the old version of all files in the place of the new whose names begin so. Where the
/// directory lives is the same then as now.
fn put_back(files: &mut Files, old: &Files, prefix: &str) {
    let meant = |name: &String| name.starts_with(prefix) && name != "guard/home";
    files.retain(|name, _| !meant(name));
    let old = old.iter().filter(|(name, _)| meant(name));
    files.extend(old.map(|(name, content)| (name.clone(), content.clone())));
}

impl Value {
    fn apply(self, directory: &Path, random: &mut Random) -> String {
        let config = sled::Config::new().path(directory.join("store")).flush_every_ms(None);
        let database = config.open().unwrap();
        let names = ["blocks", "blocks", "bodies", "tiles-0", "derived"];
        let table = *pick(random, &names);
        let tree = database.open_tree(table).unwrap();
        let all: Vec<_> = tree.iter().map(Result::unwrap).collect();
        // Keys that are only reserved have no value to damage.
        let all: Vec<_> = all.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        // Kinds of which there are few are as likely as the others.
        let kind = |key: &[u8]| (key.len(), if table == "blocks" { key[0] } else { 0 });
        let mut kinds: Vec<_> = all.iter().map(|(key, _)| kind(key)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let chosen = *pick(random, &kinds);
        let all: Vec<_> = all.iter().filter(|(key, _)| kind(key) == chosen).collect();
        let (key, value) = pick(random, &all);
        let mut said = format!("{table}/{}", hex::encode(key));
        let mut value = value.to_vec();
        let at = usize::try_from(random.below(value.len() as u64)).unwrap();
        match self {
            Self::Altered => value[at] ^= 1 << random.below(8),
            Self::Cut => value.truncate(at),
            Self::Removed => drop(tree.remove(key).unwrap()),
            Self::Swapped => {
                let (other, other_value) = pick(random, &all);
                let _ = write!(said, " and {}", hex::encode(other));
                tree.insert(other, value).unwrap();
                value = other_value.to_vec();
            }
            Self::Inserted => {
                let mut other = key.to_vec();
                let place = at % other.len();
                other[place] = other[place].wrapping_add(1);
                let _ = write!(said, " again as {}", hex::encode(&other));
                tree.insert(other, value.clone()).unwrap();
            }
            Self::Forged => {
                let content = value.len() - 4;
                value[at % content.max(1)] ^= 1 << random.below(8);
                let sum = crc32fast::hash(&[key, &value[..content]].concat());
                value[content..].copy_from_slice(&sum.to_be_bytes());
            }
        }
        if !matches!(self, Self::Removed) {
            tree.insert(key, value).unwrap();
        }
        database.flush().unwrap();
        format!("{said} at {at}")
    }
}

fn pick<'a, T>(random: &mut Random, all: &'a [T]) -> &'a T {
    &all[random.index(all.len())]
}

/// A place in a file, mostly where something other than zeros stands.
fn used(random: &mut Random, content: &[u8]) -> usize {
    let places: Vec<usize> = (0..20).map(|_| random.index(content.len())).collect();
    let used = places.iter().find(|place| content[**place] != 0);
    *used.unwrap_or(&places[0])
}

/// All files of a directory.
pub fn read(directory: &Path) -> Files {
    fn add(root: &Path, directory: &Path, files: &mut Files) {
        for item in fs::read_dir(directory).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                add(root, &path, files);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut files = Files::new();
    add(directory, directory, &mut files);
    files
}

/// Puts files into an empty directory.
pub fn write(directory: &Path, files: &Files) {
    for (name, content) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}
