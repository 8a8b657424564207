//! The answer to an import in a cassette.

use archon_pool_contract::fault::Fault;
use serde::{Deserialize, Serialize};

/// Answer to an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer<T> {
    /// The import succeeded.
    Ok(T),
    /// The import failed.
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
