//! What is held against peers, and who is banned for how long.
//!
//! Invariants:
//! - What is held against a peer fades with time; at [`BAN_SCORE`] it is banned, each time for twice
//!   as long.
//! - A ban outlasts the connection, and the process: it stands in a file.
//! - As much is remembered as is bounded; of more, what weighs least is forgotten.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use libp2p::PeerId;
use serde::{Deserialize, Serialize};

use super::sync::Fault;
use crate::ledger::peers::BanReport;
use crate::protocol::time::Timestamp;

/// The score at which a peer is banned.
pub const BAN_SCORE: u32 = 100;
/// How long it takes until one point is forgotten, in milliseconds.
pub const FADING_MS: u64 = 6_000;
/// How long the first ban lasts, in milliseconds.
pub const FIRST_BAN_MS: u64 = 10 * 60 * 1000;
/// The longest ban, in milliseconds.
pub const MAX_BAN_MS: u64 = 24 * 60 * 60 * 1000;
/// How many peers something is held against, at most.
pub const MAX_RECORDS: usize = 1024;
/// The longest file of bans, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What a peer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Offence {
    /// What it did as somebody whom blocks were asked of.
    Answering(Fault),
    /// It is of another chain, or speaks another protocol.
    OtherChain,
    /// It asked what nobody may ask.
    BadQuestion,
    /// It announced what the authority didn't sign.
    BadAnnouncement,
    /// It gave evidence that proves nothing.
    BadEvidence,
    /// It doesn't say who it is.
    NoIntroduction,
}

impl Offence {
    /// What it weighs.
    const fn points(self) -> u32 {
        match self {
            Self::Answering(Fault::Silence) => 10,
            Self::Answering(Fault::Boast) => 20,
            Self::NoIntroduction => 50,
            Self::Answering(Fault::Excess | Fault::Garbage | Fault::Lie)
            | Self::OtherChain
            | Self::BadQuestion
            | Self::BadAnnouncement
            | Self::BadEvidence => BAN_SCORE,
        }
    }

    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answering(Fault::Silence) => "silence",
            Self::Answering(Fault::Boast) => "boast",
            Self::Answering(Fault::Excess) => "excess",
            Self::Answering(Fault::Garbage) => "garbage",
            Self::Answering(Fault::Lie) => "invalid_block",
            Self::OtherChain => "other_chain",
            Self::BadQuestion => "bad_question",
            Self::BadAnnouncement => "bad_announcement",
            Self::BadEvidence => "bad_evidence",
            Self::NoIntroduction => "no_introduction",
        }
    }
}

/// What is held against one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// Its peer id.
    peer: String,
    /// What weighs against it, as it was at `at`.
    score: u32,
    at: Timestamp,
    /// How often it was banned.
    bans: u32,
    /// Until when, and why.
    banned_until: Option<Timestamp>,
    reason: String,
}

impl Record {
    fn new(peer: &PeerId, now: Timestamp) -> Self {
        let (peer, reason) = (peer.to_string(), String::new());
        Self { peer, score: 0, at: now, bans: 0, banned_until: None, reason }
    }

    fn score_at(&self, now: Timestamp) -> u32 {
        let faded = now.as_millis().saturating_sub(self.at.as_millis()) / FADING_MS;
        self.score.saturating_sub(u32::try_from(faded).unwrap_or(u32::MAX))
    }

    fn is_banned(&self, now: Timestamp) -> bool {
        self.banned_until.is_some_and(|until| until > now)
    }
}

/// What is held against peers.
#[derive(Debug)]
pub struct Bans {
    path: PathBuf,
    records: BTreeMap<PeerId, Record>,
}

impl Bans {
    /// Reads what is remembered in the file at `path`; nothing where there is none, or one that can't
    /// be read, which the log says.
    pub fn open(path: &Path) -> Self {
        let records = read(path).unwrap_or_else(|problem| {
            tracing::warn!(path = %path.display(), %problem, "who was banned can't be read");
            BTreeMap::new()
        });
        Self { path: path.to_owned(), records }
    }

