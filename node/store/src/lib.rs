//! Where a node keeps its logs and registers: one contract, several back ends
