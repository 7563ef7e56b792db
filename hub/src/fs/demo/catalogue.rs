//! What lies where in the demo library.

use serde_json::json;

use super::marks::{self, LoraOf};
use super::weights::{DemoModel, Numbers, Tensors, network_tensors};
use crate::domain::root::Root;

/// A content and the names it lies under.
#[derive(Debug)]
pub(super) struct DemoEntry {
    pub(super) content: DemoContent,
    pub(super) places: Vec<DemoPlace>,
    /// Differs from another name in case only, which not every disk can hold.
    pub(super) may_collide: bool,
}

/// One name of a content.
#[derive(Debug)]
pub(super) struct DemoPlace {
    pub(super) root: Root,
    pub(super) path: String,
    /// Days after 2024-01-01 at which it was changed last.
    pub(super) days: u32,
}

/// What is in a file.
#[derive(Debug)]
pub(super) enum DemoContent {
    Weights(DemoModel),
    Pickle { seed: u64, size_bytes: u64 },
    Picture { seed: u64 },
    Text(String),
}

use Root::{Lake, Local};

/// Everything, in the order it is written.
pub(super) fn entries() -> Vec<DemoEntry> {
    let mut list = DemoList::default();
    whole_networks(&mut list);
    adapters(&mut list);
    odd_ones(&mut list);
    list.entries
}

fn whole_networks(list: &mut DemoList) {
    let sdxl = |title: &str| spec(title, "stable-diffusion-xl-v1-base", "1024x1024");
    let base = network(1, marks::sdxl(), 18, sdxl("Stable Diffusion XL 1.0 Base"));
    list.add(
        base.clone(),
        &[(Local, "checkpoints/sd_xl_base_1.0.safetensors"), (Lake, "checkpoints/sd_xl_base_1.0.safetensors")],
        12,
    );
    list.add(base, &[(Lake, "checkpoints/unsorted/sd_xl_base_1.0 (1).safetensors")], 260);
    list.add(
        network(2, marks::sdxl(), 16, sdxl("Evening Light XL")),
        &[(Lake, "checkpoints/evening-light-xl_v9.safetensors")],
        301,
    );
    list.add(
        network(3, marks::sd15(), 10, spec("Dream Painter", "stable-diffusion-v1", "512x512")),
        &[(Lake, "checkpoints/sd15/dream-painter_8.safetensors")],
        90,
    );
    list.add(
        network(4, marks::sdxl(), 12, sdxl("My merge, evening and base")),
        &[(Local, "checkpoints/my-merge-2025-11.safetensors")],
        690,
    );
    list.add(
        fp8(5, marks::flux(), 50, spec("Flux.1 dev, fp8", "flux-1-dev", "1024x1024")),
        &[(Lake, "diffusion_models/flux1-dev-fp8.safetensors")],
        230,
    );
    list.add(fp8(6, marks::t5(), 30, vec![]), &[(Lake, "text_encoders/t5xxl_fp8_e4m3fn.safetensors")], 231);
    list.add(
        network(7, marks::clip_l(), 2, vec![]),
        &[(Local, "text_encoders/clip_l.safetensors"), (Lake, "text_encoders/clip_l.safetensors")],
        14,
    );
    list.add(
        network(8, marks::vae(4), 4, vec![]),
        &[(Local, "vae/sdxl_vae.safetensors"), (Lake, "vae/sdxl_vae.safetensors")],
        15,
    );
    list.add(network(9, marks::vae(16), 4, vec![]), &[(Lake, "vae/ae.safetensors")], 232);
    let canny = spec("Canny for XL, mid size", "stable-diffusion-xl-v1-base/controlnet", "1024x1024");
    list.add(
        network(10, marks::controlnet(), 4, canny),
        &[
            (Local, "controlnet/diffusers_xl_canny_mid.safetensors"),
            (Lake, "controlnet/diffusers_xl_canny_mid.safetensors"),
        ],
        40,
    );
    list.add(
        network(11, marks::language_model(), 14, vec![]),
        &[(Lake, "LLM/qwen/model-00001-of-00001.safetensors")],
        320,
    );
    // Copied by a tool that doesn't keep times: the same bytes, but only a hash can tell.
    let vae = network(12, marks::vae(4), 4, vec![]);
    list.add(vae.clone(), &[(Local, "vae/vae-ft-mse-840000-ema-pruned.safetensors")], 20);
    list.add(vae, &[(Lake, "vae/vae-ft-mse-840000-ema-pruned.safetensors")], 400);
}

