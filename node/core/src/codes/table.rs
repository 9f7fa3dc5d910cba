//! Reading the tables that are compiled in from `data`.

/// A line that cannot be read, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadLine(pub(crate) usize);

/// The rows of a comma-separated table after its header, with what `row` makes of each. The
/// tables are our own and hold no quoted fields, so splitting is all the parsing they need.
pub(crate) fn rows<T>(
    csv: &'static str,
    mut row: impl FnMut(&[&'static str]) -> Option<T>,
) -> Result<Vec<T>, BadLine> {
    let columns = csv
        .lines()
        .next()
        .map_or(0, |header| header.split(',').count());
    let mut rows = Vec::new();
    for (line, text) in csv.lines().enumerate().skip(1) {
        let cells: Vec<&str> = text.split(',').collect();
        let fits = cells.len() == columns && !text.contains('"');
        let read = if fits { row(&cells) } else { None };
        rows.push(read.ok_or(BadLine(line + 1))?);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_columns_of_its_header() {
        let read = |csv| rows(csv, |cells| cells[0].parse::<u8>().ok());
        assert_eq!(read("a,b\n1,x\n2,\n"), Ok(vec![1, 2]));
        assert_eq!(read("a,b\n1,x\n2\n"), Err(BadLine(3)));
        assert_eq!(read("a,b\n1,x,y\n"), Err(BadLine(2)));
        assert_eq!(read("a,b\n1,\"x\"\n"), Err(BadLine(2)));
        assert_eq!(read("a,b\nx,y\n"), Err(BadLine(2)));
        assert_eq!(read("a,b\n\n"), Err(BadLine(2)));
        assert_eq!(read(""), Ok(vec![]));
    }
}
