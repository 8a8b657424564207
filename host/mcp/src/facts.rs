//! Facts of a report, as short as a model needs them. The whole report is a resource.

use archon_pool_contract::report::{Check, ConnectionMetric, Explanation, Finding, Group, Report, Target};
use serde_json::{Map, Value, json};

use crate::budget::OFFERED;
use crate::untrusted::{state, statement, text, word};

/// Facts in the order in which they are shown.
pub(crate) type Facts = Map<String, Value>;

/// Pieces of evidence of a suspect; the strongest stand first.
const MOST_EVIDENCE: usize = 5;

/// Entries of a list that is no more than an overview.
const MOST_OF_OVERVIEW: usize = 8;

/// Severities of findings, the worst first.
const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// Returns the facts of `monitor`.
pub(crate) fn monitor(report: &Report) -> Facts {
    let throughput = &report.pool_stats.throughput;
    let rates = json!({
        "requests": rounded(throughput.requests_per_second),
        "opened": rounded(throughput.connections_created_per_second),
        "closed": rounded(throughput.connections_closed_per_second),
        "abandoned": rounded(throughput.abandoned_per_second),
    });
    let applications = report.pool_stats.connections.by_application.iter().take(MOST_OF_OVERVIEW);
    let applications = applications.map(|it| json!({"untrustedName": text(&it.name), "sessions": it.count}));
    let pooler = report.pool_stats.pooler.as_ref().map(|pooler| {
        json!({
            "kind": word(&pooler.kind), "clients": pooler.clients, "waiting": pooler.waiting,
            "maxWaitMs": rounded(Some(pooler.max_wait)), "servers": pooler.servers,
        })
    });
    let own =
        [("ratesPerSecond", rates), ("applications", applications.collect()), ("pooler", pooler.unwrap_or_default())];
    [head(report).collect(), named(own), findings(report)].into_iter().flatten().collect()
}

/// Returns the facts of `detect_leaks`.
pub(crate) fn leaks(report: &Report) -> Facts {
    let leaks = &report.leak_detection;
    let groups = leaks.groups.iter().filter(|group| group.suspected > 0).take(MOST_OF_OVERVIEW).map(group);
    let own = [("confidence", leaks.confidence.into()), ("groups", groups.collect())];
    [head(report).collect(), suspects(report), named(own), findings(report)].into_iter().flatten().collect()
}

/// Returns the facts of `health_check`.
pub(crate) fn health(report: &Report) -> Facts {
    let checks = report.health_summary.checks.iter().take(OFFERED).map(check);
    let own = [("unhealthySessions", checks.collect())];
    [head(report).collect(), health_numbers(report), named(own), findings(report)].into_iter().flatten().collect()
}

/// Returns the facts of `full_analysis`.
pub(crate) fn all(report: &Report) -> Facts {
    let parts = [head(report).collect(), suspects(report), health_numbers(report), scaling(report), findings(report)];
    parts.into_iter().flatten().collect()
}

/// Returns the facts of `explain_session`.
pub(crate) fn explanation(report: &Report, explained: &Explanation) -> Facts {
    let session = &explained.session;
    let evidence = session.evidence.iter().take(OFFERED).map(|piece| {
        json!({
            "id": word(&piece.id), "weight": rounded(Some(piece.weight)), "untrustedValue": text(&piece.value),
            "untrustedMeaning": text(&piece.explanation),
        })
    });
    let mut facts = named([("at", word(&report.timestamp).into())]);
    facts.extend(identity(session));
    facts.extend(named([
        ("suspected", explained.suspected.into()),
        ("threshold", explained.threshold.into()),
        ("evidence", evidence.collect()),
        ("exclusions", session.exclusions.iter().map(|exclusion| Value::from(word(exclusion))).collect()),
        ("untrustedMissing", explained.missing.iter().map(|missing| Value::from(text(missing))).collect()),
    ]));
    facts
}

/// Returns the sizes of a pool and the reason for the target.
pub(crate) fn scaling(report: &Report) -> Facts {
    let scaling = &report.scaling;
    named([(
        "pool",
        json!({
            "size": scaling.current_size, "target": scaling.target_size, "controller": word(&scaling.controller),
            "untrustedReason": text(&scaling.reason),
        }),
    )])
}

/// Describes the sessions of an action's targets, as far as they are shown.
pub(crate) fn targets<'t>(targets: impl Iterator<Item = &'t Target>) -> Value {
    targets.take(OFFERED).map(target).collect()
}

/// Describes a session that a plan would end, or its outcome.
fn target(target: &Target) -> Value {
    json!({
        "session": word(&target.id), "pid": target.pid, "state": state(&target.state), "idleMs": target.idle_time,
        "outcome": word(&target.outcome), "untrustedApplication": text(&target.application),
        "untrustedRole": text(&target.role), "untrustedReason": text(&target.reason),
        "untrustedDetail": target.detail.as_deref().map(text),
    })
}

