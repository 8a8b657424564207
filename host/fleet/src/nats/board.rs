//! The board of one worker among many.

use std::time::{Duration, SystemTime};

use archon_pool_serve::Target;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::kv::{Operation, Store, UpdateErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{AckKind, Message};
use futures_util::StreamExt as _;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::connection::Engine;
use super::lease::{Lease, Leases};
use super::schedules::{self, JobMessage, fitting};
use super::streams::{EVENTS, HEALTH, JOBS, REPORTS, STATE, TARGETS};
use super::{health, targets};
use crate::board::{Board, Keeping, Leasing, Next, Outcome, Stored};
use crate::error::{BoardError, failed};
use crate::event::{Change, FindingEvent};
use crate::report::FleetReport;
use crate::schedule::{hash, slowed};
use crate::state::State;

/// Shortest and longest time after which a job is handed out again that had no place.
const LATER: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Time in which a request is repeated, while the engine restarts.
const PATIENCE: Duration = Duration::from_secs(20);

/// Jobs of a zone that may be handed out at the same time.
const MOST_JOBS: i64 = 10_000;

/// Settings of a worker's board.
#[derive(Debug, Clone)]
pub struct WorkSettings {
    /// Zone whose targets it reaches.
    pub zone: String,
    /// Name of the worker.
    pub worker: String,
    /// Rounds at the same time on one server, over all workers.
    pub per_server: usize,
    /// Time after which a job without an end is handed out again, longer than the deadline of a call: leases last as
    /// long.
    pub ack_wait: Duration,
}

/// The board of one worker among many.
pub struct NatsBoard {
    engine: Engine,
    settings: WorkSettings,
    jobs: Mutex<pull::Stream>,
    leases: Leases,
    targets: Store,
    state: Store,
    health: Store,
}

/// A job that was handed out.
pub struct NatsJob {
    message: Message,
    target: String,
    zone: String,
    interval: Duration,
    /// Interval of the schedule that published it.
    scheduled: Duration,
}

/// Lease of a target, with a place at its server.
pub struct NatsLease {
    target: Lease,
    place: Lease,
}

impl NatsBoard {
    /// Joins the workers of a zone.
    ///
    /// # Errors
    ///
    /// Fails if the engine does not answer, or the fleet was not initialised.
    pub async fn join(engine: Engine, settings: WorkSettings) -> Result<Self, BoardError> {
        let ack_wait = settings.ack_wait;
        let name = format!("work-{}", settings.zone);
        let config = pull::Config {
            durable_name: Some(name.clone()),
            ack_policy: AckPolicy::Explicit,
            ack_wait,
            // A job that had no place counts as delivered: the end of targets that end workers is `fleet_health`.
            max_deliver: -1,
            max_ack_pending: MOST_JOBS,
            filter_subject: format!("fleet.job.{}.>", settings.zone),
            ..pull::Config::default()
        };
        let stream = engine.context.get_stream_no_info(JOBS).await.map_err(|error| failed(JOBS, error))?;
        let consumer = stream.create_consumer(config).await.map_err(|error| failed(&name, error))?;
        // One at a time: more would wait here while other workers have places.
        let jobs =
            consumer.stream().max_messages_per_batch(1).messages().await.map_err(|error| failed(&name, error))?;
        let leases = Leases::new(engine.context.clone(), settings.worker.clone(), ack_wait);
        let (targets, state, health) =
            (engine.bucket(TARGETS).await?, engine.bucket(STATE).await?, engine.bucket(HEALTH).await?);
        Ok(Self { engine, settings, jobs: Mutex::new(jobs), leases, targets, state, health })
    }

    /// Reads the target of a job; none when it is gone, paused or in another zone.
    async fn next_of(&self, message: Message) -> Result<Option<Next<NatsJob>>, BoardError> {
        let job: Result<JobMessage, _> = serde_json::from_slice(&message.payload);
        let entry = match &job {
            Ok(job) => targets::target(&self.targets, &job.id).await?,
            Err(_) => None,
        };
        let entry = entry.filter(|entry| entry.enabled && entry.zone == self.settings.zone);
        let (Ok(job), Some(entry)) = (job, entry) else {
            acknowledge(&message, AckKind::Ack).await?;
            return Ok(None);
        };
        let published = message.info().map(|info| SystemTime::from(info.published));
        let lag = published.ok().and_then(|time| SystemTime::now().duration_since(time).ok()).unwrap_or_default();
        let job = NatsJob {
            message,
            target: entry.id.clone(),
            zone: entry.zone.clone(),
            interval: entry.interval(),
            scheduled: Duration::from_secs(job.every),
        };
        Ok(Some(Next { target: entry.into(), lag, job }))
    }

    /// Pauses a target whose calls ended their workers.
    async fn pause_poison(&self, id: &str) -> Result<(), BoardError> {
        let evidence = format!("{} calls in a row ended their worker", health::MOST_OPEN);
        let state = self.load(id).await?.state;
        let event = FindingEvent {
            id: id.to_owned(),
            round: state.round + 1,
            finding: "poison".to_owned(),
            severity: "critical".to_owned(),
            change: Change::Opened,
            at: state.at,
            evidence: vec![evidence.clone()],
        };
        self.publish(&[event]).await?;
        self.engine.pause(id, Some(&format!("poison: {evidence}"))).await?;
        // A resumed target starts anew.
        health::end(&self.health, id).await
    }

    async fn publish_to(&self, stream: &str, subject: String, message: PublishMessage) -> Result<(), BoardError> {
        let mut patience = Patience::new();
        loop {
            let sent = self.engine.context.send_publish(subject.clone(), message.clone()).await;
            let stored = match sent {
                Ok(sent) => sent.await,
                Err(error) => Err(error),
            };
            match stored {
                Ok(_) => return Ok(()),
                Err(error) => patience.after(failed(stream, error)).await?,
            }
        }
    }
}

impl Board for NatsBoard {
    type Job = NatsJob;
    type Lease = NatsLease;

    async fn next(&self) -> Result<Option<Next<NatsJob>>, BoardError> {
        loop {
            // Dropping this future while it waits loses no job.
            let message = self.jobs.lock().await.next().await;
            let Some(message) = message else { return Ok(None) };
            let message = message.map_err(|error| failed(JOBS, error))?;
            if let Some(next) = self.next_of(message).await? {
                return Ok(Some(next));
            }
        }
    }

    async fn lease(&self, target: &Target, server: &str) -> Result<Leasing<NatsLease>, BoardError> {
        let id = &target.name;
        let Some(lease) = self.leases.take(&format!("id.{id}")).await? else { return Ok(Err(Outcome::Taken)) };
        let Some(place) = self.leases.take_place(server, self.settings.per_server).await? else {
            self.leases.give_back(lease).await?;
            return Ok(Err(Outcome::Postponed));
        };
        let lease = NatsLease { target: lease, place };
        if health::begin(&self.health, id).await? >= health::MOST_OPEN {
            self.pause_poison(id).await?;
            self.leases.give_back(lease.place).await?;
            self.leases.give_back(lease.target).await?;
            return Ok(Err(Outcome::Taken));
        }
        Ok(Ok(lease))
    }

    async fn load(&self, id: &str) -> Result<Stored, BoardError> {
        let mut patience = Patience::new();
        let entry = loop {
            match self.state.entry(id).await {
                Ok(entry) => break entry,
                Err(error) => patience.after(failed(STATE, error)).await?,
            }
        };
        Ok(match entry {
            Some(entry) if entry.operation == Operation::Put => {
                // A state of another form starts anew: it only held what is computed again.
                Stored { state: serde_json::from_slice(&entry.value).unwrap_or_default(), revision: entry.revision }
            }
            Some(entry) => Stored { state: State::default(), revision: entry.revision },
            None => Stored::default(),
        })
    }

    async fn keep(&self, id: &str, state: &State, revision: u64) -> Result<Keeping, BoardError> {
        let text = serde_json::to_vec(state).map_err(|error| failed(STATE, error))?;
        let (mut patience, mut is_repeated) = (Patience::new(), false);
        loop {
            match self.state.update(id, text.clone().into(), revision).await {
                Ok(revision) => return Ok(Keeping::Kept(revision)),
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                    // The answer to an earlier attempt may have been lost.
                    let entry = self.state.entry(id).await.map_err(|error| failed(STATE, error))?;
                    let own = entry.filter(|entry| is_repeated && entry.value == text);
                    return Ok(own.map_or(Keeping::Superseded, |entry| Keeping::Kept(entry.revision)));
                }
                Err(error) => patience.after(failed(STATE, error)).await?,
            }
            is_repeated = true;
        }
    }

    async fn report(&self, report: &FleetReport) -> Result<(), BoardError> {
        let publish = PublishMessage::build().payload(report.to_json().into());
        self.publish_to(REPORTS, format!("fleet.report.{}", report.id), publish).await
    }

    async fn publish(&self, events: &[FindingEvent]) -> Result<(), BoardError> {
        for event in events {
            let text = serde_json::to_vec(event).map_err(|error| failed(EVENTS, error))?;
            let FindingEvent { id, round, finding, change, .. } = event;
            // One that is published again within the stream's window is dropped.
            let identity = format!("{id}:{round}:{finding}:{change:?}");
            let publish = PublishMessage::build().payload(text.into()).message_id(identity);
            self.publish_to(EVENTS, format!("fleet.event.{id}"), publish).await?;
        }
        Ok(())
    }

    async fn done(&self, job: NatsJob, lease: Option<NatsLease>, outcome: Outcome) -> Result<(), BoardError> {
        let NatsJob { message, target, zone, interval, scheduled } = job;
        if let Some(NatsLease { target: lease, place }) = lease {
            health::end(&self.health, &target).await?;
            self.leases.give_back(place).await?;
            self.leases.give_back(lease).await?;
        }
        let kind = match outcome {
            Outcome::Made { failures } => {
                let wanted = fitting(slowed(interval, failures));
                if wanted != scheduled {
                    schedules::set(&self.engine.context, &zone, &target, wanted).await?;
                }
                AckKind::Ack
            }
            // Its first worker may be dead, and only the lease be left.
            Outcome::Taken if is_repeated(&message) => AckKind::Nak(Some(later(&message))),
            Outcome::Taken => AckKind::Ack,
            Outcome::Postponed => AckKind::Nak(Some(later(&message))),
        };
        acknowledge(&message, kind).await
    }
}

