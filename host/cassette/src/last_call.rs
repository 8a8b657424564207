//! Recording of the latest call in memory.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use archon_pool_contract::fault::Fault;
use archon_pool_core::digest::Digest;
use archon_pool_core::interceptor::{CallMode, CallRecorder, ImportAnswer, ImportCall, Interceptor};
use async_trait::async_trait;

use super::format::{Cassette, End, Header};
use super::normalise::Literals;
use super::recording::Recording;

/// Keeps the latest finished call of a host in memory, as a cassette of one call. Clones share it.
#[derive(Clone, Default)]
pub struct LastCall {
    cassette: Arc<Mutex<Option<Cassette>>>,
    normalised: bool,
}

impl fmt::Debug for LastCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the latest call")
    }
}

impl LastCall {
    /// Removes the literals of all statement texts.
    pub fn normalised(self) -> Self {
        Self { normalised: true, ..self }
    }

    /// Takes the latest call; none before one has ended.
    pub fn take(&self) -> Option<Cassette> {
        self.cassette.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Interceptor for LastCall {
    fn replays(&self) -> bool {
        false
    }

    fn begin(&self, component: &str, digest: Digest, function: &str, input: &str) -> Result<CallMode, Fault> {
        let header = Header { normalised: self.normalised, ..Header::of(component, digest.to_string()) };
        let literals = if self.normalised { Literals::OfAll } else { Literals::OfSecrets };
        let recording = Recording::begin(function, input, literals);
        Ok(CallMode::Recording(Box::new(KeptCall { last: self.clone(), header, recording })))
    }
}

struct KeptCall {
    last: LastCall,
    header: Header,
    recording: Recording,
}

#[async_trait]
impl CallRecorder for KeptCall {
    fn record(&mut self, call: ImportCall, answer: Result<ImportAnswer, Fault>) {
        self.recording.note(call, answer);
    }

    async fn end(self: Box<Self>, result: &Result<String, Fault>) {
        let Self { last, header, recording } = *self;
        let cassette = Cassette { header, calls: vec![recording.end(End::of(result))] };
        *last.cassette.lock().unwrap_or_else(PoisonError::into_inner) = Some(cassette);
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::RUN;
    use super::*;

    #[tokio::test]
    async fn the_latest_call_is_a_cassette_of_its_own() {
        let last = LastCall::default();
        assert!(last.take().is_none());
        for input in ["{\"first\":1}", "{\"second\":2}"] {
            let CallMode::Recording(mut call) = last.begin("it.wasm", Digest::of(b"it"), RUN, input).unwrap() else {
                panic!("calls are recorded")
            };
            call.record(ImportCall::Lookup { name: None }, Ok(ImportAnswer::Handle(7)));
            call.end(&Ok("{}".to_owned())).await;
        }
        let cassette = last.take().expect("a call");
        let [call] = cassette.calls.as_slice() else { panic!("one call") };
        assert_eq!((call.input.as_str(), call.exchanges.len()), ("{\"second\":2}", 1));
        assert_eq!(call.end, End::Returned("{}".into()));
        assert!(last.take().is_none());
    }
}
