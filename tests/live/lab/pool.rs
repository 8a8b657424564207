//! Pool as in client libraries: checks out free sessions, opens missing ones, and may run a reset statement on
//! return.

use std::collections::VecDeque;

use anyhow::{Context as _, Result};
use archon_pool_tests::{App, Session};

/// Connection pool of an application.
pub(super) struct Pool<'a> {
    app: App<'a>,
    free: VecDeque<Session>,
    cleans: Option<&'static str>,
}

impl<'a> Pool<'a> {
    /// Creates a pool with this number of sessions.
    pub(super) async fn of(app: App<'a>, size: usize) -> Result<Self> {
        let mut free = VecDeque::new();
        for _ in 0..size {
            free.push_back(app.unused().await?);
        }
        Ok(Self { app, free, cleans: None })
    }

    /// Sets the statement that runs on a returned session.
    pub(super) fn cleaning(self, statement: &'static str) -> Self {
        Self { cleans: Some(statement), ..self }
    }

    /// Checks out the most recently returned session.
    pub(super) async fn take(&mut self) -> Result<Session> {
        match self.free.pop_back() {
            Some(session) => Ok(session),
            None => self.app.unused().await,
        }
    }

    /// Returns a session to the pool.
    pub(super) async fn give(&mut self, session: Session) -> Result<()> {
        if let Some(statement) = self.cleans {
            session.run(statement).await?;
        }
        self.free.push_back(session);
        Ok(())
    }

    /// Runs a request: checks out a session, runs a statement and returns the session.
    pub(super) async fn serve(&mut self, sql: &str) -> Result<()> {
        let session = self.take().await?;
        session.run(sql).await?;
        self.give(session).await
    }

    /// Runs a request with FIFO checkout.
    pub(super) async fn serve_in_turn(&mut self, sql: &str) -> Result<()> {
        self.free.rotate_left(1);
        self.serve(sql).await
    }

    /// Runs concurrent requests, which need as many sessions.
    pub(super) async fn serve_at_once(&mut self, requests: usize, sql: &str) -> Result<()> {
        let mut borrowed = Vec::new();
        for _ in 0..requests {
            borrowed.push(self.take().await?);
        }
        for session in borrowed {
            session.run(sql).await?;
            self.give(session).await?;
        }
        Ok(())
    }

    /// Closes the session that has been free for longest.
    pub(super) fn shrink(&mut self) {
        self.free.pop_front();
    }

    /// Replaces the session that has been free for longest.
    pub(super) async fn replace_one(&mut self) -> Result<()> {
        let old = self.free.pop_front().context("the pool is empty")?;
        drop(old);
        self.free.push_front(self.app.unused().await?);
        Ok(())
    }

    /// Returns the number of free sessions.
    pub(super) fn free(&self) -> usize {
        self.free.len()
    }

    /// Returns the sessions of a discarded pool.
    pub(super) fn into_sessions(self) -> impl Iterator<Item = Session> {
        self.free.into_iter()
    }
}
