import Foundation
import Glibc
import NetrootSystem
import TestSupport
import Testing

/// Where the tests find things.
enum Place {
    /// The real program; the same `swift build --build-tests` puts it beside the test bundle.
    static let netroot: String = {
        let own = (try? Files.linkTarget("/proc/self/exe")) ?? ""
        for program in [own] + CommandLine.arguments {
            let candidate = PathText.parent(program) + "/netroot"
            if program.contains("/"), access(candidate, X_OK) == 0 { return candidate }
        }
        return "netroot-is-not-beside-the-test-bundle"
    }()

    /// The checkout.
    static let checkout = Checkout.path

    /// Packages, kept between runs of the tests.
    static let cache = "/var/cache/netroot-tests"

    static var isRoot: Bool { geteuid() == 0 }
}

/// Paths as text.
enum PathText {
    /// The path without its last component.
    static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }
}
