//! Every limit of the house, in one place. `serviceLimits` shows them; each has a test on both sides.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Sizes are bytes of UTF-8 unless said otherwise; times are what they say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    // Lists
    /// Items of a page when neither `first` nor `last` is given.
    pub default_page_size: u32,
    /// The most `first` or `last` may ask for; also of lists in inputs.
    pub max_page_size: u32,

    // GraphQL documents
    /// Bytes of a document.
    pub document_bytes: usize,
    /// Lexical tokens of a document.
    pub document_tokens: usize,
    /// Levels of nested selections, fragments expanded.
    pub query_depth: usize,
    /// Aliased fields, fragments expanded.
    pub aliases: usize,
    /// Directives on one node.
    pub directives_per_node: usize,
    /// Directives of a document.
    pub directives: usize,
    /// Fragment definitions of a document.
    pub fragments: usize,
    /// Fields selected, fragments expanded.
    pub selections: usize,
    /// Root fields of a query, fragments expanded.
    pub root_fields: usize,
    /// Root fields of a mutation, fragments expanded.
    pub mutation_root_fields: usize,
    /// Points of an operation: lists multiply what is selected below them.
    pub complexity: usize,
    /// Operations of a document.
    pub operations: usize,
    /// Depth of JSON in variables and extensions.
    pub json_depth: usize,
    /// Memory for parsed documents that are kept, by text and as much again by hash.
    pub document_cache_bytes: usize,
    /// Errors reported for one operation; the rest is cut.
    pub reported_errors: usize,

    // HTTP
    /// Body of a GraphQL request that carries no files.
    pub body_bytes: usize,
    /// The query string of a GET.
    pub query_string_bytes: usize,
    /// One uploaded file.
    pub upload_bytes: usize,
    /// Files of one multipart request.
    pub upload_files: usize,
    /// Memory for files that are being uploaded, all requests together.
    pub upload_memory_bytes: usize,
    /// Connections at once, all together.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_address: usize,
    /// Milliseconds a client may take for the head of a request.
    pub header_timeout_ms: u64,
    /// Milliseconds a client may take for the body of a request.
    pub body_timeout_ms: u64,
    /// Milliseconds a client may take nothing of what it is sent, over HTTP or a socket.
    pub write_stall_ms: u64,
    /// Milliseconds a query may take.
    pub query_timeout_ms: u64,
    /// Milliseconds a mutation may take, `publishExtension` apart.
    pub mutation_timeout_ms: u64,
    /// Milliseconds `publishExtension` may take.
    pub publish_timeout_ms: u64,
    /// Requests on one keep-alive connection before it is closed.
    pub requests_per_connection: usize,
    /// Milliseconds a shutdown waits for what is under way.
    pub shutdown_ms: u64,

    // Sockets
    /// Milliseconds until `connection_init` must have come.
    pub socket_init_ms: u64,
    /// Operations at once on one socket.
    pub socket_operations: usize,
    /// One message from a client.
    pub socket_message_bytes: usize,
    /// The id a client gives an operation.
    pub socket_id_bytes: usize,
    /// Messages a second from one client, on average; bursts of ten times as many pass.
    pub socket_messages_per_second: u32,
    /// Milliseconds between the server's pings.
    pub socket_ping_ms: u64,
    /// Milliseconds a ping may stay unanswered.
    pub socket_pong_ms: u64,
    /// Bytes waiting to be sent on one socket; beyond, deltas are merged and subscriptions wait.
    pub socket_queue_bytes: usize,
    /// Sockets at once of one account.
    pub sockets_per_user: usize,

    // Accounts (per address and per account)
    /// Sign-in attempts in ten minutes for one account from one address.
    pub logins_per_account: u32,
    /// Sign-in attempts in ten minutes from one address.
    pub logins_per_address: u32,
    /// Registrations in an hour from one address.
    pub registrations_per_hour: u32,
    /// Passwords being hashed at once.
    pub password_hashers: usize,
    /// Characters of a password.
    pub password_chars: usize,
    /// Characters of a display name.
    pub display_name_chars: usize,
    /// Bytes of a biography.
    pub bio_bytes: usize,

    // Characters
    /// Characters (letters) of a character's name.
    pub character_name_chars: usize,
    /// One text field of a character; also the description of a world book or a persona.
    pub character_text_bytes: usize,
    /// Alternate greetings of a character.
    pub greetings: usize,
    /// Tags of a character or a world book.
    pub tags: usize,
    /// Characters (letters) of a tag.
    pub tag_chars: usize,
    /// Characters of one account.
    pub characters_per_user: u32,
    /// Bytes of a search query.
    pub search_query_bytes: usize,
    /// A card's JSON, once unpacked.
    pub card_json_bytes: usize,
    /// Levels of lists and objects in the JSON of a card, a world book or a line of a chat.
    pub card_json_depth: usize,
    /// Commas, lists and objects of a card's JSON, each of which is a value to be held in memory.
    pub card_json_values: usize,
    /// Assets listed of a card; its JSON and its file keep those beyond.
    pub card_assets: usize,
    /// Entries of a CHARX archive.
    pub charx_entries: usize,
    /// Bytes of all entries of a CHARX archive together, once unpacked.
    pub charx_bytes: u64,
    /// How many times larger an entry of a CHARX archive may unpack; entries below 1 MiB are not asked.
    pub inflation_ratio: u64,
    /// Pixels of an avatar that is to be scaled.
    pub avatar_pixels: u64,

    // World books
    /// World books of one account.
    pub world_books_per_user: u32,
    /// A file with a world book; also all texts of one world book together.
    pub world_book_bytes: usize,
    /// Entries of a world book.
    pub world_entries: usize,
    /// The content of an entry; its title, too.
    pub world_entry_bytes: usize,
    /// Keys of an entry, and as many secondary ones.
    pub world_keys: usize,
    /// One key.
    pub world_key_bytes: usize,
    /// Single values in the JSON of a world book or a chat, however nested: each takes memory.
    pub file_json_values: usize,

    // Presets and personas
    /// Presets of one account.
    pub presets_per_user: u32,
    /// One preset, as JSON.
    pub preset_bytes: usize,
    /// Personas of one account.
    pub personas_per_user: u32,

    // Chat
    /// World books of one session, those of its characters and persona apart.
    pub world_books_per_session: usize,
    /// Variables of one session, as JSON.
    pub variables_bytes: usize,
    /// Characters of one session.
    pub characters_per_session: usize,
    /// Sessions of one account.
    pub sessions_per_user: u32,
    /// Characters (letters) of a session's title, and of the name of a world book, preset or persona.
    pub title_chars: usize,
    /// One message.
    pub message_bytes: usize,
    /// `guidance` of a turn; also an author's note.
    pub guidance_bytes: usize,
    /// Swipes of one message.
    pub swipes: usize,
    /// Messages of one session.
    pub messages_per_session: u32,
    /// A file with a chat.
    pub chat_file_bytes: usize,
    /// One line of a file with a chat: a message with all its swipes.
    pub chat_line_bytes: usize,
    /// All files of an exported chat together, before they are packed.
    pub chat_export_bytes: usize,
    /// Characters (letters) of an idempotency key.
    pub idempotency_key_chars: usize,
    /// Hours an idempotency key is remembered.
    pub idempotency_hours: u64,
    /// Replies being written at once for one account.
    pub generations_per_user: usize,
    /// Replies being written at once by this server.
    pub generations: usize,
    /// One reply, reasoning apart.
    pub reply_bytes: usize,
    /// Stop strings of one turn.
    pub stop_strings: usize,
    /// Events kept of a session for those who reconnect.
    pub session_events: usize,

    // Extensions; what runs has its limits in the configuration of extensions
    /// Packages that an account may send in an hour to be published; those that are refused count.
    pub publications_per_hour: u32,
    /// Names an account may publish under.
    pub publishers_per_user: u32,
    /// Keys of a publisher, revoked ones included.
    pub publisher_keys: u32,
    /// Versions of an extension.
    pub extension_versions: usize,
    /// One secret of an installation.
    pub extension_secret_bytes: usize,
    /// Lines kept of what happened to an installation, for a week.
    pub extension_log_lines: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            default_page_size: 20,
            max_page_size: 100,
            document_bytes: 16 * 1024,
            document_tokens: 2_000,
            query_depth: 12,
            aliases: 30,
            directives_per_node: 4,
            directives: 30,
            fragments: 50,
            selections: 400,
            root_fields: 20,
            mutation_root_fields: 4,
            complexity: 50_000,
            operations: 10,
            json_depth: 32,
            document_cache_bytes: 32 * 1024 * 1024,
            reported_errors: 5,
            body_bytes: 1024 * 1024,
            query_string_bytes: 16 * 1024,
            upload_bytes: 20 * 1024 * 1024,
            upload_files: 4,
            upload_memory_bytes: 256 * 1024 * 1024,
            connections: 16_384,
            connections_per_address: 16_384,
            header_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            write_stall_ms: 10_000,
            query_timeout_ms: 10_000,
            mutation_timeout_ms: 30_000,
            publish_timeout_ms: 180_000,
            requests_per_connection: 100_000,
            shutdown_ms: 20_000,
            socket_init_ms: 10_000,
            socket_operations: 64,
            socket_message_bytes: 64 * 1024,
            socket_id_bytes: 256,
            socket_messages_per_second: 50,
            socket_ping_ms: 25_000,
            socket_pong_ms: 10_000,
            socket_queue_bytes: 256 * 1024,
            sockets_per_user: 64,
            logins_per_account: 20,
            logins_per_address: 200,
            registrations_per_hour: 200,
            password_hashers: 2,
            password_chars: 256,
            display_name_chars: 60,
            bio_bytes: 4_096,
            character_name_chars: 120,
            character_text_bytes: 256 * 1024,
            greetings: 100,
            tags: 50,
            tag_chars: 64,
            characters_per_user: 10_000,
            search_query_bytes: 256,
            card_json_bytes: 10 * 1024 * 1024,
            card_json_depth: 64,
            card_json_values: 500_000,
            card_assets: 1_000,
            charx_entries: 2_000,
            charx_bytes: 200 * 1024 * 1024,
            inflation_ratio: 200,
            avatar_pixels: 40_000_000,
            world_books_per_user: 1_000,
            world_book_bytes: 16 * 1024 * 1024,
            world_entries: 20_000,
            world_entry_bytes: 256 * 1024,
            world_keys: 1_000,
            world_key_bytes: 4 * 1024,
            file_json_values: 2_000_000,
            presets_per_user: 100,
            preset_bytes: 1024 * 1024,
            personas_per_user: 100,
            world_books_per_session: 20,
            variables_bytes: 64 * 1024,
            characters_per_session: 20,
            sessions_per_user: 10_000,
            title_chars: 200,
            message_bytes: 64 * 1024,
            guidance_bytes: 8 * 1024,
            swipes: 100,
            messages_per_session: 100_000,
            chat_file_bytes: 32 * 1024 * 1024,
            chat_line_bytes: 4 * 1024 * 1024,
            chat_export_bytes: 64 * 1024 * 1024,
            idempotency_key_chars: 128,
            idempotency_hours: 24,
            generations_per_user: 8,
            generations: 2_000,
            reply_bytes: 256 * 1024,
            stop_strings: 16,
            session_events: 256,
            publications_per_hour: 60,
            publishers_per_user: 5,
            publisher_keys: 16,
            extension_versions: 500,
            extension_secret_bytes: 4 * 1024,
            extension_log_lines: 500,
        }
    }
}

impl Limits {
    #[must_use]
    pub const fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }
}
