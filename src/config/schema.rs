//! The tables of `keys` as JSON Schema (2020-12), for editors.

use serde_json::{Map, Value, json};

use super::keys::{ENVIRONMENT, Key, Kinds, REFERENCE, Ty};
use super::registry::Registry;

/// The schema of `schedules/<environment>.toml` with the kinds of `registry`. Sums and contradictions are `validate`'s part.
pub fn json_schema(registry: &Registry) -> Value {
    let keys: Vec<&Key> = ENVIRONMENT.iter().collect();
    let mut schema = table(&keys, None, registry);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("keyrota schedule");
    schema
}

fn table(keys: &[&Key], kind: Option<&str>, registry: &Registry) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    if let Some(kind) = kind {
        properties.insert("kind".to_owned(), json!({"const": kind}));
        required.push("kind");
    }
    // What is not built in is not offered: additionalProperties refuses it.
    for key in keys.iter().filter(|k| k.is_built_in()) {
        let mut property = of(&key.ty, registry);
        property["description"] = json!(key.text());
        properties.insert(key.name.to_owned(), property);
    }
    required.extend(keys.iter().filter(|k| k.required).map(|k| k.name));
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn of(ty: &Ty, registry: &Registry) -> Value {
    match ty {
        Ty::Text => json!({"type": "string", "minLength": 1}),
        Ty::Template => json!({"type": "string"}),
        Ty::Word(words) => json!({"type": "string", "enum": words}),
        Ty::Duration => json!({"type": "string", "pattern": "^[0-9]+[smhdw]$"}),
        Ty::Count(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Ty::Flag => json!({"type": "boolean"}),
        // TOML's dates reach an editor's schema as text.
        Ty::Moment => json!({"type": "string"}),
        Ty::Clock => json!({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}),
        Ty::Variable => {
            json!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "maxLength": 128})
        }
        Ty::Mode => json!({"type": "string", "pattern": "^0?[0-7]{3}$"}),
        Ty::Owner => {
            json!({"type": "string", "pattern": "^[A-Za-z0-9_.][A-Za-z0-9_.-]*:[A-Za-z0-9_.][A-Za-z0-9_.-]*$"})
        }
        Ty::Reference => {
            let mut reference = table(&REFERENCE.iter().collect::<Vec<_>>(), None, registry);
            reference["minProperties"] = json!(1);
            reference["maxProperties"] = json!(1);
            reference
        }
        Ty::List(of_items) => json!({"type": "array", "items": of(of_items, registry)}),
        Ty::Table(keys) => table(&keys.iter().collect::<Vec<_>>(), None, registry),
        Ty::Map(of_entries) => {
            json!({"type": "object", "additionalProperties": of(of_entries, registry)})
        }
        Ty::Either(a, b) => json!({"anyOf": [of(a, registry), of(b, registry)]}),
        Ty::Kinds(family) => by_kind(registry.kinds(*family), registry),
        Ty::NotBuiltIn(_) => json!(false),
    }
}

fn by_kind(kinds: &Kinds, registry: &Registry) -> Value {
    let variants: Vec<Value> = kinds
        .names()
        .map(|kind| table(&kinds.keys(kind).unwrap_or_default(), Some(kind), registry))
        .collect();
    json!({"type": "object", "required": ["kind"], "oneOf": variants})
}
