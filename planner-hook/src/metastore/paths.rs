//! Where in the metastore's messages locations stand: a table of calls, and of fields by their ids.
//!
//! Checked against Hive's `hive_metastore.thrift` from 2.3 to 4.x. What is not in the table passes as it is: calls that are newer
//! than it, fields that are, and `Database.locationUri`, which says where tables are made that do not exist yet.

use super::thrift::{Kind, Node, Role};

const LOCATION: Node = Node::Text(Role::Location);

/// `SerDeInfo`, whose parameter `path` is where Spark repeats the location of its own tables.
const SERDE: Node = Node::Fields(&[(3, Node::Named(&[("path", Role::Location)]))]);

/// `StorageDescriptor`: the location, `SerDeInfo`, and in `SkewedInfo` the folders of skewed values.
const STORAGE: Node =
    Node::Fields(&[(2, LOCATION), (7, SERDE), (11, Node::Fields(&[(3, Node::Each(&LOCATION_OF_EACH))]))]);
static LOCATION_OF_EACH: Node = LOCATION;

/// `Table`, with what tells tables that are left alone.
static TABLE: Node = Node::Table(TABLE_FIELDS);
const TABLE_FIELDS: &[(i16, Node)] = &[
    (7, STORAGE),
    (
        9,
        Node::Named(&[
            ("metadata_location", Role::Iceberg),
            ("table_type", Role::Format),
            ("spark.sql.sources.provider", Role::Format),
        ]),
    ),
    (12, Node::Text(Role::TableKind)),
];

static PARTITION: Node = Node::Fields(PARTITION_FIELDS);
const PARTITION_FIELDS: &[(i16, Node)] = &[(6, STORAGE)];

/// `PartitionSpec`: its root; partitions that share one `StorageDescriptor`, their places relative to the root; and
/// partitions that have one each.
static PARTITION_SPEC: Node = Node::Fields(&[
    (3, LOCATION),
    (4, Node::Fields(&[(2, STORAGE)])),
    (5, Node::Fields(&[(1, Node::Each(&PARTITION))])),
]);

/// `InsertEventRequestData`: the files that were added. They are field 1 up to Hive 2.1, and field 2 since.
static INSERT_EVENT: Node = Node::Fields(INSERT_EVENT_FIELDS);
const INSERT_EVENT_FIELDS: &[(i16, Node)] = &[(1, Node::Each(&LOCATION_OF_EACH)), (2, Node::Each(&LOCATION_OF_EACH))];
static WRITE_NOTIFICATION: Node = Node::Fields(WRITE_NOTIFICATION_FIELDS);
const WRITE_NOTIFICATION_FIELDS: &[(i16, Node)] = &[(5, Node::Fields(INSERT_EVENT_FIELDS))];

/// A result is field 0.
static ANSWER_TABLE: Node = Node::Fields(&[(0, Node::Table(TABLE_FIELDS))]);
static ANSWER_TABLE_IN: Node = Node::Fields(&[(0, Node::Fields(&[(1, Node::Table(TABLE_FIELDS))]))]);
static ANSWER_TABLES: Node = Node::Fields(&[(0, Node::Each(&TABLE))]);
static ANSWER_TABLES_IN: Node = Node::Fields(&[(0, Node::Fields(&[(1, Node::Each(&TABLE))]))]);
static ANSWER_PARTITION: Node = Node::Fields(&[(0, Node::Fields(PARTITION_FIELDS))]);
static ANSWER_PARTITION_IN: Node = Node::Fields(&[(0, Node::Fields(&[(1, Node::Fields(PARTITION_FIELDS))]))]);
static ANSWER_PARTITIONS: Node = Node::Fields(&[(0, Node::Each(&PARTITION))]);
static ANSWER_PARTITIONS_IN: Node = Node::Fields(&[(0, Node::Fields(&[(1, Node::Each(&PARTITION))]))]);
static ANSWER_SPECS: Node = Node::Fields(&[(0, Node::Each(&PARTITION_SPEC))]);
static ANSWER_SPECS_IN: Node = Node::Fields(&[(0, Node::Fields(&[(1, Node::Each(&PARTITION_SPEC))]))]);

static NOTHING: Node = Node::Nothing;

/// What is of interest in a message.
pub(crate) fn of(kind: Kind, name: &[u8]) -> &'static Node {
    match kind {
        Kind::Call | Kind::OneWay => of_request(name),
        Kind::Reply => of_answer(name),
        Kind::Exception => &NOTHING,
    }
}

fn of_answer(name: &[u8]) -> &'static Node {
    match name {
        b"get_table" | b"translate_table_dryrun" => &ANSWER_TABLE,
        b"get_table_req" => &ANSWER_TABLE_IN,
        b"get_table_objects_by_name" => &ANSWER_TABLES,
        b"get_table_objects_by_name_req" => &ANSWER_TABLES_IN,
        b"get_partition"
        | b"get_partition_with_auth"
        | b"get_partition_by_name"
        | b"add_partition"
        | b"add_partition_with_environment_context"
        | b"append_partition"
        | b"append_partition_req"
        | b"append_partition_with_environment_context"
        | b"append_partition_by_name"
        | b"append_partition_by_name_with_environment_context"
        | b"exchange_partition" => &ANSWER_PARTITION,
        b"get_partition_req" => &ANSWER_PARTITION_IN,
        b"get_partitions"
        | b"get_partitions_with_auth"
        | b"get_partitions_ps"
        | b"get_partitions_ps_with_auth"
        | b"get_partitions_by_filter"
        | b"get_partitions_by_filter_req"
        | b"get_partitions_by_names"
        | b"exchange_partitions" => &ANSWER_PARTITIONS,
        b"get_partitions_req"
        | b"get_partitions_ps_with_auth_req"
        | b"get_partitions_by_names_req"
        | b"get_partitions_by_expr"
        | b"add_partitions_req"
        | b"drop_partitions_req" => &ANSWER_PARTITIONS_IN,
        b"get_partitions_pspec" | b"get_part_specs_by_filter" => &ANSWER_SPECS,
        b"get_partitions_spec_by_expr" | b"get_partitions_with_specs" => &ANSWER_SPECS_IN,
        _ => &NOTHING,
    }
}

