//! Stub of the part of Supabase's Management API that the product uses, on a port of 127.0.0.1: the settings, and a
//! query endpoint that runs statements on a private cluster.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, Row};

use crate::cluster::{Cluster, connect};

/// Token that the API accepts. Unique, so that a test can search any output for it.
pub const TOKEN: &str = "sbp_tell-nobody-93d2aa";

/// Reference of the only project with settings and a database.
pub const REFERENCE: &str = "abcdefghijklmnopqrst";

/// Slug of its organisation.
pub const ORGANISATION: &str = "acme-org";

/// Prepared response in place of the regular one.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: String,
    body: String,
    after: Duration,
}

impl Reply {
    /// Creates a response from a status and a body.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: String::new(), body: body.into(), after: Duration::ZERO }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Delays the response.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }
}

/// Request as received, without its secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedRequest {
    /// Method and path.
    pub what: String,
    /// Body; null without one.
    pub body: Value,
}

/// Settings of the project, as an administrator could change them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Pool size; none for the default of the compute size.
    pub pool_size: Option<u32>,
    /// Maximum number of clients; none for the default of the compute size.
    pub max_clients: Option<u32>,
    /// Pool mode, `session` or `transaction`.
    pub mode: String,
    /// Host of the pooler.
    pub host: String,
    /// Port of the pooler.
    pub port: u16,
    /// True if the project has a dedicated pooler.
    pub dedicated: bool,
    /// True if a change of the size is accepted but not applied.
    pub ignores_resizes: bool,
}

struct State {
    settings: Settings,
    /// Projects of the organisation.
    projects: usize,
    /// Responses that come before all others, each once.
    next: VecDeque<Reply>,
    requests: Vec<ReceivedRequest>,
    database: Option<Config>,
    /// Permanent connections by role, usable when the server has no free slot.
    clients: HashMap<&'static str, Arc<Client>>,
}

/// Running API stub. Dropping it stops the stub.
pub struct ManagementApi {
    port: u16,
    state: Arc<Mutex<State>>,
    listening: JoinHandle<()>,
}

