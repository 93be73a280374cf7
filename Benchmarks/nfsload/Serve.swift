import Glibc
import NetrootServe

/// Serves a directory or a squashfs image alone, in a process that does nothing else, so that memory and CPU time are the server's.
func serve(_ options: LoadOptions) async throws(LoadError) {
    var limits = NFSLimits()
    limits.threads = options.threads
    // All of the load comes from one address.
    limits.connectionsPerClient = limits.connections
    do {
        let root = options.serveDirectory ?? "/"
        var status = stat()
        let isFile = stat(root, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        let export =
            isFile
            ? Export(path: options.path, image: root, generation: 1)
            : Export(path: options.path, directory: root, generation: 1)
        let server = try await NFSServer.start(
            exports: [export],
            address: options.address, port: Int(options.port), limits: limits)
        say("port \(server.port) pid \(getpid())", to: STDOUT_FILENO)
        while true { try await Task.sleep(for: .seconds(3600)) }
    } catch let error as ServeError {
        complain("\(error)")
        throw .refused("serve", status: 0)
    } catch {
        throw .protocolViolation("\(error)")
    }
}
