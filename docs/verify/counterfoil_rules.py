"""The rules of a Counterfoil ledger, version 1: section 13 of src/protocol/FORMAT.md."""

from collections import Counter, defaultdict

from counterfoil_entries import ACTION
from counterfoil_reckoning import (
    WHOLE_PPM, Counted, Refused, an_amount, change, counted_periods, demand, earned_by,
    locking_date, parts_per_million, period_name, rate_that_applies, rule_that_fits, tiers_of,
)  # fmt: skip
from counterfoil_records import (
    Adjustment, Commission, Dated, Inquiry, Payout, Terms, Transaction,
)  # fmt: skip

LEDGER_TENANT = "@ledger"
MAX_ACTIONS = 4
MAX_RULES = 100
MAX_TIERS = 20
MAX_OVERRIDES = 10
MAX_ITEMS = 100
MAX_COMMISSIONS = 100
MAX_FUNDING_LINES = 500
MAX_PAYOUT_LINES = 500
MAX_UPLINES = 64
MAX_LOCKING_MONTHS = 12
LAST_LOCKING_DAY = 28

# The kinds that nothing may name that happened before them, and those that are corrected by
# adjustments.
DATED = ("transaction", "commission", "adjustment", "inquiry", "payout")
ADJUSTABLE = ("transaction", "commission", "adjustment", "inquiry")
# What an opening balance is besides, under the same external id.
ALSO = {"commission": "commission", "affiliate": "adjustment"}
PAYOUT_STEP_OF = {
    "sent": "send", "completed": "complete", "failed": "fail", "returned": "return",
}  # fmt: skip


class State:
    """What the entries so far leave behind: enough to admit the next."""

    def __init__(self, scales, event_ahead_ms):
        self.scales, self.event_ahead_ms = dict(scales), event_ahead_ms
        # Nothing of one tenant ever meets anything of another.
        self.tenants = {}

    def admit(self, entry, block_time):
        """Applies an entry, or raises `Refused`. Then the state may hold part of it."""
        own = entry["body"]["kind"] == "spec_change"
        tenant = self.tenants.setdefault(entry["tenant"], Tenant(self.scales))
        tenant.own_fact = own == (entry["tenant"] == LEDGER_TENANT)
        tenant.admit(entry, block_time, block_time + self.event_ahead_ms)

    def put_in_force(self, scales, event_ahead_ms):
        """Takes up a spec that a change has led to: currencies are only ever added."""
        self.scales.update(scales)
        self.event_ahead_ms = event_ahead_ms

    def commissions(self):
        """Every commission there is."""
        for tenant in self.tenants.values():
            yield from tenant.records["commission"].values()


