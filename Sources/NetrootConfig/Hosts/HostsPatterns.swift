/// The keys whose words are patterns for what stays in a root and what goes.
extension HostsValues {
    /// `REMOVE_FILES`: absolute patterns that mean something below the root.
    func removedFiles() throws(ConfigError) -> Label.Words? {
        try patterns(.removeFiles) { text in
            guard text.hasPrefix("/") else {
                return ("'\(text)' is not an absolute path in the root", "write /\(text), with blanks between several")
            }
            let names = text.split(separator: "/")
            guard names.contains(where: { $0.contains { $0 != "*" } }) else {
                return ("'\(text)' means every file", "name the files, or their directory")
            }
            guard !names.contains(where: { $0 == "." || $0 == ".." }) else {
                return ("'\(text)' has '.' or '..' among its names", "write the path without it")
            }
            return nil
        }
    }

    /// `KERNEL_MODULES`: patterns for names and directories of modules, `host` and `default`; `-` excludes.
    func kernelModules() throws(ConfigError) -> Label.Words? {
        try patterns(.kernelModules) { text in
            let pattern = text.hasPrefix("-") ? text.dropFirst() : text[...]
            guard !pattern.isEmpty else { return ("'\(text)' excludes nothing", "write -PATTERN") }
            if text.hasPrefix("-"), ["host", "default"].contains(pattern) {
                return ("'\(text)': a list cannot be excluded", "exclude modules or directories of them")
            }
            guard !pattern.hasPrefix("/") else {
                return (
                    "'\(text)' is an absolute path",
                    "write it from the kernel's own directory on, such as drivers/net/ethernet/"
                )
            }
            return nil
        }
    }

    /// - Parameter check: says what is wrong with a word, and what to do.
    private func patterns(
        _ key: HostsKey, _ check: (String) -> (problem: String, hint: String)?
    ) throws(ConfigError) -> Label.Words? {
        guard try text(key) != nil else { return nil }
        let words = Label.Words(words: try placedWords(key), file: file)
        for word in words.words {
            guard let wrong = check(word.text) ?? globProblem(word.text) else { continue }
            throw words.error(at: word, problem: "\(key.rawValue): \(wrong.problem)", hint: wrong.hint)
        }
        return words
    }
}
