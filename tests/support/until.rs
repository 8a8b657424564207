//! Waits for a condition.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Deadline far beyond the normal duration of any step, even on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Polls a condition until it is true.
///
/// # Errors
///
/// Returns the first error of the condition, or fails if it is not true within [`DEADLINE`].
pub async fn until(what: &str, condition: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    until_within(DEADLINE, what, condition).await
}

/// Polls like [`until`], with another deadline.
///
/// # Errors
///
/// Same as [`until`].
pub async fn until_within(
    deadline: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    while !condition().await? {
        if start.elapsed() > deadline {
            bail!("waited {} s in vain until {what}", deadline.as_secs());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Ok(())
}
