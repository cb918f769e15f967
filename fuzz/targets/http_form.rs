//! A multipart request: its files are within the limits, whatever it claims.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tavern_domain::Limits;
use tavern_gateway::fuzzing::form;

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime without I/O");
}

fuzz_target!(|data: &[u8]| {
    // So small that inputs of a few bytes come to both sides.
    let limits = Limits {
        body_bytes: 256,
        upload_bytes: 16,
        upload_files: 2,
        ..Limits::default()
    };
    match RUNTIME.with(|runtime| runtime.block_on(form(data.to_vec(), &limits))) {
        Ok(files) => assert!(files.len() <= 2 && files.iter().all(|size| *size <= 16), "{files:?}"),
        Err(error) => assert!(error.message.len() < 1_000, "{}", error.message),
    }
});
