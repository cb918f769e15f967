use tempfile::TempDir;

use super::*;
use crate::engine;

const KEY: [u8; 32] = [1; 32];

struct Kept {
    folder: TempDir,
    engine: Engine,
    code: Vec<u8>,
}

impl Kept {
    fn new() -> Self {
        let engine = Engine::new(&engine::config()).expect("an engine");
        let component = wat::parse_str("(component (core module (func)))").expect("a component");
        let code = engine.precompile_component(&component).expect("code");
        Self {
            folder: TempDir::new().expect("a directory"),
            engine,
            code,
        }
    }

    fn disk(&self, key: [u8; 32], room: u64) -> Disk {
        Disk::open(self.folder.path().join("code"), key, &self.engine, room).expect("the cache")
    }

    fn files(&self) -> usize {
        fs::read_dir(self.folder.path().join("code"))
            .expect("the cache")
            .count()
    }
}

#[test]
fn code_is_read_back_by_the_next_process() {
    let kept = Kept::new();
    kept.disk(KEY, 1 << 30).save("abc", &kept.code).expect("saved");
    let disk = kept.disk(KEY, 1 << 30);
    assert!(disk.load(&kept.engine, "abc").expect("taken").is_some());
    assert!(disk.load(&kept.engine, "abd").expect("taken").is_none());
    let mode = |path: &std::path::Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&kept.folder.path().join("code")), 0o700);
    assert_eq!(mode(&disk.path("abc")), 0o600);
}

#[test]
fn a_file_with_any_byte_changed_is_removed_and_never_loaded() {
    let kept = Kept::new();
    let disk = kept.disk(KEY, 1 << 30);
    disk.save("abc", &kept.code).expect("saved");
    let path = disk.path("abc");
    let whole = fs::read(&path).expect("the file");
    let spots = (0..MARK + 8).chain((0..whole.len()).step_by(whole.len() / 64));
    for spot in spots {
        let mut bytes = whole.clone();
        bytes[spot] ^= 1;
        fs::write(&path, bytes).expect("written");
        assert!(disk.load(&kept.engine, "abc").expect("taken").is_none(), "byte {spot}");
        assert!(!path.exists(), "byte {spot}");
    }
    for length in [0, 1, MARK - 1, MARK, MARK + 1, whole.len() - 1] {
        fs::write(&path, &whole[..length]).expect("written");
        assert!(
            disk.load(&kept.engine, "abc").expect("taken").is_none(),
            "{length} bytes"
        );
    }
    fs::write(&path, &whole).expect("written");
    assert!(disk.load(&kept.engine, "abc").expect("taken").is_some());
}

#[test]
fn code_of_another_component_or_another_server_is_not_loaded() {
    let kept = Kept::new();
    let disk = kept.disk(KEY, 1 << 30);
    disk.save("abc", &kept.code).expect("saved");
    fs::rename(disk.path("abc"), disk.path("abd")).expect("renamed");
    assert!(disk.load(&kept.engine, "abd").expect("taken").is_none());
    disk.save("abc", &kept.code).expect("saved");
    assert!(
        kept.disk([2; 32], 1 << 30)
            .load(&kept.engine, "abc")
            .expect("taken")
            .is_none()
    );
}

#[test]
fn what_another_version_or_a_crash_left_is_removed_at_the_start() {
    let kept = Kept::new();
    kept.disk(KEY, 1 << 30).save("abc", &kept.code).expect("saved");
    let folder = kept.folder.path().join("code");
    fs::write(folder.join("abc-0000000000000000.code"), b"older").expect("written");
    let draft = folder.join("0123456789abcdef.draft");
    fs::write(&draft, b"half").expect("written");
    kept.disk(KEY, 1 << 30);
    assert!(draft.exists(), "another process may be writing it");
    let file = fs::File::options().write(true).open(&draft).expect("a file");
    file.set_modified(SystemTime::now() - DRAFT_AGE - Duration::from_secs(1))
        .expect("its time is set");
    kept.disk(KEY, 1 << 30);
    assert_eq!(kept.files(), 1);
}

#[test]
fn the_disk_has_room_for_so_much_and_what_was_used_last_stays() {
    let kept = Kept::new();
    let disk = kept.disk(KEY, 2 * (kept.code.len() + MARK) as u64 + 100);
    let long_ago = |name: &str, seconds| {
        let file = fs::File::open(disk.path(name)).expect("the file");
        let time = SystemTime::now() - Duration::from_secs(seconds);
        file.set_modified(time).expect("the time");
    };
    disk.save("one", &kept.code).expect("saved");
    long_ago("one", 60);
    disk.save("two", &kept.code).expect("saved");
    long_ago("two", 30);
    assert!(
        disk.load(&kept.engine, "one").expect("taken").is_some(),
        "and is used now"
    );
    disk.save("three", &kept.code).expect("saved");
    assert!(disk.load(&kept.engine, "two").expect("taken").is_none());
    assert!(disk.load(&kept.engine, "one").expect("taken").is_some());
    assert!(disk.load(&kept.engine, "three").expect("taken").is_some());
}
