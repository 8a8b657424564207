//! Calls of the tools that read.

use archon_pool_contract::fault::Fault;
use archon_pool_contract::params::Action;
use archon_pool_contract::report::Report;
use archon_pool_core::host::Host;
use archon_pool_core::plugin::Plugin;
use archon_pool_core::policy::Policy;
use rmcp::model::CallToolResult;
use serde_json::{Map, Value, json};

use crate::answers::answered;
use crate::arguments::{Arguments, CREDENTIAL};
use crate::client::Client;
use crate::connections::{Call, Called};
use crate::facts::{self, Facts};
use crate::resources::{cassette_uri, report_uri};
use crate::server::Shared;
use crate::tools::{ID, Tool};

/// A call of a tool.
pub(crate) struct Request<'a> {
    pub(crate) tool: Tool,
    pub(crate) arguments: &'a Arguments,
    pub(crate) client: &'a Client,
}

impl Request<'_> {
    /// Returns the host that makes the call: it changes nothing, and the audit log has the client's name.
    fn reading(&self, host: &Host) -> Host {
        let policy = Policy { apply: false, ..host.policy().clone() };
        host.with_policy(policy).author(&self.client.author)
    }
}

impl Shared {
    /// Answers a tool that reads.
    pub(crate) async fn read(
        &self,
        request: &Request<'_>,
        action: Action,
        facts: fn(&Report) -> Facts,
    ) -> Result<CallToolResult, Fault> {
        let options = self.options(request.arguments.options(request.tool.options()))?;
        let called = self.call(request, action, options, &self.settings.observer).await?;
        let summary = facts::summary(&called.report);
        let facts = facts(&called.report);
        Ok(self.kept(request.tool, &summary, facts, called))
    }

    /// Answers `explain_session`.
    pub(crate) async fn explain(&self, request: &Request<'_>) -> Result<CallToolResult, Fault> {
        let id = request.arguments.required(ID)?;
        let pid = id.split_once('@').map_or(id, |(pid, _)| pid);
        let pid: i32 = pid.parse().map_err(|_| Fault::invalid("id must be a session of a result, or a process id"))?;
        let mut options = self.options(request.arguments.options(request.tool.options()))?;
        options.insert("explain".into(), json!([pid]));
        let called = self.call(request, Action::DetectLeaks, options, &self.settings.observer).await?;
        let explained =
            called.report.leak_detection.explained.iter().find(|it| !id.contains('@') || it.session.id == id);
        let Some(explained) = explained else {
            return Err(Fault::invalid("id: no client session of the server has it now"));
        };
        let summary = format!("confidence {} of a leak", explained.session.confidence);
        let facts = facts::explanation(&called.report, explained);
        Ok(self.kept(request.tool, &summary, facts, called))
    }

    /// Calls a component for a tool that changes nothing.
    pub(crate) async fn call(
        &self,
        request: &Request<'_>,
        action: Action,
        options: Map<String, Value>,
        plugin: &Plugin,
    ) -> Result<Called, Fault> {
        let credential = self.credential(request.arguments.text(CREDENTIAL)?)?;
        let input = json!({ "action": action.name(), "options": options });
        let adjust = |host: Host| request.reading(&host);
        self.connections.call(Call { credential: credential.as_deref(), plugin, input, adjust: &adjust }).await
    }

    /// Keeps a report as a resource, and returns the result with the facts of it.
    pub(crate) fn kept(&self, tool: Tool, summary: &str, mut facts: Facts, called: Called) -> CallToolResult {
        let kept = self.reports.add(tool.name(), called.text, called.report, called.cassette);
        facts.insert("reportUri".into(), report_uri(kept.id).into());
        facts.insert("cassetteUri".into(), kept.cassette.is_some().then(|| cassette_uri(kept.id)).into());
        answered(&format!("{}: {summary}", tool.name()), facts)
    }
}
