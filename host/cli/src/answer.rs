//! Answer of a component: its text for JSON, parsed for tables.

use std::cell::OnceCell;

use archon_pool::json_text::JsonText;
use archon_pool::skill_output::SkillOutput;
use archon_pool_contract::report::{Action, Finding, Report};
use archon_pool_report::sanitize;
use serde::Deserialize;
use serde_json::Value;
#[cfg(feature = "tui")]
use serde_json::value::RawValue;

use super::error::CliError;
use super::exit::Exit;

/// Answer that is not a fault.
#[derive(Debug)]
pub(crate) struct Answer {
    text: JsonText,
    /// True if the text is a SkillOutput, which has the report as its `data`.
    is_output: bool,
    report: OnceCell<Option<Report>>,
}

/// The report in a SkillOutput.
#[derive(Deserialize)]
struct Data<T> {
    #[serde(bound(deserialize = "T: Deserialize<'de>"))]
    data: Option<T>,
}

/// Parts of a report that decide on the exit status.
#[derive(Deserialize)]
struct Outcome {
    findings: Vec<Finding>,
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Kept {
    carry: Option<Value>,
}

impl Answer {
    /// Reads a SkillOutput. A fault of the component is an error, and so is an answer that reports no success.
    pub(crate) fn of_output(output: SkillOutput) -> Result<Self, CliError> {
        match output.fault().cloned() {
            None => Ok(Self { text: output.into_text(), is_output: true, report: OnceCell::new() }),
            Some(fault) => Err(CliError::Fault { fault, answer: Some(Box::new(output)) }),
        }
    }

    /// Reads the bare report of an analyser.
    pub(crate) fn of_report(text: JsonText) -> Self {
        Self { text, is_output: false, report: OnceCell::new() }
    }

    /// Returns the answer unchanged.
    pub(crate) fn text(&self) -> &JsonText {
        &self.text
    }

    /// Returns the report, safe to print; none when a custom component answers in another form. Parsed once.
    pub(crate) fn report(&self) -> Option<&Report> {
        self.report.get_or_init(|| self.read(&sanitize::strings(self.text.as_str()))).as_ref()
    }

    /// Returns the text of the report as the component wrote it, which is not safe to print; none when a custom component
    /// answers in another form.
    #[cfg(feature = "tui")]
    pub(crate) fn report_text(&self) -> Option<&str> {
        let text = self.text.as_str();
        if !self.is_output {
            return Some(text);
        }
        serde_json::from_str::<Data<&RawValue>>(text).ok()?.data.map(RawValue::get)
    }

    /// Returns the report as [`Answer::report`] does, without the text.
    pub(crate) fn into_report(self) -> Option<Report> {
        self.report();
        self.report.into_inner().flatten()
    }

    /// Returns the report to print as a page; none where the answer is printed as JSON.
    pub(crate) fn page(&self, as_json: bool) -> Option<&Report> {
        if as_json { None } else { self.report() }
    }

    /// Returns the carry.
    pub(crate) fn carry(&self) -> Option<Value> {
        self.read::<Kept>(self.text.as_str())?.carry
    }

    /// Returns the exit status.
    pub(crate) fn exit(&self) -> Exit {
        let outcome: Option<Outcome> = self.read(self.text.as_str());
        outcome.map_or(Exit::Healthy, |Outcome { findings, actions }| Exit::of(&findings, &actions))
    }

    /// Parses the report in a text, or the part of it that a type has.
    fn read<'a, T: Deserialize<'a>>(&self, text: &'a str) -> Option<T> {
        if self.is_output { serde_json::from_str::<Data<T>>(text).ok()?.data } else { serde_json::from_str(text).ok() }
    }
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
            (Answer::of_output((&output).into()).expect("an answer"), &output),
            (Answer::of_report((&report).into()), &report),
        ] {
            assert_eq!(answer.text().as_str(), value.to_string());
            assert_eq!(answer.carry().as_ref(), Some(&report["carry"]));
            assert_eq!(answer.exit(), Exit::Findings);
            assert!(answer.report().is_some_and(|report| *report == fixture::full()));
        }
    }

    #[test]
    fn returns_a_fault_of_the_component_with_its_answer() {
        let value = json!({"success": false, "error": {"kind": "no-pooler", "message": "none", "retryable": false}});
        let output = SkillOutput::from(&value);
        let Err(CliError::Fault { fault, answer }) = Answer::of_output(output.clone()) else {
            panic!("must be a fault")
        };
        assert_eq!((fault.kind.as_str(), answer), ("no-pooler", Some(Box::new(output))));
    }

    #[test]
    fn passes_on_an_answer_of_another_shape() {
        let answer = Answer::of_output((&json!({"success": true, "data": {"hello": "world"}})).into());
        let answer = answer.expect("an answer");
        assert!(answer.report().is_none());
        assert_eq!((answer.carry(), answer.exit()), (None, Exit::Healthy));
    }

    #[test]
    fn sanitizes_the_report_and_not_the_text() {
        let mut report = fixture::full();
        report.leak_detection.suspected_connections[0].application = "web\u{1b}[2J".into();
        let value = serde_json::to_value(&report).expect("JSON");
        let answer = Answer::of_report((&value).into());
        let shown = answer.report().expect("a report");
        assert_eq!(shown.leak_detection.suspected_connections[0].application, "web\u{fffd}[2J");
        assert_eq!(answer.text().as_str(), value.to_string());
    }
}
