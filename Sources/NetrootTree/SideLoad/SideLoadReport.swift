import NetrootSystem

/// What side-loads make of an image, and what speaks against them.
public struct SideLoadReport: Encodable, Sendable {
    /// What happens to a file of the root.
    public enum Action: String, Encodable, Sendable {
        /// There was none.
        case added
        /// There was another one.
        case replaced
        /// `.rootovldel` names it.
        case deleted
        /// A directory that was there, with its mode and owner.
        case kept
        /// Nobody knows what was there.
        case laid
    }

    /// A file that a side-load touches.
    public struct Change: Encodable, Sendable, Equatable {
        /// What happens.
        public let action: Action
        /// From the root, with a slash at its beginning.
        public let path: String
        /// `file`, `directory`, `symlink` and so on.
        public let type: String
        /// In octal digits; nil of what is deleted.
        public let mode: String?
        /// Nil of what is deleted.
        public let uid: UInt32?
        /// Nil of what is deleted.
        public let gid: UInt32?
        /// Of a symlink.
        public let target: String?
        /// The path of the side-load, as it was given.
        public let sideLoad: String
    }

    /// A reason not to boot it.
    public struct Refusal: Encodable, Sendable, Equatable {
        /// The file that it is about: a side-load, or the image.
        public let file: String
        /// In it; nil for the whole file.
        public let path: String?
        /// What is wrong, and what to do.
        public let reason: String

        /// One line.
        public var text: String { "\(file): \(path.map { "\($0): " } ?? "")\(reason)" }
    }

    /// As it was given.
    public let image: String
    /// What lays them: `squashfs` or `cpio` of a rescue archive, `dracut`, `other`.
    public let layout: String
    /// As they were given.
    public let sideLoads: [String]
    /// In the order in which they are made.
    public internal(set) var changes: [Change] = []
    /// All of them; none where the side-loads may be booted.
    public internal(set) var refusals: [Refusal] = []
    /// What is no reason against them, but good to know.
    public internal(set) var notes: [String] = []
}

extension SideLoadReport {
    mutating func refuse(_ file: String, _ path: [UInt8]?, _ reason: String) {
        let refusal = Refusal(file: file, path: path.map(TerminalText.line), reason: reason)
        if !refusals.contains(refusal) { refusals.append(refusal) }
    }

    mutating func record(_ action: Action, _ path: [UInt8], _ node: RootModel.Node, of file: String) {
        let isGone = action == .deleted
        changes.append(
            Change(
                action: action, path: "/" + TerminalText.reversible(path), type: node.type.word,
                mode: isGone || node.type == .symlink ? nil : octal(node.mode), uid: isGone ? nil : node.uid,
                gid: isGone ? nil : node.gid,
                target: node.type == .symlink && !isGone ? TerminalText.reversible(node.target) : nil, sideLoad: file))
    }
}

/// A mode in at least four digits.
func octal(_ mode: UInt32) -> String {
    let digits = String(mode, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}
