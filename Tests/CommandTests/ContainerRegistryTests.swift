import FoundationEssentials
import NetrootImage
import NetrootStore
import NetrootSystem
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
            return Image.Layer(archive: try Files.read(tar, limit: 1 << 30), compressor: ["gzip", "-c1"])
        }

        private func build(_ arguments: String...) async throws -> Outcome {
            try await run(scratch.netroot(["build", "a"] + arguments), environment: environment, folder: scratch.path)
        }

        /// From the registry to a published generation, and again with one more layer: that alone is fetched.
        @Test func aGenerationFromARegistry() async throws {
            let registry = try await Registry(scratch)
            try allowPlainHTTP(registry)
            let layout = scratch.path + "/image"
            var image = ContainerImage([
                try await rootLayer(), Image.Layer([Image.file("etc/one", "1"), Image.device("dev/zero")]),
            ])
            image.environment = ["PATH=/opt/bin:/usr/bin:/bin", "IMAGE_SAYS=it's $HOME", "1BAD=x"]
            try await image.write(to: layout)
            try await registry.push(layout, as: "site/node:1.0")
            try FakeRecipe(
                header: "Bootstrap: docker\nRegistry: \(registry.name)\nNamespace: site\nFrom: node:1.0\n",
                post: "test \"$(cat /etc/one)\" = 1"
            ).write(scratch)
            expectSuccess(try await build())
            let first = try scratch.store("a").current()
            let bootstrap = try #require(first.manifest.bootstrap)
            #expect(bootstrap.agent == "docker" && bootstrap.from == "\(registry.name)/site/node:1.0")
            #expect(bootstrap.droppedDevices == 1 && bootstrap.unsigned == nil)
            let login = try await run(["chroot", first.root, "bash", "-lc", "echo $PATH; echo \"$IMAGE_SAYS\""])
            #expect(login.output == "/opt/bin:/usr/bin:/bin\nit's $HOME\n")
            let before = try registry.fetchedBlobs()
            #expect(before >= 3)

            image.layers.append(Image.Layer([Image.file("etc/two", "2")]))
            try await image.write(to: layout)
            try await registry.push(layout, as: "site/node:1.0")
            let pushed = try registry.fetchedBlobs()
            expectSuccess(try await build())
            let second = try scratch.store("a").current()
            #expect(try Files.text(second.root + "/etc/two") == "2")
            #expect(second.manifest.bootstrap?.digest != bootstrap.digest)
            // The new layer, and the configuration once for its platform and once for the copy.
            #expect(try registry.fetchedBlobs() - pushed <= 3)

            // By its digest the first image is there yet.
            let digest = try #require(bootstrap.digest)
            try FakeRecipe(header: "Bootstrap: docker\nFrom: \(registry.name)/site/node@\(digest)\n").write(scratch)
            expectSuccess(try await build())
            let third = try scratch.store("a").current()
            #expect(!Files.exists(third.root + "/etc/two") && third.manifest.bootstrap?.digest == digest)
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
            let bootstrap = try #require(try scratch.store("a").current().manifest.bootstrap)
            #expect(bootstrap.agent == agent && bootstrap.from == "\(scratch.path)/recipe/\(file)")
            if agent == "docker-archive" {
                #expect(bootstrap.digest?.hasPrefix("sha256:") == true)
            } else {
                #expect(bootstrap.digest == digest)
            }
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
                ["a.def:2", "there is no image \(registry.name)/node:2", "manifest unknown", "mend From:"])
            try await registry.end()
            expectError(
                try await build(), .unavailable,
                ["a.def:2", "cannot be reached", "connection refused", "check the network"])
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
