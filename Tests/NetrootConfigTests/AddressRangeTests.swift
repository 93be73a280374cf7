import NetrootConfig
import Testing

@Suite struct AddressRangeTests {
    @Test(arguments: [
        ("10.1.0.5", "10.1.0.5", true), ("10.1.0.5", "10.1.0.6", false), ("10.1.0.0/24", "10.1.0.255", true),
        ("10.1.0.0/24", "10.1.1.0", false), ("10.1.0.7/31", "10.1.0.6", true), ("0.0.0.0/0", "1.2.3.4", true),
        ("10.1.0.5", "::ffff:10.1.0.5", true), ("fd00::/8", "fd09::1", true), ("fd00::1", "fd00::2", false),
        ("::/0", "1.2.3.4", false), ("0.0.0.0/0", "host", false),
    ])
    func members(range: String, address: String, isIn: Bool) throws {
        #expect(try #require(AddressRange(range)).contains(address) == isIn)
    }

    @Test(arguments: [
        "", "*", "any", "10.1.0", "10.1.0.0/33", "10.1.0.0/", "10.1.0.0/+8", "fd00::/129", "fd00::g", "@lab",
        "10.1.0.0/8/8",
    ])
    func whatIsNone(text: String) { #expect(AddressRange(text) == nil) }
}
