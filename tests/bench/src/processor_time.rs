//! Measures the processor time of the current thread for criterion, so that other load on the machine is excluded, and
//! that of a server's processes.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use criterion::Criterion;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use rustix::time::{ClockId, clock_gettime};

/// Processor clock of the current thread.
#[derive(Debug)]
pub struct ProcessorTime;

impl Measurement for ProcessorTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        now()
    }

    fn end(&self, start: Duration) -> Duration {
        now() - start
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// Configures criterion with this clock and a short time for each benchmark.
pub fn criterion() -> Criterion<ProcessorTime> {
    Criterion::default()
        .with_measurement(ProcessorTime)
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args()
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // This clock never returns a negative value.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Clock ticks per second in `/proc`: fixed by the kernel's interface, independent of its own tick rate.
const TICKS_PER_SECOND: f64 = 100.0;

/// Returns the processor time of a process with a single thread, such as a backend of PostgreSQL.
pub fn of_process(pid: i32) -> Result<Duration> {
    let path = format!("/proc/{pid}/schedstat");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let nanos = text.split_whitespace().next().context(path)?.parse()?;
    Ok(Duration::from_nanos(nanos))
}

/// Returns the processor time of all ended children of a process that it has waited for; `self` is this process.
pub fn of_children(process: &str) -> Result<Duration> {
    // Fields 16 and 17.
    of_stat(process, 13)
}

/// Returns the processor time of a process with all threads that it has had.
pub fn of_all_threads(process: u32) -> Result<Duration> {
    // Fields 14 and 15.
    of_stat(&process.to_string(), 11)
}

/// Returns the sum of two times in `/proc/PID/stat`, of which the first follows so many fields after the program's name.
fn of_stat(process: &str, after: usize) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).context(path)?;
    // The program's name, in brackets, may contain blanks: `proc(5)`.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks = fields.skip(after).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(Duration::from_secs_f64(ticks / TICKS_PER_SECOND))
}
