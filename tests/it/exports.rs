//! Cards out again, behind links, and the pictures that cards bring along.

use std::io::{Cursor, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::support::{Client, Tavern, png_card, text, user_errors, v2_card};

const EXPORT: &str = "mutation($i: ExportCharacterInput!) { exportCharacter(input: $i) { url fileName contentType expiresAt warnings userErrors { message field code } } }";

/// The file behind a link, with its headers.
async fn fetch(client: &Client, url: &str) -> (u16, HeaderMap, Vec<u8>) {
    let answer = client
        .http
        .get(format!("{}{url}", client.url))
        .send()
        .await
        .expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.bytes().await.expect("bytes").to_vec())
}

/// A character as a file.
async fn export(client: &Client, id: &str, more: Value) -> Vec<u8> {
    let mut input = json!({ "id": id, "format": "JSON" });
    for (name, value) in more.as_object().expect("an object") {
        input[name] = value.clone();
    }
    let answer = client.data(EXPORT, json!({ "i": input })).await;
    let url = text(&answer["exportCharacter"]["url"], &answer);
    let (status, _, bytes) = fetch(client, &url).await;
    assert_eq!(status, 200, "{answer:#}");
    bytes
}

/// Imports a card; the id of its character, and what the server says of it.
async fn import(client: &Client, name: &str, bytes: Vec<u8>) -> (String, Value) {
    let mut answer = client.import(name, bytes).await;
    let imported = answer["data"]["importCharacter"].take();
    assert_eq!(user_errors(&imported), [""; 0], "{imported:#}");
    (text(&imported["character"]["id"], &imported), imported)
}

async fn describe(client: &Client, id: &str, description: &str) {
    let update =
        "mutation($i: UpdateCharacterInput!) { updateCharacter(input: $i) { character { id } userErrors { code } } }";
    let input = json!({ "id": id, "expectedVersion": 1, "description": description });
    let answer = client.data(update, json!({ "i": input })).await;
    assert_eq!(user_errors(&answer["updateCharacter"]), [""; 0]);
}

/// The JSON in the text chunk of this keyword.
fn card_in(png: &[u8], keyword: &str) -> Option<Value> {
    let mark = [b"tEXt", keyword.as_bytes(), b"\0"].concat();
    let at = png.windows(mark.len()).position(|window| window == mark)?;
    let length = u32::from_be_bytes(png[at - 4..at].try_into().expect("four bytes")) as usize;
    let data = &png[at + mark.len()..at + 4 + length];
    Some(serde_json::from_slice(&STANDARD.decode(data).expect("base64")).expect("JSON"))
}

/// All data chunks of the picture.
fn pixels(png: &[u8]) -> Vec<u8> {
    let mut pixels = Vec::new();
    let mut at = 8;
    while at + 8 <= png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes")) as usize;
        if &png[at + 4..at + 8] == b"IDAT" {
            pixels.extend(&png[at + 8..at + 8 + length]);
        }
        at += 12 + length;
    }
    pixels
}

fn picture(format: image::ImageFormat, color: [u8; 3]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::from_pixel(80, 120, image::Rgb(color))
        .write_to(&mut bytes, format)
        .expect("a picture");
    bytes.into_inner()
}

fn charx(card: &Value, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut put = |name: &str, bytes: &[u8]| {
        zip.start_file(name, zip::write::SimpleFileOptions::default())
            .expect("started");
        zip.write_all(bytes).expect("written");
    };
    put("card.json", card.to_string().as_bytes());
    for (name, bytes) in files {
        put(name, bytes);
    }
    zip.finish().expect("an archive").into_inner()
}

fn entries(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(Cursor::new(archive)).expect("an archive");
    (0..zip.len())
        .map(|index| {
            let mut entry = zip.by_index(index).expect("an entry");
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).expect("read");
            (entry.name().expect("a name").into_owned(), bytes)
        })
        .collect()
}

fn v3_card(assets: Value) -> Value {
    let mut card = v2_card("Orla");
    card["spec"] = json!("chara_card_v3");
    card["spec_version"] = json!("3.0");
    card["data"]["group_only_greetings"] = json!([]);
    card["data"]["assets"] = assets;
    card
}

