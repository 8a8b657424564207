//! Other monitoring tools with sessions that they keep, as child processes that repeat their queries on request.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::unused_port;

/// Time in which a tool must have started, or have answered.
const DEADLINE: Duration = Duration::from_secs(30);

/// pg_activity's own functions for one refresh, without its screen.
#[derive(Debug)]
pub struct PgActivity {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PgActivity {
    /// Starts the script `pg_activity.py` with a Python that has pg_activity.
    pub fn start(python: &Path, url: &str) -> Result<Self> {
        let mut command = bound_to_this_process(python);
        command.args([concat!(env!("CARGO_MANIFEST_DIR"), "/pg_activity.py"), url, "repeat"]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let requests = process.stdin.take().context("it has no stdin")?;
        let answers = BufReader::new(process.stdout.take().context("it has no stdout")?);
        Ok(Self { process, requests, answers })
    }

    /// Makes one refresh.
    pub fn refresh(&mut self) -> Result<()> {
        self.requests.write_all(b"refresh\n")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(line.ends_with("statements\n"), "pg_activity made no refresh: {line:?}");
        Ok(())
    }
}

impl Drop for PgActivity {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// postgres_exporter with its default collectors.
#[derive(Debug)]
pub struct PostgresExporter {
    process: Child,
    port: u16,
}

impl PostgresExporter {
    /// Starts the program, and waits until it reaches the server. Its log goes to a file.
    pub fn start(program: &Path, url: &str, log: &Path) -> Result<Self> {
        let port = unused_port()?;
        let mut command = bound_to_this_process(program);
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command.env("DATA_SOURCE_NAME", format!("{url}?sslmode=disable"));
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log)?).spawn()?;
        let exporter = Self { process, port };
        let started = Instant::now();
        while let Err(error) = exporter.scrape() {
            if started.elapsed() > DEADLINE {
                return Err(error.context(format!("postgres_exporter does not start, see {}", log.display())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(exporter)
    }

    /// Makes one scrape, as Prometheus does.
    pub fn scrape(&self) -> Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        ensure!(answer.lines().any(|line| line == "pg_up 1"), "postgres_exporter does not reach the server");
        Ok(())
    }
}

impl Drop for PostgresExporter {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Builds the command of a process that ends when this thread does, in whatever way.
fn bound_to_this_process(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

fn end(process: &mut Child) {
    // It may have ended already.
    let _ = process.kill();
    let _ = process.wait();
}
