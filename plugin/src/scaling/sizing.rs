//! Size for a demand: conditions and steps of growth and shrinking.
//!
//! A pool that is just as large as its mean demand makes clients wait half of the time, and how much more it
//! needs does not grow with the demand but with its square root (square-root staffing; Halfin and Whitt, "Heavy-traffic
//! limits for queues with many exponential servers", 1981). With a margin of β·√demand a client finds no free
//! session in about 22 % of all cases for β = 1, in 9 % for 1.5 and in 3 % for 2. The size is aimed at the middle
//! and left alone between the two others, which is the hysteresis.
//!
//! Growth is cheap, and late growth makes clients wait: one look that shows it is enough, and the next step only waits
//! until the last one can have had its effect. Shrinking gains little and costs later clients a wait: demand
//! must have been low for a while, at several looks. Where a resize itself hurts, both wait for long.

use archon_pool_contract::params::Options;
use archon_pool_contract::report::Headroom;
use archon_pool_contract::snapshot::elapsed_ms;

use crate::clock::{counted, span};

use super::history::{History, Resize};
use super::load::Load;

/// Smaller pools than this margin grow, in square roots of the demand.
const GROWS_BELOW: f64 = 1.0;
/// Margin that a resize aims at, in square roots of the demand.
pub const AIM: f64 = 1.5;
/// Larger pools than this margin shrink.
const SHRINKS_ABOVE: f64 = 2.0;
/// Share of the size that has to wait for one look to be enough to grow. A shorter queue may be chance.
const QUEUE: f64 = 0.1;

/// Pace at which a controller may be used. Times in milliseconds.
#[derive(Debug, PartialEq, Eq)]
pub struct Tempo {
    /// For how long, and over how many looks, demand must ask for growth.
    grows_after: (u64, u32),
    /// The pause between a resize and growth.
    growth_rests: u64,
    /// For how long, and over how many looks, demand must have been lower.
    shrinks_after: (u64, u32),
    /// The pause between growth and shrinking.
    shrink_rests_after_growth: u64,
    /// The pause between two reductions.
    shrink_rests: u64,
}

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// For controllers whose resize does not disturb clients. PgBouncer serves waiting clients within 0.6 s of a growth,
/// and closes idle server connections within about a second of a reduction.
pub const LIVELY: Tempo = Tempo {
    grows_after: (0, 1),
    growth_rests: 800,
    shrinks_after: (MINUTE_MS, 4),
    shrink_rests_after_growth: MINUTE_MS,
    shrink_rests: 10_000,
};

/// For controllers whose resize drops every client of the pool.
pub const RARE: Tempo = Tempo {
    grows_after: (10 * MINUTE_MS, 10),
    growth_rests: HOUR_MS,
    shrinks_after: (50 * MINUTE_MS, 30),
    shrink_rests_after_growth: 24 * HOUR_MS,
    shrink_rests: 24 * HOUR_MS,
};

/// Inputs of a decision.
pub struct Situation<'a> {
    /// The size now.
    pub size: u32,
    /// Load of the busiest pool.
    pub load: &'a Load,
    /// The size that other pools need which follow it: the size is not reduced below it.
    pub floor: u32,
    /// Headroom of the server.
    pub headroom: &'a Headroom,
    /// Demand until now, this look included.
    pub history: &'a History,
    /// The last change of the size, where it matters.
    pub resize: Option<&'a Resize>,
    /// Pace at which the controller may be used.
    pub tempo: &'static Tempo,
    /// True if sessions are opened as they are needed: then a size that is not used up needs no growth.
    pub opens_on_demand: bool,
    /// Bounds and rates.
    pub options: &'a Options,
    /// The time of this look, microseconds.
    pub now: i64,
}

/// Result of one decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The size to have next.
    pub target: u32,
    /// The reason.
    pub reason: String,
    /// The demand that this follows.
    pub peak: f64,
}

/// The size that a demand needs with a margin, in square roots of it.
pub fn staffed(demand: f64, margin: f64) -> u32 {
    // Saturating float-to-integer casts: a hostile snapshot gets a bound, not a wrap.
    (demand + margin * demand.sqrt()).ceil() as u32
}

