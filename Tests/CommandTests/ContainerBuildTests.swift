import NetrootImage
import NetrootStore
import NetrootSystem
import Testing

private typealias Image = ContainerImage

extension Builds {
    /// Builds whose root is the image of a container.
    @Suite(.serialized) struct ContainerBuildTests {
        let scratch: Scratch

        init() throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a")
            try scratch.write("outside/victim", "untouched")
        }

        /// Bootstraps from an image and lists the root that it makes; the build goes no further.
        private func tree(
            _ header: String, _ arguments: [String] = [], find: String = "%P %y %m %U:%G %n %l"
        ) async throws -> (lines: [String], outcome: Outcome) {
            try scratch.write(
                "a.def",
                """
                \(header)
                %setup
                    find "$APPTAINER_ROOTFS" -mindepth 1 -printf '\(find)\\n' | sort >'\(scratch.path)/listing'
                    getfattr -h -d -m - -R "$APPTAINER_ROOTFS" 2>/dev/null | grep -v '^#' >'\(scratch.path)/xattrs' || true
                    exit 42
                """)
            let argv = scratch.netroot(["build", "a"] + arguments)
            let outcome = try await run(argv, environment: environment, folder: scratch.path)
            let listing = scratch.path + "/listing"
            let text = Files.exists(listing) ? try Files.text(listing) : ""
            // What netroot itself lays into every root is not the image's.
            let own = [
                "usr/lib/dracut", "usr/lib/netroot", "etc/", "etc ", "usr/lib/systemd", "usr/share", "usr d",
                "usr/lib d",
            ]
            return (
                text.split(separator: "\n").map(String.init).filter { line in !own.contains { line.hasPrefix($0) } },
                outcome
            )
        }

        private var environment: [String: String] {
            ["NETROOT_CACHE": scratch.path + "/cache", "HOME": scratch.path + "/home"]
        }

        private func oci(_ image: ContainerImage) async throws -> String {
            try await image.write(to: scratch.path + "/image")
            return "Bootstrap: oci\nFrom: image:test"
        }

        /// Whiteouts of a file, a directory and of all in a directory; owners, modes, links, attributes; names in any bytes.
        @Test(arguments: [[], ["gzip", "-cn"], ["zstd", "-cq"]])
        func layersMakeTheRoot(compressor: [String]) async throws {
            let capability: [UInt8] = [1, 0, 0, 2, 0, 0x20, 0, 0] + [UInt8](repeating: 0, count: 12)
            let base = Image.Layer(
                [
                    Image.directory("./", mode: 0o755), Image.directory("run"), Image.symlink("var/run", "/run"),
                    Image.file("bin/su", "x", mode: 0o4755), Image.file("home/u/f", "y", uid: 1000, gid: 1001),
                    Image.member("bin/ping", .regular, mode: 0o755, xattrs: [("security.capability", capability)]),
                    Image.hardLink("bin/ping2", "/bin/ping"), Image.directory("home/u", mode: 0o700, uid: 1000),
                    Image.file("gone", "x"), Image.file("gonedir/x", "x"), Image.file("opaque/old", "x"),
                    Image.file("/absolute//./name", "x"), Image.member("pipe", .fifo, mode: 0o600),
                    Image.file(String(repeating: "long/", count: 40) + "name", "x"),
                ], compressor: compressor)
            let next = Image.Layer(
                [
                    Image.file(".wh.gone"), Image.file(".wh.gonedir"), Image.file("opaque/new", "x"),
                    Image.file("opaque/.wh..wh..opq"), Image.file("var/run/pid", "1"), Image.file(".wh.never-was"),
                ], compressor: compressor)
            let header = try await oci(ContainerImage([base, next]))
            let (lines, outcome) = try await tree(header)
            expectError(outcome, .failed, ["%setup failed with exit status 42"], outputLines: 5)
            let expected = [
                "absolute d 755 0:0 2 ", "absolute/name f 644 0:0 1 ", "bin d 755 0:0 2 ", "bin/ping f 755 0:0 2 ",
                "bin/ping2 f 755 0:0 2 ", "bin/su f 4755 0:0 1 ", "home d 755 0:0 3 ", "home/u d 700 1000:1000 2 ",
                "home/u/f f 644 1000:1001 1 ", "opaque d 755 0:0 2 ", "opaque/new f 644 0:0 1 ", "pipe p 600 0:0 1 ",
                "run d 755 0:0 2 ", "run/pid f 644 0:0 1 ", "var d 755 0:0 2 ", "var/run l 777 0:0 1 /run",
            ]
            #expect(lines.filter { !$0.hasPrefix("long") } == expected)
            #expect(lines.filter { $0.hasPrefix("long") }.count == 41)
            #expect(try Files.text(scratch.path + "/xattrs").contains("security.capability=0sAQAAAgAgAAA"))
        }

