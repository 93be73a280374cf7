import Foundation
import NetrootSystem
import TestSupport
import Testing

/// A site for the boot tests: its own hosts file, TFTP root and NETROOT, and the release build of netroot.
///
/// Made once for all tests; kept in /var/tmp, so that a second run need not build the images again.
struct Site: Sendable {
    static let shared = Task { try await Site.prepare() }

    let netroot: String
    let folder: String
    var hostsName = "hosts.conf"
    var hosts: String { folder + "/" + hostsName }
    var tftpboot: String { folder + "/tftpboot" }

    private static func prepare() async throws -> Site {
        let site = Site(netroot: Checkout.path + "/.build/release/netroot", folder: "/var/tmp/netroot-boot-tests")
        try #require(Files.exists(site.netroot), "swift build -c release --static-swift-stdlib --product netroot")
        try #require(geteuid() == 0, "boot tests build images and need root")
        try Files.makeDirectory(site.folder)
        // What the tests add to the shipped recipe: files for rootovlcfg=, a service that a test breaks.
        let shipped = try Files.text(Checkout.path + "/recipes/debian12-base.def")
        let additions = """

            %post
                mkdir -p /etc/rootovl/first/etc /etc/rootovl/second/etc/skel.d /srv/doomed
                echo first > /etc/rootovl/first/etc/order
                echo first > /etc/rootovl/first/etc/only-first
                printf 'srv/doomed\\netc/doomed-file\\n' > /etc/rootovl/first/.rootovldel
                echo second > /etc/rootovl/second/etc/order
                echo hidden > /etc/rootovl/second/.dotfile
                echo x > /srv/doomed/file
                echo x > /etc/doomed-file
                mkdir -p /srv/directory /var/lib/containers/storage
                echo inside > /srv/directory/file
                # The package's keys are gone; netroot-identity.service has made others, before dropbear starts with them.
                echo DROPBEAR_PORT=2022 >> /etc/default/dropbear
                cat > /etc/systemd/system/identity-check.service <<'END'
                [Unit]
                After=dropbear.service
                [Service]
                Type=oneshot
                ExecStart=/usr/local/sbin/identity-check
                [Install]
                WantedBy=multi-user.target
            END
                cat > /usr/local/sbin/identity-check <<'END'
            #!/bin/sh
            set -ex
            test -s /etc/dropbear/dropbear_ed25519_host_key
            test ! -e /etc/dropbear/dropbear_rsa_host_key
            systemctl is-active dropbear.service
            openssl pkey -noout -in /etc/ssl/private/ssl-cert-snakeoil.key
            openssl x509 -noout -subject -in /etc/ssl/certs/ssl-cert-snakeoil.pem | grep -F "$(uname -n)"
            grep '^InitiatorName=iqn' /etc/iscsi/initiatorname.iscsi
            END
                chmod 755 /usr/local/sbin/identity-check
                systemctl enable identity-check.service
                # In the place of podman: its name is all that the initramfs looks at.
                install -m 755 /dev/null /usr/local/bin/podman
                echo kept > /var/lib/containers/storage/of-the-image

            """
        let packages = "openssh-server open-iscsi dropbear ssl-cert"
        let more = shipped.replacing("openssh-server", with: packages, maxReplacements: 1)
        try Files.replace(site.folder + "/debian12.def", with: Array((more + additions).utf8))
        // systemd-resolved owns the resolver there, as in Fedora, Arch and Ubuntu.
        let newer = try Files.text(Checkout.path + "/recipes/debian13-base.def")
        try Files.replace(
            site.folder + "/debian13.def",
            with: Array(
                (newer.replacing(
                    "openssh-server", with: "openssh-server systemd-resolved systemd-timesyncd", maxReplacements: 1)
                    + "\n%setup\n    ln -sfn ../run/systemd/resolve/stub-resolv.conf \"$APPTAINER_ROOTFS/etc/resolv.conf\"\n")
                    .utf8))
        try Files.replace(
            site.hosts,
            with: Array(
                """
                [debian12]
                RECIPE = debian12.def
                EXTRA_CMDLINE = rootovlcfg=first,second
                OVERLAY_SIZE = 300m
                CONTAINER_STORAGE = 40m
                MACHINE_ID = stable
                TRANSPORTS = nfs nbd http iscsi
                [debian13]
                RECIPE = debian13.def

                """.utf8))
        for label in ["debian12", "debian13"] {
            try await site.run("build", label, "--if-changed")
            try await site.run("installnfs", label)
            if label == "debian12" { try await site.run("installnbd", label, "--no-default") }
            if label == "debian12" { try await site.run("installhttp", label, "--no-default") }
        }
        return site
    }

