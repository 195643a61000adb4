#!/usr/bin/env python3
"""Checks the golden vectors with the verifier in docs/verify, which shares no code with ours.

    python3 tests/vectors/check.py

It encodes the inputs and decodes the outputs, and refuses what is to be refused. A file that it
doesn't know is an error.
"""

import base64
import copy
import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "docs" / "verify"))

import check_receipt
import counterfoil_format as counterfoil
import counterfoil_reckoning as reckoning
import counterfoil_rules as rules
import counterfoil_succession as succession
from counterfoil_format import Wrong


def equal(found, expected):
    if found != expected:
        raise Wrong(f"found {found}, must be {expected}")


def refused(act, *arguments):
    """Whether it refuses to do so."""
    try:
        act(*arguments)
    except Wrong:
        return True
    return False


# From text to what is encoded: the way that docs/verify never needs.

RATE_DECIMALS = 9


def units(text, scale, largest=counterfoil.AMOUNT.largest):
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    plain = digits.isascii() and digits.isdigit() and whole and (fraction or "." not in text)
    counterfoil.require(plain and (whole == "0" or whole[0] != "0"), "not a decimal")
    counterfoil.require(len(fraction) <= scale, "too many decimals")
    amount = int(digits + "0" * (scale - len(fraction)))
    counterfoil.require(amount <= largest, "too large")
    return amount


def from_text(kind, value, scales, currency=None):
    """The value of a type that its JSON stands for."""
    if isinstance(kind, counterfoil.Option):
        return None if value is None else from_text(kind.of, value, scales, currency)
    if isinstance(kind, counterfoil.List):
        return [from_text(kind.of, item, scales, currency) for item in value or []]
    if isinstance(kind, counterfoil.Variant):
        fields = kind.variants[kind.numbers[value[kind.tag]]][1]
        return {kind.tag: value[kind.tag], **from_text(fields, value, scales, currency)}
    if isinstance(kind, counterfoil.Struct):
        currency = value.get("currency", currency)
        fields = kind.fields.items()
        return {name: from_text(of, value.get(name), scales, currency) for name, of in fields}
    if kind is counterfoil.Scales:
        return value or {}
    if kind is counterfoil.TIME:
        return counterfoil.parse_time(value)
    if kind is counterfoil.AMOUNT:
        return units(value, scales[currency])
    if kind is counterfoil.FX_RATE:
        return units(value, RATE_DECIMALS, 2**64 - 1)
    return bytes.fromhex(value) if isinstance(kind, counterfoil.Fixed) else value


def entry_leaf(text, scales):
    body = {"kind": text["kind"], **text["body"]}
    entry = from_text(counterfoil.ENTRY, {**text, "body": body}, scales)
    return b"\1" + counterfoil.ENTRY.write(entry)


def entry_text(leaf, scales):
    kind, entry = counterfoil.decode_leaf(leaf)
    equal(kind, "entry")
    text = counterfoil.readable(entry, scales)
    return {**text, "kind": text["body"].pop("kind")}


# What each file is about: a function of what is assumed, input and output.

TYPES = {
    "u8": counterfoil.Byte, "u16": counterfoil.U16, "u32": counterfoil.U32,
    "u64": counterfoil.U64, "string": counterfoil.String(".*"), "id": counterfoil.ID,
    "currency": counterfoil.CURRENCY, "time": counterfoil.TIME, "amount": counterfoil.AMOUNT,
    "option<id>": counterfoil.Option(counterfoil.ID), "list<id>": counterfoil.List(counterfoil.ID),
    "digest": counterfoil.DIGEST,
}  # fmt: skip
NUMBERS = ("u8", "u16", "u32", "u64", "amount")


def value(_, given, output):
    kind, encoded = TYPES[given["type"]], bytes.fromhex(output["bytes"])
    number = given["type"] in NUMBERS
    expected = int(given["value"]) if number else from_text(kind, given["value"], {})
    equal(kind.write(expected), encoded)
    equal(counterfoil.decode(kind, encoded), expected)


