import Glibc
import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem
import NetrootTree

/// The localimage agent: a root that is on this machine already, as a directory, a squashfs image, a SIF file, or the
/// generation of a label.
struct LocalImage: Agent {
    /// The agent's part of the recipe's header.
    let header: AgentHeader.LocalImage
    let hosts: HostsFile
    /// The label that is built.
    let building: Label

    var line: Int? { header.line }

    var tools: [Tool] { header.fingerprints.isEmpty ? [] : SIFSignature.tools }

    func check(_ allows: Allowances) throws {
        switch header.source {
        case .label(let name, let number): _ = try generation(name, number)
        case .path(let path): _ = try source(path)
        }
        if !header.fingerprints.isEmpty { try requireSIF() }
    }

    /// Fills the root.
    /// - Throws: `BuildError`, `StoreError`, `SIFError`, `SIFSignatureError`, `SquashfsReadError`, `RootFillError`, `CommandError`,
    ///   `SystemError`, `CancellationError`.
    func run(in place: AgentPlace) async throws -> Manifest.Bootstrap {
        let fill = RootFill(directory: place.root, keepsDevices: place.allows.devices)
        switch header.source {
        case .label(let name, let number):
            let generation = try generation(name, number)
            let hold = try generation.hold()
            defer { withExtendedLifetime(hold) {} }
            let report = try await fill.takeRoot(of: generation)
            return manifest(Self.text(name, generation), digest(of: generation), report, place)
        case .path(let path):
            var file = path
            if !header.fingerprints.isEmpty {
                // Whoever may write the file could change it between the check and the unpacking.
                file = place.scratch + "/image.sif"
                try await place.runner.run(Command(["cp", "--reflink=auto", "--", path, file]))
                try await SIFSignature(sif: try SIF(file), name: path, fingerprints: header.fingerprints).verify(
                    scratch: place.scratch, runner: place.runner)
            }
            let source = try source(file)
            let report = try source.fill(fill)
            return manifest(path, try digest(of: file, source), report, place)
        }
    }

    func isPublished() throws -> Bool {
        // The one client of a root that it can write to makes names and keys of its own.
        guard case .label(let name, let number) = header.source else { return false }
        return try !generation(name, number).manifest.readWrite
    }

    func isUnchanged(since manifest: Manifest.Bootstrap) async throws -> Bool {
        switch header.source {
        case .label(let name, let number):
            let generation = try generation(name, number)
            return manifest.from == Self.text(name, generation) && manifest.digest == digest(of: generation)
        case .path(let path):
            let now = try digest(of: path, try source(path))
            return manifest.from == path && manifest.digest == now
        }
    }

    private static func text(_ label: String, _ generation: Generation) -> String {
        "label:\(label)@\(generation.number)"
    }

    /// What tells one source from the next: of a tree nothing.
    private func digest(of generation: Generation) -> String? {
        guard generation.artifact(.tree) == nil else { return nil }
        return generation.artifact(.squashfs)?.sha256.map { "sha256:\($0)" }
    }

    private func digest(of path: String, _ source: RootSource) throws -> String? {
        if case .directory = source { return nil }
        return try Digest.of(file: path).text
    }

    private func manifest(
        _ from: String, _ digest: String?, _ report: RootFill.Report, _ place: AgentPlace
    ) -> Manifest.Bootstrap {
        if report.devices > 0 {
            place.progress.note("left out \(report.devices) device nodes; --allow-devices keeps them")
        }
        if report.xattrs > 0 {
            place.progress.note("left out \(report.xattrs) extended attributes that only root may set")
        }
        return Manifest.Bootstrap(
            agent: "localimage", from: from, digest: digest,
            droppedDevices: report.devices > 0 ? report.devices : nil)
    }

    // MARK: - What From: names

    private func error(_ problem: String, _ hint: String) -> BuildError {
        .wrongHeader(problem: "From: \(problem)", hint: hint)
    }

    private func generation(_ name: String, _ number: Int?) throws -> Generation {
        let label: Label
        do throws(ConfigError) {
            label = try hosts.label(name)
        } catch let unknown {
            throw error("\(unknown.problem) in \(hosts.path)", unknown.hint ?? "see netroot list")
        }
        // Each build would pile up on the one before it.
        if label.name == building.name, number == nil {
            throw error(
                "label:\(name) is the label that is built",
                "name the generation, label:\(name)@NUMBER, or edit it with netroot shell \(name)")
        }
        let store = LabelStore(label: label)
        do {
            return try number.map { try store.generation($0) } ?? store.current()
        } catch StoreError.empty {
            throw error("label '\(name)' has no generation yet", "netroot build \(name) first")
        } catch StoreError.unknown(_, let number, let known) {
            let list = known.map(String.init).joined(separator: " ")
            throw error(
                "label '\(name)' has no generation \(number)", known.isEmpty ? "it has none yet" : "there are: \(list)")
        }
    }

    private func source(_ path: String) throws -> RootSource {
        guard Files.exists(path), let real = Self.realPath(path) else {
            throw error("\(path) does not exist", "paths are relative to the recipe")
        }
        guard Files.isDirectory(real) else {
            do {
                return try RootSource(path)
            } catch let foreign as RootSourceError {
                throw error("\(path) is \(foreign.looks)", "give a directory, a squashfs image or a SIF file")
            }
        }
        // Where it will be: it may not be there yet.
        let nearest = Files.nearestDirectory(building.netroot)
        let netroot = (Self.realPath(nearest) ?? nearest) + building.netroot.dropFirst(nearest.count)
        guard !(netroot + "/").hasPrefix(real == "/" ? "/" : real + "/"),
            !real.hasPrefix(netroot + "/generations/.building-")
        else {
            throw error(
                "\(path) holds \(building.netroot), where \(building.name) is built: the copy would hold itself",
                "give a directory beside it")
        }
        if Files.exists(real + "/manifest.json"), Files.exists(real + "/vmlinuz") {
            throw error("\(path) is a generation of netroot, not a root", "write From: label:NAME@NUMBER")
        }
        return .directory(real)
    }

    /// Only a SIF file has signatures.
    private func requireSIF() throws {
        guard case .path(let path) = header.source, case .sif = try source(path) else {
            throw BuildError.wrongHeader(
                problem: "Fingerprints: only a SIF file is signed, and From: names none", hint: "remove Fingerprints:")
        }
    }

    private static func realPath(_ path: String) -> String? {
        guard let found = realpath(path, nil) else { return nil }
        defer { free(found) }
        return String(cString: found)
    }
}
