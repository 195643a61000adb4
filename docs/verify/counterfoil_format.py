"""The format of a Counterfoil ledger, version 1: leaves, hashes, proofs, checkpoints.

Written from src/protocol/FORMAT.md alone; section numbers are those of that file. Types and
entries stand in modules of their own; all of them are at hand here too. Needs Python 3.11 and
the package `cryptography`; what involves BLAKE3 (entry ids, header hashes, chain ids) needs the
package `blake3` too.
"""

import base64
import binascii
import hashlib
import re
from collections import namedtuple
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from counterfoil_entries import *
from counterfoil_types import *

try:
    import blake3
except ImportError:
    blake3 = None

# Section 6: headers.

HEADER = Struct(
    format_version=U16, rules_version=U16, chain_id=DIGEST, height=U64, parent=DIGEST, time=TIME,
    first_index=U64, entry_count=U32, log_root=DIGEST, accounts_root=DIGEST, authority=KEY,
)  # fmt: skip

# Section 4: leaves.

MAX_LEAF_BYTES = 65535


def decode_leaf(leaf):
    """`("header", header)` or `("entry", entry)`."""
    require(1 <= len(leaf) <= MAX_LEAF_BYTES, f"a leaf of {len(leaf)} bytes")
    require(leaf[0] <= 1, f"no leaf has the number {leaf[0]}")
    return ("entry", decode(ENTRY, leaf[1:])) if leaf[0] else ("header", decode(HEADER, leaf[1:]))


# Section 3: hashes.


def _blake3(purpose, data):
    require(blake3, "this needs BLAKE3: pip install blake3")
    context = f"counterfoil 2026-11-21 {purpose} v1"
    return blake3.blake3(data, derive_key_context=context).digest()


def chain_id(genesis_parameters):
    return _blake3("chain id", genesis_parameters)


def entry_id(leaf):
    return _blake3("entry id", leaf[1:])


def header_hash(leaf):
    return _blake3("header hash", leaf[1:])


def empty_accounts_root():
    return _blake3("empty accounts tree", b"")


# Section 8: the log tree.


def leaf_hash(leaf):
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def fold(siblings):
    """The root over adjacent complete subtrees, the smallest first."""
    if not siblings:
        return hashlib.sha256().digest()
    root = siblings[0]
    for left in siblings[1:]:
        root = node_hash(left, root)
    return root


def root_from_inclusion(leaf_hash, index, size, proof):
    """The root that an inclusion proof leads to."""
    shape = "the inclusion proof is not one for this index and size"
    require(index < size and len(proof) <= 64, shape)
    node, last, root = index, size - 1, leaf_hash
    for sibling in proof:
        require(last > 0, shape)
        if node % 2 or node == last:
            root = node_hash(sibling, root)
            while node % 2 == 0 and node:
                node, last = node // 2, last // 2
        else:
            root = node_hash(root, sibling)
        node, last = node // 2, last // 2
    require(last == 0, shape)
    return root


# Section 9: checkpoints.

Checkpoint = namedtuple("Checkpoint", "origin size root")

# R of such a signature says nothing; neither does such a key.
SMALL_ORDER = {
    bytes.fromhex(point)
    for point in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    )
}


def decode_base64(text, what):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = None
    # The library lets stray bits at the end pass.
    require(data is not None and base64.b64encode(data).decode() == text, f"{what}: not base64")
    return data


def verify_signature(key, message, signature):
    """Checks an Ed25519 signature, strictly."""
    weak = key in SMALL_ORDER or signature[:32] in SMALL_ORDER
    try:
        require(len(signature) == 64 and not weak, "the signature is wrong")
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        raise Wrong("the signature is wrong") from None


