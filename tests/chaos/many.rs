//! Many targets for a long time: memory stays flat, each has one session, and none is left at the end.

use std::time::Duration;

use anyhow::{Result, ensure};
use archon_pool_tests::latencies::Latencies;
use archon_pool_tests::soak::{mebibytes, report, soak_duration};
use archon_pool_tests::{Cluster, http, until};
use tokio::time::{Instant, interval};

use super::{MONITOR, serving};

/// Targets of a short run, and of a long one.
const TARGETS: [usize; 2] = [20, 200];

/// Growth of memory that is no leak: buffers of the largest round.
const GROWTH: u64 = 32;

/// Slope of the line with the least squares of distances.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let both: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let squares: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if squares > 0.0 { both / squares } else { 0.0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_with_many_targets() -> Result<()> {
    let duration = soak_duration(25)?;
    let is_long = duration >= Duration::from_secs(300);
    let count = TARGETS[usize::from(is_long)];
    let cluster = Cluster::builder().setting("max_connections", count + 20).start().await?;
    cluster.create_role(MONITOR, "IN ROLE pg_monitor").await?;
    let names: Vec<String> = (0..count).map(|number| format!("t{number}")).collect();
    let urls: Vec<_> = names.iter().map(|name| (name.as_str(), cluster.url(MONITOR, "postgres"))).collect();
    let folder = tempfile::tempdir()?;
    let pace = if is_long { "30" } else { "5" };
    let serving = serving(folder.path(), &urls, &["--interval", pace]).await?;
    let status = format!("/proc/{}/status", serving.id());
    let (start, mut latencies, mut memory) = (Instant::now(), Latencies::default(), Vec::new());
    let mut ticks = interval(Duration::from_secs(1));
    while start.elapsed() < duration {
        ticks.tick().await;
        let (answer, took) = http::timed(serving.port(), "/metrics").await?;
        ensure!(answer.status == 200, "status {}", answer.status);
        latencies.add(took);
        // After some rounds of each target.
        if start.elapsed() > duration / 4 {
            memory.push((start.elapsed().as_secs_f64(), mebibytes(&status, "VmRSS:")? as f64));
        }
    }
    let (before, after) =
        (memory.first().map_or(0, |first| first.1 as u64), memory.last().map_or(0, |last| last.1 as u64));
    let sessions = cluster.count("application_name = 'archon-pool'").await?;
    ensure!(sessions <= i64::try_from(count)?, "{sessions} sessions of {count} targets");
    ensure!(after <= before + GROWTH, "memory grew from {before} to {after} MiB");
    let scrape = serving.scrape().await?;
    let up = scrape.lines().filter(|line| line.starts_with("archon_pool_up{") && line.ends_with(" 1.0")).count();
    ensure!(up == count, "{up} of {count} targets are up");
    serving.signal("TERM")?;
    ensure!(serving.end().await?.code() == Some(0), "{}", serving.log());
    until("no session is left", async || Ok(cluster.count("application_name = 'archon-pool'").await? == 0)).await?;
    report(&format!(
        "{count} targets for {} s: {before} MiB after a quarter, {after} MiB at the end, {:+.2} MiB a minute between; a \
         scrape of {} KiB: {latencies}",
        duration.as_secs(),
        slope(&memory) * 60.0,
        scrape.len() >> 10,
    ));
    Ok(())
}
