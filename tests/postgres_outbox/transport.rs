//! The way to the server: TLS, several hosts, and no secret in anything that is said.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;

use counterfoil::postgres::{self, Database};

use crate::support::binary::{counterfoil, operator, path};
use crate::support::chain;
use crate::support::postgres::{PASSWORD, Postgres};
use crate::world::{Client, secret_file};

/// Makes two authorities, and a certificate of the first for 127.0.0.1 alone; the server's settings.
fn certificates(folder: &Path) -> Vec<String> {
    let openssl = |arguments: &str| {
        let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
        let made = made.expect("openssl runs");
        assert!(made.status.success(), "{arguments}: {}", String::from_utf8_lossy(&made.stderr));
    };
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    for name in ["ca", "stranger"] {
        openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.crt"
        ));
    }
    openssl("req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr");
    openssl(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt",
    );
    let owner = folder.metadata().unwrap();
    for name in ["server.key", "server.crt"] {
        chown(folder.join(name), Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    let at = |name: &str| folder.join(name).display().to_string();
    vec![
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", at("server.crt")),
        format!("ssl_key_file={}", at("server.key")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_with_the_server_that_was_meant_or_not_at_all() {
    let mut folder = None;
    let server = Postgres::start_with(|at| {
        folder = Some(at.to_owned());
        certificates(at)
    });
    let folder = folder.unwrap();
    let root = |name: &str| format!("sslrootcert={}", folder.join(name).display());
    let (own, strange) = (root("ca.crt"), root("stranger.crt"));
    // Host, parameters, and whether there is an encrypted connection; none where it is refused.
    let cases = [
        ("127.0.0.1", format!("sslmode=verify-full&{own}"), Some(true)),
        ("127.0.0.1", format!("sslmode=verify-ca&{own}"), Some(true)),
        ("127.0.0.1", "sslmode=require".to_owned(), Some(true)),
        ("127.0.0.1", "sslmode=disable".to_owned(), Some(false)),
        ("127.0.0.1", format!("sslmode=verify-full&{strange}"), None),
        ("127.0.0.1", "sslmode=verify-full".to_owned(), None),
        ("localhost", format!("sslmode=verify-full&{own}"), None),
        ("localhost", format!("sslmode=verify-ca&{own}"), Some(true)),
    ];
    for (host, parameters, expected) in cases {
        let url =
            format!("postgres://tester:{PASSWORD}@{host}:{}/postgres?{parameters}", server.port());
        let database = Database::new(url.parse().unwrap(), chain::chain("tls"));
        let encrypted = match database.connect_unchecked().await {
            Err(error) => {
                assert!(!format!("{error:?}").contains(PASSWORD), "{error:?}");
                None
            }
            Ok(mut connection) => {
                let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
                Some(sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut *connection).await.unwrap())
            }
        };
        assert_eq!(encrypted, expected, "{host} {parameters}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_hosts_the_first_that_takes_writes_is_used() {
    let reads = Postgres::start_with(|_| vec!["default_transaction_read_only=on".to_owned()]);
    let mut writes = Postgres::start();
    let hosts = format!("127.0.0.1:1,127.0.0.1:{},127.0.0.1:{}", reads.port(), writes.port());
    let at = |parameters: &str| {
        let url = format!("postgres://tester:{PASSWORD}@{hosts}/postgres{parameters}");
        Database::new(url.parse().unwrap(), chain::chain("hosts"))
    };
    let database = at("");
    postgres::migrate(&database).await.unwrap();
    assert_eq!(database.connect().await.unwrap().host(), format!("127.0.0.1:{}", writes.port()));
    let any = at("?target_session_attrs=any").connect_unchecked().await.unwrap();
    assert_eq!(any.host(), format!("127.0.0.1:{}", reads.port()));
    writes.crash(false);
    let error = database.connect().await.expect_err("nobody takes writes").to_string();
    assert!(
        error.contains("takes no writes") && error.matches("127.0.0.1:").count() == 3,
        "{error}"
    );
    // What was a replica is promoted.
    Client::connect(&reads.url())
        .await
        .run("ALTER SYSTEM SET default_transaction_read_only = off")
        .await;
}

#[test]
fn no_secret_is_ever_said() {
    let server = Postgres::start();
    let home = operator();
    let ledger = path(home.path(), "ledger");
    let good = server.url();
    let bad = [
        good.clone(),
        good.replace(&server.port().to_string(), "1"),
        good.replace("postgres://", "mysql://"),
        good.replace("/postgres", "/postgres?sslmode=sometimes"),
        good.replace("/postgres", "/nowhere"),
        format!("{good}?{PASSWORD}=1"),
        PASSWORD.to_owned(),
    ];
    for url in bad {
        let file = secret_file(home.path(), "postgres.url", &url);
        for verb in ["migrate", "status", "outbox"] {
            let by_file = counterfoil(["pg", verb, "--dir", &ledger, "--log-level", "trace"])
                .arg("--postgres-url-file")
                .arg(&file)
                .output()
                .unwrap();
            let by_variable = counterfoil(["pg", verb, "--dir", &ledger, "--log-level", "trace"])
                .env("COUNTERFOIL_POSTGRES_URL", &url)
                .output()
                .unwrap();
            for ran in [by_file, by_variable] {
                let said = [ran.stdout, ran.stderr].map(|said| String::from_utf8(said).unwrap());
                assert!(!said.concat().contains(PASSWORD), "{verb}: {said:?}");
                assert_eq!(ran.status.success(), url == good, "{verb} {url}: {said:?}");
            }
        }
    }
    // A file that others may read isn't read.
    let file = secret_file(home.path(), "open.url", &good);
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let ran = counterfoil(["pg", "status", "--dir", &ledger, "--postgres-url-file"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.code() == Some(2) && said.contains("chmod 600"), "{said}");
}
