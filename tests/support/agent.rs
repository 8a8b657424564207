//! An agent: a client of the Model Context Protocol, with the program as its server, and the person before it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ErrorData, Implementation, ProtocolVersion,
};
use rmcp::service::{ClientServiceExt as _, RequestContext, RunningService};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{ClientHandler, ClientLifecycleMode, RoleClient};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::unix::pipe;

use crate::binaries::{archon_pool, compile_cache};
use crate::process::Process;
use crate::spawner;

/// Name that the client gives itself.
pub const CLIENT: &str = "scripted-agent";

/// Protocol of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// 2025-11-25: a handshake, and questions of the server.
    Handshake,
    /// 2026-07-28: self-contained requests, and results that ask.
    Inline,
}

/// Behaviour of the person before a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// The client has no forms.
    Nobody,
    /// Types the number that the question names.
    Types,
    /// Types another number.
    Mistypes,
    /// Accepts without a number.
    Accepts,
    /// Declines.
    Declines,
    /// Closes the form.
    Cancels,
    /// Never answers.
    IsSilent,
}

/// The client's side of the protocol.
#[derive(Debug, Clone)]
pub struct Client {
    name: &'static str,
    person: Person,
    asked: Arc<AtomicUsize>,
}

impl Client {
    /// Creates a client before which this person sits.
    pub fn new(person: Person) -> Self {
        Self::named(person, CLIENT)
    }

    /// Creates a client of another name.
    pub fn named(person: Person, name: &'static str) -> Self {
        Self { name, person, asked: Arc::default() }
    }
}

impl Era {
    /// Returns the beginning of a connection.
    pub fn lifecycle(self) -> ClientLifecycleMode {
        match self {
            Self::Handshake => ClientLifecycleMode::Initialize,
            Self::Inline => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
        }
    }
}

impl ClientHandler for Client {
    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let ElicitRequestParams::FormElicitationParams { message, .. } = request else {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        };
        let number = message.rsplit(' ').next().and_then(|word| word.parse::<i64>().ok()).unwrap_or(-1);
        let accept = |content| Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content));
        match self.person {
            Person::Types => accept(json!({ "number": number })),
            Person::Mistypes => accept(json!({ "number": number + 1 })),
            Person::Accepts => accept(json!({})),
            Person::Cancels => Ok(ElicitResult::new(ElicitationAction::Cancel)),
            Person::Declines | Person::Nobody => Ok(ElicitResult::new(ElicitationAction::Decline)),
            Person::IsSilent => std::future::pending().await,
        }
    }

    fn get_info(&self) -> ClientConfig {
        let elicitation = if self.person == Person::Nobody { json!({}) } else { json!({"elicitation": {"form": {}}}) };
        let capabilities: ClientCapabilities = serde_json::from_value(elicitation).unwrap_or_default();
        ClientConfig::new(capabilities, Implementation::new(self.name, "1.0"))
    }
}

/// A connected client, with `archon-pool mcp` as its server. Both end on drop.
pub struct Agent {
    running: RunningService<RoleClient, Client>,
    asked: Arc<AtomicUsize>,
    server: Process,
}

/// A home for servers of agents, with its plans, logs and credentials.
pub struct Home(TempDir);

impl Home {
    /// Creates an empty one.
    ///
    /// # Errors
    ///
    /// Fails if there is no room.
    pub fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Returns what servers wrote to stderr.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// Builds a command of the program with this home and no other environment than a URL.
    ///
    /// # Errors
    ///
    /// Fails if the program was not built.
    pub fn command(&self, url: &str, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(archon_pool()?);
        command.args(arguments).env_clear().env("HOME", self.path()).env("XDG_CACHE_HOME", compile_cache()?);
        let log = File::options().create(true).append(true).open(self.file("log"))?;
        command.env("DATABASE_URL", url).stdin(Stdio::null()).stderr(log);
        Ok(command)
    }
}

/// Result of a tool.
#[derive(Debug, Clone)]
pub struct Called {
    /// Structured content; null where there is none.
    pub content: Value,
    /// Text for people.
    pub text: String,
    /// True if it did not do what was asked for.
    pub is_error: bool,
}

impl From<CallToolResult> for Called {
    fn from(result: CallToolResult) -> Self {
        let text = result.content.iter().filter_map(|block| block.as_text()).map(|text| text.text.clone()).collect();
        let content = result.structured_content.unwrap_or_default();
        Self { content, text, is_error: result.is_error == Some(true) }
    }
}

impl Agent {
    /// Starts `archon-pool mcp` with these flags, and connects.
    ///
    /// # Errors
    ///
    /// Fails if they do not understand each other; the error has the server's log.
    pub async fn start(home: &Home, url: &str, flags: &[&str], era: Era, person: Person) -> Result<Self> {
        Self::of(home, url, flags, era, Client::new(person)).await
    }

    /// Starts the same for a certain client.
    ///
    /// # Errors
    ///
    /// Same as [`Agent::start`].
    pub async fn of(home: &Home, url: &str, flags: &[&str], era: Era, client: Client) -> Result<Self> {
        let mut command = home.command(url, &[&["mcp"], flags].concat())?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = spawner::spawn(command)?;
        let (stdin, stdout) = (child.stdin.take().context("stdin")?, child.stdout.take().context("stdout")?);
        let server = Process::of(child);
        let read = pipe::Receiver::from_owned_fd(stdout.into())?;
        let write = pipe::Sender::from_owned_fd(stdin.into())?;
        let asked = Arc::clone(&client.asked);
        let running = client.serve_with_lifecycle(AsyncRwTransport::new_client(read, write), era.lifecycle()).await;
        Ok(Self { running: running.with_context(|| home.log())?, asked, server })
    }

    /// Returns the connection, for other requests.
    pub fn client(&self) -> &RunningService<RoleClient, Client> {
        &self.running
    }

    /// Returns the number of questions that the person was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Calls a tool, and lets the person answer its questions.
    ///
    /// # Errors
    ///
    /// Fails if the protocol refuses it.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<Called> {
        Ok(self.running.call_tool(params(tool, arguments)).await?.into())
    }

    /// Calls a tool that must succeed.
    ///
    /// # Errors
    ///
    /// Fails if it does not.
    pub async fn ok(&self, tool: &str, arguments: Value) -> Result<Called> {
        let called = self.call(tool, arguments).await?;
        if called.is_error { bail!("{tool}: {}", called.text) } else { Ok(called) }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.server.end("TERM");
    }
}

/// Builds a call of a tool.
pub fn params(tool: &str, arguments: Value) -> CallToolRequestParams {
    let params = CallToolRequestParams::new(tool.to_owned());
    match arguments {
        Value::Object(arguments) => params.with_arguments(arguments),
        _ => params,
    }
}
