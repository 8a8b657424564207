//! Detached ed25519 signatures over a component and its policy file.
//!
//! The signed message is `archon-pool signature v1`, the SHA-256 of the component and the SHA-256 of the policy file,
//! or 32 zero bytes without one: a signature is invalid for another component, with another policy file, or without it.
//! It is a file beside the component:
//!
//! ```toml
//! version = 1
//! key = "0123456789abcdef"
//! signature = "…"
//! ```
//!
//! The built-in components need no signature.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::digest::Digest;
use archon_pool_core::private_file::{self, Readers};
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;

use crate::toml_text::{self, quoted};

const DOMAIN: &[u8] = b"archon-pool signature v1";
const VERSION: u32 = 1;
/// A multiple of the size of a key, or of a signature.
const MOST_BYTES: usize = 4 << 10;

/// Returns the message that is signed.
fn message(component: Digest, policy: Option<Digest>) -> Vec<u8> {
    let policy = policy.map_or([0; 32], |policy| *policy.as_bytes());
    [DOMAIN, component.as_bytes(), &policy].concat()
}

/// Identifier of a key: the first eight bytes of the SHA-256 of its 32 public ones. Shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    fn of(key: &VerifyingKey) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&Digest::of(key.as_bytes()).as_bytes()[..8]);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key for signing. It is wiped from memory when it is dropped, and never shown.
pub struct SecretKey(SigningKey);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.id())
    }
}

impl SecretKey {
    /// Reads a PKCS#8 PEM file, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// Fails with `key-invalid` when other users may read it, or when it is no such key.
    pub fn load(path: &Path) -> Result<Self, Fault> {
        let invalid = |why: &str| Fault::new(kind::KEY_INVALID, format!("signing key {}: {why}", path.display()));
        let pem = Zeroizing::new(private_file::read(path, Readers::Owner, MOST_BYTES).map_err(|why| invalid(&why))?);
        let no_key = || invalid("it is no ed25519 key in PKCS#8 PEM: `openssl genpkey -algorithm ed25519` makes one");
        let text = std::str::from_utf8(&pem).map_err(|_| no_key())?;
        SigningKey::from_pkcs8_pem(text).map(Self).map_err(|_| no_key())
    }

    /// Returns the key's identifier.
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.0.verifying_key())
    }

    /// Signs a component together with its policy file.
    pub fn sign(&self, component: Digest, policy: Option<Digest>) -> Signature {
        let bytes = self.0.sign(&message(component, policy));
        Signature { key: self.id(), bytes }
    }
}

/// A detached signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    key: KeyId,
    bytes: ed25519_dalek::Signature,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u32,
    key: String,
    signature: String,
}

impl Signature {
    /// Returns the path of a component's signature: `PLUGIN.wasm.sig`.
    pub fn path_of(component: &Path) -> PathBuf {
        let mut name = component.as_os_str().to_owned();
        name.push(".sig");
        name.into()
    }

    /// Returns the id of the key that it claims as its signer.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Writes it in one step.
    pub fn write(&self, path: &Path) -> Result<(), Fault> {
        private_file::write(path, self.to_string().as_bytes()).map_err(|error| {
            Fault::new("file-not-written", format!("signature {} could not be written: {error}", path.display()))
        })
    }

    /// Reads a signature file, which any user may have written; none when there is no such file.
    pub(crate) fn bytes(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
        if !private_file::is_there(path) {
            return Ok(None);
        }
        let read = private_file::read_from_anyone(path, MOST_BYTES);
        read.map(Some).map_err(|why| invalid(&format!("signature {}: {why}", path.display())))
    }

    /// Parses a signature file; `name` identifies it in messages. [`Trust::check`] verifies it.
    ///
    /// Fails with `signature-invalid`.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, Fault> {
        let wrong = |why: &str| invalid(&format!("signature {name}: {why}"));
        let Raw { version, key, signature } = toml_text::parse(bytes).map_err(|why| wrong(&why))?;
        if version != VERSION {
            return Err(wrong(&format!("version {version} is unknown: this program reads version {VERSION}")));
        }
        let mut id = [0; 8];
        // The digest's parser is strict about hexadecimal digits, so the rest of its 32 bytes is padded.
        let digits = format!("{key}{}", "0".repeat(48));
        let padded = Digest::from_str(&digits).map_err(|_| wrong("key is 16 hexadecimal digits"))?;
        id.copy_from_slice(&padded.as_bytes()[..8]);
        let halves = signature.is_ascii().then(|| signature.split_at_checked(64)).flatten();
        let half = |text: &str| Digest::from_str(text).map(|half| *half.as_bytes());
        let (r, s) = halves
            .and_then(|(r, s)| Some((half(r).ok()?, half(s).ok()?)))
            .ok_or_else(|| wrong("signature is 128 hexadecimal digits"))?;
        Ok(Self { key: KeyId(id), bytes: ed25519_dalek::Signature::from_components(r, s) })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature: String = self.bytes.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let key = quoted(&self.key.to_string());
        writeln!(f, "version = {VERSION}\nkey = {key}\nsignature = {}", quoted(&signature))
    }
}

