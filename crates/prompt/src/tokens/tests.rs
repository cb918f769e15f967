use proptest::prelude::*;

use super::*;

#[test]
fn known_texts_are_counted_within_their_two_vocabularies() {
    // Text, tokens in o200k_base, tokens in cl100k_base.
    for (text, new, old) in [
        (
            "Die Frau setzte sich ans Fenster und blickte auf das Meer. Der Wind war stark, und die Schiffe konnten den Hafen nicht verlassen.",
            28,
            34,
        ),
        (
            "Лиса медленно вышла из леса и посмотрела на старую мельницу. Ветер шевелил траву, а над рекой поднимался туман. Она знала, что вернуться домой уже нельзя, но всё равно надеялась.",
            55,
            91,
        ),
        (
            "那个女人坐在窗边，望着大海。风很大，船无法离开港口。她想起了很久以前的一个夜晚，月光照在石头上。",
            43,
            67,
        ),
        (
            "女は窓辺に座り、海を眺めていた。風が強く、船は港を出ることができなかった。彼女は昔の夜のことを思い出していた。",
            49,
            65,
        ),
        (
            "여자는 창가에 앉아 바다를 바라보았다. 바람이 강해서 배들은 항구를 떠날 수 없었다. 그녀는 오래전 밤을 떠올렸다.",
            41,
            63,
        ),
        ("1234567890 3.14159 2026-11-22 99 1000000 42", 24, 24),
    ] {
        let estimate = estimate_tokens(text);
        assert!(
            (new..=old + 2).contains(&estimate),
            "{estimate} is not between {new} and {old}: {text}"
        );
    }
}

proptest! {
    #[test]
    fn a_longer_text_never_has_fewer_tokens(a in ".{0,40}", b in ".{0,40}") {
        let joined = format!("{a}{b}");
        prop_assert!(estimate_tokens(&joined) >= estimate_tokens(&a).max(estimate_tokens(&b)));
        prop_assert!(estimate_tokens(&joined) <= estimate_tokens(&a) + estimate_tokens(&b));
    }
}

#[test]
fn a_model_is_counted_with_its_vocabulary() {
    for (model, tokenizer) in [
        ("gpt-4o-mini", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("openai/gpt-4.1", "o200k_base"),
        ("GPT-5.1", "o200k_base"),
        ("gpt-oss:20b", "o200k_base"),
        ("o1", "o200k_base"),
        ("openai/o3-mini", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("anthropic/claude-sonnet-4", "estimate_claude"),
        ("gemini-2.5-pro", "estimate_gemini"),
        ("Meta-Llama-3.1-8B-Instruct", "estimate_llama3"),
        ("TheBloke/Llama-2-13B-GGUF", "estimate_llama2"),
        ("Mistral-Nemo", "estimate_mistral"),
        ("deepseek-chat", "estimate_deepseek"),
        ("DeepSeek-R1-Distill-Qwen-7B", "estimate_qwen"),
        ("opus-something", "estimate"),
        ("o", "estimate"),
        ("", "estimate"),
    ] {
        assert_eq!(Counter::for_model(model).tokenizer(), tokenizer, "{model}");
    }
}

#[test]
fn every_tokenizer_is_found_by_its_name() {
    for tokenizer in Tokenizer::ALL {
        assert_eq!(Counter::named(tokenizer.name()), Some(Counter(tokenizer)));
    }
    assert_eq!(Counter::named("p50k_base"), None);
}

#[test]
fn vocabularies_count_as_published() {
    let text = "Die Frau setzte sich ans Fenster und blickte auf das Meer. Der Wind war stark, und die Schiffe konnten den Hafen nicht verlassen.";
    for (name, text, old, new) in [
        ("nothing", "", 0, 0),
        ("a short text", "hello world", 2, 2),
        ("German", text, 34, 28),
        ("digits", "1234567890 3.14159 2026-11-22 99 1000000 42", 24, 24),
    ] {
        // The second time from memory.
        for _ in 0..2 {
            assert_eq!(Counter(Tokenizer::Cl100k).count(text), old, "{name}");
            assert_eq!(Counter(Tokenizer::O200k).count(text), new, "{name}");
        }
    }
}

#[test]
fn an_estimate_for_a_family_is_its_percentage_rounded_up() {
    let counter = Counter(Tokenizer::Claude);
    assert_eq!(counter.count(""), 0);
    assert_eq!(counter.count("a"), 2);
    let text = "a".repeat(1000);
    assert_eq!(estimate_tokens(&text), 220);
    assert_eq!(counter.count(&text), 264);
}

#[test]
fn a_text_too_long_to_be_counted_is_sampled() {
    let text = "The quick brown fox jumps over the lazy dog, é. ".repeat(7000);
    let counter = Counter(Tokenizer::O200k);
    let sampled = f64::from(counter.count(&text));
    let exact = o200k_base().count(text.as_str()) as f64;
    assert!((sampled / exact - 1.0).abs() < 0.02, "{sampled} for {exact}");
}

#[test]
fn ten_megabytes_of_one_line_are_sampled() {
    let text = "漢".repeat(10_000_000 / 3);
    let tokens = Counter(Tokenizer::Cl100k).count(&text);
    assert!((6_000_000..7_500_000).contains(&tokens), "{tokens}");
}
