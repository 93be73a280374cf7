import FoundationEssentials
import NetrootConfig
import NetrootStore
import NetrootSystem
import Testing

extension Builds {
    /// The shipped recipe, built twice by the real mmdebstrap and the root's own dracut.
    @Suite(.serialized) struct RealBuildTests {
        let real: Workshop.RealBuild
        var root: String { real.generation.root }

        init() async throws { real = try await Workshop.shared.realBuild() }

        private func text(_ path: String) throws -> String { try Files.text(root + path) }

        @Test func stepsAreReportedAndTheGenerationIsNamed() throws {
            let steps = real.outcome.errors.split(separator: "\n").map {
                String($0.drop { " .0123456789".contains($0) })
            }
            let expected = ["bootstrap", "customise", "%setup", "%files", "%post", "%test", "initramfs", "publish"]
            // Besides the steps: what apt has left is removed.
            let notes = steps.filter { !$0.hasPrefix("s  ") }
            #expect(steps.filter { $0.hasPrefix("s  ") } == expected.map { "s  \($0)" })
            #expect(notes.count == 1 && notes[0].hasPrefix("removed ") && notes[0].contains("KEEP_PACKAGE_CACHES"))
            #expect(real.outcome.output.hasPrefix("debian12: generation 1 is current\n"))
            #expect(real.outcome.output.contains(real.generation.directory + "\n"))
            #expect(real.generation.manifest.steps.map(\.name) == Array(expected.dropLast()))
        }

        @Test func theManifestIsCompleteAndTrue() async throws {
            let manifest = real.generation.manifest
            #expect(manifest.label == "debian12" && manifest.generation == 1 && manifest.formats == ["tree"])
            #expect(manifest.origin == Manifest.Origin(verb: "build") && !manifest.readWrite)
            let recipe = real.scratch.path + "/recipe/debian12.def"
            #expect(manifest.recipe.path == recipe)
            #expect(manifest.artifacts.map(\.kind) == [.kernel, .initramfs, .tree])
            let kernel = try #require(manifest.artifact(.kernel))
            let initramfs = try #require(manifest.artifact(.initramfs))
            for (path, sha256) in [
                (recipe, manifest.recipe.sha256), (real.generation.vmlinuz, kernel.sha256 ?? ""),
                (real.generation.initramfs!, initramfs.sha256 ?? ""),
            ] {
                #expect(try await run(["sha256sum", path]).output.hasPrefix(sha256 + " "))
                #expect(sha256.count == 64)
            }
            #expect(try Files.size(real.generation.vmlinuz) == kernel.bytes)
            #expect(try Files.size(real.generation.initramfs!) == initramfs.bytes)
            let installed = try await run(["chroot", root, "dpkg-query", "-W", "-f", "${Package} ${Version}\\n"])
            let listed = Set(manifest.packages.map { "\($0.name) \($0.version)" })
            #expect(listed == Set(installed.output.split(separator: "\n").map(String.init)))
            #expect(listed.count > 100)
            #expect(manifest.netroot == "0.1.0")
            #expect(manifest.started < manifest.finished && manifest.started.hasSuffix("Z"))
        }

        @Test func kernelAndInitramfsAreAPair() async throws {
            let version = real.generation.manifest.kernelVersion
            #expect(try Files.names(in: root + "/usr/lib/modules") == [version])
            #expect(try Files.read(real.generation.vmlinuz) == Files.read("\(root)/boot/vmlinuz-\(version)"))
            let listing = try await run(
                ["sh", "-c", "zstd -dc \"$1\" | cpio -t --quiet", "sh", real.generation.initramfs!])
            expectSuccess(listing)
            let names = listing.output.split(separator: "\n")
            #expect(names.contains { $0.hasSuffix("lib/modules/\(version)/kernel/fs/overlayfs/overlay.ko") })
            #expect(names.contains { $0.hasSuffix("hooks/pre-pivot/rootovl.sh") || $0.hasSuffix("rootovl.sh") })
            for name in ["sbin/setcap", "bin/sha256sum", "lib/rootovl-root.sh", "rules.d/60-netroot-infiniband.rules"] {
                #expect(names.contains { $0.hasSuffix(name) }, "\(name)")
            }
            // Debian's cloud kernel has these, and no ib_ipoib.
            #expect(names.contains { $0.hasSuffix("/mlx5_ib.ko") } && names.contains { $0.hasSuffix("/mlx4_ib.ko") })
            #expect(try Files.names(in: root + "/boot").allSatisfy { !$0.hasPrefix("initrd") })
        }

