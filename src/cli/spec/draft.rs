//! A change of the spec on its way to the ledger: a file for people, until enough have signed.

use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::cli::output;
use crate::node::files;
use crate::protocol::entry::{Body, Entry, LEDGER_TENANT, SpecChange};
use crate::protocol::hash::ChainId;
use crate::protocol::id::Id;
use crate::protocol::spec::ChainSpec;
use crate::protocol::text::MAX_ENTRY_TEXT_BYTES;
use crate::protocol::time::Timestamp;

/// What such a file begins with.
const HEADING: &str = "# A change of a chain spec. Whoever signs it (`counterfoil spec sign`) signs all that\n\
    # stands here; whatever is altered after that makes the signatures void.\n";

/// A change of the spec, signed by some or nobody yet. TOML, as it is written; JSON is read, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeDraft {
    /// Whose spec.
    pub chain_id: ChainId,
    /// When it was decided, by the word of those who sign.
    pub event_time: Timestamp,
    /// What changes.
    pub change: SpecChange,
}

impl ChangeDraft {
    /// Reads a file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = files::read_text(path, MAX_ENTRY_TEXT_BYTES)?;
        let name = path.display();
        if text.len() > MAX_ENTRY_TEXT_BYTES {
            bail!("{name}: a change of the spec has at most {MAX_ENTRY_TEXT_BYTES} bytes");
        }
        let read = if text.trim_start().starts_with('{') {
            serde_json::from_str(&text).map_err(anyhow::Error::new)
        } else {
            toml::from_str(&text).map_err(anyhow::Error::new)
        };
        read.with_context(|| format!("{name} is no change of a chain spec"))
    }

    /// The file's text.
    pub fn to_text(&self) -> anyhow::Result<String> {
        let text = toml::to_string(self).context("a number is too large for TOML")?;
        Ok(format!("{HEADING}{text}"))
    }

    /// The entry that states it.
    pub fn entry(&self) -> Entry {
        Entry {
            tenant: Id::new(LEDGER_TENANT).expect("visible, and short"),
            external_id: Id::new(&self.change.number.to_string()).expect("digits, and few"),
            event_time: self.event_time,
            commitment: None,
            body: Body::SpecChange(self.change.clone()),
        }
    }

    /// Checks that it changes the spec that began as `spec`.
    pub fn check_chain(&self, spec: &ChainSpec) -> anyhow::Result<()> {
        let expected = spec.chain_id();
        if self.chain_id == expected {
            return Ok(());
        }
        bail!("this changes the spec of chain {}, the chain spec is of {expected}", self.chain_id)
    }

    /// Says all that is signed, and by whom so far.
    pub fn show(&self) -> anyhow::Result<()> {
        let change = &self.change;
        let or_none = |shown: Option<String>| shown.unwrap_or_else(|| "none".to_owned());
        let mut lines = vec![
            ("chain", self.chain_id.to_string()),
            ("change", change.number.to_string()),
            ("previous", or_none(change.previous.map(|id| id.to_string()))),
            ("decided", self.event_time.to_string()),
            ("from block", change.from_height.to_string()),
        ];
        lines.extend(change.after.map(|hash| ("after", hash.to_string())));
        let keys = change.authorities.iter().flatten().enumerate();
        lines.extend(keys.map(|(place, key)| {
            (if place == 0 { "authority" } else { "stands by" }, key.to_string())
        }));
        if let Some(governance) = &change.governance {
            let (quorum, count) = (governance.quorum, governance.keys.len());
            lines.push(("governance", format!("{quorum} of {count} keys")));
            lines.extend(governance.keys.iter().map(|key| ("", key.to_string())));
        }
        if let Some(witnesses) = &change.witnesses {
            lines.push(("witnesses", witnesses.len().to_string()));
            let shown = witnesses.iter().map(|one| ("", format!("{} {}", one.name, one.key)));
            lines.extend(shown);
        }
        let added = change.currencies.iter();
        lines.extend(added.map(|(code, scale)| ("currency", format!("{code}, {scale} decimals"))));
        lines.extend(change.limits.map(|limits| {
            let (entries, bytes) = (limits.block_entries, limits.block_bytes);
            let ahead = limits.event_ahead_ms;
            ("limits", format!("{entries} entries, {bytes} bytes, events {ahead} ms ahead"))
        }));
        lines.extend(change.rules_version.map(|version| ("rules", format!("version {version}"))));
        lines.extend(change.signatures.iter().map(|one| ("signed by", one.key.to_string())));
        for (name, value) in lines {
            output::line(format_args!("{name:<11} {value}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::hash::{EntryId, HeaderHash};
    use crate::protocol::key::SealingKey;
    use crate::protocol::money::Currency;
    use crate::protocol::spec::{Currencies, Governance, Limits, Witness};

    #[test]
    fn a_file_says_what_was_written_to_it() {
        let key = SealingKey::from_seed(&zeroize::Zeroizing::new([5; 32]));
        let mut change = SpecChange::new(2, Some(EntryId([1; 32])), 7);
        change.after = Some(HeaderHash([2; 32]));
        change.authorities = Some(vec![key.public()]);
        change.governance = Some(Governance { keys: vec![key.public()], quorum: 1 });
        change.witnesses = Some(vec![Witness { name: "w.example".to_owned(), key: key.public() }]);
        change.currencies = Currencies::new([(Currency::new("CHF").unwrap(), 2)]);
        change.limits = Some(Limits::default());
        change.rules_version = Some(1);
        let mut draft =
            ChangeDraft { chain_id: ChainId([3; 32]), event_time: Timestamp::MIN, change };
        let mut entry = draft.entry();
        entry.sign_change(draft.chain_id, &key);
        let Body::SpecChange(signed) = entry.body else { panic!("a change") };
        draft.change = signed;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("change.toml");
        let json = serde_json::to_string(&draft).unwrap();
        for text in [draft.to_text().unwrap(), json] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(ChangeDraft::read(&path).unwrap(), draft);
        }
        std::fs::write(&path, draft.to_text().unwrap().replace("number", "numero")).unwrap();
        assert!(ChangeDraft::read(&path).is_err());
    }
}