class VerifierKey(namedtuple("VerifierKey", "name key")):
    """The key that signs checkpoints, and its name."""

    @classmethod
    def parse(cls, vkey):
        name, key_id, encoded = (vkey.split("+", 2) + ["", ""])[:3]
        typed = decode_base64(encoded, "vkey")
        require(name and len(typed) == 33 and typed[0] == 1, "vkey: not an Ed25519 key of C2SP")
        parsed = cls(name, typed[1:])
        require(parsed.key_id.hex() == key_id, "vkey: its key id is another key's")
        return parsed

    @property
    def key_id(self):
        return hashlib.sha256(self.name.encode() + b"\n\1" + self.key).digest()[:4]

    def open(self, note):
        """The checkpoint in a signed note, once this key's signature is found to hold."""
        text, lines = self._parts(note)
        ours = [signature for signature in map(self._signature, lines) if signature is not None]
        require(ours, f"not signed by {self.name} with the key that you trust")
        for signature in ours:
            verify_signature(self.key, text.encode(), signature)
        return self._checkpoint(text)

    def claim(self, note):
        """The checkpoint in a signed note, whoever signed it; if this key did, as it must be."""
        text, lines = self._parts(note)
        ours = any(self._signature(line) is not None for line in lines)
        return self.open(note) if ours else self._checkpoint(text)

    @staticmethod
    def _parts(note):
        """The text of a note, and its signature lines."""
        require(len(note.encode()) <= 65536, "too long")
        controls = any(ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160 for c in note)
        require(not controls, "control characters")
        text, divider, lines = note.rpartition("\n\n")
        require(divider and lines.endswith("\n"), "not a signed note")
        text, lines = text + "\n", lines[:-1].split("\n")
        require(len(lines) <= 64, "too many signatures")
        return text, lines

    def _signature(self, line):
        """The signature in a signature line, or None where it is somebody else's."""
        match = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
        require(match, "a bad signature line")
        data = decode_base64(match[2], "signature")
        require(len(data) > 4, "a bad signature line")
        return data[4:] if (match[1], data[:4]) == (self.name, self.key_id) else None

    def _checkpoint(self, text):
        lines = text[:-1].split("\n")
        require(len(lines) == 3 and all(lines), "not three lines")
        origin, size, root = lines
        require(origin == self.name, f"of {origin}, not of {self.name}")
        require(re.fullmatch("0|[1-9][0-9]{0,19}", size), "the size is no number")
        require(int(size) < 2**64, "the size is no number")
        root = decode_base64(root, "root")
        require(len(root) == 32, "the root is no hash")
        return Checkpoint(origin, int(size), root)


# Section 7: the chain spec.

NAME, ORIGIN = String(r"[^\x00-\x1f\x7f-\x9f]+"), String(r"(?!.*://)(?!.*/$)[!-*,-~]{1,128}")
GENESIS = Struct(
    format_version=U16, name=NAME, origin=ORIGIN, genesis_time=TIME, rules_version=U16,
    authorities=List(KEY), governance=GOVERNANCE, witnesses=List(Struct(name=ORIGIN, key=KEY)),
    currencies=Scales, limits=LIMITS,
)  # fmt: skip


