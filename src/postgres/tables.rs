//! The mirror's tables: what `migrations/0100_mirror.sql` makes, as far as the program must know it.
//!
//! Tables of facts have a row for each entry, or for each of its lines, and never change. Tables of
//! what follows, [`STATES`] and `balances`, have what became of it by later entries.

use crate::protocol::entry::Kind;

/// The schema that everything of ours is in.
pub const SCHEMA: &str = "counterfoil";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `boolean`.
    Boolean,
    /// `integer`.
    Integer,
    /// `bigint`.
    Bigint,
    /// `numeric`.
    Numeric,
    /// `text`.
    Text,
    /// `text` that names another entry by its external id.
    Link,
    /// `timestamptz`.
    Time,
    /// `bytea`.
    Bytes,
    /// `json`.
    Json,
}

impl Type {
    /// Its name in SQL.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Bigint => "bigint",
            Self::Numeric => "numeric",
            Self::Text | Self::Link => "text",
            Self::Time => "timestamp with time zone",
            Self::Bytes => "bytea",
            Self::Json => "json",
        }
    }
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: Type,
}

/// A table.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name within [`SCHEMA`].
    pub name: &'static str,
    /// How many of its columns, from the first on, its rows are told apart and ordered by.
    pub key: usize,
    /// Its columns, in the order in which rows are written.
    pub columns: &'static [Column],
}

impl Table {
    /// The names of its columns, separated by commas.
    pub fn column_list(&self) -> String {
        self.columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
    }

    /// The names of the columns that its rows are ordered by.
    pub fn key_list(&self) -> String {
        let key = self.columns.iter().take(self.key);
        key.map(|column| column.name).collect::<Vec<_>>().join(", ")
    }
}

/// Declares the tables once: a number to find its rows by, its name, its key, its columns.
macro_rules! tables {
    ($($(#[$doc:meta])* $relation:ident $name:literal by $key:literal [
        $($column:ident $holds:ident,)*
    ])+) => {
        /// A table of the mirror.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Relation { $($(#[$doc])* $relation,)+ }

        impl Relation {
            /// Every table that has rows by log index or height, in the order in which they are written.
            pub const ALL: &'static [Self] = &[$(Self::$relation),+];

            /// The table.
            pub const fn table(self) -> &'static Table {
                match self {
                    $(Self::$relation => const { &Table {
                        name: $name,
                        key: $key,
                        columns: &[$(Column {
                            name: stringify!($column),
                            holds: Type::$holds,
                        },)*],
                    } },)+
                }
            }
        }
    };
}

