//! A component that attacks its host. The request names the attack; the answer tells what each call
//! of the host came to, so that a test can look at both sides.
//!
//! Compiled natively it is empty.

#[cfg(target_arch = "wasm32")]
mod guest;