impl Situation<'_> {
    /// Decides the next size.
    pub fn step(&self) -> Step {
        let demand = self.growing_demand();
        let (shrinks_ms, looks) = self.tempo.shrinks_after;
        let settled = self.history.highest(self.now, shrinks_ms, looks);
        let peak = settled.unwrap_or(0.0).max(demand);
        let (target, reason) = if let Some(bound) = self.bound() {
            bound
        } else if staffed(demand, GROWS_BELOW) > self.size {
            self.grow(demand)
        } else if self.size > self.ceiling() {
            self.cut()
        } else if staffed(peak, SHRINKS_ABOVE).saturating_add(self.load.lingering) < self.size {
            self.shrink(peak, settled.is_some())
        } else {
            let fits = || format!("{}: the size fits", self.follows(peak));
            (self.size, self.load.obstruction().unwrap_or_else(fits))
        };
        Step { target, reason, peak }
    }

    /// The demand that is sure enough to grow by: this look's when clients wait, or what several agree on.
    fn growing_demand(&self) -> f64 {
        let (ms, looks) = self.tempo.grows_after;
        if looks > 1 {
            return self.history.lowest(self.now, ms, looks).unwrap_or(0.0);
        }
        let present = self.history.present();
        let queues = self.load.lingering == 0 && self.load.queue >= QUEUE * f64::from(self.size);
        if queues { present.max(self.load.demand()) } else { present }
    }

    /// The bound that the size is outside of: no rate, pause or hindrance delays what was asked for.
    fn bound(&self) -> Option<(u32, String)> {
        let Options { min_size, max_size, .. } = *self.options;
        let available = self.headroom.available;
        if self.size > max_size {
            return Some((max_size.min(available.max(1)), format!("the pool is above maxSize {max_size}")));
        }
        let reachable = min_size.min(available);
        (self.size < reachable).then(|| {
            let limited = if reachable < min_size {
                format!(", of which the server's headroom allows {available}")
            } else {
                String::new()
            };
            (reachable, format!("the pool is below minSize {min_size}{limited}"))
        })
    }

    fn ceiling(&self) -> u32 {
        self.options.max_size.min(self.headroom.available)
    }

    fn grow(&self, demand: f64) -> (u32, String) {
        let Self { size, load, options, .. } = *self;
        let stay = |reason: String| (size, reason);
        let (wanted, ceiling) = (staffed(demand, AIM), self.ceiling());
        let bounded = wanted.max(options.min_size).min(ceiling);
        if bounded <= size {
            return if size > ceiling { self.cut() } else { stay(self.at_the_ceiling(demand)) };
        }
        if let Some(hindrance) = load.hindrance() {
            return stay(hindrance);
        }
        if let Some(ms) = self.rests(self.tempo.growth_rests) {
            return stay(format!(
                "{}, but the last resize was {} ago: its effect comes first",
                self.follows(demand),
                span(ms)
            ));
        }
        if self.opens_on_demand && load.open < size {
            return stay(self.not_opened(demand));
        }
        let growth = (f64::from(size) * f64::from(options.growth_rate) / 100.0).ceil().max(1.0) as u32;
        let why = if wanted > ceiling { self.at_the_ceiling(demand) } else { self.follows(demand) };
        (bounded.min(size.saturating_add(growth)), why)
    }

    fn shrink(&self, peak: f64, settled: bool) -> (u32, String) {
        let size = self.size;
        let follows = self.follows(peak);
        let (ms, looks) = self.tempo.shrinks_after;
        if !settled {
            return (size, format!("{follows}: shrinking waits for {looks} moments over {} that agree", span(ms)));
        }
        let grew = self.resize.is_some_and(|resize| resize.to > resize.from);
        let pause = if grew { self.tempo.shrink_rests_after_growth } else { self.tempo.shrink_rests };
        if let Some(ms) = self.rests(pause) {
            let reason =
                format!("{follows}, but the last resize was {} ago: shrinking waits for {}", span(ms), span(pause));
            return (size, reason);
        }
        let wanted = staffed(peak, AIM).saturating_add(self.load.lingering).max(self.floor).max(self.options.min_size);
        if wanted >= size {
            return (size, format!("{follows}: the size fits what other pools need, or minSize"));
        }
        (wanted.max(self.one_step_down()), follows)
    }

    /// Down to what the server allows, whatever the demand.
    fn cut(&self) -> (u32, String) {
        let why = format!("the pool is above the server's headroom of {}", self.headroom.available);
        if let Some(ms) = self.rests(self.tempo.shrink_rests) {
            return (self.size, format!("{why}; the last resize was {} ago", span(ms)));
        }
        (self.ceiling().max(self.one_step_down()).max(1).min(self.size), why)
    }

    fn one_step_down(&self) -> u32 {
        let shrink = (f64::from(self.size) * f64::from(self.options.shrink_rate) / 100.0).floor().max(1.0) as u32;
        self.size.saturating_sub(shrink)
    }

    /// Time since the last resize, if that is less than a pause.
    fn rests(&self, pause: u64) -> Option<u64> {
        let ms = elapsed_ms(self.resize?.at, self.now);
        (ms < pause).then_some(ms)
    }

    fn follows(&self, demand: f64) -> String {
        let Load { name, queued, max_wait_ms, .. } = self.load;
        let moments = counted(self.history.looks() as usize, "moment");
        let mut text = format!("demand peaked at {} over {moments}", crate::numbers::rounded(demand));
        if !name.is_empty() {
            text.push_str(&format!(" in pool {name}"));
        }
        if *queued > 0 {
            text.push_str(&format!(
                ", {} waiting for up to {}",
                counted(*queued as usize, "client"),
                span(*max_wait_ms)
            ));
        }
        text
    }

    fn at_the_ceiling(&self, demand: f64) -> String {
        format!("{}; {} is all that bounds and server allow", self.follows(demand), self.ceiling())
    }

    /// A pooler opens server connections as clients come: until it has opened what it may, a larger size
    /// changes nothing.
    fn not_opened(&self, demand: f64) -> String {
        let Load { open, queued, .. } = self.load;
        let follows = self.follows(demand);
        if *queued == 0 {
            return format!("{follows}, with {open} of {} connections open: the size fits", self.size);
        }
        format!(
            "{follows}, with {open} of {} connections open: the others are still being opened, or the server or a limit \
             refuses them, and a larger size changes neither",
            self.size
        )
    }
}
