#!/usr/bin/env python3
"""Checks a Counterfoil receipt, offline.

    python3 check_receipt.py receipt.json --vkey 'ledger.example+f81a2b3c+AbCd…'
    python3 check_receipt.py receipt.json --spec chain-spec.toml

The key (or the chain spec, which holds it) must come from where you trust it; nothing else is
trusted. Exit code 0 only when everything holds. Needs the package `cryptography`; with
`--spec`, and to recompute the entry's id, `blake3` too.
"""

import argparse
import json
import sys
import tomllib
from pathlib import Path

import counterfoil_format as counterfoil
from counterfoil_format import Wrong, decode_base64, require, within
from counterfoil_reckoning import Refused
from counterfoil_succession import Succession

MAX_RECEIPT_BYTES = 2097152


def parse_receipt(data):
    """The receipt's members, every one of them and no others (section 11)."""
    require(len(data) <= MAX_RECEIPT_BYTES, "the receipt is too long")

    def members(pairs):
        names = [name for name, _ in pairs]
        require(len(set(names)) == len(names), f"a member stands there twice: {names}")
        return dict(pairs)

    def shaped(value, shape, where):
        require(type(value) is dict and set(value) == set(shape), f"{where}: other members")
        for name, kind in shape.items():
            require(type(value[name]) is kind, f"{where}.{name}: must be a {kind.__name__}")

    try:
        receipt = json.loads(data.decode("utf-8"), object_pairs_hook=members)
    except (ValueError, RecursionError) as problem:
        raise Wrong(f"not JSON: {problem}") from None
    shape = dict(
        format=str, chain_id=str, entry_id=str, spec_changes=list, entry=dict, header=dict,
        checkpoint=str)  # fmt: skip
    shaped(receipt, shape, "receipt")
    require(all(type(item) is str for item in receipt["spec_changes"]), "spec_changes: strings")
    for part in ("entry", "header"):
        shaped(receipt[part], dict(index=int, leaf=str, proof=list), part)
        require(all(type(item) is str for item in receipt[part]["proof"]), f"{part}.proof: strings")
    require(receipt["format"] == "counterfoil-receipt-v1", "a receipt of another format")
    return receipt


def proven_leaf(receipt, part, checkpoint):
    """A leaf of the receipt and its proof, once that leads to the checkpoint's root."""
    index, leaf = receipt[part]["index"], decode_base64(receipt[part]["leaf"], f"{part}.leaf")
    proof = [decode_base64(item, f"{part}.proof") for item in receipt[part]["proof"]]
    require(index >= 0 and all(len(item) == 32 for item in proof), f"{part}: not a proof")
    leaf_hash = counterfoil.leaf_hash(leaf)
    root = counterfoil.root_from_inclusion(leaf_hash, index, checkpoint.size, proof)
    require(root == checkpoint.root, f"{part}: the proof doesn't lead to the checkpoint's root")
    kind, value = counterfoil.decode_leaf(leaf)
    require(kind == part, f"{part}: its leaf is of the kind {kind}")
    return leaf, proof, value


def spec_in_force(receipt, spec):
    """The spec in force at the receipt's block, by the changes that it carries."""
    kind, header = counterfoil.decode_leaf(decode_base64(receipt["header"]["leaf"], "header.leaf"))
    require(kind == "header", f"header: its leaf is of the kind {kind}")
    succession, last = Succession(spec), 0
    for number, item in enumerate(receipt["spec_changes"], 1):
        with within(f"spec_changes: item {number}"):
            leaf = decode_base64(item, "leaf")
            kind, entry = counterfoil.decode_leaf(leaf)
            change = kind == "entry" and entry["body"]["kind"] == "spec_change"
            require(change, "not a change of the spec")
            try:
                succession.take(leaf, entry)
            except Refused as rule:
                raise Wrong(f"breaks the rule {rule}") from None
            last = entry["body"]["from_height"]
    require(last <= header["height"], "spec_changes: they go beyond the block")
    return succession.at(header["height"])


def check(receipt, key, spec=None):
    """Checks all that a receipt says; what to print, line by line."""
    if spec:
        spec = spec_in_force(receipt, spec)
        key = spec.verifier_key
    with within("checkpoint"):
        checkpoint = key.open(receipt["checkpoint"])
    yield f"signature ok: {key.name} signed the log of {checkpoint.size} leaves"

    _, proof, header = proven_leaf(receipt, "header", checkpoint)
    index, end = receipt["header"]["index"], header["first_index"] + header["entry_count"]
    require(header["format_version"] == 1, "header: another format version")
    require(header["chain_id"].hex() == receipt["chain_id"], "header: it is another chain's")
    require(header["authority"] == key.key, "header: it names another authority")
    require(index == end == checkpoint.size - 1, "header: the checkpoint doesn't end at it")
    require(header["log_root"] == counterfoil.fold(proof), "header: its log root is another")
    yield f"header ok:    leaf {index} closes block {header['height']}, sealed {header['time']}"

    leaf, _, entry = proven_leaf(receipt, "entry", checkpoint)
    index = receipt["entry"]["index"]
    require(header["first_index"] <= index < end, "the entry is not in the header's block")
    yield f"entry ok:     leaf {index} is in that block"

    if counterfoil.blake3:
        found = counterfoil.entry_id(leaf).hex()
        require(found == receipt["entry_id"], f"entry_id: the leaf's is {found}")
        yield f"entry id ok:  {found}"
    else:
        yield "entry id:     NOT CHECKED, that needs the package blake3"
    if spec:
        require(header["chain_id"] == spec.chain_id, "it is another chain's than the spec's")
        yield f"chain ok:     {receipt['chain_id']}, that of the spec"
    else:
        yield f"chain:        {receipt['chain_id']}, by the authority's word"
    yield json.dumps(counterfoil.readable(entry, spec.scales if spec else {}), indent=2)


def main():
    parser = argparse.ArgumentParser(description="Checks a Counterfoil receipt, offline.")
    parser.add_argument("receipt", help="the receipt, a JSON file")
    trusted = parser.add_mutually_exclusive_group(required=True)
    trusted.add_argument("--vkey", help="the authority's key, in one line")
    trusted.add_argument("--spec", help="the chain spec, a TOML file")
    arguments = parser.parse_args()
    try:
        if arguments.spec:
            spec = counterfoil.Spec(tomllib.loads(Path(arguments.spec).read_text("utf-8")))
            key = spec.verifier_key
        else:
            spec, key = None, counterfoil.VerifierKey.parse(arguments.vkey)
        receipt = parse_receipt(Path(arguments.receipt).read_bytes())
        print("\n".join(check(receipt, key, spec)))
    except (Wrong, OSError, ValueError) as problem:
        sys.exit(f"NOT PROVEN: {problem}")


if __name__ == "__main__":
    main()
