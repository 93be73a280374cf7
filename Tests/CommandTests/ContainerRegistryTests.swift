import FoundationEssentials
import NetrootImage
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

private typealias Image = ContainerImage

extension Builds {
    /// Images in a registry, and whole builds from images.
    @Suite(.serialized) struct ContainerRegistryTests {
        let scratch: Scratch

        init() throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a")
        }

        private var environment: [String: String] {
            [
                "NETROOT_CACHE": scratch.path + "/cache", "HOME": scratch.path + "/home",
                "REGISTRY_AUTH_FILE": scratch.path + "/home/auth.json",
            ]
        }

        /// As a user allows it: in the file that skopeo reads.
        private func allowPlainHTTP(_ registry: Registry) throws {
            try scratch.write(
                "home/.config/containers/registries.conf",
                "[[registry]]\nlocation = \"\(registry.name)\"\ninsecure = true\n")
        }

        /// The small root as a layer, and an empty one that is the same in every image.
        private func rootLayer() async throws -> Image.Layer {
            let root = try await Workshop.shared.smallRoot()
            let tar = scratch.path + "/root.tar"
            expectSuccess(
                try await run(["tar", "-C", root, "--sort=name", "--xattrs", "--format=posix", "-cf", tar, "."]))
            return Image.Layer(archive: try Files.read(tar, limit: 1 << 30), compressor: ["gzip", "-cn1"])
        }

        private func build(_ arguments: String...) async throws -> Outcome {
            try await run(scratch.netroot(["build", "a"] + arguments), environment: environment, folder: scratch.path)
        }

        /// From the registry to a published generation, and again with one more layer: that alone is fetched.
        @Test func aGenerationFromARegistry() async throws {
            // First of all: the small root may take minutes.
            let root = try await rootLayer()
            let registry = try await Registry(scratch)
            try allowPlainHTTP(registry)
            let layout = scratch.path + "/image"
            var image = ContainerImage([root, Image.Layer([Image.file("etc/one", "1"), Image.device("dev/zero")])])
            image.environment = ["PATH=/opt/bin:/usr/bin:/bin", "IMAGE_SAYS=it's $HOME", "1BAD=x"]
            try await image.write(to: layout)
            try await registry.push(layout, as: "site/node:1.0")
            try FakeRecipe(
                header: "Bootstrap: docker\nRegistry: \(registry.name)\nNamespace: site\nFrom: node:1.0\n",
                post: "test \"$(cat /etc/one)\" = 1"
            ).write(scratch)
            expectSuccess(try await build())
            let first = try scratch.store("a").current()
            let bootstrap = first.manifest.bootstrap
            #expect(bootstrap.agent == "docker" && bootstrap.from == "\(registry.name)/site/node:1.0")
            #expect(bootstrap.droppedDevices == 1 && bootstrap.unsigned == nil)
            let login = try await run([
                "chroot", first.root, "bash", "-c",
                ". /etc/profile.d/netroot-environment.sh; echo $PATH; echo \"$IMAGE_SAYS\"",
            ])
            let lines = login.output.split(separator: "\n")
            #expect(lines.count == 2 && lines[1] == "it's $HOME")
            // The image's PATH goes before what was there.
            #expect(lines[0].hasPrefix("/opt/bin:/usr/bin:/bin:") && lines[0].contains(":/usr/sbin"))
            // Two layers, and the configuration.
            let before = Set(try registry.fetchedBlobs())
            #expect(before.count == 3)

            let same = try await build("--if-changed")
            #expect(same.status == 0 && same.output.contains("generation 1"), "\(same.errors)")

            image.layers.append(Image.Layer([Image.file("etc/two", "2")]))
            try await image.write(to: layout)
            try await registry.push(layout, as: "site/node:1.0")
            let pushed = try registry.fetchedBlobs().count
            // The same recipe, but its tag stands for another image.
            expectSuccess(try await build("--if-changed"))
            let second = try scratch.store("a").current()
            #expect(try Files.text(second.root + "/etc/two") == "2")
            #expect(second.manifest.bootstrap.digest != bootstrap.digest)
            // The new layer and the new configuration.
            let fetched = Set(try registry.fetchedBlobs().dropFirst(pushed))
            #expect(fetched.count == 2 && fetched.isDisjoint(with: before), "\(fetched) after \(before)")

            // By its digest the first image is there yet.
            let digest = try #require(bootstrap.digest)
            try FakeRecipe(header: "Bootstrap: docker\nFrom: \(registry.name)/site/node@\(digest)\n").write(scratch)
            expectSuccess(try await build())
            let third = try scratch.store("a").current()
            #expect(!Files.exists(third.root + "/etc/two") && third.manifest.bootstrap.digest == digest)
            try await registry.end()
        }

