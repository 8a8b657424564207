//! The JSON door: SkillInput in, SkillOutput out.

use archon_pool_contract::fault::Fault;
use archon_pool_contract::host_api::Powers;
use archon_pool_contract::params::{Action, Request};
use archon_pool_contract::report::Report;
use archon_pool_contract::skill::Output;

use crate::execute;

/// Answers one SkillInput.
pub fn run(powers: &mut impl Powers, input: &str) -> String {
    let output = match execute_json(powers, input) {
        Ok(report) => Output::done(report),
        Err(fault) => Output::failed(fault),
    };
    // The answer is made of strings, numbers and lists: it cannot fail to serialise.
    serde_json::to_string(&output).unwrap_or_default()
}

fn execute_json(powers: &mut impl Powers, input: &str) -> Result<Report, Fault> {
    let request = Request::from_json(input)?;
    let action = request.action.as_deref().map_or(Ok(Action::FullAnalysis), Action::parse)?;
    let options = request.options.validate()?;
    let carry = request.carry.filter(|carry| !carry.is_null()).map(|carry| carry.to_string());
    execute::execute(powers, action, request.credential.as_deref(), &options, carry.as_deref())
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

    impl Powers for Unreachable {
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
    fn bad_input_is_answered_before_anything_is_opened() {
        for input in ["", "null", "{\"action\":\"x\"}", "{\"options\":{\"minSize\":0}}", "{\"supabaseKey\":\"x\"}"] {
            let answer: Output = serde_json::from_str(&run(&mut Unreachable, input)).expect("an Output");
            let kind = answer.error.expect("a fault").kind;
            assert!([kind::INVALID_PARAMS, kind::SECRET_IN_PARAMS].contains(&kind.as_str()), "{input}: {kind}");
        }
    }

    proptest! {
        #[test]
        fn any_input_is_answered(input in "\\PC{0,200}") {
            let answer: Output = serde_json::from_str(&run(&mut Unreachable, &input)).expect("an Output");
            prop_assert!(!answer.success);
        }
    }
}
