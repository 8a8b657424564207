//! Tables: the rows of a text report's table.

use maud::{Markup, html};

use crate::table::Table;

use super::parts::{LIST, limited, more};

/// Renders a table under a caption. It scrolls by itself where the page is narrower.
pub(super) fn table(table: &Table, caption: &str) -> Markup {
    let columns = table.columns();
    let class = |column: usize| columns.get(column).is_some_and(|column| column.is_number()).then_some("number");
    let (rows, left_out) = limited(table.rows().iter(), LIST, |row| {
        html! {
            tr {
                @for (column, cell) in row.iter().enumerate() {
                    @if column == 0 {
                        th scope="row" class=[class(column)] { (cell) }
                    } @else {
                        td class=[class(column)] { (cell) }
                    }
                }
            }
        }
    });
    html! {
        div.scroll role="region" aria-label=(caption) tabindex="0" {
            table {
                caption { (caption) }
                thead {
                    tr {
                        @for (column, heading) in columns.iter().enumerate() {
                            th scope="col" class=[class(column)] { (heading.title()) }
                        }
                    }
                }
                tbody { (rows) }
            }
        }
        (more(left_out))
    }
}
