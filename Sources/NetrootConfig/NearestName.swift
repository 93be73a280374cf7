/// The name that a mistyped name most probably stands for.
///
/// Without regard to case; swapped neighbours count as one mistake. A third of the letters may be wrong, at most three.
///
/// - Parameters:
///   - name: the name as it was typed.
///   - candidates: the names there are.
/// - Returns: the nearest candidate, the earlier of two that are equally near; nil where none is near enough.
public func nearestName(to name: String, among candidates: some Sequence<String>) -> String? {
    let typed = Array(name.lowercased().utf8)
    // The distance costs the product of the lengths, and a name this long is no typing mistake.
    guard !typed.isEmpty, typed.count <= 64 else { return nil }
    var best: (name: String, distance: Int)?
    for candidate in candidates {
        let distance = editDistance(typed, Array(candidate.lowercased().utf8))
        let allowed = min(3, max(1, max(typed.count, candidate.utf8.count) / 3))
        if distance <= allowed, distance < (best?.distance ?? Int.max) { best = (candidate, distance) }
    }
    return best?.name
}

/// The optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours, each costing one.
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for i in left.indices {
        var row = [i + 1]
        for j in right.indices {
            var cost = min(last[j] + (left[i] == right[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
            if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                cost = min(cost, beforeLast[j - 1] + 1)
            }
            row.append(cost)
        }
        (beforeLast, last) = (last, row)
    }
    return last[right.count]
}
