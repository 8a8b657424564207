//! `audit verify`: verification of a log, as text and as JSON.

use std::fs::File;
use std::io::BufReader;

use archon_pool::Fault;
use archon_pool::audit::{self, Broken, Head, Summary, Unfinished};
use archon_pool_report::sanitize;
use serde_json::{Value, json};

use super::args::{Auditing, Verifying};
use super::error::CliError;
use super::exit::Exit;
use super::terminal::Terminal;

/// Runs a command on a log.
pub(crate) fn audit(what: &Auditing, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let Auditing::Verify(Verifying { file, head }) = what;
    let kept = head.as_deref().map(str::parse::<Head>).transpose()?;
    let unreadable = |error: std::io::Error| {
        Fault::new("file-not-read", format!("the audit log {} could not be read: {error}", file.display()))
    };
    let log = BufReader::new(File::open(file).map_err(unreadable)?);
    match audit::verify(log, kept) {
        Err(Broken::Unreadable(error)) => Err(unreadable(error).into()),
        Ok(summary) => {
            if terminal.wants_json() {
                terminal.json(&sound(&summary))?;
            } else {
                terminal.data(&page(&summary))?;
            }
            Ok(Exit::Healthy)
        }
        Err(broken) => {
            if terminal.wants_json() {
                terminal.json(&unsound(&broken))?;
            } else {
                terminal.data(&format!("broken: {}", sanitize::line(&broken.to_string())))?;
            }
            Ok(Exit::Findings)
        }
    }
}

fn sound(summary: &Summary) -> Value {
    let unfinished = |order: &Unfinished| {
        json!({
            "seq": order.seq, "time": order.time, "server": order.server, "database": order.database, "pid": order.pid,
            "backendStart": order.backend_start, "signal": order.signal, "statement": order.statement, "reason": order.reason,
        })
    };
    json!({
        "sound": true,
        "lines": summary.lines,
        "torn": summary.torn,
        "first": summary.first,
        "last": summary.last,
        "head": { "seq": summary.head.seq, "hash": summary.head.hash.map(|hash| hash.to_string()) },
        "unfinished": summary.unfinished.iter().map(unfinished).collect::<Vec<_>>(),
    })
}

fn unsound(broken: &Broken) -> Value {
    let (line, why) = match broken {
        Broken::Line { number, why } => (Some(*number), why.clone()),
        other => (None, other.to_string()),
    };
    json!({ "sound": false, "line": line, "why": why })
}

fn page(summary: &Summary) -> String {
    let mut lines = vec![format!("sound: {} lines", summary.lines)];
    if let (Some(first), Some(last)) = (&summary.first, &summary.last) {
        lines.push(format!("from {} to {}", sanitize::line(first), sanitize::line(last)));
        lines.push(format!("head {}", summary.head));
    }
    if summary.torn > 0 {
        lines.push(format!("torn lines, marked as such: {}", summary.torn));
    }
    if !summary.unfinished.is_empty() {
        lines.push("orders without an outcome, which may or may not have been sent:".into());
    }
    for order in &summary.unfinished {
        let Unfinished { seq, time, server, database, pid, signal, statement, reason, .. } = order;
        let whom = statement.clone().unwrap_or_else(|| pid.to_string());
        let line = format!("  seq {seq}, {time}: {signal} {whom} in '{database}' at {server}: {reason}");
        lines.push(sanitize::line(&line));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_names_the_head_and_the_orders_without_an_outcome() {
        let order = Unfinished {
            seq: 9,
            time: "2026-11-23T17:36:29.120Z".into(),
            server: "db:5432".into(),
            database: "shop".into(),
            pid: 7,
            backend_start: 0,
            signal: "terminate".into(),
            statement: None,
            reason: "idle\u{1b}[2J".into(),
        };
        let head = format!("9:{}", "ab".repeat(32)).parse::<Head>().expect("a head");
        let time = || Some("2026-11-23T17:36:29.120Z".to_owned());
        let summary = Summary { lines: 9, torn: 1, first: time(), last: time(), head, unfinished: vec![order] };
        let page = page(&summary);
        assert!(page.contains(&format!("head {head}")), "{page}");
        assert!(page.ends_with("seq 9, 2026-11-23T17:36:29.120Z: terminate 7 in 'shop' at db:5432: idle\u{fffd}[2J"));
        assert_eq!(sound(&summary)["unfinished"][0]["pid"], 7);
        let broken = Broken::Line { number: 3, why: "it was changed".into() };
        assert_eq!(unsound(&broken), json!({ "sound": false, "line": 3, "why": "it was changed" }));
    }
}
