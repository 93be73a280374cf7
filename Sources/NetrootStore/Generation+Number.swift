extension Generation {
    /// More than a label will ever have, and fewer than what is counted in 32 bits: the next number is one too.
    static let largestNumber = 999_999_999

    /// The number that a name stands for: of its directory, or in `.last`. Nil for what is none: netroot writes no sign and no
    /// zero before it.
    static func number(_ name: String) -> Int? {
        guard let number = Int(name), (1..<largestNumber).contains(number), "\(number)" == name else { return nil }
        return number
    }
}
