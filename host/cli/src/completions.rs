//! `completions`: the completion script of a shell.

use clap::{Command, CommandFactory as _};
use clap_complete::{Shell, generate};

use super::args::Args;
use super::error::CliError;
use super::exit::Exit;
use super::terminal::Terminal;

/// Name of the program in the scripts.
const PROGRAM: &str = "archon-pool";

/// Prints the script.
pub(crate) fn completions(shell: Shell, terminal: &mut Terminal) -> Result<Exit, CliError> {
    terminal.data(&script(shell))?;
    Ok(Exit::Healthy)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut visible(&Args::command()), PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script);
    // clap#6421: for a name with a hyphen, bash finds no command below the first without this.
    if shell == Shell::Bash { script.replace("archon__subcmd__pool", "archon__pool") } else { script.into_owned() }
}

/// Copies a command without its hidden subcommands, which the generators would offer.
fn visible(command: &Command) -> Command {
    let subcommands = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
    Command::new(PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(command.get_arguments().cloned())
        .subcommands(subcommands.cloned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{self, Stdio};

    use clap::ValueEnum as _;

    use super::*;

    /// Runs a shell with a script on stdin, and returns its output.
    fn run(shell: &str, arguments: &[&str], input: &str) -> String {
        let mut command = process::Command::new(shell);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{shell}, which tests/setup.sh installs: {error}"));
        child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("read");
        let output = child.wait_with_output().expect("it ends");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{shell} {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Completes the last of some words in a real bash.
    fn completed(words: &[&str]) -> Vec<String> {
        let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
        let input = format!(
            "{}\nregistered=$(complete -p archon-pool) || exit 1\n\
             [[ $registered =~ -F\\ ([^ ]+) ]] || exit 1\n\
             COMP_WORDS=({}); COMP_CWORD={}\n\
             \"${{BASH_REMATCH[1]}}\" archon-pool \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            script(Shell::Bash),
            quoted.join(" "),
            words.len() - 1,
        );
        run("bash", &["--norc", "--noprofile"], &input).lines().map(str::to_owned).collect()
    }

    #[test]
    fn bash_completes_commands_flags_and_values() {
        assert_eq!(completed(&["archon-pool", "kill"]), ["kill-idle"]);
        assert_eq!(completed(&["archon-pool", "comp"]), ["components", "completions"]);
        assert_eq!(completed(&["archon-pool", "plugins", "re"]), ["remove"]);
        assert_eq!(completed(&["archon-pool", "kill-idle", "--app"]), ["--apply"]);
        assert_eq!(completed(&["archon-pool", "watch", "--log", "j"]), ["json"]);
        assert_eq!(completed(&["archon-pool", "--color", ""]), ["auto", "always", "never"]);
        assert!(completed(&["archon-pool", "watch", "auto"]).contains(&"auto-scale".to_owned()));
        assert!(completed(&["archon-pool", "completions", "z"]).contains(&"zsh".to_owned()));
    }

    #[test]
    fn zsh_and_fish_read_their_scripts() {
        run("zsh", &["--no-rcs", "-n"], &script(Shell::Zsh));
        run("fish", &["--no-config", "--no-execute"], &script(Shell::Fish));
    }

    #[test]
    fn fish_completes_commands_and_values() {
        let complete = |line: &str| {
            run("fish", &["--no-config"], &format!("{}\ncomplete --do-complete '{line}'\n", script(Shell::Fish)))
        };
        assert!(complete("archon-pool kill-").starts_with("kill-idle\t"), "{}", complete("archon-pool kill-"));
        assert!(complete("archon-pool monitor --log ").contains("json\t"));
    }

    #[test]
    fn each_shell_has_a_script_with_every_command() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for command in Args::command().get_subcommands().filter(|command| !command.is_hide_set()) {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
