//! Errors of the API: what the person can put right is data (`userErrors`), the rest are errors of the operation.

use async_graphql::{Context, ErrorExtensions as _, Interface};
use tavern_domain::{Error, FieldError};

/// What is wrong with an input, for a person to put right.
#[derive(Interface)]
#[graphql(
    name = "UserError",
    field(name = "message", ty = "&String", desc = "A sentence for the person."),
    field(
        name = "field",
        ty = "&Option<Vec<String>>",
        desc = "The input field it is about, outermost first; null for the input as a whole."
    )
)]
pub enum UserError {
    Register(RegisterError),
    Login(LoginError),
    RefreshTokens(RefreshTokensError),
    Logout(LogoutError),
    UpdateProfile(UpdateProfileError),
    CreateCharacter(CreateCharacterError),
    UpdateCharacter(UpdateCharacterError),
    DeleteCharacter(DeleteCharacterError),
    SetCharacterVisibility(SetCharacterVisibilityError),
    ImportCharacter(ImportCharacterError),
    ExportCharacter(ExportCharacterError),
    CreateChatSession(CreateChatSessionError),
    UpdateChatSession(UpdateChatSessionError),
    ForkChatSession(ForkChatSessionError),
    DeleteChatSession(DeleteChatSessionError),
    ImportChat(ImportChatError),
    ExportChat(ExportChatError),
    SendMessage(SendMessageError),
    GenerateReply(GenerateReplyError),
    StopGeneration(StopGenerationError),
    EditMessage(EditMessageError),
    DeleteMessages(DeleteMessagesError),
    SetMessageHidden(SetMessageHiddenError),
    SelectSwipe(SelectSwipeError),
    CreateWorldBook(CreateWorldBookError),
    UpdateWorldBook(UpdateWorldBookError),
    DeleteWorldBook(DeleteWorldBookError),
    SaveWorldEntry(SaveWorldEntryError),
    DeleteWorldEntries(DeleteWorldEntriesError),
    ImportWorldBook(ImportWorldBookError),
    ExportWorldBook(ExportWorldBookError),
    SavePreset(SavePresetError),
    DeletePreset(DeletePresetError),
    ImportPreset(ImportPresetError),
    ExportPreset(ExportPresetError),
    SavePersona(SavePersonaError),
    DeletePersona(DeletePersonaError),
    PublishExtension(PublishExtensionError),
    YankExtension(YankExtensionError),
    RotatePublisherKey(RotatePublisherKeyError),
    RevokePublisherKey(RevokePublisherKeyError),
    StopExtension(StopExtensionError),
    InstallExtension(InstallExtensionError),
    ConfigureInstallation(ConfigureInstallationError),
    UpgradeInstallation(UpgradeInstallationError),
    RollbackInstallation(RollbackInstallationError),
    UninstallExtension(UninstallExtensionError),
}

/// A mutation's own error with its own codes.
pub trait MutationError: Sized {
    /// `None` if this mutation has no such outcome for people: then it is an error of the operation.
    fn of(error: &FieldError) -> Option<Self>;
}

macro_rules! mutation_errors {
    ($($error:ident, $code:ident { $($variant:ident),+ });+ $(;)?) => { $(
        #[derive(async_graphql::Enum, Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $code { $($variant),+ }

        #[derive(async_graphql::SimpleObject, Debug, Clone)]
        pub struct $error {
            /// A sentence for the person.
            pub message: String,
            /// The input field it is about, outermost first; null for the input as a whole.
            pub field: Option<Vec<String>>,
            pub code: $code,
        }

        impl MutationError for $error {
            fn of(error: &FieldError) -> Option<Self> {
                let code = match error.code {
                    $(tavern_domain::Code::$variant => $code::$variant,)+
                    _ => return None,
                };
                let field = (!error.path.is_empty()).then(|| error.path.clone());
                Some(Self { message: error.message.clone(), field, code })
            }
        }
    )+ };
}

