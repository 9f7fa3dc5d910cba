//! Bytes that change on a machine's disk.

use std::fs;

use huren_node::config::Database;

use crate::Machine;

/// How many bytes are looked for: few enough to lie on one page of a file.
const NEEDLE: usize = 24;

impl Machine {
    /// Changes a bit of this content in a table of its database, which no process has open.
    pub fn flip(&self, table: &str, content: &[u8]) {
        let mut contents = vec![content.to_vec()];
        let parts = content.windows(NEEDLE).step_by(8);
        contents.extend(parts.map(<[u8]>::to_vec));
        self.flip_any(table, &contents);
    }

    /// Changes a bit in the middle of the first of these contents that is found: what lies across two
    /// pages of a file is not, nor what is in it twice.
    pub fn flip_any(&self, table: &str, contents: &[Vec<u8>]) {
        let flipped = contents.iter().any(|content| match &self.config.database {
            Database::File(path) => {
                let mut bytes = fs::read(path).expect("a database");
                let found = bytes.windows(content.len()).enumerate();
                let mut found = found.filter(|(_, window)| window == content);
                let (first, second) = (found.next().map(|(at, _)| at), found.next());
                let (Some(at), None) = (first, second) else {
                    return false;
                };
                bytes[at + content.len() / 2] ^= 1;
                fs::write(path, bytes).expect("a database");
                true
            }
            Database::Shared(at) => {
                let server = huren_postgres_server::server().expect("a server");
                let column = if table == "tiles" {
                    "hashes"
                } else {
                    "entries"
                };
                let hex: String = content.iter().map(|byte| format!("{byte:02x}")).collect();
                let found = format!("position('\\x{hex}'::bytea in {column})");
                let middle = format!("{found} - 1 + {}", content.len() / 2);
                let sql = format!(
                    "UPDATE {table} SET {column} = \
                     set_byte({column}, {middle}, get_byte({column}, {middle}) # 1) \
                     WHERE {found} > 0 RETURNING 'flipped'"
                );
                let told = server.query(&at.url, &sql).expect("a statement");
                told.contains("flipped")
            }
        });
        assert!(flipped, "nothing of it is in {table}");
    }
}
