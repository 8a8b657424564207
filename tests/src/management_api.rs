//! The documented part of Supabase's Management API that the product uses, on a port of 127.0.0.1: a stub of the
//! settings, and a query endpoint that runs what it gets on a private cluster.

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

/// The token that the API takes. Unmistakable, so that a test can search any output for it.
pub const TOKEN: &str = "sbp_tell-nobody-93d2aa";

/// The only project that it knows.
pub const REFERENCE: &str = "abcdefghijklmnopqrst";

/// What the API answers instead of what it should.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: String,
    body: String,
    after: Duration,
}

impl Reply {
    /// A status and a body.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: String::new(), body: body.into(), after: Duration::ZERO }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// The same, later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }
}

/// A request as it arrived, without its secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Method and path.
    pub what: String,
    /// The body; null without one.
    pub body: Value,
}

/// The project's settings, as an administrator could change them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// None stands for the compute size's own.
    pub pool_size: Option<u32>,
    /// None stands for the compute size's own.
    pub max_clients: Option<u32>,
    /// `session` or `transaction`.
    pub mode: String,
    /// Where the pooler is.
    pub host: String,
    /// Where the pooler is.
    pub port: u16,
    /// Whether the project has a dedicated pooler.
    pub dedicated: bool,
    /// Whether a change of the size is accepted and forgotten.
    pub forgetful: bool,
}

struct State {
    settings: Settings,
    /// Answers that come before all others, each once.
    next: VecDeque<Reply>,
    asked: Vec<Asked>,
    database: Option<Config>,
    /// It keeps its connections, and so has one when the server has no more.
    clients: HashMap<&'static str, Arc<Client>>,
}

/// The API. It ends when this is dropped.
pub struct ManagementApi {
    port: u16,
    state: Arc<Mutex<State>>,
    listening: JoinHandle<()>,
}

impl ManagementApi {
    /// Starts it, without a database.
    ///
    /// # Errors
    ///
    /// When no port can be had.
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
            forgetful: false,
        };
        let state =
            State { settings, next: VecDeque::new(), asked: Vec::new(), database: None, clients: HashMap::new() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                // A client that goes away is no failure of the API's.
                tokio::spawn(async move { drop(serve(stream, &state).await) });
            }
        });
        Ok(Self { port, state, listening })
    }

    /// Starts it with a query endpoint that runs on a cluster, as `postgres` and as `supabase_read_only_user`,
    /// and with the pooler where the cluster itself is.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn of(cluster: &Cluster) -> Result<Self> {
        let api = Self::start().await?;
        api.locked().database = Some(cluster.config());
        api.change(|settings| (settings.mode, settings.port) = ("session".into(), cluster.port()));
        Ok(api)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Changes the project's settings behind everybody's back.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.locked().settings);
    }

    /// The project's settings.
    pub fn settings(&self) -> Settings {
        self.locked().settings.clone()
    }

    /// Has the next request answered like this, whatever it is; more of them queue up.
    pub fn next(&self, reply: Reply) {
        self.locked().next.push_back(reply);
    }

    /// Forgets the answers that were not asked for yet.
    pub fn forget(&self) {
        self.locked().next.clear();
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.locked().asked.clone()
    }

    /// How many requests began like this.
    pub fn count(&self, what: &str) -> usize {
        self.locked().asked.iter().filter(|asked| asked.what.starts_with(what)).count()
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
    while let Some((asked, token)) = read(&mut stream).await? {
        locked(state).asked.push(asked.clone());
        let prepared = locked(state).next.pop_front();
        let reply = match prepared {
            Some(reply) => reply,
            None => answer(&asked, &token, state).await,
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

/// One request and the token that it shows; none at the end.
async fn read(stream: &mut BufReader<TcpStream>) -> Result<Option<(Asked, String)>> {
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
    Ok(Some((Asked { what, body }, token)))
}

async fn answer(asked: &Asked, token: &str, state: &Mutex<State>) -> Reply {
    if token != TOKEN {
        return Reply::new(401, json!({ "message": "Unauthorized" }).to_string());
    }
    let project = format!(" /v1/projects/{REFERENCE}/");
    let Some((method, path)) = asked.what.split_once(project.as_str()) else {
        return Reply::new(404, json!({ "message": "Project not found" }).to_string());
    };
    match (method, path) {
        ("GET", "config/database/pooler") => Reply::new(200, pooler(&locked(state).settings).to_string()),
        ("GET", "config/database/pgbouncer") => bouncer(&locked(state).settings),
        ("PATCH", "config/database/pooler") => resize(&asked.body, &mut locked(state).settings),
        ("POST", "database/query") => match query(state, &asked.body).await {
            Ok(rows) => Reply::new(201, rows.to_string()),
            Err(error) => {
                Reply::new(400, json!({ "message": format!("Failed to run sql query: {error}") }).to_string())
            }
        },
        _ => Reply::new(404, json!({ "message": format!("Cannot {}", asked.what) }).to_string()),
    }
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
    if !settings.forgetful {
        settings.pool_size = Some(size);
    }
    Reply::new(200, json!({ "default_pool_size": size, "pool_mode": settings.mode }).to_string())
}

/// Runs one command, as the real endpoint does: several are refused, and rows are objects that have been through
/// JavaScript.
async fn query(state: &Mutex<State>, body: &Value) -> Result<Value> {
    let role = if body["read_only"].as_bool().unwrap_or(false) { "supabase_read_only_user" } else { "postgres" };
    let sql = body["query"].as_str().context("query must be a string")?;
    let rows = client(state, role).await?.query(sql, &[]).await.map_err(told)?;
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
    let client = Arc::new(connect(config.user(role).application_name("mgmt-api")).await.map_err(told)?);
    locked(state).clients.insert(role, Arc::clone(&client));
    Ok(client)
}

fn told(error: tokio_postgres::Error) -> anyhow::Error {
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
