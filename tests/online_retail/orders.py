"""The order lines: what was sold, to whom, and which of it came back."""

import collections
import csv
import decimal
import gzip
import hashlib
import re
import sqlite3
from datetime import datetime
from decimal import Decimal

PENNY = Decimal("0.01")
# What a transaction can list.
MAX_ITEMS = 100
MAX_QUANTITY = 2**32 - 1
CODE = re.compile("[!-~]{1,128}")

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


class Sale:
    """An order of which something was sold."""

    def __init__(self, order, time, customer, exact, items):
        self.order = order
        self.time = time
        self.customer = customer
        self.exact = exact
        self.amount = pennies(exact)
        self.items = items  # (code, quantity, amount), or nothing if they can't be listed


class Return:
    """What a cancellation takes back of one order."""

    def __init__(self):
        self.value = Decimal(0)
        self.items = collections.Counter()


class Orders:
    """What the order lines come to, before anything is earned."""

    def __init__(self, path):
        self.database = load(path)
        self.items = {}  # the report: name -> (count, value)
        self.count_lines()
        self.sales = self.sell()  # by number, in order of time
        self.returns = self.cancel()  # (cancellation, time, {order: Return}), in order of time
        query = "select max(time) from invoice where coalesce(sold, cancelled) is not null"
        ((last,),) = self.rows(query)
        self.end = datetime.fromisoformat(last)

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
        lines = collections.defaultdict(list)
        query = """select invoice, code, sum(quantity), sum(quantity * micros)
            from line join role using (row) where role = 'sold'
            group by invoice, code order by min(row)"""
        for invoice, *line in self.rows(query):
            lines[invoice].append(line)
        query = """select invoice, time, customer, sold from invoice
            where sold is not null order by time, first_row"""
        sales = {}
        for order, time, customer, micros in self.rows(query):
            items = list_items(lines[order])
            time = datetime.fromisoformat(time)
            sales[order] = Sale(order, time, customer, pounds(micros), items)
        every = sales.values()
        self.put_list("transactions", [sale.amount for sale in every])
        rounding = [sale.amount - sale.exact for sale in every]
        self.put_list("transactions_rounded", [added for added in rounding if added])
        self.put_list("transactions_of_nothing", [0 for sale in every if not sale.amount])
        unlisted = [sale.amount for sale in every if not sale.items]
        self.put_list("transactions_without_items", unlisted)
        alone = [sale.amount for sale in every if sale.customer is None]
        self.put_list("transactions_without_customer", alone)
        return sales

    def cancel(self):
        query = "select invoice, time from invoice where cancelled is not null"
        taken = self.match()
        return [
            (cancellation, datetime.fromisoformat(time), taken.get(cancellation, {}))
            for cancellation, time in self.rows(f"{query} order by time, first_row")
        ]

    def match(self):
        """Lays every unit on the pile of its customer and stock code, and takes it off again.

        Gives cancellation -> order -> Return.
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
                    of_sale = taken.setdefault(invoice, {}).setdefault(sale, Return())
                    of_sale.value += back
                    of_sale.items[code] += 1
        reasons = "without_customer never_bought bought_later used_up above_price"
        for name in ["units", "matched", *reasons.split()]:
            self.put(f"cancelled_{name}", units[name], values[name])
        return taken


def list_items(lines):
    """Each line with by how much the whole pennies of the total grow."""
    listed = all(CODE.fullmatch(code) and count <= MAX_QUANTITY for code, count, _ in lines)
    if len(lines) > MAX_ITEMS or not listed:
        return []
    items, micros, before = [], 0, Decimal(0)
    for code, count, value in lines:
        micros += value
        total = pennies(pounds(micros))
        items.append((code, count, total - before))
        before = total
    return items


def draw(pile, price):
    """Takes the topmost unit of this very price off the pile or, without one, the topmost."""
    for place in reversed(range(len(pile))):
        if pile[place][1] == price:
            return pile.pop(place)
    return pile.pop()
