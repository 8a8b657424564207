//! Numbers of a kill plan, read from the sentence that the built-in component writes as its reason.
//!
//! The report has no other place for them. The reason of another component is printed as it is.

/// Numbers of a plan.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PlanNumbers {
    /// Client sessions of the connected database.
    pub(super) sessions: usize,
    /// Sessions of them beyond the threshold of their state.
    pub(super) beyond: usize,
    /// Sessions that only the cap left alone.
    pub(super) left: usize,
    /// Sessions that were spared, by reason.
    pub(super) spared: Vec<(usize, String)>,
    /// Limits of the plan.
    pub(super) limits: Vec<String>,
}

/// Words after the first two numbers.
const BEYOND: &str = " idle for longer than the threshold";
/// Words after the number of sessions above the cap.
const LEFT: &str = " left for later";

impl PlanNumbers {
    /// Reads a reason; none if it has another form.
    pub(super) fn read(reason: &str) -> Option<Self> {
        let mut clauses = reason.split("; ");
        let first = clauses.next()?;
        let (head, parts) = first.split_once(": ").unwrap_or((first, ""));
        let (beyond, sessions) = head.strip_suffix(BEYOND)?.split_once(" of ")?;
        let mut numbers = Self {
            sessions: leading(sessions)?,
            beyond: beyond.parse().ok()?,
            limits: clauses.map(str::to_owned).collect(),
            ..Self::default()
        };
        let (parts, spared) = parts.split_once(" spared (").unwrap_or((parts, ""));
        let left = parts.split(", ").find_map(|part| part.strip_suffix(LEFT));
        numbers.left = left.map_or(Some(0), |left| left.parse().ok())?;
        for reason in spared.trim_end_matches(')').split(", ").filter(|reason| !reason.is_empty()) {
            let (count, why) = reason.split_once(' ')?;
            numbers.spared.push((count.parse().ok()?, why.to_owned()));
        }
        Some(numbers)
    }
}

fn leading(text: &str) -> Option<usize> {
    text.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_part_of_a_reason() {
        let reason = "15 of 20 sessions idle for longer than the threshold: 4 to end, 6 left for later, 5 spared (3 listens, \
                      2 advisory lock); maxKillPercentage 60 allows 4 per call; 2 more of roles that x may not signal";
        let expected = PlanNumbers {
            sessions: 20,
            beyond: 15,
            left: 6,
            spared: vec![(3, "listens".into()), (2, "advisory lock".into())],
            limits: vec![
                "maxKillPercentage 60 allows 4 per call".into(),
                "2 more of roles that x may not signal".into(),
            ],
        };
        assert_eq!(PlanNumbers::read(reason), Some(expected));
    }

    #[test]
    fn reads_a_reason_without_candidates() {
        let expected = PlanNumbers { sessions: 1, ..PlanNumbers::default() };
        assert_eq!(PlanNumbers::read("0 of 1 session idle for longer than the threshold"), Some(expected));
    }

    #[test]
    fn leaves_other_sentences_alone() {
        for other in ["", "2 of 8 candidates: the cap", "many of 3 idle for longer than the threshold", "; ;"] {
            assert_eq!(PlanNumbers::read(other), None, "{other}");
        }
    }
}
