"""Which chain spec is in force at which height: section 13.18 of src/protocol/FORMAT.md."""

import counterfoil_format as counterfoil
from counterfoil_format import Spec, Wrong, verify_signature
from counterfoil_reckoning import demand

MAX_CHANGES_BYTES = 1048576
KNOWN_RULES = 1
SIGNED_CONTEXT = b"counterfoil 2026-11-21 spec change v1\n"


class Succession:
    """The periods of a ledger's spec, as its changes have made them."""

    def __init__(self, spec):
        self.chain_id = spec.chain_id
        # The height at which each begins, ascending, and the spec that holds from there on.
        self.periods = [(0, spec)]
        self.number, self.last, self.bytes = 0, None, 0

    def at(self, height):
        """The spec in force at a height."""
        return [spec for start, spec in self.periods if start <= height][-1]

    def take_at(self, leaf, entry, height, parent):
        """Takes up a change that stands in the block at `height`, after the header `parent`."""
        start, after = entry["body"]["from_height"], entry["body"]["after"]
        demand(start >= height, "change-reaches-back")
        demand(after is not None or start > height, "wrong-history")
        demand(after in (None, parent), "wrong-history")
        self.take(leaf, entry)

    def take(self, leaf, entry):
        """Takes up the next change, wherever it stands, or raises `Refused`."""
        body, start = entry["body"], entry["body"]["from_height"]
        demand(entry["tenant"] == "@ledger", "reserved-tenant")
        demand(body["number"] == self.number + 1, "wrong-number")
        demand(entry["external_id"] == str(body["number"]), "misnamed-change")
        demand(body["previous"] == self.last, "wrong-previous")
        demand(self.bytes + len(leaf) <= MAX_CHANGES_BYTES, "too-many-changes")
        demand(start > 0, "change-reaches-back")
        base = self.at(start)
        changed = self.changed(base, body)
        self.check_signatures(base, entry)
        # Last: only those who govern can put rules in force that nobody knows yet.
        demand(body["rules_version"] in (None, KNOWN_RULES), "unknown-rules-version")
        kept = [period for period in self.periods if period[0] < start]
        self.periods = [*kept, (start, changed)]
        self.number, self.last = body["number"], counterfoil.entry_id(leaf)
        self.bytes += len(leaf)

    def changed(self, base, body):
        added, values = body["currencies"], dict(base.values)
        demand(not set(added) & set(base.scales), "currency-taken")
        values["currencies"] = base.scales | added
        for field in ("authorities", "governance", "witnesses", "limits", "rules_version"):
            if body[field] is not None:
                values[field] = body[field]
        demand(values != base.values, "changes-nothing")
        try:
            return Spec(in_toml({**values, "rules_version": KNOWN_RULES}), self.chain_id)
        except Wrong:
            demand(False, "bad-spec")

    def check_signatures(self, base, entry):
        governance, signatures = base.values["governance"], entry["body"]["signatures"]
        quorum = governance["quorum"]
        demand(0 < quorum <= len(signatures), "below-quorum")
        keys = [signed["key"] for signed in signatures]
        demand(keys == sorted(set(keys)), "signatures-unordered")
        message = signed_message(self.chain_id, entry)
        for signed in signatures:
            demand(signed["key"] in governance["keys"], "not-governing")
            try:
                verify_signature(signed["key"], message, signed["signature"])
            except Wrong:
                demand(False, "bad-governance-signature")


def signed_message(chain_id, entry):
    """What governance keys sign: the chain, and the entry without any signature (5.17)."""
    unsigned = {**entry, "body": {**entry["body"], "signatures": []}}
    return SIGNED_CONTEXT + chain_id + counterfoil.ENTRY.write(unsigned)


def in_toml(values):
    """The values of a spec as a chain spec file would have them, to be checked like one."""
    witnesses = values["witnesses"]
    return {
        **{name: value for name, value in values.items() if name != "format_version"},
        "genesis_time": str(values["genesis_time"]),
        "authorities": [key.hex() for key in values["authorities"]],
        "governance": {
            "keys": [key.hex() for key in values["governance"]["keys"]],
            "quorum": values["governance"]["quorum"],
        },
        "witnesses": [{"name": item["name"], "key": item["key"].hex()} for item in witnesses],
    }