impl ManagementApi {
    /// Starts the API without a database.
    ///
    /// # Errors
    ///
    /// Fails if no port can be had.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let settings = Settings {
            pool_size: None,
            max_clients: None,
            mode: "transaction".into(),
            host: "127.0.0.1".into(),
            port: 6543,
            dedicated: true,
            ignores_resizes: false,
        };
        let state = State {
            settings,
            projects: 1,
            next: VecDeque::new(),
            requests: Vec::new(),
            database: None,
            clients: HashMap::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                // A disconnecting client is not an error of the API.
                tokio::spawn(async move { drop(serve(stream, &state).await) });
            }
        });
        Ok(Self { port, state, listening })
    }

    /// Starts the API with a query endpoint that runs on a cluster, as `postgres` and as `supabase_read_only_user`,
    /// and with the pooler's address set to the cluster's.
    ///
    /// # Errors
    ///
    /// Fails if no port can be had.
    pub async fn of(cluster: &Cluster) -> Result<Self> {
        let api = Self::start().await?;
        api.locked().database = Some(cluster.config());
        api.change(|settings| (settings.mode, settings.port) = ("session".into(), cluster.port()));
        Ok(api)
    }

    /// Returns the base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Changes the project's settings without a request.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.locked().settings);
    }

    /// Sets the number of the organisation's projects: the one with settings, and others of which the last is paused.
    pub fn own(&self, projects: usize) {
        self.locked().projects = projects;
    }

    /// Returns the project's settings.
    pub fn settings(&self) -> Settings {
        self.locked().settings.clone()
    }

    /// Queues a response for the next request, whatever it is.
    pub fn next(&self, reply: Reply) {
        self.locked().next.push_back(reply);
    }

    /// Clears the queued responses.
    pub fn clear_replies(&self) {
        self.locked().next.clear();
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.locked().requests.clone()
    }

    /// Counts the requests that start with a text.
    pub fn count(&self, what: &str) -> usize {
        self.locked().requests.iter().filter(|request| request.what.starts_with(what)).count()
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl Drop for ManagementApi {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers requests on one connection until the client closes it.
async fn serve(stream: TcpStream, state: &Mutex<State>) -> Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some((request, token)) = read(&mut stream).await? {
        locked(state).requests.push(request.clone());
        let prepared = locked(state).next.pop_front();
        let reply = match prepared {
            Some(reply) => reply,
            None => answer(&request, &token, state).await,
        };
        tokio::time::sleep(reply.after).await;
        let head = format!(
            "HTTP/1.1 {} Answer\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{}\r\n",
            reply.status,
            reply.body.len(),
            reply.headers
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(reply.body.as_bytes()).await?;
    }
    Ok(())
}

/// Reads one request and its token; none at the end of the connection.
async fn read(stream: &mut BufReader<TcpStream>) -> Result<Option<(ReceivedRequest, String)>> {
    let mut first = String::new();
    if stream.read_line(&mut first).await? == 0 {
        return Ok(None);
    }
    let what = first.rsplit_once(' ').context("a request line")?.0.to_owned();
    let (mut length, mut token) = (0, String::new());
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse()?,
            "authorization" => value.strip_prefix("Bearer ").unwrap_or_default().clone_into(&mut token),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
    Ok(Some((ReceivedRequest { what, body }, token)))
}

async fn answer(request: &ReceivedRequest, token: &str, state: &Mutex<State>) -> Reply {
    if token != TOKEN {
        return Reply::new(401, json!({ "message": "Unauthorized" }).to_string());
    }
    if let Some(query) = request.what.strip_prefix(&format!("GET /v1/organizations/{ORGANISATION}/projects?")) {
        return Reply::new(200, listed(locked(state).projects, query).to_string());
    }
    let project = format!(" /v1/projects/{REFERENCE}/");
    let Some((method, path)) = request.what.split_once(project.as_str()) else {
        return Reply::new(404, json!({ "message": "Project not found" }).to_string());
    };
    match (method, path) {
        ("GET", "config/database/pooler") => Reply::new(200, pooler(&locked(state).settings).to_string()),
        ("GET", "config/database/pgbouncer") => bouncer(&locked(state).settings),
        ("PATCH", "config/database/pooler") => resize(&request.body, &mut locked(state).settings),
        ("POST", "database/query") => match query(state, &request.body).await {
            Ok(rows) => Reply::new(201, rows.to_string()),
            Err(error) => {
                Reply::new(400, json!({ "message": format!("Failed to run sql query: {error}") }).to_string())
            }
        },
        _ => Reply::new(404, json!({ "message": format!("Cannot {}", request.what) }).to_string()),
    }
}

/// Lists a page of the organisation's projects.
fn listed(projects: usize, query: &str) -> Value {
    let number = |name: &str| {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.and_then(|value| value.parse::<usize>().ok()).unwrap_or(0)
    };
    let (limit, offset) = (number("limit"), number("offset"));
    let project = |index: usize| {
        // References that differ in their last letters.
        let letter = |value: usize| char::from(b'a' + u8::try_from(value % 26).unwrap_or(0));
        let other = || format!("{}{}{}", &REFERENCE[..18], letter(index / 26), letter(index));
        let status = if index > 0 && index + 1 == projects { "INACTIVE" } else { "ACTIVE_HEALTHY" };
        json!({
            "ref": if index == 0 { REFERENCE.to_owned() } else { other() }, "name": format!("shop {index}"),
            "status": status, "region": "eu-west-1", "is_branch": false,
        })
    };
    let page: Vec<Value> = (offset..projects.min(offset + limit.min(100))).map(project).collect();
    json!({ "projects": page, "pagination": { "count": projects, "limit": limit, "offset": offset } })
}

fn pooler(settings: &Settings) -> Value {
    let one = |kind: &str, size: Option<u32>| {
        json!({
            "identifier": REFERENCE, "database_type": kind, "is_using_scram_auth": true,
            "db_user": format!("postgres.{REFERENCE}"), "db_host": settings.host, "db_port": settings.port,
            "db_name": "postgres", "connection_string": "postgres://[YOUR-PASSWORD]@somewhere",
            "default_pool_size": size, "max_client_conn": settings.max_clients, "pool_mode": settings.mode,
        })
    };
    json!([one("READ_REPLICA", Some(7)), one("PRIMARY", settings.pool_size)])
}

fn bouncer(settings: &Settings) -> Reply {
    if !settings.dedicated {
        return Reply::new(404, json!({ "message": "Not found" }).to_string());
    }
    let body = json!({
        "default_pool_size": settings.pool_size, "max_client_conn": 200, "pool_mode": "transaction",
        "server_idle_timeout": 60, "reserve_pool_size": 3,
    });
    Reply::new(200, body.to_string())
}

fn resize(body: &Value, settings: &mut Settings) -> Reply {
    let size = body["default_pool_size"].as_u64().and_then(|size| u32::try_from(size).ok());
    let Some(size) = size.filter(|size| *size <= 3_000) else {
        return Reply::new(400, json!({ "message": "default_pool_size must not be greater than 3000" }).to_string());
    };
    if !settings.ignores_resizes {
        settings.pool_size = Some(size);
    }
    Reply::new(200, json!({ "default_pool_size": size, "pool_mode": settings.mode }).to_string())
}

/// Runs one statement, as the real endpoint does: several are rejected, and rows are objects with the number
/// precision of JavaScript.
async fn query(state: &Mutex<State>, body: &Value) -> Result<Value> {
    let role = if body["read_only"].as_bool().unwrap_or(false) { "supabase_read_only_user" } else { "postgres" };
    let sql = body["query"].as_str().context("query must be a string")?;
    let rows = client(state, role).await?.query(sql, &[]).await.map_err(server_message)?;
    rows.iter().map(object).collect::<Result<Vec<_>>>().map(Value::Array)
}

async fn client(state: &Mutex<State>, role: &'static str) -> Result<Arc<Client>> {
    let (kept, database) = {
        let state = locked(state);
        (state.clients.get(role).filter(|client| !client.is_closed()).cloned(), state.database.clone())
    };
    if let Some(client) = kept {
        return Ok(client);
    }
    let mut config = database.context("ERROR:  08001: there is no database")?;
    let client = Arc::new(connect(config.user(role).application_name("mgmt-api")).await.map_err(server_message)?);
    locked(state).clients.insert(role, Arc::clone(&client));
    Ok(client)
}

fn server_message(error: tokio_postgres::Error) -> anyhow::Error {
    match error.as_db_error() {
        Some(server) => anyhow!("{}:  {}: {}", server.severity(), server.code().code(), server.message()),
        None => anyhow!(error),
    }
}

fn object(row: &Row) -> Result<Value> {
    let mut object = Map::new();
    for (index, column) in row.columns().iter().enumerate() {
        let value = match *column.type_() {
            Type::TEXT => json!(row.try_get::<_, Option<String>>(index)?),
            Type::BOOL => json!(row.try_get::<_, Option<bool>>(index)?),
            Type::INT4 => json!(row.try_get::<_, Option<i32>>(index)?),
            ref other => bail!("the stub has no {other}"),
        };
        object.insert(column.name().to_owned(), value);
    }
    Ok(Value::Object(object))
}