        private static let attacks: [(String, [Image.Member], String)] = [
            ("dots", [Image.file("../../outside/victim", "evil")], "'../../outside/victim': a name with '..'"),
            ("dots inside", [Image.file("a/../../outside/victim", "evil")], "a name with '..'"),
            (
                "symlink", [Image.symlink("link", "../../../../outside"), Image.file("link/victim", "evil")],
                "'link/victim': a symlink on the way leads out of the root"
            ),
            (
                "hard link", [Image.hardLink("victim", "../../../../outside/victim")],
                "a hard link to '../../../../outside"
            ),
            (
                "hard link through a symlink",
                [Image.symlink("link", "../../../../outside"), Image.hardLink("victim", "link/victim")],
                "leads out of the root"
            ),
            ("whiteout of the parent", [Image.file(".wh...")], "'.wh...': a whiteout of '..'"),
            ("whiteout of the root", [Image.file(".wh..")], "'.wh..': a whiteout of '.'"),
            ("whiteout of nothing", [Image.file(".wh.")], "'.wh.': a whiteout of ''"),
            (
                "whiteout through a symlink",
                [Image.symlink("link", "../../../../outside"), Image.file("link/.wh.victim")],
                "leads out of the root"
            ),
            (
                "whiteout through a symlink inside", [Image.symlink("link", "/etc"), Image.file("link/.wh.passwd")],
                "a whiteout through a symlink"
            ),
            ("root", [Image.symlink("./", "/etc")], "it would replace the root itself"),
        ]

        /// Each of them refused with the layer and the member, and nothing outside touched.
        @Test(arguments: attacks.indices) func attack(index: Int) async throws {
            let (_, members, expected) = Self.attacks[index]
            let harmless = Image.Layer([Image.file("first", "x")])
            let header = try await oci(ContainerImage([harmless, Image.Layer(members)]))
            let before = try await scratch.snapshot(except: ["a.def", "cache", "netroots"])
            let (lines, outcome) = try await tree(header)
            expectError(outcome, .failed, ["/image:test, layer 2 of 2 (sha256:", expected, "do not use this image"])
            #expect(lines.isEmpty)
            #expect(try await scratch.snapshot(except: ["a.def", "cache", "netroots"]) == before)
            #expect(try scratch.store("a").usable().generations.isEmpty)
            #expect(try Traces.mounts(below: scratch.path) == [])
        }

