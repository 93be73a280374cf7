import Foundation
import Glibc
import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

extension FreshUser {
    /// Runs a command as the user, with nothing of this process's environment.
    func run(
        _ argv: [String], wrapper: [String] = [], environment: [String: String] = [:], limit: Int = 240
    ) async throws -> Outcome {
        try await CommandTests.run(
            wrapper + self.argv(argv, environment: environment), folder: home, limit: limit)
    }
}

extension Builds {
    /// `build` and `shell` as an ordinary user, with a bootstrap tool of the test's; BootTests have the real one.
    @Suite(.serialized) struct RootlessTests {
        init() throws { try #require(Place.isRoot, "making a user needs root") }

        /// A hosts file and a recipe of the user's own, and the bootstrap tool's folder for PATH.
        private func site(
            _ user: FreshUser, more: String = "FORMAT = squashfs\nCOMPRESSION = zstd:1"
        ) async throws -> (scratch: Scratch, path: [String: String]) {
            let scratch = try Scratch()
            try scratch.writeHosts("a", more: more)
            let setup = """
                cd "$APPTAINER_ROOTFS" && mkdir srv && echo one > srv/motd && chown 12:34 srv/motd
                cp /bin/true srv/tool && chown 0:42 srv/tool && chmod 4755 srv/tool && setcap cap_net_raw+ep srv/tool
                """
            var recipe = FakeRecipe(setup: setup)
            recipe.header += "%environment\n    export GREETING=hello\n"
            recipe.test = """
                set -e
                test "$GREETING $(cat /proc/sys/kernel/hostname)" = 'hello localhost'
                : > /dev/null
                """
            try recipe.write(scratch)
            let path = try await FakeRecipe.environment(scratch)
            _ = try await InstalledNetroot.copy(Place.netroot, to: scratch.path + "/installed")
            let owner = try await run(["chown", "-R", "\(user.name):\(user.name)", scratch.path])
            #expect(owner.status == 0)
            return (scratch, path)
        }

        private func installed(_ scratch: Scratch, _ arguments: [String]) -> [String] {
            [scratch.path + "/installed/bin/netroot"] + scratch.netroot(arguments).dropFirst()
        }

        @Test func ownersModesAndCapabilitiesAreRightInTheImage() async throws {
            try await FreshUser.with { user in
                let (scratch, path) = try await site(user)
                let built = try await user.run(installed(scratch, ["build", "a"]), environment: path)
                expectSuccess(built)
                let first = try scratch.store("a").current()
                let listing = try await run(["unsquashfs", "-lln", first.image, "srv"]).output
                #expect(listing.contains("-rw-r--r-- 12/34"), "\(listing)")
                #expect(listing.contains("-rwsr-xr-x 0/42"), "\(listing)")
                #expect(listing.contains("drwxr-xr-x 0/0"), "\(listing)")
                expectSuccess(try await run(["unsquashfs", "-d", scratch.path + "/u", first.image, "srv/tool"]))
                let capability = try await run(["getcap", scratch.path + "/u/srv/tool"]).output
                #expect(capability.contains("cap_net_raw=ep"), "\(capability)")
                #expect(first.manifest.privileged == .init(setuid: 1, setgid: 0, capabilities: 1))
                // On disk the attribute names the owner of the user namespace; in the list it is as in the image.
                let list = try await run(["unsquashfs", "-cat", first.image, "usr/lib/netroot/file-capabilities"])
                #expect(list.output == "cap_net_raw=ep /srv/tool\n", "\(list.output)\(list.errors)")
                // What is published is the user's, and so is the cache.
                let files = try await run([
                    "find", first.directory, user.home + "/.cache/netroot", "!", "-user", user.name,
                ])
                #expect(files.output.isEmpty && files.status == 0, "\(files.output)\(files.errors)")

                let edited = try await user.run(
                    installed(
                        scratch, ["shell", "a", "--", "sh", "-c", "cp /srv/motd /srv/two && cat /proc/self/uid_map"]
                    ),
                    environment: path)
                expectSuccess(edited)
                #expect(try scratch.store("a").current().number == 2)
                let after = try await run(["unsquashfs", "-lln", scratch.store("a").current().image, "srv"]).output
                #expect(after.contains("-rw-r--r-- 12/34") && after.contains("-rwsr-xr-x 0/42"), "\(after)")
                let secret = "echo 'machine mirror.example.org login a password b' > /root/.netrc"
                let refused = try await user.run(
                    installed(scratch, ["shell", "a", "--", "sh", "-c", secret]), environment: path)
                expectError(refused, .failed, ["/root/.netrc: a password, readable by every user"], outputLines: 1)
                expectSuccess(try await user.run(installed(scratch, ["installnfs", "a"])))
                expectSuccess(try await user.run(installed(scratch, ["gc", "a", "--keep", "1", "--force"])))
                #expect(try scratch.store("a").numbers() == [2])
            }
        }

        @Test func anArchiveNeedsNoRoot() async throws {
            try await FreshUser.with { user in
                let (scratch, path) = try await site(
                    user, more: "FORMAT = initramfs\nCOMPRESSION = zstd:1\nINITRAMFS_LAYOUT = cpio")
                expectSuccess(try await user.run(installed(scratch, ["build", "a"]), environment: path))
                let built = try scratch.store("a").current()
                #expect(built.manifest.artifacts.map(\.kind) == [.kernel, .rescue])
                let archive = try await Initramfs.open(try built.requirePath(of: .rescue), keeping: { _ in true })
                let motd = try #require(archive.contents["srv/motd"])
                #expect(motd.uid == 12 && motd.gid == 34 && motd.content == Array("one\n".utf8))
                #expect(archive.contents["srv/tool"].map { $0.mode & 0o7777 } == 0o4755)
                #expect(archive.contents["srv/tool"]?.uid == 0 && archive.contents["srv/tool"]?.gid == 42)
                let others = try await run(["find", built.directory, "!", "-user", user.name])
                #expect(others.output.isEmpty && others.status == 0, "\(others.output)\(others.errors)")
            }
        }

        @Test(arguments: ["dnf", "zypper"]) func packagesOfRPM(agent: String) async throws {
            let repository = try await RPMRepository.small.value
            try await FreshUser.with { user in
                let (scratch, path) = try await site(user)
                var recipe = FakeRecipe()
                recipe.header = try repository.header(agent, "busybox devices")
                recipe.post = "chown 12:34 /etc/redhat-release"
                try recipe.write(scratch)
                expectSuccess(try await run(["chown", "-R", "\(user.name):\(user.name)", scratch.path]))
                expectSuccess(try await user.run(installed(scratch, ["build", "a"]), environment: path))
                let built = try scratch.store("a").current()
                #expect(built.manifest.packages.map(\.name) == ["busybox", "devices", "filesystem", "setup"])
                let listing = try await run(["unsquashfs", "-lln", built.image]).output
                #expect(listing.contains("-rw-r--r-- 12/34 "), "\(listing)")
                #expect(
                    listing.split(separator: "\n").contains {
                        $0.hasPrefix("-rwxr-xr-x 0/0 ") && $0.hasSuffix("/busybox")
                    })
            }
        }

