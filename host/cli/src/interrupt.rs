//! Signals that end the program.

/// Waits for the end of a program that has the terminal for itself: as [`interrupted`], or for the loss of the terminal
/// (SIGHUP) or a SIGQUIT. Their default action would leave the terminal as it is.
#[cfg(feature = "tui")]
pub(crate) async fn left() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        if let (Ok(mut hangup), Ok(mut quit)) = (signal(SignalKind::hangup()), signal(SignalKind::quit())) {
            tokio::select! {
                () = interrupted() => {}
                _ = hangup.recv() => {}
                _ = quit.recv() => {}
            }
            return;
        }
    }
    interrupted().await;
}

/// Waits for Ctrl-C, or for the SIGTERM of a service manager.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