    /// Who is banned.
    pub fn banned(&self, now: Timestamp) -> impl Iterator<Item = PeerId> + '_ {
        let banned = self.records.iter().filter(move |(_, record)| record.is_banned(now));
        banned.map(|(peer, _)| *peer)
    }

    /// Who is banned, for those who ask.
    pub fn report(&self, now: Timestamp) -> Vec<BanReport> {
        let banned = self.records.values().filter(|record| record.is_banned(now));
        let report = banned.map(|record| BanReport {
            id: record.peer.clone(),
            reason: record.reason.clone(),
            until: record.banned_until.unwrap_or(now),
        });
        report.collect()
    }

    /// What is held against `peer`.
    pub fn score(&self, now: Timestamp, peer: &PeerId) -> u32 {
        self.records.get(peer).map_or(0, |record| record.score_at(now))
    }

    /// Holds something against `peer`; until when it is banned, if that does it.
    pub fn hold_against(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        offence: Offence,
    ) -> Option<Timestamp> {
        self.make_room(now, &peer);
        let record = self.records.entry(peer).or_insert_with(|| Record::new(&peer, now));
        record.score = record.score_at(now).saturating_add(offence.points());
        record.at = now;
        if record.score < BAN_SCORE || record.is_banned(now) {
            return None;
        }
        let doubled = 1u64.checked_shl(record.bans).unwrap_or(u64::MAX);
        let length_ms = FIRST_BAN_MS.saturating_mul(doubled).min(MAX_BAN_MS);
        let until = now.as_millis().saturating_add(length_ms);
        let until = Timestamp::from_millis(until).unwrap_or(Timestamp::MAX);
        (record.score, record.bans) = (0, record.bans.saturating_add(1));
        record.banned_until = Some(until);
        offence.as_str().clone_into(&mut record.reason);
        self.write();
        Some(until)
    }

    /// Forgets bans that are over; whose they were.
    pub fn pardon(&mut self, now: Timestamp) -> Vec<PeerId> {
        let is_over = |record: &Record| record.banned_until.is_some_and(|until| until <= now);
        let over = self.records.iter_mut().filter(|(_, record)| is_over(record));
        let over = over.map(|(peer, record)| {
            record.banned_until = None;
            *peer
        });
        over.collect()
    }

    fn make_room(&mut self, now: Timestamp, peer: &PeerId) {
        if self.records.len() < MAX_RECORDS || self.records.contains_key(peer) {
            return;
        }
        let weight = |record: &Record| (record.banned_until, record.bans, record.score_at(now));
        let least = self.records.iter().min_by_key(|(_, record)| weight(record));
        if let Some(least) = least.map(|(peer, _)| *peer) {
            self.records.remove(&least);
        }
    }

    /// What can't be written is remembered as long as the process runs.
    fn write(&self) {
        let banned: Vec<&Record> = self.records.values().filter(|record| record.bans > 0).collect();
        let draft = self.path.with_extension("new");
        let text = serde_json::to_string_pretty(&banned).expect("records are plain data");
        let written =
            std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, &self.path));
        if let Err(error) = written {
            tracing::warn!(path = %self.path.display(), %error, "who is banned can't be written");
        }
    }
}

fn read(path: &Path) -> Result<BTreeMap<PeerId, Record>, String> {
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        file => file.map_err(|error| error.to_string())?,
    };
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let records: Vec<Record> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let named = records.into_iter().take(MAX_RECORDS).filter_map(|record| {
        let peer: PeerId = record.peer.parse().ok()?;
        Some((peer, record))
    });
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + milliseconds).unwrap()
    }

    #[test]
    fn a_ban_outlasts_the_process_and_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bans.json");
        let peer = PeerId::random();
        let mut bans = Bans::open(&path);
        let until = bans.hold_against(at(0), peer, Offence::Answering(Fault::Lie));
        assert_eq!(until, Some(at(FIRST_BAN_MS)));
        let mut bans = Bans::open(&path);
        assert_eq!(bans.banned(at(1)).collect::<Vec<_>>(), [peer]);
        assert_eq!(bans.report(at(1))[0].reason, "invalid_block");
        assert_eq!(bans.banned(at(FIRST_BAN_MS)).count(), 0);
        assert_eq!(bans.pardon(at(FIRST_BAN_MS - 1)), []);
        assert_eq!(bans.pardon(at(FIRST_BAN_MS)), [peer]);
        let again = at(FIRST_BAN_MS + 1);
        let until = bans.hold_against(again, peer, Offence::BadQuestion).unwrap();
        assert_eq!(until.as_millis() - again.as_millis(), 2 * FIRST_BAN_MS);
        for round in 0..70 {
            let now = at((round + 2) * 2 * MAX_BAN_MS);
            let until = bans.hold_against(now, peer, Offence::OtherChain).unwrap();
            assert!(until.as_millis() - now.as_millis() <= MAX_BAN_MS);
        }
    }

    #[test]
    fn small_things_add_up_and_fade() {
        let folder = tempfile::tempdir().unwrap();
        let mut bans = Bans::open(&folder.path().join("bans.json"));
        let (peer, silence) = (PeerId::random(), Offence::Answering(Fault::Silence));
        for _ in 0..9 {
            assert_eq!(bans.hold_against(at(0), peer, silence), None);
        }
        assert_eq!(bans.score(at(0), &peer), 90);
        assert_eq!(bans.score(at(30 * FADING_MS), &peer), 60);
        // As much as fades between.
        for round in 1..50 {
            assert_eq!(bans.hold_against(at((30 + 10 * round) * FADING_MS), peer, silence), None);
        }
        let now = at(1000 * FADING_MS);
        let banned = (0..10).filter_map(|_| bans.hold_against(now, peer, silence)).count();
        assert_eq!(banned, 1);
    }

    #[test]
    fn what_weighs_least_is_forgotten_and_a_bad_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bans.json");
        let mut bans = Bans::open(&path);
        let liar = PeerId::random();
        bans.hold_against(at(0), liar, Offence::Answering(Fault::Lie));
        for _ in 0..2 * MAX_RECORDS {
            bans.hold_against(at(1), PeerId::random(), Offence::Answering(Fault::Boast));
        }
        assert!(bans.records.len() <= MAX_RECORDS);
        assert_eq!(bans.banned(at(2)).collect::<Vec<_>>(), [liar]);
        std::fs::write(&path, "[{\"peer\": 1}]").unwrap();
        assert_eq!(Bans::open(&path).records.len(), 0);
    }
}
