//! Connection texts of the conformance kit, which all hosts must resolve alike.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use archon_pool_contract::fault::Fault;
use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::environment::Environment;
use super::{CallCredentials, Credentials, Place};
use crate::target::{Roots, SslNegotiation, Target, TargetSessionAttrs, TlsVersion};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Kit {
    os_user: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    url: Option<String>,
    key: Option<String>,
    #[serde(default)]
    request: bool,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    files: Vec<File>,
    out: Option<Map<String, Value>>,
    fault: Option<Expected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: String,
    text: String,
    mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    kind: String,
    words: Vec<String>,
    #[serde(default)]
    without: Vec<String>,
}

impl Row {
    fn resolve(&self, home: &Path, user: &str) -> Result<Target, Fault> {
        let here = |text: &str| text.replace("{home}", &home.display().to_string());
        for file in &self.files {
            let path = home.join(file.path.strip_prefix("~/").expect("a path within the home folder"));
            fs::create_dir_all(path.parent().expect("a folder")).unwrap();
            fs::write(&path, here(&file.text)).unwrap();
            let mode = u32::from_str_radix(file.mode.as_deref().unwrap_or("0600"), 8).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let variable = |name: &str| self.environment.get(name).map(|text| here(text));
        let environment = Environment::read(variable, Some(home.to_owned()), Some(user.to_owned()));
        let mut credentials = Credentials { environment: Some(environment), ..Credentials::new() };
        let url = self.url.as_ref().map(|url| SecretString::from(here(url)));
        let key = self.key.as_deref().map(SecretString::from);
        let mut requested = None;
        if self.request {
            requested = url;
        } else {
            credentials.url = url;
        }
        let credentials = CallCredentials::new(Arc::new(credentials), requested.as_ref(), key.as_ref(), None)?;
        match credentials.find(None)?.place {
            Place::Here(access) => Ok(access.target),
            Place::Vault { .. } => panic!("the kit has no vault"),
        }
    }
}

/// Returns a target in the kit's form.
fn written(target: &Target) -> Value {
    let each = target.each();
    let shown = |password: &Option<SecretString>| password.as_ref().map(|it| it.expose_secret().to_owned());
    let hosts: Vec<Value> = each
        .iter()
        .map(|one| match one.address {
            Some(address) => json!([one.host, one.port, address.to_string()]),
            None => json!([one.host, one.port]),
        })
        .collect();
    let mut out = json!({ "hosts": hosts, "user": target.user, "database": target.database,
        "password": null, "sslmode": target.ssl_mode.word() });
    let passwords: Vec<_> = each.iter().map(|one| shown(&one.password)).collect();
    let is_one = passwords.iter().all(|password| *password == passwords[0]);
    let mut put = |name: &str, value: Value| out[name] = value;
    if is_one {
        put("password", json!(passwords[0]));
    } else {
        put("passwords", json!(passwords));
    }
    match &target.roots {
        Some(Roots::System) => put("sslrootcert", json!("system")),
        Some(Roots::File(path)) => put("sslrootcert", json!(path)),
        None => {}
    }
    if let Some(pair) = &target.client_certificate {
        put("sslcert", json!(pair.certificate));
        put("sslkey", json!(pair.key));
    }
    if target.ssl_negotiation != SslNegotiation::Postgres {
        put("sslNegotiation", json!(target.ssl_negotiation.word()));
    }
    if target.ssl_min_version != TlsVersion::Tls12 {
        put("sslMinProtocolVersion", json!(target.ssl_min_version.word()));
    }
    if let Some(version) = target.ssl_max_version {
        put("sslMaxProtocolVersion", json!(version.word()));
    }
    if target.channel_binding.word() != "prefer" {
        put("channelBinding", json!(target.channel_binding.word()));
    }
    if let Some(methods) = &target.require_auth {
        put("requireAuth", json!(methods.iter().map(|method| method.word()).collect::<Vec<_>>()));
    }
    if target.target_session_attrs != TargetSessionAttrs::Any {
        put("targetSessionAttrs", json!(target.target_session_attrs.word()));
    }
    if let Some(timeout) = target.connect_timeout {
        put("connectTimeoutMs", json!(timeout.as_millis()));
    }
    if let Some(options) = &target.options {
        put("options", json!(options));
    }
    if !target.notes.is_empty() {
        put("notes", json!(target.notes));
    }
    out
}

#[test]
fn resolves_every_row_of_the_kit() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/connections.json");
    let kit: Kit = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for row in &kit.rows {
        let home = tempfile::tempdir().unwrap();
        let there = |text: &str| text.replace("{home}", &home.path().display().to_string());
        let resolved = row.resolve(home.path(), &kit.os_user);
        match (resolved, &row.out, &row.fault) {
            (Ok(target), Some(out), None) => {
                let mut expected: Value = serde_json::from_str(&there(&json!(out).to_string())).unwrap();
                if let (Some(_), Some(fields)) = (out.get("passwords"), expected.as_object_mut()) {
                    fields.insert("password".into(), Value::Null);
                }
                let written = written(&target);
                if written != expected {
                    wrong.push(format!("{}: {written}\n  instead of {expected}", row.id));
                }
            }
            (Err(fault), None, Some(expected)) => {
                let message = &fault.message;
                let says = expected.words.iter().all(|word| message.contains(&there(word)));
                let tells = expected.without.iter().any(|word| message.contains(word));
                if fault.kind != expected.kind || !says || tells {
                    wrong.push(format!("{}: {fault}\n  instead of {:?}", row.id, expected.words));
                }
            }
            (resolved, _, _) => wrong.push(format!("{}: {resolved:?}", row.id)),
        }
    }
    assert!(wrong.is_empty(), "{} rows differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Letters that separate something in some form of text.
const SEPARATORS: &str = "[a-z0-9:/?#@%&= ',;\\\\\\[\\]\"\n\u{feff}é.+]{0,24}";

proptest! {
    #[test]
    fn parses_any_text_without_a_panic(text in "\\PC{0,80}", scheme in "(postgres|jdbc:postgresql|ecto|http|)(:|://|//|)") {
        let _ = Target::parse(&SecretString::from(text.as_str()));
        let _ = Target::parse(&SecretString::from(format!("{scheme}{text}")));
    }

    #[test]
    fn repeats_no_password_in_any_message(before in SEPARATORS, after in SEPARATORS, tail in SEPARATORS) {
        let password = format!("{before}hunter2{after}");
        for text in [
            format!("postgres://ann:{password}@h/d?sslmod={tail}"),
            format!("postgres://ann:{password}@{tail}"),
            format!("postgres://ann@h{tail}/d?password={password}&{tail}"),
            format!("jdbc:postgresql://h/d?password={password}&user={tail}"),
            format!("host=h user=u password={password} {tail}"),
            format!("password='{password}' {tail}"),
            format!("Host=h;Password={password};{tail}"),
        ] {
            if let Err(fault) = Target::parse(&SecretString::from(text.as_str())) {
                prop_assert!(!fault.message.contains("hunter2"), "{text}: {fault}");
            }
        }
    }
}
