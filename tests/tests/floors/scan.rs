//! What Rust sources name: every path, whole, as `use` trees and code spell it; and every
//! method called. Comments, strings and what is compiled for tests alone do not count.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path or a method (`.name`) that a source names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Segments; the own crate's paths start with `crate`, whatever the source wrote.
    pub(crate) path: Vec<String>,
    /// Line in the file, from 1.
    pub(crate) line: usize,
}

impl Named {
    /// Whether the path starts with these segments.
    pub(crate) fn is_in(&self, prefix: &str) -> bool {
        let mut own = self.path.iter();
        prefix
            .split("::")
            .all(|segment| own.next().is_some_and(|own| own == segment))
    }
}

/// A source file and what it names.
pub(crate) struct Source {
    /// Where it is.
    pub(crate) file: PathBuf,
    /// Its module: `["rpc", "access"]`.
    pub(crate) module: Vec<String>,
    /// What it names.
    pub(crate) named: Vec<Named>,
}

/// Scans every source of a crate below its `src`, but modules for tests alone.
pub(crate) fn sources(src: &Path) -> Vec<Source> {
    let mut files = Vec::new();
    list(src, &mut files);
    let mut for_tests = Vec::new();
    let mut sources = Vec::new();
    for file in files {
        let module = module_of(file.strip_prefix(src).expect("below src"));
        let mut scan = Scan::new(module.clone());
        scan.text(&fs::read_to_string(&file).expect("a source"));
        for_tests.append(&mut scan.for_tests);
        sources.push(Source {
            file,
            module,
            named: scan.named,
        });
    }
    sources.retain(|source| !for_tests.iter().any(|of| source.module.starts_with(of)));
    sources
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a folder").path();
        if path.is_dir() {
            list(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

fn module_of(file: &Path) -> Vec<String> {
    let mut module: Vec<String> = file
        .with_extension("")
        .iter()
        .map(|part| part.to_str().expect("a module").to_owned())
        .collect();
    if module
        .last()
        .is_some_and(|last| last == "mod" || last == "lib")
    {
        module.pop();
    }
    module
}

/// Reads tokens and gathers what they name.
pub(crate) struct Scan {
    module: Vec<String>,
    /// What was found.
    pub(crate) named: Vec<Named>,
    /// Modules in files of their own that are compiled for tests alone.
    pub(crate) for_tests: Vec<Vec<String>>,
}

impl Scan {
    /// Starts in a module.
    pub(crate) fn new(module: Vec<String>) -> Self {
        Self {
            module,
            named: Vec::new(),
            for_tests: Vec::new(),
        }
    }

    /// Reads a whole file.
    pub(crate) fn text(&mut self, text: &str) {
        self.tokens(text.parse().expect("Rust"), &[]);
    }

    /// Reads tokens; inside of a `use` tree, `prefix` is what stands before its brace.
    fn tokens(&mut self, tokens: TokenStream, prefix: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut path = prefix.to_vec();
        let mut goes_on = !prefix.is_empty(); // Behind `::`.
        let mut line = 0;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Ident(ident) => {
                    if !goes_on {
                        self.found(&mut path, line);
                    }
                    path.push(ident.to_string());
                    line = ident.span().start().line;
                    goes_on = false;
                    if let Some(TokenTree::Group(body)) = tokens.get(at + 2)
                        && ident == "mod"
                        && body.delimiter() == Delimiter::Brace
                    {
                        self.module.push(tokens[at + 1].to_string());
                        self.tokens(body.stream(), &[]);
                        self.module.pop();
                        at += 2;
                    }
                }
                TokenTree::Punct(punct) => match punct.as_char() {
                    ':' if is_punct(tokens.get(at + 1), ':') => {
                        goes_on = !path.is_empty();
                        at += 1;
                    }
                    ',' => {
                        self.found(&mut path, line);
                        path = prefix.to_vec();
                        goes_on = !prefix.is_empty();
                    }
                    '#' if is_test_only(tokens.get(at + 1)) => {
                        self.found(&mut path, line);
                        at = self.skip_item(&tokens, at + 2);
                    }
                    '.' => {
                        self.found(&mut path, line);
                        goes_on = false;
                        self.method(&tokens[at + 1..]);
                    }
                    _ => {
                        self.found(&mut path, line);
                        goes_on = false;
                    }
                },
                TokenTree::Group(group) if goes_on => {
                    self.tokens(group.stream(), &path);
                    path.clear();
                    goes_on = false;
                }
                TokenTree::Group(group) => {
                    self.found(&mut path, line);
                    self.tokens(group.stream(), &[]);
                }
                TokenTree::Literal(_) => self.found(&mut path, line),
            }
            at += 1;
        }
        self.found(&mut path, line);
    }

    fn method(&mut self, rest: &[TokenTree]) {
        if let [TokenTree::Ident(name), TokenTree::Group(arguments), ..] = rest
            && arguments.delimiter() == Delimiter::Parenthesis
        {
            self.named.push(Named {
                path: vec![format!(".{name}")],
                line: name.span().start().line,
            });
        }
    }

    /// Passes over the item behind `#[cfg(test)]`: the position of its last token.
    fn skip_item(&mut self, tokens: &[TokenTree], start: usize) -> usize {
        let is_end = |token: &TokenTree| match token {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            token => is_punct(Some(token), ';'),
        };
        let length = tokens[start..].iter().position(is_end).expect("an item");
        let end = start + length;
        if is_punct(tokens.get(end), ';')
            && let [.., TokenTree::Ident(keyword), TokenTree::Ident(name)] = &tokens[start..end]
            && keyword == "mod"
        {
            let mut module = self.module.clone();
            module.push(name.to_string());
            self.for_tests.push(module);
        }
        end
    }

    /// Keeps a path, spelt from the root of its crate.
    fn found(&mut self, path: &mut Vec<String>, line: usize) {
        let found = std::mem::take(path);
        if found.len() < 2 {
            return;
        }
        let ups = found
            .iter()
            .take_while(|segment| *segment == "super")
            .count();
        let path = if ups > 0 || found[0] == "self" {
            let kept = self.module.len().saturating_sub(ups);
            let own = self.module[..kept].iter();
            let rest = found.iter().skip(ups.max(1));
            ["crate".to_owned()]
                .iter()
                .chain(own)
                .chain(rest)
                .cloned()
                .collect()
        } else {
            found
        };
        self.named.push(Named { path, line });
    }
}

fn is_punct(token: Option<&TokenTree>, punct: char) -> bool {
    matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == punct)
}

fn is_test_only(token: Option<&TokenTree>) -> bool {
    token.is_some_and(|token| token.to_string().replace(' ', "") == "[cfg(test)]")
}
