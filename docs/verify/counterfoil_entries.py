"""The entries of a Counterfoil ledger: section 5 of src/protocol/FORMAT.md.

Variants and choices are numbered from 1, in the order in which they stand here.
"""

from counterfoil_types import *

ACTION = Choice("sale", "lead", "signup", "subscription")
EFFECT = Choice("credit", "debit")
REASON = Choice(
    "returned_item", "cancelled_order", "order_error", "duplicate_order", "payment_failed",
    "chargeback", "consumer_fraud", "affiliate_terms_violation", "invalid_voucher",
    "self_referral", "wrong_attribution", "wrong_amount", "currency_correction",
    "test_transaction", "out_of_scope_product", "merchant_dispute", "goodwill",
    "network_correction",
)  # fmt: skip
KIND = Choice(
    "program_terms", "transaction", "commission", "decision", "amendment", "reversal",
    "adjustment", "inquiry", "inquiry_resolution", "funding", "payout", "payout_event",
    "affiliate_upline", "opening_balance", "erasure_notice", "spec_change",
)  # fmt: skip
REFERENCE = Struct(kind=KIND, external_id=ID)
FX = Struct(**{"from": CURRENCY}, to=CURRENCY, rate=FX_RATE, source=ID, at=TIME)

# 5.1: what a program pays.

LOCKING = Variant(
    "type",
    immediate=Struct(),
    days=Struct(days=U16),
    month_day=Struct(months=Byte, day=Byte),
    open_ended=Struct(),
)
PERCENT, FIXED = Struct(ppm=U32), Struct(currency=CURRENCY, amount=AMOUNT)
RATE = Variant("type", percent=PERCENT, fixed=FIXED)
PERIOD = Choice("month", "ever")
REWARD = Variant(
    "type",
    percent=PERCENT,
    fixed=FIXED,
    count_tiers=Struct(period=PERIOD, counts=List(Struct(**{"from": U64}, rate=RATE))),
    volume_tiers=Struct(
        period=PERIOD, currency=CURRENCY, volumes=List(Struct(**{"from": AMOUNT}, rate=RATE))
    ),
)
CAP = Struct(currency=CURRENCY, amount=AMOUNT, per=Choice("month", "ever", "part"))
RULE = Struct(
    commission_group=Option(ID),
    affiliate_group=Option(ID),
    reward=REWARD,
    recurring=Option(U32),
    cap=Option(CAP),
    override_ppm=List(U32),
)

# 5.2 to 5.17: what is a field of one kind only.

ITEM = Struct(item=ID, quantity=U32, amount=AMOUNT, commission_group=Option(ID))
ROLE = Variant(
    "type",
    direct=Struct(share_ppm=U32, commission_group=Option(ID), affiliate_group=Option(ID)),
    override=Struct(of=ID, level=Byte),
)
VERDICT = Variant(
    "type",
    approve=Struct(),
    decline=Struct(reason=REASON),
    extend=Struct(locking_date=TIME),
    lock=Struct(),
)
AMENDED = Variant(
    "type",
    commission=Struct(commission=ID),
    transaction=Struct(transaction=ID, commission_group=Option(ID)),
)
REFUND = Struct(currency=CURRENCY, amount=AMOUNT, items=List(Struct(item=ID, quantity=U32)))
CLAIM = Variant(
    "type",
    untracked=Struct(order_ref=Option(ID)),
    incorrect=Struct(commission=ID),
    declined=Struct(commission=ID),
)
OUTCOME = Variant("type", valid=Struct(), declined=Struct(reason=REASON), incomplete=Struct())
PAYOUT_LINE = Variant(
    "type",
    commission=Struct(commission=ID, amount=AMOUNT),
    adjustment=Struct(adjustment=ID, amount=AMOUNT),
    fee=Struct(amount=AMOUNT),
    withheld_tax=Struct(amount=AMOUNT),
    carried_forward=Struct(effect=EFFECT, amount=AMOUNT),
)
PAYOUT_EVENT = Variant(
    "type",
    sent=Struct(payment_ref=Option(ID)),
    completed=Struct(),
    failed=Struct(),
    returned=Struct(),
)
BALANCE = Variant(
    "type",
    commission=Struct(
        affiliate=ID, merchant=ID, currency=CURRENCY, amount=AMOUNT,
        state=Choice("pending", "approved", "locked", "funded"), locking_date=Option(TIME)),
    affiliate=Struct(affiliate=ID, effect=EFFECT, currency=CURRENCY, amount=AMOUNT),
    merchant=Struct(merchant=ID, currency=CURRENCY, amount=AMOUNT),
)  # fmt: skip

