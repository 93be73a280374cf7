import Foundation
import Glibc
import NetrootConfig
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

extension Builds {
    /// `Bootstrap: localimage`: roots that are on this machine already.
    @Suite(.serialized) struct LocalImageTests {
        let scratch: Scratch
        /// A root with what is easily lost, and what must not get out.
        var source: String { scratch.path + "/source" }

        init() async throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a", "b")
            let small = try await Workshop.shared.smallRoot()
            let script = """
                set -eu
                cp -a "$1" "$2" && cd "$2"
                mkdir -p dev srv .singularity.d/env opt/deep
                mknod -m 666 dev/null c 1 3 && mknod dev/sda b 8 0 && ln dev/null dev/null2
                echo one > srv/motd && chown 12:34 srv/motd && ln srv/motd opt/motd && touch -d @1600000000 srv/motd
                cp usr/bin/true srv/setuid && chmod 4755 srv/setuid
                cp usr/bin/true srv/setgid && chmod 2755 srv/setgid
                cp usr/bin/true srv/ping && setcap cap_net_raw+ep srv/ping
                setfattr -n user.note -v kept srv/motd
                truncate -s 10M srv/hole
                ln -s /etc/passwd srv/absolute && ln -s ../../../../../etc srv/up
                mkfifo srv/fifo && chown 5:6 opt/deep && chmod 1777 opt/deep
                echo 'export FROM_IMAGE=yes' > .singularity.d/env/10-image.sh
                echo '{"org.example.image": "one", "org.example.both": "image"}' > .singularity.d/labels.json
                echo 0123456789abcdef0123456789abcdef > etc/machine-id
                mkdir -p etc/ssh && echo secret > etc/ssh/ssh_host_rsa_key
                """
            let made = try await run(["sh", "-c", script, "sh", small, source])
            try #require(made.status == 0, "\(made.errors)")
        }

        private func build(
            _ label: String = "a", from: String, more: String = "", _ arguments: [String] = [], wrapper: [String] = [],
            environment: [String: String] = [:]
        ) async throws -> Outcome {
            let header = "Bootstrap: localimage\nFrom: \(from)\n"
            let labels = "%labels\n    org.example.both recipe\n"
            try FakeRecipe(header: header + more + labels).write(scratch, label)
            return try await CommandTests.run(
                wrapper + scratch.netroot(["build", label] + arguments), environment: environment,
                folder: scratch.path)
        }

        private func image(_ name: String = "root.squashfs") async throws -> String {
            let image = "\(scratch.path)/\(name)"
            expectSuccess(try await run(["mksquashfs", source, image, "-noappend", "-no-progress", "-quiet"]))
            return image
        }

        private func sha256(_ path: String) async throws -> String {
            "sha256:" + (try await run(["sha256sum", path]).output.prefix(64))
        }

