/// The time of a file as an image has it, and as NFSv3 has it, so that a client sees the same by each transport.
public enum SquashfsTime {
    /// Seconds since 1970, without sign, in 32 bits: what was before 1970 becomes 1970, what is later than 2106 becomes the
    /// last second.
    public static func seconds(_ seconds: some BinaryInteger) -> UInt32 { UInt32(clamping: seconds) }
}
