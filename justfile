# Everything that CI does.
check:
    .ci/run
fmt:
    cargo fmt --all
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings
test *ARGS="--workspace":
    cargo test --locked {{ARGS}}
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
proto:
    buf lint proto && buf breaking proto --against tests/vectors/huren/releases/*.binpb
deny:
    cargo deny --locked check
fuzz *ARGS:
    .ci/fuzz {{ARGS}}
demo *ARGS:
    cargo run --release --locked --bin huren -- demo {{ARGS}}
bench *ARGS:
    cargo run --release --locked --bin huren -- bench {{ARGS}}
simulate *ARGS:
    cargo run --release --locked -p huren-tests --example simulate -- {{ARGS}}
chaos *ARGS:
    cargo test --release --locked -p huren --test chaos -- {{ARGS}}
node *ARGS:
    cargo run --release --locked --bin huren-node -- {{ARGS}}
deb:
    cargo build --release --locked --bin huren --bin huren-node && packaging/deb
sbom:
    cargo cyclonedx --manifest-path node/Cargo.toml --describe binaries --no-build-deps --format json --spec-version 1.5
