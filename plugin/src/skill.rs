//! Functions of the component that take and return JSON texts.

use archon_pool_contract::fault::Fault;
use archon_pool_contract::host_api::HostApi;
use archon_pool_contract::params::{Action, AnalysisInput, Options, Request};
use archon_pool_contract::skill::Output;
use serde::Serialize;
use serde_json::Value;

use crate::{analyse, application, execute};

/// Executes the action of a SkillInput, and returns a SkillOutput.
pub fn run(host: &mut impl HostApi, input: &str) -> String {
    let done = Call::parse(input).and_then(|Call { action, credential, options, carry }| {
        execute::execute(host, action, credential.as_deref(), &options, carry.as_deref())
    });
    text(&done.map_or_else(Output::failed, Output::done))
}

/// Collects the snapshot that [`analyse`] takes, for a SkillInput.
pub fn collect(host: &mut impl HostApi, input: &str) -> Result<String, Fault> {
    let Call { action, credential, options, carry } = Call::parse(input)?;
    let snapshot = execute::collect(host, action, credential.as_deref(), &options, carry.as_deref())?;
    Ok(text(&snapshot))
}

/// Analyses a snapshot, and returns the report. Fails when the input is no [`AnalysisInput`].
pub fn analyse(input: &str) -> Result<String, Fault> {
    let AnalysisInput { mut snapshot, options, carry } = AnalysisInput::from_json(input)?;
    let (options, carry) = (options.unwrap_or_default().validate()?, embedded(carry));
    application::note_families(&mut snapshot.backends);
    Ok(text(&analyse::analyse_snapshot(&snapshot, &options, carry.as_deref())))
}

/// A validated request.
#[derive(Debug)]
pub struct Call {
    /// The action.
    pub action: Action,
    /// Name of the credential; none for the host's default.
    pub credential: Option<String>,
    /// Options in their ranges.
    pub options: Options,
    /// State of the call before.
    pub carry: Option<String>,
}

impl Call {
    fn parse(input: &str) -> Result<Self, Fault> {
        let Request { action, credential, options, carry, .. } = Request::from_json(input)?;
        let action = action.as_deref().map_or(Ok(Action::FullAnalysis), Action::parse)?;
        Ok(Self { action, credential, options: options.validate()?, carry: embedded(carry) })
    }
}

/// Returns the text of a carry, which is embedded as an object, or a text as in the typed functions.
fn embedded(carry: Option<Value>) -> Option<String> {
    carry.filter(|carry| !carry.is_null()).map(|carry| match carry {
        Value::String(text) => text,
        carry => carry.to_string(),
    })
}

/// Writes what is made of strings, numbers and lists, which cannot fail to serialise.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use archon_pool_contract::fault::kind;
    use archon_pool_contract::host_api::{Answer, Order, Outcome, ProbeTiming};
    use archon_pool_contract::rows::Statement;
    use proptest::prelude::*;

    /// A host whose database cannot be reached.
    struct Unreachable;

    fn unreachable() -> Fault {
        Fault { retryable: true, ..Fault::new(kind::SERVER_UNREACHABLE, "nothing answers at 127.0.0.1:1") }
    }

    impl HostApi for Unreachable {
        fn open(&mut self, _: Option<&str>) -> Result<(), Fault> {
            Err(unreachable())
        }

        fn query(&mut self, _: &[Statement]) -> Result<Vec<Answer>, Fault> {
            Err(unreachable())
        }

        fn probe(&mut self, _: u32, _: u32) -> Result<Vec<Result<ProbeTiming, Fault>>, Fault> {
            Err(unreachable())
        }

        fn deliver(&mut self, _: &[Order], _: bool) -> Option<Result<Vec<Outcome>, Fault>> {
            None
        }
    }

    #[test]
    fn a_fault_of_the_host_is_passed_on() {
        let answer: Output = serde_json::from_str(&run(&mut Unreachable, "{}")).expect("an Output");
        assert!(!answer.success);
        assert_eq!(answer.error, Some(unreachable()));
        assert_eq!(
            (answer.skill.as_str(), answer.duration, answer.timestamp),
            (archon_pool_contract::skill::NAME, 0, None)
        );
    }

    #[test]
    fn invalid_input_returns_a_fault_before_a_session_is_opened() {
        for input in ["", "null", "{\"action\":\"x\"}", "{\"options\":{\"minSize\":0}}", "{\"supabaseKey\":\"x\"}"] {
            let answer: Output = serde_json::from_str(&run(&mut Unreachable, input)).expect("an Output");
            let kind = answer.error.expect("a fault").kind;
            assert!([kind::INVALID_PARAMS, kind::SECRET_IN_PARAMS].contains(&kind.as_str()), "{input}: {kind}");
        }
    }

    proptest! {
        #[test]
        fn any_input_returns_an_answer(input in "\\PC{0,200}") {
            let answer: Output = serde_json::from_str(&run(&mut Unreachable, &input)).expect("an Output");
            prop_assert!(!answer.success);
        }
    }
}