        @Test func whatAKilledBuildLeftIsRemovedByTheNext() async throws {
            try await FreshUser.with { user in
                let (scratch, path) = try await site(user)
                try scratch.write(
                    "slow/mmdebstrap",
                    "#!/bin/sh\nfor root; do :; done\nmkdir -p \"$root/x\"\nchown 7:7 \"$root/x\"\nkill -KILL $PPID\n",
                    mode: 0o755)
                let killed = try await user.run(
                    ["sh", "-c", "\"$@\"; exit $?", "sh"] + installed(scratch, ["build", "a"]),
                    environment: ["PATH": scratch.path + "/slow:" + (path["PATH"] ?? "")])
                #expect(killed.status != 0)
                let built = try await user.run(installed(scratch, ["build", "a"]), environment: path)
                expectSuccess(built)
                #expect(
                    try Files.names(in: scratch.store("a").generationsDirectory).filter { $0.hasPrefix(".building") }
                        == [])
            }
        }

        @Test("Without root, too, umask, default ACLs, a setgid directory and the environment do not reach the root")
        func theUsersStateDoesNotReachTheRoot() async throws {
            try await FreshUser.with { user in
                let (scratch, path) = try await site(user)
                try scratch.write("public", "one\n")
                var recipe = FakeRecipe(post: "mkdir -p /srv/made && umask > /srv/made/umask && env > /srv/made/env")
                recipe.files = "public /srv/public\n"
                try recipe.write(scratch)
                expectSuccess(try await run(["chown", "-R", "\(user.name):\(user.name)", scratch.path]))
                try await HostileCaller.bequeath(scratch.path)
                let environment = path.merging(HostileCaller.variables) { $1 }
                let build = HostileCaller.shell + installed(scratch, ["build", "a"])
                expectSuccess(try await user.run(build, environment: environment))
                let built = try scratch.store("a").current()
                let listing = try await run(["unsquashfs", "-lln", built.image, "srv"]).output
                    .split(separator: "\n").map { $0.split(separator: " ") }
                    .map { "\($0.first ?? "") \($0.dropFirst().first ?? "") \($0.last ?? "")" }
                for line in [
                    "drwxr-xr-x 0/0 squashfs-root/srv", "drwxr-xr-x 0/0 squashfs-root/srv/made",
                    "-rw-r--r-- 0/0 squashfs-root/srv/made/umask", "-rw-r--r-- 0/0 squashfs-root/srv/public",
                ] { #expect(listing.contains(line), "\(line) in \(listing)") }
                let files = ["srv/made/umask", "srv/made/env"]
                let texts = try await run(["unsquashfs", "-cat", built.image] + files).output
                #expect(texts.hasPrefix("0022\n") && !texts.contains("TMPDIR="), "\(texts)")
                let modes = try await run(["stat", "-c", "%a %U", built.directory, built.directory + "/manifest.json"])
                #expect(modes.output == "755 \(user.name)\n644 \(user.name)\n")
            }
        }

        @Test func aTreeNeedsRoot() async throws {
            try await FreshUser.with { user in
                let (scratch, path) = try await site(user, more: "FORMAT = tree")
                let refused = try await user.run(installed(scratch, ["build", "a"]), environment: path)
                expectError(refused, .usage, ["[a] has FORMAT = tree", "FORMAT = squashfs", "sudo"])
            }
        }

        /// Runs its arguments as on a machine where the administrator has forbidden it: in a user namespace of the same IDs,
        /// and so of nobody else. newuidmap(1) would ask for a range of root's; only the second exec has the capabilities.
        static let noNamespaces = """
            pipe=$(mktemp -u) && mkfifo "$pipe"
            forbid='echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
            unshare --user -- sh -c 'read -r go && exec sh -c "$0" sh "$@"' "$forbid" "$@" < "$pipe" &
            exec 3> "$pipe" && rm "$pipe"
            while [ "$(readlink /proc/$!/ns/user)" = "$(readlink /proc/self/ns/user)" ]; do sleep 0.05; done
            for kind in uid gid; do echo 0 0 4294967295 > /proc/$!/${kind}_map; done
            echo go >&3
            wait $!
            """

        @Test func theSettingThatForbidsItIsNamed() async throws {
            try await FreshUser.with { user in
                let (scratch, path) = try await site(user)
                let build = installed(scratch, ["build", "a"])
                let none = ["sh", "-c", Self.noNamespaces, "sh"]
                let forbidden = try await user.run(build, wrapper: none, environment: path)
                expectError(
                    forbidden, .unavailable,
                    ["user.max_user_namespaces is 0", "sysctl -w user.max_user_namespaces=", "sudo"])
                let empty = Namespace.mounting("mount --bind /dev/null /etc/subuid")
                let without = try await user.run(build, wrapper: empty, environment: path)
                expectError(
                    without, .unavailable, ["/etc/subuid gives \(user.name) no IDs", "usermod --add-subuids"])
                let hidden = try await user.run(build, wrapper: Namespace.hiding(["newuidmap"]), environment: path)
                expectError(hidden, .unavailable, ["not installed: newuidmap", "apt-get install uidmap"])
                #expect(!Files.exists(scratch.path + "/netroots"))
            }
        }
    }
}
