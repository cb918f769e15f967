//! What the interfaces in `plugin-sdk/wit` are in Rust.

wasmtime::component::bindgen!({
    path: "../plugin-sdk/wit",
    world: "all-hooks",
    imports: { default: async | trappable },
    exports: { default: async },
    additional_derives: [Clone, PartialEq],
});
