public import NetrootSystem
import NetrootTree

/// Why the image of a container cannot be fetched, or is not taken: the bare reason, and the next step.
public enum ContainerError: ReportableError, Equatable {
    /// There is no room for the image in the cache, or beside the root.
    case noRoom(image: String, detail: String)
    /// The registry, or the file, has no such image.
    case notFound(image: String, detail: String)
    /// The file has several images, and `From:` names none of them.
    case several(image: String)
    /// The registry cannot be reached.
    case unreachable(image: String, detail: String)
    /// The registry's certificate is not accepted.
    case untrusted(image: String, detail: String)
    /// The registry wants to be asked less often.
    case busy(image: String, detail: String)
    /// The proxy on the way to the registry cannot be reached, or refuses.
    case proxy(image: String, detail: String)
    /// The registry speaks plain HTTP, which nobody has allowed.
    case plainHTTP(image: String, registry: String)
    /// The registry wants a login.
    case denied(image: String, detail: String)
    /// The image is for another kind of machine.
    case wrongPlatform(image: String, platform: String)
    /// Device nodes are wanted, and a user namespace lets nobody make them.
    case devices(image: String, count: Int)
    /// A file's owner or group has a number that this user has none for.
    case unknownOwner(image: String, owner: UInt32, users: Int)
    /// What the image says of itself does not fit together.
    case damaged(image: String, problem: String)
    /// skopeo cannot copy the image for another reason, in its own words.
    case fetchFailed(image: String, detail: String)

    /// `.usage` where the recipe or an option has to change, `.unavailable` without a registry, else `.failed`.
    public var exitStatus: ExitStatus {
        switch self {
        case .several, .devices: .usage
        case .unreachable, .plainHTTP, .untrusted, .busy, .proxy: .unavailable
        default: .failed
        }
    }

    /// What, where and what to do next.
    public var description: String {
        switch self {
        case .noRoom(let image, let detail):
            return "disk full while \(image) was fetched: \(detail)\n"
                + "free space, or build with --cache DIRECTORY elsewhere"
        case .notFound(let image, let detail):
            return "there is no image \(image): \(detail)\ncorrect From:"
        case .several(let image):
            return "\(image) holds several images; "
                + "name one: From: FILE:NAME, or FILE:@0, the first of a docker-archive"
        case .unreachable(let image, let detail):
            return "the registry of \(image) cannot be reached: \(detail)\ncheck the network, or From:"
        case .untrusted(let image, let detail):
            return "the certificate of the registry of \(image) is not accepted: \(detail)\n"
                + "put the authority that signed it into /etc/containers/certs.d/HOST/ca.crt, or set this machine's clock"
        case .busy(let image, let detail):
            return
                "the registry of \(image) gives no more for now: \(detail)\nbuild again later, or log in: skopeo login"
        case .proxy(let image, let detail):
            return "the proxy gives no way to the registry of \(image): \(detail)\n"
                + "correct http_proxy and https_proxy in the environment"
        case .plainHTTP(let image, let registry):
            return "the registry of \(image) speaks plain HTTP\n"
                + "to allow it: [[registry]] location = \"\(registry)\" insecure = true, in registries.conf(5)"
        case .denied(let image, let detail):
            return "the registry does not give \(image): \(detail)\n"
                + "check its name; where it is not public: skopeo login"
        case .wrongPlatform(let image, let platform):
            return "\(image) is for \(platform), and netroot's machines are linux/amd64; name another image in From:"
        case .devices(let image, let count):
            return "\(image) has \(count) device nodes, which cannot be made without root\n"
                + "leave out --allow-devices, or build as root"
        case .unknownOwner(let image, let owner, let users):
            return "\(image) has files of owner \(owner), and this user has \(users) IDs\n"
                + "give him more in /etc/subuid and /etc/subgid, or build as root"
        case .damaged(let image, let problem):
            return "\(image): \(problem); fetch or make the image again"
        case .fetchFailed(let image, let detail):
            return "skopeo cannot copy \(image): \(detail)"
        }
    }

    /// The reason of a failed run of skopeo.
    static func explained(_ error: CommandError, image: String) -> any Error {
        guard let detail = error.lastLines.last(where: { $0.contains("level=fatal") }).map(message) else {
            return error
        }
        func has(_ signs: String...) -> Bool { signs.contains { detail.contains($0) } }
        // Its own words, without the way that led there.
        let short = String((detail.split(separator: ": ").suffix(3).joined(separator: ": ")).prefix(300))
        if has("server gave HTTP response to HTTPS client") {
            let registry = String(image.prefix { $0 != "/" })
            return plainHTTP(image: image, registry: registry)
        }
        if has("proxyconnect ", "Proxy Authentication Required") { return proxy(image: image, detail: short) }
        if has("x509:") { return untrusted(image: image, detail: short) }
        if has("toomanyrequests", "Too Many Requests") { return busy(image: image, detail: short) }
        if has("unauthorized", "authentication required", "denied", "invalid username/password") {
            return denied(image: image, detail: short)
        }
        if has("manifest unknown", "name unknown", "no descriptor found for reference", "NotFound")
            || (has("Tag ") && has("not found"))
        {
            return notFound(image: image, detail: short)
        }
        if has("more than one image in oci", "multiple images", "expected 1 item") {
            return several(image: image)
        }
        if has("no image found in manifest list", "no image found in image index") {
            return wrongPlatform(image: image, platform: "other platforms only")
        }
        if has("no space left on device") { return noRoom(image: image, detail: short) }
        if has("manifest.json: file does not exist") {
            return damaged(
                image: image, problem: "no file of docker save; the archive of an OCI layout is agent oci-archive")
        }
        if has("index.json: no such file") {
            return damaged(image: image, problem: "no OCI image layout; a file of docker save is agent docker-archive")
        }
        if has("unexpected EOF", "invalid tar header", "file does not exist", "no such file", "Digest did not match") {
            return damaged(image: image, problem: short)
        }
        let signs = [
            "connection refused", "no such host", "i/o timeout", "network is unreachable", "no route to host",
            "TLS handshake timeout", "server misbehaving", "context deadline exceeded",
            "Service Unavailable", "Bad Gateway", "connection reset",
        ]
        if signs.contains(where: detail.contains) { return unreachable(image: image, detail: short) }
        return fetchFailed(image: image, detail: short)
    }

    /// The message in a line of skopeo's log: `time="…" level=fatal msg="…"`, with `\"` in it.
    static func message(_ line: String) -> String {
        guard let start = line.firstRange(of: "msg=\""), line.hasSuffix("\"") else { return line }
        return String(line[start.upperBound...].dropLast()).replacing("\\\"", with: "\"")
    }
}
