//! Cards: imported by upload and as JSON, and their pictures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Tavern, png_card, png_with_chunk, text, user_errors, v2_card};

#[tokio::test]
async fn a_card_in_a_picture_becomes_a_private_character() {
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let answer = client.import("orla.png", png_card(&v2_card("Orla"))).await;
    let imported = &answer["data"]["importCharacter"];
    assert_eq!(user_errors(imported), [""; 0], "{answer:#}");
    let character = &imported["character"];
    assert_eq!(character["name"], "Orla");
    assert_eq!(
        character["firstMessage"],
        "*{{char}} looks up.* Good evening, {{user}}."
    );
    assert_eq!(character["specVersion"], "2.0");
    assert_eq!(character["visibility"], "PRIVATE");
    assert_eq!(character["tags"], json!(["Clockwork", "test"]));
}

#[tokio::test]
async fn what_the_platform_has_no_field_for_is_kept() {
    let tavern = Tavern::start().await;
    let answer = tavern
        .user("importer")
        .await
        .import("orla.png", png_card(&v2_card("Orla")))
        .await;
    let extensions = answer["data"]["importCharacter"]["character"]["cardExtensions"].to_string();
    for kept in [
        "depth_prompt",
        "Mind the time.",
        "unknown/thing",
        "deep",
        "Springs wind down.",
    ] {
        assert!(extensions.contains(kept), "{kept} is lost: {extensions}");
    }
}

#[tokio::test]
async fn a_card_as_json_and_as_a_json_file_are_the_same() {
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let by_file = client
        .import("card.json", v2_card("Orla").to_string().into_bytes())
        .await;
    let by_json = client
        .data("mutation($j: JSON!) { importCharacter(input: { source: { json: $j } }) { character { name firstMessage cardExtensions } userErrors { message field code } } }", json!({ "j": v2_card("Orla") }))
        .await;
    for field in ["name", "firstMessage", "cardExtensions"] {
        assert_eq!(
            by_file["data"]["importCharacter"]["character"][field], by_json["importCharacter"]["character"][field],
            "{field}"
        );
    }
}

#[tokio::test]
async fn the_picture_is_served_in_sizes_and_may_be_cached_for_ever() {
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let answer = client.import("orla.png", png_card(&v2_card("Orla"))).await;
    let url = text(&answer["data"]["importCharacter"]["character"]["avatarUrl"], &answer);
    let served = client
        .http
        .get(format!("{}{url}", tavern.url))
        .send()
        .await
        .expect("an answer");
    assert_eq!(served.status(), 200);
    assert_eq!(served.headers()["content-type"], "image/jpeg");
    assert!(
        served.headers()["cache-control"]
            .to_str()
            .expect("text")
            .contains("immutable")
    );
    assert_eq!(served.headers()["x-content-type-options"], "nosniff");
    let bytes = served.bytes().await.expect("bytes");
    let picture = image::load_from_memory(&bytes).expect("a picture");
    assert_eq!((picture.width(), picture.height()), (48, 64));
    assert!(
        !bytes.windows(5).any(|window| window == b"chara"),
        "the card's text is not in the picture that is served"
    );
}

#[tokio::test]
async fn a_picture_nobody_has_is_not_found() {
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let answer = client.import("orla.png", png_card(&v2_card("Orla"))).await;
    let url = text(&answer["data"]["importCharacter"]["character"]["avatarUrl"], &answer);
    let id = text(&answer["data"]["importCharacter"]["character"]["id"], &answer);
    let others = [
        url.replace("-64", "-65"),
        url.replace("-64", "-999999999999"),
        format!("/objects/avatars/{id}/0000000000000000-64"),
        format!("/objects/avatars/{id}/..%2f..%2foriginal-64"),
        "/objects/avatars/x/y".into(),
    ];
    for other in others {
        assert_eq!(
            client
                .http
                .get(format!("{}{other}", tavern.url))
                .send()
                .await
                .expect("an answer")
                .status(),
            404,
            "{other}"
        );
    }
}

