//! Rules of other tools, each applied as its tool does, to the same looks.

use crate::classify::{Classification, ClassifiedLook};
use crate::sim::State;
use crate::time::MINUTE;

/// Rule that classifies sessions as suspects.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Name in the report.
    pub name: &'static str,
    /// Description, with the tools that use it.
    pub about: &'static str,
    /// Returns true if the session is a suspect.
    pub suspects: fn(&ClassifiedLook, &Classification) -> bool,
}

/// Thresholds from the tools' manuals and defaults.
const IDLE: i64 = 5 * MINUTE;
const CHECKOUT: i64 = MINUTE;
const SATURATED: f64 = 0.8;
const LONG: i64 = 5 * MINUTE;

/// All rules, the plugin's first.
pub const RULES: &[Rule] = &[
    Rule {
        name: "this judgement",
        about: "confidence from 80 % on, without an exclusion",
        suspects: |_, classification| classification.suspect,
    },
    Rule {
        name: "fixed idle threshold",
        about: "idle for more than 5 minutes (idle_session_timeout, cron jobs that end idle sessions)",
        suspects: |look, classification| {
            classification.seen.visible
                && classification.seen.state == State::Idle
                && look.at - classification.seen.state_change > IDLE
        },
    },
    Rule {
        name: "idle or idle in transaction",
        about: "both for more than 5 minutes, but for listeners (pgterminate)",
        suspects: |look, classification| {
            let seen = &classification.seen;
            seen.visible && seen.state != State::Active && !seen.shows_listen && look.at - seen.state_change > IDLE
        },
    },
    Rule {
        name: "state age by query",
        about: "not idle, and the last statement began more than 5 minutes ago (supabase inspect db long-running-queries)",
        suspects: |look, classification| {
            let seen = &classification.seen;
            let old = seen.query_start.is_some_and(|start| look.at - start > LONG);
            seen.visible && seen.state != State::Idle && old
        },
    },
    Rule {
        name: "saturation share",
        about: "more than 80 % of the slots taken: whatever is idle",
        suspects: |look, classification| {
            classification.seen.visible && look.used > SATURATED && classification.seen.state == State::Idle
        },
    },
    Rule {
        name: "checkout timer",
        about: "in the application's process: lent for more than a minute (HikariCP leakDetectionThreshold)",
        suspects: |look, classification| {
            let seen = &classification.seen;
            seen.counts_checkouts && seen.held.is_some_and(|since| look.at - since > CHECKOUT)
        },
    },
];
