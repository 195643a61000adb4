//! Where the database is: a connection string as libpq reads it, with one host or several.
//!
//! It may hold a password. So it is never printed, and what is wrong with it is said without
//! quoting it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use zeroize::Zeroizing;

use super::PostgresError;

/// The most hosts of one database.
pub const MAX_HOSTS: usize = 16;
/// The longest connection string, in bytes.
const MAX_URL_BYTES: usize = 4096;
/// How long a host may take to answer unless `connect_timeout` says otherwise, in seconds.
const DEFAULT_CONNECT_SECONDS: u64 = 5;
/// The longest `connect_timeout`, in seconds.
const MAX_CONNECT_SECONDS: u64 = 60;

/// What a connection asks of its server. Whoever idles within a transaction for so long is gone, and
/// the rows that it locked are free again; no name of ours can mean something of another schema.
const SESSION: [(&str, &str); 3] = [
    ("idle_in_transaction_session_timeout", "60s"),
    ("search_path", "pg_catalog"),
    ("timezone", "UTC"),
];

/// The parameters that sqlx reads; others are refused rather than ignored.
const PARAMETERS: [&str; 9] = [
    "application_name",
    "dbname",
    "host",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
];

/// Where a database is.
#[derive(Clone)]
pub struct Address {
    hosts: Vec<Host>,
    /// How long each host may take to answer.
    patience: Duration,
    /// Whether a server that takes no writes is passed over.
    writable: bool,
}

/// A server of the database.
#[derive(Clone)]
pub(super) struct Host {
    /// Its name and port, as shown.
    pub name: String,
    /// How to connect to it.
    pub options: PgConnectOptions,
}

impl Address {
    pub(super) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    pub(super) const fn must_be_writable(&self) -> bool {
        self.writable
    }
}

/// The names of the hosts alone.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.hosts.iter().map(|host| host.name.as_str()).collect();
        write!(f, "Address({})", names.join(","))
    }
}

/// By how it is shown: two that differ in a password alone are the same place.
impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Eq for Address {}

impl FromStr for Address {
    type Err = PostgresError;

    fn from_str(url: &str) -> Result<Self, PostgresError> {
        let bad = |problem: &str| PostgresError::BadAddress(problem.to_owned());
        let url = url.trim();
        if url.len() > MAX_URL_BYTES {
            return Err(bad("is too long"));
        }
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or_else(|| bad("doesn't begin with postgres://"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let parameters = Parameters::read(query)?;
        let hosts: Vec<&str> = hosts.split(',').collect();
        if hosts.len() > MAX_HOSTS {
            return Err(bad("names too many hosts"));
        }
        let open = |host: &str| {
            // For sqlx, which knows one host, and reads no URL without one.
            let host = if host.is_empty() { "localhost" } else { host };
            let kept = parameters.kept.as_str();
            let one = Zeroizing::new(format!("postgres://{user}{host}/{path}?{kept}"));
            let options = PgConnectOptions::from_str(&one)
                .map_err(|_| bad("has a host, port or parameter that can't be read"))?;
            let name = match options.get_socket() {
                Some(socket) => socket.display().to_string(),
                None => format!("{}:{}", options.get_host(), options.get_port()),
            };
            // Statements are fixed texts; what is worth a log line is logged by whoever sends them.
            let options = options.disable_statement_logging().options(SESSION);
            Ok(Host { name, options })
        };
        let hosts = hosts.into_iter().map(open).collect::<Result<_, PostgresError>>()?;
        Ok(Self { hosts, patience: parameters.patience, writable: parameters.writable })
    }
}

/// What stands behind the question mark.
struct Parameters {
    /// What sqlx reads.
    kept: Zeroizing<String>,
    patience: Duration,
    writable: bool,
}

impl Parameters {
    fn read(query: &str) -> Result<Self, PostgresError> {
        let bad = |problem: String| Err(PostgresError::BadAddress(problem));
        let mut kept = vec![];
        let (mut patience, mut writable) = (DEFAULT_CONNECT_SECONDS, true);
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match (name, value) {
                ("target_session_attrs", "read-write" | "primary") => writable = true,
                ("target_session_attrs", "any") => writable = false,
                ("target_session_attrs", _) => {
                    return bad(
                        "has a target_session_attrs that is none of read-write, primary and any"
                            .to_owned(),
                    );
                }
                ("connect_timeout", seconds) => match seconds.parse() {
                    Ok(seconds @ 1..=MAX_CONNECT_SECONDS) => patience = seconds,
                    _ => {
                        return bad(format!(
                            "has a connect_timeout that isn't within 1 to {MAX_CONNECT_SECONDS} seconds"
                        ));
                    }
                },
                (name, _) if PARAMETERS.contains(&name) => kept.push(parameter),
                // A part of a password that wasn't escaped may have got here: no name is quoted.
                _ => {
                    return bad(format!(
                        "has a parameter that isn't known; known are connect_timeout, target_session_attrs, {}",
                        PARAMETERS.join(", ")
                    ));
                }
            }
        }
        let kept = Zeroizing::new(kept.join("&"));
        Ok(Self { kept, patience: Duration::from_secs(patience), writable })
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let url = Zeroizing::new(String::deserialize(deserializer)?);
        url.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_hosts() {
        let cases = [
            ("postgres://u:p@a/db", "Address(a:5432)"),
            ("postgresql://u:p@a:1,b,c:3/db?sslmode=require", "Address(a:1,b:5432,c:3)"),
            ("postgres://u:p%2C%40@[::1]:7/db?connect_timeout=3", "Address([::1]:7)"),
            ("postgres://u@a,b/db?target_session_attrs=any", "Address(a:5432,b:5432)"),
            ("postgres://u@/db?host=/run/postgresql", "Address(/run/postgresql)"),
        ];
        for (url, shown) in cases {
            let address: Address = url.parse().unwrap();
            assert_eq!(format!("{address:?}"), shown, "{url}");
        }
    }

    #[test]
    fn nothing_of_a_bad_one_is_quoted() {
        let cases = [
            "hunter2",
            "mysql://u:hunter2@a/db",
            "postgres://u:hunter2@a:port/db",
            "postgres://u:hunter2@a/db?hunter2=1",
            "postgres://u:x?hunter2@a/db",
            "postgres://u:hunter2@a/db?sslmode=hunter2",
            "postgres://u:hunter2@a/db?target_session_attrs=standby",
            "postgres://u:hunter2@a/db?connect_timeout=0",
        ];
        for url in cases {
            let error = url.parse::<Address>().unwrap_err();
            assert!(matches!(error, PostgresError::BadAddress(_)), "{url}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}: {error:?}");
        }
    }
}
