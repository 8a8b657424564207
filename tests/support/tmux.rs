//! A program on a real terminal: tmux draws what it writes, and answers what it asks the terminal.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::until::until;

/// Text that the shell prints when the program has ended, before its exit code.
const ENDED: &str = "ENDED WITH";

/// Terminal with one program, removed on drop.
pub struct Tmux {
    folder: TempDir,
}

impl Tmux {
    /// Starts a program on a terminal of this size, with this environment and no other. The shell stays when it has
    /// ended.
    ///
    /// # Errors
    ///
    /// Fails if tmux is not installed.
    pub async fn start(columns: u16, rows: u16, environment: &[(&str, &str)], command: &[&str]) -> Result<Self> {
        let tmux = Self { folder: tempfile::tempdir()? };
        let set: Vec<String> = environment.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
        // Settings of the terminal before and after, and the process id of the program.
        let script = format!(
            "cd {folder}; stty -a > before; env -i TERM=\"$TERM\" PATH=\"$PATH\" HOME={folder} {set} \
             sh -c 'echo $$ > pid; exec \"$@\"' sh {words}; echo '{ENDED}' $?; stty -a > after; echo; cat",
            folder = quoted(&tmux.folder.path().display().to_string()),
            set = set.join(" "),
            words = words.join(" "),
        );
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let size = ["-x", &columns, "-y", &rows];
        tmux.tmux(&[&["new-session", "-d"], &size[..], &["sh", "-c", &script]].concat()).await?;
        Ok(tmux)
    }

    /// Returns the text of the screen.
    ///
    /// # Errors
    ///
    /// Fails if the terminal is gone.
    pub async fn screen(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p"]).await
    }

    /// Returns the text of the screen with its escape sequences for colours.
    ///
    /// # Errors
    ///
    /// Fails if the terminal is gone.
    pub async fn coloured_screen(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p", "-e"]).await
    }

    /// Presses keys, by the names that tmux has for them.
    ///
    /// # Errors
    ///
    /// Fails if the terminal is gone.
    pub async fn press(&self, keys: &[&str]) -> Result<()> {
        self.tmux(&[&["send-keys"], keys].concat()).await.map(|_| ())
    }

    /// Types text.
    ///
    /// # Errors
    ///
    /// Fails if the terminal is gone.
    pub async fn type_text(&self, text: &str) -> Result<()> {
        self.tmux(&["send-keys", "-l", text]).await.map(|_| ())
    }

    /// Changes the size of the terminal.
    ///
    /// # Errors
    ///
    /// Fails if the terminal is gone.
    pub async fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]).await.map(|_| ())
    }

    /// Waits until the screen has a text, and returns the screen.
    ///
    /// # Errors
    ///
    /// Fails if that takes too long; the error has the screen.
    pub async fn shows(&self, text: &str) -> Result<String> {
        let mut screen = String::new();
        let waited = until("the screen has the text", async || {
            screen = self.screen().await?;
            Ok(screen.contains(text))
        });
        waited.await.with_context(|| format!("{text}:\n{screen}"))?;
        Ok(screen)
    }

    /// Sends a signal to the program.
    ///
    /// # Errors
    ///
    /// Fails if it has not started.
    pub fn signal(&self, signal: &str) -> Result<()> {
        let pid: u32 = std::fs::read_to_string(self.folder.path().join("pid"))?.trim().parse()?;
        ensure!(crate::process::send(signal, pid)?, "it was not sent");
        Ok(())
    }

    /// Waits until the program has ended, checks that the terminal is as it was, and returns the exit code and the
    /// screen.
    ///
    /// # Errors
    ///
    /// Fails if it does not end, or leaves the terminal in another state.
    pub async fn ended(&self) -> Result<(i32, String)> {
        let screen = self.shows(ENDED).await?;
        let code = screen.rsplit_once(ENDED).and_then(|(_, rest)| rest.split_whitespace().next());
        let code = code.and_then(|code| code.parse().ok()).context("an exit code")?;
        until("the shell goes on", async || Ok(self.file("after").is_ok_and(|text| !text.is_empty()))).await?;
        let state = self.tmux(&["display-message", "-p", "#{alternate_on}#{cursor_flag}"]).await?;
        ensure!(state.trim() == "01", "the screen before is shown again, with its cursor: {state}");
        // All settings but the size, which may have been changed meanwhile.
        let settings = |text: String| text.lines().filter(|it| !it.contains("rows ")).collect::<Vec<_>>().join("\n");
        let (before, after) = (settings(self.file("before")?), settings(self.file("after")?));
        ensure!(before == after, "the terminal is as it was:\n{before}\n{after}");
        Ok((code, screen))
    }

    /// Returns the path of a file in the program's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str) -> Result<String> {
        Ok(std::fs::read_to_string(self.path(name))?)
    }

    async fn tmux(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.command();
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output()).await?;
        let output = output.context("could not run `tmux`: `apt-get install tmux`")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "tmux {arguments:?}: {said}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A server of its own, with no one's configuration.
    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-f", "/dev/null", "-u", "-S"]).arg(self.path("socket")).stdin(Stdio::null());
        command.env("LANG", "C.UTF-8").env("TERM", "xterm-256color").env_remove("TMUX");
        command
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command().arg("kill-server").stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Quotes a word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
