"""What entries leave behind, and how it lives: section 13.2 of src/protocol/FORMAT.md."""

import counterfoil_reckoning as reckoning
from counterfoil_reckoning import demand

# Each table: from, by which step, to.

COMMISSION_STEPS = {
    ("pending", "approve"): "approved",
    ("pending", "decline"): "declined",
    ("pending", "extend"): "extended",
    ("pending", "lock"): "locked",
    ("pending", "reverse"): "reversed",
    ("pending", "amend"): "pending",
    ("extended", "approve"): "approved",
    ("extended", "decline"): "declined",
    ("extended", "lock"): "locked",
    ("extended", "reverse"): "reversed",
    ("approved", "lock"): "locked",
    ("approved", "reverse"): "reversed",
    ("declined", "reopen"): "pending",
    ("locked", "fund"): "funded",
    ("locked", "adjust"): "locked",
    ("funded", "pay"): "in_payout",
    ("funded", "adjust"): "funded",
    ("in_payout", "complete"): "paid",
    ("in_payout", "fail"): "funded",
    ("in_payout", "adjust"): "in_payout",
    ("paid", "return"): "funded",
    ("paid", "adjust"): "paid",
}
ADJUSTMENT_STEPS = {
    ("free", "pay"): "in_payout",
    ("in_payout", "complete"): "paid",
    ("in_payout", "fail"): "free",
    ("paid", "return"): "free",
}
PAYOUT_STEPS = {
    ("open", "close"): "closed",
    ("open", "fail"): "failed",
    ("closed", "send"): "sent",
    ("closed", "complete"): "completed",
    ("closed", "fail"): "failed",
    ("sent", "complete"): "completed",
    ("sent", "fail"): "failed",
    ("completed", "return"): "returned",
}


class Dated:
    """Something that happened: when, and at what time of its block it was recorded."""

    time = recorded = None


class Record(Dated):
    """Something that is in a state, and goes from one to another by steps."""

    def can(self, step):
        demand((self.state, step) in self.steps, self.refusal)

    def take(self, step):
        self.can(step)
        self.state = self.steps[self.state, step]


class Commission(Record):
    steps, refusal = COMMISSION_STEPS, "illegal-step"
    effect = "credit"
    # What was reversed, funded and adjusted of it so far.
    reversed = funded = credited = debited = 0
    fee, extended = 0, False
    # One that was brought in has neither.
    transaction = role = None
    # Of a direct one: who stood above its affiliate, level by level, as far as that is paid for.
    uplines = ()

    def __init__(self, body, merchant, locks_at, state):
        self.affiliate, self.merchant = body["affiliate"], merchant
        self.currency, self.amount = body["currency"], body["amount"]
        self.locks_at, self.state = locks_at, state

    @property
    def left(self):
        return self.amount - self.reversed

    def locks_after(self, time):
        return self.locks_at is not None and time < self.locks_at

    def in_time(self, time, block_time):
        """Whether a step of this time, in a block of that time, comes before it locks."""
        if self.locks_at is None:
            return True
        recorded_ahead = self.recorded < self.locks_at
        return self.locks_after(time) and (not recorded_ahead or self.locks_after(block_time))

    def is_direct(self):
        return self.role is not None and self.role["type"] == "direct"


class Adjustment(Record):
    steps, refusal = ADJUSTMENT_STEPS, "in-payout"
    # What other adjustments that name it come to.
    credited = debited = 0

    def __init__(self, body):
        self.affiliate, self.effect = body["affiliate"], body["effect"]
        self.currency, self.left, self.state = body["currency"], body["amount"], "free"


class Payout(Record):
    """A payout of one or several parts: entries of which each continues the one before."""

    steps, refusal = PAYOUT_STEPS, "illegal-payout-step"
    # What its lines added and took off; of it, what was kept before and what is kept for later.
    added = taken_off = used = kept = 0

    def __init__(self, body, external_id):
        self.affiliate, self.currency = body["affiliate"], body["currency"]
        self.period = body["period_from"], body["period_until"]
        self.first = self.latest = external_id
        self.state = "open"
        # The commissions and adjustments in it.
        self.paid = []


class Inquiry(Dated):
    def __init__(self, affiliate, reopens):
        # The commission that was wrongly declined, if that is the claim.
        self.affiliate, self.reopens, self.resolved = affiliate, reopens, False


class Terms:
    # Whether they are withdrawn; the versions before and after them that aren't.
    withdrawn, before, next = False, None, None

    def __init__(self, body, number):
        self.merchant, self.program = body["merchant"], body["program"]
        self.version, self.number = body["version"], number
        self.start, self.until = body["effective_from"], body["effective_until"]
        self.actions, self.locking = body["actions"], body["locking"]
        self.fee_ppm, self.rules = body["network_fee_ppm"], body["rules"]

    def follow(self, latest, withdraws):
        """Takes its place after the latest version, or in place of it."""
        self.before, latest.withdrawn = latest.before if withdraws else latest, withdraws
        if self.before:
            self.before.next = self

    def in_force(self, transaction):
        """Whether they are, for a transaction (section 13.4)."""
        if self.withdrawn:
            return False
        time = transaction.time
        replaced = self.next and self.next.number < transaction.number and self.next.start <= time
        return self.start <= time and (self.until is None or time < self.until) and not replaced


class Transaction(Dated):
    refunded = 0

    def __init__(self, body, number, payments_before):
        self.merchant, self.program = body["merchant"], body["program"]
        self.number, self.action = number, body["action"]
        self.currency, self.fx, self.parts = body["currency"], body["fx"], reckoning.parts(body)
        self.payments_before = payments_before
        # Of each item, how many were not refunded yet.
        self.items = {item["item"]: item["quantity"] for item in body["items"]}
        self.commissions = []

    @property
    def amount(self):
        return sum(self.parts.values())

    @property
    def reckoned_in(self):
        return self.fx["to"] if self.fx else self.currency

    def share_of(self, commission_group):
        """What affiliates have of a part so far, in parts per million."""
        roles = (commission.role for commission in self.commissions if commission.is_direct())
        return sum(r["share_ppm"] for r in roles if r["commission_group"] == commission_group)
