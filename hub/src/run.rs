//! From the command line to an exit code: 0 done, 1 failed, 2 wrong usage or configuration.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::app::instance::{Instance, InstanceError};
use crate::app::{self, Serve, doctor, shutdown, window};
use crate::cli::{self, CliAction};
use crate::config::{Config, ConfigProblem, DEMO_FOLDER, Key, Layers};
use crate::{fs, telemetry, web};

/// Wrong usage or configuration.
const WRONG: u8 = 2;

/// Runs the program with these arguments and environment.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let own_window = window::is_own();
    let code = act(arguments, environment, own_window);
    if code != ExitCode::SUCCESS && own_window {
        window::wait_to_be_read();
    }
    code
}

fn act(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Iterator<Item = (OsString, OsString)>,
    own_window: bool,
) -> ExitCode {
    let line = match cli::parse(arguments) {
        Ok(line) => line,
        Err(error) => {
            // Help and version are no mistakes; clap knows where each is printed.
            error.print().ok();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG));
        }
    };
    let texts = environment.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let environment = Layers::from_environment(texts);
    if line.action == CliAction::Openapi {
        return finish(print_line(&web::api::openapi_json()));
    }
    let read = Layers::read(line.flags, environment).and_then(|layers| {
        let layers = match &line.action {
            CliAction::Demo { dir, .. } => demo_layers(layers, dir.clone())?,
            _ => layers,
        };
        let config = layers.resolve()?;
        Ok((layers, config))
    });
    let (layers, config) = match read {
        Ok(read) => read,
        Err(problems) => {
            for problem in &problems {
                say(&problem.to_string());
            }
            return ExitCode::from(WRONG);
        }
    };
    match line.action {
        CliAction::Doctor => examine(&config),
        // Whoever double-clicked wants to see it.
        CliAction::Demo { open, .. } => finish(serve(layers, config, open || own_window, true)),
        CliAction::Serve { open } => finish(serve(layers, config, open || own_window, false)),
        CliAction::Openapi => ExitCode::SUCCESS,
    }
}

/// The demo's folders, and a data folder of its own, so that the demo leaves nothing behind but one
/// folder. Whoever names another data folder keeps it.
fn demo_layers(mut layers: Layers, dir: Option<PathBuf>) -> Result<Layers, Vec<ConfigProblem>> {
    let own = layers.app_data_dir()?;
    let dir = match dir {
        Some(dir) => std::path::absolute(&dir).map_err(|error| {
            vec![ConfigProblem {
                key: "--dir".into(),
                value: dir.display().to_string(),
                expected: format!("a folder ({error})"),
            }]
        })?,
        None => own.join(DEMO_FOLDER),
    };
    let text = |path: PathBuf| path.display().to_string();
    if !layers.flags.contains_key(&Key::AppDataDir) && !layers.environment.contains_key(&Key::AppDataDir) {
        layers.flags.insert(Key::AppDataDir, text(dir.join("data")));
        layers = Layers::read(layers.flags, layers.environment)?;
    }
    let wrong = |error: fs::FsError| ConfigProblem {
        key: "--dir".into(),
        value: text(dir.clone()),
        expected: format!("a folder that can be written ({error})"),
    };
    let roots = fs::demo::build(&dir).map_err(|error| vec![wrong(error)])?;
    layers.flags.insert(Key::LocalModelsRoot, text(roots.local));
    layers.flags.insert(Key::LakeModelsRoot, text(roots.lake));
    // In a library made for trying out everything may be tried.
    for key in [Key::LocalAllowDelete, Key::LakeAllowDelete] {
        layers.flags.entry(key).or_insert_with(|| "true".to_owned());
    }
    Ok(layers)
}

fn serve(layers: Layers, config: Config, open: bool, demo: bool) -> anyhow::Result<()> {
    app::prepare_data_dir(&config)?;
    let instance = match Instance::take_folder(&config.app_data_dir) {
        Ok(instance) => instance,
        Err(InstanceError::Taken(Some(first))) if open => {
            opener::open_browser(&first.url).context("the browser can't be opened")?;
            return print_line(&format!("Already running at {}", first.url));
        }
        Err(error) => return Err(error.into()),
    };
    let (logs, _guard) = telemetry::start(&config.app_data_dir.join(app::LOGS))?;
    let listener = app::bind(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(64)
        .thread_name("hub")
        .build()
        .context("the threads can't be started")?;
    let served = runtime.block_on(async move {
        let shutdown = shutdown::token().context("signals can't be heard")?;
        shutdown::insist(&shutdown, app::LAST_MOMENT);
        let ready = |address: std::net::SocketAddr| {
            let url = format!("http://127.0.0.1:{}/", address.port());
            instance.announce(&url).context("hub.pid.json can't be written")?;
            print_line(&format!("Listening at {url}"))?;
            if open && let Err(error) = opener::open_browser(&url) {
                tracing::warn!(%error, "the browser can't be opened");
            }
            Ok(())
        };
        Box::pin(app::serve(Serve { layers, config, demo, logs }, listener, shutdown, ready)).await
    });
    // What hangs in the system, as a dead NAS lets it, is not waited for.
    runtime.shutdown_background();
    served
}

fn examine(config: &Config) -> ExitCode {
    let checks = doctor::examine(config);
    for check in &checks {
        let (mark, text) = match &check.verdict {
            Ok(text) => ("ok  ", text),
            Err(text) => ("FAIL", text),
        };
        if print_line(&format!("{mark}  {:<15} {text}", check.what)).is_err() {
            return ExitCode::FAILURE;
        }
    }
    if checks.iter().all(|check| check.verdict.is_ok()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn finish(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&web::error::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn print_line(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("the output can't be written")
}

/// Says on the console why it did not work; a closed console is no further trouble.
fn say(text: &str) {
    writeln!(std::io::stderr(), "hub: {text}").ok();
}
