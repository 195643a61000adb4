"""What becomes of each commission, reckoned commission by commission and account by account.

Nothing here goes through time event by event: a commission's days follow from its sale, what is
left of it from what came back before it locks, and where it stands from its last payout.
"""

import collections
import itertools
from datetime import datetime, timedelta
from decimal import Decimal

from .orders import pennies

COMMISSION = Decimal("0.075")
NETWORK_FEE = Decimal("0.3")
AFFILIATES = 200
APPROVED_AFTER = timedelta(days=14)
LOCKED_AFTER = timedelta(days=30)
FUNDED_IN = Decimal(1000)
PAID_ON = 8
LEAST_PAID = Decimal(25)
MISHAPS = 50
MAX_LINES = 500
ZERO = Decimal("0.00")
STATES = "pending approved locked funded in_payout paid".split()
SALE = {"merchant": "giftware", "program": "all-orders", "action": "sale", "currency": "GBP"}
TERMS = {
    "merchant": "giftware",
    "program": "all-orders",
    "version": 1,
    "actions": ["sale"],
    "locking": {"type": "days", "days": 30},
    "network_fee_ppm": 300000,
    "rules": [{"reward": {"type": "percent", "ppm": 75000}}],
}


def first_of_month(time, later=0):
    """The beginning of the month so many months after that of a time."""
    months = time.year * 12 + time.month - 1 + later
    return datetime(months // 12, months % 12 + 1, 1)


def written(time):
    return time.isoformat() + "Z"


def parts(lines):
    """What fits one entry each; one without lines, where there are none."""
    return [lines[at : at + MAX_LINES] for at in range(0, max(len(lines), 1), MAX_LINES)]


def part_name(name, part):
    return f"{name}-{part + 1}" if part else name


class Commission:
    """A commission and its days."""

    def __init__(self, sale):
        self.sale = sale
        self.name = f"COM-{sale.order}"
        self.affiliate = sale.customer % AFFILIATES
        self.amount = pennies(sale.amount * COMMISSION)
        self.fee = pennies(self.amount * NETWORK_FEE)
        self.approved = sale.time + APPROVED_AFTER
        self.locked = sale.time + LOCKED_AFTER
        self.reversals = []  # (time, amount)
        month = first_of_month(self.locked)
        self.funded = month if month == self.locked else first_of_month(month, 1)
        self.payout = None  # the latest

    def left(self, before):
        return self.amount - sum(amount for time, amount in self.reversals if time < before)

    def state(self, end):
        if self.left(self.locked) == 0:
            return "reversed"
        if end < self.approved:
            return "pending"
        if end < self.locked:
            return "approved"
        if end < self.funded:
            return "locked"
        return self.payout.state_of_lines(end) if self.payout else "funded"


class Debit:
    """An adjustment, or a commission that came back after it locked."""

    def __init__(self, name, time, amount):
        self.name = name
        self.time = time
        self.amount = amount
        self.payout = None

    def state(self, end):
        standing = self.payout.state_of_lines(end) if self.payout else "funded"
        return {"funded": "free"}.get(standing, standing)


class Payout:
    """All that an affiliate is due at a time, and what of it is sent."""

    def __init__(self, affiliate, time, commissions, debits, carried):
        self.affiliate = affiliate
        self.time = time
        self.commissions = commissions
        self.debits = debits
        self.before = carried
        due = sum(commission.left(commission.locked) for commission in commissions)
        net = carried + due - sum(debit.amount for debit in debits)
        self.total = net if net >= LEAST_PAID else ZERO
        self.after = net - self.total
        self.name = f"PAY-{self.month:%Y-%m}-AFF-{affiliate:03d}"
        for line in commissions + debits:
            line.payout = self

    @property
    def month(self):
        return first_of_month(self.time, -1)

    def events(self):
        """What becomes of it, and when."""
        if self.total == 0:
            return [("completed", self.time)]
        months = (self.time.year - 1970) * 12 + self.time.month - 1
        lot = (self.affiliate + months) % MISHAPS
        after = {0: [("failed", 1)], 1: [("completed", 3), ("returned", 10)]}
        events = [("sent", 0), *after.get(lot, [("completed", 3)])]
        return [(event, self.time + timedelta(days=days)) for event, days in events]

    def state_of_lines(self, end):
        last = [event for event, time in self.events() if time <= end][-1]
        return {"sent": "in_payout", "completed": "paid"}.get(last, "funded")

    def lines(self):
        lines = []
        if self.before:
            lines.append(carried(self.before > 0, self.before))
        for commission in self.commissions:
            amount = str(commission.left(commission.locked))
            lines.append({"type": "commission", "commission": commission.name, "amount": amount})
        for debit in self.debits:
            amount = str(debit.amount)
            lines.append({"type": "adjustment", "adjustment": debit.name, "amount": amount})
        if self.after:
            lines.append(carried(self.after < 0, self.after))
        return lines


def carried(credit, amount):
    effect = "credit" if credit else "debit"
    return {"type": "carried_forward", "effect": effect, "amount": str(abs(amount))}


class Expected:
    """Every entry that the orders come to, and what is left in the end."""

    def __init__(self, orders):
        self.orders = orders
        self.end = orders.end
        self.items = orders.items
        self.entries = {}  # (kind, external id) -> (time, body)
        self.commissions = {}  # by order, in order of time
        self.debits = collections.defaultdict(list)  # by affiliate, in order of time
        self.sell()
        self.take_back()
        self.decide()
        self.months = self.months_until_end()
        self.prepaid = self.fund()
        self.payouts = self.pay()

    def add(self, kind, name, time, body):
        self.entries[kind, name] = (written(time), body)

    def put(self, name, amounts):
        self.items[name] = (len(amounts), sum(amounts, Decimal(0)))

    def months_until_end(self):
        """When the merchant pays."""
        if not self.commissions:
            return []
        first = min(sale.time for sale in self.orders.sales.values())
        months = (first_of_month(first, later) for later in itertools.count(1))
        return list(itertools.takewhile(lambda month: month <= self.end, months))

    def sell(self):
        unearned = []
        for sale in self.orders.sales.values():
            body = SALE | {"order_ref": sale.order, "amount": str(sale.amount)}
            items = [
                {"item": code, "quantity": quantity, "amount": str(amount)}
                for code, quantity, amount in sale.items
            ]
            if items:
                body["items"] = items
            self.add("transaction", sale.order, sale.time, body)
            if sale.customer is None:
                continue
            commission = Commission(sale)
            if commission.amount == 0:
                unearned.append(sale.amount)
                continue
            self.commissions[sale.order] = commission
            body = {
                "transaction": sale.order,
                "terms": "TERMS-1",
                "rule": 1,
                "affiliate": f"AFF-{commission.affiliate:03d}",
                "role": {"type": "direct", "share_ppm": 1000000},
                "currency": "GBP",
                "amount": str(commission.amount),
                "fee": str(commission.fee),
                "locking_date": written(commission.locked),
            }
            self.add("commission", commission.name, sale.time, body)
        self.put("commissions", [commission.amount for commission in self.commissions.values()])
        self.put("commissions_of_nothing", unearned)

    def take_back(self):
        """What is taken back follows what came back of an order so far."""
        so_far = collections.defaultdict(Decimal)
        reversals, nothing = [], []
        for cancellation, time, returns in self.orders.returns:
            for order, back in returns.items():
                before = pennies(so_far[order])
                so_far[order] += back.value
                now = pennies(so_far[order])
                amount = pennies(now * COMMISSION) - pennies(before * COMMISSION)
                if amount == 0:
                    nothing.append(back.value)
                    continue
                commission = self.commissions[order]
                if time >= commission.locked:
                    self.debit(cancellation, time, commission, amount)
                    continue
                reversals.append(amount)
                commission.reversals.append((time, amount))
                refund = {"currency": "GBP", "amount": str(now - before)}
                if commission.sale.items:
                    items = back.items.items()
                    refund["items"] = [{"item": code, "quantity": n} for code, n in items]
                body = {
                    "commission": commission.name,
                    "currency": "GBP",
                    "amount": str(amount),
                    "reason": "cancelled_order",
                    "refund": refund,
                }
                self.add("reversal", f"REV-{cancellation}-{order}", time, body)
        self.put("reversals", reversals)
        debits = [debit.amount for debits in self.debits.values() for debit in debits]
        self.put("adjustments", debits)
        self.put("taken_back_of_nothing", nothing)

    def debit(self, cancellation, time, commission, amount):
        name = f"ADJ-{cancellation}-{commission.sale.order}"
        self.debits[commission.affiliate].append(Debit(name, time, amount))
        body = {
            "affiliate": f"AFF-{commission.affiliate:03d}",
            "effect": "debit",
            "currency": "GBP",
            "amount": str(amount),
            "related": {"kind": "commission", "external_id": commission.name},
            "reason": "cancelled_order",
        }
        self.add("adjustment", name, time, body)

    def decide(self):
        for verdict, item in (("approve", "approvals"), ("lock", "locks")):
            lefts = []
            for order, commission in self.commissions.items():
                time = commission.approved if verdict == "approve" else commission.locked
                left = commission.left(time)
                if time <= self.end and left > 0:
                    lefts.append(left)
                    body = {"commission": commission.name, "verdict": {"type": verdict}}
                    self.add("decision", f"{verdict.upper()}-{order}", time, body)
            self.put(item, lefts)

    def fund(self):
        """All months; what is left over of the merchant's money in the end."""
        prepaid = Decimal(0)
        received, covered = [], []
        for time in self.months:
            month = first_of_month(time, -1)
            lines = [
                {"commission": commission.name, "amount": str(commission.left(time))}
                for commission in self.commissions.values()
                if commission.funded == time and commission.left(time) > 0
            ]
            amounts = [Decimal(line["amount"]) for line in lines]
            lacking = max(sum(amounts) - prepaid, Decimal(0))
            payment = lacking + (FUNDED_IN - lacking % FUNDED_IN) % FUNDED_IN
            prepaid += payment - sum(amounts)
            covered += amounts
            for part, some in enumerate(parts(lines) if lines else []):
                received.append(ZERO if part else payment + ZERO)
                body = {
                    "merchant": "giftware",
                    "payment_ref": f"BANK-{month:%Y-%m}",
                    "currency": "GBP",
                    "received": str(received[-1]),
                    "lines": some,
                }
                self.add("funding", part_name(f"FUND-{month:%Y-%m}", part), time, body)
        self.put("funded", covered)
        self.put("fundings", received)
        return prepaid

    def pay(self):
        """Account by account, month by month."""
        due = collections.defaultdict(list)
        for commission in self.commissions.values():
            if commission.left(commission.locked) > 0:
                due[commission.affiliate].append(commission)
        runs = [month.replace(day=PAID_ON) for month in self.months]
        runs = [run for run in runs if run <= self.end]
        payouts = []
        for affiliate, commissions in due.items():
            carried, latest, again = Decimal(0), datetime.min, None
            for run in runs:
                new = [each for each in commissions if latest < each.funded <= run]
                debits = [each for each in self.debits[affiliate] if latest <= each.time < run]
                if again:
                    new, debits = again.commissions + new, again.debits + debits
                    carried = again.before
                latest, again = run, None
                if not new and not debits:
                    continue
                payout = Payout(affiliate, run, new, debits, carried)
                payouts.append(payout)
                carried = payout.after
                if payout.events()[-1][0] in ("failed", "returned"):
                    again = payout
        for payout in payouts:
            self.state(payout)
        happened = [
            (event, payout.total)
            for payout in payouts
            for event, time in payout.events()
            if time <= self.end
        ]
        self.put("payouts", [payout.total for payout in payouts])
        self.put("payouts_of_nothing", [payout.total for payout in payouts if not payout.total])
        for event in ("completed", "failed", "returned"):
            self.put(f"payouts_{event}", [total for what, total in happened if what == event])
        return payouts

    def state(self, payout):
        some = parts(payout.lines())
        for part, lines in enumerate(some):
            body = {
                "affiliate": f"AFF-{payout.affiliate:03d}",
                "currency": "GBP",
                "period_from": written(payout.month),
                "period_until": written(first_of_month(payout.time)),
                "lines": lines,
            }
            if part:
                body["continues"] = part_name(payout.name, part - 1)
            if part == len(some) - 1:
                body["total"] = str(payout.total)
            self.add("payout", part_name(payout.name, part), payout.time, body)
        for event, time in payout.events():
            if time <= self.end:
                body = {"payout": payout.name, "event": {"type": event}}
                self.add("payout_event", f"{event.upper()}-{payout.name}", time, body)

    def balances(self):
        """What is left in the end: party -> what -> amount. Amounts of zero are left out."""
        left = collections.defaultdict(lambda: collections.defaultdict(Decimal))
        merchant = left["giftware"]
        for commission in self.commissions.values():
            state, amount = commission.state(self.end), commission.left(commission.locked)
            left[f"AFF-{commission.affiliate:03d}"][state] += amount
            merchant[state] += amount
            merchant["fees"] += commission.fee
        for affiliate, debits in self.debits.items():
            for debit in debits:
                left[f"AFF-{affiliate:03d}"][f"debits_{debit.state(self.end)}"] += debit.amount
        for payout in self.payouts:
            if payout.state_of_lines(self.end) != "funded":
                kept = payout.after - payout.before
                left[f"AFF-{payout.affiliate:03d}"]["carried_forward"] += kept
        merchant["prepaid"] = self.prepaid
        return {
            party: {what: amount for what, amount in sums.items() if amount}
            for party, sums in left.items()
        }
