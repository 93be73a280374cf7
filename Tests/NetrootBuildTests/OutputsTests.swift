import NetrootConfig
import NetrootEntry
import NetrootStore
import TestSupport
import Testing

@testable import NetrootBuild

/// Which outputs a label's FORMAT and TRANSPORTS choose.
@Suite struct OutputsTests {
    private func label(_ lines: String) throws -> Label {
        try HostsFile(text: "[a]\nRECIPE = a.def\n\(lines)", path: "/hosts.conf", transports: Transports.shipped.names)
            .label("a")
    }

    private func outputs(_ lines: String) throws -> Outputs {
        try Outputs(of: try label(lines), transports: .shipped, cache: "/cache")
    }

    @Test(arguments: [
        ("", [Label.Format.tree]), ("FORMAT = squashfs", [.squashfs]), ("FORMAT = squashfs tree", [.tree, .squashfs]),
        ("TRANSPORTS = nfs nbd", [.tree, .squashfs]), ("TRANSPORTS = http", [.tree, .squashfs]),
        ("FORMAT = squashfs\nTRANSPORTS = nfs nbd http iscsi", [.squashfs]),
        ("FORMAT = tree squashfs\nTRANSPORTS = nbd", [.tree, .squashfs]),
        ("FORMAT = initramfs", [.initramfs]), ("TRANSPORTS = ram", [.tree, .initramfs]),
        ("FORMAT = initramfs\nTRANSPORTS = ram nbd", [.squashfs, .initramfs]),
    ])
    func thoseOfTheFormatAndTheTransports(lines: String, formats: [Label.Format]) throws {
        #expect(try outputs(lines).chosen.map(\.format) == formats)
    }

    /// Every word of FORMAT has an output, or a label that names it would get nothing.
    @Test func everyFormatHasOne() throws {
        let all = Outputs.all(of: try label(""), cache: "/cache")
        #expect(Set(all.map(\.format)) == Set(Label.Format.allCases) && all.count == Label.Format.allCases.count)
        // And every kind comes from one output: of two the later would overwrite the artifact of the earlier.
        let kinds = all.flatMap(\.kinds)
        #expect(kinds.count == Set(kinds).count)
    }

    @Test(arguments: [
        ("FORMAT = initramfs", false), ("TRANSPORTS = ram", false), ("TRANSPORTS = nfs ram", true), ("", true),
    ])
    func aRootInRAMAloneNeedsNoInitramfsOfDracut(lines: String, needs: Bool) throws {
        #expect(try outputs(lines).needInitramfs == needs)
    }

    @Test func onlyTheLayoutCpioLosesCapabilities() throws {
        #expect(try outputs("FORMAT = initramfs").loseCapabilities == nil)
        #expect(try outputs("FORMAT = initramfs\nINITRAMFS_LAYOUT = cpio").loseCapabilities?.contains("cpio") == true)
    }

    @Test(arguments: [
        ("zstd:9", ".zst"), ("xz", ".xz"), ("gzip", ".gz"), ("lz4", ".lz4"), ("none", ""),
    ])
    func theNameFollowsTheCodec(compression: String, end: String) throws {
        #expect(try BlockCompression(parsing: compression).codec.fileExtension == end)
    }

    @Test func aTreeNeedsRoot() throws {
        #expect(try outputs("").needRoot && outputs("FORMAT = squashfs tree").needRoot)
        #expect(try !outputs("FORMAT = squashfs\nTRANSPORTS = nfs nbd").needRoot)
    }

    @Test func aManifestFitsWhenEveryArtifactWouldBeTheSame() throws {
        let kernel = Manifest.Artifact(.kernel, bytes: 1, sha256: "00")
        let initramfs = Manifest.Artifact(.initramfs, bytes: 1, sha256: "00")
        func manifest(_ artifacts: Manifest.Artifact...) -> Manifest {
            Manifest(
                label: "a", generation: 1, formats: [], artifacts: [kernel, initramfs] + artifacts, transports: [],
                readWrite: false, origin: .init(verb: "build"), recipe: .init(path: "/a.def", sha256: "00"),
                bootstrap: .init(agent: "scratch"), privileged: .init(setuid: 0, setgid: 0, capabilities: 0),
                shipped: "00", kernelVersion: "6", packages: [], netroot: "0", started: "", finished: "", steps: [])
        }
        let tree = Manifest.Artifact(.tree, bytes: 1)
        func squashfs(_ compression: String, _ blockSize: Int) -> Manifest.Artifact {
            .init(
                .squashfs, bytes: 1, sha256: "00",
                image: .init(compression: compression, blockSize: blockSize, unpackedBytes: 1))
        }
        #expect(try outputs("").fit(manifest(tree)))
        #expect(try !outputs("").fit(manifest(tree, squashfs("zstd:9", 1 << 20))))
        #expect(try !outputs("TRANSPORTS = nbd").fit(manifest(tree)))
        #expect(try outputs("TRANSPORTS = nbd").fit(manifest(tree, squashfs("zstd:9", 1 << 20))))
        #expect(try outputs("FORMAT = squashfs").fit(manifest(squashfs("zstd:9", 1 << 20))))
        #expect(try !outputs("FORMAT = squashfs").fit(manifest(squashfs("zstd:8", 1 << 20))))
        #expect(try !outputs("FORMAT = squashfs").fit(manifest(squashfs("zstd:9", 1 << 17))))
    }

    @Test func anArchiveFitsWhenItWouldBeTheSame() throws {
        func manifest(
            _ layout: Label.InitramfsLayout, _ compression: String, _ blockSize: Int?, initramfs: Bool = false
        ) -> Manifest {
            let archive = Manifest.Archive(
                layout: layout, compression: compression, unpackedBytes: 1, leastRAM: 1, blockSize: blockSize)
            let more = initramfs ? [Manifest.Artifact(.initramfs, bytes: 1, sha256: "00")] : []
            return Manifest(
                label: "a", generation: 1, formats: [],
                artifacts: more + [.init(.kernel, bytes: 1, sha256: "00"), .init(.rescue, bytes: 1, archive: archive)],
                transports: [], readWrite: false, origin: .init(verb: "build"),
                recipe: .init(path: "/a.def", sha256: "00"), bootstrap: .init(agent: "scratch"),
                privileged: .init(setuid: 0, setgid: 0, capabilities: 0), shipped: "00", kernelVersion: "6",
                packages: [], netroot: "0", started: "", finished: "", steps: [])
        }
        let squashfs = try outputs("FORMAT = initramfs")
        let cpio = try outputs("FORMAT = initramfs\nINITRAMFS_LAYOUT = cpio")
        #expect(squashfs.fit(manifest(.squashfs, "zstd:9", 1 << 20)) && cpio.fit(manifest(.cpio, "zstd:9", nil)))
        #expect(!squashfs.fit(manifest(.cpio, "zstd:9", nil)) && !cpio.fit(manifest(.squashfs, "zstd:9", 1 << 20)))
        #expect(!squashfs.fit(manifest(.squashfs, "zstd:8", 1 << 20)))
        #expect(!squashfs.fit(manifest(.squashfs, "zstd:9", 1 << 17)))
        #expect(!squashfs.fit(manifest(.squashfs, "zstd:9", 1 << 20, initramfs: true)))
    }
}
