import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem
import NetrootTree

/// The agents docker, oci, docker-archive and oci-archive: the image of a container, fetched by skopeo and unpacked by
/// `LayerUnpack`.
///
/// An image is not trusted: a layer's member that would leave the root is refused, and the writer follows no symlink whatever
/// the check says. One reader's opinion on a strange archive counts.
struct Container: Agent {
    /// The agent's part of the recipe's header.
    let header: AgentHeader.Container

    var tools: [Tool] {
        [
            Tool("skopeo", package: "skopeo"), Tool("flock", package: "util-linux"), Tool("zstd", package: "zstd"),
            Tool("gzip", package: "gzip"),
        ]
    }

    var line: Int? { header.line }

    func check(_ allows: Allowances) throws {
        guard case .file(let path, _) = header.image else { return }
        guard Files.exists(path) else {
            throw BuildError.wrongHeader(
                problem: "From: \(path) does not exist", hint: "paths are relative to the recipe")
        }
        let isDirectory = Files.isDirectory(path)
        guard isDirectory == (header.source == .oci) else {
            throw isDirectory
                ? BuildError.wrongHeader(
                    problem: "From: \(path) is a directory", hint: "an OCI image layout is agent oci")
                : BuildError.wrongHeader(
                    problem: "From: \(path) is a file", hint: "an archive is agent oci-archive")
        }
    }

    /// Fills the root.
    /// - Throws: `ContainerError`, `LayerError`, `RootFillError`, `MissingError`, `CommandError`, `SystemError`,
    ///   `CancellationError`.
    func run(in place: AgentPlace) async throws -> Manifest.Bootstrap {
        let digest = try await digest()
        let reference = reference(digest)
        var image = try await fetch(reference, in: place)
        let report: LayerUnpack.Report
        do {
            report = try await unpack(image, in: place)
        } catch let error as LayerError {
            let gone = try await removeDamaged(image)
            guard gone > 0 else { throw error }
            place.progress.note("fetched again: \(gone) layers in the cache were not what they were when they came")
            image = try await fetch(reference, in: place)
            // By their bytes: an image's names need not be text.
            let root = try DirectoryHandle(place.root)
            for name in try root.names() { try root.removeAll(name) }
            report = try await unpack(image, in: place)
        }
        let dropped = report.devices
        guard dropped == 0 || !place.allows.devices else {
            throw ContainerError.devices(image: header.from, count: dropped)
        }
        try ImageEnvironment(image.config.config?.env ?? []).write(to: RootTree(directory: place.root))
        if dropped > 0 { place.progress.note("left out \(dropped) device nodes; --allow-devices keeps them") }
        if report.xattrs > 0 {
            place.progress.note("left out \(report.xattrs) extended attributes that only root may set")
        }
        return Manifest.Bootstrap(
            agent: header.source.rawValue, from: header.from, digest: digest,
            droppedDevices: dropped > 0 ? dropped : nil)
    }

    func isUnchanged(since manifest: Manifest.Bootstrap) async throws -> Bool {
        try Tool.require(tools)
        guard manifest.from == header.from else { return false }
        return manifest.digest == (try await digest())
    }

    /// What `From:` stands for now: in a registry or a layout the digest that the name has, of an archive the file's own.
    private func digest() async throws -> String {
        switch header.image {
        case .reference(let reference):
            if let at = reference.firstIndex(of: "@") { return String(reference[reference.index(after: at)...]) }
            return try await inspected("docker://\(reference)", in: nil)
        case .file(let path, let name):
            guard header.source == .oci else { return try Digest.of(file: path).text }
            // skopeo's own paths cannot hold a colon; the folder's may.
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            let folder = parts.dropLast().joined(separator: "/")
            let source = "oci:./\(parts.last ?? "")" + (name.map { ":\($0)" } ?? "")
            return try await inspected(source, in: folder.isEmpty ? "/" : folder)
        }
    }

    private func inspected(_ source: String, in folder: String?) async throws -> String {
        let argv = [
            "skopeo", "--override-os", "linux", "--override-arch", "amd64", "inspect", "--no-tags", "--format",
            "{{.Digest}}", "--", source,
        ]
        do {
            let printed = try await CommandRunner().capture(Command(argv, workingDirectory: folder).contained)
            return String(printed.filter { !$0.isWhitespace })
        } catch let error as CommandError {
            throw ContainerError.explained(error, image: header.from)
        }
    }

    /// What skopeo is asked for.
    private struct Reference {
        /// In skopeo's words.
        let source: String
        /// What the symlink `source` points at.
        var file: String?
    }

    /// An image in a registry is fetched by its digest: that is what the manifest says, whatever happens to the tag meanwhile.
    private func reference(_ digest: String) -> Reference {
        switch header.image {
        case .file(let path, let name):
            return Reference(
                source: "\(header.source.rawValue):source" + (name.map { ":\($0)" } ?? ""), file: path)
        case .reference(let reference):
            let name = reference.prefix { $0 != "@" }
            let slash = name.lastIndex(of: "/") ?? name.startIndex
            let untagged = name[slash...].lastIndex(of: ":").map { name[..<$0] } ?? name
            return Reference(source: "docker://\(untagged)@\(digest)")
        }
    }

