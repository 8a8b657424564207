//! Pages for people. A renderer of an embedding program takes the place of the plain index.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::status::TargetStatus;

/// Renderer of the pages.
pub trait Pages: fmt::Debug + Send + Sync {
    /// Returns the page at `/`, as HTML.
    fn index(&self, targets: &[Arc<TargetStatus>]) -> String;

    /// Returns the page of a target at `/t/NAME`, as HTML; none when there are no such pages.
    fn target(&self, target: &TargetStatus) -> Option<String>;
}

/// An index with links to the metrics, and no page of a target.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainIndex;

impl Pages for PlainIndex {
    fn index(&self, targets: &[Arc<TargetStatus>]) -> String {
        let mut page = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>archon-pool</title>\n\
                        <h1>archon-pool</h1>\n<p><a href=\"/metrics\">metrics of all targets</a></p>\n<ul>\n"
            .to_owned();
        for status in targets {
            let state = match status.up() {
                None => "no round yet",
                Some(true) => "up",
                Some(false) => "down",
            };
            // A name has letters, digits, '_', '.' and '-' alone.
            let name = escaped(status.name());
            let _ = writeln!(page, "<li><a href=\"/metrics?target={name}\">{name}</a>: {state}</li>");
        }
        page.push_str("</ul>\n</html>\n");
        page
    }

    fn target(&self, _: &TargetStatus) -> Option<String> {
        None
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
