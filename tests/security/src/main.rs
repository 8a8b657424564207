//! Program `hostile-server`: serves one behaviour, or lists all.

use std::io::Write as _;
use std::process::ExitCode;

use archon_pool_security::{Behaviour, Server, behaviours, find, list};

const USAGE: &str = "usage: hostile-server list | hostile-server postgres|console|management BEHAVIOUR|in-turn";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["list"] => print(&format!("{:#}", list())),
        [kind, "in-turn"] => serve(behaviours().filter(|each| each.kind.name() == *kind).collect()).await,
        [kind, name] => match find(kind, name) {
            Some(behaviour) => serve(vec![behaviour]).await,
            None => Err(format!("hostile-server: {kind} has no behaviour {name}: `hostile-server list` prints all")),
        },
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // An error cannot be reported if standard error is closed.
            let _ = writeln!(std::io::stderr(), "{why}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(behaviours: Vec<&'static Behaviour>) -> Result<(), String> {
    if behaviours.is_empty() {
        return Err(USAGE.to_owned());
    }
    let server = Server::in_turn(behaviours).await.map_err(|error| format!("no port: {error}"))?;
    print(&server.port().to_string())?;
    std::future::pending().await
}

fn print(line: &str) -> Result<(), String> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| format!("stdout: {error}"))
}