fn adapters(list: &mut DemoList) {
    let detail = lora(20, 40, 16, "Add Detail XL", "sdxl_base_v1-0", &["detail"]);
    list.add(
        detail.clone(),
        &[(Local, "loras/sdxl/add-detail-xl.safetensors"), (Lake, "loras/sdxl/add-detail-xl.safetensors")],
        55,
    );
    list.sidecars(&[Local, Lake], "loras/sdxl/add-detail-xl", "Add Detail XL", "SDXL 1.0", &["detail"], 55);
    list.add(detail, &[(Local, "loras/from-downloads/add-detail-xl(1).safetensors")], 500);
    list.add(
        lora(21, 40, 16, "Pixel Art XL", "sdxl_base_v1-0", &["pixel art"]),
        &[(Local, "loras/sdxl/pixel-art-xl.safetensors"), (Lake, "loras/sdxl/pixel-art-xl.safetensors")],
        61,
    );
    list.sidecars(&[Lake], "loras/sdxl/pixel-art-xl", "Pixel Art XL", "SDXL 1.0", &["pixel art"], 61);
    list.add(
        lora(22, 40, 16, "My cat, third try", "sdxl_base_v1-0", &["mimi the cat"]),
        &[(Local, "loras/sdxl/my-cat-v3.safetensors")],
        700,
    );
    list.sidecars(&[Local], "loras/sdxl/my-cat-v3", "My cat", "SDXL 1.0", &["mimi the cat"], 700);
    // The Lake holds the first version, Local a later one under the same name.
    list.add(
        lora(23, 40, 16, "Ink Wash 1", "sdxl_base_v1-0", &["ink wash"]),
        &[(Lake, "loras/sdxl/ink-wash.safetensors")],
        130,
    );
    list.add(
        lora(24, 48, 16, "Ink Wash 2", "sdxl_base_v1-0", &["ink wash"]),
        &[(Local, "loras/sdxl/ink-wash.safetensors")],
        480,
    );
    // Sorted into a folder on the Lake, still where the browser put it on Local.
    list.add(
        lora(25, 40, 16, "Film Grain", "sdxl_base_v1-0", &["film grain"]),
        &[(Local, "loras/film_grain.safetensors"), (Lake, "loras/sdxl/film-grain-xl.safetensors")],
        210,
    );
    list.add(
        lora(26, 60, 16, "Realism for Flux", "flux-1-dev", &[]),
        &[(Lake, "loras/flux/flux-realism.safetensors")],
        310,
    );
    list.sidecars(&[Lake], "loras/flux/flux-realism", "Realism for Flux", "Flux.1 D", &[], 310);
    list.add(
        lora(27, 60, 16, "Café crème", "flux-1-dev", &["café crème"]),
        &[(Lake, "loras/flux/Café crème v1.5.safetensors")],
        333,
    );
    list.sidecars(&[Lake], "loras/flux/Café crème v1.5", "Café crème", "Flux.1 D", &["café crème"], 333);
    list.add(
        lora(28, 40, 16, "水彩画風", "sdxl_base_v1-0", &["水彩"]),
        &[(Lake, "loras/sdxl/水彩画風.safetensors")],
        350,
    );
    list.sidecars(&[Lake], "loras/sdxl/水彩画風", "水彩画風", "SDXL 1.0", &["水彩"], 350);
    list.add(lora(29, 20, 8, "Neon Glow", "sd_v1", &["neon"]), &[(Lake, "loras/sd15/Neon-Glow.safetensors")], 70);
}

fn odd_ones(list: &mut DemoList) {
    let glow = DemoContent::Weights(lora(30, 20, 8, "Neon Glow, retrained", "sd_v1", &["neon"]));
    let place = DemoPlace { root: Lake, path: "loras/sd15/neon-glow.safetensors".to_owned(), days: 170 };
    list.entries.push(DemoEntry { content: glow, places: vec![place], may_collide: true });
    list.add(
        network(40, marks::upscaler(), 0, vec![]),
        &[(Local, "upscale_models/4x-crisp.safetensors"), (Lake, "upscale_models/4x-crisp.safetensors")],
        33,
    );
    // The beginning of a download that nobody missed.
    list.put_content(
        DemoContent::Pickle { seed: 41, size_bytes: 3 << 20 },
        &[(Lake, "upscale_models/2x-anime-soft.pth")],
        34,
    );
    list.add(
        network(42, marks::embedding(), 0, vec![]),
        &[(Local, "embeddings/easy-negative.safetensors"), (Lake, "embeddings/easy-negative.safetensors")],
        18,
    );
    for root in [Local, Lake] {
        list.put_content(DemoContent::Text(String::new()), &[(root, "checkpoints/put_checkpoints_here")], 1);
    }
    let notes = "What is on the Lake\n\n- flux and its text encoders: diffusion_models, text_encoders, vae/ae\n";
    list.put_content(DemoContent::Text(notes.to_owned()), &[(Lake, "notes.md")], 365);
}