        @Test(arguments: ["oci", "oci-archive", "docker-archive"])
        func aGenerationFromFiles(agent: String) async throws {
            let layer = try await rootLayer()
            let image = ContainerImage([layer])
            let digest = try await image.write(to: scratch.path + "/recipe/image")
            expectSuccess(
                try await run([
                    "tar", "-C", scratch.path + "/recipe/image", "-cf", scratch.path + "/recipe/image.tar", ".",
                ]))
            try Image.dockerArchive(
                of: [("docker.io/library/node:1", [layer.bytes])], to: scratch.path + "/recipe/saved.tar")
            let file = ["oci": "image", "oci-archive": "image.tar", "docker-archive": "saved.tar"][agent] ?? ""
            try FakeRecipe(header: "Bootstrap: \(agent)\nFrom: recipe/\(file)\n").write(scratch)
            expectSuccess(try await build())
            let bootstrap = try scratch.store("a").current().manifest.bootstrap
            #expect(bootstrap.agent == agent && bootstrap.from == "\(scratch.path)/recipe/\(file)")
            if agent == "oci" {
                #expect(bootstrap.digest == digest)
            } else {
                let sum = try await run(["sha256sum", "\(scratch.path)/recipe/\(file)"]).output
                #expect(bootstrap.digest == "sha256:" + sum.prefix { $0 != " " })
            }
            expectSuccess(try await build("--if-changed"))
            #expect(try scratch.store("a").current().number == 1)
            let other = ContainerImage([layer, Image.Layer([Image.file("etc/new", "x")])])
            try await other.write(to: scratch.path + "/recipe/image")
            expectSuccess(
                try await run(
                    ["sh", "-c", "tar -C image -cf image.tar . && echo >>saved.tar"], folder: scratch.path + "/recipe"))
            expectSuccess(try await build("--if-changed"))
            #expect(try scratch.store("a").current().number == 2)
        }

        /// An image lends files to another stage.
        @Test func aStageThatLendsFiles() async throws {
            try await ContainerImage([Image.Layer([Image.file("opt/tool", "lent")])]).write(to: scratch.path + "/tool")
            try await ContainerImage([try await rootLayer()]).write(to: scratch.path + "/image")
            try FakeRecipe(header: "Bootstrap: oci\nFrom: image:test\nStage: final\n").write(scratch)
            let text = try Files.text(scratch.path + "/a.def")
            try scratch.write(
                "a.def",
                "Bootstrap: oci\nFrom: tool\nStage: tools\n\n" + text
                    + "\n%files from tools\n    /opt/tool /opt/tool\n")
            expectSuccess(try await build())
            #expect(try Files.text(try scratch.store("a").current().root + "/opt/tool") == "lent")
        }

