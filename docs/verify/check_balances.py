#!/usr/bin/env python3
"""Checks that what a Counterfoil node says of commissions and payouts follows from its log.

    python3 check_balances.py --url http://127.0.0.1:8080 --spec chain-spec.toml

Proves the whole ledger, as check_ledger.py does, and folds from its leaves alone where each
commission, adjustment and payout stands. Then it asks the node's API for all of them and
compares: each one, and the sums by affiliate, currency and state. Exit code 0 only when all is
the same. Needs the packages `cryptography` and `blake3`.
"""

import argparse
import http.client
import json
import sys
from collections import Counter
from decimal import Decimal
from urllib.parse import urlencode

from check_ledger import from_server, open_checkpoint, prove, read_spec
from counterfoil_balances import balances
from counterfoil_format import Wrong, decimal, require

PAGE_ENTRIES = 500
# How often to start over because the ledger grew meanwhile.
MAX_TRIES = 5
KINDS = ("commission", "opening_balance", "adjustment", "payout")


def by_the_log(state):
    """Where everything stands that the API says so of, by tenant, what it is and external id."""
    for tenant, records in state.tenants.items():
        for external_id, commission in records.records["commission"].items():
            amounts = {
                name: decimal(getattr(commission, name), state.scales[commission.currency])
                for name in ("amount", "left", "reversed", "funded")
            }
            date = None if commission.locks_at is None else str(commission.locks_at)
            standing = {"state": commission.state, "locks_at": date, **amounts}
            yield (tenant, "commission", external_id), standing
        for external_id, adjustment in records.records["adjustment"].items():
            yield (tenant, "adjustment", external_id), {"state": adjustment.state}
        for external_id, payout in records.records["payout"].items():
            if external_id == payout.first:
                yield (tenant, "payout", external_id), {"state": payout.state}


def listed(read, kind, size):
    """The API's entries of a kind, up to the size of the log that was proven."""
    query = {"kind": kind, "limit": PAGE_ENTRIES}
    while query:
        page = read(f"v1/entries?{urlencode(query)}")
        require(page is not None, "the API has no list of entries")
        page = json.loads(page)
        yield from (view for view in page["entries"] if view["index"] < size)
        query = page.get("next") and {**query, "cursor": page["next"]}


def by_the_node(read, size):
    """The same by the node's word, with the body of each one."""
    for kind in KINDS:
        for view in listed(read, kind, size):
            entry = view["entry"]
            body = entry["body"].get("balance", entry["body"])
            for what in ("commission", "adjustment", "payout"):
                if what in view:
                    yield (entry["tenant"], what, entry["external_id"]), view[what], body


def sums_by_the_node(standings):
    """What is left of its commissions, by tenant, affiliate, currency and state."""
    sums = Counter()
    for (tenant, what, _), standing, body in standings:
        if what == "commission":
            name = tenant, body["affiliate"], body["currency"], standing["state"]
            sums[name] += Decimal(standing["left"])
    return sums


def sums_by_the_log(state):
    return {
        (tenant, affiliate, currency, standing): Decimal(left)
        for tenant, parties in balances(state)["affiliates"].items()
        for affiliate, currencies in parties.items()
        for currency, found in currencies.items()
        for standing, left in found.get("commissions", {}).items()
    }


def compare(state, standings):
    """Compares both; what to print, line by line."""
    expected, counts = dict(by_the_log(state)), Counter()
    for name, standing, _ in standings:
        where = " ".join(name)
        require(name in expected, f"{where}: twice, or not on the ledger")
        must_be = expected.pop(name)
        found = {member: standing.get(member) for member in must_be}
        require(found == must_be, f"{where}: the node says {found}, the log says {must_be}")
        counts[name[1]] += 1
    require(not expected, f"{' '.join(next(iter(expected), []))}: the node doesn't list it")
    stated, folded = sums_by_the_node(standings), sums_by_the_log(state)
    for name in sorted(folded.keys() | stated.keys()):
        found, must_be = stated.get(name), folded.get(name)
        where = " ".join(name)
        require(found == must_be, f"{where}: the node's sum is {found}, the log's {must_be}")
    for what in ("commission", "adjustment", "payout"):
        yield f"{what}s ok:".ljust(16) + f"{counts[what]} stand as the log says"
    yield f"sums ok:        {len(folded)}, by tenant, affiliate, currency and state"


def check(read, spec):
    """Proves the ledger and compares; what to print, line by line."""
    for _ in range(MAX_TRIES):
        checkpoint, _, ledger = prove(read, spec)
        standings = list(by_the_node(read, checkpoint.size))
        if open_checkpoint(spec, read("checkpoint"), "checkpoint") == checkpoint:
            yield f"ledger ok:      the log of {checkpoint.size} leaves holds"
            yield from compare(ledger.state, standings)
            return
    raise Wrong(f"the ledger grew in each of {MAX_TRIES} tries")


def main():
    parser = argparse.ArgumentParser(description="Checks what a node says against its log.")
    parser.add_argument("--url", required=True, help="where a node serves the log and the API")
    parser.add_argument("--spec", required=True, help="the chain spec, a TOML file")
    arguments = parser.parse_args()
    try:
        print("\n".join(check(from_server(arguments.url), read_spec(arguments.spec))))
    except (Wrong, OSError, ValueError, LookupError, TypeError, ArithmeticError,
            http.client.HTTPException) as problem:  # fmt: skip
        sys.exit(f"NOT PROVEN: {problem}")


if __name__ == "__main__":
    main()
