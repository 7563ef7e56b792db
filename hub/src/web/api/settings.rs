//! The configuration.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::list::{ListView, PageQuery};
use crate::config::Key;
use crate::services::settings::{SettingView, SettingsView};
use crate::storage::views::PageRequest;
use crate::storage::views::page::MAX_LIMIT;
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Body, Params};

/// Settings to change, by key; `null` takes a key out of `config.toml`. Keys that are left out stay
/// as they are.
#[derive(Debug, Deserialize)]
pub struct SettingsRequest(BTreeMap<String, Value>);

impl ToSchema for SettingsRequest {}

impl PartialSchema for SettingsRequest {
    fn schema() -> RefOr<Schema> {
        let value = || [Type::String, Type::Number, Type::Boolean, Type::Null];
        let properties = Key::all().fold(ObjectBuilder::new(), |object, key| {
            let schema = ObjectBuilder::new().schema_type(SchemaType::from_iter(value())).description(Some(key.help()));
            object.property(key.name(), schema)
        });
        let what = "Settings to change, by key; `null` takes a key out of `config.toml`. Keys that are left out stay as \
                    they are.";
        properties.description(Some(what)).into()
    }
}

/// Shows every setting with its value and where that came from.
#[utoipa::path(
    get, path = "/api/settings", tag = "settings", params(PageQuery),
    responses((status = 200, body = ListView<SettingView>))
)]
pub(super) async fn show_settings(
    State(state): State<WebState>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<SettingView>>> {
    list(state.services.settings.view(), &page.request()?)
}

/// In the order of the settings page.
fn list(settings: SettingsView, request: &PageRequest) -> Answer<Json<ListView<SettingView>>> {
    let numbered = settings.items.into_iter().enumerate().collect();
    Ok(Json(request.cut(numbered, |(place, _)| *place)?.map(|(_, setting)| setting)))
}

/// Validates all of it, then writes `config.toml`. Nothing is saved if anything is wrong.
#[utoipa::path(
    put, path = "/api/settings", tag = "settings", request_body = SettingsRequest,
    responses((status = 200, body = ListView<SettingView>), (status = 422))
)]
pub(super) async fn update_settings(
    State(state): State<WebState>,
    Body(SettingsRequest(changes)): Body<SettingsRequest>,
) -> Answer<Json<ListView<SettingView>>> {
    let changes = changes.into_iter().map(|(key, value)| Ok((text_of(&key, value)?, key)));
    let changes = changes.map(|pair: Answer<_>| pair.map(|(value, key)| (key, value))).collect::<Answer<_>>()?;
    state.services.save_settings(changes, &state.tasks).await?;
    list(state.services.settings.view(), &PageRequest::latest(MAX_LIMIT))
}

/// Numbers and truth values are as good as their texts.
fn text_of(key: &str, value: Value) -> Answer<Option<String>> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Bool(_) | Value::Number(_) => Ok(Some(value.to_string())),
        Value::Array(_) | Value::Object(_) => {
            Err(Problem::malformed(format!("{key}: expected a text, a number, true, false or null")))
        }
    }
}