/// The one colour of the avatar as it is served.
async fn avatar_color(client: &Client, imported: &Value) -> [u8; 3] {
    let url = text(&imported["character"]["avatarUrl"], imported);
    let (status, _, bytes) = fetch(client, &url).await;
    assert_eq!(status, 200);
    let decoded = image::load_from_memory(&bytes).expect("a picture").to_rgb8();
    decoded.get_pixel(decoded.width() / 2, decoded.height() / 2).0
}

fn is_near(one: [u8; 3], other: [u8; 3]) -> bool {
    one.iter().zip(other).all(|(one, other)| one.abs_diff(other) < 12)
}

#[tokio::test]
async fn a_file_is_served_to_be_saved_and_never_kept_by_caches() {
    let tavern = Tavern::start().await;
    let client = tavern.user("exporter").await;
    let id = client.character("Ørla \"the\" clock/maker", json!({})).await;
    let answer = client
        .data(EXPORT, json!({ "i": { "id": id, "format": "PNG", "spec": "V3" } }))
        .await;
    let link = &answer["exportCharacter"];
    assert_eq!(link["fileName"], "Ørla _the_ clock_maker.png");
    assert_eq!(link["contentType"], "image/png");
    let (status, headers, bytes) = fetch(&tavern.anonymous(), &text(&link["url"], link)).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "image/png");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(
        headers["content-disposition"],
        "attachment; filename=\"_rla _the_ clock_maker.png\"; filename*=UTF-8''%C3%98rla%20_the_%20clock_maker.png"
    );
    assert!(
        image::load_from_memory(&bytes).is_ok(),
        "whoever has no face gets a plain one"
    );
}

