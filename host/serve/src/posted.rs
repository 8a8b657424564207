//! A target's status as it is shown, with its page, which is rendered at most once.

use std::sync::{Arc, OnceLock};

use archon_pool_report::html::live::Content;

use crate::pages::Pages;
use crate::status::TargetStatus;

/// Status of a target, and its page from the first request on. The next round replaces both.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) status: Arc<TargetStatus>,
    id: String,
    page: OnceLock<Arc<Rendered>>,
}

/// A rendered page.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// Identity of the content: another content has another one.
    pub(crate) id: String,
    pub(crate) content: Content,
}

impl Posted {
    /// Creates it for a status, under an identity of its own.
    pub(crate) fn new(status: TargetStatus, id: String) -> Self {
        Self { status: Arc::new(status), id, page: OnceLock::new() }
    }

    /// Returns the page. The first caller renders it, and the others wait meanwhile: not for an asynchronous thread.
    pub(crate) fn page(&self, pages: &Pages) -> Arc<Rendered> {
        let render = || Arc::new(Rendered { id: self.id.clone(), content: pages.target(&self.status) });
        Arc::clone(self.page.get_or_init(render))
    }
}
