//! Limits by name, as the command line and a policy file give them.

use std::time::Duration;

use archon_pool_contract::fault::Fault;

use super::Limits;

/// A limit's value.
trait Value: Sized {
    /// Description of valid values, for the message that refuses another.
    const LOOKS: &str;

    fn read(text: &str) -> Option<Self>;

    /// Returns milliseconds for a time, and the number itself otherwise.
    fn plain(self) -> u64;
}

impl Value for Duration {
    const LOOKS: &str = "a time such as 250ms, 10s or 2m";

    fn read(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            _ => return None,
        };
        Some(Self::from_millis(number.checked_mul(millis)?))
    }

    fn plain(self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Value for u64 {
    const LOOKS: &str = "a number such as 1000, 64KiB or 2MiB";

    fn read(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let factor = match unit {
            "" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.checked_mul(factor)
    }

    fn plain(self) -> u64 {
        self
    }
}

impl Value for u32 {
    const LOOKS: &str = u64::LOOKS;

    fn read(text: &str) -> Option<Self> {
        u64::read(text)?.try_into().ok()
    }

    fn plain(self) -> u64 {
        self.into()
    }
}

impl Value for usize {
    const LOOKS: &str = u64::LOOKS;

    fn read(text: &str) -> Option<Self> {
        u64::read(text)?.try_into().ok()
    }

    fn plain(self) -> u64 {
        self as u64
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

fn put<T: Value>(limit: &mut T, name: &str, text: &str) -> Result<(), Fault> {
    *limit = T::read(text).ok_or_else(|| Fault::invalid(format!("limit {name}: {} is wanted", T::LOOKS)))?;
    Ok(())
}

macro_rules! settings {
    ($($name:ident)*) => {
        impl Limits {
            /// Name of every limit, as in messages.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];

            /// Sets a limit by its name: `cpu` to `500ms`, `memory` to `64MiB`, `host_calls` to `200`.
            /// Fails when there is no such limit, or the value is not of its type.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
                // A limit that is missing from the list does not compile.
                let Self { $($name),* } = self;
                match name {
                    $(stringify!($name) => put($name, name, value),)*
                    _ => {
                        let known = Self::NAMES.join(", ");
                        Err(Fault::invalid(format!("limit {}: is unknown: use one of {known}", name.escape_debug())))
                    }
                }
            }

            /// Returns every limit by its name: times in milliseconds, all else in bytes or as a count.
            pub fn plain(&self) -> serde_json::Map<String, serde_json::Value> {
                [$((stringify!($name).to_owned(), self.$name.plain().into())),*].into_iter().collect()
            }
        }
    };
}

settings! {
    deadline cpu fuel stack memory instances component_bytes compile_time rows answer_rows answer_bytes
    request_bytes message_bytes report_bytes statements host_calls probes sessions handles orders output_bytes
    start_bytes protocol_message_bytes statement_bytes api_bytes
    connect_timeout statement_timeout lock_timeout leave_timeout
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_set_by_the_names_that_messages_give() {
        let mut limits = Limits::default();
        limits.set("cpu", "250ms").unwrap();
        limits.set("memory", "64MiB").unwrap();
        limits.set("host_calls", "7").unwrap();
        assert_eq!((limits.cpu, limits.memory, limits.host_calls), (Duration::from_millis(250), 64 << 20, 7));
    }

    #[test]
    fn an_unknown_limit_is_refused_with_the_known_ones() {
        let mut limits = Limits::default();
        for (name, value, told) in [
            ("cpus", "1s", "use one of deadline, cpu, "),
            ("cpu", "10", "such as 250ms"),
            ("cpu", "99999999999999999999s", "such as 250ms"),
            ("memory", "1.5GiB", "such as 1000"),
            ("memory", "99999999999999999GiB", "such as 1000"),
            ("rows", "8GiB", "such as 1000"),
            ("rows", "-1", "such as 1000"),
            ("rows", "", "such as 1000"),
        ] {
            let fault = limits.set(name, value).unwrap_err();
            assert!(fault.message.contains(told), "{name}={value}: {fault}");
        }
        assert_eq!(limits, Limits::default());
    }
}
