# Builds and starts the hub on Windows: on your folders if they are configured, else on a demo library.
#   .\scripts\run.ps1 [arguments of hub]
# Needs Rust (https://rustup.rs) with the C++ build tools that its installer offers.
$ErrorActionPreference = "Stop"
Set-Location (Join-Path $PSScriptRoot "..")
if (-not (Get-Command cargo -ErrorAction SilentlyContinue)) {
    Write-Error "Rust is missing: install it from https://rustup.rs and run this again."
}

Write-Host "building (the first time takes some minutes) ..."
cargo build --quiet --release --package hub
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }

$arguments = $args
if ($arguments.Count -eq 0) {
    $data = if ($env:APP_DATA_DIR) { $env:APP_DATA_DIR } else { Join-Path $env:LOCALAPPDATA "comfy-hub\data" }
    $file = Join-Path $data "config.toml"
    $inFile = (Test-Path $file) -and (Select-String -Quiet -Path $file -Pattern "^[^#]*_models_root")
    $arguments = @("--open")
    if (-not ($env:LOCAL_MODELS_ROOT -or $env:LAKE_MODELS_ROOT -or $inFile)) { $arguments = @("demo", "--open") }
}
$target = if ($env:CARGO_TARGET_DIR) { $env:CARGO_TARGET_DIR } else { "target" }
& (Join-Path $target "release\hub.exe") @arguments
exit $LASTEXITCODE