#[derive(Default)]
struct DemoList {
    entries: Vec<DemoEntry>,
}

impl DemoList {
    fn add(&mut self, model: DemoModel, places: &[(Root, &str)], days: u32) {
        self.put_content(DemoContent::Weights(model), places, days);
    }

    fn put_content(&mut self, content: DemoContent, places: &[(Root, &str)], days: u32) {
        let places =
            places.iter().map(|(root, path)| DemoPlace { root: *root, path: (*path).to_owned(), days }).collect();
        self.entries.push(DemoEntry { content, places, may_collide: false });
    }

    /// The description and the picture that download tools put beside a model.
    fn sidecars(&mut self, roots: &[Root], stem: &str, name: &str, base: &str, trained: &[&str], days: u32) {
        let seed = u64::from(days);
        let file = stem.rsplit('/').next().unwrap_or(stem);
        let info = json!({
            "id": seed * 1000 + 7,
            "modelId": seed * 100 + 3,
            "name": "v1.0",
            "baseModel": base,
            "trainedWords": trained,
            "description": format!("<p><strong>{name}</strong> works best at a strength of 0.8.</p>"),
            "model": { "name": name, "type": "LORA", "nsfw": false },
            "files": [{ "id": seed * 10 + 1, "name": format!("{file}.safetensors"), "primary": true }],
        });
        for root in roots {
            let text = format!("{info:#}\n");
            self.put_content(DemoContent::Text(text), &[(*root, &format!("{stem}.civitai.info"))], days);
            self.put_content(DemoContent::Picture { seed }, &[(*root, &format!("{stem}.preview.png"))], days);
        }
    }
}

/// A model that is known by these tensors, with so many layers beside them.
fn network(seed: u64, marks: Tensors, n_layers: u64, metadata: Vec<(&'static str, String)>) -> DemoModel {
    let tensors = marks.into_iter().chain(network_tensors("model.diffusion_model.layers", n_layers, 512)).collect();
    DemoModel { seed, tensors, numbers: Numbers::F16, metadata }
}

fn fp8(seed: u64, marks: Tensors, n_layers: u64, metadata: Vec<(&'static str, String)>) -> DemoModel {
    let tensors = marks.into_iter().chain(network_tensors("layers", n_layers, 512)).collect();
    DemoModel { seed, tensors, numbers: Numbers::F8, metadata }
}

fn spec(title: &str, architecture: &str, resolution: &str) -> Vec<(&'static str, String)> {
    vec![
        ("modelspec.sai_model_spec", "1.0.0".to_owned()),
        ("modelspec.title", title.to_owned()),
        ("modelspec.architecture", architecture.to_owned()),
        ("modelspec.resolution", resolution.to_owned()),
        ("modelspec.author", "Demo".to_owned()),
        ("modelspec.license", "CC0-1.0".to_owned()),
    ]
}

fn lora(seed: u64, n_blocks: u64, rank: u64, title: &str, base: &str, words: &[&str]) -> DemoModel {
    let mut metadata = spec(title, &format!("{base}/lora"), "1024x1024");
    metadata.push(("modelspec.trigger_phrase", words.join(", ")));
    metadata.push(("ss_base_model_version", base.to_owned()));
    metadata.push(("ss_network_dim", rank.to_string()));
    metadata.push(("ss_output_name", title.to_owned()));
    let tags: serde_json::Map<_, _> = words.iter().map(|word| ((*word).to_owned(), json!(24))).collect();
    metadata.push(("ss_tag_frequency", json!({ "10_images": tags }).to_string()));
    let family = match base {
        "sd_v1" => LoraOf::Sd15,
        "flux-1-dev" => LoraOf::Flux,
        _ => LoraOf::Sdxl,
    };
    DemoModel { seed, tensors: marks::lora(family, n_blocks / 2, rank), numbers: Numbers::F16, metadata }
}
