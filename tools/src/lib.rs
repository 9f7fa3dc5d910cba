//! The operator's, caller's and auditor's tool.

pub mod audit;
pub mod bench;
pub mod cli;
pub mod connect;
pub mod decide;
pub mod demo;
pub mod doctor;
pub mod draw;
pub mod evidence;
pub mod files;
pub mod generate;
pub mod import;
pub mod local;
pub mod log;
pub mod monitor;
pub mod peers;
pub mod privacy;
pub mod ready;
pub mod receipt;
pub mod registry;
pub mod signed;
pub mod stats;
pub mod token;
pub mod trust;
pub mod verify;
