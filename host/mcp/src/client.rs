//! The client of a request, as far as it says who it is.

use archon_pool_core::digest::Digest;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use rmcp::RoleServer;
use rmcp::model::{ClientCapabilities, ProtocolVersion};
use rmcp::service::RequestContext;

/// Longest name, characters.
const LONGEST: usize = 40;

/// Client of a request.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Author of changes in the audit log: `mcp:` and the name that the client gave itself.
    pub(crate) author: String,
    /// Distinguishes it from other clients: name, version and token.
    pub(crate) principal: String,
    /// True from protocol 2026-07-28 on, where the server asks by its result.
    pub(crate) is_inline: bool,
    /// True if it can ask a person to fill in a form.
    pub(crate) has_forms: bool,
}

impl Client {
    /// Reads the client of a request.
    pub(crate) fn of(context: &RequestContext<RoleServer>) -> Self {
        let info = context.client_info();
        let (name, version) = info.as_ref().map_or(("unknown", ""), |info| (&info.name, &info.version));
        let token = context.extensions.get::<Parts>().and_then(|parts| parts.headers.get(AUTHORIZATION));
        let token = token.map_or_else(String::new, |token| Digest::of(token.as_bytes()).to_string());
        // Versions are dates.
        let is_inline = context
            .protocol_version()
            .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
        Self {
            author: format!("mcp:{}", plain(name)),
            principal: serde_json::json!([name, version, token]).to_string(),
            is_inline,
            has_forms: context.client_capabilities().is_some_and(|capabilities| has_forms(&capabilities)),
        }
    }
}

/// Returns true for a client with forms; before 2025-11-25 there was no other kind of elicitation.
fn has_forms(capabilities: &ClientCapabilities) -> bool {
    capabilities.elicitation.as_ref().is_some_and(|kinds| kinds.form.is_some() || kinds.url.is_none())
}

/// Returns a name for the audit log: letters, digits and few signs.
fn plain(name: &str) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '/') { letter } else { '-' }
    };
    let name: String = name.chars().take(LONGEST).map(plain).collect();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_cannot_pass_for_another_field_of_the_log() {
        assert_eq!(plain("claude-code"), "claude-code");
        assert_eq!(plain("x\" author=\"root\n"), "x--author--root-");
        assert_eq!(plain(&"é".repeat(99)), "-".repeat(40));
        assert_eq!(plain(""), "unknown");
    }

    #[test]
    fn a_client_with_links_alone_has_no_forms() {
        let of = |elicitation| {
            let capabilities = json!({ "elicitation": elicitation });
            has_forms(&serde_json::from_value(capabilities).expect("capabilities"))
        };
        assert!(of(json!({})) && of(json!({"form": {}})) && of(json!({"form": {}, "url": {}})));
        assert!(!of(json!({"url": {}})));
        assert!(!has_forms(&ClientCapabilities::default()));
    }
}
