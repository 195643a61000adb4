#!/usr/bin/env python3
"""Checks that what a Counterfoil node says of commissions and payouts follows from its log.

    python3 check_balances.py --url http://127.0.0.1:8080 --spec chain-spec.toml

Proves the whole ledger, as check_ledger.py does, and folds from its leaves alone where each
commission, adjustment and payout stands, and what each merchant has prepaid. Then it asks the
node's API for all of them and compares: each one, and the sums by affiliate, currency and state.
Exit code 0 only when all is the same. Needs the packages `cryptography` and `blake3`.
"""

import argparse
import http.client
import json
import sys
from collections import Counter
from decimal import Decimal
from urllib.parse import urlencode

from check_ledger import from_server, read_checkpoint, prove, read_spec
from counterfoil_balances import balances
from counterfoil_format import Wrong, decimal, require

PAGE_ENTRIES = 500
# How often to start over because the ledger grew meanwhile.
MAX_TRIES = 5
KINDS = ("commission", "adjustment", "payout", "funding", "opening_balance")
STANDINGS = ("commission", "adjustment", "payout", "prepaid")


def by_the_log(state):
    """Where everything stands of which the API says so, by tenant, what it is and its name."""
    for tenant, records in state.tenants.items():
        for external_id, commission in records.records["commission"].items():
            yield (tenant, "commission", external_id), of_commission(commission, state.scales)
        for external_id, adjustment in records.records["adjustment"].items():
            yield (tenant, "adjustment", external_id), {"state": adjustment.state}
        for external_id, payout in records.records["payout"].items():
            yield (tenant, "payout", external_id), of_payout(payout, records)
        for merchant, currency in records.received:
            yield (tenant, "prepaid", merchant, currency), of_merchant(records, merchant, currency)


def of_commission(commission, scales):
    names = ("amount", "left", "reversed", "funded", "fee", "credited", "debited")
    units = {name: getattr(commission, name) for name in names}
    return {
        "state": commission.state,
        "locks_at": None if commission.locks_at is None else str(commission.locks_at),
        **decimals(units, scales[commission.currency]),
    }


def of_payout(payout, tenant):
    owner, scale = (payout.affiliate, payout.currency), tenant.scales[payout.currency]
    units = {name: getattr(payout, name) for name in ("added", "taken_off", "kept", "used")}
    carried = {"kept": tenant.kept[owner], "used": tenant.used[owner]}
    return {
        "state": payout.state,
        "first": payout.first,
        **decimals(units, scale),
        "carried": decimals(carried, scale),
    }


def of_merchant(tenant, *account):
    received, covers = tenant.received[account], tenant.covered[account]
    units = {"received": received, "covers": covers, "prepaid": received - covers}
    return decimals(units, tenant.scales[account[1]])


def decimals(units, scale):
    return {name: decimal(amount, scale) for name, amount in units.items()}


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
    """The same by the node's word, with the body of each entry."""
    for kind in KINDS:
        for view in listed(read, kind, size):
            entry = view["entry"]
            body = entry["body"].get("balance", entry["body"])
            for what in (what for what in STANDINGS if what in view):
                prepaid = what == "prepaid"
                name = (body["merchant"], body["currency"]) if prepaid else (entry["external_id"],)
                yield (entry["tenant"], what, *name), view[what], body


def sums_by_the_node(standings):
    """What is left of its commissions, by tenant, affiliate, currency and state."""
    sums = Counter()
    for (tenant, what, *_), standing, body in standings:
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
    expected = dict(by_the_log(state))
    for name, standing, _ in standings:
        where = " ".join(name)
        require(name in expected, f"{where}: not on the ledger")
        must_be = expected[name]
        found = {member: standing.get(member) for member in must_be}
        require(found == must_be, f"{where}: the node says {found}, the log says {must_be}")
    for name in sorted(expected.keys() - {name for name, _, _ in standings}):
        raise Wrong(f"{' '.join(name)}: the node doesn't list it")
    stated, folded = sums_by_the_node(standings), sums_by_the_log(state)
    for name in sorted(folded.keys() | stated.keys()):
        found, must_be = stated.get(name), folded.get(name)
        where = " ".join(name)
        require(found == must_be, f"{where}: the node's sum is {found}, the log's {must_be}")
    counts = Counter(what for _, what, *_ in expected)
    for what in STANDINGS:
        yield f"{what} ok:".ljust(15) + f"{counts[what]} as the log says"
    yield f"sums ok:       {len(folded)} by tenant, affiliate, currency and state"


def check(read, spec):
    """Proves the ledger and compares; what to print, line by line."""
    for _ in range(MAX_TRIES):
        checkpoint, _, ledger = prove(read, spec)
        standings = list(by_the_node(read, checkpoint.size))
        if read_checkpoint(spec, read("checkpoint"), "checkpoint") == checkpoint:
            yield f"ledger ok:     the log of {checkpoint.size} leaves holds"
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
