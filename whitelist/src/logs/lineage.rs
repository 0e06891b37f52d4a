//! Lineage graphs, as Hive and Impala log them: which columns a result was made of. Edges lead from sources, which were
//! read, to targets, which are results or columns that were written.

use std::collections::HashMap;

use larder_model::TableRead;
use serde::Deserialize;

use super::adapter::table_name;

#[derive(Deserialize)]
pub(super) struct Edge {
    sources: Vec<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Vertex {
    id: i64,
    /// `COLUMN` or `TABLE`.
    vertex_type: Option<String>,
    /// `schema.table.column`, `schema.table`, or the label of a result.
    vertex_id: String,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    table_name: String,
}

/// The tables and columns that the edges lead from. There are neither bytes nor partitions in a graph.
pub(super) fn reads(edges: &[Edge], vertices: &[Vertex], catalog: &str) -> Result<Vec<TableRead>, String> {
    let by_id: HashMap<i64, &Vertex> = vertices.iter().map(|vertex| (vertex.id, vertex)).collect();
    let mut reads: Vec<TableRead> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (at, edge) in edges.iter().enumerate() {
        for source in &edge.sources {
            let vertex = by_id.get(source).ok_or_else(|| format!("edges[{at}]: there is no vertex {source}"))?;
            let Some((schema, table, column)) = parts(vertex) else { continue };
            // The part of the text that names the table.
            let name = &vertex_table(vertex)[..schema.len() + 1 + table.len()];
            let index = match known.get(name) {
                Some(index) => *index,
                None => {
                    let table =
                        table_name(catalog, schema, table).map_err(|error| format!("the vertex {source}: {error}"))?;
                    reads.push(TableRead { table, partitions: Vec::new(), columns: Vec::new(), bytes: 0 });
                    known.insert(name, reads.len() - 1);
                    reads.len() - 1
                }
            };
            reads[index].columns.extend(column.map(str::to_owned));
        }
    }
    Ok(reads)
}

/// The text that begins with the table's name.
fn vertex_table(vertex: &Vertex) -> &str {
    vertex.metadata.as_ref().map_or(&vertex.vertex_id, |metadata| &metadata.table_name)
}

/// Schema, table and column of a vertex; `None` for a label without a table.
fn parts(vertex: &Vertex) -> Option<(&str, &str, Option<&str>)> {
    if let Some(metadata) = &vertex.metadata {
        let (schema, table) = metadata.table_name.split_once('.')?;
        let column =
            vertex.vertex_id.strip_prefix(metadata.table_name.as_str()).and_then(|rest| rest.strip_prefix('.'));
        return Some((schema, table, column));
    }
    let (schema, rest) = vertex.vertex_id.split_once('.')?;
    if vertex.vertex_type.as_deref() == Some("TABLE") {
        return Some((schema, rest, None));
    }
    let (table, column) = rest.split_once('.')?;
    Some((schema, table, Some(column)))
}
