//! The limits, as clients can read them.

use async_graphql::SimpleObject;
use tavern_domain::Limits;

/// What this server accepts. Sizes are bytes of UTF-8 unless said otherwise.
#[derive(SimpleObject, Debug, Clone)]
pub struct ServiceLimits {
    /// Items of a page when neither `first` nor `last` is given.
    pub default_page_size: i32,
    /// The most `first` or `last` may ask for; also of lists in inputs.
    pub max_page_size: i32,
    /// Bytes of a document.
    pub document_bytes: i32,
    /// Lexical tokens of a document.
    pub document_tokens: i32,
    /// Levels of nested selections, fragments expanded.
    pub query_depth: i32,
    /// Aliased fields, fragments expanded.
    pub aliases: i32,
    /// Directives on one node.
    pub directives_per_node: i32,
    /// Directives of a document.
    pub directives: i32,
    /// Fragment definitions of a document.
    pub fragments: i32,
    /// Fields selected, fragments expanded.
    pub selections: i32,
    /// Root fields of a query, fragments expanded.
    pub root_fields: i32,
    /// Root fields of a mutation, fragments expanded.
    pub mutation_root_fields: i32,
    /// Points of an operation: lists multiply what is selected below them.
    pub complexity: i32,
    /// Operations of a document.
    pub operations: i32,
    /// Memory for parsed documents that are kept, by text and as much again by hash.
    pub document_cache_bytes: i32,
    /// Body of a GraphQL request that carries no files.
    pub body_bytes: i32,
    /// The query string of a GET.
    pub query_string_bytes: i32,
    /// One uploaded file.
    pub upload_bytes: i32,
    /// Files of one multipart request.
    pub upload_files: i32,
    /// Memory for files that are being uploaded, all requests together.
    pub upload_memory_bytes: i32,
    /// Milliseconds a client may take nothing of what it is sent, over HTTP or a socket.
    pub write_stall_ms: i32,
    /// Milliseconds a query may take.
    pub query_timeout_ms: i32,
    /// Milliseconds a mutation may take, `publishExtension` apart.
    pub mutation_timeout_ms: i32,
    /// Milliseconds `publishExtension` may take.
    pub publish_timeout_ms: i32,
    /// Milliseconds until `connection_init` must have come.
    pub socket_init_ms: i32,
    /// Operations at once on one socket.
    pub socket_operations: i32,
    /// One message from a client.
    pub socket_message_bytes: i32,
    /// The id a client gives an operation.
    pub socket_id_bytes: i32,
    /// Messages a second from one client, on average; bursts of ten times as many pass.
    pub socket_messages_per_second: i32,
    /// Milliseconds between the server's pings.
    pub socket_ping_ms: i32,
    /// Bytes waiting to be sent on one socket; beyond, deltas are merged and subscriptions wait.
    pub socket_queue_bytes: i32,
    /// Sockets at once of one account.
    pub sockets_per_user: i32,
    /// Sign-in attempts in ten minutes for one account from one address.
    pub logins_per_account: i32,
    /// Sign-in attempts in ten minutes from one address.
    pub logins_per_address: i32,
    /// Registrations in an hour from one address.
    pub registrations_per_hour: i32,
    /// Characters of a password.
    pub password_chars: i32,
    /// Characters of a display name.
    pub display_name_chars: i32,
    /// Bytes of a biography.
    pub bio_bytes: i32,
    /// Characters (letters) of a character's name.
    pub character_name_chars: i32,
    /// One text field of a character; also the description of a world book or a persona.
    pub character_text_bytes: i32,
    /// Alternate greetings of a character.
    pub greetings: i32,
    /// Tags of a character or a world book.
    pub tags: i32,
    /// Characters (letters) of a tag.
    pub tag_chars: i32,
    /// Characters of one account.
    pub characters_per_user: i32,
    /// Bytes of a search query.
    pub search_query_bytes: i32,
    /// A card's JSON, once unpacked.
    pub card_json_bytes: i32,
    /// World books of one account.
    pub world_books_per_user: i32,
    /// A file with a world book; also all texts of one world book together.
    pub world_book_bytes: i32,
    /// Entries of a world book.
    pub world_entries: i32,
    /// The content of an entry; its title, too.
    pub world_entry_bytes: i32,
    /// Keys of an entry, and as many secondary ones.
    pub world_keys: i32,
    /// One key.
    pub world_key_bytes: i32,
    /// Presets of one account.
    pub presets_per_user: i32,
    /// One preset, as JSON.
    pub preset_bytes: i32,
    /// Personas of one account.
    pub personas_per_user: i32,
    /// World books of one session, those of its characters and persona apart.
    pub world_books_per_session: i32,
    /// Variables of one session, as JSON.
    pub variables_bytes: i32,
    /// Characters of one session.
    pub characters_per_session: i32,
    /// Sessions of one account.
    pub sessions_per_user: i32,
    /// Characters (letters) of a session's title, and of the name of a world book, preset or persona.
    pub title_chars: i32,
    /// One message.
    pub message_bytes: i32,
    /// `guidance` of a turn; also an author's note.
    pub guidance_bytes: i32,
    /// Swipes of one message.
    pub swipes: i32,
    /// Messages of one session.
    pub messages_per_session: i32,
    /// A file with a chat.
    pub chat_file_bytes: i32,
    /// All files of an exported chat together, before they are packed.
    pub chat_export_bytes: i32,
    /// Characters (letters) of an idempotency key.
    pub idempotency_key_chars: i32,
    /// Replies being written at once for one account.
    pub generations_per_user: i32,
    /// One reply, reasoning apart.
    pub reply_bytes: i32,
    /// Stop strings of one turn.
    pub stop_strings: i32,
    /// Events kept of a session for those who reconnect.
    pub session_events: i32,
    /// Packages that an account may send in an hour to be published; those that are refused count.
    pub publications_per_hour: i32,
    /// Names an account may publish extensions under.
    pub publishers_per_user: i32,
    /// Keys of a publisher, revoked ones included.
    pub publisher_keys: i32,
    /// Versions of an extension.
    pub extension_versions: i32,
    /// One secret of an installation.
    pub extension_secret_bytes: i32,
    /// Lines kept of what happened to an installation, for a week.
    pub extension_log_lines: i32,
    pub extensions: ExtensionLimits,
}

