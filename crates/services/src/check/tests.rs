use super::{file_name, stem};

#[test]
fn a_stem_is_what_is_left_of_a_path() {
    for (path, left) in [
        ("Eldoria.json", "Eldoria"),
        ("a/b\\My book.v2.json", "My book.v2"),
        ("plain", "plain"),
        ("", ""),
        (".json", ""),
    ] {
        assert_eq!(stem(path), left, "{path}");
    }
}

#[test]
fn a_file_name_is_safe_on_any_system() {
    for (name, safe) in [
        ("Eldoria", "Eldoria.json"),
        ("../../etc/passwd", "_.._etc_passwd.json"),
        ("a:b*c?\u{7}\n", "a_b_c___.json"),
        (" . ", "export.json"),
        ("", "export.json"),
        ("☃", "☃.json"),
    ] {
        assert_eq!(file_name(name, "json"), safe, "{name:?}");
    }
    assert_eq!(file_name(&"x".repeat(300), "json").len(), 85);
}