#[tokio::test]
async fn a_link_that_was_tampered_with_leads_nowhere() {
    let tavern = Tavern::start().await;
    let client = tavern.user("exporter").await;
    let id = client.character("Orla", json!({})).await;
    let answer = client
        .data(EXPORT, json!({ "i": { "id": id, "format": "JSON" } }))
        .await;
    let url = text(&answer["exportCharacter"]["url"], &answer);
    let (head, rest) = url.split_at(url.find('.').expect("a token"));
    for wrong in [
        format!("{head}A{rest}"),
        "/objects/exports/x/y".into(),
        "/objects/exports/..%2f..%2foriginal/y".into(),
    ] {
        let (status, headers, body) = fetch(&client, &wrong).await;
        assert_eq!(
            (status, body.as_slice()),
            (404, b"There is no such object.\n".as_slice())
        );
        assert_eq!(headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn the_original_file_comes_back_byte_for_byte() {
    let tavern = Tavern::start().await;
    let client = tavern.user("exporter").await;
    let icon = picture(image::ImageFormat::Png, [10, 20, 30]);
    let files = [
        ("orla.png", png_card(&v2_card("Orla"))),
        ("orla.json", format!("\u{feff}{:#}", v2_card("Orla")).into_bytes()),
        (
            "orla.charx",
            charx(&v3_card(json!([])), &[("assets/icon/images/main.png", &icon)]),
        ),
    ];
    for (name, bytes) in files {
        let (id, _) = import(&client, name, bytes.clone()).await;
        describe(&client, &id, "edited").await;
        assert_eq!(export(&client, &id, json!({ "original": true })).await, bytes, "{name}");
    }
    let made = client.character("Made here", json!({})).await;
    let answer = client
        .data(
            EXPORT,
            json!({ "i": { "id": made, "format": "PNG", "original": true } }),
        )
        .await;
    assert_eq!(user_errors(&answer["exportCharacter"]), ["BAD_USER_INPUT original"]);
}

#[tokio::test]
async fn an_untouched_card_keeps_its_json_and_its_pixels() {
    let tavern = Tavern::start().await;
    let client = tavern.user("exporter").await;
    let json = format!("{:#}", v2_card("Orla"));
    let (id, _) = import(&client, "orla.json", json.clone().into_bytes()).await;
    assert_eq!(export(&client, &id, json!({})).await, json.as_bytes());
    let png = png_card(&v2_card("Orla"));
    let (id, _) = import(&client, "orla.png", png.clone()).await;
    let exported = export(&client, &id, json!({ "format": "PNG" })).await;
    assert_eq!(card_in(&exported, "chara"), Some(v2_card("Orla")));
    assert_eq!(card_in(&exported, "ccv3"), None);
    assert_eq!(pixels(&exported), pixels(&png));
}

#[tokio::test]
async fn an_edited_card_goes_out_and_comes_in_with_everything_it_had() {
    let tavern = Tavern::start().await;
    let client = tavern.user("exporter").await;
    let png = png_card(&v2_card("Orla"));
    let (id, before) = import(&client, "orla.png", png.clone()).await;
    describe(&client, &id, "She winds clocks now.").await;
    for (format, spec) in [
        ("PNG", "V2"),
        ("PNG", "V3"),
        ("JSON", "V2"),
        ("JSON", "V3"),
        ("CHARX", "V3"),
    ] {
        let case = format!("{format} {spec}");
        let file = export(&client, &id, json!({ "format": format, "spec": spec })).await;
        if format == "PNG" {
            assert_eq!(pixels(&file), pixels(&png), "{case}");
            assert_eq!(card_in(&file, "ccv3").is_some(), spec == "V3", "{case}");
        }
        let (again, imported) = import(&client, "again", file).await;
        assert_eq!(
            imported["character"]["specVersion"],
            if spec == "V3" { "3.0" } else { "2.0" },
            "{case}"
        );
        assert_eq!(imported["character"]["avatarUrl"].is_null(), format == "JSON", "{case}");
        let question = "query($id: ID!) { character(id: $id) { description personality alternateGreetings tags } }";
        let now = client.data(question, json!({ "id": again })).await;
        let was = client.data(question, json!({ "id": id })).await;
        assert_eq!(now["character"]["description"], "She winds clocks now.", "{case}");
        assert_eq!(now, was, "{case}");
        let (kept, had) = (
            &imported["character"]["cardExtensions"]["data"],
            &before["character"]["cardExtensions"]["data"],
        );
        for field in ["extensions", "creator"] {
            assert_eq!(kept[field], had[field], "{case}: {field}");
        }
        assert_eq!(
            kept["character_book"]["entries"][0]["content"], had["character_book"]["entries"][0]["content"],
            "{case}"
        );
    }
}

#[tokio::test]
async fn the_icon_of_an_archive_becomes_the_avatar_and_stays_in_the_archive() {
    const GREEN: [u8; 3] = [20, 180, 60];
    let tavern = Tavern::start().await;
    let client = tavern.user("exporter").await;
    let icon = picture(image::ImageFormat::Png, GREEN);
    let assets =
        json!([{ "type": "icon", "name": "main", "uri": "embeded://assets/icon/images/main.png", "ext": "png" }]);
    let files: [(&str, &[u8]); 2] = [
        ("assets/icon/images/main.png", &icon),
        ("module.risum", b"of another program"),
    ];
    let (id, imported) = import(&client, "orla.charx", charx(&v3_card(assets), &files)).await;
    assert!(is_near(avatar_color(&client, &imported).await, GREEN));
    describe(&client, &id, "edited").await;
    let archive = entries(&export(&client, &id, json!({ "format": "CHARX" })).await);
    for (name, bytes) in files {
        assert!(archive.contains(&(name.to_owned(), bytes.to_vec())), "{name}");
    }
    let png = export(&client, &id, json!({ "format": "PNG" })).await;
    assert_eq!(pixels(&png), pixels(&icon));
    let card = card_in(&png, "ccv3").expect("it came as V3");
    assert_eq!(card["data"]["description"], "edited");
}

#[tokio::test]
async fn a_picture_in_a_data_url_or_of_another_kind_is_a_face_too() {
    const BLUE: [u8; 3] = [30, 60, 200];
    let tavern = Tavern::start().await;
    let client = tavern.user("exporter").await;
    let jpeg = picture(image::ImageFormat::Jpeg, BLUE);
    let uri = format!("data:image/jpeg;base64,{}", STANDARD.encode(&jpeg));
    let assets = json!([{ "type": "icon", "name": "main", "uri": uri, "ext": "jpeg" }]);
    let (id, imported) = import(&client, "orla.json", v3_card(assets).to_string().into_bytes()).await;
    assert!(is_near(avatar_color(&client, &imported).await, BLUE));
    let png = export(&client, &id, json!({ "format": "PNG" })).await;
    let decoded = image::load_from_memory_with_format(&png, image::ImageFormat::Png).expect("a PNG");
    assert!(is_near(decoded.to_rgb8().get_pixel(5, 5).0, BLUE));
}

#[tokio::test]
async fn pictures_of_a_deleted_character_are_gone() {
    let tavern = Tavern::start().await;
    let client = tavern.user("exporter").await;
    let icon = picture(image::ImageFormat::Png, [1, 2, 3]);
    let assets = json!([{ "type": "icon", "name": "main", "uri": "embeded://i.png", "ext": "png" }]);
    let (id, imported) = import(&client, "orla.charx", charx(&v3_card(assets), &[("i.png", &icon)])).await;
    avatar_color(&client, &imported).await;
    let delete = "mutation($id: ID!) { deleteCharacter(input: { id: $id }) { deletedId } }";
    client.data(delete, json!({ "id": id })).await;
    let url = text(&imported["character"]["avatarUrl"], &imported);
    assert_eq!(fetch(&client, &url).await.0, 404);
}

#[tokio::test]
async fn the_real_card_of_the_field_goes_out_whole() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/sillytavern/Seraphina.png");
    let Ok(bytes) = std::fs::read(path) else {
        println!("skipped: {path} is not there");
        return;
    };
    let tavern = Tavern::start().await;
    let client = tavern.user("exporter").await;
    let (id, _) = import(&client, "Seraphina.png", bytes.clone()).await;
    assert_eq!(export(&client, &id, json!({ "original": true })).await, bytes);
    describe(&client, &id, "edited").await;
    let png = export(&client, &id, json!({ "format": "PNG", "spec": "V3" })).await;
    assert_eq!(pixels(&png), pixels(&bytes));
    let mut was = card_in(&bytes, "chara").expect("a card");
    let mut now = card_in(&png, "chara").expect("a card");
    assert_eq!(now["data"]["description"], "edited");
    for card in [&mut was, &mut now] {
        card["data"]["description"].take();
        card["description"].take();
        card["data"]["modification_date"].take();
    }
    assert_eq!(now, was);
    assert_eq!(
        card_in(&png, "ccv3").expect("a card")["data"]["character_book"]["entries"]
            .as_array()
            .map(Vec::len),
        was["data"]["character_book"]["entries"].as_array().map(Vec::len)
    );
}

#[tokio::test]
async fn an_edited_entry_of_lore_goes_out_with_its_card() {
    let tavern = Tavern::start().await;
    let client = tavern.user("exporter").await;
    let (id, _) = import(&client, "orla.png", png_card(&v2_card("Orla"))).await;
    let lore = "query($id: ID!) { character(id: $id) { worldBook { id entries(first: 1) { nodes { id version } } } } }";
    let got = client.data(lore, json!({ "id": id })).await;
    let book = &got["character"]["worldBook"];
    let entry = &book["entries"]["nodes"][0];
    let input = json!({ "worldBookId": book["id"], "id": entry["id"], "expectedVersion": entry["version"], "content": "The clock stopped." });
    let saved = client
        .data(
            "mutation($i: SaveWorldEntryInput!) { saveWorldEntry(input: $i) { userErrors { message field code } } }",
            json!({ "i": input }),
        )
        .await;
    assert_eq!(user_errors(&saved["saveWorldEntry"]), [""; 0], "{saved:#}");
    let card: Value = serde_json::from_slice(&export(&client, &id, json!({})).await).expect("JSON");
    let mut expected = v2_card("Orla");
    expected["data"]["character_book"]["entries"][0]["content"] = json!("The clock stopped.");
    assert_eq!(card["data"]["character_book"], expected["data"]["character_book"]);
}
