//! Exports the skill: takes an attack and returns the host's answers.

#[allow(unsafe_code, missing_docs, clippy::all, unreachable_pub, reason = "generated bindings")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package archon:hostile;
            world hostile {
                import archon:connection-pool/credentials@1.0.0;
                import archon:connection-pool/database@1.0.0;
                import archon:connection-pool/pooler@1.0.0;
                import archon:connection-pool/backends@1.0.0;
                import archon:connection-pool/scaling@1.0.0;
                export archon:connection-pool/skill@1.0.0;
            }
        ",
        world: "archon:hostile/hostile",
        generate_all,
    });
}

mod attack;
mod flood;
mod heard;
mod hog;
mod kill;
mod pool;
mod spy;
mod sql;

use self::attack::Request;
use self::bindings::exports::archon::connection_pool::skill;

struct Component;

impl skill::Guest for Component {
    fn describe() -> String {
        "{}".to_owned()
    }

    fn run(input: String) -> String {
        match serde_json::from_str::<Request>(&input) {
            Ok(request) => request.attack.run(),
            Err(error) => heard::Heard::of(format!("this is no attack: {error}")).into_answer(),
        }
    }
}

#[allow(unsafe_code, reason = "the generated exports are `extern` functions")]
mod exports {
    use super::{Component, bindings};

    bindings::export!(Component with_types_in bindings);
}