        /// What any of them must give.
        private func expectRoot(
            of label: String = "a", devices: Int? = 2, hasNodes: Bool = false,
            sourceLocation: SourceLocation = #_sourceLocation
        ) async throws {
            let generation = try scratch.store(label).current()
            let root = generation.root
            let listing = try await run(
                [
                    "sh", "-c", "cd \"$1\" && stat -c '%n %a %u:%g %h %Y' srv/motd opt/motd opt/deep srv/setuid", "sh",
                    root,
                ])
            #expect(
                listing.output == """
                    srv/motd 644 12:34 2 1600000000
                    opt/motd 644 12:34 2 1600000000
                    opt/deep 1777 5:6 2 \(try await run(["stat", "-c", "%Y", source + "/opt/deep"]).output.dropLast())
                    srv/setuid 4755 0:0 1 \(try await run(["stat", "-c", "%Y", source + "/srv/setuid"]).output.dropLast())

                    """, sourceLocation: sourceLocation)
            #expect(
                try await run(["stat", "-c", "%b", root + "/srv/hole"]).output == "0\n", sourceLocation: sourceLocation)
            #expect(try await run(["getcap", root + "/srv/ping"]).output.contains("cap_net_raw=ep"))
            #expect(try await run(["getfattr", "-d", root + "/srv/motd"]).output.contains("user.note=\"kept\""))
            #expect(try Files.linkTarget(root + "/srv/absolute") == "/etc/passwd")
            #expect(try Files.linkTarget(root + "/srv/up") == "../../../../../etc")
            let nodes = try await run(["find", root + "/dev", root + "/srv", "-type", "b", "-o", "-type", "c"]).output
            #expect(nodes.isEmpty == !hasNodes, "\(nodes)", sourceLocation: sourceLocation)
            // Cleaned as every root is; what an image brought for its users stays.
            #expect(try Files.text(root + "/etc/machine-id") == "" && !Files.exists(root + "/etc/ssh/ssh_host_rsa_key"))
            #expect(try Files.text(root + "/.singularity.d/env/10-image.sh").contains("FROM_IMAGE"))
            let labels = try JSONDecoder().decode(
                [String: String].self, from: Data(try Files.read(root + "/.singularity.d/labels.json")))
            #expect(labels == ["org.example.image": "one", "org.example.both": "recipe"])
            #expect(Files.exists(root + "/etc/dracut.conf.d/netroot-nfs.conf"))
            let manifest = generation.manifest
            #expect(manifest.bootstrap.agent == "localimage" && manifest.bootstrap.droppedDevices == devices)
            #expect(manifest.privileged == .init(setuid: 1, setgid: 1, capabilities: 1), sourceLocation: sourceLocation)
        }

        @Test func aDirectory() async throws {
            let outcome = try await build(from: "source")
            expectSuccess(outcome)
            #expect(outcome.errors.contains("left out 2 device nodes; --allow-devices keeps them\n"))
            try await expectRoot()
            let bootstrap = try scratch.store("a").current().manifest.bootstrap
            #expect(bootstrap.from == source && bootstrap.digest == nil)
            // The source is as it was.
            #expect(try Files.text(source + "/etc/machine-id").count == 33)
            expectSuccess(try await build(from: source, ["--allow-devices"]))
            try await expectRoot(devices: nil, hasNodes: true)
            let root = try scratch.store("a").current().root
            #expect(try await run(["stat", "-c", "%t:%T %a %h", root + "/dev/null"]).output == "1:3 666 2\n")
        }

        @Test func aSquashfsImageByAnyName() async throws {
            let image = try await image("image.sif")
            expectSuccess(try await build(from: image))
            try await expectRoot()
            let bootstrap = try scratch.store("a").current().manifest.bootstrap
            let digest = try await sha256(image)
            #expect(bootstrap.from == image && bootstrap.digest == digest)
            // The same image is the same build, another one is not.
            let same = try await build(from: image, ["--if-changed"])
            #expect(same.output.hasPrefix("a: generation 1 is current"), "\(same.output)\(same.errors)")
            try Files.replace(source + "/srv/new", with: [])
            _ = try await self.image("image.sif")
            expectSuccess(try await build(from: image, ["--if-changed"]))
            #expect(try scratch.store("a").current().number == 2)
        }

        @Test func aSIFFile() async throws {
            let image = try await image()
            let sif = scratch.path + "/node.img"
            for arguments in [
                ["new", sif], ["add", "--datatype", "1", sif, scratch.hosts],
                ["add", "--datatype", "4", "--partfs", "1", "--parttype", "2", "--partarch", "2", sif, image],
            ] { expectSuccess(try await run(["siftool"] + arguments)) }
            expectSuccess(try await build(from: "node.img"))
            try await expectRoot()
            let digest = try await sha256(sif)
            #expect(try scratch.store("a").current().manifest.bootstrap.digest == digest)
        }

        /// A label begins with another's tree, a third with the image of that; transports that it does not have go.
        @Test func aLabel() async throws {
            try scratch.write(
                "hosts.conf",
                """
                [DEFAULT]
                RECIPE = ${label}.def
                [a]
                TRANSPORTS = nfs nbd
                [b]
                [c]
                FORMAT = squashfs
                [d]

                """)
            expectError(
                try await build("b", from: "label:a"), .usage,
                ["\(scratch.path)/b.def:2: From: label 'a' has no generation yet; netroot build a first"])
            expectSuccess(try await build("a", from: "source"))
            #expect(Files.exists(try scratch.store("a").current().root + "/etc/dracut.conf.d/netroot-nbd.conf"))
            expectSuccess(try await build("b", from: "label:a"))
            try await expectRoot(of: "b", devices: nil)
            let b = try scratch.store("b").current()
            #expect(b.manifest.bootstrap == .init(agent: "localimage", from: "label:a@1"))
            #expect(!Files.exists(b.root + "/etc/dracut.conf.d/netroot-nbd.conf"))
            #expect(b.manifest.transports == ["nfs"])
            let unchanged = try await build("b", from: "label:a", ["--if-changed"])
            #expect(unchanged.output.hasPrefix("b: generation 1 is current"), "\(unchanged.output)\(unchanged.errors)")
            expectSuccess(try await build("a", from: "source"))
            expectSuccess(try await build("b", from: "label:a", ["--if-changed"]))
            #expect(try scratch.store("b").current().manifest.bootstrap.from == "label:a@2")
            expectSuccess(try await build("b", from: "label:a@1"))
            #expect(try scratch.store("b").current().manifest.bootstrap.from == "label:a@1")

            expectSuccess(try await build("c", from: "label:b"))
            let c = try scratch.store("c").current()
            #expect(c.artifact(.tree) == nil)
            expectSuccess(try await build("d", from: "label:c"))
            try await expectRoot(of: "d", devices: nil)
            let d = try scratch.store("d").current().manifest.bootstrap
            let packed = try #require(c.artifact(.squashfs)?.sha256)
            #expect(d.from == "label:c@1" && d.digest == "sha256:\(packed)")
        }

        @Test func whatIsNoRootIsRefusedBeforeAnythingIsChanged() async throws {
            try scratch.write("script.sif", "#!/bin/sh\n")
            try scratch.write("empty", "")
            try await Fabricated.generation(of: try scratch.label("b"))
            try Files.makeDirectory(scratch.path + "/netroots/a")
            let rows: [(String, [String])] = [
                ("missing.sif", ["\(scratch.path)/missing.sif does not exist", "relative to the recipe"]),
                ("script.sif", ["\(scratch.path)/script.sif is a script", "a squashfs image or a SIF file"]),
                ("empty", ["/empty is empty"]), ("/dev/null", ["/dev/null is a device"]),
                ("label:bb", ["no label 'bb' in \(scratch.hosts)", "did you mean 'b'?"]),
                ("label:b@7", ["label 'b' has no generation 7", "there are: 1"]),
                ("label:a", ["label:a is the label that is built", "netroot shell a"]),
                ("label:a@3", ["label 'a' has no generation 3", "it has none yet"]),
                (scratch.path, ["holds \(scratch.path)/netroots/a, where a is built"]),
                ("/", ["holds \(scratch.path)/netroots/a"]),
                ("netroots/a", ["holds \(scratch.path)/netroots/a"]),
                ("netroots/b/current", ["is a generation of netroot, not a root", "label:NAME@NUMBER"]),
            ]
            for (from, words) in rows {
                try FakeRecipe(header: "Bootstrap: localimage\nFrom: \(from)\n").write(scratch)
                let before = try await scratch.snapshot()
                let outcome = try await scratch.run("build", "a")
                expectError(outcome, .usage, ["\(scratch.path)/a.def:2: From: "] + words)
                #expect(try await scratch.snapshot() == before)
            }
        }

        /// Without the check of names this would write beside the root.
        @Test func anImageWhoseNameLeadsOutLeavesNothing() async throws {
            let evil = scratch.path + "/evil"
            try Files.makeDirectory(evil)
            try Files.replace(evil + "/qqqqqqqqq", with: Array("pwned".utf8))
            let options = ["-noappend", "-no-progress", "-quiet", "-noI", "-no-fragments"]
            expectSuccess(try await run(["mksquashfs", evil, evil + ".squashfs"] + options))
            var bytes = try Files.read(evil + ".squashfs")
            let found = try #require(bytes.firstRange(of: Array("qqqqqqqqq".utf8)))
            bytes.replaceSubrange(found, with: Array("../pwned1".utf8))
            try Files.replace(evil + ".squashfs", with: bytes)
            let outcome = try await build(from: "evil.squashfs")
            expectError(
                outcome, .failed, ["evil.squashfs is corrupt: /: a name that is none", "copy or build it again"])
            let traces = try await run(["find", scratch.path, "-name", "pwned*"])
            #expect(traces.output.isEmpty)
            #expect(try Files.names(in: scratch.path + "/netroots/a/generations") == [])
        }

        /// The numbers of a build without root: whose files these are cannot be seen, or cannot be made.
        @Test func inAUserNamespace() async throws {
            try scratch.write("hosts.conf", "[a]\nRECIPE = a.def\nFORMAT = squashfs\nCOMPRESSION = zstd:1\n")
            let image = try await image()
            expectSuccess(try await run(["chown", "100000:100000", scratch.path]))
            // As newuidmap(1) does it for a user with a range; root writes the map itself.
            let inside = """
                while [ ! -e "$0" ]; do sleep 0.05; done; exec setpriv --reuid 0 --regid 0 --clear-groups -- "$@"
                """
            let mapped = """
                rm -f "$1"
                unshare --user --keep-caps -- sh -c "$0" "$@" & pid=$!
                until [ "$(readlink /proc/$pid/ns/user)" != "$(readlink /proc/$$/ns/user)" ]; do sleep 0.05; done
                echo 0 100000 65536 > /proc/$pid/uid_map && echo 0 100000 65536 > /proc/$pid/gid_map
                touch "$1"; wait $pid
                """
            let namespace = ["sh", "-c", mapped, inside, scratch.path + "/mapped"]
            let cache = ["NETROOT_CACHE": scratch.path + "/cache"]
            let built = try await build(from: image, wrapper: namespace, environment: cache)
            expectSuccess(built)
            let generation = try scratch.store("a").current()
            let listing = try await run(["unsquashfs", "-lln", generation.image, "srv", "dev"]).output
            #expect(listing.contains("-rw-r--r-- 12/34") && listing.contains("-rwsr-xr-x 0/0"), "\(listing)")
            #expect(generation.manifest.privileged == .init(setuid: 1, setgid: 1, capabilities: 1))
            let devices = try await build(from: image, ["--allow-devices"], wrapper: namespace, environment: cache)
            expectError(devices, .failed, ["the device node", "cannot be made without root"])
            // root's files belong to nobody that the namespace knows.
            expectSuccess(try await run(["chmod", "755", scratch.path]))
            let foreign = try await build(from: source, wrapper: namespace, environment: cache)
            expectError(foreign, .failed, [source, "belongs to somebody else", "as the user who builds"])
            expectSuccess(try await run(["chown", "-R", "-h", "100000:100000", source]))
            expectSuccess(try await build(from: source, wrapper: namespace, environment: cache))
            expectSuccess(try await run(["chown", "-R", "-h", "0:0", source]))
            expectSuccess(try await run(["chown", "-h", "70000:1", source + "/srv/motd"]))
            expectSuccess(
                try await run(["mksquashfs", source, image, "-noappend", "-no-progress", "-quiet"]))
            let owner = try await build(from: image, wrapper: namespace, environment: cache)
            expectError(owner, .failed, ["/motd belongs to user 70000 and group 1,", "/etc/subuid"])
        }

        // MARK: - Signatures

        private static let keys = [
            "35C72B901A855306E273517227D4D88F21B60763", "44380371610F8EB6486D606984C2D138608A81EC",
        ]
        private static let stranger = "0123456789ABCDEF0123456789ABCDEF01234567"

        /// Builds from the file that the reference implementation signed; its root has no kernel, so a build goes on until
        /// that is missed.
        private func buildSigned(
            _ keys: [String], home: String, _ change: (inout [UInt8]) -> Void = { _ in }
        ) async throws -> Outcome {
            let folder = Place.checkout + "/Tests/CommandTests/Golden/signed-sif"
            let sif = scratch.path + "/signed.sif"
            expectSuccess(
                try await run(["sh", "-c", "gzip -dc \"$1\" > \"$2\"", "sh", folder + "/signed.sif.gz", sif]))
            var bytes = try Files.read(sif)
            change(&bytes)
            try Files.replace(sif, with: bytes)
            try Files.makeDirectory(scratch.path + "/with/.apptainer/keys")
            try Files.makeDirectory(scratch.path + "/without")
            try Files.replace(
                scratch.path + "/with/.apptainer/keys/pgp-public", with: try Files.read(folder + "/keys.pgp"))
            let fingerprints = keys.isEmpty ? "" : "Fingerprints: \(keys.joined(separator: ","))\n"
            try scratch.write("a.def", "Bootstrap: localimage\nFrom: signed.sif\n\(fingerprints)")
            return try await scratch.run(
                "build", "a", environment: ["HOME": "\(scratch.path)/\(home)", "GNUPGHOME": scratch.path + "/gnupg"])
        }

        @Test func goodSignaturesAreTaken() async throws {
            let noKernel = ["the root has no kernel"]
            for keys in [[], [Self.keys[0]], [Self.keys[1].lowercased()], Self.keys] {
                expectError(try await buildSigned(keys, home: "with"), .failed, noKernel)
            }
            // By GnuPG's own keyring.
            let folder = scratch.path + "/gnupg"
            try Files.makeDirectory(folder, mode: 0o700)
            let keys = Place.checkout + "/Tests/CommandTests/Golden/signed-sif/keys.pgp"
            expectSuccess(
                try await run(["gpg", "--homedir", folder, "--batch", "--quiet", "--no-autostart", "--import", keys]))
            expectError(try await buildSigned(Self.keys, home: "without"), .failed, noKernel)
        }

        @Test func otherSignaturesAreNot() async throws {
            let missing = try await buildSigned([Self.keys[0], Self.stranger], home: "with")
            expectError(
                missing, .failed, ["signed.sif has no good signature of \(Self.stranger) with a key that is here"])
            let noKeys = try await buildSigned(Self.keys, home: "without")
            expectError(noKeys, .failed, [Self.keys[0], Self.keys[1], "gpg --import"])
            // A byte of the root, the version's end in the header, a name in a descriptor, the signed text, the signature.
            let root = 32768..<33015
            let rows: [(Int, String)] = [
                (root.lowerBound + 100, "object 2 of the group is another one"), (31, "the header is another one"),
                (4096 + 73, "object 1 of the group is another one"),
                (4096 + 585 + 300, "object 2 of the group is another one"),
                (33015 + 120, "no good signature"), (33015 + 700, "no good signature"),
            ]
            for (place, words) in rows {
                let outcome = try await buildSigned([Self.keys[0]], home: "with") { $0[place] ^= 1 }
                expectError(outcome, .failed, ["signed.sif", words])
                #expect(!Files.exists(scratch.path + "/netroots/a/current"))
            }
            // A signature that is about another object than the root's group.
            let unlinked = try await buildSigned([Self.keys[0]], home: "with") { bytes in
                for number in [2, 3] { bytes[4096 + number * 585 + 13] ^= 3 }
            }
            expectError(unlinked, .failed, ["has no PGP signature", "apptainer sign"])
        }

        @Test func fingerprintsOfWhatCannotBeSigned() async throws {
            let outcome = try await build(from: "source", more: "Fingerprints: \(Self.stranger)\n")
            expectError(outcome, .usage, ["\(scratch.path)/a.def:2: Fingerprints: only a SIF file is signed"])
        }
    }
}
