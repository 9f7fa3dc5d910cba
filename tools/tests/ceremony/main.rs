//! The ceremonies of the trust list with the commands that people run: first without any node,
//! then with nodes that run meanwhile.

#[cfg(test)]
mod offline;
#[cfg(test)]
mod running;
#[cfg(test)]
mod support;