mutation_errors! {
    RegisterError, RegisterErrorCode { BadUserInput, Conflict };
    LoginError, LoginErrorCode { BadUserInput, Unauthenticated };
    RefreshTokensError, RefreshTokensErrorCode { BadUserInput, Unauthenticated };
    LogoutError, LogoutErrorCode { BadUserInput };
    UpdateProfileError, UpdateProfileErrorCode { BadUserInput };
    CreateCharacterError, CreateCharacterErrorCode { BadUserInput, QuotaExceeded };
    UpdateCharacterError, UpdateCharacterErrorCode { BadUserInput, Conflict };
    DeleteCharacterError, DeleteCharacterErrorCode { BadUserInput };
    SetCharacterVisibilityError, SetCharacterVisibilityErrorCode { BadUserInput, Conflict };
    ImportCharacterError, ImportCharacterErrorCode { BadUserInput, QuotaExceeded };
    ExportCharacterError, ExportCharacterErrorCode { BadUserInput };
    CreateChatSessionError, CreateChatSessionErrorCode { BadUserInput, QuotaExceeded };
    UpdateChatSessionError, UpdateChatSessionErrorCode { BadUserInput };
    ForkChatSessionError, ForkChatSessionErrorCode { BadUserInput, QuotaExceeded };
    DeleteChatSessionError, DeleteChatSessionErrorCode { BadUserInput };
    ImportChatError, ImportChatErrorCode { BadUserInput, QuotaExceeded };
    ExportChatError, ExportChatErrorCode { BadUserInput };
    SendMessageError, SendMessageErrorCode { BadUserInput, Conflict, QuotaExceeded };
    GenerateReplyError, GenerateReplyErrorCode { BadUserInput, Conflict, QuotaExceeded };
    StopGenerationError, StopGenerationErrorCode { BadUserInput };
    EditMessageError, EditMessageErrorCode { BadUserInput, Conflict };
    DeleteMessagesError, DeleteMessagesErrorCode { BadUserInput, Conflict };
    SetMessageHiddenError, SetMessageHiddenErrorCode { BadUserInput };
    SelectSwipeError, SelectSwipeErrorCode { BadUserInput, Conflict };
    CreateWorldBookError, CreateWorldBookErrorCode { BadUserInput, QuotaExceeded };
    UpdateWorldBookError, UpdateWorldBookErrorCode { BadUserInput, Conflict };
    DeleteWorldBookError, DeleteWorldBookErrorCode { BadUserInput };
    SaveWorldEntryError, SaveWorldEntryErrorCode { BadUserInput, Conflict, QuotaExceeded };
    DeleteWorldEntriesError, DeleteWorldEntriesErrorCode { BadUserInput };
    ImportWorldBookError, ImportWorldBookErrorCode { BadUserInput, QuotaExceeded };
    ExportWorldBookError, ExportWorldBookErrorCode { BadUserInput };
    SavePresetError, SavePresetErrorCode { BadUserInput, Conflict, QuotaExceeded };
    DeletePresetError, DeletePresetErrorCode { BadUserInput };
    ImportPresetError, ImportPresetErrorCode { BadUserInput, QuotaExceeded };
    ExportPresetError, ExportPresetErrorCode { BadUserInput };
    SavePersonaError, SavePersonaErrorCode { BadUserInput, Conflict, QuotaExceeded };
    DeletePersonaError, DeletePersonaErrorCode { BadUserInput };
    PublishExtensionError, PublishExtensionErrorCode { BadUserInput, Conflict, QuotaExceeded };
    YankExtensionError, YankExtensionErrorCode { BadUserInput };
    RotatePublisherKeyError, RotatePublisherKeyErrorCode { BadUserInput, Conflict, QuotaExceeded };
    RevokePublisherKeyError, RevokePublisherKeyErrorCode { BadUserInput };
    StopExtensionError, StopExtensionErrorCode { BadUserInput };
    InstallExtensionError, InstallExtensionErrorCode { BadUserInput, Conflict, QuotaExceeded };
    ConfigureInstallationError, ConfigureInstallationErrorCode { BadUserInput, Conflict };
    UpgradeInstallationError, UpgradeInstallationErrorCode { BadUserInput, Conflict, PluginError };
    RollbackInstallationError, RollbackInstallationErrorCode { BadUserInput, Conflict };
    UninstallExtensionError, UninstallExtensionErrorCode { BadUserInput };
}

/// The user errors in `error`.
///
/// # Errors
/// An error of the operation if any of it is not for the person to put right.
pub fn user_errors<E: MutationError>(error: Error) -> async_graphql::Result<Vec<E>> {
    let told: Option<Vec<E>> = error.fields().iter().map(E::of).collect();
    match told {
        Some(told) if !told.is_empty() => Ok(told),
        _ => Err(operation_error(&error)),
    }
}

/// An error of the operation, as clients see it. What is internal is logged here and not told.
#[must_use]
pub fn operation_error(error: &Error) -> async_graphql::Error {
    if error.code() == tavern_domain::Code::Internal {
        tracing::error!(at = %error.location(), ?error, "an operation failed");
    }
    async_graphql::Error::new(error.message()).extend_with(|_, extensions| {
        extensions.set("code", error.code().as_str());
        if let Some(field) = error.fields().first().filter(|field| !field.path.is_empty()) {
            extensions.set("field", field.path.clone());
        }
        if let Some(wait) = error.retry_after() {
            extensions.set("retryAfterMs", u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        }
    })
}

/// The outcome of a nullable field: an error is recorded and the field alone is null.
///
/// The library would null the parent instead, against the specification.
pub fn nullable<T>(ctx: &Context<'_>, result: tavern_domain::Result<Option<T>>) -> Option<T> {
    result.unwrap_or_else(|error| {
        ctx.add_error(ctx.set_error_path(operation_error(&error).into_server_error(ctx.item.pos)));
        None
    })
}
