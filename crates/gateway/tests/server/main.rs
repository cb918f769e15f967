//! The accept loop and the common layers, over real sockets.

mod bounds;
mod client;
mod layers;
mod shutdown;
