//! Several hosts on this machine: network namespaces, on one switch, whose cables can be pulled.
//!
//! They are this test's own, and go with it. Making them takes the superuser on Linux.

use std::fs::File;
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A switch that hosts are plugged into.
pub struct Switch {
    space: Space,
    hosts: u8,
}

/// A host, on a network of its own with the others.
pub struct Host {
    space: Space,
    port: String,
    switch: String,
    /// Its address there.
    pub address: String,
}

impl Switch {
    /// A switch without hosts, or nothing where this machine doesn't let us make one.
    pub fn new() -> Option<Self> {
        let space = Space::new("switch")?;
        let name = &space.0;
        ip(&["-n", name, "link", "add", "bridge", "type", "bridge"]).then_some(())?;
        ip(&["-n", name, "link", "set", "bridge", "up"]).then_some(())?;
        Some(Self { space, hosts: 0 })
    }

    /// Plugs in another host.
    pub fn host(&mut self) -> Host {
        self.hosts += 1;
        let number = self.hosts;
        let space = Space::new(&format!("host{number}")).expect("as the switch");
        let (name, switch, port) = (&space.0, &self.space.0, format!("port{number}"));
        let address = format!("10.77.0.{number}");
        let cable = ["link", "add", "eth0", "netns", name, "type", "veth"];
        let steps: [&[&str]; 7] = [
            &[&cable[..], &["peer", "name", &port, "netns", switch]].concat(),
            &["-n", switch, "link", "set", &port, "master", "bridge"],
            &["-n", switch, "link", "set", &port, "up"],
            &["-n", name, "address", "add", &format!("{address}/24"), "dev", "eth0"],
            &["-n", name, "link", "set", "lo", "up"],
            &["-n", name, "link", "set", "eth0", "up"],
            &["-n", name, "route", "add", "default", "dev", "eth0"],
        ];
        for step in steps {
            assert!(ip(step), "ip {step:?}");
        }
        Host { switch: switch.clone(), space, port, address }
    }
}

impl Host {
    /// Does something on this host: what is connected to, and what is started, is there.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let space = File::open(format!("/run/netns/{}", self.space.0)).expect("it was made");
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(
                    std::os::fd::AsFd::as_fd(&space),
                    Some(LinkNameSpaceType::Network),
                )
                .expect("the superuser may");
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Pulls its cable. Nobody is told.
    pub fn pull(&self) {
        assert!(ip(&["-n", &self.switch, "link", "set", &self.port, "down"]));
    }

    /// Plugs it in again.
    pub fn plug(&self) {
        assert!(ip(&["-n", &self.switch, "link", "set", &self.port, "up"]));
    }
}

/// A network namespace, by its name.
struct Space(String);

impl Space {
    fn new(name: &str) -> Option<Self> {
        let name = format!("counterfoil-{}-{name}", std::process::id());
        ip(&["netns", "add", &name]).then_some(Self(name))
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.0]);
    }
}

/// Whether `ip` does what it is told.
fn ip(arguments: &[&str]) -> bool {
    let ran = Command::new("ip").args(arguments).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}
