/// An absolute path without `.`, `..`, doubled or trailing slashes.
///
/// Lexical only: no file is looked at, so `a/symlink/..` becomes `a`.
///
/// - Parameters:
///   - path: absolute, or relative to `base`.
///   - base: an absolute path.
func normalisedPath(_ path: String, relativeTo base: String) -> String {
    let whole = path.hasPrefix("/") ? path : base + "/" + path
    var components: [Substring] = []
    for component in whole.split(separator: "/") where component != "." {
        if component == ".." { _ = components.popLast() } else { components.append(component) }
    }
    return "/" + components.joined(separator: "/")
}
