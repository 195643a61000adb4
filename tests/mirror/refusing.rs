//! Whatever is wrong with what is published is named, and what was whole before it stays.

use std::fs;
use std::path::Path;

use counterfoil::protocol::hash::{AccountsRoot, HeaderHash};

use super::published::{Ledger, sales, time};
use super::{Site, sale};

/// When forged blocks are sealed.
const LATER: &str = "2026-01-03T00:00:00Z";

/// Blocks 1 to 5: terms, and four times a hundred sales. Leaves 0 to 406; the headers are at 0, 2,
/// 103, 204, 305 and 406.
fn ledger() -> Ledger {
    sales(&[100; 4])
}

fn change(folder: &Path, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join(file);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Where the leaf at `index` begins in its bundle.
fn offset(ledger: &Ledger, index: u64) -> usize {
    let first = index - index % 256;
    (first..index).map(|index| 2 + ledger.log.leaf(index).len()).sum::<usize>() + 2
}

#[test]
fn each_damage_is_named_and_the_ledger_whole_before_it() {
    type Damage = Box<dyn Fn(&Path)>;
    let ledger = ledger();
    let at = |index| offset(&ledger, index);
    // In the number of a sale: what is there then is as good a sale.
    let name = |index| {
        let name = ledger.log.leaf(index).windows(2).position(|bytes| bytes == b"S-").unwrap();
        at(index) + name + 2
    };
    let flip = |file: &'static str, at: usize| -> Damage {
        Box::new(move |folder| change(folder, file, |bytes| bytes[at] ^= 1))
    };
    let cut = |file: &'static str, less: usize| -> Damage {
        Box::new(move |folder| change(folder, file, |bytes| bytes.truncate(bytes.len() - less)))
    };
    let remove = |file: &'static str| -> Damage {
        Box::new(move |folder| fs::remove_file(folder.join(file)).unwrap())
    };
    let (full, rest) = ("tile/entries/000", "tile/entries/001.p/151");
    let (signatures, edge) = ("tile/signatures/000.p/5", "tile/0/001.p/151");
    // What is damaged, what is said, and at which height that leaves the replica.
    let cases: Vec<(Damage, &str, u64)> = vec![
        // A leaf that is none any more, and one that is another entry.
        (flip(full, at(150)), "the leaf at index 150, read from tile/entries/000: ", 2),
        (flip(full, name(150)), "block 3: log_root is ", 2),
        (flip(rest, name(300)), "(read from tile/entries/000 to tile/entries/001.p/151 and", 3),
        (flip(rest, at(305) + 60), "block 4: ", 3),
        (cut(full, 7), "the leaf at index 255, read from tile/entries/000: its bundle ends", 3),
        (cut(rest, 7), "the leaf at index 406, read from tile/entries/001.p/151: its bundle", 0),
        (
            Box::new(|folder| change(folder, "tile/entries/000", |bytes| bytes.push(0))),
            "tile/entries/000 has 1 bytes after its last leaf",
            0,
        ),
        (remove(full), "tile/entries/000 is not there", 0),
        (remove(rest), "tile/entries/001.p/151 is not there", 0),
        (
            flip(signatures, 3 * 64 + 9),
            "block 4: the authority's signature does not match (read from tile/entries/000 to tile/entries/001.p/151 and tile/signatures/000",
            3,
        ),
        (cut(signatures, 64), "tile/signatures/000.p/5 has 256 bytes, not 5 signatures", 0),
        (cut(signatures, 1), "tile/signatures/000.p/5 has 319 bytes, not 5 signatures", 0),
        (remove(signatures), "tile/signatures/000.p/5 is not there", 0),
        (flip(edge, 9), "don't lead to the root that the authority signed", 0),
        (flip("checkpoint", 0), "the checkpoint: a checkpoint of ", 0),
        (flip("checkpoint", 25), "the checkpoint: ", 0),
        (cut("checkpoint", 4), "the checkpoint: ", 0),
        (remove("checkpoint"), "checkpoint is not there", 0),
    ];
    let site = Site::new(&ledger);
    for (number, (damage, expected, height)) in cases.iter().enumerate() {
        site.publish(&ledger);
        damage(&site.at("pub"));
        let name = format!("replica-{number}");
        let ran = site.mirror(&site.path("pub"), &name);
        assert!(ran.code == 1 && ran.err.contains(expected), "{expected}: {ran:?}");
        assert!(ran.err.contains(&format!("stopped after height {height}")), "{ran:?}");
        site.stands(&name, *height);
        // Mended, it goes on where it was.
        site.publish(&ledger);
        let said = site.mirrored(&site.path("pub"), &name);
        assert_eq!(said["appended"], 5 - height, "{expected}");
    }
}

/// An authority that signs what it must not.
#[test]
fn each_forged_block_is_named_and_the_ledger_whole_before_it() {
    type Forge = fn(&mut Ledger);
    let cases: [(&str, Forge); 7] = [
        ("block 3: the entry at index 9 breaks the rule duplicate-external-id", |ledger| {
            let twice = sale(ledger, "S-9");
            ledger.forge(time(LATER), &[twice.clone(), twice], |_| ());
        }),
        ("block 3: accounts_root is", |ledger| {
            let sale = sale(ledger, "S-9");
            let forged = AccountsRoot([0; 32]);
            ledger.forge(time(LATER), &[sale], |header| header.accounts_root = forged);
        }),
        ("block 3: parent is", |ledger| {
            let sale = sale(ledger, "S-9");
            ledger.forge(time(LATER), &[sale], |header| header.parent = HeaderHash([0; 32]));
        }),
        ("block 3: no entries", |ledger| ledger.forge(time(LATER), &[], |_| ())),
        (
            "block 3, read from tile/entries/039.p/26: the entry at index 10008 is beyond",
            |ledger| {
                let sale = sale(ledger, "S-9");
                ledger.forge(time(LATER), &vec![sale; 10_001], |_| ());
            },
        ),
        ("the leaf at index 8, read from tile/entries/000", |ledger| {
            ledger.forge(time(LATER), &[vec![2]], |_| ());
        }),
        ("ends within a block, at size 9", |ledger| {
            let sale = sale(ledger, "S-9");
            ledger.sign_open(&[sale]);
        }),
    ];
    for (expected, forge) in cases {
        let mut ledger = sales(&[4]);
        let site = Site::new(&ledger);
        site.mirrored(&site.path("pub"), "replica");
        forge(&mut ledger);
        site.publish(&ledger);
        for name in ["replica", "from-nothing"] {
            let ran = site.mirror(&site.path("pub"), name);
            assert!(ran.code == 1 && ran.err.contains(expected), "{expected}: {ran:?}");
        }
        site.stands("replica", 2);
    }
}
