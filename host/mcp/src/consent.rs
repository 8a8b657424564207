//! Consent of a person to a plan, requested through the client.
//!
//! From protocol 2026-07-28 on a tool answers with a form and is called again: the state of the request travels through
//! the client, sealed for this plan and this client, for a limited time and for one use. Before, the server asks. A
//! client's word is a guardrail, and no proof that a person answered; therefore a typed number is required, one refusal
//! ends the matter for the client, and everything else is up to a person with a terminal.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};
use rmcp::RoleServer;
use rmcp::model::{
    ElicitRequest, ElicitRequestParams, ElicitationAction, ElicitationSchema, InputRequest, InputRequests,
    InputRequiredResult, InputResponses, RequestStateCodec, SealOptions,
};
use rmcp::service::{Peer, ServiceError};
use serde_json::{Value, json};

use crate::client::Client;
use crate::plan::{LASTING, Plan};

/// Reason for which a plan is closed to clients.
const REFUSED_BEFORE: &str = "consent to this plan was refused before";

/// Name of the form among the requests of a result, and of its only field.
const NUMBER: &str = "number";

/// Most questions that wait for an answer.
const MOST_PENDING: usize = 256;

/// Questions to people, and their answers.
pub(crate) struct Consents {
    codec: RequestStateCodec,
    /// Time in which an answer counts.
    patience: Duration,
    asked: Mutex<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    /// Questions that were not answered yet, until their end.
    pending: BTreeMap<String, Instant>,
    /// Plans to which a person did not consent, and the time of that.
    refused: BTreeMap<String, Instant>,
    /// Plans of this server, by id.
    made: BTreeMap<String, Instant>,
}

/// Result of a request for consent.
#[derive(Debug)]
pub(crate) enum Consent {
    /// A person typed the number.
    Granted,
    /// The client has to ask, and to call again.
    Ask(Box<InputRequiredResult>),
    /// Nobody consented, for this reason.
    Refused(&'static str),
}

/// The part of a call that answers a question.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) state: Option<String>,
    pub(crate) responses: Option<InputResponses>,
}

impl fmt::Debug for Consents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("consents")
    }
}

impl Consents {
    /// Creates a place for questions, with a key of this process.
    pub(crate) fn new(patience: Duration) -> Result<Self, Fault> {
        let key: [u8; RequestStateCodec::MIN_KEY_LENGTH] = rand::random();
        let codec = RequestStateCodec::try_new(key.to_vec());
        let codec = codec.map_err(|error| Fault::new(kind::KEY_INVALID, format!("no state can be sealed: {error}")))?;
        Ok(Self { codec, patience, asked: Mutex::default() })
    }

    /// Requests consent to a plan, or reads the answer to an earlier request.
    pub(crate) async fn request(&self, plan: &Plan, client: &Client, reply: Reply, peer: &Peer<RoleServer>) -> Consent {
        if self.locked().refused.contains_key(&plan.id()) {
            return Consent::Refused(REFUSED_BEFORE);
        }
        match (client.is_inline, reply.state) {
            (true, Some(state)) => self.answer(plan, client, &state, reply.responses.as_ref()),
            _ if !client.has_forms => Consent::Refused("this client cannot ask a person"),
            (true, None) => self.ask(plan, client),
            (false, _) => self.elicit(plan, peer).await,
        }
    }

    /// Returns the question, with the state that the client has to send back.
    fn ask(&self, plan: &Plan, client: &Client) -> Consent {
        let nonce = format!("{:032x}", rand::random::<u128>());
        let bound = bound(plan, client);
        let options = SealOptions::new().associated_data(&bound).ttl(self.patience);
        let state = self.codec.seal_with(nonce.as_bytes(), &options);
        let mut asked = self.locked();
        let now = Instant::now();
        asked.pending.retain(|_, end| *end > now);
        if asked.pending.len() >= MOST_PENDING {
            return Consent::Refused("too many questions wait for an answer");
        }
        asked.pending.insert(nonce, now + self.patience);
        let form = InputRequest::Elicitation(ElicitRequest::new(form(plan)));
        let requests = InputRequests::from([(NUMBER.to_owned(), form)]);
        Consent::Ask(Box::new(InputRequiredResult::new(Some(requests), Some(state))))
    }

