//! What is known of peers, and who is asked next.
//!
//! Invariants:
//! - Whoever has sent what the ledger took is asked first, of those who has failed least. A stranger,
//!   who hasn't, gets its chance, but never more than a few questions while somebody proven is there.
//! - What is held against a peer outlasts its connection: leaving and coming back wins nothing.

use std::collections::BTreeMap;

use super::{
    FIRST_REST_MS, MAX_ASKED_OF_A_PEER, MAX_ASKED_OF_STRANGERS, MAX_PEERS, MAX_RANGE_BLOCKS,
    MAX_REST_MS,
};

/// How often a rest is doubled, at most.
const MAX_DOUBLINGS: u32 = 16;

/// What is known of a peer.
#[derive(Clone, Copy, Debug)]
struct Peer {
    is_connected: bool,
    claimed: u64,
    /// How many questions it was asked that aren't answered yet.
    questions: usize,
    /// How often it failed since it last answered, and when the last time, in milliseconds.
    failures: u32,
    failed_at: Option<u64>,
    /// Until when it isn't asked, in milliseconds.
    rests_until: u64,
    /// The number of the latest question that it was asked: who was asked longest ago is next.
    latest: u64,
    /// How many blocks it is asked for at a time: half as many each time it fails.
    range_blocks: u64,
    /// What it has shown so far.
    standing: Standing,
    /// Whether nothing of it is wanted any more.
    is_shunned: bool,
}

/// What a peer has shown so far: the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// The ledger took what it sent.
    Proven,
    /// It answers.
    Answering,
    /// Nothing.
    Unknown,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            is_connected: false,
            claimed: 0,
            questions: 0,
            failures: 0,
            failed_at: None,
            rests_until: 0,
            latest: 0,
            range_blocks: MAX_RANGE_BLOCKS,
            standing: Standing::Unknown,
            is_shunned: false,
        }
    }
}

impl Peer {
    fn is_stranger(&self) -> bool {
        self.standing != Standing::Proven
    }

    fn is_able(&self, now: u64, height: u64) -> bool {
        let has_time = self.questions < MAX_ASKED_OF_A_PEER && self.rests_until <= now;
        self.is_connected && !self.is_shunned && self.claimed >= height && has_time
    }
}

/// All peers.
#[derive(Debug)]
pub(super) struct Peers<P> {
    known: BTreeMap<P, Peer>,
}

impl<P> Default for Peers<P> {
    fn default() -> Self {
        Self { known: BTreeMap::new() }
    }
}

impl<P: Copy + Ord> Peers<P> {
    /// The greatest height that somebody claims who is connected.
    pub(super) fn claimed(&self) -> u64 {
        let connected = self.known.values().filter(|peer| peer.is_connected);
        connected.map(|peer| peer.claimed).max().unwrap_or(0)
    }

    /// A peer is connected. Where too many are known, one is forgotten that isn't connected, of those
    /// the one that least is held against; where all are connected, this one isn't known.
    pub(super) fn join(&mut self, name: P) {
        if !self.known.contains_key(&name) && self.known.len() >= MAX_PEERS {
            let gone = self.known.iter().filter(|(_, peer)| !peer.is_connected);
            let harmless = gone.min_by_key(|(_, peer)| (peer.is_shunned, peer.failures));
            let Some(harmless) = harmless.map(|(name, _)| *name) else { return };
            self.known.remove(&harmless);
        }
        let peer = self.known.entry(name).or_default();
        (peer.is_connected, peer.claimed) = (true, 0);
    }

    /// Its questions MUST have been dropped before.
    pub(super) fn leave(&mut self, name: P) {
        self.with(name, |peer| peer.is_connected = false);
    }

    pub(super) fn claim(&mut self, name: P, height: u64) {
        if !self.known.get(&name).is_some_and(|peer| peer.is_connected) {
            self.join(name);
        }
        self.with(name, |peer| peer.claimed = peer.claimed.max(height));
    }

    /// It has been found out to have no more than that.
    pub(super) fn has_no_more_than(&mut self, name: P, height: u64) {
        self.with(name, |peer| peer.claimed = peer.claimed.min(height));
    }

    pub(super) fn asked(&mut self, name: P, number: u64) {
        self.with(name, |peer| {
            peer.questions += 1;
            peer.latest = number;
        });
    }

    /// A question of it is open no more.
    pub(super) fn done(&mut self, name: P) {
        self.with(name, |peer| peer.questions = peer.questions.saturating_sub(1));
    }

    /// It sent what it was asked for.
    pub(super) fn answered(&mut self, name: P) {
        self.with(name, |peer| {
            (peer.failures, peer.rests_until) = (0, 0);
            peer.range_blocks = (2 * peer.range_blocks).min(MAX_RANGE_BLOCKS);
            peer.standing = peer.standing.min(Standing::Answering);
        });
    }

    /// The ledger took what it sent.
    pub(super) fn delivered(&mut self, name: P) {
        self.with(name, |peer| peer.standing = Standing::Proven);
    }

    /// Whether it has sent nothing yet that the ledger took.
    pub(super) fn is_stranger(&self, name: P) -> bool {
        self.known.get(&name).is_none_or(Peer::is_stranger)
    }

    /// It didn't do what it was asked for: it rests a while, and is asked for less.
    pub(super) fn fail(&mut self, now: u64, name: P) {
        self.with(name, |peer| {
            // What goes wrong at the same time goes wrong once.
            if peer.failed_at.replace(now) == Some(now) {
                return;
            }
            let rest = FIRST_REST_MS << peer.failures.min(MAX_DOUBLINGS);
            peer.rests_until = now.saturating_add(rest.min(MAX_REST_MS));
            peer.failures = peer.failures.saturating_add(1);
            peer.range_blocks = (peer.range_blocks / 2).max(1);
        });
    }

    pub(super) fn shun(&mut self, name: P) {
        self.with(name, |peer| peer.is_shunned = true);
    }

    /// Who claims to have `height` and has time, but for `but`; and the height after the last that it
    /// may be asked for.
    pub(super) fn whom_to_ask(&self, now: u64, height: u64, but: Option<P>) -> Option<(P, u64)> {
        let strangers = self.known.values().filter(|peer| peer.is_stranger());
        let asked: usize = strangers.map(|peer| peer.questions).sum();
        let connected = |peer: &Peer| peer.is_connected && !peer.is_shunned;
        let is_somebody_proven = self
            .known
            .values()
            .any(|peer| connected(peer) && !peer.is_stranger() && peer.claimed >= height);
        let no_strangers = is_somebody_proven && asked >= MAX_ASKED_OF_STRANGERS;
        let able = self.known.iter().filter(|(name, peer)| {
            let is_wanted = !(no_strangers && peer.is_stranger());
            peer.is_able(now, height) && is_wanted && but != Some(**name)
        });
        let chosen = able
            .min_by_key(|(_, peer)| (peer.standing, peer.failures, peer.questions, peer.latest));
        let (name, peer) = chosen?;
        let most = height.saturating_add(peer.range_blocks).min(peer.claimed.saturating_add(1));
        Some((*name, most))
    }

    fn with(&mut self, name: P, change: impl FnOnce(&mut Peer)) {
        if let Some(peer) = self.known.get_mut(&name) {
            change(peer);
        }
    }
}
