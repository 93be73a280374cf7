/// The checkout whose tests run.
package enum Checkout {
    package static let path = parent(parent(parent(#filePath)))

    private static func parent(_ path: String) -> String {
        String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }
}
