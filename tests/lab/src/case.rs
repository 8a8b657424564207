//! Generates a case: one kind in focus and others around it, on one server, observed several times.

use std::collections::BTreeMap;

use crate::case_builder::CaseBuilder;
use crate::kinds::Kind;
use crate::look::Look;
use crate::random::Random;
use crate::sim::server::Visibility;
use crate::sim::{Server, Sid, World};
use crate::split::Split;
use crate::time::{DAY, HOUR, MINUTE, SECOND, seconds};

/// Seed of all cases.
const SEED: u64 = 0x5EED_0F1E_A650_2026;
/// Start of the simulated day.
const EPOCH: i64 = 1_795_392_000 * SECOND;

/// Generated case.
pub struct Case {
    /// Number of the case, which determines all of it.
    pub number: u32,
    /// Kinds of its parts; the first is in focus.
    pub parts: Vec<&'static Kind>,
    /// Visibility of the server's sessions.
    pub visibility: Visibility,
    /// Looks, oldest first.
    pub looks: Vec<Look>,
    /// Lost sessions with the time of the loss.
    pub forgotten: BTreeMap<Sid, i64>,
}

/// Start of a case and times of its looks.
struct Times {
    begin: i64,
    looks: Vec<i64>,
}

impl Times {
    fn draw(kind: &Kind, random: &mut Random) -> Self {
        let (warm_up, interval, count) = if kind.slow {
            let interval = *random.pick(&[30 * MINUTE, HOUR, 3 * HOUR]);
            (seconds(random.magnitude(6.0, 48.0) * 3_600.0), interval, random.count(12, 20))
        } else {
            let interval = *random.pick(&[30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 5 * MINUTE]);
            (seconds(random.magnitude(600.0, 14_400.0)), interval, random.count(12, 24))
        };
        let begin = EPOCH + random.whole(0, DAY);
        let mut at = begin + warm_up;
        let looks = (0..count).map(|_| {
            at += interval + random.whole(-SECOND, SECOND);
            at
        });
        Self { begin, looks: looks.collect() }
    }
}

fn server(random: &mut Random, begin: i64, supabase: bool) -> Server {
    let major = random.whole(13, 18);
    let visibility = match random.count(0, 24) {
        0 => Visibility::Own,
        1..=4 => Visibility::Superuser,
        _ => Visibility::Full,
    };
    Server {
        version_num: major * 10_000 + random.whole(0, 9),
        started: begin - random.whole(HOUR, 30 * DAY),
        database: (*random.pick(&["shop", "app", "postgres", "main"])).to_owned(),
        role: "monitor".to_owned(),
        visibility,
        max_connections: *random.pick(&[100, 200, 200, 300, 500]),
        supabase,
        statements: random.chance(0.6),
    }
}

impl Case {
    /// Generates the case with this number.
    pub fn generate(number: u32) -> Self {
        let split = Split::of(number);
        let kinds = split.kinds();
        let kind = kinds[number as usize / 2 % kinds.len()];
        Self::of_kind(kind, &kinds, number)
    }

    /// Generates a case of a kind, with others around it.
    pub fn of_kind(kind: &'static Kind, kinds: &[&'static Kind], number: u32) -> Self {
        let mut random = Random::of(SEED, number.into());
        let times = Times::draw(kind, &mut random);
        let mut parts = vec![kind];
        let around: Vec<&'static Kind> =
            kinds.iter().filter(|other| !other.leaks && !other.pooler && other.name != kind.name).copied().collect();
        for _ in 0..random.count(0, 3) {
            parts.push(*random.pick(&around));
        }
        let supabase = parts.iter().any(|part| part.name == "supabase");
        let server = server(&mut random, times.begin, supabase);
        let visibility = server.visibility;
        let world = World::new(server, times.begin, Random::of(SEED, u64::from(number) + (1 << 32)));
        let mut builder = CaseBuilder {
            world,
            actors: Vec::new(),
            random,
            begin: times.begin,
            first: times.looks[0],
            last: times.looks[times.looks.len() - 1],
            part: 0,
        };
        for (part, kind) in parts.iter().enumerate() {
            builder.part = part;
            (kind.set_up)(&mut builder);
        }
        let CaseBuilder { mut world, mut actors, .. } = builder;
        let mut looks = Vec::new();
        for at in times.looks {
            world.run(&mut actors, at);
            looks.push(Look::at(&world));
        }
        let mut forgotten = std::mem::take(&mut world.departed);
        forgotten.extend(world.sessions.iter().filter_map(|(&sid, session)| Some((sid, session.forgotten?))));
        Self { number, parts, visibility, looks, forgotten }
    }
}
