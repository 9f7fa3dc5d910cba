//! Nodes as real processes, and everything that can be sent to them from outside: what they
//! take, what they refuse and how, and what they never say.

#[cfg(test)]
mod api;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod ceremony;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod draws;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod manager;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod page;
#[cfg(test)]
mod privacy;
#[cfg(test)]
mod province;
#[cfg(test)]
mod recognition;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod rekey;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod sharing;
#[cfg(test)]
mod signed;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod statistics;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod witness;
