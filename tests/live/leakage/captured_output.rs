//! Captures everything that is traced or logged, by any crate, at every level.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

thread_local! {
    /// Capture of the current thread, with the guard of its subscriber.
    static CURRENT: RefCell<Option<(CapturedOutput, DefaultGuard)>> = const { RefCell::new(None) };
}

/// Captured text.
#[derive(Clone, Default)]
pub(super) struct CapturedOutput(Arc<Mutex<String>>);

impl CapturedOutput {
    /// Starts to capture the current thread.
    pub(super) fn start(&self) {
        static LOGGER: Once = Once::new();
        LOGGER.call_once(|| {
            log::set_logger(&Logger).expect("nobody else logs");
            log::set_max_level(log::LevelFilter::Trace);
        });
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()));
        CURRENT.with(|current| *current.borrow_mut() = Some((self.clone(), guard)));
    }

    /// Stops capturing the current thread.
    pub(super) fn stop() {
        CURRENT.with(|current| current.borrow_mut().take());
    }

    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn append(&self, what: fmt::Arguments<'_>) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string cannot fail.
        let _ = text.write_fmt(what);
        text.push('\n');
    }
}

impl<S: Subscriber> Layer<S> for CapturedOutput {
    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.append(format_args!("{} {}", span.metadata().target(), span.metadata().name()));
        span.record(&mut Fields(self));
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(&mut Fields(self));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.append(format_args!("{}", event.metadata().target()));
        event.record(&mut Fields(self));
    }
}

struct Fields<'a>(&'a CapturedOutput);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.append(format_args!("{field}={value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.append(format_args!("{field}={value:?}"));
    }
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        CURRENT.try_with(|current| current.try_borrow().is_ok_and(|output| output.is_some())).unwrap_or(false)
    }

    fn log(&self, record: &log::Record<'_>) {
        // The thread-local is not available while a thread ends.
        let _ = CURRENT.try_with(|current| {
            if let Ok(Some((output, _))) = current.try_borrow().as_deref() {
                output.append(format_args!("{} {}", record.target(), record.args()));
            }
        });
    }

    fn flush(&self) {}
}
