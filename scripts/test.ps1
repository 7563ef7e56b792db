# Runs the checks and tests that Windows can run; ./scripts/test on Linux runs all of them.
#   .\scripts\test.ps1
# Not covered here: end-to-end tests that need root, mounts or signals, and the browser's.
$ErrorActionPreference = "Stop"
Set-Location (Join-Path $PSScriptRoot "..")
if (-not (Get-Command cargo -ErrorAction SilentlyContinue)) {
    Write-Error "Rust is missing: install it from https://rustup.rs and run this again."
}
if (-not (Get-Command cargo-nextest -ErrorAction SilentlyContinue)) {
    Write-Host "installing with cargo: cargo-nextest  (some minutes, once)"
    cargo install --quiet --locked cargo-nextest
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
}

$failed = @()
function Step($name, [scriptblock] $command) {
    & $command
    if ($LASTEXITCODE -eq 0) { Write-Host "ok      $name" } else { Write-Host "FAILED  $name"; $script:failed += $name }
}
Step "format" { cargo fmt --all --check }
Step "lints" { cargo clippy --quiet --workspace --all-targets -- -D warnings }
Step "build" { cargo build --quiet --workspace --bins }
Step "layers" { cargo run --quiet --package end-to-end --bin checks -- layers }
Step "lengths" { cargo run --quiet --package end-to-end --bin checks -- lengths }
Step "tests" { cargo nextest run --workspace --no-fail-fast --exclude end-to-end }
if ($failed.Count -gt 0) { Write-Host "failed: $($failed -join ', ')"; exit 1 }
Write-Host "all steps passed"
