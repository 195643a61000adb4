#!/usr/bin/env python3
"""Checks a whole Counterfoil ledger: every leaf, link, root and rule, and the signature.

    python3 check_ledger.py --url http://127.0.0.1:8080 --spec chain-spec.toml
    python3 check_ledger.py --dir copy-of-the-tiles --spec chain-spec.toml

Reads the checkpoint and the tiles, from a server or from files under the same paths. The chain
spec must come from where you trust it; nothing else is trusted. With `--earlier FILE`, a
checkpoint that you kept, it also checks that the ledger still begins as it did then. With
`--copy DIR` it keeps what it reads; with `--balances FILE` it writes what the entries come to, as
JSON. Exit code 0 only when everything holds. Needs the packages `cryptography` and `blake3`.
"""

import argparse
import collections
import http.client
import json
import sys
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import counterfoil_format as counterfoil
from counterfoil_balances import balances
from counterfoil_format import Wrong, require, within
from counterfoil_rules import Refused, State
from counterfoil_succession import Succession

TILE = 256
HASH_BYTES = 32
MAX_TILE_BYTES = TILE * (2 + counterfoil.MAX_LEAF_BYTES)
TIMEOUT_SECONDS = 60
PROGRESS_EVERY_LEAVES = 100 * TILE


# Where the log is read from: a function from path to bytes, or to None where there is nothing.


def from_directory(directory):
    def read(path):
        try:
            return Path(directory, path).read_bytes()
        except FileNotFoundError:
            return None

    return read


def from_server(url):
    def read(path):
        try:
            answer = urllib.request.urlopen(f"{url.rstrip('/')}/{path}", timeout=TIMEOUT_SECONDS)
            with answer:
                return answer.read(MAX_TILE_BYTES + 1)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    return read


def keeping(read, directory):
    """Reads the same, and keeps a copy of whatever is there."""

    def read_and_keep(path):
        data = read(path)
        if data is not None:
            copy = Path(directory, path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)
        return data

    return read_and_keep


# Section 12: tiles.


def tile_path(level, number):
    groups = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03}")
    return "/".join(["tile", str(level), *groups])


def read_tile(read, path, width):
    """A tile that has `width` items so far, and how many it has as it is stored."""
    if width < TILE:
        data = read(f"{path}.p/{width}")
        if data is not None:
            return data, width
    data = read(path)
    require(data is not None, f"{path}: not there")
    return data, TILE


def read_leaves(read, first, width):
    """The `width` leaves from index `first` on, which are those of one entry bundle, in turn."""
    path = tile_path("entries", first // TILE)
    data, stored = read_tile(read, path, width)
    at = 0
    for index in range(first, first + width):
        start, end = at + 2, at + 2 + int.from_bytes(data[at : at + 2], "big")
        require(start < end <= len(data), f"leaf {index}: cut short in {path}")
        yield data[start:end]
        at = end
    require(at == len(data) or stored > width, f"{path}: goes on after leaf {first + width - 1}")


class HashTiles:
    """The hash tiles that are served, compared with what they must be."""

    def __init__(self, read, size):
        self.read, self.size = read, size
        # Of each level: how many hashes there were, the tile that is served, and its hashes
        # as they must be so far.
        self.counts = collections.Counter()
        self.served, self.hashes = {}, collections.defaultdict(list)

    def take(self, found, level=0):
        """Takes up the next hash of `level`: that of the next leaf, say."""
        number, position = divmod(self.counts[level], TILE)
        path = tile_path(level, number)
        if position == 0:
            width = min(TILE, self.size // TILE**level - number * TILE)
            data, stored = read_tile(self.read, path, width)
            require(len(data) == stored * HASH_BYTES, f"{path}: not {stored} hashes")
            self.served[level] = data
        if found != self.served[level][position * HASH_BYTES : (position + 1) * HASH_BYTES]:
            first = self.counts[level] * TILE**level
            which = f"leaves {first} to {first + TILE**level - 1}" if level else f"leaf {first}"
            raise Wrong(f"{which}: doesn't have the hash that stands in {path}")
        self.counts[level] += 1
        self.hashes[level].append(found)
        if position == TILE - 1:
            self.take(subtree_root(self.hashes.pop(level)), level + 1)


def subtree_root(hashes):
    """The root of a complete subtree."""
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2])
        hashes = [counterfoil.node_hash(left, right) for left, right in pairs]
    return hashes[0]


