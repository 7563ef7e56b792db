//! A real browser, driven step by step.
//!
//! Elements are named by CSS selectors and waited for, because a page that lives changes under the
//! test. Clicks and keys are real ones. What a page must never do (write to the console, overflow,
//! fail axe) is checked by [`inspect`].

pub mod driver;
pub mod inspect;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use thirtyfour::prelude::*;
use tokio::runtime::Runtime;

use crate::wait::{self, SOON};
use driver::Driver;

/// A browser with a fresh profile. Its processes end with it.
pub struct Browser {
    runtime: Runtime,
    web: Option<WebDriver>,
    // After the session, so that it can still be closed in order.
    driver: Driver,
}

impl std::fmt::Debug for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Browser").field("driver", &self.driver).finish_non_exhaustive()
    }
}

impl Browser {
    /// Starts one, 1280 × 800.
    pub fn open() -> Result<Self> {
        let driver = Driver::start()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        crate::client::ready();
        let session = WebDriver::new(driver.address(), driver.capabilities()?);
        let web = runtime.block_on(session).context("cannot open a browser session")?;
        let browser = Self { runtime, web: Some(web), driver };
        browser.resize(1280, 800)?;
        Ok(browser)
    }

    /// Goes to an address and waits until the page is loaded.
    pub fn goto(&self, address: &str) -> Result<()> {
        self.run(self.web()?.goto(address)).with_context(|| format!("cannot go to {address}"))
    }

    /// The address of the page.
    pub fn address(&self) -> Result<String> {
        Ok(self.run(self.web()?.current_url())?.to_string())
    }

    /// Back in the history.
    pub fn back(&self) -> Result<()> {
        self.run(self.web()?.back())
    }

    /// Loads the page again.
    pub fn reload(&self) -> Result<()> {
        self.run(self.web()?.refresh())
    }

    /// The page's title.
    pub fn title(&self) -> Result<String> {
        self.run(self.web()?.title())
    }

    /// Clicks the first element of a selector as soon as that works.
    pub fn click(&self, selector: &str) -> Result<()> {
        self.until(&format!("a click on {selector}"), SOON, || self.try_on(selector, Touch::Click))
    }

    /// Clicks the first element of a selector whose text holds a text.
    pub fn click_text(&self, selector: &str, text: &str) -> Result<()> {
        let wanted = json!([selector, text]);
        let script = "return [...document.querySelectorAll(arguments[0])]
            .find(element => element.textContent.includes(arguments[1]) && element.offsetParent !== null) ?? null";
        self.until(&format!("a click on {selector} with “{text}”"), SOON, || {
            let found = self.run(self.web()?.execute(script, arguments(&wanted)))?;
            match found.element() {
                Ok(element) => Ok(self.run(element.click()).is_ok()),
                Err(_) => Ok(false),
            }
        })
    }

    /// Replaces what is in a field.
    pub fn fill(&self, selector: &str, text: &str) -> Result<()> {
        self.until(&format!("typing into {selector}"), SOON, || self.try_on(selector, Touch::Fill(text)))
    }

    /// Types keys wherever the focus is; see [`thirtyfour::Key`] for those without a character.
    pub fn press(&self, keys: impl Into<TypingData>) -> Result<()> {
        self.run(self.web()?.action_chain().send_keys(keys).perform())
    }

    /// How many elements a selector has.
    pub fn count(&self, selector: &str) -> Result<usize> {
        Ok(self.run(self.web()?.find_all(By::Css(selector)))?.len())
    }

    /// What people read in the first element of a selector.
    pub fn text(&self, selector: &str) -> Result<String> {
        wait::wait_for(&format!("text of {selector}"), SOON, || {
            let found = self.run(self.web()?.find(By::Css(selector)));
            Ok(found.and_then(|element| self.run(element.text())).ok())
        })
    }

    /// What people read in each element of a selector.
    pub fn texts(&self, selector: &str) -> Result<Vec<String>> {
        let script = "return [...document.querySelectorAll(arguments[0])].map(element => element.innerText.trim())";
        Ok(serde_json::from_value(self.evaluate(script, &json!([selector]))?)?)
    }