/// Public keys that an operator trusts. With none, signatures are not required.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    keys: Vec<VerifyingKey>,
}

impl Trust {
    /// Reads public keys from PEM files, as `openssl pkey -pubout` writes them.
    ///
    /// Fails with `key-invalid` for a file that others may write to and for one that is no such key.
    pub fn load(paths: &[PathBuf]) -> Result<Self, Fault> {
        let keys = paths.iter().map(|path| public_key(path)).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// Returns true if no key is trusted, so that no signature is required.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Verifies that a component with its policy file is signed by one of the keys, and returns that key's id. `name`
    /// identifies the component in messages.
    ///
    /// None only when no key is trusted. Fails with `unsigned` and `signature-invalid`.
    pub fn check(
        &self,
        name: &str,
        component: Digest,
        policy: Option<Digest>,
        signature: Option<&Signature>,
    ) -> Result<Option<KeyId>, Fault> {
        if self.is_empty() {
            return Ok(None);
        }
        let Some(signature) = signature else {
            let message = format!("{name} is not signed: sign it with `archon-pool sign`, or run it without --trust");
            return Err(Fault::new(kind::UNSIGNED, message));
        };
        let id = signature.key;
        let mut of_this_id = self.keys.iter().filter(|key| KeyId::of(key) == id).peekable();
        if of_this_id.peek().is_none() {
            let trusted: Vec<String> = self.keys.iter().map(|key| KeyId::of(key).to_string()).collect();
            let trusted = trusted.join(", ");
            return Err(invalid(&format!("{name} is signed by key {id}, which is not trusted: --trust has {trusted}")));
        }
        let message = message(component, policy);
        // Strict: neither a key of small order nor a second form of the same signature is accepted.
        if of_this_id.any(|key| key.verify_strict(&message, &signature.bytes).is_ok()) {
            return Ok(Some(id));
        }
        let policy = policy.map_or("without a policy file".to_owned(), |digest| format!("with policy file {digest}"));
        Err(invalid(&format!(
            "the signature of {name} by key {id} is not for these bytes {policy}: sign both together"
        )))
    }
}

fn public_key(path: &Path) -> Result<VerifyingKey, Fault> {
    let invalid = |why: &str| Fault::new(kind::KEY_INVALID, format!("trusted key {}: {why}", path.display()));
    let pem = private_file::read(path, Readers::Anyone, MOST_BYTES).map_err(|why| invalid(&why))?;
    let key = std::str::from_utf8(&pem).ok().and_then(|text| VerifyingKey::from_public_key_pem(text).ok());
    let key = key.ok_or_else(|| invalid("it is no ed25519 public key in PEM: `openssl pkey -in KEY.pem -pubout`"))?;
    if key.is_weak() {
        return Err(invalid("it is a weak key, for which anybody can sign"));
    }
    Ok(key)
}

fn invalid(why: &str) -> Fault {
    Fault::new(kind::SIGNATURE_INVALID, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
    use ed25519_dalek::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
    use std::os::unix::fs::PermissionsExt as _;

    /// The files of a key pair.
    struct Pair {
        folder: tempfile::TempDir,
        secret: SecretKey,
    }

    impl Pair {
        fn new() -> Self {
            let key = SigningKey::from_bytes(&rand::random());
            let folder = tempfile::tempdir().unwrap();
            let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap();
            std::fs::write(folder.path().join("key.pem"), pem.as_bytes()).unwrap();
            std::fs::set_permissions(folder.path().join("key.pem"), std::fs::Permissions::from_mode(0o600)).unwrap();
            let pem = key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
            std::fs::write(folder.path().join("public.pem"), pem).unwrap();
            let secret = SecretKey::load(&folder.path().join("key.pem")).unwrap();
            Self { folder, secret }
        }

        fn trust(&self) -> Trust {
            Trust::load(&[self.folder.path().join("public.pem")]).unwrap()
        }
    }

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn refused(trust: &Trust, component: &str, policy: Option<&str>, signature: Option<&Signature>) -> String {
        let fault = trust.check("it.wasm", digest(component), policy.map(digest), signature).unwrap_err();
        assert!(fault.message.contains("it.wasm"), "{fault}");
        fault.kind
    }

    #[test]
    fn a_signature_is_for_one_component_with_one_policy() {
        let pair = Pair::new();
        let (component, policy) = (digest("component"), digest("policy"));
        let signature = pair.secret.sign(component, Some(policy));
        let trust = pair.trust();
        assert_eq!(trust.check("it.wasm", component, Some(policy), Some(&signature)), Ok(Some(pair.secret.id())));
        for (component, policy) in [
            ("other", Some("policy")),
            ("component", Some("other")),
            ("component", None),
            ("policy", Some("component")),
        ] {
            assert_eq!(refused(&trust, component, policy, Some(&signature)), kind::SIGNATURE_INVALID);
        }
        let bare = pair.secret.sign(component, None);
        assert!(trust.check("it.wasm", component, None, Some(&bare)).is_ok());
        assert_eq!(refused(&trust, "component", Some("policy"), Some(&bare)), kind::SIGNATURE_INVALID);
    }

    #[test]
    fn only_trusted_keys_count() {
        let (mine, other) = (Pair::new(), Pair::new());
        let signature = other.secret.sign(digest("component"), None);
        assert_eq!(refused(&mine.trust(), "component", None, Some(&signature)), kind::SIGNATURE_INVALID);
        // A signature that claims another key is still made by its own.
        let forged = Signature { key: mine.secret.id(), ..signature.clone() };
        assert_eq!(refused(&mine.trust(), "component", None, Some(&forged)), kind::SIGNATURE_INVALID);
        assert_eq!(refused(&mine.trust(), "component", None, None), kind::UNSIGNED);
        let both = Trust::load(&[&mine, &other].map(|pair| pair.folder.path().join("public.pem"))).unwrap();
        assert!(both.check("it.wasm", digest("component"), None, Some(&signature)).is_ok());
        assert_eq!(Trust::default().check("it.wasm", digest("component"), None, None), Ok(None));
    }

    #[test]
    fn a_written_signature_is_read_back() {
        let pair = Pair::new();
        let signature = pair.secret.sign(digest("component"), None);
        let path = pair.folder.path().join("it.wasm.sig");
        signature.write(&path).unwrap();
        let bytes = Signature::bytes(&path).unwrap().unwrap();
        assert_eq!(Signature::read("it", &bytes), Ok(signature.clone()));
        assert_eq!(Signature::bytes(Path::new("/no/such.sig")), Ok(None));
        let text = signature.to_string();
        for (right, wrong) in [
            ("version = 1", "version = 2"),
            ("key = \"", "key = \"0"),
            ("key = \"", "key = \"é"),
            ("signature = \"", "signature = \"0"),
            ("signature = \"", "signature = \"é"),
            ("version", "verse"),
            ("version = 1", ""),
        ] {
            let fault = Signature::read("it", text.replacen(right, wrong, 1).as_bytes()).unwrap_err();
            assert_eq!(fault.kind, kind::SIGNATURE_INVALID, "{fault}");
        }
        assert!(Signature::read("it", b"\xff").is_err() && Signature::read("it", b"").is_err());
    }

    #[test]
    fn a_secret_key_file_must_be_private_and_is_never_shown() {
        let pair = Pair::new();
        let path = pair.folder.path().join("key.pem");
        let pem = std::fs::read_to_string(&path).unwrap();
        assert!(!format!("{:?}", pair.secret).contains(pem.lines().nth(1).unwrap()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let fault = SecretKey::load(&path).unwrap_err();
        assert!(fault.kind == kind::KEY_INVALID && fault.message.contains("chmod 600"), "{fault}");
        assert!(SecretKey::load(Path::new("/no/such.pem")).is_err());
    }

    #[test]
    fn an_invalid_key_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        for text in ["hunter2", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n", "\u{ff}"] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            for fault in [SecretKey::load(&path).unwrap_err(), Trust::load(std::slice::from_ref(&path)).unwrap_err()] {
                assert!(fault.kind == kind::KEY_INVALID && !fault.message.contains("hunter2"), "{fault}");
            }
        }
        // The neutral element: any message verifies under it.
        let mut weak = [0; 32];
        weak[0] = 1;
        let weak = VerifyingKey::from_bytes(&weak).unwrap();
        std::fs::write(&path, weak.to_public_key_pem(LineEnding::LF).unwrap()).unwrap();
        assert!(Trust::load(&[path]).unwrap_err().message.contains("weak"));
    }

    #[test]
    fn keys_in_pem_form_are_read() {
        // The examples of RFC 8410, in openssl's format.
        let secret = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        let secret = SigningKey::from_pkcs8_pem(secret).unwrap();
        assert_eq!(secret.verifying_key(), VerifyingKey::from_public_key_pem(public).unwrap());
    }
}