def value_refused(_, given, __):
    encoded = bytes.fromhex(given["bytes"])
    equal(refused(counterfoil.decode, TYPES[given["type"]], encoded), True)


def entry(assume, given, output):
    leaf = bytes.fromhex(output["leaf"])
    equal(entry_leaf(given, assume["currencies"]), leaf)
    equal(entry_text(leaf, assume["currencies"]), given)
    equal(counterfoil.entry_id(leaf).hex(), output["entry_id"])
    equal(counterfoil.leaf_hash(leaf).hex(), output["leaf_hash"])


def header(_, given, output):
    leaf = bytes.fromhex(output["leaf"])
    equal(b"\0" + counterfoil.HEADER.write(from_text(counterfoil.HEADER, given, {})), leaf)
    kind, decoded = counterfoil.decode_leaf(leaf)
    equal((kind, counterfoil.readable(decoded, {})), ("header", given))
    equal(counterfoil.header_hash(leaf).hex(), output["header_hash"])
    equal(counterfoil.leaf_hash(leaf).hex(), output["leaf_hash"])
    equal(decoded["first_index"] + decoded["entry_count"], output["index"])


def leaf_refused(_, given, __):
    leaf = bytes.fromhex(given["leaf"]) * given.get("times", 1)
    equal(refused(counterfoil.decode_leaf, leaf), True)


def genesis(_, given, output):
    spec = counterfoil.Spec(given)
    equal(spec.bytes.hex(), output["genesis_parameters"])
    equal(spec.chain_id.hex(), output["chain_id"])
    equal(spec.verifier_key, counterfoil.VerifierKey.parse(output["vkey"]))
    equal(output["root"], output["leaf_hash"])
    header(None, output["header"], output)
    equal(counterfoil.readable(spec.genesis_header(), {}), output["header"])


def edited(value, edits):
    value = copy.deepcopy(value)
    for pointer, replacement in edits.items():
        *way, last = pointer.split("/")[1:]
        parent = value
        for member in way:
            parent = parent[int(member) if isinstance(parent, list) else member]
        if replacement is None:
            del parent[last]
        else:
            parent[int(last) if isinstance(parent, list) else last] = replacement
    return value


def spec_refused(assume, given, _):
    equal(refused(counterfoil.Spec, edited(assume, given)), True)


