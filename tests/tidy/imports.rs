//! Who imports whom: the folders of `src` import in one direction only.
//!
//! `cargo nextest run -E 'test(imports)' --no-capture` prints the graph.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Source, code, files};

/// What each folder, or file beside them, imports.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn imports_of_folders_run_one_way() {
    let graph = graph(&files());
    assert!(graph.len() >= 15, "the parts have moved: {graph:?}");
    println!("{}", shown(&graph));
    let circle = circle(&graph);
    assert!(
        circle.is_none(),
        "a circle: {}",
        circle.unwrap().join(" > ")
    );
}

#[test]
fn a_circle_is_found() {
    let of = |edges: &[(&str, &str)]| {
        let mut graph = Graph::new();
        for (from, to) in edges {
            let to = (*to).to_owned();
            graph.entry((*from).to_owned()).or_default().insert(to);
        }
        circle(&graph).map(|circle| circle.join(" > "))
    };
    assert_eq!(of(&[("a", "b"), ("b", "c"), ("a", "c")]), None);
    let found = of(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")]);
    assert_eq!(found.as_deref(), Some("b > c > d > b"));
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let graph = graph(&[
        source(
            "src/a/x.rs",
            "use crate::b::{c, d};\nuse crate::{e, f::g};\n// crate::h",
        ),
        source(
            "src/b.rs",
            "fn f() { crate::a::x(); }\nmod tests {\n use crate::i;",
        ),
    ]);
    assert_eq!(shown(&graph), "a > b e f\nb > a\n");
    assert!(circle(&graph).is_some());
}

/// The graph of the crate `keyrota`, without its tests.
fn graph(files: &[Source]) -> Graph {
    let mut graph = Graph::new();
    for file in files {
        let Some(path) = file.path.strip_suffix(".rs") else {
            continue;
        };
        let Some(path) = path.strip_prefix("src/") else {
            continue;
        };
        let mut parts = path.split('/');
        let part = parts.next().unwrap_or_default().to_owned();
        let is_test = parts.any(|part| part == "tests" || part == "testing");
        // The machine is a crate of its own, and these two join all parts.
        if is_test || ["rotation", "lib", "main"].contains(&part.as_str()) {
            continue;
        }
        let lines = file.lines().map(|(_, line)| code(line));
        // The tests of a file are its last module.
        let lines = lines.take_while(|line| !line.starts_with("mod tests"));
        let text = lines.collect::<Vec<_>>().join("\n");
        let mut imports: BTreeSet<String> = imported(&text).collect();
        imports.remove(&part);
        graph.entry(part).or_default().extend(imports);
    }
    graph
}

/// The first name of each path that begins with `crate::`.
fn imported(text: &str) -> impl Iterator<Item = String> {
    text.split("crate::").skip(1).flat_map(|rest| {
        let names = match rest.strip_prefix('{') {
            None => vec![rest],
            Some(list) => list
                .split('}')
                .next()
                .unwrap_or_default()
                .split(',')
                .collect(),
        };
        let name = |text: &str| {
            let text = text.trim_start();
            let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
            text[..end.unwrap_or(text.len())].to_owned()
        };
        names
            .into_iter()
            .map(name)
            .filter(|name| !name.is_empty())
            .collect::<Vec<_>>()
    })
}

fn shown(graph: &Graph) -> String {
    let line = |(from, to): (&String, &BTreeSet<String>)| {
        let to = to.iter().map(String::as_str).collect::<Vec<_>>();
        format!("{from} > {}\n", to.join(" "))
    };
    graph.iter().map(line).collect()
}

/// A way through the graph that ends where it began, if there is one.
fn circle(graph: &Graph) -> Option<Vec<String>> {
    fn walk(graph: &Graph, at: &str, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        if let Some(begin) = way.iter().position(|part| part == at) {
            way.drain(..begin);
            way.push(at.to_owned());
            return true;
        }
        if !done.insert(at.to_owned()) {
            return false;
        }
        way.push(at.to_owned());
        let next = graph.get(at).into_iter().flatten();
        for part in next {
            if walk(graph, part, way, done) {
                return true;
            }
        }
        way.pop();
        false
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|part| {
        let mut way = Vec::new();
        walk(graph, part, &mut way, &mut done).then_some(way)
    })
}
