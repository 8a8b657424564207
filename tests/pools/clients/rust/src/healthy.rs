//! Behaviours that lose nothing.

use std::sync::Arc;

use anyhow::{Result, bail};

use crate::client::Client;
use crate::setup::sleep;

pub async fn start(client: &Arc<Client>) -> Result<()> {
    let fields = &client.setup.fields;
    match fields.behaviour.as_str() {
        "steady" | "prefork" | "validated" | "refill" | "half-dead" => client.workers(fields.workers),
        "burst" => client.spawn(async |client| {
            client.burst(5.0).await;
            client.workers(client.setup.fields.workers.min(2));
        }),
        "bursts" => {
            client.spawn(async |client| {
                loop {
                    client.burst(4.0).await;
                    client.setup.pause(client.setup.fields.period_s).await;
                }
            });
            client.workers(1);
        }
        "standby" => client.serve().await,
        "rare" => {
            for _ in 0..fields.workers {
                client.spawn(async |client| {
                    sleep(f64::from(client.setup.draw(5000)) / 1000.0).await;
                    loop {
                        client.serve().await;
                        client.setup.pause(client.setup.fields.period_s).await;
                    }
                });
            }
        }
        "cron" => client.spawn(run_jobs),
        "batch" => {
            client.spawn(run_batches);
            client.workers(fields.workers - 1);
        }
        "listener" => hold(client, format!("LISTEN changes_{}", fields.id.len())),
        "leader" => hold(client, format!("SELECT pg_advisory_lock({})", 700 + fields.id.len())),
        "drain" => client.spawn(async |client| {
            for _ in 0..(client.setup.fields.period_s / 2.0) as u32 {
                client.burst(2.0).await;
            }
        }),
        "streaming" => {
            client.spawn(stream);
            client.workers(fields.workers);
        }
        other => bail!("no healthy behaviour {other}"),
    }
    Ok(())
}

async fn run_jobs(client: Arc<Client>) {
    loop {
        if let Err(error) = client.open().await {
            eprintln!("{error}");
        }
        for _ in 0..6 {
            client.serve().await;
            sleep(0.25).await;
        }
        client.close().await;
        client.setup.pause(client.setup.fields.period_s).await;
    }
}

/// Works in long transactions.
async fn run_batches(client: Arc<Client>) {
    loop {
        let Ok(mut session) = client.take().await else { continue };
        let worked: Result<()> = async {
            session.begin().await?;
            for _ in 0..60 {
                client.work.order(&client.setup, session.as_mut()).await?;
                client.setup.pause(1.5).await;
            }
            session.commit().await
        }
        .await;
        client.note(worked);
    }
}

/// Holds a session for as long as the program runs.
fn hold(client: &Arc<Client>, sql: String) {
    client.workers(client.setup.fields.workers);
    client.spawn(async move |client| {
        let Ok(mut session) = client.take().await else { return };
        client.note(session.run(&sql, &[]).await);
        std::future::pending::<()>().await;
        drop(session);
    });
}

/// Reads a result slowly through a cursor.
async fn stream(client: Arc<Client>) {
    loop {
        let Ok(mut session) = client.take().await else { continue };
        let read: Result<()> = async {
            session.begin().await?;
            session.run("DECLARE export CURSOR FOR SELECT id, name, stock FROM items ORDER BY stock", &[]).await?;
            for _ in 0..20 {
                session.run("FETCH FORWARD 50 FROM export", &[]).await?;
                sleep(1.0).await;
            }
            session.commit().await
        }
        .await;
        client.note(read);
        drop(session);
        client.setup.pause(client.setup.fields.pace_ms / 1000.0).await;
    }
}
