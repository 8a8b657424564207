//! Component that attacks its host. The request names the attack; the answer reports the result of each host call, so
//! that a test can check both sides.
//!
//! Empty when compiled natively.

#[cfg(target_arch = "wasm32")]
mod guest;
