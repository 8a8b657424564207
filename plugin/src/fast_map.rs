//! Maps and sets with a fast hash, and texts as their keys.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

use archon_pool_contract::fast_str::same;

/// A map without a meaningful order. The standard library's hash takes several times as long, and protects from names
/// that were chosen to collide only by a key, for which a component has no randomness.
pub type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The same without values.
pub type Set<K> = HashSet<K, foldhash::fast::RandomState>;

/// A text as the key of a map.
#[derive(Debug, Clone, Copy, Eq, PartialOrd, Ord)]
pub struct Name<'a>(pub &'a str);

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        same(self.0, other.0)
    }
}

impl Hash for Name<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
