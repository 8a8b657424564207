//! Set-up of this process, as PROTOCOL.md describes it.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Fields {
    pub id: String,
    pub library: String,
    pub behaviour: String,
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
    pub database: String,
    pub application_name: Option<String>,
    pub size: u32,
    pub min: Option<u32>,
    pub workers: u32,
    pub pace_ms: f64,
    pub seed: u64,
    pub lose: u32,
    pub first_loss_s: f64,
    pub loss_every_s: f64,
    pub period_s: f64,
    pub instance: u64,
    #[serde(default)]
    pub options: serde_json::Map<String, serde_json::Value>,
}

pub struct Setup {
    pub fields: Fields,
    random: Mutex<SmallRng>,
}

impl Setup {
    pub fn parse(text: &str) -> Result<Self> {
        let fields: Fields = serde_json::from_str(text)?;
        let random = Mutex::new(SmallRng::seed_from_u64(fields.seed * 1000 + fields.instance));
        Ok(Self { fields, random })
    }

    /// Returns the name to set; no driver of these has a default one.
    pub fn application_name(&self) -> Option<String> {
        let name = self.fields.application_name.as_deref().filter(|name| !name.is_empty())?;
        Some(name.replace("{pid}", &std::process::id().to_string()))
    }

    pub fn option(&self, name: &str) -> Option<&str> {
        self.fields.options.get(name)?.as_str()
    }

    pub fn flag(&self, name: &str) -> bool {
        self.fields.options.get(name).and_then(serde_json::Value::as_bool).unwrap_or(false)
    }

    pub fn is(&self, behaviour: &str) -> bool {
        self.fields.behaviour == behaviour
    }

    /// Returns a number from 0 to the limit, exclusively.
    pub fn draw(&self, limit: i32) -> i32 {
        self.random.lock().expect("no panic holds it").random_range(0..limit)
    }

    /// Pauses for half to one and a half of the mean.
    pub async fn pause(&self, seconds: f64) {
        let factor: f64 = self.random.lock().expect("no panic holds it").random_range(0.5..1.5);
        sleep(seconds * factor).await;
    }
}

pub async fn sleep(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}
