//! A call of an import with its answer, and how it is a line of the file.

use archon_pool_plugin::fault::Fault;
use serde::{Deserialize, Serialize, Serializer};

use super::import::{
    CredentialName, Deliver, Import, Kind, Lookup, Notes, Open, OpenConsole, Probe, Query, Renew, Resize, Show, Way,
};

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer<T> {
    /// It was done.
    Ok(T),
    /// It was not.
    Err(Fault),
}

impl<T> From<Result<T, Fault>> for Answer<T> {
    fn from(result: Result<T, Fault>) -> Self {
        match result {
            Ok(answer) => Self::Ok(answer),
            Err(fault) => Self::Err(fault),
        }
    }
}

impl<T> From<Answer<T>> for Result<T, Fault> {
    fn from(answer: Answer<T>) -> Self {
        match answer {
            Answer::Ok(answer) => Ok(answer),
            Answer::Err(fault) => Err(fault),
        }
    }
}

/// An import with its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked<I: Import> {
    /// What it was called with.
    pub with: I,
    /// What it answered.
    pub answer: Answer<I::Ok>,
}

/// How it lies in a line.
#[derive(Serialize)]
struct Line<'a, I: Import> {
    import: &'static str,
    with: &'a I,
    #[serde(flatten)]
    answer: &'a Answer<I::Ok>,
}

/// How it is read from one. Other fields are a later version's.
#[derive(Deserialize)]
#[serde(bound = "")]
struct Read<I: Import> {
    with: I,
    ok: Option<I::Ok>,
    err: Option<Fault>,
}

impl<I: Import> Asked<I> {
    /// An import with its answer, as one of any import.
    pub fn exchange(with: I, answer: Result<I::Ok, Fault>) -> Exchange {
        I::exchange(Self { with, answer: answer.into() })
    }

    fn read(line: &str) -> Result<Self, String> {
        let Read { with, ok, err } = serde_json::from_str::<Read<I>>(line).map_err(|error| error.to_string())?;
        let answer = match (ok, err) {
            (Some(answer), None) => Answer::Ok(answer),
            (None, Some(fault)) => Answer::Err(fault),
            _ => return Err("an import has one of ok and err".to_owned()),
        };
        Ok(Self { with, answer })
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Line { import: I::NAME, with: &self.with, answer: &self.answer }.serialize(serializer)
    }
}

macro_rules! exchanges {
    ($($import:ident)*) => {
        /// A call of any import with its answer.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Exchange {
            $(
                #[doc = concat!("See [`", stringify!($import), "`].")]
                $import(Asked<$import>),
            )*
        }

        impl Exchange {
            /// The import's name.
            pub fn import(&self) -> &'static str {
                match self {
                    $(Self::$import(_) => $import::NAME,)*
                }
            }

            /// Reads a line of the import of this name; if it is none, why.
            pub(super) fn read(import: &str, line: &str) -> Result<Self, String> {
                $(if import == $import::NAME {
                    return Asked::<$import>::read(line).map(Self::$import);
                })*
                Err(format!("there is no import '{}'", import.escape_debug()))
            }
        }

        impl Serialize for Exchange {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$import(asked) => asked.write(serializer),)*
                }
            }
        }
    };
}

exchanges! { Lookup CredentialName Open Way Notes Query Probe OpenConsole Kind Show Deliver Resize Renew }
