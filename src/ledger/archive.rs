//! A whole ledger in one file: to keep as a backup, to move, to hand to an auditor.
//!
//! The file is gzip (RFC 1952, one member) of:
//!
//! | bytes | what |
//! |---|---|
//! | `counterfoil-archive-v1`, a blank, 64 hexadecimal digits, a newline | format and chain id |
//! | length (4, big-endian, not 0), then as many bytes | a block in canonical form (FORMAT.md); again for each, from height 1 on |
//! | 0 (4), then the number of blocks (8, big-endian) | the end, so that a file cut short is noticed |
//!
//! Genesis isn't in it: it follows from the chain spec. The chain spec isn't either: whoever
//! reads the file must have it from a trusted place. Nothing may follow the end.

use std::io::{BufRead, Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use crate::protocol::block::{Block, MAX_BLOCK_WIRE_BYTES};
use crate::protocol::codec::NotCanonical;
use crate::protocol::hash::ChainId;
use crate::store::{StoreError, View};

/// What an archive begins with, before the chain id.
const MAGIC: &str = "counterfoil-archive-v1 ";
/// The length of the first line, newline included.
const FIRST_LINE_BYTES: usize = MAGIC.len() + 64 + 1;

/// Why an archive can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The operating system refused, or the compressed data is damaged or cut short.
    #[error("the archive can't be {action}: {source}")]
    Io {
        /// `read` or `written`.
        action: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not an archive, or one of another version.
    #[error("this is no archive of a ledger (its first line is another)")]
    NotAnArchive,
    /// Another chain's archive.
    #[error("this is an archive of chain {found}, the chain spec is of {expected}")]
    OtherChain {
        /// The chain of the archive.
        found: ChainId,
        /// The chain of the spec.
        expected: ChainId,
    },
    /// A length beyond that of any block.
    #[error("record {number} claims {length} bytes, a block has at most {MAX_BLOCK_WIRE_BYTES}")]
    TooLong {
        /// Which record, from 1.
        number: u64,
        /// Its length.
        length: u32,
    },
    /// A record that is no block.
    #[error("record {number} is no block: {error}")]
    NotABlock {
        /// Which record, from 1.
        number: u64,
        /// What is wrong.
        error: NotCanonical,
    },
    /// The end counts other than there is.
    #[error("the archive says it has {stated} blocks, but {found} are there")]
    WrongCount {
        /// What it says.
        stated: u64,
        /// What is there.
        found: u64,
    },
    /// Something after the end.
    #[error("there is something after the end of the archive")]
    Trailing,
}

/// Writes the ledger as it stands in `view` to `out`; how many blocks there were. `progress`
/// is told each height that was written. Making the file durable is the caller's.
///
/// # Errors
/// [`ArchiveError`].
pub fn write(
    view: &View,
    chain: ChainId,
    out: impl Write,
    mut progress: impl FnMut(u64),
) -> Result<u64, ArchiveError> {
    let mut out = GzEncoder::new(out, Compression::default());
    let io = |source| ArchiveError::Io { action: "written", source };
    writeln!(out, "{MAGIC}{chain}").map_err(io)?;
    let last = view.head().height();
    for height in 1..=last {
        let block = view.block(height)?.expect("a view holds every block up to its head").encode();
        let length = u32::try_from(block.len()).expect("a block is a few MiB at most");
        out.write_all(&length.to_be_bytes()).and_then(|()| out.write_all(&block)).map_err(io)?;
        progress(height);
    }
    out.write_all(&0u32.to_be_bytes())
        .and_then(|()| out.write_all(&last.to_be_bytes()))
        .and_then(|()| out.finish())
        .and_then(|mut inner| inner.flush())
        .map_err(io)?;
    Ok(last)
}

/// The blocks of an archive, in order, decoded and not verified.
pub struct Blocks<R> {
    input: GzDecoder<R>,
    read: u64,
    ended: bool,
}

/// Opens an archive, which must be of `chain`.
///
/// # Errors
/// [`ArchiveError`].
pub fn open<R: BufRead>(input: R, chain: ChainId) -> Result<Blocks<R>, ArchiveError> {
    let mut input = GzDecoder::new(input);
    let mut line = [0; FIRST_LINE_BYTES];
    input.read_exact(&mut line).map_err(|error| match error.kind() {
        // Not gzip, or too short to be one of ours.
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::UnexpectedEof => {
            ArchiveError::NotAnArchive
        }
        _ => ArchiveError::Io { action: "read", source: error },
    })?;
    let found = std::str::from_utf8(&line)
        .ok()
        .and_then(|line| line.strip_prefix(MAGIC)?.strip_suffix('\n')?.parse().ok())
        .ok_or(ArchiveError::NotAnArchive)?;
    if found != chain {
        return Err(ArchiveError::OtherChain { found, expected: chain });
    }
    Ok(Blocks { input, read: 0, ended: false })
}

impl<R: BufRead> Iterator for Blocks<R> {
    type Item = Result<Block, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read_next().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<R: BufRead> Blocks<R> {
    /// The bytes of the file that were read so far come from here.
    pub fn input(&self) -> &R {
        self.input.get_ref()
    }

    fn read_next(&mut self) -> Result<Option<Block>, ArchiveError> {
        let number = self.read + 1;
        let length = u32::from_be_bytes(self.read_array()?);
        if length == 0 {
            return self.read_end().map(|()| None);
        }
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        if wanted > MAX_BLOCK_WIRE_BYTES {
            return Err(ArchiveError::TooLong { number, length });
        }
        let mut bytes = vec![0; wanted];
        self.input.read_exact(&mut bytes).map_err(read_error)?;
        let block =
            Block::decode(&bytes).map_err(|error| ArchiveError::NotABlock { number, error })?;
        self.read = number;
        Ok(Some(block))
    }

    fn read_end(&mut self) -> Result<(), ArchiveError> {
        let stated = u64::from_be_bytes(self.read_array()?);
        if stated != self.read {
            return Err(ArchiveError::WrongCount { stated, found: self.read });
        }
        // Reading to the end of the member checks its sum.
        let more = self.input.read(&mut [0]).map_err(read_error)?;
        let behind = self.input.get_mut().fill_buf().map_err(read_error)?;
        if more == 0 && behind.is_empty() { Ok(()) } else { Err(ArchiveError::Trailing) }
    }

    fn read_array<const N: usize>(&mut self) -> Result<[u8; N], ArchiveError> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(read_error)?;
        Ok(bytes)
    }
}

fn read_error(source: std::io::Error) -> ArchiveError {
    ArchiveError::Io { action: "read", source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::hash::Domain;

    /// Without repetitions, which some altered archives decompress to just the same.
    fn chain() -> ChainId {
        ChainId(Domain::Chain.digest(b"a chain"))
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::default());
        out.write_all(text).unwrap();
        out.finish().unwrap()
    }

    fn archive(blocks: &[&[u8]], stated: u64) -> Vec<u8> {
        let mut text = format!("{MAGIC}{}\n", chain()).into_bytes();
        for block in blocks {
            text.extend_from_slice(&u32::try_from(block.len()).unwrap().to_be_bytes());
            text.extend_from_slice(block);
        }
        text.extend_from_slice(&[0; 4]);
        text.extend_from_slice(&stated.to_be_bytes());
        gzip(&text)
    }

    fn problem(bytes: &[u8]) -> Option<ArchiveError> {
        match open(bytes, chain()) {
            Ok(mut blocks) => blocks.find_map(Result::err),
            Err(error) => Some(error),
        }
    }

    #[test]
    fn the_empty_ledger() {
        assert!(problem(&archive(&[], 0)).is_none());
    }

    #[test]
    fn refusals() {
        let mut trailing = archive(&[], 0);
        trailing.push(0);
        let another = gzip(format!("{MAGIC}{}\n", ChainId([8; 32])).as_bytes());
        let endless = gzip(&[format!("{MAGIC}{}\n", chain()).as_bytes(), &[255; 4]].concat());
        assert!(matches!(problem(b""), Some(ArchiveError::NotAnArchive)));
        assert!(matches!(problem(b"not gzip"), Some(ArchiveError::NotAnArchive)));
        assert!(matches!(problem(&gzip(b"short")), Some(ArchiveError::NotAnArchive)));
        assert!(matches!(problem(&another), Some(ArchiveError::OtherChain { .. })));
        assert!(matches!(problem(&endless), Some(ArchiveError::TooLong { number: 1, .. })));
        assert!(matches!(
            problem(&archive(&[b"no block"], 1)),
            Some(ArchiveError::NotABlock { number: 1, .. })
        ));
        assert!(matches!(
            problem(&archive(&[], 3)),
            Some(ArchiveError::WrongCount { stated: 3, found: 0 })
        ));
        assert!(matches!(problem(&trailing), Some(ArchiveError::Trailing)));
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_noticed() {
        let whole = archive(&[], 0);
        for cut in 0..whole.len() {
            assert!(problem(&whole[..cut]).is_some(), "cut at {cut}");
        }
        // Bytes 4 to 9 of a gzip member say when and where it was made.
        for place in (0..4).chain(10..whole.len()) {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x10;
            assert!(problem(&bytes).is_some(), "byte {place}");
        }
    }
}
