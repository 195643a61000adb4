//! What happens to a ledger that catches up, and what is to be done about it.

/// What tells questions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question(pub(super) u64);

/// A block as a peer sent it, not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent<B> {
    /// The height that its header says.
    pub height: u64,
    /// How long it is, in bytes.
    pub bytes: usize,
    /// The block.
    pub block: B,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event<P, B> {
    /// A peer is connected.
    Joined(P),
    /// It isn't any more.
    Left(P),
    /// A peer that is connected says how high its ledger is.
    Claimed {
        /// Who says so.
        peer: P,
        /// How high.
        height: u64,
    },
    /// What a peer has beyond this height isn't wanted: it is of a history that isn't followed.
    Unwanted {
        /// Whose.
        peer: P,
        /// The last height that may be had of it.
        height: u64,
    },
    /// A peer answered: blocks that follow each other from the first height that it was asked for,
    /// as many as it has or as fit an answer.
    Answered {
        /// Who did.
        peer: P,
        /// What it had been asked.
        question: Question,
        /// The blocks, as far as they can be read.
        blocks: Vec<Sent<B>>,
        /// Whether something came that can't be read.
        is_garbled: bool,
    },
    /// A question wasn't answered.
    Unanswered {
        /// Who was asked.
        peer: P,
        /// What.
        question: Question,
    },
    /// A peer has too much to do.
    Busy {
        /// Who was asked.
        peer: P,
        /// What.
        question: Question,
    },
    /// The ledger took a block.
    Appended {
        /// The round in which it was handed over.
        round: u64,
        /// The block's height.
        height: u64,
    },
    /// The ledger refused a block.
    Refused {
        /// The round in which it was handed over.
        round: u64,
        /// The height at which it was to stand.
        height: u64,
        /// Whether that is the fault of whoever sent it. It isn't, say, where the authority has signed
        /// two histories; whoever finds that says [`Event::Halted`], too.
        is_a_lie: bool,
    },
    /// The ledger is of this height now, and has nothing in hand any more: it was opened anew after a
    /// failed write, or somebody else let it grow.
    Stands {
        /// How high.
        height: u64,
    },
    /// Nothing more is to be asked for or handed over.
    Halted,
    /// It may go on.
    Resumed,
    /// Time went on.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<P, B> {
    /// Ask a peer for blocks.
    Ask {
        /// Whom.
        peer: P,
        /// What tells it from other questions.
        question: Question,
        /// The first height.
        from: u64,
        /// How many blocks, at most.
        count: u64,
    },
    /// Read nothing more of an answer: what comes of it isn't wanted.
    Cancel {
        /// Who was asked.
        peer: P,
        /// What.
        question: Question,
    },
    /// Hand a block to the ledger, after those that were handed to it before. Once the ledger has
    /// refused a block, what was handed over in the same round after it MUST NOT reach it.
    Append {
        /// Who sent it.
        peer: P,
        /// What the ledger's answer must bear.
        round: u64,
        /// Where the block is to stand.
        height: u64,
        /// The block.
        block: B,
    },
    /// Hold something against a peer.
    Blame {
        /// Whom.
        peer: P,
        /// What it did.
        fault: Fault,
    },
}

/// What a peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It didn't answer in time.
    Silence,
    /// It doesn't have what it claimed to have.
    Boast,
    /// It sent more than it was asked for.
    Excess,
    /// It sent what can't be read, or other blocks than it was asked for.
    Garbage,
    /// It sent a block that the ledger refused.
    Lie,
}

impl Fault {
    /// Whether nothing more is wanted of whoever did that: no honest peer does.
    pub const fn is_grave(self) -> bool {
        matches!(self, Self::Excess | Self::Garbage | Self::Lie)
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The height of the ledger.
    pub height: u64,
    /// The greatest height that a peer claims which is connected.
    pub claimed: u64,
    /// When the ledger took a block the last time, in milliseconds.
    pub appended_at: Option<u64>,
    /// How many questions aren't answered yet.
    pub questions: usize,
    /// How many blocks are held.
    pub held_blocks: usize,
    /// How many bytes those have.
    pub held_bytes: usize,
    /// How many blocks the ledger has in hand.
    pub handed_blocks: usize,
    /// Whether it is halted.
    pub is_halted: bool,
}
