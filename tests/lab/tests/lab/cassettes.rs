//! Replays cases as cassettes: the component's answers equal those of the plugin's native code, byte for byte.

use archon_pool::cassette::{Cassette, End, Replayed, Replayer};
use archon_pool::components::World;
use archon_pool_lab::case::Case;
use archon_pool_lab::recording;
use archon_pool_plugin::skill;

#[test]
fn a_cassette_is_written_and_read_back() {
    let recorded = recording::cassette(&Case::generate(0)).expect("it is judged");
    let mut bytes = Vec::new();
    recorded.write(&mut bytes).expect("it is written");
    let read = Cassette::read(&bytes).expect("it is read");
    assert_eq!(read.calls.len(), recorded.calls.len());
    for (call, before) in read.calls.into_iter().zip(recorded.calls) {
        let mut host = Replayed::new(Replayer::new(call.exchanges), World::Observer);
        let output = skill::run(&mut host, &call.input);
        assert_eq!(End::Returned(output), before.end);
    }
}
