//! What several tests share.
#![allow(dead_code, reason = "no test needs all of it")]

pub mod binary;
pub mod browser;
pub mod chain;
pub mod home;
pub mod node;
pub mod site;
