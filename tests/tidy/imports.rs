//! Who imports whom: no two files of `src` import each other, not even by way of others, and so no two
//! folders do.
//!
//! `cargo nextest run -E 'test(imports)' --no-capture` prints the graph of the folders.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Source, code, files};

#[test]
fn imports_of_folders_run_one_way() {
    let graph = Modules::of(&files()).graph().by_folder();
    assert!(graph.0.len() >= 15, "the parts have moved: {graph:?}");
    println!("{}", graph.shown());
    assert_eq!(graph.circle(), None);
}

#[test]
fn imports_of_files_run_one_way() {
    let graph = Modules::of(&files()).graph();
    assert!(graph.0.len() >= 150, "the files have moved");
    assert_eq!(graph.circle(), None);
}

#[test]
fn a_circle_is_found_and_named() {
    let of = |sources: &[(&str, &str)]| {
        let source = |(path, text): &(&str, &str)| Source {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Modules::of(&sources.iter().map(source).collect::<Vec<_>>()).graph()
    };
    let one_way = of(&[
        ("src/a/mod.rs", "mod x;\npub use x::X;"),
        (
            "src/a/x.rs",
            "use crate::b::{c, d};\n// crate::a\nmod tests {\n use crate::a;",
        ),
        ("src/b.rs", "fn f() { \"crate::a\"; }"),
    ]);
    assert_eq!(one_way.circle(), None);
    assert_eq!(one_way.by_folder().shown(), "a > b\nb >\n");
    let by_a_name_that_is_handed_on = of(&[
        ("src/a/mod.rs", "mod x;\npub use x::X;"),
        ("src/a/x.rs", "use crate::b;"),
        ("src/b.rs", "use crate::{e, a::{X, Y as Z}};"),
    ]);
    assert_eq!(
        by_a_name_that_is_handed_on.circle().as_deref(),
        Some("a::x imports b (crate::b), b imports a::x (crate::a::X)")
    );
    let with_its_child = of(&[
        ("src/a.rs", "mod b;\nfn f() { b::g() }"),
        ("src/a/b.rs", "use super::F;"),
    ]);
    assert_eq!(
        with_its_child.circle().as_deref(),
        Some("a imports a::b (b::g), a::b imports a (super::F)")
    );
}

/// The files of the crate `keyrota` by their module's path, without its tests.
struct Modules {
    paths: BTreeMap<String, Vec<Import>>,
    /// What `pub use` hands on: under (module, name), what it is.
    handed_on: BTreeMap<(String, String), Vec<String>>,
}

/// A path that a file names.
struct Import {
    path: Vec<String>,
    is_handed_on: bool,
}

impl Modules {
    fn of(files: &[Source]) -> Self {
        let mut modules = Self {
            paths: BTreeMap::new(),
            handed_on: BTreeMap::new(),
        };
        for file in files {
            if let Some(module) = module(&file.path) {
                let lines = file.lines().map(|(_, line)| code(line));
                // The tests of a file are its last module.
                let lines = lines.take_while(|line| !line.starts_with("mod tests"));
                let text = lines.collect::<Vec<_>>().join("\n");
                modules.paths.insert(module, imports(&text));
            }
        }
        for (module, imports) in &modules.paths {
            for import in imports.iter().filter(|import| import.is_handed_on) {
                let name = import.path.last().cloned().unwrap_or_default();
                if let Some(path) = modules.absolute(module, &import.path) {
                    modules.handed_on.insert((module.clone(), name), path);
                }
            }
        }
        modules
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph(BTreeMap::new());
        for (from, imports) in &self.paths {
            let edges = graph.0.entry(from.clone()).or_default();
            for import in imports {
                let target = self.absolute(from, &import.path);
                let Some(to) = target.and_then(|path| self.file(&path, 0)) else {
                    continue;
                };
                // To hand on what a child has is to list it.
                let lists = import.is_handed_on && to.starts_with(&format!("{from}::"));
                if to != *from && !lists {
                    edges.entry(to).or_insert_with(|| import.path.join("::"));
                }
            }
        }
        graph
    }

    /// A path from the crate's root; `None`: of another crate, or a name of the file itself.
    fn absolute(&self, module: &str, path: &[String]) -> Option<Vec<String>> {
        let mut base: Vec<String> = module.split("::").map(str::to_owned).collect();
        let ups = path.iter().take_while(|part| *part == "super").count();
        match path.first()?.as_str() {
            "crate" => return Some(path[1..].to_vec()),
            "super" => base.truncate(base.len().saturating_sub(ups)),
            "self" => return Some([&base, &path[1..]].concat()),
            child => {
                let is_child = self.paths.contains_key(&format!("{module}::{child}"));
                return is_child.then(|| [&base, path].concat());
            }
        }
        Some([&base, &path[ups..]].concat())
    }

    /// The file that a path leads to, by way of those that hand it on.
    fn file(&self, path: &[String], steps: usize) -> Option<String> {
        for length in (1..=path.len()).rev() {
            let module = path[..length].join("::");
            if !self.paths.contains_key(&module) {
                continue;
            }
            if let Some(name) = path.get(length)
                && let Some(real) = self.handed_on.get(&(module.clone(), name.clone()))
                && steps < 8
            {
                let real = [real, &path[length + 1..]].concat();
                return self.file(&real, steps + 1).or(Some(module));
            }
            return Some(module);
        }
        None
    }
}

/// The module of a file; `None` for tests, and for what joins all parts.
fn module(path: &str) -> Option<String> {
    let path = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let parts: Vec<&str> = path.split('/').collect();
    let apart = ["rotation", "lib", "main"].contains(&parts[0]);
    let is_test = parts.iter().any(|part| ["tests", "testing"].contains(part));
    let parts = parts.strip_suffix(&["mod"]).unwrap_or(&parts);
    (!apart && !is_test).then(|| parts.join("::"))
}

/// All paths in a file's code: those of `use`, taken apart, and those in its lines.
fn imports(text: &str) -> Vec<Import> {
    let mut imports = Vec::new();
    let mut rest = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        let visible = trimmed.split_once("use ").map(|(before, _)| before.trim());
        let is_use = |before: &str| before.is_empty() || before == "pub" || before.ends_with(')');
        let Some(visible) = visible.filter(|before| is_use(before) && !before.contains(' ')) else {
            rest.push_str(line);
            rest.push('\n');
            continue;
        };
        let mut statement = trimmed.to_owned();
        while !statement.contains(';') {
            let Some(line) = lines.next() else { break };
            statement.push_str(line.trim());
        }
        let tree = statement.split_once("use ").map_or("", |(_, tree)| tree);
        let tree = tree.split(';').next().unwrap_or_default();
        let is_handed_on = !visible.is_empty();
        for path in branches(tree) {
            let path = path.split(" as ").next().unwrap_or_default();
            let path = path.split("::").map(|part| part.trim().to_owned());
            let path = path.filter(|part| part != "self" || tree.starts_with("self"));
            imports.push(Import {
                path: path.collect(),
                is_handed_on,
            });
        }
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for word in rest.split(|c| !is_name(c)) {
        let path: Vec<String> = word.split("::").map(str::to_owned).collect();
        if path.len() > 1 && path.iter().all(|part| !part.is_empty()) {
            imports.push(Import {
                path,
                is_handed_on: false,
            });
        }
    }
    imports
}

/// `a::{b, c::{d}}` is `a::b` and `a::c::d`.
fn branches(tree: &str) -> Vec<String> {
    let Some((stem, inner)) = tree.split_once('{') else {
        return vec![tree.trim().to_owned()];
    };
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[from..]);
    let parts = parts.into_iter().map(str::trim);
    let parts = parts.filter(|part| !part.is_empty());
    let stem = stem.trim();
    parts
        .flat_map(branches)
        .map(|part| format!("{stem}{part}"))
        .collect()
}