tables! {
    /// Blocks, by height.
    Blocks "blocks" by 1 [
        height Bigint, hash Bytes, parent Bytes, sealed_at Time, first_index Bigint,
        entry_count Bigint, log_root Bytes, accounts_root Bytes, rules_version Integer,
        authority Text, signature Bytes,
    ]
    /// Every entry: what all kinds have.
    Entries "entries" by 1 [
        index Bigint, height Bigint, position Integer, recorded_at Time, kind Text, tenant Text,
        external_id Text, event_time Time, entry_id Bytes, leaf_hash Bytes, commitment Bytes,
    ]
    /// Versions of terms.
    ProgramTerms "program_terms" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, merchant Text, program Text,
        version Bigint, effective_from Time, effective_until Time, network_fee_ppm Bigint, body Json,
    ]
    /// Sales, leads, signups, subscriptions.
    Transactions "transactions" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, order_ref Text, merchant Text,
        program Text, action Text, currency Text, amount Numeric, discount Numeric, voucher Text,
        commission_group Text, link_ref Text, campaign_ref Text, click_ref Text, fx_to Text,
        fx_rate Numeric, fx_source Text, fx_at Time,
    ]
    /// What was bought.
    TransactionItems "transaction_items" by 2 [
        index Bigint, line Integer, item Text, quantity Bigint, amount Numeric,
        commission_group Text,
    ]
    /// What affiliates earn, as it was stated.
    Commissions "commissions" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, transaction Link, terms Link,
        rule Integer, affiliate Text, role Text, share_ppm Bigint, commission_group Text,
        affiliate_group Text, override_of Link, override_level Integer, currency Text,
        amount Numeric, fee Numeric, locking_date Time, deviation Text,
    ]
    /// Steps of commissions' lives.
    Decisions "decisions" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, commission Link, verdict Text,
        reason Text, locking_date Time,
    ]
    /// Corrections of what is pending.
    Amendments "amendments" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, commission Link,
        transaction Link, commission_group Text, currency Text, old_amount Numeric,
        new_amount Numeric, reason Text,
    ]
    /// What was taken back.
    Reversals "reversals" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, commission Link,
        currency Text, amount Numeric, reason Text, refund_currency Text, refund_amount Numeric,
    ]
    /// What buyers sent back.
    RefundItems "refund_items" by 2 [
        index Bigint, line Integer, item Text, quantity Bigint,
    ]
    /// Corrections of what is locked or paid.
    Adjustments "adjustments" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, affiliate Text, effect Text,
        currency Text, amount Numeric, related_kind Text, related Link, reason Text,
    ]
    /// Affiliates' questions.
    Inquiries "inquiries" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, affiliate Text, merchant Text,
        program Text, claim Text, order_ref Text, commission Link, currency Text, amount Numeric,
    ]
    /// Answers to them.
    InquiryResolutions "inquiry_resolutions" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, inquiry Link, outcome Text,
        reason Text,
    ]
    /// Merchants' payments.
    Fundings "fundings" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, merchant Text,
        payment_ref Text, currency Text, received Numeric,
    ]
    /// What they cover.
    FundingLines "funding_lines" by 2 [
        index Bigint, line Integer, commission Link, amount Numeric,
    ]
    /// Parts of payouts.
    Payouts "payouts" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, affiliate Text, currency Text,
        period_from Time, period_until Time, continues Link, total Numeric, fx_to Text,
        fx_rate Numeric, fx_source Text, fx_at Time,
    ]
    /// What they pay and keep.
    PayoutLines "payout_lines" by 2 [
        index Bigint, line Integer, type Text, commission Link, adjustment Link, effect Text,
        amount Numeric,
    ]
    /// What became of payouts.
    PayoutEvents "payout_events" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, payout Link, event Text,
        payment_ref Text,
    ]
    /// Who stands above affiliates, from then on.
    AffiliateUplines "affiliate_uplines" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, affiliate Text, upline Text,
    ]
    /// What was brought in from other systems.
    OpeningBalances "opening_balances" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, source Text, type Text,
        affiliate Text, merchant Text, effect Text, currency Text, amount Numeric, state Text,
        locking_date Time,
    ]
    /// Private particulars that are gone.
    ErasureNotices "erasure_notices" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, entry_kind Text,
        entry_external_id Link,
    ]
    /// Changes of the chain spec.
    SpecChanges "spec_changes" by 1 [
        index Bigint, tenant Text, external_id Text, event_time Time, number Bigint,
        from_height Bigint, body Json,
    ]
    /// Where transactions stand.
    TransactionStates "transaction_states" by 1 [
        index Bigint, tenant Text, transaction Text, merchant Text, program Text, currency Text,
        amount Numeric, refunded Numeric, commission_count Bigint,
    ]
    /// Where commissions stand, those that were brought in among them.
    CommissionStates "commission_states" by 1 [
        index Bigint, tenant Text, commission Text, affiliate Text, merchant Text, program Text,
        earned_at Time, currency Text, amount Numeric, remaining Numeric, reversed Numeric,
        funded Numeric, fee Numeric, credited Numeric, debited Numeric, locks_at Time,
        own_state Text, payout_index Bigint, deviation Text, extended Boolean, amended Boolean,
        imported Boolean,
    ]
    /// Where adjustments stand, affiliates' balances that were brought in among them.
    AdjustmentStates "adjustment_states" by 1 [
        index Bigint, tenant Text, adjustment Text, affiliate Text, effect Text, made_at Time,
        currency Text, amount Numeric, credited Numeric, debited Numeric, payout_index Bigint,
    ]
    /// Where payouts stand, all their parts together.
    PayoutStates "payout_states" by 1 [
        index Bigint, tenant Text, payout Text, affiliate Text, currency Text, period_from Time,
        period_until Time, latest Text, added Numeric, taken_off Numeric, kept Numeric,
        used Numeric, state Text, commission_state Text, adjustment_state Text,
    ]
}

/// The tables whose rows change: where entries stand.
pub const STATES: [Relation; 4] = [
    Relation::TransactionStates,
    Relation::CommissionStates,
    Relation::AdjustmentStates,
    Relation::PayoutStates,
];

impl Relation {
    /// Whether its rows change.
    pub fn is_state(self) -> bool {
        STATES.contains(&self)
    }

    /// The table with a row for each entry of a kind.
    pub const fn of_kind(kind: Kind) -> Self {
        match kind {
            Kind::ProgramTerms => Self::ProgramTerms,
            Kind::Transaction => Self::Transactions,
            Kind::Commission => Self::Commissions,
            Kind::Decision => Self::Decisions,
            Kind::Amendment => Self::Amendments,
            Kind::Reversal => Self::Reversals,
            Kind::Adjustment => Self::Adjustments,
            Kind::Inquiry => Self::Inquiries,
            Kind::InquiryResolution => Self::InquiryResolutions,
            Kind::Funding => Self::Fundings,
            Kind::Payout => Self::Payouts,
            Kind::PayoutEvent => Self::PayoutEvents,
            Kind::AffiliateUpline => Self::AffiliateUplines,
            Kind::OpeningBalance => Self::OpeningBalances,
            Kind::ErasureNotice => Self::ErasureNotices,
            Kind::SpecChange => Self::SpecChanges,
        }
    }
}
