//! Fuzzes untrusted cassettes: any bytes are read or rejected, and an accepted cassette is replayed without a panic.
#![no_main]

use archon_pool::cassette::{Cassette, Replayed, Replayer};
use archon_pool::components::World;
use archon_pool_plugin::skill;
use libfuzzer_sys::{Corpus, fuzz_target};

fn written(cassette: &Cassette) -> Vec<u8> {
    let mut bytes = Vec::new();
    cassette.write(&mut bytes).expect("memory takes all");
    bytes
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(cassette) = Cassette::read(data) else { return Corpus::Reject };
    let bytes = written(&cassette);
    let again = Cassette::read(&bytes).expect("what was written is read");
    assert!(written(&again) == bytes, "a cassette came back changed");
    for call in cassette.calls {
        let mut host = Replayed::new(Replayer::new(call.exchanges), World::Manager);
        drop(skill::run(&mut host, &call.input));
    }
    Corpus::Keep
});
