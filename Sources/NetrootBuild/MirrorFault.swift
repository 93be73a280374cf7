import NetrootSystem

/// What is wrong with a mirror that answers, or with the way to it; a name for each next step.
public enum MirrorFault: Sendable, Equatable {
    /// What its index says is no longer meant to count.
    case expired
    /// Its index is of a time that is not there yet, by this machine's clock.
    case early
    /// It gives the file to some only.
    case refused
    /// It has no such file.
    case missing
    /// What it sends is not what its index says.
    case changed
    /// Its certificate is not accepted.
    case certificate
    /// The proxy on the way to it cannot be reached, or refuses.
    case proxy

    /// Nil for a status that says nothing of the kind.
    /// - Parameter status: of an answer of HTTP (RFC 9110, 15).
    init?(status: Int) {
        switch status {
        case 401, 403: self = .refused
        case 404, 410: self = .missing
        case 407: self = .proxy
        default: return nil
        }
    }

    /// In curl's words, which dnf, zypper and pacman pass on; nil where they say nothing of the kind.
    static func ofCurl(_ words: String) -> MirrorFault? {
        func has(_ signs: String...) -> Bool { signs.contains { words.contains($0) } }
        if has("resolve proxy", "Proxy CONNECT", "from proxy after CONNECT", "CONNECT tunnel failed", "error: 407") {
            return .proxy
        }
        if has(
            "SSL certificate", "SSL peer certificate", "certificate verify failed", "server certificate verification")
        {
            return .certificate
        }
        for sign in ["Status code: ", "returned error: ", "HTTP response code said error: ", "error code: "] {
            guard let range = words.firstRange(of: sign) else { continue }
            if let status = Int(words[range.upperBound...].prefix(while: \.isNumber)) {
                return MirrorFault(status: status)
            }
        }
        if has("- Permission to access '") { return .refused }
        return nil
    }

    var exitStatus: ExitStatus {
        switch self {
        case .certificate, .proxy: .unavailable
        default: .failed
        }
    }

    /// What it is, before the tool's own words.
    var problem: String {
        switch self {
        case .expired: "the mirror's index has expired"
        case .early: "the mirror's index is not valid yet"
        case .refused: "the mirror refuses access"
        case .missing: "the mirror lacks a file"
        case .changed: "the mirror sends what its index does not say"
        case .certificate: "the mirror's certificate is not accepted"
        case .proxy: "the proxy gives no way to the mirror"
        }
    }

    /// What to do next.
    var remedy: String {
        switch self {
        case .expired:
            "check this machine's clock, or take a newer mirror; a snapshot needs "
                + "AptOpt: Acquire::Check-Valid-Until=false in the header"
        case .early: "set this machine's clock"
        case .refused:
            "correct MirrorURL; where the mirror wants a login: https://NAME:PASSWORD@HOST/…"
        case .missing:
            "correct OSVersion or MirrorURL; if the mirror is being updated, build again later"
        case .changed:
            "the mirror, or a proxy before it, is behind its index: build again later, or take another MirrorURL"
        case .certificate:
            "give this machine the certificate of the authority that signed it (ca-certificates), or set its clock"
        case .proxy: "correct http_proxy and https_proxy in the environment"
        }
    }
}

/// How a package gets into a root that lacks it.
enum PackageSource: Sendable, Equatable {
    /// The recipe's header names the packages.
    case include
    /// The agent takes an image as it is; `%post` installs.
    case post
    /// There is no package manager: the sections bring the files.
    case sections
    /// Whoever is in the shell installs it.
    case shell

    /// What to do for a package, or for several.
    func advice(_ packages: String) -> String {
        switch self {
        case .include: "add \(packages) to Include"
        case .post: "install \(packages) in %post"
        case .sections: "bring the files of \(packages) by %files or %post"
        case .shell: "install \(packages) in the shell"
        }
    }
}
