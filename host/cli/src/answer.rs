//! Answer of a component: kept unchanged for JSON, parsed for tables.

use archon_pool::Fault;
use archon_pool_contract::report::Report;
use archon_pool_report::sanitize;
use serde_json::Value;

use super::error::CliError;
use super::exit::Exit;

/// The fault kind for an answer outside the contract.
const UNEXPECTED: &str = archon_pool_contract::fault::kind::UNEXPECTED_ANSWER;

/// Answer that is not a fault.
#[derive(Debug)]
pub(crate) struct Answer {
    value: Value,
    report: Option<Report>,
    /// The field of the value that contains the report; none when the value is the report.
    inside: Option<&'static str>,
}

impl Answer {
    /// Reads a SkillOutput. A fault of the component is an error, and so is an answer that reports no success.
    pub(crate) fn of_output(output: Value) -> Result<Self, CliError> {
        if output.get("success") == Some(&Value::Bool(true)) {
            let report = read(output.get("data"));
            return Ok(Self { value: output, report, inside: Some("data") });
        }
        let fault = output.get("error").cloned().and_then(|error| serde_json::from_value(error).ok());
        let fault = fault.unwrap_or_else(|| Fault::new(UNEXPECTED, "the component failed and does not say why"));
        Err(CliError::Fault { fault, answer: Some(Box::new(output)) })
    }

    /// Reads the bare report of an analyser.
    pub(crate) fn of_report(report: Value) -> Self {
        Self { report: read(Some(&report)), value: report, inside: None }
    }

    /// Returns the answer unchanged.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the report, safe to print; none when a custom component answers in another form.
    pub(crate) fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// Returns the carry.
    pub(crate) fn carry(&self) -> Option<&Value> {
        let report = self.inside.map_or(Some(&self.value), |field| self.value.get(field));
        report?.get("carry").filter(|carry| !carry.is_null())
    }

    /// Returns the exit status.
    pub(crate) fn exit(&self) -> Exit {
        self.report.as_ref().map_or(Exit::Healthy, Exit::of_report)
    }
}

/// Parses a report, made safe to print.
fn read(report: Option<&Value>) -> Option<Report> {
    let mut report = report?.clone();
    sanitize::value(&mut report);
    serde_json::from_value(report).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::fixture;
    use super::*;

    #[test]
    fn reads_a_skill_output_and_a_bare_report() {
        let report = serde_json::to_value(fixture::full()).expect("JSON");
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
    fn returns_a_fault_of_the_component_with_its_answer() {
        let value = json!({"success": false, "error": {"kind": "no-pooler", "message": "none", "retryable": false}});
        let Err(CliError::Fault { fault, answer }) = Answer::of_output(value.clone()) else {
            panic!("must be a fault")
        };
        assert_eq!((fault.kind.as_str(), answer), ("no-pooler", Some(Box::new(value))));
        for silent in [json!({"success": false}), json!({}), Value::Null] {
            let Err(CliError::Fault { fault, .. }) = Answer::of_output(silent) else { panic!("must be a fault") };
            assert_eq!(fault.kind, UNEXPECTED);
        }
    }

    #[test]
    fn passes_on_an_answer_of_another_shape() {
        let answer = Answer::of_output(json!({"success": true, "data": {"hello": "world"}})).expect("an answer");
        assert!(answer.report().is_none());
        assert_eq!((answer.carry(), answer.exit()), (None, Exit::Healthy));
    }

    #[test]
    fn sanitizes_the_report_and_not_the_value() {
        let mut report = fixture::full();
        report.leak_detection.suspected_connections[0].application = "web\u{1b}[2J".into();
        let answer = Answer::of_report(serde_json::to_value(&report).expect("JSON"));
        let shown = answer.report().expect("a report");
        assert_eq!(shown.leak_detection.suspected_connections[0].application, "web\u{fffd}[2J");
        assert_eq!(answer.value()["leakDetection"]["suspectedConnections"][0]["application"], json!("web\u{1b}[2J"));
    }
}