fn of_request(name: &[u8]) -> &'static Node {
    /// An argument that is a table or a partition itself, by the argument's id.
    static TABLE_AT_1: Node = Node::Fields(&[(1, Node::Table(TABLE_FIELDS))]);
    static TABLE_AT_3: Node = Node::Fields(&[(3, Node::Table(TABLE_FIELDS))]);
    static PARTITION_AT_1: Node = Node::Fields(&[(1, Node::Fields(PARTITION_FIELDS))]);
    static PARTITION_AT_3: Node = Node::Fields(&[(3, Node::Fields(PARTITION_FIELDS))]);
    static PARTITION_AT_4: Node = Node::Fields(&[(4, Node::Fields(PARTITION_FIELDS))]);
    static PARTITIONS_AT_1: Node = Node::Fields(&[(1, Node::Each(&PARTITION))]);
    static PARTITIONS_AT_3: Node = Node::Fields(&[(3, Node::Each(&PARTITION))]);
    static SPECS_AT_1: Node = Node::Fields(&[(1, Node::Each(&PARTITION_SPEC))]);
    /// A field of the one argument.
    static TABLE_IN_1: Node = Node::Fields(&[(1, Node::Fields(&[(1, Node::Table(TABLE_FIELDS))]))]);
    static TABLE_IN_4: Node = Node::Fields(&[(1, Node::Fields(&[(4, Node::Table(TABLE_FIELDS))]))]);
    static PARTITION_IN_5: Node = Node::Fields(&[(1, Node::Fields(&[(5, Node::Fields(PARTITION_FIELDS))]))]);
    static PARTITIONS_IN_3: Node = Node::Fields(&[(1, Node::Fields(&[(3, Node::Each(&PARTITION))]))]);
    static PARTITIONS_IN_4: Node = Node::Fields(&[(1, Node::Fields(&[(4, Node::Each(&PARTITION))]))]);
    static EVENT: Node = Node::Fields(&[(
        1,
        Node::Fields(&[(2, Node::Fields(&[(1, Node::Fields(INSERT_EVENT_FIELDS)), (2, Node::Each(&INSERT_EVENT))]))]),
    )]);
    static NOTIFICATION: Node = Node::Fields(&[(1, Node::Fields(WRITE_NOTIFICATION_FIELDS))]);
    static NOTIFICATIONS: Node = Node::Fields(&[(1, Node::Fields(&[(4, Node::Each(&WRITE_NOTIFICATION))]))]);
    static RECYCLE: Node = Node::Fields(&[(1, Node::Fields(&[(1, LOCATION)]))]);
    match name {
        b"create_table" | b"create_table_with_environment_context" | b"create_table_with_constraints" => &TABLE_AT_1,
        b"create_table_req" | b"translate_table_dryrun" => &TABLE_IN_1,
        b"alter_table" | b"alter_table_with_environment_context" | b"alter_table_with_cascade" => &TABLE_AT_3,
        b"alter_table_req" => &TABLE_IN_4,
        b"add_partition" | b"add_partition_with_environment_context" => &PARTITION_AT_1,
        b"add_partitions" => &PARTITIONS_AT_1,
        b"add_partitions_pspec" => &SPECS_AT_1,
        b"add_partitions_req" => &PARTITIONS_IN_3,
        b"alter_partition" | b"alter_partition_with_environment_context" => &PARTITION_AT_3,
        b"alter_partitions" | b"alter_partitions_with_environment_context" => &PARTITIONS_AT_3,
        b"alter_partitions_req" => &PARTITIONS_IN_4,
        b"rename_partition" => &PARTITION_AT_4,
        b"rename_partition_req" => &PARTITION_IN_5,
        b"fire_listener_event" => &EVENT,
        b"add_write_notification_log" => &NOTIFICATION,
        b"add_write_notification_log_in_batch" => &NOTIFICATIONS,
        b"cm_recycle" => &RECYCLE,
        _ => &NOTHING,
    }
}

/// Whether this is asked by who is about to write. Spark asks so for the partitions that an `INSERT` may touch, and for nothing that
/// it reads. One that lies elsewhere than its table's folder is filled by moving files there from below the table's folder, which
/// no two file systems do, and an `INSERT OVERWRITE` has removed what was there by then.
pub(crate) fn is_asked_by_writers(name: &[u8]) -> bool {
    matches!(name, b"get_partitions_ps_with_auth" | b"get_partitions_ps_with_auth_req")
}

/// Whether a table that has this is left alone. A view has no files. Iceberg, Delta Lake and Hudi keep lists of files of
/// their own, many with whole URLs: another location would move only part of their reads.
pub(crate) fn is_left_alone(role: Role, text: &str) -> bool {
    let is = |names: &[&str]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
    match role {
        Role::Location => false,
        Role::TableKind => is(&["VIRTUAL_VIEW", "MATERIALIZED_VIEW"]),
        Role::Format => is(&["iceberg", "delta", "hudi"]),
        Role::Iceberg => true,
    }
}
