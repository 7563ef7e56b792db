//! What holds for every page: nothing on the console, nothing wider than the view, nothing that axe
//! finds.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::Browser;

/// axe-core, see `tests/vendor/README.md`.
const AXE: &str = include_str!("../../vendor/axe-core/axe.min.js");

/// Widths at which every page is looked at: a desktop, a small window, a tablet, a phone.
pub const WIDTHS: [u32; 4] = [1280, 1024, 768, 390];

impl Browser {
    /// Checks that the pages since the last check wrote nothing to the console.
    pub fn expect_quiet(&self) -> Result<()> {
        let entries = self.run(self.web()?.browser_log())?;
        // The browser's own first tab complains without a network.
        let loud: Vec<_> = entries
            .iter()
            .filter(|entry| !entry.message.starts_with("chrome://"))
            .map(|entry| format!("{}: {}", entry.level, entry.message))
            .collect();
        ensure!(loud.is_empty(), "the console is not empty: {loud:#?}");
        Ok(())
    }

    /// Forgets what was written to the console, after a step that has to write there.
    pub fn forget_console(&self) -> Result<()> {
        self.run(self.web()?.browser_log())?;
        Ok(())
    }

    /// Checks that axe finds nothing on the page as it is.
    pub fn expect_accessible(&self) -> Result<()> {
        let found = self.axe()?;
        ensure!(found.is_empty(), "axe on {}: {found:#?}", self.address()?);
        Ok(())
    }

    /// Checks that nothing is wider than the view, at every width.
    pub fn expect_no_overflow(&self) -> Result<()> {
        for width in WIDTHS {
            self.resize(width, 800)?;
            let wider = self.too_wide()?;
            ensure!(wider.is_empty(), "at {width} px {} is too wide: {wider:?}", self.address()?);
        }
        self.resize(1280, 800)
    }

    /// [`Self::expect_accessible`] in both themes on a desktop and on a phone, where other things are
    /// seen, [`Self::expect_no_overflow`], [`Self::expect_quiet`], with a picture of each under a name.
    pub fn inspect(&self, name: &str) -> Result<()> {
        let found = self.look_through(name);
        // The next page is looked at as if this one had been fine.
        self.prefer_dark(false)?;
        self.resize(1280, 800)?;
        found
    }

    fn look_through(&self, name: &str) -> Result<()> {
        for (width, height, of) in [(1440, 900, ""), (390, 844, "-390")] {
            self.resize(width, height)?;
            for (dark, theme) in [(false, "light"), (true, "dark")] {
                self.prefer_dark(dark)?;
                self.screenshot(&format!("{name}-{theme}{of}"))?;
                self.expect_accessible().with_context(|| format!("at {width} px, {theme}"))?;
            }
        }
        self.expect_no_overflow()?;
        self.expect_quiet()
    }

    fn axe(&self) -> Result<Vec<String>> {
        let is_loaded = self.evaluate("return typeof axe === 'object'", &json!([]))?;
        if is_loaded != json!(true) {
            // Evaluated by the driver, which the page's policy doesn't concern.
            self.evaluate(AXE, &json!([]))?;
        }
        let script = "const done = arguments[arguments.length - 1];
            axe.run(document).then(
                result => done(result.violations.flatMap(rule => rule.nodes.map(node =>
                    `${rule.id}: ${node.target.join(' ')}: ${node.failureSummary}`))),
                error => done([String(error)]));";
        let found = self.run(self.web()?.execute_async(script, Vec::new()))?;
        Ok(serde_json::from_value(found.json().clone())?)
    }

    /// The page's own width if it can be scrolled sideways, with the elements that make it so.
    fn too_wide(&self) -> Result<Vec<String>> {
        let script = "const view = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= view) return [];
            const name = e => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') + [...e.classList].map(c => '.' + c).join('');
            const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > view + 1);
            return [`page ${document.documentElement.scrollWidth} px`, ...wide.slice(0, 8).map(name)];";
        let found: Value = self.evaluate(script, &json!([]))?;
        Ok(serde_json::from_value(found)?)
    }
}
