import FoundationEssentials
import Glibc
import NetrootConfig
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

/// What a boot server keeps: generations that clients run, whatever is damaged, and nothing that killed runs left.
@Suite struct KeepingTests {
    let scratch: Scratch

    init() throws {
        scratch = try Scratch()
        try scratch.writeHosts("a", "b")
    }

    struct Client: Decodable, Equatable {
        var label: String
        var address: String?
        var generation: Int
        var transport: String
        var clients: Int
    }

    private struct Collected: Decodable {
        var removed: [Int]
        var kept: [Int]
        var seen: [Client]
        var dryRun: Bool
        var unknown: [String]
        var unrecorded: [Int]
        var recordedSince: String?
    }

    private func publish(_ count: Int) async throws {
        for _ in 0..<count { try await Fabricated.generation(of: scratch.label("a")) }
    }

    private func collected(_ arguments: String...) async throws -> Collected {
        let outcome = try await run(scratch.netroot(["gc", "a", "--json"] + arguments), folder: scratch.path)
        return try expectJSON(Collected.self, outcome)
    }

    private func clients() async throws -> [Client] {
        try expectJSON([Client].self, try await scratch.run("clients", "a", "--json"))
    }

    // MARK: - Clients

    /// A record as a server has it that runs since long.
    private func recordSinceLong() throws {
        let since = JSON.timestamp(Date(timeIntervalSinceNow: -50 * 86_400))
        try scratch.write("netroots/a/clients/nfs.json", "{\"schema\":1,\"since\":\"\(since)\",\"clients\":[]}")
    }