/// Returns all findings with their evidence and fixes, for the resource.
pub(crate) fn whole_findings(report: &Report) -> Value {
    let whole = |it: &Finding| {
        let fix = it.fix.as_ref().map(|fix| {
            json!({
                "by": word(&fix.by), "untrustedSummary": text(&fix.summary),
                "untrustedSql": fix.sql.as_deref().map(crate::untrusted::line),
            })
        });
        let evidence: Vec<String> = it.evidence.iter().map(|value| text(value)).collect();
        json!({
            "id": word(&it.id), "severity": severity(it), "untrustedText": text(&it.text),
            "untrustedEvidence": evidence, "fix": fix,
        })
    };
    json!({"at": word(&report.timestamp), "findings": report.findings.iter().map(whole).collect::<Vec<_>>()})
}

/// Returns a sentence on the number of findings and suspects.
pub(crate) fn summary(report: &Report) -> String {
    let [critical, warning, info] = SEVERITIES.map(|name| count(report, name));
    let suspected = report.leak_detection.total_suspected;
    format!("{critical} critical, {warning} warning, {info} info; {suspected} suspected sessions")
}

fn head(report: &Report) -> impl Iterator<Item = (String, Value)> {
    let (connections, coverage) = (&report.pool_stats.connections, &report.coverage);
    let sessions = json!({
        "total": connections.total, "active": connections.active, "idle": connections.idle,
        "idleInTransaction": connections.idle_in_transaction, "aborted": connections.aborted,
        "waiting": connections.waiting, "broken": connections.broken, "hidden": coverage.hidden,
    });
    let slots = json!({"usable": connections.capacity.usable, "used": connections.capacity.used});
    let severities: Map<String, Value> =
        SEVERITIES.into_iter().map(|name| (name.to_owned(), count(report, name).into())).collect();
    let at = word(&report.timestamp).into();
    named([("at", at), ("severities", severities.into()), ("sessions", sessions), ("slots", slots)]).into_iter()
}

fn suspects(report: &Report) -> Facts {
    let leaks = &report.leak_detection;
    let suspects = leaks.suspected_connections.iter().take(OFFERED).map(|it| Value::from(identity(it)));
    named([("suspected", leaks.total_suspected.into()), ("suspects", suspects.collect())])
}

fn identity(session: &ConnectionMetric) -> Facts {
    let evidence = session.evidence.iter().filter(|piece| piece.weight > 0.0).take(MOST_EVIDENCE);
    named([
        ("session", word(&session.id).into()),
        ("pid", session.pid.into()),
        ("confidence", session.confidence.into()),
        ("state", state(&session.state).into()),
        ("idleMs", session.idle_time.into()),
        ("untrustedApplication", text(&session.application).into()),
        ("untrustedRole", text(&session.role).into()),
        ("untrustedDatabase", text(&session.database).into()),
        ("untrustedClient", session.client.as_deref().map(text).into()),
        ("untrustedLastQuery", statement(&session.last_query).into()),
        ("evidence", evidence.map(|piece| Value::from(word(&piece.id))).collect()),
    ])
}

fn group(group: &Group) -> Value {
    json!({
        "untrustedApplication": text(&group.application), "untrustedRole": text(&group.role),
        "sessions": group.sessions, "idle": group.idle, "suspected": group.suspected,
    })
}

fn health_numbers(report: &Report) -> Facts {
    let health = &report.health_summary;
    named([(
        "health",
        json!({
            "checked": health.total_checked, "unhealthy": health.unhealthy,
            "failurePercent": rounded(Some(health.failure_rate)), "probeMs": rounded(health.avg_latency),
        }),
    )])
}

fn check(check: &Check) -> Value {
    json!({
        "session": word(&check.id), "pid": check.pid, "verdict": word(&check.verdict),
        "untrustedApplication": text(&check.application), "untrustedReason": text(&check.reason),
    })
}

fn findings(report: &Report) -> Facts {
    let finding = |it: &Finding| json!({"id": word(&it.id), "severity": severity(it), "untrustedText": text(&it.text)});
    named([("findings", report.findings.iter().take(OFFERED).map(finding).collect())])
}

fn severity(finding: &Finding) -> &'static str {
    SEVERITIES.into_iter().find(|name| *name == finding.severity).unwrap_or("info")
}

fn count(report: &Report, name: &str) -> usize {
    report.findings.iter().filter(|finding| severity(finding) == name).count()
}

fn named<const N: usize>(facts: [(&str, Value); N]) -> Facts {
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Rounds to two decimals.
fn rounded(number: Option<f64>) -> Value {
    number.map_or(Value::Null, |number| ((number * 100.0).round() / 100.0).into())
}
