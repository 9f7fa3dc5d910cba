//! What the federation promises whatever stands in its logs, whoever is away and however long.

mod ages;
mod authority;
mod form;
mod frozen;
mod home;
mod recovery;
mod support;
mod trail;
mod witnessed;
