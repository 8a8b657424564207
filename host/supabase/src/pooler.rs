//! A project's pooler as a console: its settings, and the size of its pools.
//!
//! Supavisor and the dedicated PgBouncer use the same size, for each of their own roles, databases and modes. A new
//! size restarts the pools and drops all of their clients, so it is changed only where the credential allows it, and
//! not again within a minimum time.

use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::rows::RowSet;
use archon_pool_core::bindings::Console;
use archon_pool_core::call_budget::CallBudget;
use archon_pool_core::login::Login;
use archon_pool_core::pooler::preview::ResizePreview;
use archon_pool_core::pooler::view::{self, View};
use archon_pool_postgres::target::Target;
use archon_pool_query_endpoint::pooler_settings;
use async_trait::async_trait;

use super::project::Project;

/// Pool sizes that the API accepts.
const SIZES: std::ops::RangeInclusive<u32> = 1..=3_000;
/// Minimum time between two resizes.
const APART: Duration = Duration::from_secs(10 * 60);
const DROPS: &str = "a new size restarts the pooler and drops all of its clients";

/// The pooler of a project.
pub(crate) struct Pooler {
    project: Project,
    target: Target,
}

impl Pooler {
    /// Creates the console, without a request.
    pub(crate) fn new(project: &Project, target: &Target) -> Self {
        Self { project: project.clone(), target: target.clone() }
    }

    async fn size(&self) -> Result<Option<u32>, Fault> {
        Ok(self.project.pooler().await?.default_pool_size)
    }
}

#[async_trait]
impl Console for Pooler {
    fn kind(&self) -> &'static str {
        "supabase"
    }

    fn login(&self) -> Login {
        self.target.login()
    }

    async fn show(&self, view: View, budget: &CallBudget) -> Result<RowSet, Fault> {
        if view != View::Config {
            return Err(view.unsupported("Supabase's API"));
        }
        let pooler = self.project.pooler().await?;
        let bouncer = self.project.pgbouncer().await?;
        view::config(&pooler_settings::by_name(&pooler, &bouncer.unwrap_or_default()), budget).map_err(Fault::from)
    }

    async fn resizable(&self, pool: Option<&str>, size: u32) -> Result<ResizePreview, Fault> {
        let before = self.size().await?;
        let refused = |why: String| Ok(ResizePreview::refused(before, why));
        if pool.is_some() {
            return refused("Supabase's pools have one size for all databases: none of them has its own".into());
        }
        if !SIZES.contains(&size) {
            return refused(format!("Supabase takes a size from {} to {}", SIZES.start(), SIZES.end()));
        }
        if !self.project.may_resize() {
            return refused(format!("{DROPS}: resize = \"supabase\" in the credential's entry allows it"));
        }
        if let Some(wait) = self.project.pace().until_resize(APART, Instant::now()) {
            return refused(too_soon(wait));
        }
        Ok(ResizePreview { before, note: Ok(format!("{DROPS}; it stays when the compute size changes")) })
    }

    async fn resize(&self, _: Option<&str>, size: u32) -> Result<Option<u32>, Fault> {
        let began = self.project.pace().begin_resize(APART, Instant::now());
        began.map_err(|wait| Fault::new(kind::OVERLOADED, too_soon(wait)))?;
        let changed = self.project.set_pool_size(size).await;
        // The size that is read back shows the result, also where the answer was lost.
        match (self.size().await, changed) {
            (Ok(after), Ok(())) => Ok(after),
            (Ok(after), Err(_)) if after == Some(size) => Ok(after),
            (Ok(_), Err(fault)) => Err(fault),
            (Err(_), Err(fault)) | (Err(fault), Ok(())) => {
                let message = format!("whether the pools have the new size is not known: {}", fault.message);
                Err(Fault { message, retryable: false, ..fault })
            }
        }
    }

    async fn reconnectable(&self, _: &str) -> Result<ResizePreview, Fault> {
        let why = "Supabase's API cannot reconnect the pooler's server connections without a restart of the pooler";
        Ok(ResizePreview::refused(None, why))
    }

    async fn reconnect(&self, _: &str) -> Result<(), Fault> {
        Err(Fault::new(kind::NO_POOLER, "Supabase's API cannot reconnect connections"))
    }
}

fn too_soon(wait: Duration) -> String {
    let minutes = APART.as_secs() / 60;
    format!("{DROPS}, so it is done once in {minutes} minutes: the next can be in {} s", wait.as_secs() + 1)
}
