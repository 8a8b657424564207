//! A call of an import with its answer, read from and written to a line of the file.

use archon_pool_contract::fault::Fault;
use serde::{Deserialize, Serialize, Serializer};

use super::answer::Answer;
use super::import::{
    AccessPath, Arguments, CredentialName, Deliver, Kind, Lookup, Notes, Open, OpenConsole, Probe, Query, Reconnect,
    Resize, Show,
};

/// An import that is one variant of [`Exchange`].
pub trait Import: Arguments {
    /// Returns the exchange if it belongs to this import.
    fn of(exchange: &Exchange) -> Option<&Asked<Self>>;

    /// Converts the exchange if it belongs to this import.
    fn taken(exchange: Exchange) -> Option<Asked<Self>>;

    /// Wraps an exchange of this import.
    fn exchange(asked: Asked<Self>) -> Exchange;
}

/// An import with its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked<I: Arguments> {
    /// Its arguments.
    pub with: I,
    /// Its answer.
    pub answer: Answer<I::Ok>,
}

/// An exchange as a line.
#[derive(Serialize)]
struct Line<'a, I: Arguments> {
    import: &'static str,
    with: &'a I,
    #[serde(flatten)]
    answer: &'a Answer<I::Ok>,
}

/// An exchange as it is read from a line. Other fields are a later version's.
#[derive(Deserialize)]
#[serde(bound = "")]
struct Read<I: Arguments> {
    with: I,
    ok: Option<I::Ok>,
    err: Option<Fault>,
}

impl<I: Import> Asked<I> {
    /// Creates an exchange.
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
            /// Returns the import's name.
            pub fn import(&self) -> &'static str {
                match self {
                    $(Self::$import(_) => $import::NAME,)*
                }
            }

            /// Parses a line of the import of this name; the error is the reason against it.
            pub(super) fn read(import: &str, line: &str) -> Result<Self, String> {
                $(if import == $import::NAME {
                    return Asked::<$import>::read(line).map(Self::$import);
                })*
                Err(format!("there is no import '{}'", import.escape_debug()))
            }
        }

        $(impl Import for $import {
            fn of(exchange: &Exchange) -> Option<&Asked<Self>> {
                if let Exchange::$import(asked) = exchange { Some(asked) } else { None }
            }

            fn taken(exchange: Exchange) -> Option<Asked<Self>> {
                if let Exchange::$import(asked) = exchange { Some(asked) } else { None }
            }

            fn exchange(asked: Asked<Self>) -> Exchange {
                Exchange::$import(asked)
            }
        })*

        impl Serialize for Exchange {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$import(asked) => asked.write(serializer),)*
                }
            }
        }
    };
}

exchanges! { Lookup CredentialName Open AccessPath Notes Query Probe OpenConsole Kind Show Deliver Resize Reconnect }
