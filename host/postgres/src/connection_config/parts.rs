//! Settings as given: one text each, from the first source that has it.

use std::collections::BTreeMap;
use std::fmt;

use archon_pool_contract::fault::Fault;
use secrecy::{ExposeSecret, SecretString};

use super::fault::{invalid, refused, without_value};
use super::keywords;
use super::setting::{Meaning, Setting};

/// Source of a setting's text, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A connection text, or a field of the credentials file.
    Text,
    /// A variable of the environment.
    Variable(&'static str),
    /// A line of a service file.
    ServiceFile(String),
}

impl Source {
    /// Adds the source to the message of a fault.
    pub(crate) fn within(&self, fault: Fault) -> Fault {
        let place: &dyn fmt::Display = match self {
            Self::Text => return fault,
            Self::Variable(name) => name,
            Self::ServiceFile(line) => line,
        };
        Fault { message: format!("{place}: {}", fault.message), ..fault }
    }
}

/// Text of one setting.
pub(crate) struct Given {
    /// The name by which it was given.
    pub(crate) name: String,
    pub(crate) text: SecretString,
    pub(crate) source: Source,
}

/// Settings as given, not yet interpreted.
#[derive(Default)]
pub(crate) struct Parts {
    pub(super) given: BTreeMap<Setting, Given>,
    pub(super) notes: Vec<String>,
    /// True if `ssl` has the meaning of JDBC.
    pub(super) is_jdbc: bool,
    /// True if no certificate is to be verified, even if authorities are configured.
    pub(super) no_verify: bool,
}

impl Parts {
    /// Sets a setting, and replaces an earlier value.
    pub(crate) fn set(&mut self, setting: Setting, text: &str) {
        self.put(setting, name_of(setting), text, Source::Text);
    }

    /// Sets a setting that is unset.
    pub(crate) fn fill(&mut self, setting: Setting, text: &str) {
        if self.is_open(setting) {
            self.set(setting, text);
        }
    }

    /// Returns the text of a setting.
    pub(crate) fn get(&self, setting: Setting) -> Option<&str> {
        self.given.get(&setting).map(|given| given.text.expose_secret())
    }

    /// Adds a parameter of a connection text. A name without a value may be part of a password, and so may every name
    /// when the text `holds_password`.
    pub(super) fn parameter(&mut self, name: &str, value: Option<&str>, holds_password: bool) -> Result<(), Fault> {
        match keywords::meaning(name) {
            // The mere presence of a framework's `ssl` requests TLS, as does JDBC's empty one.
            Some(Meaning::Is(Setting::Ssl)) if value.is_none_or(|value| self.is_jdbc && value.is_empty()) => {
                self.put(Setting::Ssl, name, "true", Source::Text);
            }
            Some(Meaning::Is(setting)) => {
                let value = value.ok_or_else(|| without_value(name))?;
                self.put(setting, name, value, Source::Text);
            }
            Some(Meaning::SocketFile) => self.socket_file(name, value.unwrap_or_default(), &Source::Text)?,
            Some(Meaning::PassedOver) => self.note(keywords::passed_over(name)),
            // An empty value counts as unset.
            Some(Meaning::Refused(_)) if value == Some("") => {}
            Some(Meaning::Refused(reason)) => return Err(refused(name, reason)),
            None if value.is_some() && !holds_password && keywords::is_of_migrations(name) => {
                self.note(keywords::passed_over(name));
            }
            None => return Err(keywords::unknown(name, value.is_some() && !holds_password)),
        }
        Ok(())
    }

    /// Adds a parameter of a lower-ranking source: ignored where an earlier source has set it.
    pub(super) fn fallback(&mut self, name: &str, value: &str, source: &Source) -> Result<(), Fault> {
        match keywords::meaning(name) {
            Some(Meaning::Is(setting)) => {
                if self.is_open(setting) {
                    self.put(setting, name, value, source.clone());
                }
            }
            Some(Meaning::SocketFile) => {
                if self.is_open(Setting::Host) {
                    self.socket_file(name, value, source).map_err(|fault| source.within(fault))?;
                }
            }
            Some(Meaning::Refused(_)) if value.is_empty() => {}
            // Other programs use the variables, too: those that change nothing here need no note.
            Some(Meaning::PassedOver) if matches!(source, Source::Variable(_)) => {}
            Some(Meaning::PassedOver) => self.note(keywords::passed_over(name)),
            Some(Meaning::Refused(reason)) => return Err(source.within(refused(name, reason))),
            None => return Err(source.within(keywords::unknown(name, true))),
        }
        Ok(())
    }

    /// Splits the path of a Unix socket into folder and port.
    fn socket_file(&mut self, name: &str, path: &str, source: &Source) -> Result<(), Fault> {
        if path.is_empty() {
            return Ok(());
        }
        let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let found = path.rsplit_once("/.s.PGSQL.").filter(|(folder, port)| folder.starts_with('/') && is_port(port));
        let (folder, port) = found.ok_or_else(|| {
            invalid(format!(
                "connection parameter '{name}' must be a path that ends in /.s.PGSQL.PORT: give host and port"
            ))
        })?;
        self.put(Setting::Host, name, folder, source.clone());
        self.put(Setting::Port, name, port, source.clone());
        Ok(())
    }

    /// Adds a note unless it exists.
    pub(crate) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn is_open(&self, setting: Setting) -> bool {
        use Setting::{RequireSsl, Ssl, SslAccept, SslMode, TargetServerType, TargetSessionAttrs};
        let rivals: &[Setting] = match setting {
            SslMode | Ssl | RequireSsl | SslAccept => &[SslMode, Ssl, RequireSsl, SslAccept],
            TargetSessionAttrs | TargetServerType => &[TargetSessionAttrs, TargetServerType],
            _ => &[setting],
        };
        rivals.iter().all(|rival| !self.given.contains_key(rival))
    }

    /// Sets a setting unless the text is empty.
    fn put(&mut self, setting: Setting, name: &str, text: &str, source: Source) {
        if text.is_empty() {
            return;
        }
        self.given.insert(setting, Given { name: name.to_owned(), text: text.into(), source });
    }
}

fn name_of(setting: Setting) -> &'static str {
    let is = |(_, meaning): &&(&str, Meaning)| *meaning == Meaning::Is(setting);
    keywords::KEYWORDS.iter().find(is).map_or("", |(name, _)| name)
}
