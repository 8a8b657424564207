//! Parts of all sections: titles, fields, and lists within a number of bytes.

use maud::{Markup, PreEscaped, html};

use crate::text::Fields;

/// Maximum number of items of a list.
pub(super) const MOST: usize = 500;
/// Maximum size of a list, bytes: all lists of a page together are smaller than 2 MB, also with long texts.
pub(super) const LIST: usize = 96 << 10;

/// Renders a section under its title.
pub(super) fn section(id: &str, title: &str, content: &Markup) -> Markup {
    html! {
        section id=(id) aria-labelledby=(format!("{id}-title")) {
            h2 id=(format!("{id}-title")) { (title) }
            (content)
        }
    }
}

/// Renders names and values.
pub(super) fn fields(fields: &Fields) -> Markup {
    html! {
        dl {
            @for (name, value) in fields {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// Renders items one after the other, within a number of items and bytes, and returns the number left out.
pub(super) fn limited<T>(
    items: impl ExactSizeIterator<Item = T>,
    bytes: usize,
    render: impl Fn(T) -> Markup,
) -> (Markup, usize) {
    let (all, mut shown, mut text) = (items.len(), 0, String::new());
    for item in items.take(MOST) {
        let item = render(item).into_string();
        if text.len() + item.len() > bytes {
            break;
        }
        text.push_str(&item);
        shown += 1;
    }
    (PreEscaped(text), all - shown)
}

/// Renders the number of items left out.
pub(super) fn more(more: usize) -> Markup {
    html! {
        @if more > 0 {
            p.more { "… and " (more) " more: the JSON has them all (" code { "--json" } ")." }
        }
    }
}

/// Renders one statement after a sign; the sign repeats what the class says by colour.
pub(super) fn statement(class: &str, mark: &str, text: &str) -> Markup {
    html! {
        p class=(format!("statement {class}")) {
            span.mark aria-hidden="true" { (mark) } " " (text)
        }
    }
}
