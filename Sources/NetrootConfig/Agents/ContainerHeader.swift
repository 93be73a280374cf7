import NetrootSystem

extension AgentHeader {
    /// The header keywords of the agents that take the image of a container.
    public struct Container: Sendable, Equatable {
        /// Where the image is; the name is the agent's.
        public enum Source: String, Sendable, CaseIterable {
            /// A registry.
            case docker
            /// A directory in OCI's image layout.
            case oci
            /// A file of `docker save`.
            case dockerArchive = "docker-archive"
            /// A tar archive of an OCI image layout.
            case ociArchive = "oci-archive"
        }

        /// What `From:` names.
        public enum Image: Sendable, Equatable {
            /// An image in a registry, as docker(1) names it: `[HOST[:PORT]/]NAME[:TAG]` or `…NAME@DIGEST`, with what
            /// `Registry:` and `Namespace:` put before it.
            case reference(String)
            /// A file or directory; of the images in it the one of this name, nil where there is one only. What is relative is so
            /// to the recipe's folder; Apptainer takes the working directory.
            case file(path: String, name: String?)
        }

        /// Where the image is.
        public let source: Source
        /// Which image.
        public let image: Image
        /// The line of `From:`.
        public let line: Int

        /// What `From:` names, as the recipe's reader would write it.
        public var from: String {
            switch image {
            case .reference(let reference): reference
            case .file(let path, let name): path + (name.map { ":\($0)" } ?? "")
            }
        }
    }
}

extension RecipeHeader {
    /// As Apptainer 1.4 reads it (`internal/pkg/build/sources/conveyorPacker_oci.go`): `From:` follows the agent's name and a
    /// colon, `Registry:` and `Namespace:` come before it. `IncludeCmd:` no version since Singularity 3 has read.
    func container(_ source: AgentHeader.Container.Source, _ bootstrap: Entry) throws(ConfigError)
        -> AgentHeader.Container
    {
        guard source == .docker else {
            try allow([.from, .includeCmd], agent: source.rawValue)
            let example = source == .oci ? "From: image:1.0" : "From: image.tar"
            let from = try from(bootstrap, example: example)
            return AgentHeader.Container(
                source: source, image: try imageFile(from, source), line: (self[.from] ?? bootstrap).line)
        }
        try allow([.from, .registry, .namespace, .includeCmd], agent: "docker")
        var parts: [String] = []
        for keyword in [RecipeKeyword.registry, .namespace] {
            guard let entry = self[keyword], !entry.value.isEmpty else { continue }
            parts.append(try expanded(entry))
        }
        parts.append(try from(bootstrap, example: "From: debian:12"))
        let reference = parts.joined(separator: "/")
        if let problem = ImageReference.problem(with: reference) {
            throw error(
                self[.from] ?? bootstrap, "'\(excerpt(reference))' names no image: \(problem.text)", problem.hint)
        }
        return AgentHeader.Container(
            source: source, image: .reference(reference), line: (self[.from] ?? bootstrap).line)
    }

    /// The path ends at the first colon, whatever follows.
    private func imageFile(
        _ from: String, _ source: AgentHeader.Container.Source
    ) throws(ConfigError) -> AgentHeader.Container.Image {
        guard let entry = self[.from] else { return .file(path: from, name: nil) }
        let colon = from.firstIndex(of: ":")
        let path = colon.map { String(from[..<$0]) } ?? from
        let name = colon.map { String(from[from.index(after: $0)...]) } ?? ""
        guard !path.isEmpty else {
            throw error(entry, "'\(excerpt(from))' names no file", "such as From: image.tar")
        }
        guard !from.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw error(entry, "'\(excerpt(from))' holds a control character", "remove it")
        }
        if name.hasPrefix("//") {
            throw error(
                entry, "'\(excerpt(from))' is a URL, agent '\(source.rawValue)' takes a path",
                "an image in a registry is agent 'docker'")
        }
        if source == .dockerArchive, !name.isEmpty, !name.hasPrefix("@"),
            let problem = ImageReference.problem(with: name)
        {
            throw error(entry, "'\(excerpt(name))' names no image: \(problem.text)", problem.hint)
        }
        return .file(path: Files.path(path, beside: self.path), name: name.isEmpty ? nil : name)
    }
}

