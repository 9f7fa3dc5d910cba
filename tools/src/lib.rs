//! The operator's, caller's and auditor's tool
