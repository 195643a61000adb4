"""The rules of a Counterfoil ledger, version 1: section 13 of src/protocol/FORMAT.md."""

from counterfoil_format import AMOUNT, TIME

WHOLE_PPM = 1000000
DAY_MS = 86400000
MAX_PAYOUT_LINES = 500

# From, by which step, to.
STEPS = {
    ("pending", "approve"): "approved",
    ("pending", "decline"): "declined",
    ("pending", "extend"): "extended",
    ("pending", "lock"): "locked",
    ("pending", "reverse"): "reversed",
    ("extended", "approve"): "approved",
    ("extended", "decline"): "declined",
    ("extended", "lock"): "locked",
    ("extended", "reverse"): "reversed",
    ("approved", "lock"): "locked",
    ("approved", "reverse"): "reversed",
    ("locked", "pay"): "paid",
}


class Refused(Exception):
    """The name of the rule that an entry breaks."""


def demand(condition, rule):
    if not condition:
        raise Refused(rule)


def parts_per_million(amount, ppm):
    """The one rounding rule: half to even."""
    quotient, remainder = divmod(amount * ppm, WHOLE_PPM)
    up = 2 * remainder > WHOLE_PPM or (2 * remainder == WHOLE_PPM and quotient % 2 == 1)
    return quotient + up


class Commission:
    def __init__(self, body, locks_at):
        self.affiliate, self.currency = body["affiliate"], body["currency"]
        self.amount, self.reversed, self.paid = body["amount"], 0, 0
        self.locks_at, self.state = locks_at, "pending"

    @property
    def left(self):
        return self.amount - self.reversed - self.paid

    def can(self, step):
        demand((self.state, step) in STEPS, "illegal-step")

    def step(self, step):
        self.can(step)
        self.state = STEPS[self.state, step]


class Payout:
    def __init__(self, body, total):
        self.affiliate, self.currency, self.sum = body["affiliate"], body["currency"], total
        self.period = body["period_from"], body["period_until"]
        self.open = body["total"] is None


class Terms:
    def __init__(self, body):
        self.program = body["merchant"], body["program"]
        self.version, self.reward = body["version"], body["reward"]
        self.locking_days, self.start = body["locking_days"], body["effective_from"]
        self.ends = [body["effective_until"]] if body["effective_until"] is not None else []

    def in_force(self, time):
        return self.start <= time and all(time < end for end in self.ends)


class Transaction:
    def __init__(self, body, time):
        self.program, self.time = (body["merchant"], body["program"]), time
        self.currency, self.amount, self.committed = body["currency"], body["amount"], 0


class State:
    """What the entries so far leave behind: enough to admit the next."""

    def __init__(self, currencies, event_ahead_ms):
        self.currencies, self.event_ahead_ms = currencies, event_ahead_ms
        # By tenant, kind and external id: the record of what was stated.
        self.records = {}
        # By tenant, merchant and program: the latest terms.
        self.programs = {}

    def admit(self, entry, block_time):
        """Applies an entry, or raises `Refused`. Then the state may hold part of it."""
        self.tenant, self.block_time, body = entry["tenant"], block_time, entry["body"]
        name = self.tenant, body["kind"], entry["external_id"]
        demand(name not in self.records, "duplicate-external-id")
        demand(entry["event_time"] <= block_time + self.event_ahead_ms, "event-in-future")
        self.records[name] = getattr(self, body["kind"])(body, entry["event_time"])

    def parent(self, kind, external_id):
        record = self.records.get((self.tenant, kind, external_id))
        demand(record is not None, "missing-parent")
        return record

    def program_terms(self, body, _):
        until, reward = body["effective_until"], body["reward"]
        demand(until is None or until > body["effective_from"], "empty-period")
        if reward["type"] == "percent":
            demand(reward["ppm"] <= WHOLE_PPM, "rate-above-whole")
        else:
            demand(reward["currency"] in self.currencies, "unknown-currency")
        name = self.tenant, body["merchant"], body["program"]
        latest = self.programs.get(name)
        demand(body["version"] == (latest.version + 1 if latest else 1), "wrong-version")
        if latest:
            earliest = max(self.block_time, latest.start)
            demand(body["effective_from"] >= earliest, "terms-reach-back")
            latest.ends.append(body["effective_from"])
        self.programs[name] = Terms(body)
        return self.programs[name]

    def transaction(self, body, time):
        demand(body["currency"] in self.currencies, "unknown-currency")
        program = self.tenant, body["merchant"], body["program"]
        demand(program in self.programs, "unknown-program")
        return Transaction(body, time)

    def commission(self, body, _):
        sale = self.parent("transaction", body["transaction"])
        terms = self.parent("program_terms", body["terms"])
        demand(terms.program == sale.program, "terms-of-another-program")
        demand(terms.in_force(sale.time), "terms-not-in-force")
        demand(body["currency"] == sale.currency, "another-currency")
        if terms.reward["type"] == "percent":
            earned = parts_per_million(sale.amount, terms.reward["ppm"])
        else:
            demand(body["currency"] == terms.reward["currency"], "another-currency")
            earned = terms.reward["amount"]
        demand(sale.committed + body["amount"] <= earned, "too-much")
        sale.committed += body["amount"]
        return Commission(body, min(sale.time + terms.locking_days * DAY_MS, TIME.largest))

    def decision(self, body, _):
        commission, verdict = self.parent("commission", body["commission"]), body["verdict"]
        if verdict["type"] == "extend":
            demand(verdict["locking_date"] > commission.locks_at, "extension-not-later")
            commission.locks_at = verdict["locking_date"]
        commission.step(verdict["type"])
        return body

    def reversal(self, body, _):
        demand(body["amount"] > 0, "zero-amount")
        commission = self.parent("commission", body["commission"])
        demand(body["currency"] == commission.currency, "another-currency")
        commission.can("reverse")
        demand(body["amount"] <= commission.left, "too-much")
        commission.reversed += body["amount"]
        if commission.left == 0:
            commission.step("reverse")
        return body

    def payout(self, body, _):
        demand(body["currency"] in self.currencies, "unknown-currency")
        demand(body["period_until"] > body["period_from"], "empty-period")
        demand(1 <= len(body["lines"]) <= MAX_PAYOUT_LINES, "line-count")
        total = 0
        if body["continues"] is not None:
            part = self.parent("payout", body["continues"])
            demand(part.open, "payout-not-open")
            demand(part.affiliate == body["affiliate"], "another-payee")
            demand(part.currency == body["currency"], "another-currency")
            period = body["period_from"], body["period_until"]
            demand(part.period == period, "another-period")
            part.open, total = False, part.sum
        for line in body["lines"]:
            self.pay(body, line)
            total += line["amount"]
            demand(total <= AMOUNT.largest, "sum-too-large")
        demand(body["total"] in (None, total), "wrong-total")
        return Payout(body, total)

    def pay(self, payout, line):
        demand(line["amount"] > 0, "zero-amount")
        commission = self.parent("commission", line["commission"])
        demand(commission.affiliate == payout["affiliate"], "another-payee")
        demand(commission.currency == payout["currency"], "another-currency")
        commission.can("pay")
        demand(line["amount"] <= commission.left, "too-much")
        commission.paid += line["amount"]
        if commission.left == 0:
            commission.step("pay")

    def commissions(self):
        """Every commission there is."""
        return (record for record in self.records.values() if isinstance(record, Commission))