/// Who imports whom, and by which path.
#[derive(Debug)]
struct Graph(BTreeMap<String, BTreeMap<String, String>>);

impl Graph {
    /// The same for the folders of `src`, and the files beside them.
    fn by_folder(&self) -> Self {
        let folder = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
        let mut folders = Self(BTreeMap::new());
        for (from, edges) in &self.0 {
            let all = folders.0.entry(folder(from)).or_default();
            let edges = edges.iter().map(|(to, by)| (folder(to), by.clone()));
            all.extend(edges.filter(|(to, _)| *to != folder(from)));
        }
        folders
    }

    fn shown(&self) -> String {
        let line = |(from, edges): (&String, &BTreeMap<String, String>)| {
            let to = edges.keys().map(|to| format!(" {to}"));
            format!("{from} >{}\n", to.collect::<String>())
        };
        self.0.iter().map(line).collect()
    }

    /// A way that ends where it began, if there is one.
    fn circle(&self) -> Option<String> {
        let mut done = BTreeSet::new();
        let mut ways = self.0.keys().filter_map(|module| {
            let mut way = Vec::new();
            self.walk(module, &mut way, &mut done).then_some(way)
        });
        let way = ways.next()?;
        let steps = way.windows(2).map(|step| {
            let by = &self.0[step[0]][step[1]];
            format!("{} imports {} ({by})", step[0], step[1])
        });
        Some(steps.collect::<Vec<_>>().join(", "))
    }

    fn walk<'g>(
        &'g self,
        at: &'g str,
        way: &mut Vec<&'g str>,
        done: &mut BTreeSet<&'g str>,
    ) -> bool {
        if let Some(begin) = way.iter().position(|module| *module == at) {
            way.drain(..begin);
            way.push(at);
            return true;
        }
        if !done.insert(at) {
            return false;
        }
        way.push(at);
        let edges = self.0.get(at).into_iter().flatten();
        for (to, _) in edges {
            if self.walk(to, way, done) {
                return true;
            }
        }
        way.pop();
        false
    }
}
