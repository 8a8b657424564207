//! SkillOutput, the answer to a SkillInput as JSON.

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::report::Report;

/// The skill's name in every answer.
pub const NAME: &str = "supabase-connection-pool";

/// The contract's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// SkillOutput: the result of `skill.run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// True when the action was executed.
    pub success: bool,
    /// The report, when it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub data: Option<Report>,
    /// The fault, when it was not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<Fault>,
    /// The skill's name.
    pub skill: String,
    /// The contract's version.
    pub version: String,
    /// Server time from the first to the last answer, milliseconds; 0 when no server answered.
    pub duration: u64,
    /// The server's time, ISO 8601 UTC; none when no server answered.
    pub timestamp: Option<String>,
}

impl Output {
    /// The answer to an action that was done.
    pub fn done(report: Report) -> Self {
        let (duration, timestamp) = (report.analysis_duration, Some(report.timestamp.clone()));
        Self {
            success: true,
            data: Some(report),
            error: None,
            skill: NAME.into(),
            version: VERSION.into(),
            duration,
            timestamp,
        }
    }

    /// The answer to an action that was not.
    pub fn failed(fault: Fault) -> Self {
        Self {
            success: false,
            data: None,
            error: Some(fault),
            skill: NAME.into(),
            version: VERSION.into(),
            duration: 0,
            timestamp: None,
        }
    }
}
