//! Quotas of a tenant per minute.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};

/// Time in which an exhausted quota is restored in full.
const MINUTE: Duration = Duration::from_secs(60);

/// Quotas of a tenant. The number of sessions that it may end in an hour is part of its policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    /// Calls per minute; all of them at once after an idle minute.
    pub calls_per_minute: u32,
    /// CPU time of its components per minute. The call that exceeds it is finished within its own limit; the next is
    /// refused until the time is restored.
    pub cpu_per_minute: Duration,
    /// Concurrent calls.
    pub concurrent_calls: usize,
    /// Queued calls; one more is refused as overloaded.
    pub waiting_calls: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { calls_per_minute: 600, cpu_per_minute: Duration::from_secs(20), concurrent_calls: 4, waiting_calls: 16 }
    }
}

/// The rest of a tenant's quotas.
#[derive(Debug)]
pub(crate) struct Account {
    quotas: Quotas,
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    calls: Bucket,
    cpu: Bucket,
    computed: Lately,
}

impl Account {
    pub(crate) fn new(quotas: Quotas) -> Self {
        let now = Instant::now();
        let calls = Bucket::full(f64::from(quotas.calls_per_minute), now);
        let cpu = Bucket::full(quotas.cpu_per_minute.as_secs_f64(), now);
        Self { quotas, left: Mutex::new(Left { calls, cpu, computed: Lately::new(now) }) }
    }

    pub(crate) fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// Takes one call out of the quotas; the fault names the exhausted one and the time to wait.
    pub(crate) fn take_call(&self) -> Result<(), Fault> {
        let mut left = self.left();
        let now = Instant::now();
        left.cpu.at_least(f64::MIN_POSITIVE, now).map_err(|wait| {
            let quota = self.quotas.cpu_per_minute.as_millis();
            used_up(&format!("{quota} ms of processor time a minute"), wait, "cpu_per_minute")
        })?;
        left.calls.at_least(1.0, now).map_err(|wait| {
            used_up(&format!("{} calls a minute", self.quotas.calls_per_minute), wait, "calls_per_minute")
        })?;
        left.calls.spend(1.0);
        Ok(())
    }

    /// Returns the recent CPU time of its calls.
    pub(crate) fn computed(&self) -> Duration {
        self.left().computed.at(Instant::now())
    }

    /// Charges the CPU time of a call.
    pub(crate) fn charge(&self, cpu: Duration) {
        let mut left = self.left();
        left.cpu.spend(cpu.as_secs_f64());
        left.computed.add(cpu, Instant::now());
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        // Nothing that holds the lock can panic halfway through a change.
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn used_up(what: &str, wait: Option<Duration>, setting: &str) -> Fault {
    let when = wait.map_or(String::new(), |wait| format!(", some is back in {} ms", wait.as_millis().max(1)));
    let message = format!("the tenant has used up its {what}{when}: quota `{setting}`");
    Fault { retryable: wait.is_some(), ..Fault::new(kind::QUOTA_EXCEEDED, message) }
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    level: f64,
    capacity: f64,
    at: Instant,
}

impl Bucket {
    fn full(capacity: f64, now: Instant) -> Self {
        Self { level: capacity, capacity, at: now }
    }

    /// Checks that the bucket holds this amount; the error is the time until it does, if ever.
    fn at_least(&mut self, amount: f64, now: Instant) -> Result<(), Option<Duration>> {
        let rate = self.capacity / MINUTE.as_secs_f64();
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.level, self.at) = ((self.level + passed * rate).min(self.capacity), now.max(self.at));
        if self.level >= amount {
            return Ok(());
        }
        let wait = (amount <= self.capacity).then(|| Duration::try_from_secs_f64((amount - self.level) / rate).ok());
        Err(wait.flatten())
    }

    fn spend(&mut self, amount: f64) {
        self.level -= amount;
    }
}

/// CPU time that is assumed of a new tenant, so that many new ones do not take precedence over those with a low
/// measured use. Each call halves it; waiting does not.
const UNKNOWN: Duration = Duration::from_millis(200);

/// Exponentially decayed CPU use per tenant, halved every minute.
///
/// The quota alone does not show it: a tenant that uses no more than is restored has its full quota.
#[derive(Debug)]
struct Lately {
    unknown: Duration,
    time: Duration,
    at: Instant,
}

impl Lately {
    fn new(now: Instant) -> Self {
        Self { unknown: UNKNOWN, time: Duration::ZERO, at: now }
    }

    fn at(&self, now: Instant) -> Duration {
        self.known(now).saturating_add(self.unknown)
    }

    fn known(&self, now: Instant) -> Duration {
        let minutes = now.saturating_duration_since(self.at).as_secs_f64() / MINUTE.as_secs_f64();
        self.time.mul_f64((-minutes).exp2())
    }

    /// Adds a call.
    fn add(&mut self, time: Duration, now: Instant) {
        (self.time, self.at) = (self.known(now).saturating_add(time), now.max(self.at));
        self.unknown /= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted() {
        let account = Account::new(Quotas { calls_per_minute: 2, ..Quotas::default() });
        assert!(account.take_call().is_ok() && account.take_call().is_ok());
        let fault = account.take_call().unwrap_err();
        assert_eq!((fault.kind.as_str(), fault.retryable), (kind::QUOTA_EXCEEDED, true));
        assert!(fault.message.contains("`calls_per_minute`"), "{fault}");
    }

    #[test]
    fn cpu_time_is_charged_after_the_call() {
        let account = Account::new(Quotas { cpu_per_minute: Duration::from_secs(1), ..Quotas::default() });
        assert!(account.take_call().is_ok());
        account.charge(Duration::from_secs(3));
        let fault = account.take_call().unwrap_err();
        assert!(fault.message.contains("`cpu_per_minute`") && fault.retryable, "{fault}");
    }

    #[test]
    fn heavy_cpu_use_is_remembered_after_the_quota_is_restored() {
        let start = Instant::now();
        let (mut much, mut little) = (Lately::new(start), Lately::new(start));
        for call in 0..10 {
            let now = start + Duration::from_secs(20) * call;
            much.add(Duration::from_millis(200), now);
            little.add(Duration::from_millis(20), now);
        }
        let later = start + Duration::from_secs(200);
        assert!(much.at(later) > little.at(later) * 5);
        assert!(much.at(later + MINUTE * 10) < Duration::from_millis(1));
    }

    #[test]
    fn a_new_tenant_is_queued_after_tenants_with_little_cpu_use() {
        let start = Instant::now();
        let (newcomer, mut modest) = (Lately::new(start), Lately::new(start));
        for call in 0..4 {
            modest.add(Duration::from_millis(10), start + Duration::from_secs(7) * call);
        }
        let later = start + Duration::from_secs(28);
        assert!(newcomer.at(later) > modest.at(later) * 3);
    }

    #[test]
    fn a_quota_of_zero_is_never_restored() {
        let account = Account::new(Quotas { calls_per_minute: 0, ..Quotas::default() });
        assert!(!account.take_call().unwrap_err().retryable);
    }

    #[test]
    fn used_quota_is_restored_linearly_up_to_the_quota() {
        let start = Instant::now();
        let mut bucket = Bucket::full(60.0, start);
        bucket.spend(60.0);
        assert_eq!(bucket.at_least(5.0, start), Err(Some(Duration::from_secs(5))));
        assert!(bucket.at_least(5.0, start + Duration::from_secs(6)).is_ok());
        assert!(bucket.at_least(61.0, start + Duration::from_secs(600)).is_err());
        assert!(bucket.level <= 60.0);
    }
}
