//! The `options` of a bucket at HDFS: Hadoop's properties by Hadoop's names, and who Larder is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hdfs_native::HdfsError;
use url::Url;

use super::Hdfs;
use super::name_node::{NameNode, Setup};
use crate::origin::OpenError;
use crate::settings::BucketSettings;

/// Hadoop's properties that the client heeds.
const PROPERTIES: [&str; 5] = [
    "dfs.nameservices",
    "dfs.client.use.datanode.hostname",
    "dfs.client.block.write.replace-datanode-on-failure.enable",
    "dfs.client.block.write.replace-datanode-on-failure.policy",
    "dfs.client.block.write.replace-datanode-on-failure.best-effort",
];
/// Those whose names go on with a name service, and perhaps a NameNode of it.
const PROPERTIES_OF_A_SERVICE: [&str; 6] = [
    "dfs.ha.namenodes.",
    "dfs.namenode.rpc-address.",
    "dfs.client.failover.proxy.provider.",
    "dfs.client.failover.random.order.",
    "dfs.client.failover.resolve-needed.",
    "dfs.client.failover.resolver.useFQDN.",
];
/// Those that are numbers; the client would take a default for what is none.
const NUMBERS: [&str; 4] = [
    SOCKET_TIMEOUT,
    "dfs.client.failover.max.attempts",
    "dfs.client.failover.sleep.base.millis",
    "dfs.client.failover.sleep.max.millis",
];
/// After how many milliseconds of silence a read goes on at another DataNode.
const SOCKET_TIMEOUT: &str = "dfs.client.socket-timeout";
const AUTHENTICATION: &str = "hadoop.security.authentication";
const PROTECTION: &str = "dfs.data.transfer.protection";

/// Makes the client of a bucket's origin. No NameNode is asked yet.
pub(in crate::origin) fn open(settings: &BucketSettings, url: &Url) -> Result<Arc<Hdfs>, OpenError> {
    let setup = setup(settings, url)?;
    let name_node = NameNode::new(setup).map_err(|error| OpenError::Url {
        bucket: settings.name.clone(),
        url: settings.origin.clone(),
        problem: match error {
            HdfsError::InvalidArgument(text) if text.contains("NameNode") => format!(
                "no NameNode is known: write its port, or give `dfs.ha.namenodes.{0}` and `dfs.namenode.rpc-address.{0}.*`",
                url.host_str().unwrap_or_default()
            ),
            error => error.to_string(),
        },
    })?;
    Ok(Arc::new(Hdfs { name_node: Arc::new(name_node) }))
}

