//! Bounds on the size of a pool, taken from the request and not from the component.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use archon_pool_contract::params::Options;

/// The request's permission and bounds for a resize.
#[derive(Debug, Clone)]
pub(crate) struct Sizing {
    /// Reason for which nothing may be changed; none when the request asks for a resize.
    pub(crate) refusal: Option<String>,
    /// The bounds; the error names an invalid option.
    pub(crate) bounds: Result<Bounds, String>,
}

/// The request's bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    min_size: u32,
    max_size: u32,
    /// Largest growth, percent of the size before.
    growth_rate: u32,
    /// Largest reduction, percent of the size before.
    shrink_rate: u32,
}

/// An option that bounds the size of a pool.
pub struct SizeOption {
    /// Name in a request.
    pub name: &'static str,
    /// Value where a request has none.
    pub default: u32,
    /// Smallest and largest value.
    pub range: RangeInclusive<u32>,
}

/// Returns the options that bound the size of a pool. `maxSize` is not below `minSize` either.
pub fn size_options() -> [SizeOption; 4] {
    let Options { min_size, max_size, growth_rate, shrink_rate, .. } = Options::default();
    let option = |name, default, range| SizeOption { name, default, range };
    [
        option("minSize", min_size, 1..=u32::MAX),
        option("maxSize", max_size, 1..=i32::MAX.cast_unsigned()),
        option("growthRate", growth_rate, 1..=100),
        option("shrinkRate", shrink_rate, 1..=100),
    ]
}

impl Bounds {
    /// Reads the options. One that the contract does not allow is an error: a component that interprets it in another
    /// way than the host must not resize by it.
    pub(crate) fn of(options: Option<&Map<String, Value>>) -> Result<Self, String> {
        let number = |SizeOption { name, default, range }: SizeOption| {
            let given = options.and_then(|options| options.get(name)).filter(|value| !value.is_null());
            let number = given.map_or(Some(default), |value| u32::try_from(value.as_u64()?).ok());
            number.filter(|number| range.contains(number)).ok_or_else(|| format!("options.{name} is not in its range"))
        };
        let [min_size, max_size, growth_rate, shrink_rate] = size_options();
        let min_size = number(min_size)?;
        let range = min_size..=*max_size.range.end();
        Ok(Self {
            min_size,
            max_size: number(SizeOption { range, ..max_size })?,
            growth_rate: number(growth_rate)?,
            shrink_rate: number(shrink_rate)?,
        })
    }

    /// Checks that a resize stays within the bounds; the error names the one that it violates. A size outside of the
    /// bounds may move to the nearer bound in one step, whatever the rates.
    pub(super) fn admits(&self, before: u32, size: u32) -> Result<(), String> {
        let Self { min_size, max_size, growth_rate, shrink_rate } = *self;
        if size == 0 || (size > max_size && size >= before) {
            return Err(format!("{size} is not within options.maxSize, {max_size}"));
        }
        if size < min_size && size <= before {
            return Err(format!("{size} is not within options.minSize, {min_size}"));
        }
        if (before < size && size <= min_size) || (max_size <= size && size < before) {
            return Ok(());
        }
        let (name, rate, step) = if size > before {
            ("growthRate", growth_rate, size - before)
        } else {
            ("shrinkRate", shrink_rate, before - size)
        };
        // Never more than the size itself, as the rate is 100 at the most.
        let most = u64::from(before).saturating_mul(u64::from(rate)).div_ceil(100).max(1);
        if u64::from(step) > most {
            return Err(format!(
                "from {before} to {size} is a step of {step}, and options.{name}, {rate} %, allows {most}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bounds(options: &Value) -> Result<Bounds, String> {
        Bounds::of(options.as_object())
    }

    #[test]
    fn a_resize_stays_within_bounds_and_pace() {
        let bounds = bounds(&json!({ "minSize": 5, "maxSize": 50, "growthRate": 20, "shrinkRate": 15 })).unwrap();
        for (before, size, option) in [
            (20, 24, None),
            (20, 25, Some("growthRate")),
            (20, 17, None),
            (20, 16, Some("shrinkRate")),
            (6, 7, None),
            (5, 4, Some("minSize")),
            (50, 51, Some("maxSize")),
            (20, 0, Some("maxSize")),
            (20, u32::MAX, Some("maxSize")),
            // From outside, to the bound at once and no further.
            (2, 3, None),
            (2, 5, None),
            (2, 6, Some("growthRate")),
            (2, 1, Some("minSize")),
            (100, 85, None),
            (100, 50, None),
            (100, 49, Some("shrinkRate")),
            (100, 101, Some("maxSize")),
            (100, 100, Some("maxSize")),
        ] {
            let admitted = bounds.admits(before, size);
            match option {
                None => assert_eq!(admitted, Ok(()), "{before} to {size}"),
                Some(option) => assert!(admitted.unwrap_err().contains(option), "{before} to {size}"),
            }
        }
    }

    #[test]
    fn invalid_bounds_allow_no_resize() {
        assert_eq!(bounds(&json!({})), bounds(&json!({ "minSize": null, "maxSize": 100 })));
        for (name, value) in [
            ("minSize", json!(0)),
            ("minSize", json!(101)),
            ("maxSize", json!("100")),
            ("maxSize", json!(4_000_000_000_u32)),
            ("growthRate", json!(0)),
            ("growthRate", json!(1e3)),
            ("shrinkRate", json!(101)),
            ("shrinkRate", json!(-1)),
        ] {
            let why = bounds(&json!({ name: value })).unwrap_err();
            assert!(why.contains(name) || why.contains("maxSize"), "{why}");
        }
    }
}
