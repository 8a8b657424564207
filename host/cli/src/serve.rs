//! `serve`: rounds over many targets, their reports and their metrics over HTTP.

use std::io::Write as _;
use std::time::Duration;

use archon_pool::components::World;
use archon_pool::host::Host;
use archon_pool::limits::Limits;
use archon_pool::log::Line;
use archon_pool_serve::{MOST_TARGETS, Pages, Remarks, RoundSettings, Server, Target, Targets};
use serde_json::{Value, json};

use super::app::{App, Component};
use super::args::{Global, LogFormat, Serving};
use super::error::CliError;
use super::exit::Exit;
use super::log_lines;
use super::permissions;
use super::progress::Progress;
use super::tape::TapeFlags;
use super::terminal::Terminal;

/// Limit of a session's waits for locks, unless `--limit` sets it. While a catalogue is locked, each statement of a round
/// fails after this time, and the session is kept; a round that exceeds its deadline would lose it, and a new login
/// would wait for the same lock.
const LOCK_TIMEOUT: (&str, Duration) = ("lock_timeout", Duration::from_millis(250));

/// Name of the target that is watched without a name.
const DEFAULT: &str = "default";

/// Serves until a signal ends it.
pub(crate) async fn serve(global: &Global, flags: &Serving, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let targets = targets(global, flags)?;
    let app = {
        let _progress = Progress::start(terminal, "serve");
        let policy = permissions::policy(&flags.options.to_json()?, false);
        App::open(global, Component::BuiltIn(World::Observer), policy, &TapeFlags::default(), terminal)?
    };
    app.print_notes(terminal);
    let pages = pages(&app);
    let server = Server {
        access: flags.access.access(flags.listen, "listen"),
        targets,
        applications: flags.applications.into(),
        remarks: remarks(global),
        orders: flags.orders.clone(),
        pages,
    };
    let (host, plugin) = app.into_host();
    server.run(of_rounds(global, host), plugin).await?;
    Ok(Exit::Healthy)
}

/// Returns the pages of a program with this component.
pub(crate) fn pages(app: &App) -> Pages {
    Pages::new()
        .origin("component", format!("{}, sha256 {}", app.name(), app.digest()))
        .origin("program", concat!("archon-pool ", env!("CARGO_PKG_VERSION")))
}

/// Returns a host whose sessions wait for locks no longer than those of rounds should.
pub(crate) fn of_rounds(global: &Global, host: Host) -> Host {
    if global.limits.iter().any(|(name, _)| name == LOCK_TIMEOUT.0) {
        return host;
    }
    host.with_limits(Limits { lock_timeout: LOCK_TIMEOUT.1, ..host.limits().clone() })
}

fn targets(global: &Global, flags: &Serving) -> Result<Targets, CliError> {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let rounds = RoundSettings {
        interval: seconds(flags.interval),
        probe_interval: Some(flags.probe_interval).filter(|every| *every > 0).map(seconds),
        options: flags.options.to_json()?,
    };
    Ok(match &flags.targets {
        Some(path) => Targets::File { path: path.clone(), defaults: rounds, most: MOST_TARGETS },
        None => {
            let name = global.credential.clone().unwrap_or_else(|| DEFAULT.to_owned());
            Targets::One(Box::new(Target::new(name, global.credential.clone(), rounds)))
        }
    })
}

/// Writes remarks to stderr: plain lines, log lines with `--log text`, or JSON objects with `--log json`.
pub(crate) fn remarks(global: &Global) -> Remarks {
    let (format, is_quiet) = (global.log, global.quiet);
    Remarks::new(move |line| {
        let mut stderr = anstream::stderr().lock();
        // A stderr that cannot be written to is no reason to end.
        let timestamp = jiff::Timestamp::now().to_string();
        let _ = match format {
            LogFormat::Json => {
                writeln!(stderr, "{}", json!({ "timestamp": timestamp, "level": "info", "message": line }))
            }
            LogFormat::Text => {
                let line = Line { timestamp: &timestamp, level: "info", message: line, context: &Value::Null };
                writeln!(stderr, "{}", log_lines::text(&line))
            }
            LogFormat::None if is_quiet => Ok(()),
            LogFormat::None => writeln!(stderr, "{line}"),
        };
    })
}
