//! The description as strict as the hub: what the derives can't say, said once for all operations.
#![allow(clippy::indexing_slicing, reason = "a member that a JSON value lacks is null, or is made")]

use serde_json::{Map, Value, json};

/// Lists in requests that name things: at least one, none twice. Paths may lie in each other and may be
/// named twice.
const DISTINCT: &[&str] = &["roots", "ids", "hashes"];
const NOT_EMPTY: &[&str] = &["paths", "others", "urls"];

/// Requests in which members that are not read are left alone: what a GET showed may be sent back.
const LENIENT: &[&str] = &["SourceRequest", "UrlRequest"];

/// Says of requests what is refused, and of answers which there are.
pub(super) fn complete(description: &mut Value) {
    let mut requests = Vec::new();
    for (path, item) in members(&mut description["paths"]) {
        for (method, operation) in members(item) {
            if let Some(schema) = operation.pointer_mut("/requestBody/content/application~1json/schema") {
                without_null(schema);
                references(schema, &mut requests);
            }
            add_answers(path, method, operation);
            parameters(operation);
        }
    }
    let mut at = 0;
    while let Some(name) = requests.get(at).cloned() {
        at += 1;
        let schema = &mut description["components"]["schemas"][&name];
        references(schema, &mut requests);
        if !LENIENT.contains(&name.as_str()) {
            close(schema);
        }
        lists(schema);
    }
    together(&mut description["components"]["schemas"]);
    numbers(description);
}

/// What members say only together.
fn together(schemas: &mut Value) {
    schemas["HashRequest"]["not"] = json!({
        "required": ["folder", "paths"],
        "properties": { "folder": { "type": "string" }, "paths": { "type": "array" } },
    });
    schemas["CreateTransfersRequest"]["anyOf"] = json!([
        {
            "required": ["to"],
            "properties": { "operation": { "enum": ["copy", "move"] }, "to": { "enum": ["local", "lake"] } },
        },
        { "properties": { "operation": { "enum": ["delete"] } } },
    ]);
}

fn members(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flat_map(Map::iter_mut)
}

/// A body that may be left out is left out: `null` is none.
fn without_null(schema: &mut Value) {
    let Some(choices) = schema["oneOf"].as_array() else { return };
    let some: Vec<Value> = choices.iter().filter(|choice| choice["type"] != "null").cloned().collect();
    if let ([one], true) = (some.as_slice(), some.len() < choices.len()) {
        *schema = one.clone();
    }
}

/// The names of the schemas that this one is made of.
fn references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str().and_then(|target| target.strip_prefix("#/components/schemas/")) {
                    Some(target) if name == "$ref" && !found.iter().any(|known| known == target) => {
                        found.push(target.to_owned());
                    }
                    _ => references(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// Unknown members are refused.
fn close(schema: &mut Value) {
    for key in ["oneOf", "anyOf"] {
        schema[key].as_array_mut().into_iter().flatten().for_each(close);
        // Looking at a member makes one.
        if schema[key].is_null()
            && let Some(members) = schema.as_object_mut()
        {
            members.remove(key);
        }
    }
    if schema["properties"].is_object() && schema.get("additionalProperties").is_none() {
        schema["additionalProperties"] = json!(false);
    }
    if schema["properties"].is_null()
        && let Some(members) = schema.as_object_mut()
    {
        members.remove("properties");
    }
}

fn lists(schema: &mut Value) {
    let schemas: Vec<&mut Value> = if schema.get("oneOf").is_some() {
        schema["oneOf"].as_array_mut().into_iter().flatten().collect()
    } else {
        vec![schema]
    };
    for schema in schemas {
        let Some(properties) = schema.get_mut("properties") else { continue };
        for (name, property) in members(properties) {
            let is_distinct = DISTINCT.contains(&name.as_str());
            if property.get("items").is_some() && (is_distinct || NOT_EMPTY.contains(&name.as_str())) {
                property["minItems"] = json!(1);
                if is_distinct {
                    property["uniqueItems"] = json!(true);
                }
            }
        }
    }
}

/// Values of a query and of a path are never empty.
fn parameters(operation: &mut Value) {
    let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) else { return };
    for parameter in parameters {
        let schema = &mut parameter["schema"];
        // What may be left out is left out: no text says "null".
        without_null(schema);
        let says_length = schema.get("minLength").is_some();
        if !says_length && parameter["name"].as_str().is_some_and(|name| super::asked::MAY_BE_EMPTY.contains(&name)) {
            parameter["allowEmptyValue"] = json!(true);
        }
        let schema = &mut parameter["schema"];
        if let Some(types) = schema["type"].as_array() {
            let some: Vec<Value> = types.iter().filter(|one| *one != "null").cloned().collect();
            if let [one] = some.as_slice() {
                schema["type"] = one.clone();
            }
        }
        let is_text = schema["type"] == "string" && schema.get("enum").is_none();
        if is_text && schema.get("pattern").is_none() && schema.get("minLength").is_none() {
            schema["minLength"] = json!(1);
            schema["pattern"] = json!(r"\S");
        }
    }
}

/// Whole numbers are as large as the hub reads them.
fn numbers(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let is_integer = members.get("type").is_some_and(|kind| {
                kind == "integer" || kind.as_array().is_some_and(|kinds| kinds.contains(&json!("integer")))
            });
            if is_integer {
                let is_signed = !members.contains_key("minimum");
                let most = match (members.get("format").and_then(Value::as_str), is_signed) {
                    (Some("int32"), true) => json!(i32::MAX),
                    (Some("int32"), false) => json!(u32::MAX),
                    _ => json!(i64::MAX),
                };
                members.entry("maximum").or_insert(most);
                if is_signed {
                    members.insert("minimum".to_owned(), json!(i64::MIN));
                }
            }
            members.values_mut().for_each(numbers);
        }
        Value::Array(items) => items.iter_mut().for_each(numbers),
        _ => {}
    }
}

/// What any operation of its kind may answer besides what it says itself.
fn add_answers(path: &str, method: &str, operation: &mut Value) {
    let mut more = vec!["400", "421", "500"];
    if method != "get" || path.starts_with("/ws/") {
        more.push("403");
    }
    if method != "get" {
        more.extend(["413", "415", "408", "503"]);
    }
    // What the address names, and a cursor that this list never gave.
    let parameters = operation["parameters"].as_array();
    let has_cursor = parameters.is_some_and(|parameters| parameters.iter().any(|one| one["name"] == "cursor"));
    if has_cursor || path.contains('{') {
        more.push("404");
    }
    for status in more {
        let answer = super::responses::problem_of(status);
        if operation["responses"].get(status).is_none() {
            operation["responses"][status] = answer;
        }
    }
}
