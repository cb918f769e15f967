//! Components are compiled in a process of their own, which has little and can do nothing else.

/// The main function of the worker: a component on standard input, its code on standard output.
/// Its memory and time are limited before it reads anything. Gives the exit code.
#[must_use]
pub fn worker() -> i32 {
    1
}
