//! Any listing of the API as a table of text: what `.csv` behind its path gives.

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

/// Why an answer is no table.
#[derive(Debug, Error)]
pub(crate) enum TableError {
    /// It is not JSON. Report a bug.
    #[error("the answer cannot be read as JSON")]
    Json(#[from] serde_json::Error),
    /// There is no list in it.
    #[error("this is no listing: there is no list of rows in it")]
    NoRows,
    /// There are several lists in it.
    #[error("which rows? Say `?rows=` with one of: {}", .0.join(", "))]
    Which(Vec<String>),
}

/// Makes a table of a JSON answer: of the list that it is, of the one in it that is called `rows`, or of the only one in
/// it. What is nested becomes a column `outer.inner`, a list of plain values is joined by `;`, other lists stay JSON.
pub(crate) fn csv(json: &[u8], rows: &Rows<'_>) -> Result<Vec<u8>, TableError> {
    let answer: &RawValue = serde_json::from_slice(json)?;
    let rows = find(answer, rows)?;
    let mut columns = Columns::default();
    let rows: Vec<Row> = rows.into_iter().map(|row| columns.row(row)).collect::<Result<_, _>>()?;
    let mut table = ::csv::Writer::from_writer(Vec::new());
    let names: Vec<String> = columns.names.iter().map(|name| harmless(name)).collect();
    if !names.is_empty() {
        table.write_record(&names).expect("writing to memory does not fail");
    }
    for row in rows {
        let mut record = vec![""; names.len()];
        for (column, cell) in &row {
            record[*column] = cell;
        }
        table.write_record(record).expect("writing to memory does not fail");
    }
    Ok(table.into_inner().expect("writing to memory does not fail"))
}

/// Which of several lists is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// As somebody asked.
    pub(crate) asked: Option<&'a str>,
    /// The path's last part: the list of that name is what it is about.
    pub(crate) path: &'a str,
}

/// Cells with the numbers of their columns.
type Row = Vec<(usize, String)>;

/// The fields of an object, in the order they come.
#[derive(Debug)]
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(InOrder).map(Fields)
    }
}

fn is_object(json: &RawValue) -> bool {
    json.get().starts_with('{')
}

fn list(json: &RawValue) -> Option<Vec<&RawValue>> {
    let list: Vec<&RawValue> = json.get().starts_with('[').then(|| serde_json::from_str(json.get()).ok()).flatten()?;
    Some(list)
}

fn rows_of(json: &RawValue) -> Option<Vec<&RawValue>> {
    list(json).filter(|rows| rows.iter().all(|row| is_object(row)))
}

fn find<'a>(answer: &'a RawValue, wanted: &Rows<'_>) -> Result<Vec<&'a RawValue>, TableError> {
    if let Some(rows) = rows_of(answer) {
        return Ok(rows);
    }
    if !is_object(answer) {
        return Err(TableError::NoRows);
    }
    let Fields(fields) = serde_json::from_str(answer.get())?;
    let lists = fields.into_iter().filter_map(|(name, value)| Some((name, rows_of(value)?)));
    let (names, mut lists): (Vec<String>, Vec<_>) = lists.unzip();
    let named = |wanted: &str| names.iter().position(|name| name == wanted);
    let found = match wanted.asked {
        Some(asked) => named(asked),
        None if names.len() == 1 => Some(0),
        None => named(wanted.path),
    };
    match found {
        Some(at) => Ok(lists.swap_remove(at)),
        None if names.is_empty() => Err(TableError::NoRows),
        None => Err(TableError::Which(names)),
    }
}

/// The columns of all rows, in the order they first come.
#[derive(Debug, Default)]
struct Columns {
    names: Vec<String>,
    at: std::collections::HashMap<String, usize>,
}

impl Columns {
    fn row(&mut self, row: &RawValue) -> Result<Row, TableError> {
        let mut cells = Vec::new();
        self.flatten("", row, &mut cells)?;
        Ok(cells)
    }

