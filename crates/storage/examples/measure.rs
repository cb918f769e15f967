use sea_orm::sqlx::{self, Row, sqlite::*};
use std::str::FromStr;
use std::time::Instant;
use tavern_domain::account::*;
use tavern_domain::character::*;
use tavern_domain::page::*;
use tavern_domain::*;
use tavern_storage::*;
#[tokio::main]
async fn main() {
    let dir = std::path::PathBuf::from(std::env::args().nth(1).unwrap());
    let url = format!("sqlite://{}", dir.join("m.db").display());
    let s = Store::open(
        &StoreConfig {
            database_url: url.clone(),
            objects: ObjectsConfig::Files(dir.join("o")),
            readers: 2,
        },
        &Limits::default(),
    )
    .await
    .unwrap();
    let (u, e) = (Username::parse("alice").unwrap(), Email::parse("a@b.co").unwrap());
    let id = UserId::new();
    s.accounts
        .create(NewAccount {
            id,
            username: &u,
            email: &e,
            password_hash: "h",
            roles: &[Role::User],
            now: Timestamp(1),
        })
        .await
        .unwrap();
    let t = Instant::now();
    for i in 0..2000 {
        let c = Character {
            summary: CharacterSummary {
                id: CharacterId::new(),
                creator: Some(id),
                name: format!("name {i}"),
                tags: vec!["a".into(), "b".into(), "c".into()],
                visibility: Visibility::Public,
                is_nsfw: i % 5 == 0,
                rating: 0.0,
                rating_count: 0,
                chat_count: i % 97,
                favorite_count: 0,
                avatar: None,
                version: 1,
                created_at: Timestamp(i as i64),
                updated_at: Timestamp(i as i64),
            },
            text: CharacterText {
                description: "lorem ipsum ".repeat(200),
                ..Default::default()
            },
        };
        s.characters.insert(&c).await.unwrap();
    }
    println!("insert FULL: {:?} each", t.elapsed() / 2000);
    for sync in [SqliteSynchronous::Full, SqliteSynchronous::Normal] {
        let p = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(
                SqliteConnectOptions::from_str(&url)
                    .unwrap()
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(sync),
            )
            .await
            .unwrap();
        let t = Instant::now();
        for i in 0..1000i64 {
            sqlx::query("UPDATE users SET updated_at=?")
                .bind(i)
                .execute(&p)
                .await
                .unwrap();
        }
        println!("commit {sync:?}: {:?}", t.elapsed() / 1000);
        p.close().await;
    }
    let q = CharacterQuery {
        filter: CharacterFilter {
            nsfw: Some(false),
            ..Default::default()
        },
        order: CharacterOrder::Popular,
        page: PageRequest {
            limit: 20,
            direction: Direction::Forward,
            after: None,
            before: None,
        },
        scope: CharacterScope::Public,
        with_text: false,
        with_creator: true,
    };
    let p = SqlitePoolOptions::new()
        .max_connections(2)
        .min_connections(2)
        .test_before_acquire(false)
        .connect_with(
            SqliteConnectOptions::from_str(&url)
                .unwrap()
                .read_only(true)
                .pragma("mmap_size", "268435456")
                .row_buffer_size(128),
        )
        .await
        .unwrap();
    const SQL: &str = "SELECT c.id, c.creator_id, c.name, c.tags, c.visibility, c.is_nsfw, c.rating, c.rating_count, c.chat_count, c.favorite_count, c.avatar, c.version, c.created_at, c.updated_at, u.username, u.display_name, u.bio, u.created_at FROM characters c LEFT JOIN users u ON u.id=c.creator_id WHERE c.visibility=2 AND NOT c.is_nsfw ORDER BY c.chat_count DESC, c.id DESC LIMIT 21";
    for _ in 0..3 {
        let n = 5000;
        let t = Instant::now();
        for _ in 0..n {
            assert_eq!(s.characters.list(&q).await.unwrap().items.len(), 20);
        }
        println!("list: {:?}", t.elapsed() / n);

        {
            use sea_orm::*;
            let db: DatabaseConnection = p.clone().into();
            let db = &db;
            let st = || {
                Statement::from_sql_and_values(
                    DbBackend::Sqlite,
                    SQL.replace("LIMIT 21", "LIMIT $1"),
                    vec![21i64.into()],
                )
            };
            let t = Instant::now();
            for _ in 0..n {
                let r = db.query_all_raw(st()).await.unwrap();
                assert_eq!(r.len(), 21);
            }
            println!("sea raw: {:?}", t.elapsed() / n);
            let t = Instant::now();
            for _ in 0..n {
                let r = db.query_all_raw(st()).await.unwrap();
                for r in &r {
                    let _: (String, String) = (r.try_get_by_index(2).unwrap(), r.try_get_by_index(3).unwrap());
                    let _: uuid::Uuid = r.try_get_by_index(0).unwrap();
                    let _: Option<uuid::Uuid> = r.try_get_by_index(1).unwrap();
                    let _: (i16, bool, f64) = (
                        r.try_get_by_index(4).unwrap(),
                        r.try_get_by_index(5).unwrap(),
                        r.try_get_by_index(6).unwrap(),
                    );
                    for k in [7usize, 8, 9, 11] {
                        let _: i32 = r.try_get_by_index(k).unwrap();
                    }
                    let _: Option<String> = r.try_get_by_index(10).unwrap();
                    for k in [12usize, 13, 17] {
                        let _: i64 = r.try_get_by_index(k).unwrap();
                    }
                    for k in [14usize, 15, 16] {
                        let _: String = r.try_get_by_index(k).unwrap();
                    }
                }
            }
            println!("sea decode: {:?}", t.elapsed() / n);
        }
        let t = Instant::now();
        for _ in 0..n {
            let rows = sqlx::query(SQL).fetch_all(&p).await.unwrap();
            let mut k = 0;
            for r in &rows {
                let _: (uuid::Uuid, Option<uuid::Uuid>, String, String) = (r.get(0), r.get(1), r.get(2), r.get(3));
                let _: (i16, bool, f64, i32) = (r.get(4), r.get(5), r.get(6), r.get(7));
                let _: (i32, i32, Option<String>, i32, i64, i64) =
                    (r.get(8), r.get(9), r.get(10), r.get(11), r.get(12), r.get(13));
                let _: (Option<String>, Option<String>, Option<String>, Option<i64>) =
                    (r.get(14), r.get(15), r.get(16), r.get(17));
                k += 1;
            }
            assert_eq!(k, 21);
        }
        println!("sqlx: {:?}", t.elapsed() / n);
    }
}
