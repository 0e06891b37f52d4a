//! The configuration as people may see it who must not know its secrets.

use serde_json::{Map, Value};

use super::Config;

/// Keys whose value is a secret.
const SECRETS: [&str; 2] = ["secret", "token"];

/// An option of an origin's client whose name has one of these in it may be a credential. Who it stands for, such as
/// an `access_key_id`, is left out with it.
const CREDENTIALS: [&str; 7] = ["secret", "key", "token", "password", "credential", "sas", "signature"];

impl Config {
    /// All settings as JSON, but secrets: keys, tokens, credentials among options, passwords in URLs.
    pub(crate) fn without_secrets(&self) -> Value {
        let mut settings = serde_json::to_value(self).expect("settings are plain data");
        leave_out(&mut settings);
        settings
    }
}

fn leave_out(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !SECRETS.contains(&name.as_str()));
            if let Some(Value::Object(options)) = fields.get_mut("options") {
                leave_out_credentials(options);
            }
            fields.values_mut().for_each(leave_out);
        }
        Value::Array(values) => values.iter_mut().for_each(leave_out),
        Value::String(text) => *text = without_password(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn leave_out_credentials(options: &mut Map<String, Value>) {
    options.retain(|name, _| {
        let name = name.to_ascii_lowercase();
        !CREDENTIALS.iter().any(|credential| name.contains(credential))
    });
}

/// A URL without its password and what follows a `?`, which may hold one too; other text as it is.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    // The last one: a password that was not escaped may have others in it.
    let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(user, rest)| (user, rest));
    let user = user.split(':').next().filter(|user| !user.is_empty()).map(|user| format!("{user}@"));
    let rest = rest.split('?').next().unwrap_or_default();
    format!("{scheme}://{}{rest}", user.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::lines::everything;
    use super::*;

    /// Every key whose name is that of a secret, with what it holds.
    fn secrets<'a>(value: &'a Value, found: &mut Vec<(&'a str, &'a str)>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let named = ["secret", "token", "password"].iter().any(|secret| name.contains(secret));
                    if let (true, Some(text)) = (named && !name.ends_with("_file"), value.as_str()) {
                        found.push((name, text));
                    }
                    secrets(value, found);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| secrets(value, found)),
            _ => {}
        }
    }

    #[test]
    fn no_secret_of_any_setting_is_shown() {
        let mut config = everything();
        config.store.url = "postgres://larder:hidden-1@db/larder?sslmode=require&password=hidden-2".to_owned();
        config.iceberg.upstream = "https://ann:hid/den@-3@catalog:8181/v1".to_owned();
        let options = [
            "access_key_id",
            "secret_access_key",
            "aws_session_token",
            "token",
            "sse_customer_key_base64",
            "account_key",
            "azure_storage_client_secret",
            "sas_token",
            "AZURE_STORAGE_SAS_KEY",
            "bearer_token",
            "service_account_key",
            "google_application_credentials",
            "dfs.some.password",
            "fs.azure.sas",
        ];
        for name in options {
            config.buckets[0].options.insert(name.to_owned(), format!("hidden-{name}"));
        }
        config.buckets[0].options.insert("endpoint".to_owned(), "https://s3.example:9000".to_owned());
        config.buckets[0].options.insert("proxy_url".to_owned(), "http://ann:hidden-4@proxy:3128".to_owned());
        let whole = serde_json::to_value(&config).expect("JSON");
        let (mut before, mut after) = (Vec::new(), Vec::new());
        secrets(&whole, &mut before);
        assert!(before.len() >= 5, "the settings that hold secrets were not found: {before:?}");
        let shown = config.without_secrets();
        secrets(&shown, &mut after);
        assert!(after.is_empty(), "{after:?}");
        let text = shown.to_string();
        for part in ["hidden", "hid/den", "@-3", "a-long-random-text"] {
            assert!(!text.contains(part), "{part} in {text}");
        }
        assert_eq!(shown["store"]["url"], "postgres://larder@db/larder");
        assert_eq!(shown["iceberg"]["upstream"], "https://ann@catalog:8181/v1");
        let options =
            serde_json::json!({ "endpoint": "https://s3.example:9000", "proxy_url": "http://ann@proxy:3128" });
        assert_eq!(shown["bucket"][0]["options"], options);
        assert_eq!(shown["s3"]["keys"][0]["id"], "analyst");
        assert_eq!(shown["admin"]["tokens"][0]["token_file"], "token");
    }
}
