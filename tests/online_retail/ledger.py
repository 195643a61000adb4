"""Entries and balances as somebody else has them, compared with what is expected."""

import collections
import json
import sys
from decimal import Decimal

from .lifecycle import TERMS

TENANT = "online-retail"
# Whose sums are told apart, and by which member of the body.
SUMMED = {
    "transaction": "amount",
    "commission": "amount",
    "reversal": "amount",
    "adjustment": "amount",
    "funding": "received",
    "payout": "total",
}
# How many differing entries of a kind are listed by name.
MAX_LISTED = 12


class Ledger:
    """Entries as somebody wrote them: one JSON object a line."""

    def __init__(self, path):
        self.entries = {}  # (kind, external id) -> (time, body)
        self.faults = []
        self.foreign = 0
        with sys.stdin if path == "-" else open(path, encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    self.read(f"entry {number}", json.loads(text))

    def read(self, place, entry):
        if entry["tenant"] != TENANT:
            self.foreign += 1
            return
        key = (entry["kind"], entry["external_id"])
        if key in self.entries:
            self.faults.append(f"{place}: {key[0]} {key[1]} stands there twice")
        self.entries[key] = (entry["event_time"], entry["body"])


def sums(entries):
    """Number and sum of each kind's entries."""
    numbers, amounts = collections.Counter(), collections.defaultdict(Decimal)
    for (kind, _), (_, body) in entries.items():
        numbers[kind] += 1
        amount = body.get(SUMMED.get(kind), "0")
        amounts[kind] += Decimal(amount) if isinstance(amount, str) else 0
    return {kind: (number, amounts[kind]) for kind, number in numbers.items()}


def differing(name, wanted, found):
    """What differs in two tables."""
    for key in sorted(wanted.keys() | found.keys()):
        if wanted.get(key) != found.get(key):
            yield f"{name} {key}: expected {show(wanted.get(key))}, found {show(found.get(key))}"


def compare_entries(expected, ledger):
    """What differs: totals first, then what by name."""
    yield from ledger.faults
    found = dict(ledger.entries)
    yield from compare_terms(expected, found.pop(("program_terms", "TERMS-1"), None))
    yield from differing("number and sum of", sums(expected.entries), sums(found))
    wrong = collections.defaultdict(list)
    for key in sorted(expected.entries.keys() | found.keys()):
        wanted, said = expected.entries.get(key), found.get(key)
        if wanted != said and sorted_lists(wanted) != sorted_lists(said):
            wrong[key[0]].append(f"{key[0]} {key[1]}: {difference(wanted, said)}")
    for kind, places in wrong.items():
        yield from places[:MAX_LISTED]
        if len(places) > MAX_LISTED:
            yield f"and {len(places) - MAX_LISTED} more of {kind}"


def sorted_lists(said):
    """The order of items and lines says nothing, nor that of members."""
    if isinstance(said, dict):
        return {name: sorted_lists(part) for name, part in said.items()}
    if isinstance(said, list):
        parts = (sorted_lists(part) for part in said)
        return sorted(parts, key=lambda part: json.dumps(part, sort_keys=True))
    return tuple(sorted_lists(part) for part in said) if isinstance(said, tuple) else said


def difference(wanted, said):
    if wanted is None or said is None:
        return f"expected {show(wanted)}, found {show(said)}"
    wanted = {"event_time": wanted[0]} | wanted[1]
    said = {"event_time": said[0]} | said[1]
    return "; ".join(differing("", wanted, said))


def compare_terms(expected, found):
    if found is None:
        yield "terms: TERMS-1 is missing"
        return
    _, body = found
    body = dict(body)
    start = body.pop("effective_from")
    yield from differing("TERMS-1:", TERMS, body)
    first = min((time for time, _ in expected.entries.values()), default="9999")
    if start > first:
        yield f"TERMS-1: not in force from {first} on"


def compare_report(expected, path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    found = {name: (said["count"], Decimal(said["value"])) for name, said in report.items()}
    yield from differing("report,", expected.items, found)


def compare_balances(expected, path):
    """What each party is said to have: party -> what -> amount."""
    with open(path, encoding="utf-8") as file:
        balances = json.load(file)
    wanted = expected.balances()
    for party in sorted(wanted.keys() | balances.keys()):
        said = {what: Decimal(amount) for what, amount in balances.get(party, {}).items()}
        said = {what: amount for what, amount in said.items() if amount}
        yield from differing(f"balance of {party},", wanted.get(party, {}), said)


def show(said):
    if isinstance(said, tuple):
        return " ".join(str(part) for part in said)
    return "nothing" if said is None else str(said)
