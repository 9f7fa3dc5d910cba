//! Nodes as real processes, and everything that can be sent to them from outside: what they
//! take, what they refuse and how, and what they never say.

#[cfg(test)]
mod silence;
#[cfg(test)]
mod support;