/// Returns true if a job was handed out before.
fn is_repeated(message: &Message) -> bool {
    message.info().is_ok_and(|info| info.delivered > 1)
}

/// Returns the time after which a job that had no place is handed out again. It grows, and differs from job to job: with
/// the same for all, a target could meet the same full server in each interval.
fn later(message: &Message) -> Duration {
    let (delivered, sequence) = message.info().map_or((1, 0), |info| (info.delivered, info.stream_sequence));
    let (least, most) = LATER;
    let doublings = u32::try_from(delivered.saturating_sub(1)).unwrap_or(0).min(16);
    let doubled = least.saturating_mul(2_u32.pow(doublings)).min(most);
    let part = hash(&sequence.to_string()) % 512;
    doubled * (512 + u32::try_from(part).unwrap_or(0)) / 1_024
}

async fn acknowledge(message: &Message, kind: AckKind) -> Result<(), BoardError> {
    message.ack_with(kind).await.map_err(|error| failed(JOBS, error))
}

/// Repetition of a request that fails, while the engine restarts.
struct Patience {
    started: Instant,
    pause: Duration,
}

impl Patience {
    fn new() -> Self {
        Self { started: Instant::now(), pause: Duration::from_millis(100) }
    }

    /// Waits until the request may be repeated; fails with its error when that took too long.
    async fn after(&mut self, error: BoardError) -> Result<(), BoardError> {
        if self.started.elapsed() > PATIENCE {
            return Err(error);
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(2));
        Ok(())
    }
}
