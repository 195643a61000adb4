#!/usr/bin/env python3
"""What the Online Retail data comes to on the ledger, reckoned from the CSV file alone.

    online_retail_totals.py [ORDERS.csv[.gz]] [--ndjson ENTRIES] [--report REPORT]

Prints the expected totals. With --ndjson, compares them with entries, one JSON object a line:
what the example wrote, or what a node serves of it. Members beside tenant, kind, external_id,
event_time and body are ignored, and so are other tenants' entries. With --report, compares the
example's report too. The path of the orders may stand in COUNTERFOIL_ONLINE_RETAIL instead.

Exit code: 0 if all agrees, 1 if anything differs, 2 if something can't be read.

This is the second opinion on docs/online-retail.md, so it must stay a stranger to the Rust
code: other data structures (SQL for sums, one list item per unit for matching), other
arithmetic (decimals that refuse to be inexact), standard library only.
"""

import argparse
import collections
import csv
import decimal
import gzip
import hashlib
import json
import os
import sqlite3
import sys
from decimal import Decimal

PENNY = Decimal("0.01")
RATE = Decimal("0.075")
AFFILIATES = 200
TENANT = "online-retail"
TERMS = {
    "merchant": "giftware",
    "program": "all-orders",
    "version": 1,
    "locking_days": 400,
    "reward": {"type": "percent", "ppm": 75000},
}
# How many differing entries of a kind are listed by name.
MAX_LISTED = 12

SCHEMA = """
create table line (
    row integer primary key,        -- place in the file
    invoice text not null,
    code text not null,
    quantity integer not null,
    time text not null,
    micros integer not null,        -- unit price in millionths of a pound
    customer integer,
    digest blob not null            -- of all columns, to tell repeated lines
);
"""

# Every line has one role; the first branch that fits gives it.
ROLES = """
create table role as
select row, case
    when upper(substr(invoice, 1, 1)) = 'A' or micros < 0 then 'adjusted'
    when upper(substr(invoice, 1, 1)) = 'C' and quantity < 0 then 'cancelled'
    when upper(substr(invoice, 1, 1)) = 'C' or quantity = 0 then 'void'
    when quantity < 0 then 'written_off'
    else 'sold' end as role
from line;
create table invoice as
select invoice, min(time) as time, min(row) as first_row, min(customer) as customer,
       count(distinct time) as times,
       sum(case when role = 'sold' then quantity * micros end) as sold,
       sum(case when role = 'cancelled' then -quantity * micros end) as cancelled
from line join role using (row) group by invoice;
"""

# In order of time; at one time sales before cancellations, then as in the file.
EVENTS = """
select role, i.customer, code, abs(quantity), micros, invoice
from line join role using (row) join invoice i using (invoice)
where role in ('sold', 'cancelled')
order by i.time, role = 'cancelled', i.first_row, row
"""


class Unreadable(Exception):
    """An input that isn't what it should be."""


def pennies(value):
    """Whole pennies, half to even."""
    with decimal.localcontext() as context:
        context.traps[decimal.Inexact] = False
        return value.quantize(PENNY, rounding=decimal.ROUND_HALF_EVEN)


def earned(value):
    """The commission on goods of this value: pennies of the rate on its pennies."""
    return pennies(pennies(value) * RATE)


def pounds(micros):
    return Decimal(micros or 0).scaleb(-6)


def integer(number):
    if number != int(number):
        raise Unreadable(f"{number} must be whole")
    return int(number)


