//! Pages for people: reports that follow the rounds by streams of events.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::{Serving, http, until};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{rounds, serving};
use crate::actions::cluster;

/// Streams that the program serves at the same time.
const STREAMS: usize = 32;

/// Time in which an event must come on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stream of events.
pub(super) struct Stream {
    status: u16,
    lines: Lines<BufReader<TcpStream>>,
}

impl Stream {
    pub(super) async fn open(serving: &Serving, path: &str, headers: &[&str]) -> Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", serving.port())).await?;
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        // Version 1.0 has no chunks.
        let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut lines = BufReader::new(stream).lines();
        let first = timeout(PATIENCE, lines.next_line()).await??.context("an answer")?;
        let status = first.split(' ').nth(1).context("a status")?.parse()?;
        Ok(Self { status, lines })
    }

    /// Returns the next line with this beginning, without it; none at the end of the stream.
    pub(super) async fn next(&mut self, beginning: &str) -> Result<Option<String>> {
        let reading = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(rest) = line.strip_prefix(beginning) {
                    return anyhow::Ok(Some(rest.to_owned()));
                }
            }
            Ok(None)
        };
        timeout(PATIENCE, reading).await.with_context(|| format!("no line {beginning}"))?
    }
}

#[tokio::test]
async fn a_page_has_the_report_and_its_stream_the_next_ones() -> Result<()> {
    let cluster = cluster().await?;
    let _idle = cluster.app("app", "<b>shop</b>").idle_many(3, "SELECT 1").await?;
    let serving = serving(&cluster, &["--interval", "1"]).await?;
    rounds(&serving, "default", 2.0).await?;
    let overview = serving.get("/").await?;
    ensure!(overview.body.contains("<a href=\"/t/default\">default</a>"), "{}", overview.body);
    let page = serving.get("/t/default").await?;
    let policy = "content-security-policy: default-src 'none'; script-src 'self';";
    ensure!(page.head.contains(policy) && page.head.contains("frame-ancestors 'none'"), "{}", page.head);
    ensure!(page.head.contains("x-content-type-options: nosniff"), "{}", page.head);
    ensure!(page.body.contains("&lt;b&gt;shop&lt;/b&gt;") && !page.body.contains("<b>shop"), "{}", page.body);
    ensure!(serving.get("/live.js").await?.head.contains("text/javascript"));
    for unknown in ["/t/other", "/t/other/events", "/t/", "/t/default/"] {
        ensure!(serving.get(unknown).await?.status == 404, "{unknown}");
    }

    let seen = page.body.split("data-seen=\"").nth(1).and_then(|rest| rest.split('"').next()).context("an identity")?;
    let mut stream = Stream::open(&serving, &format!("/t/default/events?build=1.0.0&seen={seen}"), &[]).await?;
    ensure!(stream.next("retry: ").await?.as_deref() == Some("3000"));
    let mut earlier = seen.to_owned();
    for _ in 0..3 {
        let id = stream.next("id: ").await?.context("an event")?;
        ensure!(id != earlier, "each event has another page");
        ensure!(stream.next("data: <main data-title=").await?.is_some());
        earlier = id;
    }
    let mut other = Stream::open(&serving, "/events?build=0.9.0", &[]).await?;
    ensure!(other.next("event: ").await?.as_deref() == Some("reload"), "the page of another version is loaded again");
    ensure!(other.next("event: ").await?.is_none(), "and its stream ends");
    Ok(())
}

#[tokio::test]
async fn a_hundred_streams_keep_no_scrape_waiting() -> Result<()> {
    let cluster = cluster().await?;
    let serving = serving(&cluster, &["--interval", "1"]).await?;
    let mut open = Vec::new();
    for number in 0..100 {
        let stream = Stream::open(&serving, "/t/default/events", &[]).await?;
        let wanted = if number < STREAMS { 200 } else { 503 };
        ensure!(stream.status == wanted, "stream {number}: {}", stream.status);
        open.push(stream);
    }
    let (answer, took) = http::timed(serving.port(), "/metrics").await?;
    ensure!(answer.status == 200 && took < Duration::from_secs(3), "a scrape took {took:?}");
    ensure!(serving.get("/t/default").await?.status == 200);
    for stream in &mut open[..STREAMS] {
        ensure!(stream.next("data: <main").await?.is_some(), "each gets the page");
    }
    drop(open);
    let is_free = async || Ok(Stream::open(&serving, "/events", &[]).await?.status == 200);
    until("a stream is free", is_free).await
}

#[tokio::test]
async fn the_page_of_a_target_has_its_tree_of_locks() -> Result<()> {
    let cluster = cluster().await?;
    let holder = cluster.app("app", "invoice-worker");
    let holder = holder.idle_in_transaction("UPDATE stock SET n = 1 WHERE id = 1").await?;
    let mut waiter = cluster.app("app", "<i>report</i>").waiting("UPDATE stock SET n = 2 WHERE id = 1").await?;
    let serving = serving(&cluster, &["--interval", "1"]).await?;
    let tree = async || {
        let page = serving.get("/t/default").await?.body;
        Ok::<_, anyhow::Error>(page.split_once("<ul class=\"tree\">").map(|(_, rest)| rest.to_owned()))
    };
    until("the tree is shown", async || Ok(tree().await?.is_some())).await?;
    let shown = tree().await?.context("a tree")?;
    let places = [format!("pid {}, invoice-worker", holder.pid()), format!("pid {}, &lt;i&gt;report", waiter.pid())]
        .map(|name| shown.find(&name));
    ensure!(places[0].is_some() && places[0] < places[1], "the holder is first: {shown}");
    drop(holder);
    waiter.finish().await?;
    until("nobody waits any more", async || {
        let page = serving.get("/t/default").await?.body;
        Ok(page.contains("No session waits for a lock.") && !page.contains("<ul class=\"tree\">"))
    })
    .await
}

#[tokio::test]
async fn a_page_of_another_site_gets_no_stream() -> Result<()> {
    let cluster = cluster().await?;
    let serving = serving(&cluster, &["--interval", "1"]).await?;
    for (site, wanted) in [("cross-site", 403), ("same-site", 403)] {
        let header = format!("Sec-Fetch-Site: {site}");
        ensure!(http::get(serving.port(), "/events", &[&header]).await?.status == wanted, "{site}");
    }
    // A link to a page is followed.
    ensure!(http::get(serving.port(), "/t/default", &["Sec-Fetch-Site: cross-site"]).await?.status == 200);
    Ok(())
}

#[tokio::test]
async fn open_streams_end_with_the_program() -> Result<()> {
    let cluster = cluster().await?;
    let serving = serving(&cluster, &["--interval", "1"]).await?;
    let mut streams = Vec::new();
    for path in ["/events", "/t/default/events"] {
        let mut stream = Stream::open(&serving, path, &[]).await?;
        ensure!(stream.next("data: <main").await?.is_some());
        streams.push(stream);
    }
    let started = Instant::now();
    serving.signal("TERM")?;
    for mut stream in streams {
        while stream.next("").await?.is_some() {}
    }
    ensure!(serving.end().await?.code() == Some(0), "{}", serving.log());
    // Without streams it takes as long: a round may finish within five seconds.
    ensure!(started.elapsed() < Duration::from_secs(8), "it took {:?}", started.elapsed());
    Ok(())
}