    fn flatten(&mut self, prefix: &str, object: &RawValue, cells: &mut Row) -> Result<(), TableError> {
        let Fields(fields) = serde_json::from_str(object.get())?;
        for (name, value) in fields {
            let name = format!("{prefix}{name}");
            if is_object(value) {
                self.flatten(&format!("{name}."), value, cells)?;
            } else {
                let cell = cell(value)?;
                cells.push((self.column(name), cell));
            }
        }
        Ok(())
    }

    fn column(&mut self, name: String) -> usize {
        *self.at.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            self.names.len() - 1
        })
    }
}

fn cell(value: &RawValue) -> Result<String, TableError> {
    let Some(list) = list(value) else { return plain(value) };
    if list.iter().any(|value| value.get().starts_with(['{', '['])) {
        return Ok(value.get().to_owned());
    }
    let values: Vec<String> = list.into_iter().map(plain).collect::<Result<_, _>>()?;
    Ok(values.join(";"))
}

fn plain(value: &RawValue) -> Result<String, TableError> {
    match value.get() {
        "null" => Ok(String::new()),
        text if text.starts_with('"') => Ok(harmless(&serde_json::from_str::<String>(text)?)),
        number => Ok(number.to_owned()),
    }
}

/// Text that a spreadsheet would take for a formula gets a mark that says it is text.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: Rows<'static> = Rows { asked: None, path: "items" };

    fn table(json: &str, rows: &Rows<'_>) -> String {
        String::from_utf8(csv(json.as_bytes(), rows).expect("a table")).expect("text")
    }

    #[test]
    fn rows_keep_the_order_of_their_fields_and_what_is_nested_is_named_by_its_path() {
        let json = r#"[{"table":"hive.web.clicks","value":{"seconds":1.50,"why":null},"columns":["a","b"]},
                       {"table":"x, \"y\"","bytes":12345678901234567890,"held":true,"reads":[{"t":1}]}]"#;
        let expected = "table,value.seconds,value.why,columns,bytes,held,reads\n\
                        hive.web.clicks,1.50,,a;b,,,\n\
                        \"x, \"\"y\"\"\",,,,12345678901234567890,true,\"[{\"\"t\"\":1}]\"\n";
        assert_eq!(table(json, &PATH), expected);
        assert_eq!(table("[]", &PATH), "");
    }

    #[test]
    fn text_that_looks_like_a_formula_is_marked_and_numbers_are_not() {
        let json = r#"[{"who":"=HYPERLINK(\"x\")","n":-5,"tags":["@a","b"],"a":"+1","b":"-1","c":"\tx"}]"#;
        let expected = "who,n,tags,a,b,c\n\"'=HYPERLINK(\"\"x\"\")\",-5,'@a;b,'+1,'-1,'\tx\n";
        assert_eq!(table(json, &PATH), expected);
    }

    #[test]
    fn the_list_in_an_answer_is_found_by_being_alone_by_the_path_or_by_name() {
        let alone = r#"{"step":"hour","points":[{"a":1}],"total":{"a":2},"days":["x"]}"#;
        assert_eq!(table(alone, &PATH), "a\n1\n");
        let several = r#"{"tiers":[{"tier":"ssd"}],"items":[{"item":"i"}]}"#;
        assert_eq!(table(several, &PATH), "item\ni\n");
        assert_eq!(table(several, &Rows { asked: Some("tiers"), path: "items" }), "tier\nssd\n");
        let wrong = |json: &str, rows: &Rows<'_>| csv(json.as_bytes(), rows).expect_err("no table").to_string();
        assert!(wrong(several, &Rows { asked: None, path: "residency" }).contains("tiers, items"));
        assert!(wrong(several, &Rows { asked: Some("nope"), path: "items" }).contains("tiers, items"));
        for none in [r#"{"a":1}"#, "[1,2]", "\"text\"", "7"] {
            assert!(wrong(none, &PATH).contains("no listing"), "{none}");
        }
    }
}
