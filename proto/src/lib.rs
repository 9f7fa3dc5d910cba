//! The wire and the leaf: messages and services of package huren.v1
