//! What the federation promises whatever stands in its logs, whoever is away and however long.

mod authority;
mod form;
mod support;
