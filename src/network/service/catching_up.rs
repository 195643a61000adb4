//! Acting on what `sync.rs` decides.

use std::collections::BTreeMap;

use libp2p::PeerId;
use tokio::sync::mpsc;

use super::appending::{Answered, Handed, NotAppended, decode};
use super::{Asked, Service};
use crate::ledger::{AppendError, Health};
use crate::network::bans::Offence;
use crate::network::sync::{Action, Event, Question as SyncQuestion, Sent};
use crate::network::wire::{BlockBytes, Question};
use crate::protocol::block::Header;
use crate::protocol::codec;
use crate::protocol::verify::Invalid;

/// How long it may take to find out whether a block that doesn't follow ours is of another history that
/// the authority signed, in milliseconds.
pub const MAX_SUSPICION_MS: u64 = 10_000;
/// How long it is waited before a block is tried again that came too early, or that couldn't be written,
/// in milliseconds.
const RETRY_MS: u64 = 2_000;
/// How long it is waited before others are asked again for a block in place of one that may be of one of
/// two histories, in milliseconds.
const RETRY_OF_DOUBTFUL_MS: u64 = 30_000;

/// How the service stands to the ledger.
#[derive(Debug)]
pub(super) struct CatchingUp {
    to_ledger: mpsc::Sender<Handed<PeerId>>,
    /// Blocks for the ledger, beyond what its queue has room for: as many as the machine hands over.
    overflow: Vec<Handed<PeerId>>,
    /// A block that doesn't follow ours: it is being found out whose fault that is.
    suspicion: Option<Suspicion>,
    /// When to go on after a block that couldn't be taken yet, in milliseconds.
    resumes_at: Option<u64>,
    is_halted: bool,
    /// What was said last of why nothing is taken.
    said: BTreeMap<&'static str, String>,
}

/// A refusal that isn't told to the machine yet.
#[derive(Clone, Copy, Debug)]
struct Suspicion {
    peer: PeerId,
    round: u64,
    height: u64,
    since: u64,
}

impl CatchingUp {
    pub(super) fn new(to_ledger: mpsc::Sender<Handed<PeerId>>) -> Self {
        Self {
            to_ledger,
            overflow: Vec::new(),
            suspicion: None,
            resumes_at: None,
            is_halted: false,
            said: BTreeMap::new(),
        }
    }
}

impl Service {
    /// Tells the machine what happened, and does what it says.
    pub(super) fn drive(&mut self, event: Event<PeerId, Vec<u8>>) {
        let now = self.now_ms();
        for action in self.machine.on(now, event) {
            match action {
                Action::Ask { peer, question, from, count } => {
                    let count = u8::try_from(count).unwrap_or(u8::MAX);
                    self.ask(peer, Question::Blocks { from, count }, Asked::Blocks(question));
                }
                // What is on its way can't be called back; it is ignored when it comes.
                Action::Cancel { .. } => {}
                Action::Append { peer, round, height, block } => {
                    let block = decode(block);
                    self.catching_up.overflow.push(Handed { peer, round, height, block });
                }
                Action::Blame { peer, fault } => self.hold_against(peer, Offence::Answering(fault)),
            }
        }
        self.hand_over();
    }

    pub(super) fn drive_garbled(&mut self, peer: PeerId, question: SyncQuestion) {
        self.drive(Event::Answered { peer, question, blocks: Vec::new(), is_garbled: true });
    }

    fn hand_over(&mut self) {
        let CatchingUp { to_ledger, overflow, .. } = &mut self.catching_up;
        let mut waiting = std::mem::take(overflow).into_iter();
        for handed in waiting.by_ref() {
            if let Err(error) = to_ledger.try_send(handed) {
                overflow.push(error.into_inner());
                break;
            }
        }
        overflow.extend(waiting);
    }

    /// Takes in blocks that were asked for. They stay bytes until it is their turn.
    pub(super) fn on_blocks(&mut self, peer: PeerId, question: SyncQuestion, blocks: BlockBytes) {
        let bytes: usize = blocks.0.iter().map(Vec::len).sum();
        let (count, bytes) = (blocks.0.len() as u64, bytes as u64);
        self.with_peer(peer, |peer| {
            peer.blocks_received = peer.blocks_received.saturating_add(count);
            peer.bytes_received = peer.bytes_received.saturating_add(bytes);
        });
        let sent = blocks.0.into_iter().map(|block| {
            let height = height_of(&block)?;
            Some(Sent { height, bytes: block.len(), block })
        });
        let sent: Vec<Option<Sent<Vec<u8>>>> = sent.collect();
        let is_garbled = sent.iter().any(Option::is_none);
        let blocks = sent.into_iter().map_while(|block| block).collect();
        self.drive(Event::Answered { peer, question, blocks, is_garbled });
    }

