//! How the protocol's own types look in OpenAPI.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::protocol::entry::{
    Adjustment, AffiliateUpline, Amendment, Commission, Decision, ErasureNotice, Funding, Inquiry,
    InquiryResolution, OpeningBalance, Payout, PayoutEvent, ProgramTerms, Reversal, SpecChange,
    Transaction,
};
use crate::protocol::hash;
use crate::protocol::id::{Id, MAX_ID_BYTES};
use crate::protocol::key::{PublicKey, Signature};
use crate::protocol::money::{Currency, Decimal};
use crate::protocol::spec::Currencies;
use crate::protocol::time::Timestamp;

/// Declares the schema of types that are strings in JSON.
macro_rules! string_schema {
    ($($type:ty, $name:literal, $description:literal, $pattern:expr, $example:literal;)+) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some($description))
                    .pattern(Some($pattern))
                    .examples([$example])
                    .into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    )+};
}

const HEX: &str = "^[0-9a-f]{64}$";

string_schema! {
    Id, "Id", "An opaque identifier of the submitter's: visible ASCII characters, no blanks.",
        format!("^[!-~]{{1,{MAX_ID_BYTES}}}$"), "order-1001";
    Currency, "Currency", "A currency of the chain spec.", "^[A-Z0-9]{3,8}$", "EUR";
    Decimal, "Decimal", "An amount, as a decimal string.", "^(0|[1-9][0-9]*)(\\.[0-9]+)?$", "12.50";
    PublicKey, "PublicKey", "An Ed25519 public key.", HEX,
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    Signature, "Signature", "An Ed25519 signature.", "^[0-9a-f]{128}$",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
    hash::ChainId, "ChainId", "The identity of the chain.", HEX,
        "0f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677";
    hash::EntryId, "EntryId", "The identity of an entry.", HEX,
        "1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677";
    hash::HeaderHash, "HeaderHash", "The digest of a block's header.", HEX,
        "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677";
    hash::TreeHash, "TreeHash", "A hash of the log's Merkle tree.", HEX,
        "3f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677";
    hash::AccountsRoot, "AccountsRoot", "The root of the accounts tree.", HEX,
        "4f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677";
    hash::Commitment, "Commitment", "A salted commitment to something private.", HEX,
        "5f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677";
}

impl PartialSchema for Currencies {
    fn schema() -> RefOr<Schema> {
        let scale =
            ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(9));
        ObjectBuilder::new()
            .description(Some("Currencies, each with how many decimals the ledger keeps."))
            .additional_properties(Some(scale))
            .examples([serde_json::json!({"CHF": 2})])
            .into()
    }
}

impl ToSchema for Currencies {
    fn name() -> Cow<'static, str> {
        "Currencies".into()
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("A point in time (RFC 3339), to the millisecond."))
            .examples(["2026-11-21T14:00:00Z"])
            .into()
    }
}

impl ToSchema for Timestamp {
    fn name() -> Cow<'static, str> {
        "Timestamp".into()
    }
}

/// An entry, as it is submitted and as it is read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: it says the same as protocol::text")]
pub struct EntryDocument {
    /// Whose fact it is: the marketplace or the brand of it.
    tenant: Id,
    /// The submitter's own name for it, unique for ever within its tenant and kind.
    external_id: Id,
    /// When it happened, by the submitter's word.
    event_time: Timestamp,
    /// A salted commitment to private particulars.
    commitment: Option<hash::Commitment>,
    #[serde(flatten)]
    fact: Fact,
}

/// What is submitted as JSON.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    clippy::large_enum_variant,
    reason = "only its schema is used: it says the same as http::submit"
)]
pub enum SubmitDocument {
    /// One entry.
    One(EntryDocument),
    /// Up to 10,000 entries.
    Many(Vec<EntryDocument>),
}

/// What happened, by kind.
#[derive(ToSchema)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used: it says the same as protocol::text")]
enum Fact {
    /// The terms of a merchant's program, by version.
    ProgramTerms(ProgramTerms<Decimal>),
    /// A sale, lead, signup or subscription that may earn commissions.
    Transaction(Transaction<Decimal>),
    /// What an affiliate earns from a transaction under the program's terms.
    Commission(Commission<Decimal>),
    /// A step of a commission's life.
    Decision(Decision),
    /// Corrects the amount of a pending commission or its transaction.
    Amendment(Amendment<Decimal>),
    /// Takes back a commission, in whole or in part.
    Reversal(Reversal<Decimal>),
    /// Corrects what is locked or paid.
    Adjustment(Adjustment<Decimal>),
    /// An affiliate's question.
    Inquiry(Inquiry<Decimal>),
    /// The answer to an inquiry.
    InquiryResolution(InquiryResolution),
    /// A merchant's payment, and the commissions that it covers.
    Funding(Funding<Decimal>),
    /// Pays an affiliate what is funded.
    Payout(Payout<Decimal>),
    /// What became of a payout.
    PayoutEvent(PayoutEvent),
    /// Who stands above an affiliate.
    AffiliateUpline(AffiliateUpline),
    /// Something brought in from another system.
    OpeningBalance(OpeningBalance<Decimal>),
    /// Private particulars are gone.
    ErasureNotice(ErasureNotice),
    /// The ledger's own spec changes.
    SpecChange(SpecChange),
}