        @Test func devicesAreLeftOutUnlessAllowed() async throws {
            let header = try await oci(
                ContainerImage([
                    Image.Layer([
                        Image.device("dev/null"), Image.hardLink("dev/other", "dev/null"), Image.file("dev/file", "x"),
                    ])
                ]))
            let without = try await tree(header)
            #expect(without.lines == ["dev d 755 0:0 2 ", "dev/file f 644 0:0 1 "])
            #expect(without.outcome.errors.contains("left out 1 device nodes; --allow-devices keeps them\n"))
            let with = try await tree(header, ["--allow-devices"])
            #expect(
                with.lines == [
                    "dev d 755 0:0 2 ", "dev/file f 644 0:0 1 ", "dev/null c 666 0:0 2 ", "dev/other c 666 0:0 2 ",
                ])
            #expect(!with.outcome.errors.contains("left out"))
        }

        @Test func archivesOfSeveralImages() async throws {
            let one = Image.Layer([Image.file("one", "x")])
            let two = Image.Layer([Image.file("two", "x")])
            try Image.dockerArchive(
                of: [("docker.io/library/a:1", [one.bytes]), ("docker.io/library/b:2", [one.bytes, two.bytes])],
                to: scratch.path + "/saved.tar")
            #expect(try await tree("Bootstrap: docker-archive\nFrom: saved.tar:a:1").lines == ["one f 644 0:0 1 "])
            #expect(
                try await tree("Bootstrap: docker-archive\nFrom: \(scratch.path)/saved.tar:@1").lines
                    == ["one f 644 0:0 1 ", "two f 644 0:0 1 "])
            expectError(
                try await tree("Bootstrap: docker-archive\nFrom: saved.tar").outcome, .usage,
                ["a.def:2", "saved.tar holds several images; name one", "FILE:@0"])
            expectError(
                try await tree("Bootstrap: docker-archive\nFrom: saved.tar:c:3").outcome, .failed,
                ["a.def:2", "there is no image", "saved.tar:c:3", "correct From:"])
        }

        @Test func imagesThatAreNotThere() async throws {
            for agent in ["oci", "oci-archive", "docker-archive"] {
                let before = try await scratch.snapshot(except: ["a.def"])
                expectError(
                    try await tree("Bootstrap: \(agent)\nFrom: none.tar:x").outcome, .usage,
                    ["a.def:2: From: \(scratch.path)/none.tar does not exist", "relative to the recipe"])
                #expect(try await scratch.snapshot(except: ["a.def"]) == before, "found before anything is changed")
            }
            _ = try await oci(ContainerImage([Image.Layer([Image.file("f", "x")])]))
            expectError(
                try await tree("Bootstrap: oci\nFrom: image:other").outcome, .failed,
                ["a.def:2", "there is no image \(scratch.path)/image:other", "\"other\""])
        }

        @Test func imagesOfAnotherKind() async throws {
            _ = try await oci(ContainerImage([Image.Layer([Image.file("f", "x")])]))
            let script = "tar -C image -cf layout.tar . && mkdir none && echo text >none/text && tar -cf none.tar none"
            expectSuccess(try await run(["sh", "-c", script], folder: scratch.path))
            let rows: [(String, String, NetrootSystem.ExitStatus, String)] = [
                ("oci-archive", "image", .usage, "is a directory; an OCI image layout is agent oci"),
                ("docker-archive", "image", .usage, "is a directory; an OCI image layout is agent oci"),
                ("oci", "layout.tar", .usage, "is a file; an archive is agent oci-archive"),
                ("oci", "none", .failed, "no OCI image layout; a file of docker save is agent docker-archive"),
                ("oci-archive", "none.tar", .failed, "no OCI image layout; a file of docker save"),
                ("oci-archive", "hosts.conf", .failed, "hosts.conf: "),
                ("docker-archive", "layout.tar", .failed, "no file of docker save; the archive of an OCI layout"),
                ("docker-archive", "hosts.conf", .failed, "hosts.conf: "),
            ]
            for (agent, from, status, expected) in rows {
                expectError(try await tree("Bootstrap: \(agent)\nFrom: \(from)").outcome, status, [expected])
            }
        }

        @Test func aFullDiskUnderTheCache() async throws {
            var random = SystemRandomNumberGenerator()
            let bytes = (0..<3_000_000).map { _ in UInt8.random(in: 0...255, using: &random) }
            _ = try await oci(ContainerImage([Image.Layer(archive: bytes)]))
            try scratch.write("a.def", "Bootstrap: oci\nFrom: image\n")
            let cache = scratch.path + "/cache"
            try Files.makeDirectory(cache)
            let outcome = try await scratch.run(
                "build", "a", wrapper: Namespace.mounting("mount -t tmpfs -o size=1m,mode=755 tmpfs '\(cache)'"),
                environment: environment)
            expectError(outcome, .failed, ["a.def:2: disk full while", "no space left on device", "--cache DIRECTORY"])
        }

        @Test func damagedImages() async throws {
            let layer = Image.Layer([Image.file("f", String(repeating: "x", count: 20_000))])
            var image = ContainerImage([layer])
            image.diffIDs = ["sha256:" + String(repeating: "0", count: 64)]
            expectError(
                try await tree(try await oci(image)).outcome, .failed,
                ["layer 1 of 1", "its content is sha256:", "the image's configuration says sha256:000", "do not use"])
            image = ContainerImage([Image.Layer(archive: Array(layer.bytes.prefix(9000)))])
            expectError(
                try await tree(try await oci(image)).outcome, .failed,
                ["layer 1 of 1", "the archive is cut off at byte"])
            image = ContainerImage([Image.Layer(archive: Array("no archive at all".utf8), compressor: ["gzip", "-cn"])])
            expectError(
                try await tree(try await oci(image)).outcome, .failed, ["layer 1 of 1", "the archive is cut off"])
            image = ContainerImage([layer])
            image.architecture = "arm64"
            expectError(
                try await tree(try await oci(image)).outcome, .failed,
                ["image:test is for linux/arm64, and netroot's machines are linux/amd64"])
            image = ContainerImage([layer])
            image.diffIDs = []
            expectError(
                try await tree(try await oci(image)).outcome, .failed, ["1 layers, and its configuration has 0"])
            _ = try await oci(ContainerImage([layer]))
            expectSuccess(
                try await run(
                    ["sh", "-c", "tar -C image -cf whole.tar . && head -c 9000 whole.tar >cut.tar"],
                    folder: scratch.path))
            expectError(
                try await tree("Bootstrap: oci-archive\nFrom: cut.tar").outcome, .failed,
                ["cut.tar: ", "unexpected EOF", "fetch or make the image again"])
        }

        /// A blob of the layout that is not what its name says: skopeo finds it, and says so.
        @Test func aBlobOfTheSourceThatWasChanged() async throws {
            let header = try await oci(
                ContainerImage([Image.Layer([Image.file("f", String(repeating: "x", count: 9000))])]))
            expectSuccess(
                try await run(
                    [
                        "sh", "-c",
                        "f=$(ls -S blobs/sha256/* | head -n 1); printf y | dd of=\"$f\" bs=1 seek=600 conv=notrunc",
                    ],
                    folder: scratch.path + "/image"))
            expectError(try await tree(header).outcome, .failed, ["Digest did not match", "fetch or make"])
        }

        /// A blob of the cache that was cut off by a crash is fetched again.
        @Test func aDamagedCacheIsMended() async throws {
            let header = try await oci(
                ContainerImage([Image.Layer([Image.file("f", "content")], compressor: ["gzip", "-cn"])]))
            #expect(try await tree(header).lines == ["f f 644 0:0 1 "])
            let layout = scratch.path + "/cache/container/layout"
            expectSuccess(
                try await run(
                    [
                        "sh", "-c",
                        "for f in blobs/sha256/*; do head -c 60 \"$f\" >x; cat x >\"$f\"; done; rm x; touch oci-put-blob7",
                    ],
                    folder: layout))
            let (lines, outcome) = try await tree(header)
            #expect(lines == ["f f 644 0:0 1 "])
            #expect(outcome.errors.contains("fetched again: 1 layers in the cache"))
            #expect(!Files.exists(layout + "/oci-put-blob7"))
        }

        @Test func aToolThatIsMissing() async throws {
            try scratch.write("a.def", try await oci(ContainerImage([Image.Layer([Image.file("f")])])) + "\n")
            let outcome = try await scratch.run(
                "build", "a", wrapper: Namespace.hiding(["skopeo"]), environment: environment)
            expectError(outcome, .unavailable, ["not installed: skopeo", "apt-get install skopeo"])
        }
    }
}
