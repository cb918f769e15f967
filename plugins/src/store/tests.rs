use super::*;

fn small() -> Memory {
    let limits = PluginLimits {
        memory_bytes: 100,
        large_memory_bytes: 200,
        table_elements: 10,
        ..PluginLimits::default()
    };
    Memory::new(&limits, false)
}

#[test]
fn all_memories_together_have_the_limit_and_not_a_byte_more() {
    let mut memory = small();
    assert!(memory.memory_growing(0, 60, None).expect("an answer"));
    assert!(memory.memory_growing(0, 40, None).expect("an answer"), "to the limit");
    assert!(!memory.refused);
    assert!(!memory.memory_growing(40, 41, None).expect("an answer"), "over it");
    assert!(memory.refused);
    assert_eq!(memory.bytes(), 100);
}

#[test]
fn all_tables_together_have_the_limit_and_not_an_element_more() {
    let mut memory = small();
    assert!(memory.table_growing(0, 6, None).expect("an answer"));
    assert!(memory.table_growing(0, 4, None).expect("an answer"));
    assert!(!memory.table_growing(4, 5, None).expect("an answer"));
}

#[test]
fn what_a_memory_does_not_want_for_itself_is_not_counted() {
    let mut memory = small();
    assert!(!memory.memory_growing(0, 60, Some(50)).expect("an answer"));
    assert!(!memory.refused);
    assert_eq!(memory.bytes(), 0);
}

#[test]
fn guests_with_an_interpreter_have_more() {
    let limits = PluginLimits::default();
    let mut memory = Memory::new(&limits, true);
    assert!(
        memory
            .memory_growing(0, limits.memory_bytes + 1, None)
            .expect("an answer")
    );
}

#[test]
fn the_time_on_the_processor_follows_from_the_fuel() {
    let limits = |fuel| CallLimits {
        fuel,
        wall: Duration::MAX,
    };
    assert_eq!(Call::new(limits(0), 2).most_ticks, FREE_TICKS);
    // 50 million at 2 ns are 100 ms, which are 20 ticks.
    assert_eq!(Call::new(limits(50_000_000), 2).most_ticks, FREE_TICKS + 20);
    assert!(Call::new(limits(u64::MAX), u64::MAX).most_ticks > FREE_TICKS);
}