    /// A server on a port of its own, once it listens.
    private func serve(address: String, wrapper: [String] = []) async throws -> (program: RunningProgram, port: String)
    {
        let argv = scratch.netroot(["serve", "a", "--address", address, "--port", "0"])
        let program = try RunningProgram(wrapper + argv, folder: scratch.path)
        let listens = try await eventually { program.outputSoFar.contains("read-only\n") }
        try #require(listens, "\(program.errorsSoFar)")
        return (program, String(try #require(program.outputSoFar.firstMatch(of: /port (\d+)/)?.output.1)))
    }

    /// A client walks a generation's tree, and goes.
    private func use(_ generation: Int, at host: String, _ port: String) async throws {
        let path = try scratch.store("a").generation(generation).exportPath
        let outcome = try await scratch.run("probe", "\(host):\(port):\(path)")
        #expect(outcome.output.contains("entries: "), "\(outcome.errors)")
    }

    @Test("After a SIGKILL of the server gc leaves what an idle client runs, shows it, and takes it with --force")
    func gcAfterARestartSparesWhatClientsRun() async throws {
        try await publish(4)
        try recordSinceLong()
        let server = try await serve(address: "127.0.0.1")
        try await use(1, at: "127.0.0.1", server.port)
        let written = try await eventually(within: 10) { try !scratch.store("a").clients().isEmpty }
        #expect(written)
        server.program.signal(SIGKILL)
        _ = try await server.program.outcome()
        let client = Client(label: "a", address: "127.0.0.1", generation: 1, transport: "nfs", clients: 1)
        #expect(try await clients() == [client])
        let table = try await scratch.run("clients")
        #expect(table.output.contains("LAST SEEN") && table.output.contains("127.0.0.1"))
        let planned = try await collected("--keep", "1", "--dry-run")
        #expect(planned.removed == [2, 3] && planned.kept == [1, 4] && planned.seen == [client] && planned.dryRun)
        #expect(try scratch.store("a").numbers() == [1, 2, 3, 4])
        let text = try await scratch.run("gc", "a", "--keep", "1")
        expectSuccess(text)
        #expect(text.output.hasPrefix("a: removed 2 3, kept 1 4\ngeneration 1 stays for 127.0.0.1, last seen 20"))
        #expect(text.output.contains("--force") && text.errors == "")
        #expect(try await collected("--keep", "1", "--force").removed == [1])
    }

    @Test("After an update of netroot gc spares what an idle client may run, as long as the record is young")
    func gcAfterAnUpdateSparesAll() async throws {
        try await publish(3)
        #expect(try await collected("--keep", "1", "--dry-run").removed == [1, 2], "nobody has served it")
        expectSuccess(try await scratch.run("installnfs", "a"))
        let none = try await scratch.run("gc", "a", "--keep", "1")
        expectSuccess(none)
        #expect(
            none.output
                == "a: removed none, kept 1 2 3\n1 2 stay, because clients may run them: netroot serve has not recorded its "
                + "clients\n--force removes them all the same\n")
        let server = try await serve(address: "127.0.0.1")
        #expect(try scratch.store("a").clients().since != nil, "it is written before a client comes")
        server.program.signal(SIGTERM)
        #expect(try await server.program.outcome().status == 0)
        let young = try await collected("--keep", "1")
        #expect(young.removed == [] && young.unrecorded == [1, 2] && young.recordedSince != nil)
        let text = try await scratch.run("gc", "a", "--keep", "1", "--dry-run")
        #expect(text.output.contains("netroot serve has recorded its clients only since 20"))
        #expect(try await collected("--keep", "1", "--force").removed == [1, 2])
    }

    @Test("KEEP_CLIENTS and --keep-clients say for how long a client counts")
    func theTimeCanBeSet() async throws {
        try await publish(3)
        var record = ClientRecord()
        record.add(.init(address: "192.0.2.1", generation: 1, seen: .init(timeIntervalSinceNow: -40 * 86_400)))
        try recordSinceLong()
        try await scratch.store("a").addClients(record) { Issue.record("\($0)") }
        #expect(try await collected("--keep", "1", "--dry-run").removed == [1, 2])
        #expect(try await collected("--keep", "1", "--dry-run", "--keep-clients", "41").removed == [2])
        try scratch.writeHosts("a", "b", more: "KEEP_CLIENTS = 50")
        #expect(try await collected("--keep", "1", "--dry-run").removed == [2])
        #expect(try await collected("--keep", "1", "--dry-run", "--keep-clients", "0").removed == [1, 2])
        try scratch.writeHosts("a", "b", more: "KEEP_CLIENTS = a month")
        expectError(try await scratch.run("list"), .usage, ["KEEP_CLIENTS: 'a month' is not a number of days"])
    }

    @Test("gc says whose clients it cannot know: those of nbd, iscsi and of the kernel's NFS server")
    func clientsOfOthersAreUnknown() async throws {
        let transports: [TransportName] = ["nfs", "nbd", "http"]
        for _ in 1...2 { try await Fabricated.generation(of: scratch.label("a"), transports: transports) }
        #expect(
            try await collected("--keep", "1", "--dry-run").unknown == ["nbd"], "a client by http holds its root in RAM"
        )
        expectSuccess(try await scratch.run("installnfs", "a", "--server", "kernel"))
        expectSuccess(try await scratch.run("rollback", "a", "1"))
        let outcome = try await scratch.run("gc", "a", "--keep", "0", "--dry-run")
        #expect(outcome.output == "a: would remove none, keep 1 2\n" && outcome.errors == "")
        try await publish(1)
        try await Fabricated.generation(of: scratch.label("a"), transports: transports)
        let last = try await scratch.run("gc", "a", "--keep", "1")
        #expect(last.output == "a: removed 1 3, kept 2 4\n")
        #expect(
            last.errors
                == "netroot: nobody knows the clients by nfs, nbd: boot those anew that still run one of 1 3\n")
    }

    @Test("Two servers of one label keep each other's clients")
    func twoServers() async throws {
        try await publish(2)
        let one = try await serve(address: "127.0.0.1")
        let two = try await serve(address: "::1")
        for generation in 1...2 {
            try await use(generation, at: "127.0.0.1", one.port)
            try await use(generation, at: "[::1]", two.port)
        }
        for program in [one.program, two.program] {
            program.signal(SIGTERM)
            #expect(try await program.outcome().status == 0)
        }
        #expect(
            Set(try await clients().map { "\($0.address ?? "") \($0.generation)" }) == [
                "127.0.0.1 1", "127.0.0.1 2", "::1 1", "::1 2",
            ])
    }

    @Test("A server whose NETROOT is read-only says once that it keeps no record, and serves")
    func aReadOnlyNetroot() async throws {
        try #require(Place.isRoot, "a mount needs root")
        try await publish(2)
        // Of a start that runs outside, say.
        try scratch.write("netroots/a/.machine.json", "{}")
        let mount = #"mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@""#
        let server = try await serve(
            address: "127.0.0.1",
            wrapper: [
                "unshare", "--mount", "--propagation", "private", "--", "sh", "-c", mount, "sh",
                scratch.path + "/netroots/a",
            ])
        for generation in 1...2 { try await use(generation, at: "127.0.0.1", server.port) }
        let said = try await eventually(within: 10) { server.program.outputSoFar.contains("gc will not know") }
        #expect(said)
        server.program.signal(SIGTERM)
        let outcome = try await server.program.outcome()
        #expect(outcome.output.ranges(of: "gc will not know the clients of a that come now").count == 1)
        #expect(outcome.output.contains("read-only"))
        #expect(!(outcome.output + outcome.errors).contains("killed"), "\(outcome.errors)")
        #expect(try await clients() == [])
    }

    @Test("A damaged record of clients: gc refuses, clients says so, serve lays it aside")
    func aDamagedRecord() async throws {
        try await publish(2)
        let path = try scratch.write("netroots/a/clients/nfs.json", "{")
        expectError(try await scratch.run("gc", "a", "--keep", "1"), .failed, ["\(path) is damaged", "--force"])
        expectError(try await scratch.run("clients", "a"), .failed, ["\(path) is damaged"])
        let server = try await serve(address: "127.0.0.1")
        #expect(server.program.outputSoFar.contains("it is now \(path).damaged"))
        server.program.signal(SIGTERM)
        _ = try await server.program.outcome()
        expectError(try await scratch.run("gc", "a", "--keep", "1"), .failed, ["\(path).damaged", "--force"])
        #expect(try await collected("--keep", "1", "--force").removed == [1])
    }

    // MARK: - Damage

    @Test(
        "One damaged manifest, a FIFO or ten gigabytes, is shown, and every other generation works",
        arguments: [false, true])
    func oneDamagedManifest(isLarge: Bool) async throws {
        try await publish(4)
        expectSuccess(try await scratch.run("installnfs", "a"))
        expectSuccess(try await scratch.run("rollback", "a", "3"))
        let manifest = try scratch.store("a").generation(2).directory + "/manifest.json"
        #expect(unlink(manifest) == 0)
        if isLarge {
            try Files.replace(manifest, with: [])
            #expect(truncate(manifest, 10 << 30) == 0)
        } else {
            #expect(mkfifo(manifest, 0o644) == 0)
        }
        let rows = try await scratch.run("generations", "a", "--json", limit: 60)
        let shown = try expectJSON([StoreVerbTests.GenerationRow].self, rows)
        #expect(shown.map { $0.problem?.contains(manifest) } == [nil, true, nil, nil])
        #expect(shown[1].kernel == nil && shown[1].directory == Files.parent(manifest))
        let table = try await scratch.run("generations", "a", limit: 60)
        #expect(table.status == 0 && table.output.contains("\n2           damaged"))
        expectSuccess(try await scratch.run("list", limit: 60))
        for arguments in [["install", "a"], ["diff", "a", "1", "3"], ["rollback", "a"]] {
            let outcome = try await run(scratch.netroot(arguments), folder: scratch.path, limit: 60)
            #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
        }
        #expect(try scratch.store("a").currentNumber() == 1, "rollback passes it over")
        expectError(try await scratch.run("rollback", "a", "2", limit: 60), .failed, [manifest])
        let server = try await serve(address: "127.0.0.1")
        #expect(server.program.outputSoFar.contains("not served: "))
        try await use(3, at: "127.0.0.1", server.port)
        server.program.signal(SIGTERM)
        _ = try await server.program.outcome()
        #expect(try await collected("--keep", "1", "--force").removed == [2])
        // The current one, then: the label's row is damaged, the other label's is not.
        try scratch.write("netroots/a/generations/1/manifest.json", "{")
        let list = try await scratch.run("list", "--json")
        #expect(list.status == 1 && list.output.contains("\"problem\" : ") && list.output.contains("\"label\" : \"b\""))
        let other = try await serve(address: "127.0.0.1")
        try await use(3, at: "127.0.0.1", other.port)
        other.program.signal(SIGTERM)
        _ = try await other.program.outcome()
    }

    @Test("A FIFO in the place of a hosts file, a recipe, the options of install or a boot menu is refused at once")
    func fifosAreRefused() async throws {
        try await publish(1)
        expectSuccess(try await scratch.run("installnfs", "a"))
        let files = ["netroots/a/install.json", "tftpboot/pxelinux.cfg/default", "a.def", "hosts.conf"]
        for (name, verb) in zip(files, [["install", "a"], ["gc", "a", "--keep", "1"], ["build", "a"], ["list"]]) {
            let path = "\(scratch.path)/\(name)"
            #expect(unlink(path) == 0 || name == "a.def")
            #expect(mkfifo(path, 0o644) == 0)
            let outcome = try await run(scratch.netroot(verb), folder: scratch.path, limit: 60)
            expectError(outcome, .failed, ["\(path): it is a FIFO"])
        }
    }

    // MARK: - Other users

    @Test("Another user of the boot server reaches no published root, and what its servers need stays readable")
    func otherUsersReachNoRoot() async throws {
        try #require(Place.isRoot, "another user needs root")
        let generation = try await Fabricated.generation(of: scratch.label("a"), hasImage: true)
        try Files.makeDirectory(generation.root + "/tmp", mode: 0o1777)
        let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]
        func can(_ test: String, _ path: String) async throws -> Bool {
            try await run(nobody + ["test", test, path]).status == 0
        }
        for path in [generation.root, generation.root + "/sbin/init", generation.root + "/tmp"] {
            for test in ["-e", "-x", "-w"] { #expect(try await !can(test, path), "\(test) \(path)") }
        }
        for path in [
            generation.vmlinuz, generation.initramfs!, generation.image, generation.directory + "/manifest.json",
        ] {
            #expect(try await can("-r", path), "\(path)")
        }
        // What such a user may ask works as ever. The program may lie where he does not reach it.
        let program = try await InstalledNetroot.copy(Place.netroot, to: scratch.path + "/installed")
        for verb in ["generations", "list"] {
            let asked = [program, verb, "--hosts", scratch.hosts] + (verb == "list" ? [] : ["a"])
            let outcome = try await run(nobody + asked, folder: scratch.path)
            #expect(outcome.status == 0 && !outcome.output.contains("damaged"), "\(outcome.errors)")
        }
        let server = try await serve(address: "127.0.0.1")
        try await use(1, at: "127.0.0.1", server.port)
        server.program.signal(SIGTERM)
        _ = try await server.program.outcome()
    }

    // MARK: - Leftovers

    @Test("The next run of a verb of the label removes what killed runs left of it, in its TFTP root and in /tmp")
    func leftoversGo() async throws {
        try #require(Place.isRoot, "what a build leaves belongs to root")
        try await publish(2)
        expectSuccess(try await scratch.run("installnfs", "a"))
        func temporaries() async throws -> [String] {
            let find = ["find", scratch.path, "-name", "*netroot-new*", "-o", "-name", ".building-*", "-o", "-name"]
            return try await run(find + ["netroot-scratch-*"]).output.split(separator: "\n").map(String.init)
        }
        let temporary = scratch.path + "/tmp"
        for verb in [["generations", "a"], ["rollback", "a"], ["diff", "a", "1", "2"], ["gc", "a", "--keep", "2"]] {
            for name in [
                "netroots/a/generations/.building-gc-1/tree/root/etc/file", "netroots/a/install.json.netroot-new",
                "netroots/a/generations/2/manifest.json.netroot-new", "tftpboot/pxelinux.cfg/default.netroot-new",
                "tftpboot/netroot/a/2/vmlinuz.netroot-new", "tmp/netroot-scratch-abcdef/file",
            ] { try scratch.write(name, "half") }
            #expect(chmod(temporary + "/netroot-scratch-abcdef", 0o700) == 0)
            let outcome = try await run(
                scratch.netroot(verb), environment: ["TMPDIR": temporary], folder: scratch.path)
            #expect(outcome.status == 0, "\(verb): \(outcome.errors)")
            #expect(try await temporaries() == [], "\(verb)")
            #expect(outcome.errors.ranges(of: " that was killed\n").count == 6, "\(verb): \(outcome.errors)")
        }
        // What a dry run finds it leaves.
        try scratch.write("netroots/a/install.json.netroot-new", "half")
        expectSuccess(try await scratch.run("gc", "a", "--keep", "2", "--dry-run"))
        #expect(try await temporaries().count == 1)
    }
}

extension Builds {
    /// Who reaches a build in progress.
    @Suite(.serialized) struct PrivateDraftTests {
        @Test("Another user reaches no root that is being built, nor that of an earlier stage")
        func otherUsersReachNoDraft() async throws {
            try #require(Place.isRoot, "a build needs root")
            let scratch = try Scratch()
            try scratch.writeHosts("a")
            var recipe = FakeRecipe()
            let test = #"setpriv --reuid 65534 --regid 65534 --clear-groups -- test -e "$APPTAINER_ROOTFS/usr""#
            recipe.setup = "test -e \"$APPTAINER_ROOTFS/usr\"\nif \(test); then echo reached >&2; exit 9; fi"
            try recipe.write(scratch)
            let outcome = try await scratch.run("build", "a", environment: try await FakeRecipe.environment(scratch))
            expectSuccess(outcome)
            let generation = try scratch.store("a").current()
            #expect(Files.exists(generation.root + "/usr"))
            var status = stat()
            #expect(stat(generation.log, &status) == 0 && status.st_mode & 0o077 == 0)
        }
    }
}
