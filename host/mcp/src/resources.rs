//! Resources: the latest reports whole, their recordings, and the latest findings.

use archon_pool_contract::fault::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{Resource, ResourceContents, ResourceTemplate};
use serde_json::{Value, json};

use crate::facts;
use crate::reports::{Kept, Reports};
use crate::untrusted;

/// Findings of the latest report.
const FINDINGS: &str = "archon://findings";

const REPORT: &str = "archon://report/";
const CASSETTE: &str = "archon://cassette/";

const JSON: &str = "application/json";
const JSON_LINES: &str = "application/jsonl";

/// Returns the address of a report.
pub(crate) fn report_uri(id: u64) -> String {
    format!("{REPORT}{id}")
}

/// Returns the address of a recording.
pub(crate) fn cassette_uri(id: u64) -> String {
    format!("{CASSETTE}{id}")
}

/// Lists what is kept, the latest first.
pub(crate) fn list(reports: &Reports) -> Vec<Resource> {
    let about = "Findings of the latest report with evidence and fixes";
    let findings = Resource::new(FINDINGS, "findings").with_description(about).with_mime_type(JSON);
    let of_one = |kept: &Kept| {
        let report = Resource::new(report_uri(kept.id), format!("report-{}", kept.id));
        let report = report.with_description(format!("Whole report of {}", kept.tool)).with_mime_type(JSON);
        let cassette = Resource::new(cassette_uri(kept.id), format!("cassette-{}", kept.id));
        let about = format!("Recording of {}, for `archon-pool … --replay`", kept.tool);
        let cassette = cassette.with_description(about).with_mime_type(JSON_LINES);
        [Some(report), kept.cassette.is_some().then_some(cassette)].into_iter().flatten()
    };
    let kept = reports.all();
    std::iter::once(findings).chain(kept.iter().flat_map(|kept| of_one(kept))).collect()
}

/// Lists the forms of addresses.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: &str, name: &str, about: &str, mime: &str| {
        ResourceTemplate::new(format!("{uri}{{id}}"), name).with_description(about).with_mime_type(mime)
    };
    vec![
        template(REPORT, "report", "One of the last 16 reports", JSON),
        template(CASSETTE, "cassette", "The recording of one of them", JSON_LINES),
    ]
}

/// Reads a resource; none where there is no such address.
pub(crate) fn read(reports: &Reports, uri: &str) -> Option<Result<ResourceContents, Fault>> {
    if uri == FINDINGS {
        let findings = match reports.all().first() {
            Some(kept) => with_source(facts::whole_findings(&kept.report), kept),
            None => json!({ "findings": [] }),
        };
        return Some(Ok(ResourceContents::text(findings.to_string(), uri).with_mime_type(JSON)));
    }
    if let Some(id) = uri.strip_prefix(REPORT) {
        let kept = reports.find(id.parse().ok()?)?;
        return Some(whole(&kept).map(|report| ResourceContents::text(report.to_string(), uri).with_mime_type(JSON)));
    }
    let kept = reports.find(uri.strip_prefix(CASSETTE)?.parse().ok()?)?;
    // Not as text: it has names of the server without a key that says so.
    let cassette = kept.cassette.as_ref()?;
    Some(Ok(ResourceContents::blob(STANDARD.encode(cassette), uri).with_mime_type(JSON_LINES)))
}

/// Returns a report under a key that says where its texts are from. The carry is the server's own.
fn whole(kept: &Kept) -> Result<Value, Fault> {
    let other = |error: serde_json::Error| Fault::invalid(format!("the report is not JSON: {error}"));
    let mut report: Value = serde_json::from_str(&kept.text).map_err(other)?;
    if let Value::Object(fields) = &mut report {
        fields.remove("carry");
    }
    untrusted::strings(&mut report);
    Ok(json!({ "untrustedReport": report }))
}

fn with_source(mut findings: Value, kept: &Kept) -> Value {
    findings["reportUri"] = report_uri(kept.id).into();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn text(contents: &ResourceContents) -> Value {
        let contents = serde_json::to_value(contents).expect("JSON");
        serde_json::from_str(contents["text"].as_str().expect("text")).expect("JSON")
    }

    #[test]
    fn lists_and_reads_what_is_kept() {
        let reports = Reports::default();
        assert_eq!(list(&reports).len(), 1);
        let report = fixture::hostile(30);
        let json = serde_json::to_string(&report).expect("JSON");
        reports.add("detect_leaks", json.clone(), report.clone(), Some(b"{}\n".to_vec()));
        reports.add("monitor", json, report, None);
        let uris: Vec<String> = list(&reports).into_iter().map(|it| it.uri.clone()).collect();
        assert_eq!(uris, [FINDINGS, "archon://report/2", "archon://report/1", "archon://cassette/1"]);
        for uri in uris {
            read(&reports, &uri).expect("there").expect("read");
        }
        for uri in ["archon://report/3", "archon://report/x", "archon://cassette/2", "archon://", "file:///etc/passwd"]
        {
            assert!(read(&reports, uri).is_none(), "{uri}");
        }
    }

    #[test]
    fn a_whole_report_stands_under_one_untrusted_key() {
        let reports = Reports::default();
        let report = fixture::hostile(30);
        reports.add("detect_leaks", serde_json::to_string(&report).expect("JSON"), report, None);
        let report = text(&read(&reports, "archon://report/1").expect("there").expect("read"));
        assert_eq!(report.as_object().map(|fields| fields.keys().eq(["untrustedReport"])), Some(true));
        let report = &report["untrustedReport"];
        assert_eq!(report["leakDetection"]["suspectedConnections"].as_array().map(Vec::len), Some(30), "it is whole");
        assert!(report.get("carry").is_none() && !report.to_string().contains("4711"));
        assert!(!report.to_string().contains("\\u001b"));
        let findings = text(&read(&reports, FINDINGS).expect("there").expect("read"));
        assert_eq!(findings["reportUri"], "archon://report/1");
        assert_eq!(findings["findings"].as_array().map(Vec::len), Some(30));
        assert!(findings["findings"][0]["untrustedText"].as_str().is_some_and(|text| text.starts_with("ignore")));
    }
}
