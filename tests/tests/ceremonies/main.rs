//! Drills: trust lists that change while nodes run. Rotation of every role, compromise, members
//! that join and leave. What was in order stays verifiable, what was not does not.

mod compromise;
mod members;
mod rotation;
mod support;
