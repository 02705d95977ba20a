//! The names in a group of HDF5, whether what they name can be read or not.
//!
//! The library lists a group by the headers of what lies in it, and one that it cannot read keeps it from listing the others.

use hdf5_reader::Hdf5File;
use hdf5_reader::btree_v1::collect_btree_v1_leaves_storage;
use hdf5_reader::btree_v2::{BTreeV2Header, BTreeV2Record, collect_btree_v2_records_storage};
use hdf5_reader::error::Result;
use hdf5_reader::fractal_heap::FractalHeap;
use hdf5_reader::group::Group;
use hdf5_reader::io::Cursor;
use hdf5_reader::local_heap::LocalHeap;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::link;
use hdf5_reader::messages::link_info::LinkInfoMessage;
use hdf5_reader::messages::symbol_table_msg::SymbolTableMessage;
use hdf5_reader::symbol_table::SymbolTableNode;

/// What an address is where there is nothing.
const NOWHERE: u64 = u64::MAX;
/// Bytes of an entry of a node of the symbol table, besides two addresses.
const ENTRY_BYTES: usize = 24;

/// The names in a group.
pub(super) fn names(file: &Hdf5File, group: &Group) -> Result<Vec<String>> {
    let header = file.get_or_parse_header(group.address())?;
    let mut names = Vec::new();
    for message in &header.messages {
        match message {
            HdfMessage::SymbolTable(table) => names.extend(of_table(group, table)?),
            HdfMessage::Link(link) => names.push(link.name.clone()),
            HdfMessage::LinkInfo(info) if info.fractal_heap_address != NOWHERE => {
                names.extend(of_heap(group, info)?);
            }
            _ => {}
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// The names in the oldest form of a group: a tree of nodes whose names lie in a heap.
fn of_table(group: &Group, table: &SymbolTableMessage) -> Result<Vec<String>> {
    let (storage, offset, length) = (group.storage(), group.offset_size(), group.length_size());
    let heap = LocalHeap::parse_at_storage(storage, table.heap_address, offset, length)?;
    let leaves =
        collect_btree_v1_leaves_storage(storage, table.btree_address, offset, length, None, &[], None)?;
    let mut names = Vec::new();
    for (_, address) in leaves {
        let head = storage.read_range(address, 8)?;
        let count = usize::from(u16::from_le_bytes([head[6], head[7]]));
        let bytes = storage.read_range(address, 8 + count * (2 * usize::from(offset) + ENTRY_BYTES))?;
        let node = SymbolTableNode::parse(&mut Cursor::new(bytes.as_ref()), offset, length)?;
        for entry in node.entries {
            names.push(heap.get_string_storage(entry.link_name_offset, storage)?);
        }
    }
    Ok(names)
}

/// The names of a group of many links: records of a tree that lead to links in a heap.
fn of_heap(group: &Group, info: &LinkInfoMessage) -> Result<Vec<String>> {
    let (storage, offset, length) = (group.storage(), group.offset_size(), group.length_size());
    let heap = FractalHeap::parse_at_storage(storage, info.fractal_heap_address, offset, length)?;
    let tree = BTreeV2Header::parse_at_storage(storage, info.btree_name_index_address, offset, length)?;
    let records = collect_btree_v2_records_storage(storage, &tree, offset, length, None, &[], None)?;
    let mut names = Vec::new();
    for record in records {
        if let BTreeV2Record::LinkNameHash { heap_id, .. } = record {
            let bytes = heap.get_object_storage(&heap_id, storage, offset, length)?;
            names.push(link::parse(&mut Cursor::new(&bytes), offset, length, bytes.len())?.name);
        }
    }
    Ok(names)
}