    /// Waits until the first element of a selector is seen.
    pub fn wait(&self, selector: &str) -> Result<()> {
        self.until(&format!("{selector} on {:?}", self.address()), SOON, || self.is_shown(selector))
    }

    /// Waits until nothing of a selector is seen.
    pub fn wait_gone(&self, selector: &str) -> Result<()> {
        self.until(&format!("the end of {selector}"), SOON, || Ok(!self.is_shown(selector)?))
    }

    /// Waits until some element of a selector holds a text.
    pub fn wait_text(&self, selector: &str, text: &str) -> Result<()> {
        self.wait_text_for(selector, text, SOON)
    }

    /// [`Self::wait_text`] for what takes longer.
    pub fn wait_text_for(&self, selector: &str, text: &str, timeout: Duration) -> Result<()> {
        let mut last = Vec::new();
        let found = self.until(&format!("“{text}” in {selector}"), timeout, || {
            last = self.texts(selector)?;
            Ok(last.iter().any(|seen| seen.contains(text)))
        });
        found.with_context(|| format!("there was: {last:?}"))
    }

    /// Whether the first element of a selector is there and seen.
    pub fn is_shown(&self, selector: &str) -> Result<bool> {
        let script = "const found = document.querySelector(arguments[0]);
            return !!found && found.checkVisibility({ visibilityProperty: true, opacityProperty: false })";
        Ok(self.evaluate(script, &json!([selector]))? == json!(true))
    }

    /// The value of a JavaScript function's body; its `arguments` are the items of an array.
    pub fn evaluate(&self, body: &str, values: &Value) -> Result<Value> {
        Ok(self.run(self.web()?.execute(body, arguments(values)))?.json().clone())
    }

    /// Changes the size of the view, also to less than a desktop window may have.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics)
    }

    /// What the system says about dark and light.
    pub fn prefer_dark(&self, dark: bool) -> Result<()> {
        let value = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.devtools("Emulation.setEmulatedMedia", &features)
    }

    /// Keeps a picture of the view in `target/screenshots` for people to look at.
    pub fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let folder = driver::screenshots()?;
        let path = folder.join(format!("{name}.png"));
        self.run(self.web()?.screenshot(&path))?;
        Ok(path)
    }

    /// [`wait::wait_until`], with a picture of the page if it never comes.
    fn until(&self, what: &str, timeout: Duration, check: impl FnMut() -> Result<bool>) -> Result<()> {
        wait::wait_until(what, timeout, check).inspect_err(|_| self.keep_picture_of_failure())
    }

    fn keep_picture_of_failure(&self) {
        let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
        // The failure itself is told either way.
        drop(self.screenshot(&format!("failed-{name}")));
    }

    fn try_on(&self, selector: &str, touch: Touch<'_>) -> Result<bool> {
        let web = self.web()?;
        let outcome = self.runtime.block_on(async {
            let element = web.find(By::Css(selector)).await?;
            match touch {
                Touch::Click => element.click().await,
                Touch::Fill(text) => {
                    element.clear().await?;
                    element.send_keys(text).await
                }
            }
        });
        // Not there yet, replaced meanwhile, covered by something that is about to go.
        Ok(outcome.is_ok())
    }

    fn devtools(&self, method: &str, parameters: &Value) -> Result<()> {
        self.run(self.web()?.cdp().send_raw(method, parameters)).with_context(|| format!("{method} failed"))?;
        Ok(())
    }

    fn web(&self) -> Result<&WebDriver> {
        self.web.as_ref().context("the browser is closed")
    }

    fn run<T>(&self, step: impl Future<Output = WebDriverResult<T>>) -> Result<T> {
        Ok(self.runtime.block_on(step)?)
    }
}

#[derive(Clone, Copy)]
enum Touch<'a> {
    Click,
    Fill(&'a str),
}

fn arguments(values: &Value) -> Vec<Value> {
    values.as_array().cloned().unwrap_or_default()
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep_picture_of_failure();
        }
        if let Some(web) = self.web.take() {
            // A browser that hangs is ended with its driver.
            let quit = async { tokio::time::timeout(Duration::from_secs(5), web.quit()).await };
            drop(self.runtime.block_on(quit));
        }
    }
}