fn setup(settings: &BucketSettings, url: &Url) -> Result<Setup, OpenError> {
    let wrong = |option: &str, problem: String| OpenError::Value {
        bucket: settings.name.clone(),
        option: option.to_owned(),
        problem,
    };
    let wrong_url = |problem: &str| OpenError::Url {
        bucket: settings.name.clone(),
        url: settings.origin.clone(),
        problem: problem.to_owned(),
    };
    let service = url.host_str().filter(|host| !host.is_empty());
    let service = service.ok_or_else(|| wrong_url("it names no NameNode and no name service"))?;
    let authority = url.port().map_or(service.to_owned(), |port| format!("{service}:{port}"));
    let mut setup = Setup {
        url: format!("hdfs://{authority}"),
        properties: Vec::new(),
        conf_dir: None,
        user: None,
        principal: None,
        keytab: None,
        ticket_cache: None,
        random_order: format!("dfs.client.failover.random.order.{service}"),
        stall: settings.stall,
    };
    let mut properties = BTreeMap::new();
    // Hadoop's own minute is longer than readers wait.
    properties.insert(SOCKET_TIMEOUT, (settings.stall / 3).as_millis().max(1).to_string());
    for (option, value) in &settings.options {
        let present = |kind: &str| match Path::new(value).exists() {
            true => Ok(Some(value.clone())),
            false => Err(wrong(option, format!("there is no {kind} `{value}`"))),
        };
        match option.as_str() {
            "user" => setup.user = Some(value.clone()),
            "principal" => setup.principal = Some(value.clone()),
            "keytab" => setup.keytab = present("file")?,
            "ticket_cache" => setup.ticket_cache = Some(value.clone()),
            "conf_dir" => setup.conf_dir = present("folder")?,
            AUTHENTICATION if !["simple", "kerberos"].contains(&value.as_str()) => {
                return Err(wrong(option, format!("`{value}` is neither `simple` nor `kerberos`")));
            }
            name if NUMBERS.contains(&name) && value.parse::<u64>().is_err() => {
                return Err(wrong(option, format!("`{value}` is not a whole number")));
            }
            name if [AUTHENTICATION, PROTECTION].contains(&name)
                || NUMBERS.contains(&name)
                || PROPERTIES.contains(&name)
                || PROPERTIES_OF_A_SERVICE.iter().any(|begin| name.starts_with(begin)) =>
            {
                properties.insert(name, value.clone());
            }
            _ => {
                return Err(OpenError::Option { bucket: settings.name.clone(), option: option.clone(), kind: "hdfs" });
            }
        }
    }
    if setup.principal.is_some() {
        match properties.get(AUTHENTICATION).map(String::as_str) {
            Some("simple") => {
                return Err(wrong(
                    "principal",
                    format!("it says nothing to HDFS while `{AUTHENTICATION}` is `simple`"),
                ));
            }
            _ => properties.insert(AUTHENTICATION, "kerberos".to_owned()),
        };
    } else if let Some(option) = ["keytab", "ticket_cache"].into_iter().find(|o| settings.options.contains_key(*o)) {
        return Err(wrong(option, "it needs a `principal` beside it".to_owned()));
    }
    // Of NameNodes without an address the client would say nothing.
    let name_nodes = format!("dfs.ha.namenodes.{service}");
    for id in properties.get(name_nodes.as_str()).into_iter().flat_map(|ids| ids.split(',')) {
        let address = format!("dfs.namenode.rpc-address.{service}.{id}");
        if setup.conf_dir.is_none() && !properties.contains_key(address.as_str()) {
            return Err(wrong(&name_nodes, format!("`{id}` has no `{address}`")));
        }
    }
    setup.properties = properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(setup)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(origin: &str, options: &[(&str, &str)]) -> Result<Setup, String> {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let settings = BucketSettings { options, ..BucketSettings::new("wh", origin) };
        let url = Url::parse(origin).expect("a URL");
        open(&settings, &url).map_err(|error| error.to_string())?;
        setup(&settings, &url).map_err(|error| error.to_string())
    }

    const SERVICE: [(&str, &str); 3] = [
        ("dfs.ha.namenodes.lake", "a,b"),
        ("dfs.namenode.rpc-address.lake.a", "one:8020"),
        ("dfs.namenode.rpc-address.lake.b", "two:8020"),
    ];

    #[test]
    fn a_wrong_option_is_named() {
        for (origin, options, expected) in [
            ("hdfs://nn:8020/x", &[("dfs.blocksise", "1")][..], "option `dfs.blocksise` is not known for hdfs"),
            ("hdfs:///x", &[], "no NameNode"),
            ("hdfs://lake/x", &[], "`dfs.ha.namenodes.lake`"),
            ("hdfs://lake/x", &SERVICE[..2], "`b` has no `dfs.namenode.rpc-address.lake.b`"),
            ("hdfs://nn:8020/x", &[("keytab", "/no/such")], "there is no file `/no/such`"),
            ("hdfs://nn:8020/x", &[("ticket_cache", "FILE:/x")], "`principal`"),
            ("hdfs://nn:8020/x", &[(AUTHENTICATION, "token")], "`kerberos`"),
            ("hdfs://nn:8020/x", &[(SOCKET_TIMEOUT, "10s")], "whole number"),
            ("hdfs://nn:8020/x", &[(AUTHENTICATION, "simple"), ("principal", "me@X")], "`simple`"),
        ] {
            let error = opened(origin, options).expect_err(expected);
            assert!(error.contains("`wh`") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn options_become_properties() {
        let setup = opened("hdfs://lake/x", &SERVICE).expect("an origin");
        assert_eq!(setup.url, "hdfs://lake");
        assert!(setup.properties.contains(&(SOCKET_TIMEOUT.to_owned(), "3333".to_owned())), "{:?}", setup.properties);
        let setup = opened("hdfs://nn:8020/x", &[("principal", "me@X"), ("user", "you")]).expect("an origin");
        assert!(setup.properties.contains(&(AUTHENTICATION.to_owned(), "kerberos".to_owned())));
        assert_eq!((setup.url.as_str(), setup.user.as_deref()), ("hdfs://nn:8020", Some("you")));
    }
}