#[tokio::test]
async fn files_that_are_not_what_they_say_are_refused_in_words() {
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let mut truncated = png_card(&v2_card("Orla"));
    truncated.truncate(60);
    let cases: [(&str, Vec<u8>); 7] = [
        ("empty.png", Vec::new()),
        ("noise.png", vec![0x5a; 4096]),
        ("truncated.png", truncated),
        ("no-card.png", png_with_chunk(b"tEXt", b"comment\0hello")),
        ("list.json", b"[1,2,3]".to_vec()),
        ("broken.json", b"{\"name\": ".to_vec()),
        ("picture.webp", b"RIFF\x10\0\0\0WEBPVP8 ".to_vec()),
    ];
    for (name, bytes) in cases {
        let answer = client.import(name, bytes).await;
        let imported = &answer["data"]["importCharacter"];
        assert_eq!(
            user_errors(imported),
            ["BAD_USER_INPUT source.file"],
            "{name}: {answer:#}"
        );
        assert!(
            imported["userErrors"][0]["message"]
                .as_str()
                .is_some_and(|message| message.len() > 15),
            "{name}: {answer:#}"
        );
    }
    let count = client.data("{ viewer { characters { totalCount } } }", json!({})).await;
    assert_eq!(count["viewer"]["characters"]["totalCount"], 0);
}

#[tokio::test]
async fn a_chunk_that_inflates_to_a_gigabyte_is_refused_and_the_server_goes_on() {
    use std::io::Write as _;
    let mut bomb = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b'A'; 1 << 20];
    for _ in 0..1024 {
        bomb.write_all(&zeros).expect("compressed");
    }
    let data = [b"chara\0\0".as_slice(), &bomb.finish().expect("compressed")].concat();
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let answer = client.import("bomb.png", png_with_chunk(b"zTXt", &data)).await;
    assert_eq!(
        user_errors(&answer["data"]["importCharacter"]),
        ["BAD_USER_INPUT source.file"],
        "{answer:#}"
    );
    let good = client.import("orla.png", png_card(&v2_card("Orla"))).await;
    assert_eq!(good["data"]["importCharacter"]["character"]["name"], "Orla");
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_and_one_at_it_is_read() {
    let card = png_card(&v2_card("Orla"));
    let size = card.len();
    let tavern = Tavern::with(move |config| config.limits.upload_bytes = size).await;
    let client = tavern.user("importer").await;
    let fits = client.import("orla.png", card.clone()).await;
    assert_eq!(fits["data"]["importCharacter"]["character"]["name"], "Orla", "{fits:#}");
    let mut longer = card;
    longer.push(0);
    let refused = client.import("orla.png", longer).await;
    assert!(
        refused.to_string().contains(&size.to_string()),
        "the limit is named: {refused:#}"
    );
    assert!(refused["data"]["importCharacter"]["character"].is_null());
}

#[tokio::test]
async fn the_real_card_of_the_field_comes_in_whole() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/sillytavern/Seraphina.png");
    let Ok(bytes) = std::fs::read(path) else { return };
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let answer = client.import("Seraphina.png", bytes.clone()).await;
    let imported = &answer["data"]["importCharacter"];
    assert_eq!(imported["character"]["name"], "Seraphina", "{answer:#}");
    assert!(
        imported["character"]["cardExtensions"].to_string().contains("Eldoria"),
        "the character's book is kept"
    );
    let greeting = imported["character"]["firstMessage"].as_str().expect("a greeting");
    assert_eq!(
        greeting,
        card_of(&bytes)["data"]["first_mes"].as_str().expect("a greeting")
    );
}

/// The card's JSON, read by the test itself.
fn card_of(png: &[u8]) -> Value {
    let start = png
        .windows(10)
        .position(|window| window == b"tEXtchara\0")
        .expect("a chunk")
        + 10;
    let length = u32::from_be_bytes(png[start - 14..start - 10].try_into().expect("four bytes")) as usize - 6;
    serde_json::from_slice(&STANDARD.decode(&png[start..start + length]).expect("base64")).expect("JSON")
}