        @Test func setupAndFilesArrive() throws {
            #expect(try text("/setup-was-here") == real.scratch.path + "/recipe\n")
            #expect(try Files.names(in: root + "/etc/workshop") == ["a.conf", "b.conf"])
            #expect(try text("/opt/tree/sub/deep.txt") == "deep\n")
            #expect(try text("/opt/two words.txt") == "two words\n")
            #expect(try text("/opt/link.txt") == "followed on the host\n")
        }

        @Test func filesAreNotCopiedOutOfTheRoot() throws {
            #expect(try Files.names(in: real.scratch.path + "/recipe/outside") == [])
            let inside = real.scratch.path + "/recipe/outside"
            #expect(try Files.names(in: root + inside) == ["plain.txt", "plain2.txt"])
        }

        @Test func environmentLabelsAndHelpArrive() async throws {
            let login = try await run(["chroot", root, "bash", "-lc", "echo $WORKSHOP $FROM_POST"])
            #expect(login.output == "yes 1\n")
            let labels = try JSONDecoder().decode(
                [String: String].self, from: Data(try Files.read(root + "/.singularity.d/labels.json")))
            #expect(labels["workshop.size"] == "7 feet")
            #expect(labels["org.opencontainers.image.title"] == "debian12-base")
            #expect(try text("/.singularity.d/runscript.help").contains("Debian 12 as a diskless machine"))
        }

        @Test func nothingOfTheHostOrTheBuildIsInTheRoot() throws {
            #expect(!Files.exists(root + "/etc/hostname"))
            #expect(try text("/etc/resolv.conf") == "")
            #expect(try text("/etc/machine-id") == "")
            #expect(try Files.linkTarget(root + "/etc/mtab") == "../proc/self/mounts")
            #expect(try Files.linkTarget(root + "/etc/systemd/system/e2scrub_all.timer") == "/dev/null")
            #expect(try Files.names(in: root + "/etc/ssh").allSatisfy { !$0.hasPrefix("ssh_host_") })
            #expect(try text("/etc/dracut.conf.d/netroot.conf").contains("hostonly=\"no\""))
            for directory in ["/dev", "/run", "/proc", "/sys", "/var/cache/apt/archives"] {
                let names = try Files.names(in: root + directory).filter { !["lock", "partial"].contains($0) }
                #expect(names.isEmpty || directory == "/dev", "\(directory): \(names)")
            }
            #expect(!(try text("/etc/apt/sources.list").contains(real.scratch.path)))
            #expect(!Files.exists(real.generation.directory + "/scratch"))
            #expect(try Traces.mounts(below: real.scratch.path) == [])
        }

