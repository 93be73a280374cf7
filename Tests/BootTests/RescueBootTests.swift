import NetrootConfig
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootRun

extension BootTests {
    /// A root in RAM is whole, or it says why it is not, and stops: the kernel alone would boot on with a part of it.
    @Test(.timeLimit(.minutes(20)), arguments: ["squashfs", "cpio"])
    func aRootInRAMIsNeverAPart(layout: String) async throws {
        let rescue = try await RescueBoot.prepare(layout)
        let enough = rescue.leastRAM
        // The machine has less than half of what the archive needs.
        let little = max(128, enough / 2 / 16 * 16)
        let short = try await rescue.console(of: rescue.archive, memory: little)
        #expect(
            short.contains("netroot: FATAL: too little RAM: needs \(enough) MiB, has \(little)"),
            "\(short.suffix(2000))")

        let size = try Files.size(rescue.archive)
        for part in [size / 4, size / 2, size - 1] {
            let cut = rescue.folder + "/cut"
            try await CommandRunner().run(Command(["cp", "--", rescue.archive, cut]))
            try await CommandRunner().run(Command(["truncate", "--size", "\(part / 65536 * 65536)", cut]))
            let console = try await rescue.console(of: cut, memory: enough)
            #expect(
                console.contains("netroot: FATAL: the archive is damaged or cut: "), "\(part): \(console.suffix(2000))")
        }
    }
}

/// An archive of the label debian12's root, and what boots it.
private struct RescueBoot {
    let folder: String
    let kernel: String
    let archive: String
    /// In MiB.
    let leastRAM: Int

    static func prepare(_ layout: String) async throws -> RescueBoot {
        let site = try await Site.shared.value
        let hosts = "ram-\(layout).conf"
        try Files.replace(
            "\(site.folder)/ram.def", with: Array("Bootstrap: localimage\nFrom: label:debian12\n".utf8))
        try Files.replace(
            "\(site.folder)/\(hosts)",
            with: Array(
                """
                [debian12]
                RECIPE = debian12.def
                [ram-\(layout)]
                RECIPE = ram.def
                FORMAT = initramfs
                INITRAMFS_LAYOUT = \(layout)
                COMPRESSION = zstd:3

                """.utf8))
        let own = Site(netroot: site.netroot, folder: site.folder, hostsName: hosts)
        try await own.run("build", "ram-\(layout)", "--if-changed")
        let generation = try Generation(directory: "\(site.folder)/netroots/ram-\(layout)/current")
        return RescueBoot(
            folder: site.folder, kernel: generation.vmlinuz, archive: try generation.requirePath(of: .rescue),
            leastRAM: Int(try #require(generation.artifact(.rescue)?.archive?.leastRAM) >> 20))
    }

    /// Boots the archive in a machine that ends at a panic, and returns what was on its console.
    func console(of archive: String, memory: Int) async throws -> String {
        let log = folder + "/ram-console.log"
        try Files.replace(log, with: [])
        let machine = Machine(
            memory: memory, cards: [],
            kernel: .init(
                path: kernel, initramfs: archive, commandLine: "console=ttyS0 quiet panic=1 mitigations=off"),
            consoleLog: log, terminal: false, endsAtReboot: true, extra: [], kvm: try Machine.canUseKVM())
        // One that boots on would run for ever.
        _ = try await CommandRunner().statusOf(Command(["timeout", "180"] + machine.argv))
        return try Files.text(log)
    }
}
