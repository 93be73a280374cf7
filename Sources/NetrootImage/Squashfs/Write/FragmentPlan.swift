/// Which small files and tail ends share a fragment block: planned before anything is read, from paths and sizes alone.
///
/// Filled one after another, the blocks behind a file that is new would all hold other bytes than before, and none would
/// be in the cache. So a block begins where the hash of a path is the smallest for a stretch before and behind it: that
/// depends on the neighbours only, and a new file changes one block, or splits it.
struct FragmentPlan {
    /// A small file or tail end.
    struct Piece {
        /// Bytes, not more than a block has.
        let size: Int
        /// Of the path.
        let hash: UInt64
    }

    /// The number of each piece's block, ascending from 0.
    private(set) var blocks: [Int] = []

    private let pieces: [Piece]
    private let blockSize: Int
    /// Where each piece begins, were they all in one row.
    private var starts: [Int] = []
    private var next = 0

    /// - Parameter pieces: in the order in which they are written.
    init(_ pieces: [Piece], blockSize: Int) {
        self.pieces = pieces
        self.blockSize = blockSize
        var position = 0
        for piece in pieces {
            starts.append(position)
            position += piece.size
        }
        starts.append(position)
        blocks.reserveCapacity(pieces.count)
        var begin = 0
        for cut in natural() + [pieces.count] where cut > begin {
            split(begin..<cut)
            begin = cut
        }
    }

    /// A file below this is a piece, and a tail end too; what is larger gains little from neighbours, is a block of its
    /// own, and stays what it is when they change.
    static func limit(blockSize: Int) -> Int { min(blockSize, max(blockSize / 2, 64 << 10)) }

    /// The pieces whose hash is the smallest within `reach` bytes on both sides.
    private func natural() -> [Int] {
        // Mean distance of such places: twice the reach.
        let reach = blockSize * 2 / 5
        var free = [Bool](repeating: true, count: pieces.count)
        // Indexes with ascending hashes: the last is the nearest piece with a smaller one.
        var stack: [Int] = []
        for index in pieces.indices {
            while let last = stack.last, pieces[last].hash > pieces[index].hash {
                if starts[index] - starts[last] <= reach { free[last] = false }
                stack.removeLast()
            }
            if let last = stack.last, starts[index] - starts[last] <= reach { free[index] = false }
            stack.append(index)
        }
        return pieces.indices.filter { free[$0] }
    }

    /// Gives a stretch its blocks: one, or those of two parts of it.
    private mutating func split(_ whole: Range<Int>) {
        var waiting = [whole]
        while let range = waiting.popLast() {
            let size = starts[range.upperBound] - starts[range.lowerBound]
            guard size > blockSize, range.count > 1 else {
                blocks.append(contentsOf: repeatElement(next, count: range.count))
                next += 1
                continue
            }
            let cut = place(in: range, size: size)
            waiting.append(cut..<range.upperBound)
            waiting.append(range.lowerBound..<cut)
        }
    }

    /// The smallest hash between the first and the last quarter; the middle where there is none.
    private func place(in range: Range<Int>, size: Int) -> Int {
        let origin = starts[range.lowerBound]
        let candidates = (range.lowerBound + 1)..<range.upperBound
        let middle = candidates.filter { (size / 4...size - size / 4).contains(starts[$0] - origin) }
        if let cut = middle.min(by: { pieces[$0].hash < pieces[$1].hash }) { return cut }
        return candidates.min(by: { abs(starts[$0] - origin - size / 2) < abs(starts[$1] - origin - size / 2) })
            ?? candidates.lowerBound
    }
}
