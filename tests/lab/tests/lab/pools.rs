//! The score on the recordings of real pool libraries in `tests/pools/corpus`. A changed plugin changes the golden table:
//! what got better and what got worse is then seen in the diff.

use std::path::Path;

use archon_pool_lab::recorded_score::RecordedScore;
use archon_pool_lab::recordings::{self, Recording};

#[test]
fn recordings_of_real_pools_have_this_score() -> anyhow::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pools/corpus");
    let judged =
        recordings::names(&corpus)?.iter().map(|name| Recording::read(name)).collect::<anyhow::Result<Vec<_>>>()?;
    let score = RecordedScore::of(&judged);
    assert_eq!(score.kills.wrongly_ended, 0, "no session in a transaction that is not lost would be ended");
    insta::assert_snapshot!("score", score.table());
    Ok(())
}
