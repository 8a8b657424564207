//! `--ask`: confirmation on the terminal before a session is ended.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use archon_pool::Fault;
use archon_pool::consent::{Act, Decision, Proposal};
use archon_pool_contract::host_api::SizeOrder;

use archon_pool_report::sanitize;

/// Checks that stdin and stderr are a terminal.
pub(crate) fn possible() -> Result<(), Fault> {
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(());
    }
    Err(Fault::invalid("--ask: stdin and stderr must be a terminal: use --apply where nobody can be asked"))
}

/// Requests confirmation. Only an explicit yes is one.
pub(crate) async fn ask(proposal: Proposal) -> Decision {
    let answered = tokio::task::spawn_blocking(move || {
        // The lock is released before the answer comes: the deadline's message may have to be printed meanwhile.
        let mut stderr = io::stderr();
        stderr.write_all(question(&proposal).as_bytes()).and_then(|()| stderr.flush())?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    match answered.await {
        Ok(Ok(line)) if is_yes(&line) => Ok(()),
        Ok(Ok(_)) => Err("the answer was no".into()),
        Ok(Err(error)) => Err(format!("the terminal failed: {error}")),
        Err(_) => Err("the terminal was closed".into()),
    }
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim(), "y" | "Y" | "yes" | "Yes" | "YES")
}

fn question(proposal: &Proposal) -> String {
    let Proposal { server, database, role, act, .. } = proposal;
    let [role, database, server] = [role, database, server].map(|word| sanitize::line(word));
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = match act {
        Act::End { orders, at_most } => {
            for order in orders {
                let (state, reason) = (sanitize::line(&order.state), sanitize::line(&order.reason));
                let _ = writeln!(text, "  {:>7}  {state}: {reason}", order.target.pid);
            }
            let sessions = match orders.len() {
                1 => "this session".to_owned(),
                number if *at_most < number => format!("at most {at_most} of these {number} sessions"),
                number => format!("these {number} sessions"),
            };
            write!(text, "End {sessions} as '{role}' in '{database}' at {server}? [y/N] ")
        }
        Act::Send { statements } => {
            for statement in statements {
                let _ = writeln!(text, "  {}", sanitize::lines(statement).replace('\n', "\n  "));
            }
            let (count, s) = (statements.len(), if statements.len() == 1 { "" } else { "s" });
            write!(text, "Send {count} statement{s} as '{role}' in '{database}' at {server}? [y/N] ")
        }
        Act::Resize { before, order: SizeOrder { pool, size, reason } } => {
            let pool = pool.as_deref().map_or("the pool".into(), |pool| format!("pool '{}'", sanitize::line(pool)));
            let reason = sanitize::line(reason);
            write!(text, "  {reason}\nResize {pool} from {before} to {size} as '{role}' at {server}? [y/N] ")
        }
        Act::Reconnect { pool, reason } => {
            let [pool, reason] = [pool, reason].map(|word| sanitize::line(word));
            write!(text, "  {reason}\nReconnect the server connections of '{pool}' as '{role}' at {server}? [y/N] ")
        }
    };
    text
}

#[cfg(test)]
mod tests {
    use archon_pool_contract::host_api::Order;
    use archon_pool_contract::snapshot::SessionKey;

    use super::*;

    #[test]
    fn the_question_names_applications_server_and_number() {
        let order = |pid| Order {
            target: SessionKey { pid, backend_start: 0 },
            state: "idle in transaction".into(),
            state_change: 0,
            reason: "idle for 5 min\u{1b}[2J".into(),
        };
        let proposal = Proposal {
            server: "db:5432".into(),
            database: "shop".into(),
            role: "operator".into(),
            plugin: None,
            tenant: None,
            act: Act::End { orders: vec![order(7), order(12345)], at_most: 1 },
        };
        let question = question(&proposal);
        let lines: Vec<_> = question.lines().collect();
        assert_eq!(lines[0], "        7  idle in transaction: idle for 5 min\u{fffd}[2J");
        assert_eq!(lines[2], "End at most 1 of these 2 sessions as 'operator' in 'shop' at db:5432? [y/N] ");
    }

    #[test]
    fn the_question_names_the_old_and_the_new_size() {
        let order = SizeOrder { pool: None, size: 12, reason: "9 clients wait\u{1b}[2J".into() };
        let proposal = Proposal {
            server: "db:6432".into(),
            database: "pgbouncer".into(),
            role: "admin".into(),
            plugin: None,
            tenant: None,
            act: Act::Resize { before: 10, order },
        };
        let question = question(&proposal);
        let lines: Vec<_> = question.lines().collect();
        assert_eq!(lines[0], "  9 clients wait\u{fffd}[2J");
        assert_eq!(lines[1], "Resize the pool from 10 to 12 as 'admin' at db:6432? [y/N] ");
    }

    #[test]
    fn only_a_plain_yes_is_accepted() {
        for yes in ["y\n", "Y", " yes \n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yy", "yes, but", "ye"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