class Tenant:
    """What the entries of one tenant leave behind, and the rules for the next."""

    def __init__(self, scales):
        self.scales, self.count = scales, 0
        # By kind and external id: the record of what was stated, or None where nothing can
        # become of it.
        self.records = defaultdict(dict)
        # The kinds and external ids of entries: with a commitment, and with its salt destroyed.
        self.committed, self.erased = set(), set()
        # By merchant and program: the latest terms.
        self.programs = {}
        # By merchant, program and order: the payments of a subscription.
        self.payments = Counter()
        # By merchant, program, affiliate, currency and period.
        self.counted = defaultdict(Counted)
        # By affiliate: who stands above.
        self.uplines = {}
        # By merchant and currency: what came in, and what it covers.
        self.received, self.covered = Counter(), Counter()
        # By affiliate and currency: what payouts kept for later ones, and what was used of it.
        self.kept, self.used = Counter(), Counter()

    # 13.3: every entry.

    def admit(self, entry, block_time, latest_event):
        body, external_id = entry["body"], entry["external_id"]
        names = [body["kind"]]
        if body["kind"] == "opening_balance" and body["balance"]["type"] in ALSO:
            names.append(ALSO[body["balance"]["type"]])
        unused = all(external_id not in self.records[kind] for kind in names)
        demand(unused, "duplicate-external-id")
        demand(entry["event_time"] <= latest_event, "event-in-future")
        demand(self.own_fact, "reserved-tenant")
        self.time, self.external_id = entry["event_time"], external_id
        self.block_time, self.latest_event = block_time, latest_event
        record = getattr(self, body["kind"])(body)
        # A payout's further parts leave the record of the first as it is.
        if isinstance(record, Dated) and record.time is None:
            record.time, record.recorded = self.time, block_time
        for kind in names:
            self.records[kind][external_id] = record
        if entry["commitment"] is not None:
            self.committed.add((body["kind"], external_id))
        self.count += 1

    def find(self, kind, external_id):
        demand(external_id in self.records[kind], "missing-parent")
        record = self.records[kind][external_id]
        # A payout's further parts have no time of their own.
        if kind in DATED and (kind != "payout" or record.first == external_id):
            self.check_order(record)
        return record

    def check_order(self, named):
        demand(named.time <= self.time, "before-parent")

    def check_currency(self, currency):
        demand(currency in self.scales, "unknown-currency")

    def check_fx(self, fx, currency):
        demand(fx["from"] == currency, "another-currency")
        self.check_currency(fx["to"])
        demand(fx["to"] != fx["from"], "needless-fx")
        demand(fx["rate"] > 0, "zero-amount")

    # 13.4: program terms.

    def program_terms(self, body):
        until, locking = body["effective_until"], body["locking"]
        demand(until is None or until > body["effective_from"], "empty-period")
        demand(1 <= len(body["actions"]) <= MAX_ACTIONS, "list-length")
        numbers = [ACTION.numbers[action] for action in body["actions"]]
        demand(numbers == sorted(set(numbers)), "unordered")
        if locking["type"] == "month_day":
            demand(1 <= locking["months"] <= MAX_LOCKING_MONTHS, "no-such-day")
            demand(1 <= locking["day"] <= LAST_LOCKING_DAY, "no-such-day")
        demand(body["network_fee_ppm"] <= WHOLE_PPM, "rate-above-whole")
        demand(1 <= len(body["rules"]) <= MAX_RULES, "list-length")
        for rule in body["rules"]:
            self.check_rule(rule)

        name = body["merchant"], body["program"]
        latest, terms = self.programs.get(name), Terms(body, self.count)
        demand(terms.version == (latest.version + 1 if latest else 1), "wrong-version")
        if latest:
            # No transaction that is there can be so late.
            withdraws = latest.start > self.latest_event
            in_order = withdraws or terms.start >= latest.start
            demand(terms.start >= self.block_time and in_order, "terms-reach-back")
            terms.follow(latest, withdraws)
        self.programs[name] = terms
        return terms

    def check_rule(self, rule):
        reward, cap, overrides = rule["reward"], rule["cap"], rule["override_ppm"]
        tiers, rates = tiers_of(reward), [reward]
        if "currency" in reward:
            self.check_currency(reward["currency"])
        if tiers is not None:
            demand(1 <= len(tiers) <= MAX_TIERS, "list-length")
            steps = [tier["from"] for tier in tiers]
            demand(steps[0] == 0 and steps == sorted(set(steps)), "unordered")
            rates = [tier["rate"] for tier in tiers]
        for rate in rates:
            if rate["type"] == "fixed":
                self.check_currency(rate["currency"])
        for rate in rates:
            if rate["type"] == "percent":
                demand(rate["ppm"] <= WHOLE_PPM, "rate-above-whole")
        demand(rule["recurring"] != 0, "zero-amount")
        if cap:
            self.check_currency(cap["currency"])
        demand(len(overrides) <= MAX_OVERRIDES, "list-length")
        demand(all(ppm <= WHOLE_PPM for ppm in overrides), "rate-above-whole")

    # 13.5: transactions.

    def transaction(self, body):
        items, program = body["items"], (body["merchant"], body["program"])
        self.check_currency(body["currency"])
        demand(program in self.programs, "unknown-program")
        demand(len(items) <= MAX_ITEMS, "list-length")
        demand(all(item["quantity"] > 0 for item in items), "zero-amount")
        demand(len({item["item"] for item in items}) == len(items), "duplicate-item")
        total = sum(item["amount"] for item in items)
        demand(not items or total == body["amount"], "wrong-total")
        if body["fx"]:
            self.check_fx(body["fx"], body["currency"])
        subscription = *program, body["order_ref"]
        sale = Transaction(body, self.count, self.payments[subscription])
        for amount in sale.parts.values():
            change(amount, sale.fx, self.scales)
        if sale.action == "subscription":
            self.payments[subscription] += 1
        return sale

    # 13.6: commissions.

    def commission(self, body):
        sale = self.find("transaction", body["transaction"])
        terms = self.find("program_terms", body["terms"])
        demand(len(sale.commissions) < MAX_COMMISSIONS, "list-length")
        same_program = (terms.merchant, terms.program) == (sale.merchant, sale.program)
        demand(same_program, "terms-of-another-program")
        demand(terms.number < sale.number, "terms-recorded-later")
        demand(terms.in_force(sale), "terms-not-in-force")
        demand(sale.action in terms.actions, "action-not-eligible")
        given = getattr(self, body["role"]["type"])(body, body["role"], sale, terms)
        if body["deviation"] is None:
            demand(body["amount"] == given, "wrong-amount")
        else:
            demand(body["amount"] != given, "needless-deviation")
        demand(body["fee"] == parts_per_million(body["amount"], terms.fee_ppm), "wrong-amount")
        date = locking_date(terms.locking, sale.time)
        demand(body["locking_date"] == date, "wrong-locking-date")
        commission = Commission(body, sale.merchant, date, "pending")
        commission.fee, commission.rule = body["fee"], body["rule"]
        commission.transaction, commission.role = sale, body["role"]
        if commission.is_direct():
            levels = len(terms.rules[commission.rule - 1]["override_ppm"])
            commission.uplines = self.uplines_of(commission.affiliate, levels)
        sale.commissions.append(commission)
        return commission

    def direct(self, body, role, sale, terms):
        """What the terms give for a direct commission."""
        group, share, currency = role["commission_group"], role["share_ppm"], body["currency"]
        demand(group in sale.parts, "no-such-part")
        number, rule = rule_that_fits(terms.rules, group, role["affiliate_group"])
        demand(body["rule"] == number, "wrong-rule")
        demand(currency == sale.reckoned_in, "another-currency")
        demand(share > 0, "zero-amount")
        demand(sale.share_of(group) + share <= WHOLE_PPM, "shares-above-whole")

        name = sale.merchant, sale.program, body["affiliate"], currency
        counted = {
            period: self.counted[*name, period_name(period, sale.time)]
            for period in counted_periods(rule)
        }
        rate = rate_that_applies(rule["reward"], counted)
        for stated in (rule["reward"], rate, rule["cap"] or {}):
            demand(stated.get("currency", currency) == currency, "another-currency")
        amount = change(sale.parts[group], sale.fx, self.scales)
        given = earned_by(rule, rate, amount, share, counted)
        for period in counted.values():
            period.add(sale.number, parts_per_million(amount, share), body["amount"])
        once, recurring = sale.action != "subscription", rule["recurring"]
        return given if once or recurring is None or sale.payments_before < recurring else 0

    def override(self, body, role, sale, terms):
        """What the terms give for an override."""
        direct, level = self.find("commission", role["of"]), role["level"]
        demand(direct.transaction is sale and direct.is_direct(), "override-of-another")
        demand(direct.state not in ("declined", "reversed"), "override-of-nothing")
        demand(body["rule"] == direct.rule, "wrong-rule")
        rates = terms.rules[direct.rule - 1]["override_ppm"]
        demand(1 <= level <= len(rates), "no-such-level")
        demand(all(other.role != role for other in sale.commissions), "override-taken")
        demand(body["affiliate"] == direct.uplines[level - 1], "not-upline")
        demand(body["currency"] == direct.currency, "another-currency")
        return parts_per_million(direct.left, rates[level - 1])

    def uplines_of(self, affiliate, levels):
        """Who stands so many levels above, the nearest first; None where nobody does."""
        above = [affiliate]
        for _ in range(levels):
            above.append(self.uplines.get(above[-1]))
        return above[1:]

    # 13.7: decisions.

    def decision(self, body):
        commission, verdict = self.find("commission", body["commission"]), body["verdict"]
        step = verdict["type"]
        commission.take(step)
        if step in ("decline", "extend"):
            self.check_in_time(commission)
        demand(step != "lock" or not commission.locks_after(self.time), "before-locking-date")
        if step == "extend":
            demand(not commission.extended, "extended-before")
            date = commission.locks_at
            demand(date is not None and verdict["locking_date"] > date, "extension-not-later")
            commission.locks_at, commission.extended = verdict["locking_date"], True
            commission.recorded = self.block_time

    def check_in_time(self, commission):
        demand(commission.in_time(self.time, self.block_time), "past-locking-date")

    # 13.8: amendments.

    def amendment(self, body):
        of = body["of"]
        getattr(self, f"amend_{of['type']}")(body, of)

    def amend_commission(self, body, of):
        commission = self.find("commission", of["commission"])
        demand(body["currency"] == commission.currency, "another-currency")
        commission.take("amend")
        self.check_in_time(commission)
        demand(body["old"] == commission.amount, "stale-amount")
        demand(body["new"] != body["old"], "no-change")
        demand(body["new"] >= commission.reversed, "below-reversed")
        commission.amount = body["new"]

    def amend_transaction(self, body, of):
        sale, group = self.find("transaction", of["transaction"]), of["commission_group"]
        demand(group in sale.parts, "no-such-part")
        demand(body["currency"] == sale.currency, "another-currency")
        for commission in sale.commissions:
            if commission.state not in ("declined", "reversed"):
                commission.can("amend")
        demand(body["old"] == sale.parts[group], "stale-amount")
        demand(body["new"] != body["old"], "no-change")
        sale.parts[group] = body["new"]
        demand(sale.amount >= sale.refunded, "below-reversed")
        an_amount(sale.amount)
        change(body["new"], sale.fx, self.scales)

    # 13.9: reversals.

    def reversal(self, body):
        demand(body["amount"] > 0, "zero-amount")
        commission = self.find("commission", body["commission"])
        demand(body["currency"] == commission.currency, "another-currency")
        commission.can("reverse")
        self.check_in_time(commission)
        demand(body["amount"] <= commission.left, "too-much")
        commission.reversed += body["amount"]
        if commission.left == 0:
            commission.take("reverse")
        if body["refund"]:
            self.refund(body["refund"], commission.transaction)

    def refund(self, refund, sale):
        demand(sale is not None, "missing-parent")
        demand(refund["currency"] == sale.currency, "another-currency")
        demand(len(refund["items"]) <= MAX_ITEMS, "list-length")
        demand(refund["amount"] > 0, "zero-amount")
        sale.refunded += refund["amount"]
        demand(sale.refunded <= sale.amount, "too-much")
        for item in refund["items"]:
            demand(item["item"] in sale.items, "no-such-item")
            demand(item["quantity"] > 0, "zero-amount")
            sale.items[item["item"]] -= item["quantity"]
            demand(sale.items[item["item"]] >= 0, "too-many-items")

    # 13.10: adjustments.

    def adjustment(self, body):
        kind, external_id = body["related"]["kind"], body["related"]["external_id"]
        self.check_currency(body["currency"])
        demand(body["amount"] > 0, "zero-amount")
        demand(kind in ADJUSTABLE, "not-adjustable")
        record = self.find(kind, external_id)
        if kind != "transaction":
            demand(record.affiliate == body["affiliate"], "another-affiliate")
        if kind in ("commission", "adjustment"):
            demand(record.currency == body["currency"], "another-currency")
            self.adjust(record, kind, body)
        else:
            demand(body["effect"] == "credit", "credit-only")
        return Adjustment(body)

    def adjust(self, record, kind, body):
        """Counts what names a commission or another adjustment."""
        if kind == "commission":
            record.can("adjust")
        if body["effect"] == "credit":
            record.credited += body["amount"]
        else:
            record.debited += body["amount"]
        # A debit comes to nothing that could be taken back.
        most = record.credited + (record.left if record.effect == "credit" else 0)
        demand(record.debited <= most, "too-much")
        an_amount(most)

    # 13.11: inquiries.

    def inquiry(self, body):
        claim, commission = body["claim"], None
        self.check_currency(body["currency"])
        demand(body["amount"] > 0, "zero-amount")
        demand((body["merchant"], body["program"]) in self.programs, "unknown-program")
        if claim["type"] != "untracked":
            commission = self.find("commission", claim["commission"])
            demand(commission.affiliate == body["affiliate"], "another-affiliate")
            demand(commission.merchant == body["merchant"], "another-merchant")
            demand(commission.currency == body["currency"], "another-currency")
        if claim["type"] == "declined":
            commission.can("reopen")
        return Inquiry(body["affiliate"], commission if claim["type"] == "declined" else None)

    def inquiry_resolution(self, body):
        inquiry = self.find("inquiry", body["inquiry"])
        demand(not inquiry.resolved, "inquiry-resolved")
        inquiry.resolved = True
        if body["outcome"]["type"] == "valid" and inquiry.reopens:
            inquiry.reopens.take("reopen")

    # 13.12: fundings.

    def funding(self, body):
        account = body["merchant"], body["currency"]
        self.check_currency(body["currency"])
        demand(len(body["lines"]) <= MAX_FUNDING_LINES, "list-length")
        demand(body["lines"] or body["received"] > 0, "zero-amount")
        for line in body["lines"]:
            demand(line["amount"] > 0, "zero-amount")
            commission = self.find("commission", line["commission"])
            demand(commission.merchant == body["merchant"], "another-merchant")
            demand(commission.currency == body["currency"], "another-currency")
            commission.can("fund")
            commission.funded += line["amount"]
            demand(commission.funded <= commission.left, "too-much")
            if commission.funded == commission.left:
                commission.take("fund")
            self.covered[account] += line["amount"]
        self.received[account] = an_amount(self.received[account] + body["received"])
        demand(an_amount(self.covered[account]) <= self.received[account], "prepaid-exceeded")

    # 13.13: payouts.

    def payout(self, body):
        self.check_currency(body["currency"])
        demand(body["period_until"] > body["period_from"], "empty-period")
        demand(1 <= len(body["lines"]) <= MAX_PAYOUT_LINES, "list-length")
        payout = Payout(body, self.external_id)
        if body["continues"] is not None:
            whole = self.find("payout", body["continues"])
            self.check_order(whole)
            latest_open = (whole.latest, whole.state) == (body["continues"], "open")
            demand(latest_open, "payout-not-open")
            demand(whole.affiliate == payout.affiliate, "another-affiliate")
            demand(whole.currency == payout.currency, "another-currency")
            demand(whole.period == payout.period, "another-period")
            payout, whole.latest = whole, self.external_id
        for line in body["lines"]:
            self.pay(payout, line)
        if body["total"] is not None:
            demand(body["total"] == payout.added - payout.taken_off, "wrong-total")
            owner = payout.affiliate, payout.currency
            self.kept[owner] = an_amount(self.kept[owner] + payout.kept)
            owing = self.used[owner] > self.kept[owner]
            demand(body["total"] == 0 or not owing, "still-owing")
            payout.take("close")
        if body["fx"]:
            demand(body["total"] is not None, "misplaced-fx")
            self.check_fx(body["fx"], body["currency"])
            change(body["total"], body["fx"], self.scales)
        return payout

    def pay(self, payout, line):
        kind, amount, effect = line["type"], line["amount"], line.get("effect", "debit")
        demand(amount > 0, "zero-amount")
        if kind in ("commission", "adjustment"):
            record = self.find(kind, line[kind])
            demand(record.affiliate == payout.affiliate, "another-affiliate")
            demand(record.currency == payout.currency, "another-currency")
            record.take("pay")
            demand(amount == record.left, "wrong-amount")
            payout.paid.append(record)
            effect = record.effect
        if effect == "credit":
            payout.added = an_amount(payout.added + amount)
        else:
            payout.taken_off = an_amount(payout.taken_off + amount)
        if kind == "carried_forward":
            self.carry_forward(payout, amount, effect)

    def carry_forward(self, payout, amount, effect):
        owner = payout.affiliate, payout.currency
        if effect == "credit":
            payout.used += amount
            self.used[owner] = an_amount(self.used[owner] + amount)
        else:
            # Nothing shows where it comes from until the payout is closed.
            payout.kept += amount

    # 13.14: what becomes of payouts.

    def payout_event(self, body):
        payout, step = self.find("payout", body["payout"]), PAYOUT_STEP_OF[body["event"]["type"]]
        demand(payout.first == body["payout"], "not-first-part")
        was_closed = payout.state != "open"
        payout.take(step)
        if step != "send":
            for record in payout.paid:
                record.take(step)
        if step in ("fail", "return"):
            owner = payout.affiliate, payout.currency
            self.used[owner] -= payout.used
            self.kept[owner] -= payout.kept if was_closed else 0

    # 13.15: uplines.

    def affiliate_upline(self, body):
        above, depth = body["upline"], 0
        while above is not None:
            depth += 1
            demand(above != body["affiliate"], "upline-cycle")
            demand(depth <= MAX_UPLINES, "upline-too-deep")
            above = self.uplines.get(above)
        self.uplines[body["affiliate"]] = body["upline"]

    # 13.16: opening balances.

    def opening_balance(self, body):
        balance = body["balance"]
        self.check_currency(balance["currency"])
        demand(balance["amount"] > 0, "zero-amount")
        if balance["type"] == "affiliate":
            return Adjustment(balance)
        if balance["type"] == "merchant":
            account = balance["merchant"], balance["currency"]
            self.received[account] = an_amount(self.received[account] + balance["amount"])
            return None
        date, state = balance["locking_date"], balance["state"]
        commission = Commission(balance, balance["merchant"], date, state)
        if state == "funded":
            commission.funded = commission.amount
        return commission

    # 13.17: erasures.

    def erasure_notice(self, body):
        named = body["entry"]["kind"], body["entry"]["external_id"]
        self.find(*named)
        demand(named in self.committed, "nothing-committed")
        demand(named not in self.erased, "erased-before")
        self.erased.add(named)

    # 13.18: changes of the spec. What they lead to, counterfoil_succession.py finds out.

    def spec_change(self, body):
        pass