    /// The ledger answered for a block.
    pub(super) fn on_answered(&mut self, answered: Answered<PeerId>) {
        let Answered { peer, round, height, result } = answered;
        match result {
            Ok(()) => self.drive(Event::Appended { round, height }),
            // What there is to say of it was said, or the ledger is gone.
            Err(NotAppended::Skipped | NotAppended::Refused(AppendError::Stopped)) => {}
            Err(NotAppended::Ahead { time, now }) => {
                self.say("clock", format!("block {height} is of {time}, this machine's clock says {now}: one of the two clocks is wrong; the block waits"));
                self.wait_after(round, height, RETRY_MS);
            }
            Err(NotAppended::Garbled(error)) => {
                tracing::warn!(%peer, height, "block refused: {error}");
                self.drive(Event::Refused { round, height, is_a_lie: true });
            }
            Err(NotAppended::Refused(AppendError::Invalid(invalid))) => {
                self.on_invalid(peer, (round, height), &invalid);
            }
            Err(NotAppended::Refused(AppendError::Accused { key, .. })) => {
                self.say(
                    "accused",
                    format!("block {height} isn't taken: its key {key} signed two histories"),
                );
                self.drive(Event::Unwanted { peer, height: height.saturating_sub(1) });
                self.wait_after(round, height, RETRY_MS);
            }
            Err(NotAppended::Refused(AppendError::Failed(cause))) => {
                self.say("failed", format!("block {height} can't be written: {cause}"));
                self.wait_after(round, height, RETRY_MS);
            }
        }
        self.hand_over();
    }

    fn on_invalid(&mut self, peer: PeerId, (round, height): (u64, u64), invalid: &Invalid<String>) {
        tracing::warn!(%peer, height, "block refused: {invalid}");
        if let Invalid::Rule { refusal, .. } | Invalid::Change { refusal, .. } = invalid {
            self.count(refusal.rule());
        }
        if let Invalid::UnknownRules { version, .. } = invalid {
            self.count("unknown-rules-version");
            self.say("rules", format!("block {height} is of rules version {version}, which this program doesn't know: install a newer one"));
            return self.wait_after(round, height, RETRY_OF_DOUBTFUL_MS);
        }
        match invalid {
            // Of another history: whoever sent it lies, or the authority does.
            Invalid::Header { .. } | Invalid::TimeBackwards { .. }
                if !self.is_suspicious(round) =>
            {
                let since = self.now_ms();
                self.catching_up.suspicion = Some(Suspicion { peer, round, height, since });
                self.with_peer(peer, |peer| peer.is_compared = false);
                self.ask_for_head(peer);
            }
            _ => self.drive(Event::Refused { round, height, is_a_lie: true }),
        }
    }

    fn is_suspicious(&self, round: u64) -> bool {
        self.catching_up.suspicion.is_some_and(|suspicion| suspicion.round == round)
    }

    /// The history of `peer` is ours, or it can't show that it isn't: what didn't follow was a lie.
    pub(super) fn unsuspect(&mut self, peer: PeerId) {
        self.settle(peer, true);
    }

    /// The authority signed two histories: the peer isn't to blame.
    pub(super) fn exonerate(&mut self, peer: PeerId) {
        self.settle(peer, false);
    }

    fn settle(&mut self, peer: PeerId, is_a_lie: bool) {
        let of_peer = |suspicion: &mut Suspicion| suspicion.peer == peer;
        if let Some(Suspicion { round, height, .. }) = self.catching_up.suspicion.take_if(of_peer) {
            if is_a_lie {
                self.drive(Event::Refused { round, height, is_a_lie });
            } else {
                self.wait_after(round, height, RETRY_OF_DOUBTFUL_MS);
            }
        }
    }

    /// Nobody's fault; it is tried again after a while.
    fn wait_after(&mut self, round: u64, height: u64, pause_ms: u64) {
        self.catching_up.resumes_at = Some(self.now_ms().saturating_add(pause_ms));
        // First, or the machine would hand over the next at once.
        self.halt_or_resume();
        self.drive(Event::Refused { round, height, is_a_lie: false });
    }

    /// Says why nothing is taken, once.
    fn say(&mut self, what: &'static str, text: String) {
        if self.catching_up.said.get(what) != Some(&text) {
            tracing::warn!("{text}");
            self.catching_up.said.insert(what, text);
        }
    }

    /// Time goes on.
    pub(super) fn keep_catching_up(&mut self, now: u64) {
        let suspicion = self.catching_up.suspicion;
        if let Some(late) = suspicion.filter(|it| now.saturating_sub(it.since) > MAX_SUSPICION_MS) {
            self.unsuspect(late.peer);
        }
        if self.catching_up.resumes_at.is_some_and(|at| at <= now) {
            self.catching_up.resumes_at = None;
            self.stand_anew();
        }
        self.halt_or_resume();
        self.drive(Event::Tick);
    }

    /// The ledger may have grown by other ways: what this node seals.
    pub(super) fn on_own_head(&mut self) {
        self.compare_waiting_heads();
        self.stand_anew();
        self.look_whether_to_seal();
    }

    /// Tells the machine where the ledger stands, if nothing is in hand that will.
    fn stand_anew(&mut self) {
        let (progress, height) = (self.machine.progress(), self.ledger.head().height());
        if progress.handed_blocks == 0 && progress.height != height {
            self.drive(Event::Stands { height });
        }
    }

    pub(super) fn halt_or_resume(&mut self) {
        let has_failed = self.ledger.health() == Health::Failed;
        let halts = has_failed || self.catching_up.resumes_at.is_some();
        if halts != self.catching_up.is_halted {
            self.catching_up.is_halted = halts;
            self.drive(if halts { Event::Halted } else { Event::Resumed });
        }
    }
}

/// The height of a block, by the header that it begins with.
fn height_of(block: &[u8]) -> Option<u64> {
    let (header, _) = codec::decode_beginning::<Header>(block).ok()?;
    Some(header.height)
}
