//! Source of a fleet's targets: a file, or an organisation of Supabase.

use std::collections::BTreeMap;
use std::time::Duration;

use archon_pool::limits::Limits;
use archon_pool::supabase::{self, ListedProject};
use archon_pool::{Fault, kind};
use archon_pool_serve::{Placement, RoundSettings, Target, Targets};
use secrecy::SecretString;

use crate::app;
use crate::args::{Global, SourceFlags};

/// Largest number of targets.
const MOST_TARGETS: usize = 20_000;

/// Time after which the projects of an organisation are listed again.
const LISTED: Duration = Duration::from_secs(3_600);

/// Source of targets.
pub(super) enum Source {
    /// A file.
    File(Targets),
    /// An organisation, with the token and the address of the API.
    Organisation { slug: String, token: SecretString, api: Option<String>, limits: Box<Limits>, rounds: RoundSettings },
}

impl Source {
    /// Returns the source that the flags name.
    pub(super) fn of(global: &Global, flags: &SourceFlags) -> Result<Self, Fault> {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let rounds = RoundSettings {
            interval: seconds(flags.interval),
            probe_interval: Some(flags.probe_interval).filter(|every| *every > 0).map(seconds),
            options: flags.options.to_json()?,
        };
        match (&flags.targets, &flags.supabase_org) {
            (Some(path), _) => {
                Ok(Self::File(Targets::File { path: path.clone(), defaults: rounds, most: MOST_TARGETS }))
            }
            (None, Some(slug)) => {
                let credentials = app::credentials(global);
                let token = credentials.access_token().cloned().ok_or_else(|| {
                    let message =
                        "Supabase credentials not found: --supabase-org needs SUPABASE_ACCESS_TOKEN in the environment";
                    Fault::new(kind::CREDENTIALS_NOT_FOUND, message)
                })?;
                let (api, limits) = (credentials.api().map(str::to_owned), Box::new(app::limits(global)?));
                Ok(Self::Organisation { slug: slug.clone(), token, api, limits, rounds })
            }
            (None, None) => Err(Fault::invalid("--targets or --supabase-org is needed")),
        }
    }

    /// Returns true if access tokens open the targets.
    pub(super) fn has_projects(&self) -> bool {
        matches!(self, Self::Organisation { .. })
    }

    /// Returns the time after which the targets are read again without a signal.
    pub(super) fn period(&self) -> Option<Duration> {
        self.has_projects().then_some(LISTED)
    }

    /// Reads the targets.
    pub(super) async fn read(&self) -> Result<BTreeMap<String, Target>, Fault> {
        let (slug, projects, rounds) = match self {
            Self::File(targets) => return targets.read(),
            Self::Organisation { slug, token, api, limits, rounds } => {
                (slug, supabase::projects(token, slug, api.as_deref(), limits).await?, rounds)
            }
        };
        let active = projects.into_iter().filter(|project| project.is_active);
        let targets: BTreeMap<_, _> = active.map(|project| target(&project, rounds)).collect();
        if targets.is_empty() {
            return Err(Fault::invalid(format!("--supabase-org {slug}: it has no active project")));
        }
        Ok(targets)
    }
}

/// Returns the target of a project. Its own server is bounded, whatever address leads there.
fn target(project: &ListedProject, rounds: &RoundSettings) -> (String, Target) {
    let name = project.reference.as_str().to_owned();
    let placement = Placement { server: Some(name.clone()), ..Placement::default() };
    (name.clone(), Target { placement, ..Target::new(name.clone(), Some(name), rounds.clone()) })
}