class Log:
    """The log as it grows: its size, and the roots of its complete subtrees."""

    def __init__(self):
        self.size, self.peaks = 0, []

    def push(self, leaf_hash):
        size, peak = self.size, leaf_hash
        while size % 2:
            size, peak = size // 2, counterfoil.node_hash(self.peaks.pop(), peak)
        self.peaks.append(peak)
        self.size += 1

    def root(self):
        return counterfoil.fold(self.peaks[::-1])


class Ledger:
    """The chain as it is read: what the next leaf has to fit (section 15)."""

    def __init__(self, spec):
        self.spec, self.log = spec, Log()
        self.state = State(spec.scales, spec.limits["event_ahead_ms"])
        self.succession = Succession(spec)
        self.header, self.header_hash = None, bytes(HASH_BYTES)
        # The block in progress: each entry with its index and its leaf.
        self.entries = []
        self.counts = collections.Counter()

    def take(self, leaf, leaf_hash):
        """Takes up the next leaf."""
        with within(f"leaf {self.log.size}"):
            kind, value = counterfoil.decode_leaf(leaf)
            require(self.header or kind == "header", "not the genesis header")
        if kind == "header":
            self.close(value)
            self.header, self.header_hash = value, counterfoil.header_hash(leaf)
        else:
            self.entries.append((self.log.size, value, leaf))
        self.log.push(leaf_hash)

    def close(self, header):
        """Checks the header of the block in progress, then the rules."""
        fits = self.begin()
        with within(f"leaf {self.log.size}: header"):
            for field, expected in self.expected_header(header["time"]).items():
                found, expected = (counterfoil.readable(v, {}) for v in (header[field], expected))
                require(found == expected, f"{field} is {found}, must be {expected}")
            require(self.entries or not self.header, "closes a block without entries")
            require(fits, "closes a block that is larger than the spec allows")
        for index, entry, _ in self.entries:
            with_rules(index, self.state.admit, entry, header["time"])
            self.counts[entry["body"]["kind"]] += 1
        self.entries = []

    def height(self):
        """The height of the block in progress."""
        return self.header["height"] + 1 if self.header else 0

    def in_force(self):
        """The spec in force at the last block."""
        return self.succession.at(self.header["height"])

    def begin(self):
        """Applies the changes that the block in progress begins with; whether it fits the limits."""
        height, size, opening, fits = self.height(), 0, True, True
        for count, (index, entry, leaf) in enumerate(self.entries, 1):
            limits, size = self.succession.at(height).limits, size + len(leaf)
            fits = fits and count <= limits["block_entries"] and size <= limits["block_bytes"]
            changes = entry["body"]["kind"] == "spec_change"
            require(opening or not changes, f"leaf {index}: breaks the rule change-not-first")
            if opening and changes:
                take = self.succession.take_at
                with_rules(index, take, leaf, entry, height, self.header_hash)
            opening = opening and changes
        spec = self.succession.at(height)
        self.state.put_in_force(spec.scales, spec.limits["event_ahead_ms"])
        return fits

    def expected_header(self, time):
        genesis = self.spec.genesis_header()
        if self.header is None:
            return genesis
        return genesis | {
            "authority": self.succession.at(self.height()).verifier_key.key,
            "height": self.height(),
            "parent": self.header_hash,
            "time": max(time, self.header["time"]),
            "first_index": self.log.size - len(self.entries),
            "entry_count": len(self.entries),
            "log_root": self.log.root(),
        }

    def summary(self):
        """What the ledger comes to, line by line."""
        yield f"{self.header['height'] + 1} blocks, {self.counts.total()} entries"
        yield from (f"  {kind}: {count}" for kind, count in sorted(self.counts.items()))
        states, sums = collections.Counter(), collections.defaultdict(collections.Counter)
        for commission in self.state.commissions():
            states[commission.state] += 1
            of_currency = sums[commission.currency]
            for what in ("amount", "reversed", "left"):
                of_currency[what] += getattr(commission, what)
            of_currency["paid"] += commission.left if commission.state == "paid" else 0
        yield from (f"  commissions {state}: {count}" for state, count in sorted(states.items()))
        for currency, sum_of in sorted(sums.items()):
            stated, taken, left, paid = (
                counterfoil.decimal(sum_of[what], self.state.scales[currency])
                for what in ("amount", "reversed", "left", "paid")
            )
            yield f"  {currency}: {stated} stated − {taken} reversed = {left}, of which {paid} paid"


