//! `report`: writes a report as an HTML page or as Markdown.

mod collect;
pub(crate) mod flags;
mod rounds;
mod write;

use archon_pool::Fault;
use archon_pool_report::{html, markdown};

use self::flags::ReportFlags;
use self::rounds::Rounds;
#[cfg(feature = "tui")]
pub(crate) use self::rounds::name;
use self::write::{STDOUT, write};

use super::args::{Global, Reading};
use super::error::CliError;
use super::exit::Exit;
use super::terminal::Terminal;

/// Collects the rounds and writes the files. A server is not asked when a file has no folder.
pub(crate) async fn report(
    global: &Global,
    files: &ReportFlags,
    reading: &Reading,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    check(files, reading, terminal)?;
    let rounds = if files.from.is_empty() {
        match collect::collect(global, files, reading, terminal).await? {
            Some(rounds) => rounds,
            None => return Ok(Exit::Interrupted),
        }
    } else {
        Rounds::of_files(&files.from)?
    };
    let document = rounds.document().ok_or_else(|| Fault::invalid("no round has a report"))?;
    if let Some(path) = &files.html {
        write(path, &html::page(&document), terminal)?;
    }
    if let Some(path) = &files.markdown {
        write(path, &markdown::page(&document), terminal)?;
    }
    if let Some(answer) = rounds.text().filter(|_| terminal.wants_json()) {
        terminal.json(answer)?;
    }
    Ok(rounds.exit())
}

fn check(files: &ReportFlags, reading: &Reading, terminal: &Terminal) -> Result<(), Fault> {
    let (on_stdout, in_files): (Vec<_>, Vec<_>) =
        [&files.html, &files.markdown].into_iter().flatten().partition(|path| path.as_os_str() == STDOUT);
    for path in in_files {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(Fault::invalid(format!("{}: there is no folder {}", path.display(), folder.display())));
        }
    }
    if on_stdout.len() + usize::from(terminal.wants_json()) > 1 {
        return Err(Fault::invalid(
            "stdout takes one of --html -, --markdown - and --json: name a file for the others",
        ));
    }
    if !files.from.is_empty() && !reading.options.to_json()?.is_empty() {
        return Err(Fault::invalid("--from: the options of a stored answer cannot be changed; --replay takes others"));
    }
    Ok(())
}
