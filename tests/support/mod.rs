//! What several tests share.
#![allow(dead_code, reason = "no test needs all of it")]

pub mod axe;
pub mod binary;
pub mod browser;
pub mod chain;
pub mod disk;
pub mod faults;
pub mod home;
#[cfg(target_os = "linux")]
pub mod hosts;
pub mod line;
pub mod load;
pub mod network;
pub mod node;
pub mod postgres;
pub mod random;
pub mod site;
pub mod stranger;
pub mod tale;
