//! Origin of the page: program, component, settings and digests.

use maud::{Markup, html};

use crate::document::Document;

use super::parts::{fields, section};

/// Renders the section; nothing where nothing is known.
pub(super) fn origin(document: &Document<'_>) -> Markup {
    if document.facts().is_empty() {
        return Markup::default();
    }
    section("origin", "About this report", &html! { (fields(document.facts())) })
}
