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
    let document = status.report.as_deref().map(|report| Document::latest_of(report, &status.history).whole());
    let trouble = status.fault.as_ref().map(|fault| Trouble {
        fault,
        rounds: status.failures,
        at: status.last_round,
        last_success: status.last_success,
    });
    Watched { name: status.name(), path, document, trouble }
}

/// Returns the path of a target's page. Names in a targets file need no escape; the name of a credential may be any.
pub(crate) fn path(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let escaped = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    format!("/t/{}", name.bytes().map(escaped).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_target_has_no_character_with_another_meaning() {
        assert_eq!(path("shop-1.eu_west"), "/t/shop-1.eu_west");
        assert_eq!(path("a b/c?<é>"), "/t/a%20b%2Fc%3F%3C%C3%A9%3E");
    }
}