/// The grammar of an image's name (distribution/reference, "Grammar").
enum ImageReference {
    /// What is wrong with a name, and what to do about it; nil where nothing is.
    static func problem(with reference: String) -> (text: String, hint: String)? {
        if let scheme = reference.firstRange(of: "://"), !reference[..<scheme.lowerBound].contains("/") {
            return ("it has a scheme", "leave out '\(excerpt(String(reference[..<scheme.upperBound])))'")
        }
        if reference.hasPrefix("//") { return ("it begins with slashes", "leave them out") }
        let parts = reference.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        var name = parts[0]
        var tag: Substring?
        if let colon = name.lastIndex(of: ":"), !name[colon...].contains("/") {
            tag = name[name.index(after: colon)...]
            name = name[..<colon]
        }
        if parts.count == 2 {
            guard isDigest(parts[1]) else {
                return ("'\(excerpt(String(parts[1])))' is not a digest", "such as @sha256: and 64 hexadecimal digits")
            }
            guard tag == nil else { return ("it has a tag and a digest", "leave out the tag; the digest says it all") }
        }
        if let tag, !isTag(tag) {
            return ("'\(excerpt(String(tag)))' is not a tag", "letters, digits, '_', '.', '-', at most 128")
        }
        return problem(withName: name)
    }

    private static func problem(withName name: Substring) -> (text: String, hint: String)? {
        var components = name.split(separator: "/", omittingEmptySubsequences: false)
        guard name.utf8.count <= 255 else { return ("it is longer than 255 characters", "shorten it") }
        if components.count > 1, let host = components.first,
            host.contains(".") || host.contains(":") || host == "localhost"
        {
            guard isHost(host) else {
                return (
                    "'\(excerpt(String(host)))' is not a registry", "such as registry.example.org or localhost:5000"
                )
            }
            components.removeFirst()
        }
        for component in components where !isComponent(component) {
            return component.utf8.contains(where: { $0.isASCIILetter && $0 & 0x20 == 0 })
                ? ("'\(excerpt(String(component)))' has capital letters", "names of images are in lower case")
                : ("'\(excerpt(String(component)))' is no part of a name", "such as debian:12 or example/tool:1.0")
        }
        return nil
    }

    private static func isDigest(_ text: Substring) -> Bool {
        [("sha256:", 64), ("sha512:", 128)].contains { prefix, digits in
            text.hasPrefix(prefix) && text.utf8.count == prefix.utf8.count + digits
                && text.utf8.dropFirst(prefix.utf8.count).allSatisfy {
                    $0.isASCIIDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
                }
        }
    }

    private static func isTag(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 128 else { return false }
        return !".-".utf8.contains(first)
            && text.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || "_.-".utf8.contains($0) }
    }

    /// A name or an address, and a port.
    private static func isHost(_ text: Substring) -> Bool {
        var host = text
        if let colon = text.lastIndex(of: ":"), !text[colon...].contains("]") {
            let port = text[text.index(after: colon)...]
            guard (1...5).contains(port.utf8.count), port.utf8.allSatisfy(\.isASCIIDigit) else { return false }
            host = text[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            return host.dropFirst().dropLast().utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x3A }
        }
        return !host.isEmpty
            && host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
                !label.isEmpty && !label.hasPrefix("-") && !label.hasSuffix("-")
                    && label.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "-") }
            }
    }

    /// Lower-case letters and digits; between them `.`, `_`, `__`, or any number of `-`.
    private static func isComponent(_ text: Substring) -> Bool {
        var separator: [UInt8] = []
        var hasWord = false
        for byte in text.utf8 {
            if byte.isASCIIDigit || (byte.isASCIILetter && byte & 0x20 != 0) {
                if !separator.isEmpty {
                    let isSeparator =
                        separator == Array(".".utf8) || separator == Array("_".utf8) || separator == Array("__".utf8)
                        || separator.allSatisfy { $0 == UInt8(ascii: "-") }
                    guard hasWord, isSeparator else { return false }
                }
                separator = []
                hasWord = true
            } else {
                separator.append(byte)
            }
        }
        return hasWord && separator.isEmpty
    }
}
