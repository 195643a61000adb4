//! What a marketplace begins with: terms, uplines, and what it brings in from another system.

use super::Marketplace;
use super::fundings::Due;
use super::futures::of_imported;
use super::open::{NewCommission, Sold};
use super::payouts::{Paid, Payable};
use crate::protocol::entry::{
    Balance, Body, Effect, Entry, ImportedState, Kind, Locking, OpeningBalance,
};
use crate::protocol::id::Id;
use crate::protocol::money::Amount;
use crate::protocol::time::{DAY_MS, Timestamp};

/// Days until a commission that is brought in undecided is due to lock.
const IMPORTED_LOCKING_DAYS: u16 = 20;

/// Something to begin with.
#[derive(Clone, Copy, Debug)]
pub enum Beginning {
    /// The first terms of a program, by number.
    Terms(u32),
    /// Who stands above an affiliate, by numbers.
    Upline(u32, u32),
    /// Something that a tenant brings in.
    Import(u32, Import),
}

/// What a tenant brings in.
#[derive(Clone, Copy, Debug)]
pub enum Import {
    Commission(ImportedState),
    Affiliate(Effect),
    Merchant,
}

/// What every tenant brings in.
pub const IMPORTS: [Import; 7] = [
    Import::Commission(ImportedState::Pending),
    Import::Commission(ImportedState::Approved),
    Import::Commission(ImportedState::Locked),
    Import::Commission(ImportedState::Funded),
    Import::Affiliate(Effect::Credit),
    Import::Affiliate(Effect::Debit),
    Import::Merchant,
];

impl Marketplace {
    /// What it begins with, in order.
    pub(super) fn beginnings(&self) -> Vec<Beginning> {
        let programs = u32::try_from(self.programs.len()).expect("counted by a u32");
        let terms = (0..programs).map(Beginning::Terms);
        let uplines = self.uplines.first().map(|(of, upline)| Beginning::Upline(of, upline));
        let imports = (0..self.profile.tenants)
            .flat_map(|tenant| IMPORTS.map(|import| Beginning::Import(tenant, import)));
        terms.chain(uplines).chain(imports).collect()
    }

    pub(super) fn begin(&mut self, beginning: Beginning, now: Timestamp) -> Entry {
        match beginning {
            Beginning::Terms(number) => {
                let program = self.programs.get_mut(number as usize).expect("a program");
                let terms = program.terms_at(now);
                let body = Body::ProgramTerms(terms.body.clone());
                self.entry(self.tenant_of(number), terms.external_id.clone(), now, body)
            }
            Beginning::Upline(affiliate, upline) => self.state_upline(affiliate, Some(upline), now),
            Beginning::Import(tenant, import) => self.import(tenant, import, now),
        }
    }

    fn import(&mut self, tenant: u32, import: Import, now: Timestamp) -> Entry {
        let rank = u32::try_from(self.random.below(self.profile.affiliates.into())).unwrap_or(0);
        let affiliate = rank * self.profile.tenants + tenant;
        let rank = u32::try_from(self.random.below(self.profile.merchants.into())).unwrap_or(0);
        let merchant = rank * self.profile.tenants + tenant;
        let coin = self.merchant(merchant).coin;
        let cents = self.random.around(900);
        let amount = self.coin(coin).amount(cents);
        let currency = self.coin(coin).currency;
        let (external_id, balance) = match import {
            Import::Commission(state) => {
                let locking_date = self.import_commission(affiliate, merchant, amount, state, now);
                let id = self.commission_id(self.latest(Kind::Commission));
                let (affiliate, merchant) =
                    (self.affiliate(affiliate), self.merchant(merchant).name.clone());
                let balance = Balance::Commission {
                    affiliate,
                    merchant,
                    currency,
                    amount,
                    state,
                    locking_date,
                };
                (id, balance)
            }
            Import::Affiliate(effect) => {
                let number = self.fresh(Kind::Adjustment);
                let paid = match effect {
                    Effect::Credit => Paid::Credit(number),
                    Effect::Debit => Paid::Debit(number),
                };
                self.payouts.add(Payable { affiliate, coin, paid, amount });
                let affiliate = self.affiliate(affiliate);
                let balance = Balance::Affiliate { affiliate, effect, currency, amount };
                (self.numbered("a-", number), balance)
            }
            Import::Merchant => {
                self.fundings.prepay(merchant, amount);
                let number = self.fresh(Kind::OpeningBalance);
                let merchant = self.merchant(merchant).name.clone();
                (self.numbered("o-", number), Balance::Merchant { merchant, currency, amount })
            }
        };
        let source = Id::new("old-network").expect("two words");
        let body = Body::OpeningBalance(OpeningBalance { source, balance });
        self.entry(tenant, external_id, now, body)
    }

    /// Goes on with a commission where the other system has left it; when it is due to lock.
    fn import_commission(
        &mut self,
        affiliate: u32,
        merchant: u32,
        amount: Amount,
        state: ImportedState,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let number = self.fresh(Kind::Commission);
        let locks_at = now.saturating_add(u64::from(IMPORTED_LOCKING_DAYS) * DAY_MS);
        let program = self.programs.iter().position(|program| program.merchant == merchant);
        let program = program.and_then(|program| u32::try_from(program).ok());
        let program = program.expect("every merchant has a program");
        let coin = self.coin_number_of(program);
        match state {
            ImportedState::Pending | ImportedState::Approved => {}
            ImportedState::Locked => {
                let funded = Amount::ZERO;
                self.fundings.add(Due { merchant, number, affiliate, left: amount, funded });
            }
            ImportedState::Funded => {
                let paid = Paid::Commission(number);
                self.payouts.add(Payable { affiliate, coin, paid, amount });
            }
        }
        let new = NewCommission {
            number,
            affiliate,
            program,
            amount,
            locking: Locking::Days { days: IMPORTED_LOCKING_DAYS },
            locks_at,
            sold: Sold::default(),
            sole: false,
            refund_rate_ppm: 0,
        };
        self.open.open_with(new, of_imported(state), now, &mut self.random);
        let undecided = matches!(state, ImportedState::Pending | ImportedState::Approved);
        undecided.then_some(locks_at)
    }
}
