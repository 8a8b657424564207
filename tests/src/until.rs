//! Waiting for a condition.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Far beyond what anything here takes on a busy machine; a test that waits this long has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Asks again and again until the answer is yes.
///
/// # Errors
///
/// With the first error of the condition, or when it has not come true within [`DEADLINE`].
pub async fn until(what: &str, condition: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    until_within(DEADLINE, what, condition).await
}

/// [`until`] with a deadline of its own.
///
/// # Errors
///
/// As [`until`].
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
