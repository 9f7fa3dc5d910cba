//! Network namespaces, one for each member, with a wire of its own between any two of them and
//! one to this process. Wires are cut, slowed down and mended by `ip` and `tc` (iproute2).

use std::{net::Ipv4Addr, process::Command};

use anyhow::{Context as _, Result, bail, ensure};
use huren_core::codes::Region;

/// What slows a wire down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slowing {
    /// The kernel delays and drops packets (tc-netem(8)).
    Delay,
    /// The kernel has no `netem`: packets queue for up to seconds before a narrow pipe
    /// (tc-tbf(8)).
    Narrow,
}

/// The namespaces. Dropping them takes them down.
pub(crate) struct Network {
    members: Vec<Region>,
    pub(crate) slowing: Slowing,
}

/// Where a member is reached by everybody.
pub(crate) fn address(member: Region) -> Ipv4Addr {
    let number = u8::try_from(member.number() / 10_000).unwrap_or_default();
    Ipv4Addr::new(10, 77, 0, number)
}

/// This process, as members see it.
const HERE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The namespace of a member.
pub(crate) fn namespace(member: Region) -> String {
    format!("huren-chaos-{member}")
}

/// The end of a wire that leads to a member.
fn to(member: Region) -> String {
    format!("chaos-{member}")
}

fn run(program: &str, words: &str) -> Result<()> {
    let output = Command::new(program)
        .args(words.split_whitespace())
        .output();
    let output = output.with_context(|| format!("{program}: cannot be run"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{program} {words}: {}",
        error.trim()
    );
    Ok(())
}

impl Network {
    /// Makes namespaces and wires.
    ///
    /// # Errors
    /// What the machine does not allow.
    pub(crate) fn make(members: &[Region]) -> Result<Self> {
        for member in members {
            run("ip", &format!("netns add {}", namespace(*member)))?;
        }
        // From here on whatever fails is taken down again.
        let mut network = Self {
            members: members.to_vec(),
            slowing: Slowing::Delay,
        };
        for member in members {
            let (name, address) = (namespace(*member), address(*member));
            let wire = to(*member);
            run("ip", &format!("-n {name} link set lo up"))?;
            run(
                "ip",
                &format!("link add {wire} type veth peer name here netns {name}"),
            )?;
            run("ip", &format!("addr add {HERE} peer {address} dev {wire}"))?;
            run("ip", &format!("link set {wire} up"))?;
            run(
                "ip",
                &format!("-n {name} addr add {address} peer {HERE} dev here"),
            )?;
            run("ip", &format!("-n {name} link set here up"))?;
        }
        for (a, b) in network.pairs() {
            let words = format!(
                "link add {} netns {} type veth peer name {} netns {}",
                to(b),
                namespace(a),
                to(a),
                namespace(b)
            );
            run("ip", &words)?;
            for (at, far) in [(a, b), (b, a)] {
                let (name, wire) = (namespace(at), to(far));
                let (own, peer) = (address(at), address(far));
                run(
                    "ip",
                    &format!("-n {name} addr add {own} peer {peer} dev {wire}"),
                )?;
                run("ip", &format!("-n {name} link set {wire} up"))?;
            }
        }
        network.find_slowing()?;
        Ok(network)
    }

    fn find_slowing(&mut self) -> Result<()> {
        let (a, b) = *self.pairs().first().context("two members")?;
        for slowing in [Slowing::Delay, Slowing::Narrow] {
            self.slowing = slowing;
            if self.slow(a, b, 10).is_ok() {
                return self.mend(a, b);
            }
        }
        bail!("tc slows nothing down here")
    }

    /// Any two members.
    pub(crate) fn pairs(&self) -> Vec<(Region, Region)> {
        let members = self.members.iter().enumerate();
        let pairs = members.flat_map(|(at, a)| self.members[at + 1..].iter().map(|b| (*a, *b)));
        pairs.collect()
    }

    /// Takes the wire between two members away: packets are lost in silence, and connections
    /// hang.
    pub(crate) fn cut(&self, a: Region, b: Region) -> Result<()> {
        run(
            "ip",
            &format!("-n {} link set {} down", namespace(a), to(b)),
        )
    }

    /// Makes the wire between two members slow in both directions.
    pub(crate) fn slow(&self, a: Region, b: Region, milliseconds: u64) -> Result<()> {
        for (at, far) in [(a, b), (b, a)] {
            let how = match self.slowing {
                Slowing::Delay => {
                    let jitter = milliseconds / 2;
                    format!("netem delay {milliseconds}ms {jitter}ms loss 3%")
                }
                // The longer packets may wait, the narrower the pipe.
                Slowing::Narrow => {
                    let rate = 200_000 / milliseconds.max(1) + 16;
                    format!("tbf rate {rate}kbit burst 4kb latency 3s")
                }
            };
            let (name, wire) = (namespace(at), to(far));
            run(
                "tc",
                &format!("-n {name} qdisc replace dev {wire} root {how}"),
            )?;
        }
        Ok(())
    }

    /// Makes the wire between two members whole and fast.
    pub(crate) fn mend(&self, a: Region, b: Region) -> Result<()> {
        run("ip", &format!("-n {} link set {} up", namespace(a), to(b)))?;
        for (at, far) in [(a, b), (b, a)] {
            let (name, wire) = (namespace(at), to(far));
            // There may be nothing to take away.
            let _ = run("tc", &format!("-n {name} qdisc del dev {wire} root"));
        }
        Ok(())
    }

    /// Mends all wires.
    pub(crate) fn mend_all(&self) -> Result<()> {
        let mut pairs = self.pairs().into_iter();
        pairs.try_for_each(|(a, b)| self.mend(a, b))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for member in &self.members {
            // Its ends of wires go with it, and so the other ends.
            let _ = run("ip", &format!("netns del {}", namespace(*member)));
        }
    }
}