def root(leaves):
    """The definition of RFC 6962, section 2.1."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256().digest()
    half = 1
    while 2 * half < len(leaves):
        half *= 2
    return counterfoil.node_hash(root(leaves[:half]), root(leaves[half:]))


def tree(_, given, output):
    leaves = [bytes.fromhex(leaf) for leaf in given["leaves"]]
    hashes = [counterfoil.leaf_hash(leaf) for leaf in leaves]
    roots = [root(hashes[:size]) for size in range(len(hashes) + 1)]
    equal([item.hex() for item in roots], output["roots"])
    for item in output["inclusion"]:
        index, size, proof = item["index"], item["size"], list(map(bytes.fromhex, item["proof"]))
        found = counterfoil.root_from_inclusion(hashes[index], index, size, proof)
        equal(found, roots[size])
        if index + 1 == size:
            equal(counterfoil.fold(proof), roots[index])
    for item in output["consistency"]:
        old, size, proof = item["old_size"], item["size"], list(map(bytes.fromhex, item["proof"]))
        equal(consistency(hashes, old, size), proof)


def consistency(hashes, old, size):
    """The definition of RFC 6962, section 2.1.2."""

    def subproof(old, hashes, whole):
        if old == len(hashes):
            return [] if whole else [root(hashes)]
        half = 1
        while 2 * half < len(hashes):
            half *= 2
        if old <= half:
            return subproof(old, hashes[:half], whole) + [root(hashes[half:])]
        return subproof(old - half, hashes[half:], False) + [root(hashes[:half])]

    return subproof(old, hashes[:size], True) if old else []


def proof_refused(_, given, output):
    if "old_size" in given:
        # docs/verify has no need of consistency proofs: it reads the whole log.
        return
    leaf, index, size = bytes.fromhex(given["leaf_hash"]), given["index"], given["size"]
    proof = list(map(bytes.fromhex, given["proof"]))
    try:
        found = counterfoil.root_from_inclusion(leaf, index, size, proof)
    except Wrong:
        found = None
    equal(found == bytes.fromhex(given["root"]), output["holds"])


def checkpoint(_, given, output):
    key = counterfoil.VerifierKey.parse(output["vkey"])
    equal((key.name, key.key.hex()), (given["origin"], output["key"]))
    found = key.open(output["note"])
    equal((found.origin, found.size), (given["origin"], given["size"]))
    equal(found.root.hex(), given["root"])
    equal(output["note"].split("\n\n")[0] + "\n", output["text"])
    equal(signature_in(output["note"]).hex(), output["signature"])


def signature_in(note):
    return counterfoil.decode_base64(note.split()[-1], "signature")[4:]


def note(assume, given, output):
    key = counterfoil.VerifierKey(assume["origin"], bytes.fromhex(assume["key"]))
    if "error" in output:
        equal(refused(key.open, given), True)
    else:
        found = key.open(given)
        equal({"size": found.size, "root": found.root.hex()}, output)


SIGNED_ROOT = counterfoil.Struct(
    size=counterfoil.U64, root=counterfoil.DIGEST, signature=counterfoil.SIGNATURE
)
EVIDENCE = counterfoil.Struct(
    key=counterfoil.KEY,
    smaller=SIGNED_ROOT,
    larger=SIGNED_ROOT,
    beginning=counterfoil.Option(
        counterfoil.Struct(root=counterfoil.DIGEST, proof=counterfoil.List(counterfoil.DIGEST))
    ),
)


def evidence(assume, given, output):
    found = counterfoil.decode(EVIDENCE, bytes.fromhex(output["bytes"]))
    key = counterfoil.VerifierKey(assume["origin"], found["key"])
    for name in "smaller", "larger":
        size, root, signature = (found[name][field] for field in SIGNED_ROOT.fields)
        equal({"size": size, "root": root.hex()}, given[name])
        encoded = [base64.b64encode(part).decode() for part in (root, key.key_id + signature)]
        text = f"{key.name}\n{size}\n{encoded[0]}\n"
        equal(key.open(f"{text}\n— {key.name} {encoded[1]}\n").root, root)
    beginning = found["beginning"]
    if beginning is not None:
        root, proof = beginning["root"].hex(), [item.hex() for item in beginning["proof"]]
        equal({"root": root, "proof": proof}, given["beginning"])
    else:
        equal(given["beginning"], None)
    equal(proven(found["smaller"], found["larger"], beginning), output["proves"])


def proven(smaller, larger, beginning):
    """What two checkpoints whose signatures hold prove: section 17."""
    if (smaller["size"], smaller["root"]) >= (larger["size"], larger["root"]):
        return {"error": "Order"}
    if smaller["size"] == 0:
        return {"error": "Empty"}
    if (beginning is None) != (smaller["size"] == larger["size"]):
        return {"error": "Proof"}
    if beginning is None:
        return "TwoRoots"
    sizes = smaller["size"], larger["size"]
    if roots_from_consistency(*sizes, beginning) != (beginning["root"], larger["root"]):
        return {"error": "NotConsistent"}
    if beginning["root"] == smaller["root"]:
        return {"error": "NothingWrong"}
    return "TwoBeginnings"


def roots_from_consistency(old, size, beginning):
    """The roots of both trees by the definition of RFC 6962, section 2.1.2, from the top down."""
    proof = list(beginning["proof"])

    def roots(old, size, whole):
        """Of a subtree: the root of its first `old` leaves, and its own."""
        if old == size:
            both = beginning["root"] if whole else proof.pop(0)
            return both, both
        half = 1
        while 2 * half < size:
            half *= 2
        if old <= half:
            before, left = roots(old, half, whole)
            return before, counterfoil.node_hash(left, proof.pop(0))
        before, right = roots(old - half, size - half, False)
        left = proof.pop(0)
        return counterfoil.node_hash(left, before), counterfoil.node_hash(left, right)

    try:
        found = roots(old, size, True)
    except IndexError:
        return None
    return None if proof else found


BLOCK = counterfoil.Struct(
    header=counterfoil.HEADER,
    signature=counterfoil.SIGNATURE,
    leaves=counterfoil.List(counterfoil.List(counterfoil.Byte)),
)


def block(assume, given, output):
    spec, parent, log = counterfoil.Spec(assume["spec"]), None, []
    parent = b"\0" + counterfoil.HEADER.write(spec.genesis_header())
    log.append(counterfoil.leaf_hash(parent))
    for stated, sealed in zip(given, output, strict=True):
        found = counterfoil.decode(BLOCK, bytes.fromhex(sealed["wire"]))
        leaves = [bytes(leaf) for leaf in found["leaves"]]
        equal(leaves, [entry_leaf(item, spec.scales) for item in stated["entries"]])
        equal(counterfoil.readable(found["header"], {}), sealed["header"])
        equal(found["header"]["parent"], counterfoil.header_hash(parent))
        log += map(counterfoil.leaf_hash, leaves)
        equal(found["header"]["log_root"], root(log))
        parent = b"\0" + counterfoil.HEADER.write(found["header"])
        equal(counterfoil.header_hash(parent).hex(), sealed["header_hash"])
        log.append(counterfoil.leaf_hash(parent))
        signed = spec.verifier_key.open(sealed["checkpoint"])
        equal(signature_in(sealed["checkpoint"]), found["signature"])
        equal((signed.size, signed.root, signed.root.hex()), (len(log), root(log), sealed["root"]))


def block_refused(_, given, __):
    def read():
        for leaf in counterfoil.decode(BLOCK, bytes.fromhex(given))["leaves"]:
            kind, _ = counterfoil.decode_leaf(bytes(leaf))
            counterfoil.require(kind == "entry", "a header among entries")

    equal(refused(read), True)


def prove(assume, receipt):
    spec = counterfoil.Spec(assume["spec"])
    parsed = check_receipt.parse_receipt(json.dumps(receipt).encode())
    list(check_receipt.check(parsed, spec.verifier_key, spec))


def receipt(assume, given, output):
    prove(assume, output)
    equal(output["entry"]["index"], given)


def receipt_refused(assume, _, output):
    equal(refused(prove, assume, output["receipt"]), True)


def rule(assume, given, output):
    spec = counterfoil.Spec(assume["spec"])
    state = rules.State(spec.scales, spec.limits["event_ahead_ms"])

    def admit(text, time):
        leaf = entry_leaf(text, assume["currencies"])
        state.admit(counterfoil.decode_leaf(leaf)[1], counterfoil.parse_time(time))
        return leaf

    index = 1
    for sealed in assume["blocks"] + given["blocks"]:
        for text in sealed["entries"]:
            admit(text, sealed["time"])
        index += len(sealed["entries"]) + 1
    equal(entry_leaf(given["entry"], assume["currencies"]).hex(), output["leaf"])
    try:
        admit(given["entry"], given["time"])
        equal(index, output.get("admitted"))
    except rules.Refused as broken:
        equal(str(broken), output.get("refused"))


def change_of_spec(assume, given, output):
    spec, known = counterfoil.Spec(assume["spec"]), assume["currencies"]
    state, index = rules.State(spec.scales, spec.limits["event_ahead_ms"]), 1
    changes, height = succession.Succession(spec), 1
    parent = counterfoil.header_hash(b"\0" + counterfoil.HEADER.write(spec.genesis_header()))

    def admit(text, time):
        leaf = entry_leaf(text, known)
        entry = counterfoil.decode_leaf(leaf)[1]
        state.admit(entry, counterfoil.parse_time(time))
        if entry["body"]["kind"] == "spec_change":
            rules.demand(opening, "change-not-first")
            changes.take_at(leaf, entry, height, parent)
        return entry["body"]["kind"] == "spec_change"

    for sealed in given["blocks"]:
        opening = True
        for text in sealed["entries"]:
            opening = admit(text, sealed["time"]) and opening
        index, height = index + len(sealed["entries"]) + 1, height + 1
        # Which one it is, only a change for the next block itself would have to know.
        parent = None
    opening = True
    for text in given["before"]:
        opening = admit(text, given["time"]) and opening
    index += len(given["before"])
    leaf = entry_leaf(given["entry"], known)
    equal(leaf.hex(), output["leaf"])
    signed = succession.signed_message(spec.chain_id, counterfoil.decode_leaf(leaf)[1])
    equal(signed.hex(), output["signed"])
    try:
        admit(given["entry"], given["time"])
        equal(index, output.get("admitted"))
        equal(changes.at(height).verifier_key.key.hex(), output["sealed_by"])
    except rules.Refused as broken:
        equal(str(broken), output.get("refused"))


def amount(_, given, output):
    if "error" in output:
        equal(refused(units, given["text"], given["scale"]), True)
    else:
        found = units(given["text"], given["scale"])
        equal(str(found), output["units"])
        equal(counterfoil.decimal(found, given["scale"]), output["written"])


def rounding(_, given, output):
    part = rules.parts_per_million(int(given["units"]), given["ppm"])
    equal(str(part) if part <= counterfoil.AMOUNT.largest else None, output)


def rate(_, given, output):
    if "error" in output:
        equal(refused(units, given, RATE_DECIMALS, 2**64 - 1), True)
    else:
        found = units(given, RATE_DECIMALS, 2**64 - 1)
        equal(str(found), output["billionths"])
        equal(counterfoil.decimal(found, RATE_DECIMALS), output["written"])


def change(_, given, output):
    scales = {"AAA": given["from_scale"], "BBB": given["to_scale"]}
    fx = {"from": "AAA", "to": "BBB", "rate": units(given["rate"], RATE_DECIMALS, 2**64 - 1)}
    try:
        equal(str(reckoning.change(int(given["units"]), fx, scales)), output)
    except rules.Refused as broken:
        equal((str(broken), None), ("sum-too-large", output))


def month(_, given, output):
    locking = {"type": "month_day", "months": given["months"], "day": given["day"]}
    time = counterfoil.parse_time(given["time"])
    equal(reckoning.period_name("month", time), output["month"])
    equal(str(reckoning.locking_date(locking, time)), output["locks"])


def time(_, given, output):
    if "error" in output:
        equal(refused(counterfoil.parse_time, given), True)
    else:
        found = counterfoil.parse_time(given)
        equal({"milliseconds": f"{int(found)}", "written": str(found)}, output)


CHECKS = {
    "types": value, "types-refused": value_refused, "header": header,
    **{f"entry-{kind}": entry for kind in counterfoil.KIND.numbers},
    "leaf-refused": leaf_refused, "genesis": genesis, "spec-refused": spec_refused, "tree": tree,
    "proof-refused": proof_refused, "checkpoint": checkpoint, "note": note,
    "evidence": evidence, "block": block,
    "block-refused": block_refused, "receipt": receipt, "receipt-refused": receipt_refused,
    "rules": rule, "succession": change_of_spec, "succession-receipt": receipt,
    "succession-receipt-refused": receipt_refused, "amount": amount, "rounding": rounding, "rate": rate, "change": change,
    "time": time, "month": month,
}  # fmt: skip


def main():
    count = 0
    for path in sorted(HERE.glob("*.json")):
        vectors = json.loads(path.read_text("utf-8"))
        for case in vectors["cases"]:
            try:
                check = CHECKS[path.stem]
                check(vectors.get("assume"), case["input"], case["output"])
            except (Wrong, KeyError, ValueError, TypeError) as problem:
                sys.exit(f"{path.name}: {case['case']}: {problem!r}")
            count += 1
    print(f"{count} vectors hold")


if __name__ == "__main__":
    main()
