// A load generator for NFSv3 servers: N connections, each with one request under way, in one thread, so that on a
// small machine the client takes as little as it can of what is measured.

import Glibc
import NetrootServe

let options: LoadOptions
do throws(LoadError) {
    options = try LoadOptions(Array(CommandLine.arguments.dropFirst()))
    if options.serveDirectory != nil {
        try await serve(options)
    } else {
        if options.readsAll {
            let report = try readAll(options)
            print(options.json ? report.json : report.text)
            exit(0)
        }
        if options.walksFirst { complain("\(try walk(options)) entries") }
        var report = try run(options)
        report.add(options)
        print(options.json ? report.json : report.text)
    }
} catch {
    complain("\(error)")
    exit(error.exitStatus)
}