# Names are bounded by the spec that a change leads to (13.18), as everything in it.
GOVERNANCE = Struct(keys=List(KEY), quorum=U16)
LIMITS = Struct(block_entries=U32, block_bytes=U32, event_ahead_ms=U64)
WITNESS = Struct(name=String(".*"), key=KEY)

BODY = Variant(
    "kind",
    program_terms=Struct(
        merchant=ID, program=ID, version=U32, effective_from=TIME, effective_until=Option(TIME),
        actions=List(ACTION), locking=LOCKING, network_fee_ppm=U32, rules=List(RULE)),
    transaction=Struct(
        order_ref=ID, merchant=ID, program=ID, action=ACTION, currency=CURRENCY, amount=AMOUNT,
        discount=Option(AMOUNT), voucher=Option(ID), commission_group=Option(ID),
        link_ref=Option(ID), campaign_ref=Option(ID), click_ref=Option(ID), items=List(ITEM),
        fx=Option(FX)),
    commission=Struct(
        transaction=ID, terms=ID, rule=U16, affiliate=ID, role=ROLE, currency=CURRENCY,
        amount=AMOUNT, fee=AMOUNT, locking_date=Option(TIME), deviation=Option(REASON)),
    decision=Struct(commission=ID, verdict=VERDICT),
    amendment=Struct(of=AMENDED, currency=CURRENCY, old=AMOUNT, new=AMOUNT, reason=REASON),
    reversal=Struct(
        commission=ID, currency=CURRENCY, amount=AMOUNT, reason=REASON, refund=Option(REFUND)),
    adjustment=Struct(
        affiliate=ID, effect=EFFECT, currency=CURRENCY, amount=AMOUNT, related=REFERENCE,
        reason=REASON),
    inquiry=Struct(
        affiliate=ID, merchant=ID, program=ID, claim=CLAIM, currency=CURRENCY, amount=AMOUNT),
    inquiry_resolution=Struct(inquiry=ID, outcome=OUTCOME),
    funding=Struct(
        merchant=ID, payment_ref=ID, currency=CURRENCY, received=AMOUNT,
        lines=List(Struct(commission=ID, amount=AMOUNT))),
    payout=Struct(
        affiliate=ID, currency=CURRENCY, period_from=TIME, period_until=TIME,
        continues=Option(ID), lines=List(PAYOUT_LINE), total=Option(AMOUNT), fx=Option(FX)),
    payout_event=Struct(payout=ID, event=PAYOUT_EVENT),
    affiliate_upline=Struct(affiliate=ID, upline=Option(ID)),
    opening_balance=Struct(source=ID, balance=BALANCE),
    erasure_notice=Struct(entry=REFERENCE),
    spec_change=Struct(
        number=U32, previous=Option(DIGEST), from_height=U64, after=Option(DIGEST),
        authorities=Option(List(KEY)), governance=Option(GOVERNANCE),
        witnesses=Option(List(WITNESS)), currencies=Scales, limits=Option(LIMITS),
        rules_version=Option(U16), signatures=List(Struct(key=KEY, signature=SIGNATURE))),
)  # fmt: skip
ENTRY = Struct(tenant=ID, external_id=ID, event_time=TIME, commitment=Option(DIGEST), body=BODY)
