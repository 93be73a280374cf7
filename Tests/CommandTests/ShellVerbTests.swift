import Glibc
import NetrootConfig
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

extension Builds {
    /// `shell`, on a small root that was really built.
    @Suite(.serialized) struct ShellVerbTests {
        let scratch: Scratch
        let first: Generation

        init() async throws {
            try #require(Place.isRoot, "a chroot needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a")
            try FakeRecipe().write(scratch)
            let outcome = try await scratch.run(
                "build", "a", environment: try await FakeRecipe.environment(scratch))
            guard outcome.status == 0 else { throw TestFailure(outcome.errors) }
            first = try scratch.store("a").current()
        }

        private func current() throws -> Generation { try scratch.store("a").current() }

        private func shell(_ command: String, live: Bool = false) async throws -> Outcome {
            try await run(
                scratch.netroot(["shell", "a"] + (live ? ["--live"] : []) + ["--", "sh", "-c", command]),
                folder: scratch.path)
        }

        @Test func exitStatus0PublishesTheCopy() async throws {
            let outcome = try await shell("echo edited > /etc/motd")
            expectSuccess(outcome)
            #expect(outcome.output.hasPrefix("a: generation 2 is current\n"))
            let second = try current()
            #expect(second.number == 2)
            #expect(try Files.text(second.root + "/etc/motd") == "edited\n")
            #expect(!Files.exists(first.root + "/etc/motd"))
            #expect(second.manifest.origin == Manifest.Origin(verb: "shell", base: 1))
            // Nothing that an initramfs is made from has changed: it is the same, byte for byte.
            #expect(try Files.read(second.initramfs!) == Files.read(first.initramfs!))
            #expect(try Files.text(second.root + "/var/dracut-runs") == "ran\n")
            #expect(second.manifest.kernelVersion == first.manifest.kernelVersion)
            #expect(second.artifact(.kernel) == first.artifact(.kernel))
            #expect(second.artifact(.initramfs) == first.artifact(.initramfs))
            #expect(second.manifest.recipe == first.manifest.recipe)
        }

        @Test func anotherExitStatusDropsTheCopy() async throws {
            let before = try await scratch.snapshot(except: ["netroots/a/.lock"])
            let outcome = try await shell("echo edited > /etc/motd; exit 5")
            #expect(outcome.status == 1)
            #expect(outcome.output == "a: dropped, the shell ended with exit status 5\n")
            #expect(try await scratch.snapshot(except: ["netroots/a/.lock"]) == before)
        }

        @Test func aChangedConfigurationOfDracutMakesTheInitramfsAnew() async throws {
            let outcome = try await shell("touch /etc/dracut.conf.d/x.conf")
            expectSuccess(outcome)
            #expect(outcome.errors.contains("s  initramfs\n"))
            #expect(try Files.text(current().root + "/var/dracut-runs") == "ran\nran\n")
            let root = try current().root
            #expect(!Files.exists(root + "/boot/initrd.img-\(FakeRecipe.kernel)"))
        }

        @Test func anEditThatBreaksTheRootIsRefused() async throws {
            let before = try await scratch.snapshot(except: ["netroots/a/.lock", "netroots/a/failed-build.log"])
            for (edit, words) in [
                ("rm /boot/vmlinuz-*", "the root has no kernel"),
                ("rm /usr/bin/dracut; touch /boot/x", "has no dracut"),
                ("echo > /etc/dracut.conf.d/x.conf; echo > /fake.cpio", "initramfs is not fit to boot"),
            ] {
                expectError(try await shell(edit), .failed, [words])
                #expect(
                    try await scratch.snapshot(except: ["netroots/a/.lock", "netroots/a/failed-build.log"]) == before)
            }
        }

        @Test func theChrootHasDevicesProcAndAResolver() async throws {
            let outcome = try await shell(
                """
                echo gone > /dev/null && test -c /dev/null && head -c 4 /dev/urandom > /tmp/random
                test -r /proc/self/status && test -d /sys/class && test -d /run/lock
                echo "host name and resolver:"; cat /etc/resolv.conf
                """)
            expectSuccess(outcome)
            let shown = try #require(outcome.output.firstRange(of: "host name and resolver:\n"))
            #expect(outcome.output[shown.upperBound...].hasPrefix(try Files.text("/etc/resolv.conf")))
            let root = try current().root
            #expect(try Files.size(root + "/tmp/random") == 4)
            #expect(try Files.text(root + "/etc/resolv.conf") == "")
            for directory in ["/dev", "/proc", "/sys", "/run"] { #expect(try Files.names(in: root + directory) == []) }
        }

        @Test func namesAreResolved() async throws {
            let mirror = try RecordingMirror.upstream()
            try #require(
                try await run(["getent", "hosts", mirror]).status == 0, "this machine cannot resolve \(mirror)")
            expectSuccess(try await shell("getent hosts \(mirror)"))
        }

        @Test func liveEditsInPlaceAndWarns() async throws {
            let outcome = try await shell("echo edited > /etc/motd", live: true)
            expectSuccess(outcome)
            #expect(outcome.errors.contains("warning: --live") && outcome.errors.contains("stale file handles"))
            #expect(outcome.output == "a: generation 1 edited in place\n")
            #expect(try scratch.store("a").numbers() == [1])
            #expect(try Files.text(first.root + "/etc/motd") == "edited\n")
            let edited = try current()
            #expect(edited.manifest.kernelVersion == first.manifest.kernelVersion)
            #expect(edited.artifact(.kernel) == first.artifact(.kernel))
            #expect(edited.artifact(.initramfs) == first.artifact(.initramfs))
            #expect(try #require(edited.artifact(.tree)?.bytes) == #require(first.artifact(.tree)?.bytes) + 7)
        }

        @Test func liveWithAChangedConfigurationKeepsTheManifestTrue() async throws {
            let twice = "cat /fake.cpio /fake.cpio > /two && cp /two /fake.cpio"
            let outcome = try await shell(twice + " && touch /etc/dracut.conf.d/x.conf", live: true)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("initramfs made anew; netroot install a"))
            #expect(try current().manifest.artifacts.map(\.kind) == [.kernel, .initramfs, .tree])
            let initramfs = try #require(current().artifact(.initramfs))
            #expect(try Files.size(first.initramfs!) == initramfs.bytes)
            #expect(
                try await run(["sha256sum", first.initramfs!]).output.hasPrefix(try #require(initramfs.sha256)))
        }

        @Test func withoutAGeneration() async throws {
            try scratch.writeHosts("a", "b")
            expectError(
                try await run(scratch.netroot(["shell", "b", "--", "true"])), .failed,
                ["b has no generation yet", "netroot build b"])
        }

        @Test func aSignalLeavesNothing() async throws {
            let sleep = "sleep \(Int.random(in: 100_000...999_999))"
            let before = try await scratch.snapshot(except: ["netroots/a/.lock"])
            let program = try scratch.start("shell", "a", "--", "sh", "-c", "\(sleep) & wait")
            let waits = try await eventually {
                try !Traces.processes(naming: sleep).filter { !$0.contains("/") }.isEmpty
            }
            #expect(waits)
            program.signal(SIGTERM)
            #expect(try await program.outcome().status == 130)
            let gone = try await eventually(within: 10) { try Traces.processes(naming: sleep).isEmpty }
            #expect(gone)
            #expect(try await scratch.snapshot(except: ["netroots/a/.lock"]) == before)
        }
    }
}
