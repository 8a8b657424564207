//! `man`: the manual pages of the program and of its commands, made from the same definitions as the help texts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use archon_pool::Fault;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::Args;
use super::error::CliError;
use super::exit::Exit;
use super::terminal::Terminal;

/// Title in the middle of each page's head.
const MANUAL: &str = "archon-pool manual";

/// Date of the last change of the commands.
const DATE: &str = "2026-11-30";

/// Exit status and its meaning, as in the help.
const STATUS: [(&str, &str); 5] = [
    ("0", "healthy"),
    ("1", "findings: one is a warning or critical, a plan has targets, or a change failed; for diff: a difference"),
    ("2", "usage error: a flag, an option or a parameter is wrong"),
    ("3", "could not run: the message and the hint name the reason"),
    ("130", "interrupted before there was an answer"),
];

/// Prints the page of the program, or writes all pages and prints their paths.
pub(crate) fn man(directory: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let Some(directory) = directory else {
        let page = pages().pop().map(|(_, page)| page).unwrap_or_default();
        terminal.data(&page)?;
        return Ok(Exit::Healthy);
    };
    let unwritten = |path: &Path, error: &io::Error| {
        Fault::new("file-not-written", format!("{} could not be written: {error}", path.display()))
    };
    fs::create_dir_all(directory).map_err(|error| unwritten(directory, &error))?;
    for (name, page) in pages() {
        let path = directory.join(name);
        fs::write(&path, page).map_err(|error| unwritten(&path, &error))?;
        terminal.data(&path.display().to_string())?;
    }
    Ok(Exit::Healthy)
}

/// Renders the pages of all commands by file name; the last one is the program's.
fn pages() -> Vec<(PathBuf, String)> {
    let mut program = Args::command();
    program.build();
    let mut pages = Vec::new();
    collect(&program, &mut pages);
    pages
}

fn collect(command: &Command, pages: &mut Vec<(PathBuf, String)>) {
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        collect(command, pages);
    }
    let man =
        Man::new(command.clone()).manual(MANUAL).date(DATE).source(concat!("archon-pool ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let _ = render(command, &man, &mut page);
    pages.push((man.get_filename().into(), without_breaks(&String::from_utf8_lossy(&page))));
}

/// Removes line breaks beside empty lines, which have no effect and of which mandoc warns.
fn without_breaks(page: &str) -> String {
    let lines: Vec<_> = page.lines().collect();
    let is_space = |index: Option<usize>| index.and_then(|index| lines.get(index)).is_some_and(|line| line.is_empty());
    let kept = lines
        .iter()
        .enumerate()
        .filter(|(index, line)| **line != ".br" || !(is_space(index.checked_sub(1)) || is_space(index.checked_add(1))));
    kept.flat_map(|(_, line)| [*line, "\n"]).collect()
}

fn render(command: &Command, man: &Man, page: &mut Vec<u8>) -> io::Result<()> {
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(page)?;
    }
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in STATUS {
        roff.control("TP", []).text([bold(status)]).text([roman(meaning)]);
    }
    if command.get_display_name().is_some() {
        roff.control("SH", ["SEE ALSO"]).text([bold("archon-pool"), roman("(1)")]);
    }
    roff.to_writer(page)
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    use super::*;

    fn names(command: &Command, prefix: &str, found: &mut Vec<String>) {
        let name =
            if prefix.is_empty() { command.get_name().to_owned() } else { format!("{prefix}-{}", command.get_name()) };
        for inner in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            names(inner, &name, found);
        }
        found.push(format!("{name}.1"));
    }

    #[test]
    fn every_command_has_a_page() {
        let mut expected = Vec::new();
        names(&Args::command(), "", &mut expected);
        let found: Vec<_> = pages().into_iter().map(|(name, _)| name.display().to_string()).collect();
        assert_eq!(found, expected);
        assert!(found.contains(&"archon-pool-plugins-add.1".to_owned()), "{found:?}");
        assert_eq!(found.last().map(String::as_str), Some("archon-pool.1"));
    }

    #[test]
    fn mandoc_finds_no_fault_in_any_page() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = Process::new("mandoc");
        process.args(["-Tlint", "-Wwarning"]);
        for (name, page) in pages() {
            let path = folder.path().join(name);
            fs::write(&path, page).expect("written");
            process.arg(path);
        }
        let output = process.output().expect("mandoc, which tests/setup.sh installs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    #[test]
    fn the_page_of_a_command_has_its_flags_and_the_exit_status() {
        let pages = pages();
        let page = |name: &str| pages.iter().find(|(file, _)| file.as_path() == Path::new(name)).map(|(_, page)| page);
        let kill_idle = page("archon-pool-kill-idle.1").expect("a page");
        for part in ["\\-\\-apply", "\\-\\-max\\-kill\\-percentage", ".SH \"EXIT STATUS\"", ".SH \"SEE ALSO\""] {
            assert!(kill_idle.contains(part), "{part}: {kill_idle}");
        }
    }
}
