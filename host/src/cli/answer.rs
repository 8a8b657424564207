//! What a component answered: kept as it came for readers of JSON, and understood where it can be.

use archon_pool::Fault;
use archon_pool_contract::report::Report;
use serde_json::Value;

use super::clean;
use super::exit::Exit;
use super::trouble::Trouble;

/// The fault kind for an answer outside the contract.
const UNEXPECTED: &str = archon_pool_contract::fault::kind::UNEXPECTED_ANSWER;

/// An answer that is no fault.
#[derive(Debug)]
pub(crate) struct Answer {
    value: Value,
    report: Option<Report>,
    /// The field of the value that is the report; none when all of it is.
    inside: Option<&'static str>,
}

impl Answer {
    /// Reads a SkillOutput. A component's refusal is trouble, and so is an answer that does not say
    /// that it is a success.
    pub(crate) fn of_output(output: Value) -> Result<Self, Trouble> {
        if output.get("success") == Some(&Value::Bool(true)) {
            let report = read(output.get("data"));
            return Ok(Self { value: output, report, inside: Some("data") });
        }
        let fault = output.get("error").cloned().and_then(|error| serde_json::from_value(error).ok());
        let fault = fault.unwrap_or_else(|| Fault::new(UNEXPECTED, "the component failed and does not say why"));
        Err(Trouble::Fault { fault, answer: Some(Box::new(output)) })
    }

    /// Reads the bare report of an analyser.
    pub(crate) fn of_report(report: Value) -> Self {
        Self { report: read(Some(&report)), value: report, inside: None }
    }

    /// As it came.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// The report in it, safe to print; none when a component of somebody else answers in a shape
    /// of its own.
    pub(crate) fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// What it wants remembered.
    pub(crate) fn carry(&self) -> Option<&Value> {
        let report = self.inside.map_or(Some(&self.value), |field| self.value.get(field));
        report?.get("carry").filter(|carry| !carry.is_null())
    }

    /// The verdict.
    pub(crate) fn exit(&self) -> Exit {
        self.report.as_ref().map_or(Exit::Healthy, Exit::of_report)
    }
}

/// A report, if it is one, safe to print.
fn read(report: Option<&Value>) -> Option<Report> {
    let mut report = report?.clone();
    clean::value(&mut report);
    serde_json::from_value(report).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sample;
    use super::*;

    #[test]
    fn a_skill_output_and_a_bare_report_are_both_understood() {
        let report = serde_json::to_value(sample::full()).expect("JSON");
        let output = json!({"success": true, "data": report});
        for (answer, value) in [
            (Answer::of_output(output.clone()).expect("an answer"), &output),
            (Answer::of_report(report.clone()), &report),
        ] {
            assert_eq!(answer.value(), value);
            assert_eq!(answer.carry(), Some(&report["carry"]));
            assert_eq!(answer.exit(), Exit::Findings);
        }
    }

    #[test]
    fn a_refusal_is_trouble_and_keeps_the_answer() {
        let value = json!({"success": false, "error": {"kind": "no-pooler", "message": "none", "retryable": false}});
        let Err(Trouble::Fault { fault, answer }) = Answer::of_output(value.clone()) else { panic!("must be a fault") };
        assert_eq!((fault.kind.as_str(), answer), ("no-pooler", Some(Box::new(value))));
        for silent in [json!({"success": false}), json!({}), Value::Null] {
            let Err(Trouble::Fault { fault, .. }) = Answer::of_output(silent) else { panic!("must be a fault") };
            assert_eq!(fault.kind, UNEXPECTED);
        }
    }

    #[test]
    fn another_shape_is_passed_on() {
        let answer = Answer::of_output(json!({"success": true, "data": {"hello": "world"}})).expect("an answer");
        assert!(answer.report().is_none());
        assert_eq!((answer.carry(), answer.exit()), (None, Exit::Healthy));
    }

    #[test]
    fn what_is_shown_is_cleaned_and_what_is_passed_on_is_not() {
        let mut report = sample::full();
        report.leak_detection.suspected_connections[0].application = "web\u{1b}[2J".into();
        let answer = Answer::of_report(serde_json::to_value(&report).expect("JSON"));
        let shown = answer.report().expect("a report");
        assert_eq!(shown.leak_detection.suspected_connections[0].application, "web\u{fffd}[2J");
        assert_eq!(answer.value()["leakDetection"]["suspectedConnections"][0]["application"], json!("web\u{1b}[2J"));
    }
}