class Spec:
    """A chain spec, read from the dictionary that its TOML stands for.

    One that changes have led to is of the chain that it began as.
    """

    def __init__(self, toml, began_as=None):
        try:
            self.values = values = self._values(dict(toml))
            self.bytes = GENESIS.write(values)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise Wrong(f"chain spec: {problem!r}") from None
        self.chain_id = began_as or chain_id(self.bytes)
        self.genesis_time, self.limits = values["genesis_time"], values["limits"]
        self.scales = values["currencies"]
        self.verifier_key = VerifierKey(values["origin"], values["authorities"][0])

    def genesis_header(self):
        return {
            "format_version": 1, "rules_version": 1, "chain_id": self.chain_id, "height": 0,
            "parent": bytes(32), "time": self.genesis_time, "first_index": 0, "entry_count": 0,
            "log_root": fold([]), "accounts_root": empty_accounts_root(),
            "authority": self.verifier_key.key,
        }  # fmt: skip

    @staticmethod
    def _values(toml):
        def only(table, *names):
            require(set(table) <= set(names), f"chain spec: unknown {set(table) - set(names)}")
            return table

        def number(table, name, least, most):
            value = table[name]
            allowed = type(value) is int and least <= value <= most
            require(allowed, f"chain spec: {name}: from {least} to {most}")
            return value

        def distinct(name, items, least=0):
            allowed = least <= len(items) <= 256 and len(set(items)) == len(items)
            require(allowed, f"chain spec: {name}: {least} to 256 different items")
            return items

        def keys(name, texts, least=0):
            hexadecimal = all(re.fullmatch("[0-9a-f]{64}", text) for text in texts)
            require(hexadecimal, f"chain spec: {name}: a key is 64 hexadecimal digits")
            found = [bytes.fromhex(text) for text in distinct(name, texts, least)]
            require(not SMALL_ORDER & set(found), f"chain spec: {name}: a key of small order")
            return found

        only(toml, "name", "origin", "genesis_time", "rules_version", "authorities",
             "governance", "witnesses", "currencies", "limits")  # fmt: skip
        named = len(toml["name"].encode()) <= 128 and toml["name"].strip()
        require(named, "chain spec: name: 1 to 128 bytes, not only blanks")
        governance = only(toml["governance"], "keys", "quorum")
        governors = keys("governance.keys", governance["keys"])
        witnesses = [only(item, "name", "key") for item in toml.get("witnesses", [])]
        names = distinct("witnesses", [item["name"] for item in witnesses])
        currencies = distinct("currencies", sorted(toml["currencies"]), 1)
        limits = only(toml["limits"], "block_entries", "block_bytes", "event_ahead_ms")
        return {
            "format_version": 1,
            "name": toml["name"],
            "origin": toml["origin"],
            "genesis_time": parse_time(toml["genesis_time"]),
            "rules_version": number(toml, "rules_version", 1, 1),
            "authorities": keys("authorities", toml["authorities"], 1),
            "governance": {
                "keys": governors,
                "quorum": number(governance, "quorum", min(1, len(governors)), len(governors)),
            },
            "witnesses": [
                {"name": name, "key": key}
                for name, key in zip(names, keys("witnesses", [item["key"] for item in witnesses]))
            ],
            "currencies": {
                code: number(toml["currencies"], code, 0, 9) for code in currencies
            },
            "limits": {
                "block_entries": number(limits, "block_entries", 1, 10000),
                "block_bytes": number(limits, "block_bytes", 65535, 4194304),
                "event_ahead_ms": number(limits, "event_ahead_ms", 0, 86400000),
            },
        }


# Section 14: text.


def parse_time(text):
    """The time that an RFC 3339 text stands for."""
    shape = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,3})0{0,6})?(?:Z|([+-])(\d\d):(\d\d))"
    match = re.fullmatch(shape, text, re.ASCII)
    require(match, f"{text} is not a time of RFC 3339 to the millisecond")
    local, fraction, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    require(int(hours or 0) < 24 and int(minutes or 0) < 60, f"{text} is not a time")
    try:
        since = datetime.fromisoformat(local) - datetime(1970, 1, 1)
    except ValueError:
        raise Wrong(f"{text} is not a time") from None
    since += offset if sign == "-" else -offset
    milliseconds = since // timedelta(milliseconds=1) + int((fraction or "0").ljust(3, "0"))
    require(0 <= milliseconds <= TIME.largest, f"{text} is out of range")
    return Time(milliseconds)


RATE_SCALE = 9


def decimal(units, scale):
    digits = str(int(units)).rjust(scale + 1, "0")
    return digits if scale == 0 else f"{digits[:-scale]}.{digits[-scale:]}"


def says_something(item):
    return item is not None and (item or type(item) not in (list, dict))


def readable(value, scales, currency=None):
    """A value as JSON would have it: times and digests as text, amounts by their scale.

    Where the scale isn't known, an amount is so many units.
    """
    if isinstance(value, dict):
        currency = value.get("currency", currency)
        said = {name: item for name, item in value.items() if says_something(item)}
        return {name: readable(item, scales, currency) for name, item in said.items()}
    if isinstance(value, list):
        return [readable(item, scales, currency) for item in value]
    if isinstance(value, Amount):
        return decimal(value, scales[currency]) if currency in scales else f"{int(value)} units"
    if isinstance(value, Rate):
        return decimal(value, RATE_SCALE)
    if isinstance(value, Time):
        return str(value)
    return value.hex() if isinstance(value, bytes) else value
