//! The API's client, the pooler and the query endpoint, against a stub of the documented endpoints that runs queries on
//! a private cluster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use archon_pool_contract::catalogue;
use archon_pool_contract::columns::Column;
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::value::{Cell, Value};
use archon_pool_core::bindings::database::{self, Statement};
use archon_pool_core::bindings::{Console as _, Session as _};
use archon_pool_core::call_budget::CallBudget;
use archon_pool_core::credential_source::{CredentialRequest, CredentialSource as _};
use archon_pool_core::guard_sql::{STILL_THERE, TERMINATE, WOULD_TERMINATE};
use archon_pool_core::limits::Limits;
use archon_pool_core::parameter::Parameter;
use archon_pool_core::policy::Policy;
use archon_pool_core::pooler::view::View;
use archon_pool_core::shutdown_guard::ShutdownGuard;
use archon_pool_postgres::credentials::{AccessToken, Credentials, ProjectReference};
use archon_pool_postgres::target::Target;
use archon_pool_query_endpoint::column_type::ColumnType;
use archon_pool_query_endpoint::command::{Part, command};
use archon_pool_tests::management_api::{ORGANISATION, REFERENCE, Reply, TOKEN};
use archon_pool_tests::{Cluster, ManagementApi, supabase, until};
use secrecy::SecretString;

use super::pooler::Pooler;
use super::project::Project;
use super::query::Query;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn token(token: &str, may_resize: bool) -> AccessToken {
    let reference = ProjectReference::parse(REFERENCE).unwrap();
    let mut token = AccessToken::new(reference, &SecretString::from(token)).unwrap();
    token.may_resize = may_resize;
    token
}

fn target() -> Target {
    Target::parse(&"postgres://postgres@127.0.0.1/postgres".into()).unwrap()
}

fn project(api: &ManagementApi, limits: &Limits) -> Project {
    Project::open(&token(TOKEN, true), Some(&api.url()), limits).unwrap()
}

/// Returns the fault of reading the settings after these replies of the API, and the number of requests.
async fn fault(replies: &[Reply]) -> (Fault, usize) {
    let api = ManagementApi::start().await.unwrap();
    replies.iter().for_each(|reply| api.next(reply.clone()));
    let fault = project(&api, &Limits::default()).pooler().await.unwrap_err();
    assert!(!fault.message.contains(TOKEN), "{fault}");
    (fault, api.requests().len())
}

#[tokio::test]
async fn the_projects_of_an_organisation_are_listed_page_by_page() {
    let api = ManagementApi::start().await.unwrap();
    api.own(250);
    let (token, url) = (SecretString::from(TOKEN), api.url());
    let list = async |name: &str| crate::projects(&token, name, Some(&url), &Limits::default()).await;
    let listed = list(ORGANISATION).await.unwrap();
    assert_eq!((listed.len(), api.requests().len()), (250, 3));
    assert_eq!(listed.iter().filter(|project| !project.is_active).count(), 1, "one is paused");
    for name in ["another", "../projects"] {
        let fault = list(name).await.unwrap_err();
        assert!(fault.message.contains("--supabase-org"), "{fault}");
    }
}

