import Glibc
import TestSupport
import Testing

@testable import NetrootSystem

@Suite struct TemporaryDirectoryTests {
    @Test("The scratch directory of a killed run goes; one in use, a symlink and what is somebody else's stay")
    func whatIsLeftOfKilledRunsGoes() throws {
        let place = try ScratchDirectory()
        try place.write("victim/file", "theirs")
        let (used, mark) = try Files.makeTemporaryDirectory(in: place.path)
        defer { close(mark) }
        let (left, killed) = try Files.makeTemporaryDirectory(in: place.path)
        try place.write("\(Files.name(left))/deep/file", "left")
        #expect(symlink("../victim", left + "/out") == 0)
        // A process that is killed loses its lock so.
        close(killed)
        let names = ["link00", "open00", "file00", "longer000"].map { "netroot-scratch-\($0)" }
        #expect(symlink("victim", "\(place.path)/\(names[0])") == 0)
        #expect(mkdir("\(place.path)/\(names[1])", 0o755) == 0)
        try place.write(names[2], "a file", mode: 0o600)
        #expect(mkdir("\(place.path)/\(names[3])", 0o700) == 0)
        var stay = Set(names + ["victim", Files.name(used)])
        if geteuid() == 0 {
            let theirs = "\(place.path)/netroot-scratch-theirs"
            #expect(mkdir(theirs, 0o700) == 0 && chown(theirs, 65534, 65534) == 0)
            stay.insert(Files.name(theirs))
        }
        #expect(try Files.removeLeftTemporaryDirectories(in: place.path) == [left])
        #expect(try Set(Files.names(in: place.path)) == stay)
        #expect(try Files.text(place.path + "/victim/file") == "theirs")
    }
}
