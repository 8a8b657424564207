//! Bindings that `wit-bindgen` generates for the component that is built.

#[cfg(not(feature = "front"))]
wit_bindgen::generate!({ path: ["../../wit", "wit"], world: "archon:pool-door/adapter", generate_all });
#[cfg(feature = "front")]
wit_bindgen::generate!({ path: ["../../wit", "wit"], world: "archon:pool-door/front", generate_all });