def load(path):
    """The order lines as a database in memory."""
    database = sqlite3.connect(":memory:")
    database.executescript(SCHEMA)
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = (
            (
                number,
                row["InvoiceNo"],
                row["StockCode"],
                integer(Decimal(row["Quantity"])),
                row["InvoiceDate"],
                integer(Decimal(row["UnitPrice"]).scaleb(6)),
                integer(Decimal(row["CustomerID"])) if row["CustomerID"] else None,
                hashlib.sha256(ascii(list(row.values())).encode()).digest(),
            )
            for number, row in enumerate(csv.DictReader(file))
        )
        database.executemany("insert into line values (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    database.executescript(ROLES)
    return database


class Expected:
    """What the order lines come to."""

    def __init__(self, path):
        self.database = load(path)
        self.items = {}  # the report: name -> (count, value)
        # The entries: external id -> what it must say, the amount last.
        self.transactions = {}
        self.commissions = {}
        self.reversals = {}
        self.count_lines()
        self.sell()
        self.cancel()

    def rows(self, query):
        return self.database.execute(query).fetchall()

    def put(self, name, count, value=Decimal(0)):
        self.items[name] = (count or 0, Decimal(value))

    def put_list(self, name, amounts):
        self.put(name, len(amounts), sum(amounts))

    def count_lines(self):
        signed = "count(*), sum(quantity * micros)"
        ((count, value),) = self.rows(f"select {signed} from line")
        self.put("lines_read", count, pounds(value))
        repeats = """select sum(n - 1), sum((n - 1) * worth) from
            (select count(*) as n, quantity * micros as worth from line group by digest)"""
        ((count, value),) = self.rows(repeats)
        self.put("lines_repeated", count, pounds(value))
        by_role = f"select role, {signed} from line join role using (row) group by role"
        found = {role: (count, value) for role, count, value in self.rows(by_role)}
        for role in ("sold", "cancelled", "written_off", "adjusted", "void"):
            count, value = found.get(role, (0, 0))
            self.put(f"lines_{role}", count, pounds(value))
        query = """select count(*), sum(times > 1), sum(sold is null and cancelled is null),
            sum(cancelled is not null), sum(cancelled) from invoice"""
        ((invoices, several, without, cancellations, credited),) = self.rows(query)
        self.put("invoices_read", invoices)
        self.put("invoices_of_several_times", several)
        self.put("invoices_without_goods", without)
        self.put("cancellations", cancellations, pounds(credited))

    def sell(self):
        """Every invoice that sold something is a transaction, and perhaps a commission."""
        rounded, nothing, alone, unearned = [], [], [], []
        query = "select invoice, time, customer, sold from invoice where sold is not null"
        for invoice, time, customer, micros in self.rows(query):
            exact = pounds(micros)
            amount = pennies(exact)
            self.transactions[invoice] = (time, amount)
            if amount != exact:
                rounded.append(amount - exact)
            if amount == 0:
                nothing.append(amount)
            if customer is None:
                alone.append(amount)
            elif earned(exact) == 0:
                unearned.append(amount)
            else:
                affiliate = f"AFF-{customer % AFFILIATES:03d}"
                self.commissions[f"COM-{invoice}"] = (time, invoice, affiliate, earned(exact))
        self.put_list("transactions", amounts(self.transactions))
        self.put_list("transactions_rounded", rounded)
        self.put_list("transactions_of_nothing", nothing)
        self.put_list("transactions_without_customer", alone)
        self.put_list("commissions", amounts(self.commissions))
        self.put_list("commissions_of_nothing", unearned)

    def cancel(self):
        """Pennies taken back follow the value cancelled so far, cancellation by cancellation."""
        taken = self.match()
        so_far = collections.defaultdict(Decimal)
        of_nothing = []
        query = "select invoice, time from invoice where cancelled is not null"
        for cancellation, time in self.rows(f"{query} order by time, first_row"):
            for invoice, value in taken.get(cancellation, {}).items():
                before = so_far[invoice]
                so_far[invoice] += value
                amount = earned(so_far[invoice]) - earned(before)
                if amount == 0:
                    of_nothing.append(value)
                else:
                    name = f"REV-{cancellation}-{invoice}"
                    self.reversals[name] = (time, f"COM-{invoice}", amount)
        self.put_list("reversals", amounts(self.reversals))
        self.put_list("reversals_of_nothing", of_nothing)

    def match(self):
        """Lays every unit on the pile of its customer and stock code, and takes it off again.

        Gives cancellation -> invoice -> value taken back.
        """
        keys = """select distinct customer, code from line join role using (row)
            where customer is not null and role = """
        sold, cancelled = set(self.rows(keys + "'sold'")), set(self.rows(keys + "'cancelled'"))
        piles, taken = {}, {}
        units = collections.Counter()
        values = collections.defaultdict(Decimal)

        def count(name, price):
            units[name] += 1
            values[name] += price

        for role, customer, code, quantity, micros, invoice in self.database.execute(EVENTS):
            key, price = (customer, code), pounds(micros)
            if role == "sold":
                if key in cancelled:
                    piles.setdefault(key, []).extend([(invoice, price)] * quantity)
                continue
            pile = piles.get(key)
            for _ in range(quantity):
                count("units", price)
                if customer is None:
                    count("without_customer", price)
                elif key not in sold:
                    count("never_bought", price)
                elif pile is None:
                    count("bought_later", price)
                elif not pile:
                    count("used_up", price)
                else:
                    sale, paid = draw(pile, price)
                    back = min(paid, price)
                    count("matched", back)
                    if price > paid:
                        count("above_price", price - paid)
                    by_sale = taken.setdefault(invoice, collections.defaultdict(Decimal))
                    by_sale[sale] += back
        reasons = "without_customer never_bought bought_later used_up above_price"
        for name in ["units", "matched", *reasons.split()]:
            self.put(f"cancelled_{name}", units[name], values[name])
        return taken


def draw(pile, price):
    """Takes the topmost unit of this very price off the pile or, without one, the topmost."""
    for place in reversed(range(len(pile))):
        if pile[place][1] == price:
            return pile.pop(place)
    return pile.pop()


class Ledger:
    """Entries as somebody wrote them."""

    def __init__(self, path):
        self.terms = {}
        self.transactions = {}
        self.commissions = {}
        self.reversals = {}
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
        kind, name, body = entry["kind"], entry["external_id"], entry["body"]
        time = entry["event_time"].replace("T", " ").removesuffix("Z")
        if kind == "program_terms":
            self.add(self.terms, place, name, (time, body))
            return
        if kind not in ("transaction", "commission", "reversal"):
            self.faults.append(f"{place}: no {kind} was to be expected")
            return
        if body["currency"] != "GBP" or not isinstance(body["amount"], str):
            self.faults.append(f"{place}: the amount of {name} is no decimal string in GBP")
            return
        amount = Decimal(body["amount"])
        if kind == "transaction":
            self.expect(place, body, "order_ref", name)
            self.expect(place, body, "action", "sale")
            self.expect(place, body, "merchant", TERMS["merchant"])
            self.expect(place, body, "program", TERMS["program"])
            self.add(self.transactions, place, name, (time, amount))
        elif kind == "commission":
            self.expect(place, body, "terms", "TERMS-1")
            said = (time, body["transaction"], body["affiliate"], amount)
            self.add(self.commissions, place, name, said)
        else:
            self.expect(place, body, "reason", "cancelled_order")
            self.add(self.reversals, place, name, (time, body["commission"], amount))

    def expect(self, place, body, field, value):
        if body.get(field) != value:
            self.faults.append(f"{place}: {field} is {body.get(field)!r}, not {value!r}")

    def add(self, entries, place, name, said):
        if name in entries:
            self.faults.append(f"{place}: {name} stands there twice")
        entries[name] = said


def amounts(entries):
    return [said[-1] for said in entries.values()]


def balances(book):
    """What each affiliate has left."""
    left = collections.defaultdict(Decimal)
    for _, _, affiliate, amount in book.commissions.values():
        left[affiliate] += amount
    for _, commission, amount in book.reversals.values():
        owner = book.commissions[commission][2] if commission in book.commissions else "nobody"
        left[owner] -= amount
    return left


def compare_entries(expected, ledger):
    """What differs: totals first, then what by name."""
    yield from ledger.faults
    yield from compare_terms(expected, ledger)
    kinds = ("transactions", "commissions", "reversals")
    pairs = [(kind, getattr(expected, kind), getattr(ledger, kind)) for kind in kinds]
    for kind, wanted, found in pairs:
        if len(wanted) != len(found):
            yield f"number of {kind}: expected {len(wanted)}, found {len(found)}"
        wanted, found = sum(amounts(wanted)), sum(amounts(found))
        if wanted != found:
            yield f"sum of {kind}: expected {wanted}, found {found}"
    wanted, found = balances(expected), balances(ledger)
    for affiliate in sorted(wanted.keys() | found.keys()):
        if wanted[affiliate] != found[affiliate]:
            yield f"balance of {affiliate}: expected {wanted[affiliate]}, found {found[affiliate]}"
    for kind, wanted, found in pairs:
        names = sorted(wanted.keys() | found.keys())
        names = [name for name in names if wanted.get(name) != found.get(name)]
        for name in names[:MAX_LISTED]:
            yield f"{name}: expected {show(wanted.get(name))}, found {show(found.get(name))}"
        if len(names) > MAX_LISTED:
            yield f"and {len(names) - MAX_LISTED} more {kind}"


def compare_terms(expected, ledger):
    if set(ledger.terms) != {"TERMS-1"}:
        yield f"terms: expected TERMS-1, found {sorted(ledger.terms) or 'none'}"
        return
    _, body = ledger.terms["TERMS-1"]
    for field, value in TERMS.items():
        if body.get(field) != value:
            yield f"TERMS-1: {field} is {body.get(field)!r}, not {value!r}"
    first = min((said[0] for said in expected.transactions.values()), default="9999")
    if body["effective_from"].replace("T", " ") > first or "effective_until" in body:
        yield f"TERMS-1: not in force from {first} on"


def compare_report(expected, path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    for name in sorted(expected.items.keys() | report.keys()):
        wanted = expected.items.get(name)
        found = report.get(name)
        found = found and (found["count"], Decimal(found["value"]))
        if wanted != found:
            yield f"report, {name}: expected {show(wanted)}, found {show(found)}"


def show(said):
    return "nothing" if said is None else " ".join(str(part) for part in said)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("orders", nargs="?", default=os.environ.get("COUNTERFOIL_ONLINE_RETAIL"))
    parser.add_argument("--ndjson", metavar="ENTRIES", help="entries to compare; - for stdin")
    parser.add_argument("--report", metavar="REPORT", help="the example's report to compare")
    arguments = parser.parse_args()
    if not arguments.orders:
        parser.error("name the order lines, or set COUNTERFOIL_ONLINE_RETAIL")
    # Money is never rounded but where it is meant to be.
    decimal.getcontext().prec = 50
    decimal.getcontext().traps[decimal.Inexact] = True
    decimal.getcontext().traps[decimal.FloatOperation] = True

    expected = Expected(arguments.orders)
    for name, (count, value) in expected.items.items():
        print(f"{count:>9} {value:>18}  {name}")
    left = balances(expected)
    print(f"{len(left):>9} {sum(left.values()):>18}  balances of affiliates")
    differences = []
    if arguments.ndjson:
        ledger = Ledger(arguments.ndjson)
        differences += compare_entries(expected, ledger)
        print(f"{ledger.foreign:>9} {'':>18}  entries of other tenants, left alone")
    if arguments.report:
        differences += compare_report(expected, arguments.report)
    for difference in differences:
        print(f"DIFFERS: {difference}", file=sys.stderr)
    if differences:
        sys.exit(1)
    if arguments.ndjson or arguments.report:
        print("all agrees, to the penny")


if __name__ == "__main__":
    try:
        main()
    except (Unreadable, OSError, ValueError, LookupError, TypeError, ArithmeticError) as error:
        print(f"can't be read: {error!r}", file=sys.stderr)
        sys.exit(2)