        @Test func registriesThatRefuse() async throws {
            let registry = try await Registry(scratch, password: true)
            let layout = scratch.path + "/image"
            try await ContainerImage([Image.Layer([Image.file("f", "x")])]).write(to: layout)
            try await registry.push(layout, as: "node:1", login: "user:secret")
            try scratch.write("a.def", "Bootstrap: docker\nFrom: \(registry.name)/node:1\n")
            expectError(
                try await build(), .unavailable,
                ["a.def:2", "speaks plain HTTP", "location = \"\(registry.name)\" insecure = true", "registries.conf"])
            try allowPlainHTTP(registry)
            expectError(try await build(), .failed, ["a.def:2", "the registry does not give", "skopeo login"])
            // What `skopeo login` writes.
            let secret = Data("user:secret".utf8).base64EncodedString()
            try scratch.write(
                "home/auth.json", #"{"auths": {"\#(registry.name)": {"auth": "\#(secret)"}}}"#, mode: 0o600)
            // Past the registry, the root lacks what a machine needs.
            let outcome = try await build()
            expectError(outcome, .failed, ["no kernel"])
            #expect(!outcome.errors.contains(secret))
            try scratch.write("a.def", "Bootstrap: docker\nFrom: \(registry.name)/node:2\n")
            expectError(
                try await build(), .failed,
                ["a.def:2", "there is no image \(registry.name)/node:2", "manifest unknown", "correct From:"])
            try await registry.end()
            expectError(
                try await build(), .unavailable,
                ["a.def:2", "cannot be reached", "connection refused", "check the network"])
        }

        /// As an ordinary user, in a user namespace: owners, modes and capabilities of the image are those in the squashfs.
        @Test func aGenerationWithoutRoot() async throws {
            let capability: [UInt8] = [1, 0, 0, 2, 0, 0x20, 0, 0] + [UInt8](repeating: 0, count: 12)
            let more = Image.Layer([
                Image.directory("srv", mode: 0o750, uid: 12), Image.file("srv/motd", "x", uid: 12, gid: 34),
                Image.member(
                    "srv/tool", .regular, mode: 0o4755, uid: 0, gid: 42, xattrs: [("security.capability", capability)]),
                Image.device("srv/device"),
            ])
            let image = ContainerImage([try await rootLayer(), more])
            try await FreshUser.with { user in
                try scratch.writeHosts("a", more: "FORMAT = squashfs\nCOMPRESSION = zstd:1")
                try await image.write(to: scratch.path + "/image")
                try FakeRecipe(header: "Bootstrap: oci\nFrom: image\n").write(scratch)
                expectSuccess(try await run(["chown", "-R", "\(user.name):\(user.name)", scratch.path]))
                expectError(
                    try await user.run(scratch.netroot(["build", "a", "--allow-devices"])), .usage,
                    ["a.def:2", "has 1 device nodes", "leave out --allow-devices, or build as root"])
                expectSuccess(try await user.run(scratch.netroot(["build", "a"])))
                let generation = try scratch.store("a").current()
                #expect(generation.manifest.bootstrap.droppedDevices == 1)
                let listing = try await run(["unsquashfs", "-lln", generation.image, "srv"]).output
                #expect(listing.contains("drwxr-x--- 12/12") && listing.contains("-rw-r--r-- 12/34"), "\(listing)")
                #expect(listing.contains("-rwsr-xr-x 0/42") && !listing.contains("device"), "\(listing)")
                expectSuccess(try await run(["unsquashfs", "-d", scratch.path + "/u", generation.image, "srv"]))
                let shown = try await run(["getcap", scratch.path + "/u/srv/tool"]).output
                #expect(shown.contains("cap_net_raw=ep"), "\(shown)")
                let xattrs = try await run(["getfattr", "-R", "-d", "-m", "-", scratch.path + "/u/srv"]).output
                #expect(!xattrs.contains("rootlesscontainers"), "\(xattrs)")

                // An owner that the user has no number for.
                var foreign = image
                foreign.layers.append(Image.Layer([Image.file("srv/far", "x", uid: 200_000)]))
                try await foreign.write(to: scratch.path + "/image")
                let refused = try await user.run(scratch.netroot(["build", "a"]))
                expectError(refused, .failed, ["a.def:2", "owner 200000", "65536 IDs", "as root"])
            }
        }

        @Test func noNetwork() async throws {
            try scratch.write("a.def", "Bootstrap: docker\nFrom: registry.invalid/node:1\n")
            let outcome = try await scratch.run(
                "build", "a", wrapper: Namespace.withoutNetwork, environment: environment)
            expectError(
                outcome, .unavailable, ["a.def:2", "the registry of registry.invalid/node:1 cannot be reached"])
        }
    }
}
