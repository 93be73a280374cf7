import TestSupport
import Testing

@testable import NetrootImage

@Suite struct FragmentPlanTests {
    private func pieces(_ count: Int, seed: UInt64, limit: Int) -> [FragmentPlan.Piece] {
        let noise = PackSample.noise(count * 12, seed: seed)
        return (0..<count).map { index in
            let hash = noise[(index * 12)..<(index * 12 + 8)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let size = Int(noise[index * 12 + 8]) << 8 | Int(noise[index * 12 + 9])
            return FragmentPlan.Piece(size: 1 + size % (noise[index * 12 + 10] < 8 ? limit - 1 : 9000), hash: hash)
        }
    }

    /// The blocks as sets of hashes.
    private func blocks(_ pieces: [FragmentPlan.Piece], _ blockSize: Int) -> Set<[UInt64]> {
        let plan = FragmentPlan(pieces, blockSize: blockSize)
        return Set(Dictionary(grouping: pieces.indices) { plan.blocks[$0] }.values.map { $0.map { pieces[$0].hash } })
    }

    @Test(arguments: [4096, 131072, 1 << 20]) func everyPieceHasABlockAndEveryBlockRoom(blockSize: Int) {
        let limit = FragmentPlan.limit(blockSize: blockSize)
        let pieces = pieces(5000, seed: 3, limit: limit).map {
            FragmentPlan.Piece(size: min($0.size, limit - 1), hash: $0.hash)
        }
        let plan = FragmentPlan(pieces, blockSize: blockSize)
        #expect(plan.blocks.count == pieces.count)
        #expect(plan.blocks.first == 0)
        #expect(zip(plan.blocks, plan.blocks.dropFirst()).allSatisfy { $1 == $0 || $1 == $0 + 1 })
        var fill = [Int](repeating: 0, count: (plan.blocks.last ?? 0) + 1)
        for (piece, block) in zip(pieces, plan.blocks) { fill[block] += piece.size }
        #expect(fill.allSatisfy { $0 <= blockSize })
        #expect(fill.reduce(0, +) / fill.count > blockSize * 2 / 5)
    }

    @Test func aNewPieceChangesTheBlockThatItIsInAndAFewBeside() {
        let before = pieces(5000, seed: 7, limit: 1 << 19)
        let known = blocks(before, 1 << 20)
        var worst = 0
        var all = 0
        for place in stride(from: 0, through: 5000, by: 50) {
            var after = before
            after.insert(pieces(1, seed: UInt64(place + 1000), limit: 1 << 19)[0], at: place)
            let new = blocks(after, 1 << 20).subtracting(known).count
            worst = max(worst, new)
            all += new
        }
        #expect(worst <= 5)
        #expect(all <= 101 * 2)
    }

    @Test func noPiecesAndEqualHashes() {
        #expect(FragmentPlan([], blockSize: 4096).blocks == [])
        let equal = [FragmentPlan.Piece](repeating: FragmentPlan.Piece(size: 1000, hash: 5), count: 100)
        let plan = FragmentPlan(equal, blockSize: 4096)
        #expect(plan.blocks.count == 100 && Set(plan.blocks).count >= 25)
    }
}