    /// Reads an answer. The state is used up, whatever the answer is.
    fn answer(&self, plan: &Plan, client: &Client, state: &str, responses: Option<&InputResponses>) -> Consent {
        let Ok(nonce) = self.codec.open_with(state, &bound(plan, client)) else {
            return Consent::Refused("the request's state is forged, expired, or of another plan or client");
        };
        let nonce = String::from_utf8_lossy(&nonce).into_owned();
        let end = self.locked().pending.remove(&nonce);
        if end.is_none_or(|end| end <= Instant::now()) {
            return Consent::Refused("the request's state was used before, or is too old");
        }
        let response = responses.and_then(|responses| responses.get(NUMBER));
        let action = response.and_then(|response| response.get("action")).and_then(Value::as_str);
        if action != Some("accept") {
            return self.refuse(plan, "the person declined");
        }
        self.typed(plan, response.and_then(|response| response.get("content")))
    }

    /// Asks through a client of an older protocol, and waits for the answer.
    async fn elicit(&self, plan: &Plan, peer: &Peer<RoleServer>) -> Consent {
        match peer.create_elicitation_with_timeout(form(plan), Some(self.patience)).await {
            Ok(answer) if answer.action == ElicitationAction::Accept => self.typed(plan, answer.content.as_ref()),
            Ok(_) => self.refuse(plan, "the person declined"),
            Err(ServiceError::Timeout { .. }) => self.refuse(plan, "no answer came in time"),
            Err(_) => Consent::Refused("this client could not ask a person"),
        }
    }

    /// Compares the number in the form.
    fn typed(&self, plan: &Plan, content: Option<&Value>) -> Consent {
        let number = content.and_then(|content| content.get(NUMBER)).and_then(Value::as_f64);
        if self.locked().refused.contains_key(&plan.id()) {
            // Of two questions about it, the other one was answered first.
            Consent::Refused(REFUSED_BEFORE)
        } else if number == Some(plan.number().into()) {
            Consent::Granted
        } else {
            self.refuse(plan, "the typed number is wrong")
        }
    }

    /// Notes a plan as one of this server's.
    pub(crate) fn made(&self, plan: &Plan) {
        let made = &mut self.locked().made;
        made.retain(|_, at| at.elapsed() < LASTING);
        made.insert(plan.id(), Instant::now());
    }

    /// Returns true for a plan of this server. Others are in the same folder, for people.
    pub(crate) fn has_made(&self, plan: &Plan) -> bool {
        self.locked().made.contains_key(&plan.id())
    }

    /// Ends the matter for clients: asking until somebody agrees is no consent.
    fn refuse(&self, plan: &Plan, why: &'static str) -> Consent {
        let refused = &mut self.locked().refused;
        refused.retain(|_, at| at.elapsed() < LASTING);
        refused.insert(plan.id(), Instant::now());
        Consent::Refused(why)
    }

    fn locked(&self) -> MutexGuard<'_, Asked> {
        // Nothing that holds the lock can panic halfway through a change.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The plan and the client for which a state is sealed.
fn bound(plan: &Plan, client: &Client) -> Vec<u8> {
    json!(["apply_plan", plan.digest(), client.principal]).to_string().into_bytes()
}

/// The form: one number, which is typed and not chosen.
fn form(plan: &Plan) -> ElicitRequestParams {
    let schema = json!({
        "type": "object",
        "properties": {NUMBER: {"type": "integer", "title": "Number", "description": "The number that the question names"}},
        "required": [NUMBER],
    });
    let requested_schema = serde_json::from_value(schema).unwrap_or_else(|_| ElicitationSchema::new(BTreeMap::new()));
    ElicitRequestParams::FormElicitationParams { meta: None, message: plan.question(), requested_schema }
}