/// What extensions get and may do. Sizes are bytes unless said otherwise.
#[derive(SimpleObject, Debug, Clone)]
pub struct ExtensionLimits {
    /// Extensions of one account.
    pub installations: i32,
    /// A package.
    pub package_bytes: i32,
    /// Files of a package.
    pub package_files: i32,
    /// A component, unpacked.
    pub component_bytes: i32,
    /// A component that brings an interpreter along, unpacked.
    pub large_component_bytes: i32,
    /// Linear memory of a sandbox, all memories together.
    pub memory_bytes: i32,
    /// Elements of all tables of a sandbox together.
    pub table_elements: i32,
    /// Fuel, about an instruction each, of a call before a prompt is sent.
    pub fuel_prompt: i32,
    /// Fuel of a stream filter's call.
    pub fuel_flush: i32,
    /// Fuel of a stream filter for a whole reply.
    pub fuel_stream: i32,
    /// Fuel of a call after a reply.
    pub fuel_after_reply: i32,
    /// Fuel of a tool's call.
    pub fuel_tool: i32,
    /// Fuel of a call that checks a configuration or a listing.
    pub fuel_validate: i32,
    /// Fuel of a call that names a price.
    pub fuel_price: i32,
    /// Fuel of a call that ranks what was found.
    pub fuel_rank: i32,
    /// Fuel that guests with an interpreter get more, times.
    pub large_runtime_factor: i32,
    /// Milliseconds of a call, waiting included.
    pub wall_ms: i32,
    /// Milliseconds of a call that may send requests or ask a model.
    pub wall_http_ms: i32,
    /// Milliseconds of a stream filter's call.
    pub wall_flush_ms: i32,
    /// Milliseconds of a call after a reply.
    pub wall_after_reply_ms: i32,
    /// Milliseconds of all calls before a prompt is sent, together.
    pub wall_chain_ms: i32,
    /// From a guest to the host in a call.
    pub transfer_bytes: i32,
    /// Calls of the host in a call.
    pub host_calls: i32,
    /// Edits of one result.
    pub edits: i32,
    /// One text of a result.
    pub text_bytes: i32,
    /// All texts of a result together.
    pub result_bytes: i32,
    /// Lines logged in a call.
    pub log_lines: i32,
    /// One line.
    pub log_line_bytes: i32,
    /// All lines of a call together.
    pub log_bytes: i32,
    /// Values of one installation.
    pub kv_keys: i32,
    /// All values of one installation together.
    pub kv_bytes: i32,
    /// The key of a value.
    pub kv_key_bytes: i32,
    /// One value.
    pub kv_value_bytes: i32,
    /// Operations on values in a call.
    pub kv_operations: i32,
    /// Requests in a call.
    pub http_requests: i32,
    /// Requests of an installation in a minute.
    pub http_requests_per_minute: i32,
    /// The body of a request.
    pub http_request_bytes: i32,
    /// The body of a response, unpacked.
    pub http_response_bytes: i32,
    /// Milliseconds of a request.
    pub http_ms: i32,
    /// What a stream filter may hold back.
    pub hold_bytes: i32,
    /// Milliseconds a stream filter may hold it back.
    pub hold_ms: i32,
    /// Entries of lore that a hook is shown.
    pub lore_candidates: i32,
}

