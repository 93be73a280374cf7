import NetrootConfig
import NetrootSystem

/// What `recipe` prints without `--json`.
enum RecipeReport {
    /// A readable account of a recipe, and of what a build does with it.
    static func text(_ recipe: Recipe) -> String {
        var text = "\(TerminalText.line(recipe.path)): \(count(recipe.stages.count, "stage"))\n"
        for (number, stage) in recipe.stages.enumerated() {
            text += "\nstage \(TerminalText.line(stage.name ?? "\(number + 1)")), line \(stage.line)\n"
            text += rows(stage)
        }
        return text + "\nbuild\n" + build(recipe)
    }

    private static func rows(_ stage: Recipe.Stage) -> String {
        var rows: [[String]] = stage.header.entries.map { ["  \($0.spelling)", oneLine($0.shownValue)] }
        for section in RecipeSection.allCases {
            if section == .files {
                rows += stage.allFiles.map { files in
                    ["  %files\(files.stage.map { " from \($0)" } ?? "")", count(files.copies.count, "line")]
                }
            } else if let script = stage.scripts[section] {
                let lines = script.bytes.count { $0 == UInt8(ascii: "\n") }
                let arguments = oneLine(script.arguments)
                rows.append([
                    "  %\(section.rawValue)\(arguments.isEmpty ? "" : " " + arguments)",
                    section == .labels ? count(stage.labels.count, "label") : count(lines, "line"),
                ])
            }
        }
        let sections = Dictionary(grouping: stage.appSections, by: \.app)
        for app in stage.appOrder {
            let names = sections[app, default: []].map { "%\($0.section)" }
            rows.append(["  app \(app)", names.joined(separator: " ")])
        }
        return Report.table(rows)
    }

    private static func build(_ recipe: Recipe) -> String {
        let stage = recipe.built
        var rows: [[String]] = []
        if recipe.stages.count > 1 {
            let lenders = recipe.needed.dropLast().compactMap(\.name)
            rows.append([
                "  stage",
                "\(stage.name ?? "\(recipe.stages.count)"), the last; "
                    + (lenders.isEmpty ? "no other is built" : "it copies from \(lenders.joined(separator: ", "))"),
            ])
        }
        if let agent = stage.agentName { rows.append(["  agent", agent]) }
        func names(_ sections: [RecipeSection], of stage: Recipe.Stage) -> String {
            sections.filter { stage.scripts[$0] != nil }.map { "%\($0.rawValue)" }.joined(separator: " ")
        }
        func names(_ sections: [RecipeSection]) -> String { names(sections, of: stage) }
        // Stages that only lend files run on the host all the same.
        let host = recipe.needed.compactMap { needed in
            let own = names([.pre, .setup], of: needed)
            return own.isEmpty
                ? nil : own + (recipe.needed.count > 1 ? " of \(needed.name.map { "stage \($0)" } ?? "the last")" : "")
        }.joined(separator: ", ")
        let root = names([.post, .test])
        let kept = names([.environment, .labels, .help])
        if !host.isEmpty { rows.append(["  runs on the host", host]) }
        if !stage.files.isEmpty {
            rows.append(["  copies from the host", count(stage.files.count, "line") + " of %files"])
        }
        if !root.isEmpty { rows.append(["  runs in the root", root]) }
        if !kept.isEmpty { rows.append(["  kept in the root", kept]) }
        for needed in recipe.needed {
            guard let signatures = signatures(of: needed) else { continue }
            rows.append(["  signatures", signatures])
        }
        let ignored = stage.ignoredSections
        if !ignored.isEmpty { rows.append(["  not used", ignored.joined(separator: ", ")]) }
        do {
            try recipe.checkBuildable()
        } catch {
            rows.append(["  refused", "\(error)"])
        }
        return Report.table(rows)
    }

    /// Whose signatures an RPM stage's packages must have; nil for other agents, and for a recipe that is refused anyhow.
    private static func signatures(of stage: Recipe.Stage) -> String? {
        let source: AgentHeader.RPMSource
        do throws(ConfigError) {
            switch try stage.agent() {
            case .dnf(let header): source = header.source
            case .zypper(let header): source = header.source
            default: return nil
            }
        } catch {
            return nil
        }
        let unchecked = source.repositories.filter { !$0.isChecked }.map(\.id)
        guard unchecked.count < source.repositories.count else { return "not checked: gpgcheck=0" }
        let rest = unchecked.isEmpty ? "" : "; not checked: \(unchecked.joined(separator: ", "))"
        guard !source.keys.isEmpty else {
            return "no key: add Setopt: gpgkey=URL, or build with --allow-unsigned" + rest
        }
        return "by \(source.keys.joined(separator: ", "))" + rest
    }

    private static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    private static func oneLine(_ value: String) -> String {
        value.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
