//! The host's side of the interface: what extensions import, and the types that hooks share.

wit_bindgen::generate!({
    path: "wit",
    world: "tavern:extension/imports",
    additional_derives: [PartialEq, Clone],
    generate_unused_types: true,
});
