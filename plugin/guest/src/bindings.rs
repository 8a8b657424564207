//! Bindings that `wit-bindgen` generates for the world that is built.

#[cfg(not(feature = "observer"))]
wit_bindgen::generate!({ path: "../../wit", world: "analyser" });
#[cfg(all(feature = "observer", not(feature = "manager")))]
wit_bindgen::generate!({ path: "../../wit", world: "observer" });
#[cfg(feature = "manager")]
wit_bindgen::generate!({ path: "../../wit", world: "manager" });