impl ServiceLimits {
    #[must_use]
    pub fn new(limits: &Limits, extensions: ExtensionLimits) -> Self {
        Self {
            default_page_size: int(limits.default_page_size),
            max_page_size: int(limits.max_page_size),
            document_bytes: int(limits.document_bytes),
            document_tokens: int(limits.document_tokens),
            query_depth: int(limits.query_depth),
            aliases: int(limits.aliases),
            directives_per_node: int(limits.directives_per_node),
            directives: int(limits.directives),
            fragments: int(limits.fragments),
            selections: int(limits.selections),
            root_fields: int(limits.root_fields),
            mutation_root_fields: int(limits.mutation_root_fields),
            complexity: int(limits.complexity),
            operations: int(limits.operations),
            document_cache_bytes: int(limits.document_cache_bytes),
            body_bytes: int(limits.body_bytes),
            query_string_bytes: int(limits.query_string_bytes),
            upload_bytes: int(limits.upload_bytes),
            upload_files: int(limits.upload_files),
            upload_memory_bytes: int(limits.upload_memory_bytes),
            write_stall_ms: int(limits.write_stall_ms),
            query_timeout_ms: int(limits.query_timeout_ms),
            mutation_timeout_ms: int(limits.mutation_timeout_ms),
            publish_timeout_ms: int(limits.publish_timeout_ms),
            socket_init_ms: int(limits.socket_init_ms),
            socket_operations: int(limits.socket_operations),
            socket_message_bytes: int(limits.socket_message_bytes),
            socket_id_bytes: int(limits.socket_id_bytes),
            socket_messages_per_second: int(limits.socket_messages_per_second),
            socket_ping_ms: int(limits.socket_ping_ms),
            socket_queue_bytes: int(limits.socket_queue_bytes),
            sockets_per_user: int(limits.sockets_per_user),
            logins_per_account: int(limits.logins_per_account),
            logins_per_address: int(limits.logins_per_address),
            registrations_per_hour: int(limits.registrations_per_hour),
            password_chars: int(limits.password_chars),
            display_name_chars: int(limits.display_name_chars),
            bio_bytes: int(limits.bio_bytes),
            character_name_chars: int(limits.character_name_chars),
            character_text_bytes: int(limits.character_text_bytes),
            greetings: int(limits.greetings),
            tags: int(limits.tags),
            tag_chars: int(limits.tag_chars),
            characters_per_user: int(limits.characters_per_user),
            search_query_bytes: int(limits.search_query_bytes),
            card_json_bytes: int(limits.card_json_bytes),
            world_books_per_user: int(limits.world_books_per_user),
            world_entries: int(limits.world_entries),
            world_book_bytes: int(limits.world_book_bytes),
            world_entry_bytes: int(limits.world_entry_bytes),
            world_keys: int(limits.world_keys),
            world_key_bytes: int(limits.world_key_bytes),
            presets_per_user: int(limits.presets_per_user),
            preset_bytes: int(limits.preset_bytes),
            personas_per_user: int(limits.personas_per_user),
            world_books_per_session: int(limits.world_books_per_session),
            variables_bytes: int(limits.variables_bytes),
            characters_per_session: int(limits.characters_per_session),
            sessions_per_user: int(limits.sessions_per_user),
            title_chars: int(limits.title_chars),
            message_bytes: int(limits.message_bytes),
            guidance_bytes: int(limits.guidance_bytes),
            swipes: int(limits.swipes),
            messages_per_session: int(limits.messages_per_session),
            chat_file_bytes: int(limits.chat_file_bytes),
            chat_export_bytes: int(limits.chat_export_bytes),
            idempotency_key_chars: int(limits.idempotency_key_chars),
            generations_per_user: int(limits.generations_per_user),
            reply_bytes: int(limits.reply_bytes),
            stop_strings: int(limits.stop_strings),
            session_events: int(limits.session_events),
            publications_per_hour: int(limits.publications_per_hour),
            publishers_per_user: int(limits.publishers_per_user),
            publisher_keys: int(limits.publisher_keys),
            extension_versions: int(limits.extension_versions),
            extension_secret_bytes: int(limits.extension_secret_bytes),
            extension_log_lines: int(limits.extension_log_lines),
            extensions,
        }
    }
}

/// Limits are far below the range of `Int`; a larger one in the configuration is shown as that.
#[must_use]
pub fn int<T: TryInto<i32>>(value: T) -> i32 {
    value.try_into().unwrap_or(i32::MAX)
}
