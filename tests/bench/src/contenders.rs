//! Other monitoring tools, and the hosts in other languages, as child processes that repeat their work on request.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::unused_port;

use crate::processor_time::of_all_threads;

/// Time in which a tool must have started, or have answered.
const DEADLINE: Duration = Duration::from_secs(30);

/// Script that does its work once for each line of its standard input, and answers with one.
#[derive(Debug)]
pub struct Script {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// The end of each answer.
    answer: &'static str,
}

impl Script {
    /// Starts pg_activity's own functions for one refresh, without its screen: `pg_activity.py`, with a Python that has
    /// it.
    pub fn pg_activity(python: &Path, url: &str) -> Result<Self> {
        let mut command = bound_to_this_process(python);
        command.args([concat!(env!("CARGO_MANIFEST_DIR"), "/pg_activity.py"), url, "repeat"]);
        Self::start(command, "statements\n")
    }

    /// Starts the host for Node, which analyses on request: `hosts/call.mjs`, with the folder of its package.
    pub fn node_host(package: &Path, url: &str) -> Result<Self> {
        let mut command = bound_to_this_process("node".as_ref());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/hosts/call.mjs")).arg(package);
        // Of Debian's Node, which may be too old, the Makefile installs a newer one here.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", package.join("node_modules/.bin").display()));
        command.env("DATABASE_URL", url);
        Self::start(command, "report\n")
    }

    /// Starts the host for Python, which analyses on request: `hosts/call.py`, with a Python that has its package.
    pub fn python_host(python: &Path, url: &str) -> Result<Self> {
        let mut command = bound_to_this_process(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/hosts/call.py")).env("DATABASE_URL", url);
        Self::start(command, "report\n")
    }

    fn start(mut command: Command, answer: &'static str) -> Result<Self> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let requests = process.stdin.take().context("it has no stdin")?;
        let answers = BufReader::new(process.stdout.take().context("it has no stdout")?);
        Ok(Self { process, requests, answers, answer })
    }

    /// Has it do its work once.
    pub fn repeat(&mut self) -> Result<()> {
        self.requests.write_all(b"again\n")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(line.ends_with(self.answer), "the script failed: {line:?}");
        Ok(())
    }

    /// Returns the processor time that it has had.
    pub fn processor_time(&self) -> Result<Duration> {
        of_all_threads(self.process.id())
    }
}

impl Drop for Script {
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
