//! What the federation promises whatever stands in its logs, whoever is away and however long.

mod ages;
mod authority;
mod checked;
mod closed;
mod form;
mod frozen;
mod home;
mod mended;
mod recovery;
mod refused_backups;
mod rekeyed;
mod restored;
mod stated;
mod support;
mod trail;
mod witnessed;
