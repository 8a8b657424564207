//! Regression tests of the leak detection: a small part of the laboratory's cases is analysed on every run.

mod cassettes;
mod guard;
mod pools;