#[tokio::test]
async fn every_refusal_names_the_setting_to_change() {
    let echo = format!(r#"{{"message": "no {TOKEN} here"}}"#);
    for (reply, of, word) in [
        (Reply::new(401, "{}"), kind::AUTHENTICATION_FAILED, "revoked"),
        (Reply::new(403, &echo), kind::INSUFFICIENT_PRIVILEGE, "`database_pooling_config_read`"),
        (Reply::new(404, ""), kind::CREDENTIAL_INVALID, "project's reference"),
        (Reply::new(418, &echo), kind::UNEXPECTED_ANSWER, "418"),
        (Reply::new(302, "").header("location", "http://127.0.0.1:1/"), kind::UNEXPECTED_ANSWER, "not followed"),
        (Reply::new(200, "[{]"), kind::UNEXPECTED_ANSWER, "not of the known form"),
        (Reply::new(200, r#"[{"database_type": "PRIMARY"}]"#), kind::UNEXPECTED_ANSWER, "not of the known form"),
        (Reply::new(200, "[]"), kind::UNEXPECTED_ANSWER, "names no pooler"),
        (Reply::new(200, " ".repeat(9 << 20)), kind::LIMIT_EXCEEDED, "`api_bytes`"),
    ] {
        let (fault, asked) = fault(&[reply]).await;
        assert_eq!((fault.kind.as_str(), fault.retryable, asked), (of, false, 1), "{fault}");
        assert!(fault.message.contains(word), "{fault}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused() {
    let api = ManagementApi::start().await.unwrap();
    let project = Project::open(&token("sbp_wrong", false), Some(&api.url()), &Limits::default()).unwrap();
    assert_eq!(project.pooler().await.unwrap_err().kind, kind::AUTHENTICATION_FAILED);
}

#[tokio::test]
async fn a_rate_limited_request_waits_or_is_refused_as_retryable() {
    let api = ManagementApi::start().await.unwrap();
    api.next(Reply::new(429, "{}").header("X-RateLimit-Reset", "1"));
    let (project, started) = (project(&api, &Limits::default()), Instant::now());
    project.pooler().await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    api.next(Reply::new(429, "{}").header("X-RateLimit-Reset", "3000"));
    for _ in 0..2 {
        let fault = project.pooler().await.unwrap_err();
        assert_eq!((fault.kind.as_str(), fault.retryable), (kind::OVERLOADED, true));
        assert!(fault.message.contains("in 3000 s") || fault.message.contains("in 2999 s"), "{fault}");
    }
    assert_eq!(api.requests().len(), 3, "while it is closed it is not asked");
}

#[tokio::test]
async fn server_errors_are_retried_for_reads_only() {
    let trouble = Reply::new(503, r#"{"message": "try\nlater"}"#);
    let (fault, asked) = fault(&[trouble.clone(), trouble.clone(), trouble.clone()]).await;
    assert_eq!((fault.kind.as_str(), fault.retryable, asked), (kind::SERVER_UNREACHABLE, true, 3));
    assert!(fault.message.contains("503") && fault.message.contains("try later"), "{fault}");

    let api = ManagementApi::start().await.unwrap();
    let project = project(&api, &Limits::default());
    api.next(trouble.clone());
    project.pooler().await.unwrap();
    api.next(trouble);
    let fault = project.set_pool_size(9).await.unwrap_err();
    assert!(!fault.retryable && fault.message.contains("may have been made"), "{fault}");
    assert_eq!(api.count("PATCH"), 1);
}

#[tokio::test]
async fn a_slow_response_ends_with_the_name_of_the_limit() {
    let slow = Reply::new(200, "[]").after(Duration::from_secs(20));
    let statement = Limits { statement_timeout: Duration::from_millis(100), ..Limits::default() };
    let deadline = Limits { deadline: Duration::from_millis(100), ..Limits::default() };
    for (limits, limit) in [(statement, "`statement_timeout`"), (deadline, "`deadline`")] {
        let api = ManagementApi::start().await.unwrap();
        api.next(slow.clone());
        let fault = project(&api, &limits).pooler().await.unwrap_err();
        assert!(fault.retryable && fault.message.contains(limit), "{fault}");
    }
}

#[tokio::test]
async fn an_unreachable_address_is_a_retryable_fault() {
    let gone = ManagementApi::start().await.unwrap().url();
    let project = Project::open(&token(TOKEN, false), Some(&gone), &Limits::default()).unwrap();
    let fault = project.pooler().await.unwrap_err();
    assert!(fault.retryable && fault.message.contains("127.0.0.1"), "{fault}");
}

/// Returns a view's rows as texts.
fn texts(set: &RowSet) -> Vec<(String, Option<String>)> {
    let text = |column: usize, row| match set.columns[column].cell(row) {
        Cell::Text(text) => Some(text.into_owned()),
        _ => None,
    };
    (0..set.count).map(|row| (text(0, row).unwrap(), text(1, row))).collect()
}

async fn config(console: &Pooler) -> Vec<(String, Option<String>)> {
    texts(&console.show(View::Config, &CallBudget::new(&Limits::default())).await.unwrap())
}

#[tokio::test]
async fn the_console_shows_the_settings_and_null_for_unknown_ones() {
    let api = ManagementApi::start().await.unwrap();
    let console = Pooler::new(&project(&api, &Limits::default()), &target());
    let fault = console.show(View::Pools, &CallBudget::new(&Limits::default())).await.unwrap_err();
    assert_eq!(fault.kind, kind::UNSUPPORTED_VIEW);
    let shown = config(&console).await;
    let of = |key: &str| shown.iter().find(|(name, _)| name == key).unwrap().1.as_deref();
    assert_eq!((of("default_pool_size"), of("max_client_conn")), (None, Some("200")));
    assert_eq!((of("pool_mode"), of("reserve_pool_size")), (Some("transaction"), Some("3")));

    api.change(|settings| {
        (settings.pool_size, settings.max_clients, settings.dedicated) = (Some(15), Some(400), false);
    });
    let shown = config(&console).await;
    let of = |key: &str| shown.iter().find(|(name, _)| name == key).unwrap().1.as_deref();
    assert_eq!(
        (of("default_pool_size"), of("max_client_conn"), of("server_lifetime")),
        (Some("15"), Some("400"), None)
    );
}

#[tokio::test]
async fn the_pool_is_resized_once_and_read_back() {
    let api = ManagementApi::start().await.unwrap();
    api.change(|settings| settings.pool_size = Some(18));
    let console = Pooler::new(&project(&api, &Limits::default()), &target());
    for (pool, size, word) in [(Some("postgres"), 20, "one size"), (None, 0, "from 1 to 3000"), (None, 3_001, "3000")] {
        let prospect = console.resizable(pool, size).await.unwrap();
        assert!(prospect.before == Some(18) && prospect.note.unwrap_err().contains(word));
    }
    assert!(console.resizable(None, 20).await.unwrap().note.unwrap().contains("drops all of its clients"));
    assert_eq!(api.count("PATCH"), 0, "looking changes nothing");
    assert_eq!(console.resize(None, 20).await.unwrap(), Some(20));
    assert!(console.resizable(None, 25).await.unwrap().note.unwrap_err().contains("once in 10 minutes"));
    assert!(console.resize(None, 25).await.unwrap_err().message.contains("once in 10 minutes"));
    assert_eq!((api.settings().pool_size, api.count("PATCH")), (Some(20), 1));
}

#[tokio::test]
async fn a_resize_whose_response_was_lost_is_read_back() {
    let api = ManagementApi::start().await.unwrap();
    api.change(|settings| (settings.pool_size, settings.ignores_resizes) = (Some(10), true));
    let console = Pooler::new(&project(&api, &Limits::default()), &target());
    assert_eq!(console.resize(None, 12).await.unwrap(), Some(10), "a size that was taken and forgotten");

    let api = ManagementApi::start().await.unwrap();
    let console = Pooler::new(&project(&api, &Limits::default()), &target());
    api.next(Reply::new(503, "{}"));
    let fault = console.resize(None, 12).await.unwrap_err();
    assert!(!fault.retryable && fault.message.contains("may have been made"), "{fault}");
}

#[tokio::test]
async fn no_resize_is_sent_without_permission() {
    let api = ManagementApi::start().await.unwrap();
    let project = Project::open(&token(TOKEN, false), Some(&api.url()), &Limits::default()).unwrap();
    let prospect = Pooler::new(&project, &target()).resizable(None, 20).await.unwrap();
    assert!(prospect.note.unwrap_err().contains("resize = \"supabase\""));
}

async fn layout() -> Result<(Cluster, ManagementApi), Box<dyn std::error::Error>> {
    let mut cluster = Cluster::builder().setting("max_prepared_transactions", 1).start().await?;
    supabase::lay_out(&mut cluster).await?;
    let api = ManagementApi::of(&cluster).await?;
    Ok((cluster, api))
}

fn statement(entry: catalogue::Entry) -> Statement {
    let params = if entry.id == catalogue::PAUSE.id { vec![database::Value::Float64(0.01)] } else { Vec::new() };
    Statement { sql: entry.sql.into(), params, max_rows: 100 }
}

fn types(set: &RowSet) -> Vec<(String, u32, String)> {
    let column = |column: &Column| {
        let seen = (0..set.count).map(|row| column.cell(row)).find(|cell| *cell != Cell::Null);
        let kind_of = seen.map(|cell| format!("{cell:?}")).unwrap_or_default();
        (column.name.clone(), column.type_oid, kind_of.split('(').next().unwrap_or_default().to_owned())
    };
    set.columns.iter().map(column).collect()
}

#[tokio::test]
async fn the_endpoint_returns_the_same_rows_as_a_session() -> Outcome {
    let (cluster, api) = layout().await?;
    let app = cluster.app("postgres", "web <&> 'ü'");
    let holder = app.idle_in_transaction("UPDATE orders SET n = 1 WHERE id = 1").await?;
    let _waiter = app.waiting("UPDATE orders SET n = 2 WHERE id = 1").await?;
    let _temporary = app.temporary_table().await?;
    let _advisory = app.advisory_lock(7).await?;
    cluster.execute("BEGIN; CREATE TABLE prepared (); PREPARE TRANSACTION 'forgotten'").await?;
    cluster.execute("ALTER ROLE postgres SET idle_in_transaction_session_timeout = '1h'").await?;
    let limits = Limits::default();
    let query = Query::open(&project(&api, &limits), &target(), &limits).await?;
    assert_eq!(query.role(), "postgres");
    let batch: Vec<_> = catalogue::ALL.iter().map(|entry| statement(*entry)).collect();
    let by_api = query.query(&batch, &CallBudget::new(&limits)).await?;
    assert_eq!(api.count("POST"), 2, "one to look, one for all up to the pause, which is the last");

    let credentials = Credentials::new().url(cluster.url("postgres", "postgres").into());
    let scope = Arc::new(credentials).grant(CredentialRequest::default(), &limits, ShutdownGuard::detached())?;
    let session = scope.lookup(None).await?.open_session().await?;
    let by_session = session.query(&batch, &CallBudget::new(&limits)).await?;
    for ((entry, by_api), by_session) in catalogue::ALL.iter().zip(by_api).zip(by_session) {
        let (by_api, by_session) = (by_api?, by_session?);
        assert!(by_session.count > 0, "{} has nothing to compare", entry.id);
        assert_eq!(types(&by_api), types(&by_session), "{}", entry.id);
        if entry.id == catalogue::ACTIVITY.id {
            let row = |set: &RowSet| {
                let is_holder = |&row: &usize| set.columns[0].cell(row) == Cell::Int64(holder.pid().into());
                (0..set.count).find(is_holder).map(|row| format!("{:?}", set.row(row).collect::<Vec<_>>()))
            };
            assert_eq!(row(&by_api), row(&by_session));
            assert!(row(&by_api).is_some_and(|row| row.contains("Timestamp") && row.contains("<&> '")));
        }
    }
    Ok(())
}

#[tokio::test]
async fn values_keep_every_digit_through_javascript() -> Outcome {
    let (_cluster, api) = layout().await?;
    let sql = r"SELECT 9223372036854775807::bigint, 0.1::float8 + 0.2::float8, 'infinity'::timestamptz,
                E'\t<a href=''x''>&\\ ü'::text, null::text, true";
    let columns = &[
        ("n", ColumnType::Int64),
        ("f", ColumnType::Float64),
        ("at", ColumnType::Timestamp),
        ("t", ColumnType::Text),
        ("null", ColumnType::Text),
        ("b", ColumnType::Boolean),
    ];
    let part = Part { sql: sql.into(), columns, max_rows: 1 };
    let limits = Limits::default();
    let answer =
        project(&api, &limits).query(&command(std::slice::from_ref(&part), 2_000), true, true, 1 << 20).await?;
    let rows = part.rows(0, &answer[0])?;
    let expected = [
        Value::Int64(i64::MAX),
        Value::Float64(0.1 + 0.2),
        Value::Timestamp(i64::MAX),
        Value::Text("\t<a href='x'>&\\ ü".into()),
        Value::Null,
        Value::Boolean(true),
    ];
    assert_eq!(format!("{:?}", rows[0]), format!("{expected:?}"));
    Ok(())
}

#[tokio::test]
async fn a_failed_statement_does_not_affect_the_others() -> Outcome {
    let (cluster, api) = layout().await?;
    cluster.execute("REVOKE USAGE ON SCHEMA extensions FROM PUBLIC").await?;
    cluster.execute("REVOKE pg_read_all_data FROM supabase_read_only_user").await?;
    api.next(Reply::new(403, "{}"));
    let limits = Limits::default();
    let query = Query::open(&project(&api, &limits), &target(), &limits).await?;
    let stranger = Statement { sql: "SELECT 1".into(), params: Vec::new(), max_rows: 1 };
    let batch =
        [statement(catalogue::CLOCK), stranger, statement(catalogue::STATEMENTS), statement(catalogue::SETTINGS)];
    let answers = query.query(&batch, &CallBudget::new(&limits)).await?;
    let kinds: Vec<_> = answers.iter().map(|answer| answer.as_ref().err().map(|fault| fault.kind.as_str())).collect();
    assert_eq!(kinds, [None, Some(kind::NOT_APPROVED), Some(kind::INSUFFICIENT_PRIVILEGE), None]);
    Ok(())
}

#[tokio::test]
async fn rows_are_truncated_at_the_limits() -> Outcome {
    let (_cluster, api) = layout().await?;
    let limits = Limits::default();
    let query = Query::open(&project(&api, &limits), &target(), &limits).await?;
    let few = Statement { max_rows: 2, ..statement(catalogue::SETTINGS) };
    let set = query.query(&[few], &CallBudget::new(&limits)).await?.pop().unwrap()?;
    assert_eq!((set.count, set.truncated), (2, true));
    let budget = CallBudget::new(&Limits { answer_rows: 1, ..Limits::default() });
    let set = query.query(&[statement(catalogue::SETTINGS)], &budget).await?.pop().unwrap()?;
    assert_eq!((set.count, set.truncated), (1, true));
    Ok(())
}

#[tokio::test]
async fn a_read_only_token_reads_as_another_role_and_signals_no_session() -> Outcome {
    let (_cluster, api) = layout().await?;
    let limits = Limits::default();
    api.next(Reply::new(403, "{}"));
    let query = Query::open(&project(&api, &limits), &target(), &limits).await?;
    assert_eq!(query.role(), "supabase_read_only_user");
    let set = query.query(&[statement(catalogue::CLOCK)], &CallBudget::new(&limits)).await?.pop().unwrap()?;
    assert_eq!(set.count, 1);
    api.next(Reply::new(403, "{}"));
    let fault = query.own(TERMINATE, vec![Vec::new()]).await.pop().unwrap().unwrap_err();
    assert!(fault.message.contains("`database_write`"), "{fault}");
    Ok(())
}

#[tokio::test]
async fn a_server_without_free_slots_fails_the_whole_batch() -> Outcome {
    let api = ManagementApi::start().await?;
    let limits = Limits::default();
    let full = r#"{"message": "Failed to run sql query: FATAL:  53300: sorry, too many clients already"}"#;
    api.next(Reply::new(400, full));
    let fault = Query::open(&project(&api, &limits), &target(), &limits).await.err().unwrap();
    assert_eq!((fault.kind.as_str(), fault.sqlstate.as_deref()), (kind::TOO_MANY_CONNECTIONS, Some("53300")));
    Ok(())
}

#[tokio::test]
async fn sessions_are_ended_by_the_guarded_statement_only() -> Outcome {
    let (cluster, api) = layout().await?;
    let mut stuck = cluster.app("postgres", "worker").idle_in_transaction("SELECT 1").await?;
    let auth = cluster.app("supabase_auth_admin", "").idle_in_transaction("SELECT 1").await?;
    let aged = "application_name = 'worker' AND clock_timestamp() - state_change > interval '1 s'";
    until("it has aged", async || Ok(cluster.count(aged).await? == 1)).await?;
    let limits = Limits::default();
    let query = Query::open(&project(&api, &limits), &target(), &limits).await?;
    let sql = "SELECT (extract(epoch FROM state_change) * 1000000)::int8 FROM pg_stat_activity WHERE pid = $1";
    let policy = Policy::default();
    let (roles, applications) = (policy.role_patterns(), policy.application_patterns());
    let observer = cluster.observer().await?;
    let mut ended = Vec::new();
    for (session, wrong) in [(&stuck, 1), (&auth, 0), (&stuck, 0)] {
        let state_change: i64 = observer.query_one(sql, &[&session.pid()]).await?.get(0);
        let params = || {
            vec![vec![
                Parameter::Int4(session.pid()),
                Parameter::Timestamptz(session.backend_start()),
                Parameter::Text("idle in transaction".into()),
                Parameter::Timestamptz(state_change + wrong),
                Parameter::TextArray(roles.clone()),
                Parameter::TextArray(applications.clone()),
                Parameter::Float8(1_000.0),
            ]]
        };
        let would = query.own(WOULD_TERMINATE, params()).await.pop().unwrap()?.len();
        let did = query.own(TERMINATE, params()).await.pop().unwrap()?.len();
        assert_eq!(would, did);
        ended.push(did);
    }
    assert_eq!(ended, [0, 0, 1], "another spell, a protected role, and the one that was meant");
    assert!(stuck.ended_by().await.is_some() && auth.answers().await);
    let pids = vec![stuck.pid(), auth.pid()];
    let there = query.own(STILL_THERE, vec![vec![Parameter::Int4Array(pids)]]).await.pop().unwrap()?;
    assert!(matches!(there[..], [ref row] if matches!(row[0], Value::Int64(pid) if pid == i64::from(auth.pid()))));
    let acts = |query: &str| query.contains("pg_terminate_backend");
    let acted = api.requests().iter().filter(|request| request.body["query"].as_str().is_some_and(acts)).count();
    assert_eq!(acted, 3);
    assert!(query.own("SELECT pg_terminate_backend(1)", vec![Vec::new()]).await.pop().unwrap().is_err());
    Ok(())
}
