#![doc = include_str!("../README.md")]

mod answers;
mod arguments;
mod budget;
mod calls;
mod client;
mod connections;
mod consent;
mod facts;
#[cfg(test)]
mod fixture;
mod handler;
pub mod http;
mod options;
mod page;
pub mod plan;
pub mod plan_folder;
mod planning;
mod prompts;
mod recording;
mod reports;
mod resources;
mod schema;
mod server;
pub mod skill;
mod stdio;
mod tools;
mod untrusted;

pub use self::planning::applying;
pub use self::server::{Names, Server, Settings};
