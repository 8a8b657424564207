//! `mcp`: the program as a server of the Model Context Protocol, on stdin and stdout or over HTTP.

use std::sync::Arc;

use archon_pool::Fault;
use archon_pool::components::World;
use archon_pool_mcp::http::PATH;
use archon_pool_mcp::plan_folder::PlanFolder;
use archon_pool_mcp::{Names, Server, Settings};
use archon_pool_serve::Endpoint;

use super::app::{self, App, Component};
use super::args::{Global, McpFlags};
use super::error::CliError;
use super::exit::Exit;
use super::permissions;
use super::serve::remarks;
use super::tape::TapeFlags;
use super::terminal::Terminal;

/// Serves until the client closes stdin, or a signal ends the server over HTTP.
pub(crate) async fn mcp(global: &Global, flags: &McpFlags, terminal: &mut Terminal) -> Result<Exit, CliError> {
    check(flags, terminal)?;
    let options = flags.options.to_json()?;
    let policy = permissions::policy(&options, flags.allow_apply);
    let app = App::open(global, Component::BuiltIn(World::Manager), policy, &TapeFlags::default(), terminal)?;
    app.print_notes(terminal);
    let observer = app.observer(global)?;
    let credentials = app::credentials(global);
    // A URL of the command line has no name. A file that cannot be read is reported by the tools.
    let named = if global.url.is_some() { Vec::new() } else { credentials.names().unwrap_or_default() };
    let default = ["default", "environment"].into_iter().find(|usual| named.iter().any(|name| name == usual));
    let names: Names = Arc::new(move || credentials.names());
    let (host, manager) = app.into_host();
    let settings = Settings {
        credential: global.credential.clone(),
        default: default.map(str::to_owned),
        options,
        allow_apply: flags.allow_apply,
        ..Settings::new(host, observer, manager, names, PlanFolder::of_user()?)
    };
    let server = Server::new(settings)?;
    match flags.http {
        None => server.serve_stdio().await?,
        Some(address) => {
            let endpoint = Endpoint { access: flags.access.access(address, "http"), remarks: remarks(global) };
            endpoint.run(server.routes(&flags.http_host), PATH).await?;
        }
    }
    Ok(Exit::Healthy)
}

fn check(flags: &McpFlags, terminal: &Terminal) -> Result<(), Fault> {
    if terminal.wants_json() {
        return Err(Fault::invalid("--json: stdout has the messages of the protocol alone"));
    }
    match flags.http {
        None if flags.access.is_given() => {
            Err(Fault::invalid("--token-file and --tls-cert are about --http: give it, too"))
        }
        // Any program of this machine could otherwise call it, and consent in a person's place.
        Some(_) if flags.allow_apply && !flags.access.identifies_clients() => {
            Err(Fault::invalid("--allow-apply: over --http it needs --token-file or --tls-client-ca"))
        }
        Some(address) if !address.ip().is_loopback() && flags.http_host.is_empty() => {
            Err(Fault::invalid("--http: an address that other machines reach needs --http-host, the name in its URL"))
        }
        _ => Ok(()),
    }
}
