# Short names for what people do often; `just` lists them. Everything works without just, too.

default:
    @just --list

# Build and start the hub
run *arguments:
    ./scripts/run {{arguments}}

# Every check and test
test *arguments:
    ./scripts/test {{arguments}}

# Only the tests whose names hold a text
only name:
    cargo build --quiet --workspace --bins
    cargo nextest run --workspace {{name}}

# Format and lint
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings
    ./scripts/check-layers
    ./scripts/check-lengths

# Measure the hub against other tools
bench *arguments:
    ./scripts/bench {{arguments}}

# Renew the pictures in docs/
screenshots:
    ./scripts/screenshots
