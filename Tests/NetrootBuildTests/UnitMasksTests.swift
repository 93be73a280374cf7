import NetrootConfig
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@testable import NetrootBuild

@Suite struct UnitMasksTests {
    private func decide(
        _ line: String, _ presence: UnitMasks.Presence, include: [String] = [], post: String = ""
    ) throws -> UnitMasks.Decision {
        let candidate = try #require(UnitMasks.candidates(line, path: "list").first)
        return try #require(
            UnitMasks.decide(
                [candidate], present: [candidate.unit: presence], include: include, scripts: [post]
            ).first)
    }

    @Test func aUnitThatNobodyAskedForIsMasked() throws {
        let decision = try decide(
            "fstrim.timer", .init(owners: ["util-linux"]), include: ["dbus", "linux-image-amd64"])
        #expect(decision.action == .masked)
        #expect(decision.reason == "of util-linux, which the recipe does not name")
        #expect(try decide("fstrim.timer", .init()).action == .masked)
    }

    @Test func aUnitThatIsNotInTheRootIsNotDecided() throws {
        let candidates = try UnitMasks.candidates("fstrim.timer\nkdump.service\n", path: "list")
        let decisions = UnitMasks.decide(candidates, present: ["kdump.service": .init()], include: [], scripts: [])
        #expect(decisions.map(\.unit) == ["kdump.service"])
    }

    /// `name=version`, an architecture, a suite, a pattern: all name the package. What only begins alike does not.
    @Test(arguments: [
        ("kdump-tools", true), ("kdump-tools=1:1.8", true), ("kdump-tools:amd64", true), ("kdump-tools/bookworm", true),
        ("kdump*", true), ("kdump-tools-1.8-2.fc42.x86_64", true), ("kdump-tools.x86_64", true),
        ("kdump-tools>=1.8", true), ("kdump", false), ("kdump-tools-extra", false), ("@kdump-tools", false),
        ("pattern:kdump-tools", false), ("makedumpfile", false), ("kdump-tools.d", false),
    ])
    func includeNamesThePackage(word: String, isNamed: Bool) throws {
        let decision = try decide("kdump.service", .init(owners: ["kdump-tools"]), include: ["dbus", word])
        #expect(decision.action == (isNamed ? .left : .masked))
        #expect(!isNamed || decision.reason == "Include names \(word)")
    }

    @Test func whatDoesHarmIsMaskedWhoeverNamesThePackage() throws {
        let presence = UnitMasks.Presence(owners: ["kexec-tools"])
        #expect(try decide("kexec-load.service always", presence, include: ["kexec-tools"]).action == .masked)
        #expect(
            try decide("kexec-load.service always", presence, post: "apt-get install -y kexec-tools").action == .masked)
    }

    @Test(arguments: [
        "systemctl unmask kexec-load.service", "systemctl enable 'kexec-load.service'", "systemctl enable kexec-load",
        "for unit in a.service kexec-load.service; do systemctl enable $unit; done",
        "ln -s /usr/lib/systemd/system/kexec-load.service /etc/systemd/system/multi-user.target.wants/",
        "rm -f /etc/systemd/system/kexec-load.service",
    ])
    func aScriptThatNamesTheUnitHasTheLastWord(post: String) throws {
        let decision = try decide("kexec-load.service always", .init(owners: ["kexec-tools"]), post: post)
        #expect(decision == .init(unit: "kexec-load.service", action: .left, reason: "a script of the recipe names it"))
    }

    @Test func aScriptThatNamesSomethingElseDoesNot() throws {
        for post in ["systemctl enable kexec-load-2.service", "echo kexec-loader", "apt-get install kexec-tools-doc"] {
            #expect(try decide("kexec-load.service", .init(owners: ["kexec-tools"]), post: post).action == .masked)
        }
        #expect(
            try decide("kexec-load.service", .init(owners: ["kexec-tools"]), post: "apt-get install kexec-tools").action
                == .left)
    }

    @Test func onDemandIsNotMasked() throws {
        let presence = UnitMasks.Presence(owners: ["rpcbind"])
        #expect(try decide("rpcbind.service on-demand", presence, include: ["nfs-common"]).action == .onDemand)
        #expect(try decide("rpcbind.service on-demand", presence, include: ["rpcbind"]).action == .left)
        #expect(try decide("rpcbind.service on-demand", presence, post: "systemctl enable rpcbind").action == .left)
    }

    @Test func theRootsOwnUnitStays() throws {
        #expect(try decide("kdump.service always", .init(isSites: true)).action == .left)
        #expect(try decide("kdump.service", .init(earlier: .left)).action == .left)
        #expect(try decide("kdump.service", .init(earlier: .masked)).action == .masked)
    }

    @Test func whatPostUnmaskedIsReported() throws {
        let decisions = [
            UnitMasks.Decision(unit: "a.timer", action: .masked, reason: "of a, which the recipe does not name"),
            UnitMasks.Decision(unit: "b.timer", action: .masked, reason: "in every root, unless the recipe names it"),
            UnitMasks.Decision(unit: "c.service", action: .onDemand, reason: "started when something asks for it"),
        ]
        let final = UnitMasks.after(decisions, masked: ["b.timer"])
        #expect(
            UnitMasks.report(of: final) == [
                "not masked a.timer: a script of the recipe unmasked it",
                "masked b.timer: in every root, unless the recipe names it",
                "not started at boot c.service: started when something asks for it",
            ])
        let record = UnitMasks.record(of: final)
        #expect(record == "a.timer left\nb.timer masked\nc.service on-demand\n")
        #expect(
            UnitMasks.actions(inRecord: record + "nonsense\nd.timer hidden\n")
                == ["a.timer": .left, "b.timer": .masked, "c.service": .onDemand])
    }

    @Test func aRuleThatThereIsNotIsAnError() throws {
        let error = #expect(throws: ConfigError.self) {
            () throws(ConfigError) in
            try UnitMasks.candidates("# units\na.timer\nb.timer never\n", path: "masked-units")
        }
        #expect(error?.line == 3)
    }

    /// The list that is shipped: what costs nothing while it is idle is not in it, nor what the client's NFS mounts need.
    @Test func theShippedListLeavesWhatCostsNothing() throws {
        let checkout = Files.parent(Files.parent(Files.parent(#filePath)))
        let path = ShippedFiles(directory: checkout).rootFiles + "/masked-units"
        let candidates = try UnitMasks.candidates(try Files.text(path), path: path)
        let units = candidates.map(\.unit)
        #expect(candidates.count > 15 && Set(units).count == units.count)
        for unit in units {
            #expect(!unit.hasSuffix(".mount") && !unit.hasSuffix(".socket"), "\(unit)")
        }
        #expect(!units.contains("nfs-client.target"))
        #expect(candidates.first { $0.unit == "rpcbind.service" }?.rule == .onDemand)
    }

    @Test func ownersAreReadFromThePackageManagersWords() {
        let owners = UnitOwners.parseDpkg(
            """
            rpcbind: /lib/systemd/system/rpcbind.socket
            systemd, systemd-boot:amd64: /usr/lib/systemd/system/systemd-boot-update.service
            diversion by dash from: /bin/sh
            local diversion from: /lib/systemd/system/rpcbind.socket
            local diversion to: /lib/systemd/system/rpcbind.socket.distrib

            """)
        #expect(
            owners == [
                "/lib/systemd/system/rpcbind.socket": ["rpcbind"],
                "/usr/lib/systemd/system/systemd-boot-update.service": ["systemd", "systemd-boot"],
            ])
        #expect(UnitOwners.parseRPM("util-linux\nutil-linux-core\n") == ["util-linux", "util-linux-core"])
        #expect(UnitOwners.parseRPM("file /usr/lib/x is not owned by any package\n").isEmpty)
    }
}

/// In a root without a package manager, so that nothing is run.
@Suite struct UnitMaskingTests {
    let sample: ScratchRoot
    let tree: RootTree
    let units = "etc/systemd/system"

    init() throws {
        sample = try ScratchRoot()
        tree = RootTree(directory: sample.root)
        for unit in ["fstrim.timer", "rpcbind.service", "rpcbind.socket", "kdump.service"] {
            try tree.write("usr/lib/systemd/system/\(unit)", "[Unit]\n")
        }
        for unit in ["rpcbind.service", "sshd.service"] {
            try tree.link("\(units)/multi-user.target.wants/\(unit)", to: "/usr/lib/systemd/system/\(unit)")
        }
        try sample.scratch.write(
            "list", "fstrim.timer\nrpcbind.service on-demand\nkdump.service\npurge-kernels.service\n")
    }

    private func masking(post: String = "") throws -> UnitMasking {
        let recipe = try Recipe(
            bytes: Array("Bootstrap: scratch\n\n%post\n    \(post)\n".utf8), path: "/r.def", arguments: [:])
        return UnitMasking(
            tree: tree, inRoot: RootCommand(root: sample.root, shipped: ShippedFiles(directory: "/nowhere")),
            runner: CommandRunner(log: sample.scratch.path + "/log"), list: sample.scratch.path + "/list",
            stage: recipe.built)
    }

    private func target(_ unit: String) throws -> String? { try Files.linkTarget("\(sample.root)/\(units)/\(unit)") }

    @Test func masksLinksAndRecord() async throws {
        let masking = try masking(post: "systemctl enable kdump.service")
        let decisions = try await masking.apply()
        #expect(try target("fstrim.timer") == "/dev/null")
        #expect(try target("kdump.service") == nil && target("rpcbind.service") == nil)
        // No mask for a unit that is not there: a package of %post may bring it.
        #expect(try target("purge-kernels.service") == nil)
        #expect(try tree.names(in: units + "/multi-user.target.wants") == ["sshd.service"])
        // As %post might.
        try tree.remove(units + "/fstrim.timer")
        try masking.finish(decisions)
        #expect(
            try tree.text(UnitMasking.record)
                == "fstrim.timer left\nrpcbind.service on-demand\nkdump.service left\n")
        let log = try Files.text(sample.scratch.path + "/log")
        #expect(log.contains("not masked fstrim.timer: a script of the recipe unmasked it\n"))
    }

    /// `From: label:`: masks that netroot made are given back; units that the first recipe asked for stay.
    @Test func aRootThatAnotherBuildMade() async throws {
        let first = try masking(post: "systemctl enable kdump.service")
        try first.finish(try await first.apply())
        let second = try masking(post: "systemctl enable fstrim.timer")
        let decisions = try await second.apply()
        #expect(try target("fstrim.timer") == nil && target("kdump.service") == nil)
        #expect(decisions.first { $0.unit == "kdump.service" }?.action == .left)
    }

    /// What was unmasked after the build that masked it, as `shell` does it, stays so, and so does what took its place.
    @Test func aMaskThatIsGoneIsNotMadeAgain() async throws {
        try masking().finish(try await masking().apply())
        #expect(try target("fstrim.timer") == "/dev/null" && target("kdump.service") == "/dev/null")
        try tree.remove("\(units)/fstrim.timer")
        try tree.remove("\(units)/kdump.service")
        try tree.write("\(units)/kdump.service", "[Service]\n")
        let decisions = try await masking().apply()
        #expect(try target("fstrim.timer") == nil)
        #expect(try tree.text("\(units)/kdump.service") == "[Service]\n")
        #expect(decisions.filter { $0.action == .left }.map(\.unit) == ["fstrim.timer", "kdump.service"])
    }

    /// The file of an instance is that of its template.
    @Test func anInstanceIsMaskedByItsName() async throws {
        try sample.scratch.write("list", "modprobe@drm.service always\nother@drm.service always\n")
        try tree.write("usr/lib/systemd/system/modprobe@.service", "[Unit]\n")
        #expect(try await masking().apply().map(\.unit) == ["modprobe@drm.service"])
        #expect(try target("modprobe@drm.service") == "/dev/null" && target("other@drm.service") == nil)
    }

    @Test func theRootsOwnUnitIsNotReplaced() async throws {
        try tree.write("\(units)/fstrim.timer", "[Timer]\n")
        try tree.link("\(units)/kdump.service", to: "/usr/lib/systemd/system/other.service")
        _ = try await masking().apply()
        #expect(try tree.text("\(units)/fstrim.timer") == "[Timer]\n")
        #expect(try target("kdump.service") == "/usr/lib/systemd/system/other.service")
    }

    @Test func pacmansDatabaseNamesTheOwner() async throws {
        try tree.write("var/lib/pacman/local/ALPM_DB_VERSION", "9\n")
        let entry = "var/lib/pacman/local/util-linux-2.40-1"
        try tree.write("\(entry)/desc", "%NAME%\nutil-linux\n")
        try tree.write("\(entry)/files", "%FILES%\nusr/\nusr/lib/systemd/system/fstrim.timer\n")
        let owners = try await UnitOwners(
            tree: tree, inRoot: RootCommand(root: sample.root, shipped: ShippedFiles(directory: "/nowhere"))
        ).owners(of: ["fstrim.timer": "usr/lib/systemd/system/fstrim.timer", "x.timer": "usr/lib/x.timer"])
        #expect(owners == ["fstrim.timer": ["util-linux"]])
    }
}
