import NetrootStore
import Testing

@Suite struct ShrunkTests {
    @Test("What an earlier generation lost counts on, with its words where the later one has none")
    func sum() {
        var files = Manifest.Shrunk()
        files.removeFiles = ["/a"]
        files.files = .init(removed: 1, bytes: 10)
        var modules = Manifest.Shrunk()
        modules.kernelModules = ["default"]
        modules.modules = .init(kept: 3, removed: 2, bytes: 20)
        #expect(Manifest.Shrunk.sum(nil, files) == files && Manifest.Shrunk.sum(files, nil) == files)
        #expect(Manifest.Shrunk.sum(nil, nil) == nil)
        var both = files
        both.kernelModules = modules.kernelModules
        both.modules = modules.modules
        #expect(Manifest.Shrunk.sum(files, modules) == both && Manifest.Shrunk.sum(modules, files) == both)
        var later = modules
        later.kernelModules = ["virtio_net"]
        later.modules = .init(kept: 1, removed: 2, bytes: 5)
        let sum = Manifest.Shrunk.sum(later, both)
        #expect(sum?.removeFiles == ["/a"] && sum?.kernelModules == ["virtio_net"])
        #expect(sum?.modules == .init(kept: 1, removed: 4, bytes: 25) && sum?.files == files.files)
    }
}
