//! SkillOutput of a component: the text, with the fault that the caller and the host act on.

use std::fmt;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::skill::Output;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::json_text::{JsonText, JsonTextError};

/// A SkillOutput as the component wrote it. Its report is parsed only where a caller wants its values.
#[derive(Debug, Clone, PartialEq)]
pub struct SkillOutput {
    text: JsonText,
    fault: Option<Box<Fault>>,
}

impl SkillOutput {
    /// Checks the text of a component that may have at most this number of values: see [`JsonText::check`].
    pub fn check(text: String, most_values: usize) -> Result<Self, JsonTextError> {
        let (text, is_success) = JsonText::outlined(text, most_values)?;
        Ok(Self::new(text, is_success))
    }

    fn new(text: JsonText, is_success: bool) -> Self {
        let fault = (!is_success).then(|| Box::new(fault_in(&text)));
        Self { text, fault }
    }

    /// Returns the text.
    pub fn text(&self) -> &JsonText {
        &self.text
    }

    /// Returns the text.
    pub fn into_text(self) -> JsonText {
        self.text
    }

    /// Returns true if `success` is true.
    pub fn is_success(&self) -> bool {
        self.fault.is_none()
    }

    /// Returns the fault of an output that is no success.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_deref()
    }

    /// Parses the report, or the part of it that a type has. None without a report, or with one of another shape.
    pub fn report<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        self.text.parse::<Data<T>>().ok()?.data
    }

    /// Returns the carry for the next call.
    pub fn carry(&self) -> Option<&RawValue> {
        self.report::<Kept<'_>>()?.carry
    }

    /// Parses the whole output.
    pub fn to_value(&self) -> Value {
        self.text.to_value()
    }

    /// Marks a fault as not retryable.
    pub(crate) fn not_retryable(self) -> Self {
        let mut value = self.to_value();
        match value.pointer_mut("/error/retryable") {
            Some(retryable) => {
                *retryable = false.into();
                Self::from(&value)
            }
            None => self,
        }
    }
}

fn fault_in(text: &JsonText) -> Fault {
    let error = text.parse::<Failed>().ok().and_then(|failed| failed.error);
    error.unwrap_or_else(|| Fault::new(kind::UNEXPECTED_ANSWER, "the skill failed and does not say why"))
}

#[derive(Deserialize)]
struct Failed {
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Data<T> {
    data: Option<T>,
}

#[derive(Deserialize)]
struct Kept<'a> {
    #[serde(borrow)]
    carry: Option<&'a RawValue>,
}

impl From<&Value> for SkillOutput {
    fn from(value: &Value) -> Self {
        Self::new(JsonText::from(value), value.get("success") == Some(&Value::Bool(true)))
    }
}

/// The SkillOutput of a fault of the host.
impl From<Fault> for SkillOutput {
    fn from(fault: Fault) -> Self {
        Self { text: JsonText::of(&Output::failed(fault.clone())), fault: Some(Box::new(fault)) }
    }
}

/// Writes the text; with `{:#}` it is indented.
impl fmt::Display for SkillOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checked(text: &str) -> SkillOutput {
        SkillOutput::check(text.to_owned(), 1_000).unwrap()
    }

    #[test]
    fn the_report_is_kept_as_it_was_written() {
        let text = r#"{"success":true,"data":{"carry":{"v":4,"at":1.50},"findings":[]},"skill":"x"}"#;
        let output = checked(text);
        assert!(output.is_success());
        assert_eq!((output.text().as_str(), output.carry().map(RawValue::get)), (text, Some(r#"{"v":4,"at":1.50}"#)));
        #[derive(Deserialize)]
        struct Part {
            findings: Vec<Value>,
        }
        assert!(output.report::<Part>().is_some_and(|part| part.findings.is_empty()));
        assert_eq!(output.to_value()["data"]["carry"]["v"], 4);
    }

    #[test]
    fn a_fault_is_read_from_the_envelope() {
        let fault = Fault { retryable: true, ..Fault::new(kind::CONNECTION_LOST, "no") };
        let output = SkillOutput::from(fault.clone());
        assert_eq!(output.fault(), Some(&fault));
        assert_eq!(checked(output.text().as_str()), output);
        let final_one = output.not_retryable();
        assert!(!final_one.fault().unwrap().retryable);
        assert_eq!(final_one.to_value()["error"]["retryable"], false);
    }

    #[test]
    fn a_failure_without_a_fault_is_one_too() {
        for text in ["{}", "7", r#"{"success":false,"error":7}"#, r#"{"success":"true"}"#, r#"{"error":null}"#] {
            assert_eq!(checked(text).fault().unwrap().kind, kind::UNEXPECTED_ANSWER, "{text}");
        }
    }

    #[test]
    fn the_last_of_repeated_keys_decides() {
        let output = checked(
            r#"{"success":true,"success":false,"error":{"kind":"no-pooler","message":"none","retryable":true},"error":{"kind":"x","message":"y","retryable":false}}"#,
        );
        assert_eq!(output.fault().unwrap().kind, "x");
        assert_eq!(output.to_value()["success"], json!(false));
    }

    #[test]
    fn a_report_of_another_shape_has_no_carry() {
        for text in [r#"{"success":true}"#, r#"{"success":true,"data":7}"#, r#"{"success":true,"data":{"carry":null}}"#]
        {
            assert!(checked(text).carry().is_none(), "{text}");
        }
    }
}
