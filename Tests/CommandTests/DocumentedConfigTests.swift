import NetrootSystem
import TestSupport
import Testing

/// The configurations of other programs that the deployment guide shows: taken from it, and given to those programs in
/// a network namespace. Whoever copies them must not be the first to try them.
@Suite struct DocumentedConfigTests {
    let scratch: ScratchDirectory

    init() throws {
        try #require(Place.isRoot, "network namespaces need root")
        scratch = try ScratchDirectory(in: .disk)
    }

    /// The block below the line that names a file, without its indentation.
    static func block(_ file: String, of page: String) throws -> String {
        let lines = try Files.text(Place.checkout + "/" + page).split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(
            lines.firstIndex { !$0.hasPrefix("    ") && $0.contains("`\(file)`") },
            "\(page) names no \(file)")
        let rest = lines[start...].drop { !$0.hasPrefix("    ") }
        let block = rest.prefix { $0.isEmpty || $0.hasPrefix("    ") }
        return block.map { String($0.dropFirst(4)) }.joined(separator: "\n") + "\n"
    }

    /// dnsmasq starts before the interface is there, as at boot, and serves on it once it comes.
    @Test(arguments: ["/etc/dnsmasq.d/netroot.conf", "/etc/dnsmasq.d/netroot-proxy.conf"])
    func dnsmasq(file: String) async throws {
        try #require(Files.exists("/usr/sbin/dnsmasq"), "dnsmasq-base is not installed: scripts/prepare test")
        let tftp = scratch.path + "/tftp"
        try Files.makeDirectory(tftp)
        let text = try Self.block(file, of: "docs/deployment.md")
        #expect(text.contains("tftp-root=/srv/tftp\n") && text.contains("interface=eth1\n"))
        let config = try scratch.write("dnsmasq.conf", text.replacing("/srv/tftp", with: tftp))
        let script = """
            set -eu
            dnsmasq --test --conf-file="$1"
            ip link set lo up
            dnsmasq --conf-file="$1" --keep-in-foreground --user=root --pid-file= --dhcp-leasefile="$2/leases" \\
                --log-facility="$2/log" &
            dnsmasq=$!
            sleep 0.3
            ip link add eth1 type veth peer name other
            ip addr add 192.168.7.1/24 dev eth1
            ip link set other up
            ip link set eth1 up
            tries=0
            until ss -Hlun | grep -q '192\\.168\\.7\\.1.*:69 '; do
                tries=$((tries + 1))
                [ $tries -lt 100 ] && kill -0 $dnsmasq || { cat "$2/log" >&2; exit 1; }
                sleep 0.1
            done
            ss -Hlun
            kill $dnsmasq
            wait $dnsmasq || :
            cat "$2/log"
            """
        let outcome = try await run(["unshare", "--net", "--", "sh", "-c", script, "sh", config, scratch.path])
        expectSuccess(outcome)
        #expect(outcome.errors.contains("syntax check OK"))
        for port in file.contains("proxy") ? ["67", "69", "4011"] : ["53", "67", "69"] {
            #expect(outcome.output.contains(":\(port) "), "\(outcome.output)")
        }
        let absent = "warning: interface eth1 does not currently exist"
        #expect(outcome.output.contains(absent), "it started before the interface was there")
        let others = outcome.output.replacing(absent, with: "")
        for word in ["warning", "failed", "error"] { #expect(!others.contains(word), "\(outcome.output)") }
    }

    @Test func theFirewallIsLoadedTwice() async throws {
        try #require(Files.exists("/usr/sbin/nft"), "nftables is not installed: scripts/prepare test")
        let rules = try Self.block("/etc/netroot/firewall.nft", of: "docs/deployment.md")
        #expect(rules.contains("chain input"))
        let file = try scratch.write("firewall.nft", rules)
        let script = "set -eu; nft -c -f \"$1\"; nft -f \"$1\"; nft -f \"$1\"; nft list ruleset"
        let outcome = try await run(["unshare", "--net", "--", "sh", "-c", script, "sh", file])
        expectSuccess(outcome)
        #expect(outcome.output.split(separator: "chain input").count == 2, "\(outcome.output)")
    }
}
