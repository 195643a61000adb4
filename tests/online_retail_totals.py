#!/usr/bin/env python3
"""What the Online Retail data comes to on the ledger, reckoned from the CSV file alone.

    online_retail_totals.py [ORDERS.csv[.gz]] [--ndjson ENTRIES] [--report REPORT]
                            [--balances BALANCES]

Prints the expected totals. With --ndjson, compares them with entries, one JSON object a line:
what the example wrote, or what a node serves of it. Members beside tenant, kind, external_id,
event_time and body are ignored, and so are other tenants' entries. With --report, compares the
example's report too; with --balances, what somebody says is left in the end, as an object of
party -> what -> amount. The path of the orders may stand in COUNTERFOIL_ONLINE_RETAIL instead.

Exit code: 0 if all agrees, 1 if anything differs, 2 if something can't be read.

This is the second opinion on docs/online-retail.md, so it must stay a stranger to the Rust
code: other data structures (SQL for sums, one list item per unit for matching, commissions and
accounts one by one instead of events in time), other arithmetic (decimals that refuse to be
inexact), standard library only. Its parts are in the folder online_retail.
"""

import argparse
import collections
import decimal
import os
import sys
from decimal import Decimal

sys.dont_write_bytecode = True

from online_retail.ledger import Ledger, compare_balances, compare_entries, compare_report
from online_retail.lifecycle import Expected
from online_retail.orders import Orders, Unreadable


def print_totals(expected):
    for name, (count, value) in expected.items.items():
        print(f"{count:>9} {value:>18}  {name}")
    totals = collections.defaultdict(list)
    for party, sums in expected.balances().items():
        for what, amount in sums.items():
            owners = "affiliates" if party.startswith("AFF-") else party
            totals[f"{what} of {owners}"].append(amount)
    for what, amounts in totals.items():
        print(f"{len(amounts):>9} {sum(amounts):>18}  {what}")
    months = collections.defaultdict(list)
    for payout in expected.payouts:
        months[f"{payout.month:%Y-%m}"].append(payout.total)
    for month, amounts in sorted(months.items()):
        print(f"{len(amounts):>9} {sum(amounts):>18}  payouts for {month}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("orders", nargs="?", default=os.environ.get("COUNTERFOIL_ONLINE_RETAIL"))
    parser.add_argument("--ndjson", metavar="ENTRIES", help="entries to compare; - for stdin")
    parser.add_argument("--report", metavar="REPORT", help="the example's report to compare")
    parser.add_argument("--balances", metavar="BALANCES", help="balances to compare")
    arguments = parser.parse_args()
    if not arguments.orders:
        parser.error("name the order lines, or set COUNTERFOIL_ONLINE_RETAIL")
    # Money is never rounded but where it is meant to be.
    decimal.getcontext().prec = 50
    decimal.getcontext().traps[decimal.Inexact] = True
    decimal.getcontext().traps[decimal.FloatOperation] = True

    expected = Expected(Orders(arguments.orders))
    print_totals(expected)
    differences = []
    if arguments.ndjson:
        ledger = Ledger(arguments.ndjson)
        differences += compare_entries(expected, ledger)
        print(f"{ledger.foreign:>9} {'':>18}  entries of other tenants, left alone")
    if arguments.report:
        differences += compare_report(expected, arguments.report)
    if arguments.balances:
        differences += compare_balances(expected, arguments.balances)
    for difference in differences:
        print(f"DIFFERS: {difference}", file=sys.stderr)
    if differences:
        sys.exit(1)
    if arguments.ndjson or arguments.report or arguments.balances:
        print("all agrees, to the penny")


if __name__ == "__main__":
    try:
        main()
    except (Unreadable, OSError, ValueError, LookupError, TypeError, ArithmeticError) as error:
        print(f"can't be read: {error!r}", file=sys.stderr)
        sys.exit(2)
