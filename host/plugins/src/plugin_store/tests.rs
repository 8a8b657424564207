use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use archon_pool_contract::fault::kind;
use archon_pool_core::components::{World, embedded};
use archon_pool_core::digest::Digest;
use archon_pool_core::engine::Engine;
use archon_pool_core::host::describe;
use archon_pool_core::limits::Limits;
use archon_pool_core::plugin::Plugin;
use archon_pool_core::private_file;

use super::*;
use crate::policy_file::Proposal;
use crate::signature::{SecretKey, Signature, Trust};
use crate::verified_plugin::{Files, TrustRequirements};

/// A folder with plugins in it.
struct Desk {
    engine: Engine,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { engine: Engine::new(&Limits::default()).unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn put(&self, file: &str, bytes: &[u8]) {
        // In one step, as a store that watches requires, and also where others may write.
        let fresh = self.path(".fresh");
        std::fs::write(&fresh, bytes).unwrap();
        std::fs::rename(fresh, self.path(file)).unwrap();
    }

    async fn approve(&self, name: &str) {
        let plugin = Plugin::from_file(&self.engine, &self.path(&format!("{name}.wasm"))).unwrap();
        let path = self.path(&format!("{name}.policy.toml"));
        Proposal::of(&plugin, describe(&plugin, &Limits::default()), &path).await.unwrap().write(true).unwrap();
    }

    fn open(&self) -> PluginStore {
        PluginStore::open(self.engine.clone(), self.folder.path(), TrustRequirements::default()).unwrap()
    }
}

fn digest(store: &PluginStore, name: &str) -> Option<Digest> {
    store.get(name).map(|verified| verified.plugin().digest())
}

fn of(world: World) -> Option<Digest> {
    Some(Digest::of(embedded(world)))
}

fn troubles(store: &PluginStore) -> Vec<(String, String)> {
    store.troubles().into_iter().map(|trouble| (trouble.name, trouble.fault.kind)).collect()
}

fn one(name: &str, kind: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), kind.to_owned())]
}

#[test]
fn a_version_that_does_not_load_keeps_the_old_one_active() {
    let desk = Desk::new();
    desk.put("it.wasm", embedded(World::Observer));
    let store = desk.open();
    assert_eq!((digest(&store, "it"), store.names()), (of(World::Observer), vec!["it".to_owned()]));
    let old = store.get("it").unwrap();

    desk.put("it.wasm", b"half of a component");
    store.refresh();
    assert_eq!(digest(&store, "it"), of(World::Observer));
    assert_eq!(troubles(&store), one("it", kind::NOT_A_COMPONENT));

    desk.put("it.wasm", embedded(World::Analyser));
    store.refresh();
    assert_eq!((digest(&store, "it"), troubles(&store)), (of(World::Analyser), vec![]));
    assert_eq!(Some(old.plugin().digest()), of(World::Observer), "whoever runs the old one keeps it");

    fs::remove_file(desk.path("it.wasm")).unwrap();
    store.refresh();
    assert!(store.get("it").is_none() && store.names().is_empty());
}

#[test]
fn identical_bytes_are_not_reloaded() {
    let desk = Desk::new();
    desk.put("it.wasm", embedded(World::Analyser));
    let store = desk.open();
    let first = store.get("it").unwrap();
    desk.put("it.wasm", embedded(World::Analyser));
    store.refresh();
    assert!(Arc::ptr_eq(&first, &store.get("it").unwrap()));
    desk.put("it.wasm", b"broken");
    store.refresh();
    desk.put("it.wasm", embedded(World::Analyser));
    store.refresh();
    assert!(Arc::ptr_eq(&first, &store.get("it").unwrap()) && troubles(&store).is_empty());
}