def with_rules(index, act, *arguments):
    try:
        act(*arguments)
    except Refused as rule:
        raise Wrong(f"leaf {index}: breaks the rule {rule}") from None


def read_spec(path):
    return counterfoil.Spec(tomllib.loads(Path(path).read_text("utf-8")))


def read_checkpoint(spec, note, what):
    """What a checkpoint claims. Who must have signed it, the log itself tells."""
    with within(what):
        require(note is not None, "not there")
        return spec.verifier_key.claim(note.decode("utf-8"))


def check_signed(spec, note, what):
    with within(what):
        spec.verifier_key.open(note.decode("utf-8"))


def prove(read, spec, earlier_note=None):
    """Checks the whole ledger: its checkpoint, the earlier one if there is one, and itself."""
    note = read("checkpoint")
    checkpoint, earlier = read_checkpoint(spec, note, "checkpoint"), None
    if earlier_note is not None:
        earlier = read_checkpoint(spec, earlier_note, "earlier checkpoint")
    size, ledger = checkpoint.size, Ledger(spec)
    tiles = HashTiles(read, size)
    require(size > 0, "checkpoint: of a log without even the genesis header")
    require(not earlier or 0 < earlier.size <= size, "checkpoint: the earlier one is larger")
    for first in range(0, size, TILE):
        for leaf in read_leaves(read, first, min(TILE, size - first)):
            leaf_hash = counterfoil.leaf_hash(leaf)
            # First of all: whatever else a damaged leaf may look like, this names it.
            tiles.take(leaf_hash)
            ledger.take(leaf, leaf_hash)
            if earlier and earlier.size == ledger.log.size:
                check_signed(ledger.in_force(), earlier_note, "earlier checkpoint")
                same = earlier.root == ledger.log.root()
                require(same, f"leaves 0 to {earlier.size - 1}: not those of the earlier checkpoint")
        if sys.stderr.isatty() and first % PROGRESS_EVERY_LEAVES == 0:
            print(f"\r{first} of {size} leaves", end="\r", file=sys.stderr)
    require(not ledger.entries, f"leaf {size - 1}: not a header, yet the checkpoint ends there")
    require(ledger.log.root() == checkpoint.root, "checkpoint: signs another root")
    check_signed(ledger.in_force(), note, "checkpoint")
    return checkpoint, earlier, ledger


def report(checkpoint, earlier, ledger):
    """What to print of a ledger that holds, line by line."""
    yield f"chain ok:     {ledger.spec.chain_id.hex()}, that of the spec"
    yield f"signature ok: {checkpoint.origin} signed the log of {checkpoint.size} leaves"
    yield "leaves ok:    every leaf, hash, header, link, root and rule holds"
    if earlier:
        yield f"past ok:      it begins with the {earlier.size} leaves of the earlier checkpoint"
    yield from ledger.summary()


def main():
    parser = argparse.ArgumentParser(description="Checks a whole Counterfoil ledger.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--url", help="where a node serves it")
    source.add_argument("--dir", help="a directory with a copy of checkpoint and tile/")
    parser.add_argument("--spec", required=True, help="the chain spec, a TOML file")
    parser.add_argument("--earlier", help="a checkpoint that you kept, a file")
    parser.add_argument("--copy", help="a directory to keep what is read in, for --dir")
    parser.add_argument("--balances", help="a file to write balances to, as JSON")
    arguments = parser.parse_args()
    try:
        read = from_server(arguments.url) if arguments.url else from_directory(arguments.dir)
        read = keeping(read, arguments.copy) if arguments.copy else read
        spec = read_spec(arguments.spec)
        earlier = Path(arguments.earlier).read_bytes() if arguments.earlier else None
        checkpoint, earlier, ledger = prove(read, spec, earlier)
        print("\n".join(report(checkpoint, earlier, ledger)))
        if arguments.balances:
            folded = {"size": checkpoint.size, **balances(ledger.state)}
            text = json.dumps(folded, indent=2, ensure_ascii=False) + "\n"
            Path(arguments.balances).write_text(text, "utf-8")
    except (Wrong, OSError, ValueError, http.client.HTTPException) as problem:
        sys.exit(f"NOT PROVEN: {problem}")


if __name__ == "__main__":
    main()
