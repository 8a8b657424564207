//! The laboratory guards the judgement: a small part of its cases is judged on every run.

mod cassettes;
mod guard;
