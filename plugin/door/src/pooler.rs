//! The console of a project's pooler: its settings.

use std::sync::Arc;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::value::Cell;
use archon_pool_query_endpoint::column_type::ColumnType;

use super::Component;
use super::api::Project;
use super::bindings::exports::archon::connection_pool::{database, pooler, types};
use super::credentials::Credential;
use super::database::into_wit;

/// The pooler of a project.
pub(super) struct Console(Arc<Project>);

impl pooler::Guest for Component {
    type Console = Console;
}

impl pooler::GuestConsole for Console {
    fn open(using: pooler::CredentialBorrow<'_>) -> Result<pooler::Console, types::Fault> {
        Ok(pooler::Console::new(Self(Arc::clone(&using.get::<Credential>().0))))
    }

    fn kind(&self) -> String {
        "supabase".to_owned()
    }

    fn show(&self, views: Vec<String>) -> Result<Vec<Result<database::RowSet, types::Fault>>, types::Fault> {
        let show = |view: &String| match view.as_str() {
            "config" => self.config(),
            view => Err(Fault::new(kind::UNSUPPORTED_VIEW, format!("Supabase's API has no view '{view}'"))),
        };
        Ok(views.iter().map(|view| show(view).map(into_wit).map_err(types::Fault::from)).collect())
    }
}

impl Console {
    fn config(&self) -> Result<RowSet, Fault> {
        let mut set = RowSet::with_columns(["key", "value"].map(|name| (name, ColumnType::Text.oid())));
        for (key, value) in self.0.settings()? {
            set.push([Cell::from(key), value.as_deref().map_or(Cell::Null, Cell::from)])?;
        }
        Ok(set)
    }
}
