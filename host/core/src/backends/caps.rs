//! Caps on orders: per call, per hour, and as a percentage of the sessions.

use std::collections::HashMap;
use std::sync::Arc;

use crate::audit_sink::{AuditContext, Event};
use crate::bindings::backends::Outcome;
use crate::budget::Budget;
use crate::consent::{Act, Consent, Proposal};
use crate::hourly::Hourly;
use crate::login::Login;
use crate::policy::{Policy, kill_cap};

/// Number of sessions that one call has ended, per database and in total.
#[derive(Default)]
pub(crate) struct KillCounter {
    pub(super) accounts: HashMap<(i64, i64), Account>,
    pub(super) spent: u64,
}

/// Limits shared between calls, and the consent that changes need.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedCaps {
    /// Acts of the last hour.
    pub(crate) hourly: Hourly,
    /// Consent to obtain before anything is sent; none when none is needed.
    pub(crate) consent: Option<Consent>,
    /// Budget that other hosts share.
    pub(crate) budget: Option<Budget>,
}

impl SharedCaps {
    /// Requests consent before something is sent to a server as this role, where consent is configured, and adds the
    /// decision to the event that `asked` creates. The error is the reason for which nothing may be sent.
    pub(crate) async fn ask(
        &self,
        author: &AuditContext,
        login: Login,
        role: &str,
        act: Act,
        asked: impl FnOnce() -> Event,
    ) -> Result<(), String> {
        let Some(consent) = &self.consent else { return Ok(()) };
        let text = |word: &Option<Arc<str>>| word.as_deref().map(str::to_owned);
        let proposal = Proposal {
            server: login.server,
            database: login.database,
            role: role.to_owned(),
            plugin: text(&author.plugin),
            tenant: text(&author.tenant),
            act,
        };
        let decision = consent.ask(proposal).await;
        let why = decision.as_ref().err().map(String::as_str);
        author.write(|| vec![asked().with("granted", why.is_none()).with_some("why", why)]).await;
        decision.map_err(|why| format!("consent was not given: {why}"))
    }
}

/// Cap and count of one database. The cap is fixed at a call's first delivery: ending sessions must not raise it.
#[derive(Clone, Copy)]
pub(super) struct Account {
    pub(super) cap: u64,
    pub(super) killable: u64,
    pub(super) clients: u64,
    pub(super) spent: u64,
}

impl Account {
    /// Opens the account of a database with these numbers of killable and of client sessions.
    pub(super) fn open(caps: &Caps, killable: u64, clients: u64) -> Self {
        Self { cap: kill_cap(caps.percentage, killable, clients), killable, clients, spent: 0 }
    }
}

/// Caps on the orders of one call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    percentage: u32,
    /// Name of the setting that the percentage comes from.
    setting: &'static str,
    max_kills: u32,
    pub(super) max_kills_per_hour: u32,
}

impl Caps {
    /// Takes the caps of the policy; `requested` is the request's own percentage, which can only lower the policy's.
    pub(super) fn new(policy: &Policy, requested: u32) -> Self {
        let (percentage, setting) = if requested < policy.max_kill_percentage {
            (requested, "options.maxKillPercentage")
        } else {
            (policy.max_kill_percentage, "the policy's max_kill_percentage")
        };
        Self { percentage, setting, max_kills: policy.max_kills, max_kills_per_hour: policy.max_kills_per_hour }
    }

    /// Returns the number of orders that the caps still allow when `spent` were sent in total. The error names the cap
    /// that is reached.
    pub(super) fn room(&self, account: &Account, spent: u64) -> Result<usize, String> {
        let Account { cap, killable, clients, spent: here } = *account;
        let (left, left_in_all) = (cap.saturating_sub(here), u64::from(self.max_kills).saturating_sub(spent));
        if left == 0 {
            return Err(format!(
                "the cap of {cap} ended sessions is reached: {} is {} % of {killable} killable among {clients} client \
                 sessions",
                self.setting, self.percentage
            ));
        }
        if left_in_all == 0 {
            let cap = self.max_kills;
            return Err(format!("the cap of {cap} ended sessions in one call is reached: the policy's max_kills"));
        }
        Ok(usize::try_from(left.min(left_in_all)).unwrap_or(usize::MAX))
    }

    /// Returns the outcome of an order beyond the cap per hour.
    pub(super) fn over_hour(&self) -> Outcome {
        Outcome::Denied(format!(
            "the cap of {} ended sessions an hour is reached for this database: the policy's max_kills_per_hour",
            self.max_kills_per_hour
        ))
    }
}

/// Returns true if an outcome counts towards the cap: the signal was sent, or may have been.
pub(super) fn counts(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Signalled | Outcome::Survived | Outcome::Failed(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_cap_applies_and_is_named() {
        let policy = Policy { max_kill_percentage: 50, max_kills: 4, max_kills_per_hour: 9, ..Policy::default() };
        let caps = Caps::new(&policy, 100);
        let mut account = Account::open(&caps, 20, 30);
        assert_eq!(caps.room(&account, 0), Ok(4));
        assert_eq!(caps.room(&account, 3), Ok(1));
        assert!(caps.room(&account, 4).unwrap_err().contains("max_kills"));
        account.spent = 10;
        assert!(caps.room(&account, 0).unwrap_err().contains("the policy's max_kill_percentage"));
        let requested = Caps::new(&policy, 10);
        assert!(requested.room(&Account::open(&requested, 9, 9), 0).unwrap_err().contains("options.maxKillPercentage"));
        assert!(matches!(caps.over_hour(), Outcome::Denied(why) if why.contains("max_kills_per_hour")));
    }
}
