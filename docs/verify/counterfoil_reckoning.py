"""How amounts and dates are reckoned: section 13.1 of src/protocol/FORMAT.md."""

from datetime import datetime, timedelta, timezone

from counterfoil_types import AMOUNT, TIME, Time

WHOLE_PPM = 1000000
WHOLE_RATE = 1000000000
DAY_MS = 86400000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Refused(Exception):
    """The name of the rule that an entry breaks."""


def demand(condition, rule):
    if not condition:
        raise Refused(rule)


def an_amount(units):
    """The units, which must not be more than an amount can be."""
    demand(units <= AMOUNT.largest, "sum-too-large")
    return units


def half_to_even(dividend, divisor):
    """The one rounding rule."""
    quotient, remainder = divmod(dividend, divisor)
    up = 2 * remainder > divisor or (2 * remainder == divisor and quotient % 2 == 1)
    return quotient + up


def parts_per_million(amount, ppm):
    return half_to_even(amount * ppm, WHOLE_PPM)


def change(amount, fx, scales):
    """An amount in another currency; itself without a change of currency."""
    if fx is None:
        return amount
    dividend = amount * fx["rate"] * 10 ** scales[fx["to"]]
    return an_amount(half_to_even(dividend, WHOLE_RATE * 10 ** scales[fx["from"]]))


def parts(transaction):
    """The amount of each part of a transaction, by commission group."""
    group = transaction["commission_group"]
    if not transaction["items"]:
        return {group: transaction["amount"]}
    amounts = {}
    for item in transaction["items"]:
        of = item["commission_group"] or group
        amounts[of] = amounts.get(of, 0) + item["amount"]
    return amounts


def rule_that_fits(rules, commission_group, affiliate_group):
    """The number of the first such rule, and the rule."""
    for number, rule in enumerate(rules, 1):
        fits = rule["commission_group"] in (None, commission_group)
        if fits and rule["affiliate_group"] in (None, affiliate_group):
            return number, rule
    return None, None


def period_name(period, time):
    """Tells one month from the others: 2026-11."""
    return str(Time(time))[:7] if period == "month" else period


def counted_periods(rule):
    """In which periods a commission by this rule is counted."""
    periods = {rule["reward"].get("period"), rule["cap"] and rule["cap"]["per"]}
    return periods & {"month", "ever"}


class Counted:
    """What was counted of an affiliate's direct commissions in a period."""

    volume = earned = 0

    def __init__(self):
        # By number, each once.
        self.transactions = set()

    def add(self, transaction, volume, earned):
        self.transactions.add(transaction)
        self.volume = an_amount(self.volume + volume)
        self.earned = an_amount(self.earned + earned)


def tiers_of(reward):
    """Its tiers, or None if it has none by its kind."""
    return reward.get("counts", reward.get("volumes"))


def rate_that_applies(reward, counted):
    """The rate of the last tier that was reached; without tiers, the reward itself."""
    tiers = tiers_of(reward)
    if tiers is None:
        return reward
    period = counted[reward["period"]]
    reached = len(period.transactions) if reward["type"] == "count_tiers" else period.volume
    return [tier["rate"] for tier in tiers if tier["from"] <= reached][-1]


def earned_by(rule, rate, amount, share_ppm, counted):
    """What a share of a part of this amount earns by this rule."""
    percent = rate["type"] == "percent"
    whole = parts_per_million(amount, rate["ppm"]) if percent else rate["amount"]
    cap = rule["cap"]
    if cap and cap["per"] == "part":
        whole = min(whole, cap["amount"])
    earned = parts_per_million(whole, share_ppm)
    if cap and cap["per"] != "part":
        earned = min(earned, max(cap["amount"] - counted[cap["per"]].earned, 0))
    return earned


def locking_date(locking, event_time):
    """When a commission locks; None if it does so on no date."""
    if locking["type"] == "open_ended":
        return None
    date = event_time
    if locking["type"] == "days":
        date += locking["days"] * DAY_MS
    elif locking["type"] == "month_day":
        event = EPOCH + timedelta(milliseconds=event_time)
        months = 12 * event.year + event.month - 1 + locking["months"]
        day = datetime(months // 12, months % 12 + 1, locking["day"], tzinfo=timezone.utc)
        date = (day - EPOCH) // timedelta(milliseconds=1)
    return Time(min(date, TIME.largest))