    /// Copies the image into the cache. What is there already and not what its name says is removed and fetched again.
    private func fetch(_ reference: Reference, in place: AgentPlace) async throws -> ImageLayout {
        try await Self.healing(image: header.from) {
            try await copy(reference, in: place)
        } remove: { wrong in
            _ = try await CommandRunner().capture(Command(["rm", "-f", "--", wrong.path]))
            place.progress.note(
                "\(wrong.digest.prefix(19)) in the cache was not what its name says: removed, and fetched again")
        }
    }

    /// Copies until no blob is wrong: the manifest may be, and then the configuration that it names.
    /// - Throws: `ContainerError.damaged` where a blob that was removed comes back wrong.
    static func healing<Layout>(
        image: String, copy: () async throws -> Layout, remove: (ImageLayout.WrongBlob) async throws -> Void
    ) async throws -> Layout {
        var removed: Set<String> = []
        while true {
            do {
                return try await copy()
            } catch let wrong as ImageLayout.WrongBlob {
                // Each is removed once, and an image has two that are read here.
                guard removed.insert(wrong.digest).inserted, removed.count < 8 else {
                    throw ContainerError.damaged(image: image, problem: "\(wrong.digest) is another file's digest")
                }
                try await remove(wrong)
            }
        }
    }

    private func copy(_ reference: Reference, in place: AgentPlace) async throws -> ImageLayout {
        // What a login was needed for is not for everybody.
        let cache = try place.cacheDirectory("container")
        let digestFile = place.scratch + "/image-digest"
        let argv =
            [place.shipped.libexec + "/fetch-image", cache, reference.source, digestFile, place.scratch]
            + (reference.file.map { [$0] } ?? [])
        do {
            try await place.runner.run(Command(argv).contained)
        } catch let error as CommandError {
            throw ContainerError.explained(error, image: header.from)
        }
        let digest = try Files.text(digestFile, limit: 1 << 10)
        return try ImageLayout(
            directory: cache + "/layout", digest: String(digest.filter { !$0.isWhitespace }), from: header.from)
    }

    private func unpack(_ image: ImageLayout, in place: AgentPlace) async throws -> LayerUnpack.Report {
        // mknod(2) is not allowed in a user namespace.
        let keepsDevices = try place.allows.devices && !UserNamespace.isEntered()
        var unpack = try LayerUnpack(directory: place.root, keepsDevices: keepsDevices)
        do {
            for (number, layer) in image.layers.enumerated() {
                let name = "\(header.from), layer \(number + 1) of \(image.layers.count) (\(layer.blob.prefix(19)))"
                try await unpack.add(
                    try image.path(of: layer.blob), layer: name, digest: layer.content,
                    limit: UInt64(clamping: try Files.freeBytes(at: place.root)))
            }
            return try unpack.finish()
        } catch RootFillError.owner(_, let uid, let gid) {
            throw ContainerError.unknownOwner(
                image: header.from, owner: max(uid, gid), users: try UserNamespace.users())
        }
    }

    /// Removes the blobs of the image that are not what their names say: after a crash of the machine, say.
    /// - Returns: how many there were.
    private func removeDamaged(_ image: ImageLayout) async throws -> Int {
        var gone = 0
        for layer in Set(image.layers.map(\.blob)).sorted() where layer.hasPrefix("sha256:") {
            let path = try image.path(of: layer)
            guard try Digest.of(file: path).text != layer else { continue }
            try Files.removeTree(path)
            gone += 1
        }
        return gone
    }
}

/// The environment that an image is run with, as a script that logins read.
struct ImageEnvironment {
    /// Where Apptainer has it.
    static let path = ".singularity.d/env/10-docker2singularity.sh"

    private let lines: [String]

    /// - Parameter variables: `NAME=VALUE` each.
    init(_ variables: [String]) {
        lines = variables.compactMap { variable in
            let parts = variable.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let first = parts[0].utf8.first, !(0x30...0x39).contains(first),
                parts[0].utf8.allSatisfy({ Self.isNameByte($0) }), !parts[1].utf8.contains(0)
            else { return nil }
            let name = String(parts[0])
            let value = "'" + parts[1].replacing("'", with: "'\\''") + "'"
            // As Apptainer does: what is set already stays, but PATH is the image's.
            return name == "PATH" ? "export PATH=\(value)" : "[ -n \"${\(name):-}\" ] || export \(name)=\(value)"
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF)
    }

    /// Nothing where the image sets nothing.
    func write(to tree: RootTree) throws {
        guard !lines.isEmpty else { return }
        let text = (["#!/bin/sh", "# ENV of the container image"] + lines).joined(separator: "\n") + "\n"
        try tree.write(Self.path, text, mode: 0o755)
    }
}
