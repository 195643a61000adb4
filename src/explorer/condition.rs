//! What a node does, in words.

use super::messages::{Said, say};
use super::values::Count;
use crate::ledger::peers::SyncState;
use crate::ledger::{Health, Ledger};

/// How a node fares.
pub(super) struct Condition {
    pub(super) mood: Mood,
    /// What it does, in two words.
    pub(super) does: Said<'static>,
    /// What that means.
    pub(super) meaning: Said<'static>,
    /// Whom it keeps up with.
    pub(super) peers: Said<'static>,
    pub(super) keeps_up: Said<'static>,
}

/// Whether somebody should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    Waiting,
    Ill,
}

impl Mood {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Waiting => "waiting",
            Self::Ill => "ill",
        }
    }
}

impl Condition {
    pub(super) fn of(ledger: &Ledger) -> Self {
        let peers = ledger.peers();
        let (mood, does, meaning) = of_health(&ledger.health());
        let (keeping, keeps_up) = match peers.sync.state {
            SyncState::Alone => (Mood::Well, say("No peer is connected.")),
            SyncState::UpToDate => (Mood::Well, say("It has all that any peer claims to have.")),
            SyncState::CatchingUp => (
                Mood::Waiting,
                say("It is {blocks} blocks behind and catching up.")
                    .with("blocks", Count(peers.sync.lag_blocks)),
            ),
            SyncState::Stalled => (
                Mood::Ill,
                say("It is {blocks} blocks behind, and nothing came for a while.")
                    .with("blocks", Count(peers.sync.lag_blocks)),
            ),
            SyncState::Halted => (
                Mood::Ill,
                say(
                    "It takes nothing more from its peers: there is evidence below, or the node’s log says why.",
                ),
            ),
        };
        let mood = match (mood, keeping) {
            (Mood::Ill, _) | (_, Mood::Ill) => Mood::Ill,
            (Mood::Waiting, _) | (_, Mood::Waiting) => Mood::Waiting,
            (Mood::Well, Mood::Well) => Mood::Well,
        };
        let connected = peers.peers.len() as u64;
        let peers = super::messages::counted(connected, "{count} peer", "{count} peers");
        Self { mood, does, meaning, peers, keeps_up }
    }
}

fn of_health(health: &Health) -> (Mood, Said<'static>, Said<'static>) {
    match health {
        Health::Sealing => (
            Mood::Well,
            say("Seals blocks"),
            say("It takes entries, and signs the blocks that they go into."),
        ),
        Health::NoKey => (
            Mood::Well,
            say("Replica"),
            say("It verifies every block again and serves it; another node seals."),
        ),
        Health::NotAuthority { .. } => (
            Mood::Well,
            say("Stands by"),
            say("It verifies and serves. Its key would seal if the spec said so."),
        ),
        Health::Recovering(_) => (
            Mood::Waiting,
            say("Recovers"),
            say("Its disk refused a write. It tries again by itself; nothing recorded is lost."),
        ),
        Health::Held(_) => (
            Mood::Waiting,
            say("Waits"),
            say("Before it seals, it makes sure that nothing newer was published elsewhere."),
        ),
        Health::Standing(_) => (
            Mood::Ill,
            say("Doesn’t seal"),
            say("What it stores doesn’t fit what it signed last. Its operator must look."),
        ),
        Health::Accused(_) => (
            Mood::Ill,
            say("Halted"),
            say("There is proof that the authority’s key signed two histories."),
        ),
        Health::Failed => (
            Mood::Ill,
            say("Halted"),
            say("What it stores can’t be relied on any more. Its operator must look."),
        ),
    }
}
