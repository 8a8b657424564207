//! Pages for people: the report of a target, and the overview of all. They show the last reports and query no database.

use archon_pool_report::Document;
use archon_pool_report::html::live::{Content, Trouble, Watched};
use archon_pool_report::html::{fleet, live};

use crate::status::TargetStatus;

/// Renderer of the pages.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    origin: Vec<(&'static str, String)>,
}

impl Pages {
    /// Creates a renderer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fact about the origin of all reports, such as the component.
    pub fn origin(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.origin.push((name, value.into()));
        self
    }

    /// Renders the overview.
    pub(crate) fn fleet<'s>(&self, targets: impl Iterator<Item = &'s TargetStatus>) -> Content {
        let targets: Vec<_> = targets.map(|status| (status, path(status.name()))).collect();
        let watched: Vec<_> = targets.iter().map(|(status, path)| watched(status, path)).collect();
        fleet(&watched)
    }

    /// Renders the page of a target.
    pub(crate) fn target(&self, status: &TargetStatus) -> Content {
        let path = path(status.name());
        let mut watched = watched(status, &path);
        watched.document = watched.document.map(|document| {
            let document = document.origin("target", status.name());
            self.origin.iter().fold(document, |document, (name, value)| document.origin(name, value.clone()))
        });
        live::target(&watched)
    }
}

fn watched<'s>(status: &'s TargetStatus, path: &'s str) -> Watched<'s> {
    let document = status
        .report
        .as_deref()
        .map(|report| Document::latest_of(report, &status.history).whole().locks(status.locks.as_deref()));
    let trouble = status.fault.as_ref().map(|fault| Trouble {
        fault,
        rounds: status.failures,
        last_success: status.last_success,
    });
    Watched { name: status.name(), path, document, trouble, at: status.last_round }
}

/// Returns the path of a target's page. Names in a targets file need no escape; the name of a credential may be any.
pub(crate) fn path(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let escaped = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    format!("/t/{}", name.bytes().map(escaped).collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use archon_pool_contract::fault::{Fault, kind};
    use archon_pool_contract::params::Options;
    use archon_pool_contract::report::Report;

    use super::*;
    use crate::progress::{Ended, after};

    fn report() -> Arc<Report> {
        let snapshot = serde_json::from_str(include_str!("../../../tests/fixtures/snapshot.json")).expect("a snapshot");
        Arc::new(archon_pool_plugin::analyse::analyse_snapshot(&snapshot, &Options::default(), None))
    }

    fn new(name: &str) -> TargetStatus {
        TargetStatus::new(name, tokio::time::Instant::now())
    }

    fn ended(outcome: Result<Arc<Report>, Fault>) -> Ended {
        Ended { outcome, locks: None, took: Duration::from_millis(40), cpu: Duration::from_millis(2) }
    }

    fn lost() -> Ended {
        ended(Err(Fault::new(kind::CONNECTION_LOST, "the server closed the connection")))
    }

    #[test]
    fn a_target_that_fails_shows_its_fault_and_its_last_report() {
        let mut status = after(&new("shop"), ended(Ok(report())), 20);
        for _ in 0..20 {
            status = after(&status, lost(), 20);
        }
        let page = Pages::new().target(&status);
        for shown in
            ["shop cannot be read: the server closed the connection", "20 rounds failed in a row", "usable in use"]
        {
            assert!(page.main().contains(shown), "{shown}: {}", page.main());
        }
        assert!(!Pages::new().target(&new("shop")).main().contains("cannot be read"));
    }

    #[test]
    fn the_numbers_of_an_hour_are_kept_and_no_more() {
        let report = report();
        let mut status = new("shop");
        for _ in 0..300 {
            status = after(&status, ended(Ok(Arc::clone(&report))), 20);
        }
        assert_eq!(status.history.len(), 120);
        let page = Pages::new().target(&status);
        assert!(page.main().contains("120 rounds from ") && page.main().len() < 400_000, "{} bytes", page.main().len());
    }

    #[test]
    fn a_thousand_targets_are_shown_in_time() {
        let report = report();
        let status = |number: usize| {
            let ended = if number.is_multiple_of(10) { lost() } else { ended(Ok(Arc::clone(&report))) };
            after(&new(&format!("t{number}")), ended, 20)
        };
        let targets: Vec<_> = (0..1_000).map(status).collect();
        let started = Instant::now();
        let page = Pages::new().fleet(targets.iter());
        let took = started.elapsed();
        assert!(
            page.main().len() < 1_000_000 && took < Duration::from_secs(1),
            "{} bytes, {took:?}",
            page.main().len()
        );
        assert_eq!(page.main().matches("<a href=\"/t/t").count(), 1_000);
        assert!(
            page.main().find("t990").unwrap() < page.main().find(">t1<").unwrap(),
            "those that are down come first"
        );
    }

    #[test]
    fn the_path_of_a_target_has_no_character_with_another_meaning() {
        assert_eq!(path("shop-1.eu_west"), "/t/shop-1.eu_west");
        assert_eq!(path("a b/c?<é>"), "/t/a%20b%2Fc%3F%3C%C3%A9%3E");
    }
}