#[tokio::test]
async fn a_policy_file_applies_to_its_component_and_its_removal_is_refused() {
    let desk = Desk::new();
    desk.put("it.wasm", embedded(World::Observer));
    desk.approve("it").await;
    let store = desk.open();
    assert!(store.get("it").unwrap().approval().is_some());

    desk.put("it.wasm", embedded(World::Manager));
    store.refresh();
    assert_eq!((digest(&store, "it"), troubles(&store)), (of(World::Observer), one("it", kind::NOT_APPROVED)));

    fs::remove_file(desk.path("it.policy.toml")).unwrap();
    store.refresh();
    assert_eq!((digest(&store, "it"), troubles(&store)), (of(World::Observer), one("it", kind::NOT_APPROVED)));
    assert!(store.troubles()[0].fault.message.contains("lost its policy file"));

    desk.approve("it").await;
    store.refresh();
    assert_eq!((digest(&store, "it"), troubles(&store)), (of(World::Manager), vec![]));
    assert!(store.get("it").unwrap().approval().is_some());
}

/// The key pair of RFC 8410's example.
const SECRET: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

#[tokio::test]
async fn only_signed_components_are_activated_where_signatures_are_required() {
    let desk = Desk::new();
    desk.put("secret.pem", SECRET.as_bytes());
    fs::set_permissions(desk.path("secret.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    desk.put("public.pem", PUBLIC.as_bytes());
    let key = SecretKey::load(&desk.path("secret.pem")).unwrap();
    let sign = |world: World, policy: Option<Digest>| {
        let signature = key.sign(of(world).unwrap(), policy);
        signature.write(&Signature::path_of(&desk.path("it.wasm"))).unwrap();
    };
    let trust = Trust::load(&[desk.path("public.pem")]).unwrap();
    desk.put("it.wasm", embedded(World::Observer));
    let store = PluginStore::open(
        desk.engine.clone(),
        desk.folder.path(),
        TrustRequirements { trust, ..TrustRequirements::default() },
    )
    .unwrap();
    assert_eq!((digest(&store, "it"), troubles(&store)), (None, one("it", kind::UNSIGNED)));

    sign(World::Observer, None);
    store.refresh();
    assert_eq!((digest(&store, "it"), troubles(&store)), (of(World::Observer), vec![]));
    assert_eq!(store.get("it").unwrap().signer(), Some(key.id()));

    desk.put("it.wasm", embedded(World::Manager));
    store.refresh();
    assert_eq!((digest(&store, "it"), troubles(&store)), (of(World::Observer), one("it", kind::SIGNATURE_INVALID)));

    desk.approve("it").await;
    sign(World::Manager, None);
    store.refresh();
    assert_eq!(troubles(&store), one("it", kind::SIGNATURE_INVALID), "the policy file is part of it");
    sign(World::Manager, Some(Digest::of(&fs::read(desk.path("it.policy.toml")).unwrap())));
    store.refresh();
    assert_eq!((digest(&store, "it"), troubles(&store)), (of(World::Manager), vec![]));
}

#[test]
fn files_that_others_can_write_to_are_refused() {
    let desk = Desk::new();
    desk.put("it.wasm", embedded(World::Analyser));
    desk.put("Not A Name.wasm", embedded(World::Analyser));
    desk.put(".hidden.wasm", b"");
    desk.put("notes.txt", b"");
    let store = desk.open();
    assert_eq!(
        (store.names(), troubles(&store)),
        (vec!["it".to_owned()], one("Not A Name.wasm", kind::INVALID_PARAMS))
    );

    fs::set_permissions(desk.folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    desk.put("it.wasm", embedded(World::Observer));
    store.refresh();
    assert_eq!(digest(&store, "it"), of(World::Analyser));
    let refused = PluginStore::open(desk.engine.clone(), desk.folder.path(), TrustRequirements::default()).unwrap_err();
    assert!(refused.message.contains("chmod go-w"), "{refused}");
    assert!(PluginStore::open(desk.engine.clone(), Path::new("/no/such"), TrustRequirements::default()).is_err());
}

#[test]
fn changes_in_a_watched_folder_are_loaded() {
    let desk = Desk::new();
    let store = desk.open();
    let watch = store.watch().unwrap();
    let shows = |what: &str, shows: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(30);
        while !shows() {
            assert!(Instant::now() < end, "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    desk.put("it.wasm", embedded(World::Observer));
    shows("added", &|| digest(&store, "it") == of(World::Observer));
    // Not in one step: the beginning of a component, and then the rest of it.
    let (head, tail) = embedded(World::Analyser).split_at(1_000);
    fs::write(desk.path("it.wasm"), head).unwrap();
    shows("refused", &|| troubles(&store) == one("it", kind::NOT_A_COMPONENT));
    assert_eq!(digest(&store, "it"), of(World::Observer));
    fs::write(desk.path("it.wasm"), [head, tail].concat()).unwrap();
    shows("changed", &|| digest(&store, "it") == of(World::Analyser) && troubles(&store).is_empty());
    fs::remove_file(desk.path("it.wasm")).unwrap();
    shows("removed", &|| store.get("it").is_none());
    drop(watch);
    desk.put("it.wasm", embedded(World::Observer));
    assert!(store.get("it").is_none(), "nobody looks any more");
}

#[tokio::test]
async fn plugins_are_added_listed_and_removed() {
    let (source, desk) = (Desk::new(), Desk::new());
    source.put("pool.wasm", embedded(World::Observer));
    source.approve("pool").await;
    let folder = desk.path("plugins");
    let name: Name = "pool".parse().unwrap();
    let add = |files: &Files, replace| {
        PluginStore::add(&desk.engine, &folder, &name, files, &TrustRequirements::default(), replace)
    };
    let approved = Files::of(&source.path("pool.wasm"), Some(&source.path("pool.policy.toml")));
    assert_eq!(PluginStore::list(&desk.engine, &folder, &TrustRequirements::default()), Ok(vec![]));
    assert!(add(&approved, false).unwrap().approval().is_some());
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(add(&approved, false).unwrap_err().message.contains("--replace"));

    // Another component neither inherits nor removes the existing policy file.
    source.put("pool.wasm", embedded(World::Manager));
    let bare = Files::of(&source.path("pool.wasm"), None);
    assert_eq!(add(&bare, true).unwrap_err().kind, kind::NOT_APPROVED);
    source.approve("pool").await;
    add(&approved, true).unwrap();
    let entries = PluginStore::list(&desk.engine, &folder, &TrustRequirements::default()).unwrap();
    let [entry] = &entries[..] else { panic!("one plugin") };
    assert_eq!((entry.name.as_str(), entry.world, entry.sha256), ("pool", Some(World::Manager), of(World::Manager)));
    assert_eq!((entry.policy, entry.signature, &entry.trouble), (PolicyState::Yes, SignatureState::No, &None));

    private_file::write(&folder.join("pool.wasm"), embedded(World::Observer)).unwrap();
    private_file::write(&folder.join("bad.wasm"), b"x").unwrap();
    private_file::write(&folder.join("bad.policy.toml"), b"x").unwrap();
    let entries = PluginStore::list(&desk.engine, &folder, &TrustRequirements::default()).unwrap();
    assert_eq!(
        entries.iter().map(|entry| entry.policy).collect::<Vec<_>>(),
        [PolicyState::Invalid, PolicyState::Mismatch]
    );
    assert!(entries.iter().all(|entry| entry.trouble.is_some() && entry.world.is_none()));

    assert!(PluginStore::find(&folder, &name).unwrap().policy.is_some());
    PluginStore::remove(&folder, &name).unwrap();
    assert_eq!(PluginStore::remove(&folder, &name).unwrap_err().kind, kind::PLUGIN_NOT_FOUND);
    assert_eq!(PluginStore::find(&folder, &name).unwrap_err().kind, kind::PLUGIN_NOT_FOUND);
    assert!(!folder.join("pool.policy.toml").exists());
}