    /// Runs netroot and expects status 0.
    @discardableResult
    func run(_ arguments: String...) async throws -> String {
        try await CommandRunner().capture(command(arguments))
    }

    func command(_ arguments: [String]) -> Command {
        Command([netroot, arguments[0], "--hosts", hosts] + arguments.dropFirst())
    }

    /// Runs `test` and returns its report, whatever the verdict.
    func test(_ label: String, _ options: String...) async throws -> (report: TestReport, status: Int32) {
        let output = folder + "/report.json"
        let argv = command(["test", label, "--json"] + options).argv
        let log = output + ".log"
        try Files.replace(log, with: [])
        let result = try await CommandRunner(log: log).statusOf(
            Command(["sh", "-c", "exec \"$@\" > \(output)", "sh"] + argv))
        let report = try Files.read(output)
        guard !report.isEmpty else {
            throw TestFailure("netroot test ended before it had a report: \(try Files.text(log))")
        }
        return (try JSONDecoder().decode(TestReport.self, from: Data(report)), result)
    }

    /// Runs `test --all` and expects that all ways pass.
    func testAll(_ label: String) async throws -> [TestRow] {
        let json = try await run("test", label, "--all", "--json")
        return try JSONDecoder().decode([TestRow].self, from: Data(json.utf8))
    }

    /// What must not be left after a machine: processes, ports, session files.
    func expectNothingLeft(_ label: String, sshPort: Int) async throws {
        let processes = try await CommandRunner().capture(Command(["ps", "-eo", "args"]))
        #expect(!processes.contains("hostfwd=tcp:127.0.0.1:\(sshPort)-:22"), "QEMU is still there")
        let ports = try await CommandRunner().capture(Command(["ss", "-Hltn", "sport = :\(sshPort)"]))
        #expect(ports.isEmpty, "the ssh port still listens")
        #expect(!Files.exists("\(folder)/netroots/\(label)/.machine.json"))
        // LABEL-PID: another label's name may begin with this one's.
        let left = try Files.names(in: "/run/netroot").filter { name in
            name.hasPrefix(label + "-") && name.dropFirst(label.count + 1).allSatisfy(\.isNumber)
        }
        #expect(left == [])
        #expect(!(try Files.text("/proc/self/mountinfo").contains(folder)))
    }
}

/// The JSON of `netroot test`, read by its documented names.
struct TestReport: Decodable {
    struct Check: Decodable {
        let name: String
        let passed: Bool
        let detail: String
    }
    let label: String
    let generation: Int
    let transport: String
    let form: String
    let firmware: String
    let loader: String
    let passed: Bool
    let checks: [Check]
    let seconds: [String: Double]
    let bytes: [String: Int64]
    let console: String?

    var failures: [String] { checks.filter { !$0.passed }.map { "\($0.name): \($0.detail)" } }
}

/// One row of the JSON of `netroot test --all`.
struct TestRow: Decodable {
    let transport: String
    let form: String
    let firmware: String
    let report: TestReport?
}

extension CommandRunner {
    /// Runs and returns the exit status.
    func statusOf(_ command: Command) async throws -> Int32 {
        do {
            try await run(command)
            return 0
        } catch CommandError.failed(_, .exited(let status), _, _) {
            return status
        }
    }
}
