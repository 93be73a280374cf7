import NetrootSystem
import TestSupport

@testable import NetrootImage

/// What a layer's check passes on, of the last of several layers.
struct Checked {
    private(set) var target = ModelTarget()
    private(set) var dropped = 0

    /// `path` or `path -> target` of each member that makes something; the root is `./`.
    var names: [String] {
        target.made.map { entry in
            let link = entry.link.isEmpty ? "" : " -> " + String(decoding: entry.link, as: UTF8.self)
            return (entry.path.isEmpty ? "./" : String(decoding: entry.path, as: UTF8.self)) + link
        }
    }

    /// What was there and is gone.
    var removed: [String] { target.removed.map { String(decoding: $0, as: UTF8.self) } }

    /// Checks layers one after the other.
    /// - Parameter pieces: the bytes come in pieces of this size.
    static func layers(_ layers: [[UInt8]], devices: Bool = false, pieces: Int = .max) throws -> Checked {
        var filter = LayerFilter(ModelTarget(), keepsDevices: devices)
        for (number, layer) in layers.enumerated() {
            filter.beginLayer("layer \(number + 1)")
            filter.target.beginLayer()
            var reader = TarReader(name: "layer \(number + 1)")
            var rest = layer[...]
            while !rest.isEmpty {
                let piece = rest.prefix(pieces)
                try reader.read(piece, &filter)
                rest = rest.dropFirst(piece.count)
            }
            try reader.finish()
        }
        return Checked(target: filter.target, dropped: filter.droppedDevices)
    }
}

/// A root that is names only, and takes nothing that a directory on disk would not take.
struct ModelTarget: LayerTarget {
    struct Impossible: Error {
        let what: String
    }

    /// How many names are in each directory; nil for what is none.
    private(set) var files: [[UInt8]: Int?] = [[]: 0]
    private(set) var made: [TarEntry] = []
    private(set) var removed: [[UInt8]] = []
    private var contentLeft: UInt64?

    mutating func beginLayer() {
        made = []
        removed = []
    }

    private mutating func put(_ path: [UInt8], isDirectory: Bool) throws {
        guard files[path] == nil else { throw Impossible(what: "made twice: \(text(path))") }
        let parent = DirectoryHandle.split(path).directory
        guard let names = files[parent] ?? nil else { throw Impossible(what: "no directory for \(text(path))") }
        files[parent] = names + 1
        files[path] = isDirectory ? .some(0) : .some(nil)
    }

    mutating func remove(_ path: [UInt8], isDirectory: Bool) throws {
        guard let file = files[path], isDirectory == (file != nil), file ?? 0 == 0 else {
            throw Impossible(what: "removed what is not there, or not empty: \(text(path))")
        }
        files[path] = nil
        let parent = DirectoryHandle.split(path).directory
        files[parent] = ((files[parent] ?? nil) ?? 0) - 1
        removed.append(path)
    }

    mutating func makeDirectory(_ path: [UInt8], modified: UInt32) throws { try put(path, isDirectory: true) }

    mutating func make(_ entry: TarEntry) throws {
        if case .hardLink(let original) = entry.kind, !files.keys.contains(original) || files[original] != .some(nil) {
            throw Impossible(what: "a link to nothing: \(text(original))")
        }
        try put(entry.path, isDirectory: entry.kind == .directory)
        made.append(entry)
        if entry.kind == .regular { contentLeft = entry.size }
    }

    mutating func change(_ entry: TarEntry) throws {
        guard entry.kind == .directory, files[entry.path] ?? nil != nil else {
            throw Impossible(what: "no directory: \(text(entry.path))")
        }
        made.append(entry)
    }

    mutating func content(_ bytes: ArraySlice<UInt8>) throws {
        guard let left = contentLeft, left >= UInt64(bytes.count) else { throw Impossible(what: "content of nothing") }
        contentLeft = left - UInt64(bytes.count)
    }

    mutating func endContent() throws {
        guard contentLeft == 0 else { throw Impossible(what: "the end of nothing") }
        contentLeft = nil
    }

    private func text(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }
}

/// Keeps the members, and the sizes of their contents.
struct EntryList: TarReceiver {
    var entries: [TarEntry] = []
    var contents: [[UInt8]] = []

    mutating func begin(_ entry: TarEntry) {
        entries.append(entry)
        contents.append([])
    }

    mutating func content(_ bytes: ArraySlice<UInt8>) { contents[contents.count - 1] += bytes }
}
