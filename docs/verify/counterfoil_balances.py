"""What the entries of a ledger come to: section 13.18 of src/protocol/FORMAT.md.

All of it is folded from the log alone: from the state that its entries leave behind, once the
rules have admitted each of them.
"""

from collections import Counter, defaultdict

from counterfoil_format import decimal


def balances(state):
    """Who has what: by role, tenant, party, currency and what it is, in decimals.

        {"affiliates": {"acme": {"aff-1": {"EUR": {"commissions": {"locked": "7.50"}, …}}}},
         "merchants": {"acme": {"shop": {"EUR": {"commissions": {…}, "fees": {…}, …}}}}}

    `carried_forward` is below zero where an affiliate owes it.
    """
    folded = {"affiliates": affiliates, "merchants": merchants}
    return {
        role: {
            tenant: written(fold(records), state.scales)
            for tenant, records in sorted(state.tenants.items())
        }
        for role, fold in folded.items()
    }


def affiliates(tenant):
    """The units that affiliates have, by affiliate and currency, then by what it is."""
    sums = defaultdict(Counter)
    for commission in tenant.records["commission"].values():
        owner = commission.affiliate, commission.currency
        sums[owner]["commissions", commission.state] += commission.left
    for adjustment in tenant.records["adjustment"].values():
        owner = adjustment.affiliate, adjustment.currency
        sums[owner][f"{adjustment.effect}s", adjustment.state] += adjustment.left
    for owner in tenant.kept.keys() | tenant.used.keys():
        sums[owner]["carried_forward",] = tenant.kept[owner] - tenant.used[owner]
    return sums


def merchants(tenant):
    """The units that merchants owe and have prepaid, by merchant and currency, likewise."""
    sums = defaultdict(Counter)
    for commission in tenant.records["commission"].values():
        owner = commission.merchant, commission.currency
        sums[owner]["commissions", commission.state] += commission.left
        sums[owner]["fees", commission.state] += commission.fee
    for owner in tenant.received.keys() | tenant.covered.keys():
        sums[owner]["prepaid",] = tenant.received[owner] - tenant.covered[owner]
    return sums


def written(sums, scales):
    """Sums as decimals, one level of a dictionary for each part of a name."""
    found = {}
    for (party, currency), amounts in sorted(sums.items()):
        level = found.setdefault(party, {}).setdefault(currency, {})
        for (*way, last), units in sorted(amounts.items()):
            inner = level
            for name in way:
                inner = inner.setdefault(name, {})
            sign, amount = "-" * (units < 0), decimal(abs(units), scales[currency])
            inner[last] = f"{sign}{amount}"
    return found