        @Test func unitsThatTheRecipeAsksForAreNotMasked() throws {
            let units = root + "/etc/systemd/system/"
            func target(_ unit: String) throws -> String? { try Files.linkTarget(units + unit) }
            #expect(try target("fstrim.timer") == nil && target("purge-kernels.service") == nil)
            #expect(try Files.names(in: units + "multi-user.target.wants").contains("purge-kernels.service"))
            #expect(try target("e2scrub_all.timer") == "/dev/null")
            // An NFSv3 mount of the client needs these.
            #expect(try target("rpcbind.socket") == nil && target("rpcbind.service") == nil)
            #expect(try Files.names(in: units + "sockets.target.wants").contains("rpcbind.socket"))
            #expect(try !Files.names(in: units + "multi-user.target.wants").contains("rpcbind.service"))
            for unit in ["sys-kernel-tracing.mount", "dev-hugepages.mount", "nfs-client.target"] {
                #expect(try target(unit) == nil, "\(unit) costs nothing while it is idle")
            }
            let log = try Files.text(real.generation.directory + "/build.log")
            for line in [
                "masked e2scrub_all.timer: of e2fsprogs, which the recipe does not name",
                "not masked e2scrub_reap.service: a script of the recipe unmasked it",
                "not masked fstrim.timer: a script of the recipe names it",
                "not started at boot rpcbind.service: started when something asks for it",
            ] { #expect(log.contains("\n\(line)\n"), "\(line)") }
            #expect(try text("/usr/lib/netroot/masked-units").contains("\ne2scrub_reap.service left\n"))
        }

        @Test("Of apt there are no caches, lists and logs, but the directories that apt-get update and install need")
        func packageManagersLeaveNothing() async throws {
            for (path, owner) in [
                ("/var/lib/apt/lists", "0 755"), ("/var/lib/apt/lists/partial", "0 700"), ("/var/cache/apt", "0 755"),
                ("/var/cache/apt/archives", "0 755"), ("/var/cache/apt/archives/partial", "0 700"),
                ("/var/log/apt", "0 755"),
            ] {
                // apt gives its `partial` directories to _apt whenever it runs as root.
                let found = try await run(["stat", "-c", "%u %a", root + path])
                #expect(found.output == owner + "\n", "\(path)")
                #expect(
                    try Files.names(in: root + path).filter { !["partial", "archives"].contains($0) } == [], "\(path)")
            }
            for path in ["/var/log/dpkg.log", "/var/lib/dpkg/status-old"] { #expect(!Files.exists(root + path)) }
            #expect(try Files.size(root + "/var/lib/dpkg/status") > 0)
        }

        @Test func fileCapabilitiesAreListed() throws {
            #expect(
                try text("/usr/lib/netroot/file-capabilities")
                    == "cap_net_raw=ep /usr/bin/arping\ncap_net_raw=ep /usr/bin/ping\n")
        }

        @Test func aSecondBuildDownloadsNoPackage() async throws {
            // The first one had to fetch the one package that the cache lacked: the mirror sees what is fetched.
            #expect(real.requests.contains { $0.contains("/netbase_") && $0.hasSuffix(".deb") })
            let second = try await real.scratch.run("build", "debian12", limit: 400)
            expectSuccess(second)
            let requests = real.mirror.takeRequests()
            #expect(requests.contains { $0.hasSuffix("InRelease") })
            #expect(requests.filter { $0.hasSuffix(".deb") } == [])
            let log = try Files.text(real.scratch.path + "/netroots/debian12/generations/2/build.log")
            #expect(log.contains("package cache: 0 new packages kept"))
            #expect(try real.scratch.store("debian12").currentNumber() == 2)
            let one = try real.scratch.store("debian12").generation(1).manifest
            let two = try real.scratch.store("debian12").generation(2).manifest
            #expect(one.packages == two.packages && one.artifact(.kernel) == two.artifact(.kernel))
        }

        @Test func ifChangedSkipsTheSameRecipeAndNoOther() async throws {
            let before = try await real.scratch.snapshot()
            let current = try #require(try real.scratch.store("debian12").currentNumber())
            let outcome = try await real.scratch.run("build", "debian12", "--if-changed", limit: 20)
            expectSuccess(outcome)
            #expect(
                outcome.output.hasPrefix("debian12: generation \(current) is current, and the recipe has not changed"))
            #expect(outcome.errors.isEmpty)
            #expect(try await real.scratch.snapshot() == before)
        }
    }
}
