//! Migrations are embedded by a macro, which Cargo cannot see: it has to be told that a
//! new file among them asks for a new build.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
